//! Keys and values as the cluster holds them: text, and what clients read in it.

use std::borrow::Cow;

use bytes::Bytes;
use plumb_histories::Value;

/// What each account holds before anybody has moved anything.
pub const FIRST_BALANCE: i64 = 100;

/// A key's name.
pub(crate) fn key_name(key: u64) -> String {
    format!("k{key}")
}

/// A register's value: a number, or nothing yet.
pub(super) fn number(bytes: Option<&Bytes>) -> Value {
    match bytes {
        None => Value::Null,
        Some(bytes) => element(&lossy(bytes)),
    }
}

pub(super) fn text(bytes: Option<&Bytes>) -> String {
    bytes
        .map(|bytes| lossy(bytes).into_owned())
        .unwrap_or_default()
}

/// As text, as far as it is; what clients write always is, and is read again by each of them.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// An account's balance. One that holds no number has none that anybody may have seen.
pub(super) fn balance(bytes: Option<&Bytes>) -> i64 {
    match number(bytes) {
        Value::Null => FIRST_BALANCE,
        Value::Int(balance) => balance,
        _ => i64::MIN / 2,
    }
}

/// The elements of a list: numbers, or whatever else stands there.
pub(super) fn elements(text: &str) -> impl Iterator<Item = Value> {
    text.split_ascii_whitespace().map(element)
}

/// A list as its key's bytes hold it; nothing yet is an empty one.
pub(super) fn listed(bytes: Option<&Bytes>) -> Value {
    let text = bytes.map_or(Cow::Borrowed(""), |bytes| lossy(bytes));
    let count = text.bytes().filter(|byte| *byte == b' ').count();
    let mut list = Vec::with_capacity(count);
    list.extend(elements(&text));
    Value::List(list)
}

/// The sum of a list's numbers; the text itself if it holds anything else, which no counter does.
pub(super) fn sum(bytes: Option<&Bytes>) -> Value {
    let text = text(bytes);
    let mut sum = 0_i64;
    for element in elements(&text) {
        match element {
            Value::Int(number) => sum += number,
            _ => return Value::Str(text.clone()),
        }
    }
    Value::Int(sum)
}

fn element(text: &str) -> Value {
    text.parse()
        .map_or_else(|_| Value::Str(text.to_owned()), Value::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_client_has_written_is_shown_and_never_taken_for_a_number() {
        let strange = Bytes::from("7 x -2 ");
        assert_eq!(sum(Some(&strange)), Value::Str("7 x -2 ".to_owned()));
        assert_eq!(sum(Some(&Bytes::from("7 -2 "))), Value::Int(5));
        assert_eq!(sum(None), Value::Int(0));
        assert!(balance(Some(&strange)) < 0);
        assert_eq!(balance(None), FIRST_BALANCE);
        assert_eq!(listed(None), Value::List(vec![]));
    }
}
