//! Keys and values as the cluster holds them: text, and what clients read in it.

use std::borrow::Cow;

use bytes::Bytes;
use plumb_histories::Value;

/// What each account holds before anybody has moved anything.
pub const FIRST_BALANCE: i64 = 100;

/// A key's name.
pub(crate) fn key_name(key: u64) -> String {
    let mut name = String::with_capacity(4);
    name.push('k');
    match u32::try_from(key)
        .ok()
        .and_then(|key| char::from_digit(key, 10))
    {
        Some(digit) => name.push(digit),
        None => name.push_str(&key.to_string()),
    }
    name
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
    let text = bytes.map_or(Cow::Borrowed(""), |bytes| lossy(bytes));
    let mut sum = 0_i64;
    for word in text.split_ascii_whitespace() {
        match whole(word) {
            Some(number) => sum += number,
            None => return Value::Str(text.into_owned()),
        }
    }
    Value::Int(sum)
}

fn element(text: &str) -> Value {
    whole(text).map_or_else(|| Value::Str(text.to_owned()), Value::Int)
}

/// A whole number. Lists are read from their beginning each time, so most of what a client reads goes through here: what
/// is short enough for any number is read without looking for one that is too large.
fn whole(text: &str) -> Option<i64> {
    let (digits, sign) = match text.as_bytes() {
        [b'-', digits @ ..] => (digits, -1),
        digits => (digits, 1),
    };
    if digits.is_empty() || digits.len() > 18 {
        return text.parse().ok();
    }
    let mut number = 0_i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return text.parse().ok();
        }
        // Eighteen digits overflow nothing, and need no look whether they do.
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
    }
    Some(sign * number)
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

    #[test]
    fn whole_numbers_are_those_of_the_library() {
        let edge = i64::MIN.to_string();
        let texts = [
            "0",
            "-0",
            "7",
            "-17",
            "+3",
            "007",
            "",
            "-",
            "--1",
            "1x",
            "x",
            "1.5",
            " 1",
            "999999999999999999",
            "-999999999999999999",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "\u{665}",
        ];
        for text in texts.into_iter().chain([edge.as_str()]) {
            assert_eq!(whole(text), text.parse().ok(), "{text:?}");
        }
    }

    #[test]
    fn a_key_is_named_by_its_number() {
        let names = [0, 9, 10, 12_345].map(key_name);
        assert_eq!(names, ["k0", "k9", "k10", "k12345"]);
    }
}
