//! Keys and values as the cluster holds them: text, and what clients read in it.

use std::borrow::Cow;

use bytes::Bytes;
use plumb_histories::Value;

/// What each account holds before anybody has moved anything.
pub const FIRST_BALANCE: i64 = 100;
/// So many digits make no number that is too large, whichever they are.
const MOST_DIGITS: u32 = 18;

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
    let bytes = bytes.map_or(&[][..], |bytes| bytes);
    let count = bytes.iter().filter(|byte| **byte == b' ').count();
    let mut list = Vec::with_capacity(count);
    if !each_number(bytes, |number| list.push(Value::Int(number))) {
        list.clear();
        list.extend(elements(&lossy(bytes)));
    }
    Value::List(list)
}

/// The sum of a list's numbers; the text itself if it holds anything else, which no counter does.
pub(super) fn sum(bytes: Option<&Bytes>) -> Value {
    let bytes = bytes.map_or(&[][..], |bytes| bytes);
    let mut sum = 0_i64;
    if each_number(bytes, |number| sum += number) {
        return Value::Int(sum);
    }
    let text = lossy(bytes);
    let numbers: Option<Vec<i64>> = text.split_ascii_whitespace().map(whole).collect();
    match numbers {
        Some(numbers) => Value::Int(numbers.iter().sum()),
        None => Value::Str(text.into_owned()),
    }
}

/// The numbers of a list as clients write it: digits, with a sign or without, and a space behind. Each list is read from
/// its beginning each time, by all who look at its key, so this is one pass over the bytes. False if anything else stands
/// there, also if that only comes later.
fn each_number(text: &[u8], mut each: impl FnMut(i64)) -> bool {
    let (mut number, mut digits, mut sign) = (0_i64, 0_u32, 1);
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                // What wraps is longer than any number that is taken below.
                number = number.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
                digits += 1;
            }
            b' ' if (1..=MOST_DIGITS).contains(&digits) => {
                each(sign * number);
                (number, digits, sign) = (0, 0, 1);
            }
            b'-' if digits == 0 && sign == 1 => sign = -1,
            _ => return false,
        }
    }
    digits == 0 && sign == 1
}

fn element(text: &str) -> Value {
    whole(text).map_or_else(|| Value::Str(text.to_owned()), Value::Int)
}

fn whole(text: &str) -> Option<i64> {
    text.parse().ok()
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
    fn lists_read_in_one_pass_hold_the_numbers_that_the_library_finds() {
        let edge = format!("1 {} ", i64::MIN);
        let texts = [
            "",
            "0 ",
            "-0 ",
            "7 -17 007 ",
            "7",
            "7 8",
            "7  8 ",
            " 7 ",
            "- ",
            "--1 ",
            "1-1 ",
            "1 -",
            "+3 ",
            "1\t2\n",
            "5 x ",
            "5 1.5 ",
            "999999999999999999 -999999999999999999 ",
            "9223372036854775807 ",
            "9223372036854775808 ",
            "18446744073709551617 ",
            "\u{665} ",
        ];
        for text in texts.into_iter().chain([edge.as_str()]) {
            let bytes = Bytes::from(text.to_owned());
            let list: Vec<Value> = elements(text).collect();
            assert_eq!(listed(Some(&bytes)), Value::List(list), "{text:?}");
            let numbers: Result<Vec<i64>, _> =
                text.split_ascii_whitespace().map(str::parse).collect();
            let added = numbers.map_or(Value::Str(text.to_owned()), |numbers| {
                Value::Int(numbers.iter().sum())
            });
            assert_eq!(sum(Some(&bytes)), added, "{text:?}");
        }
    }

    #[test]
    fn a_key_is_named_by_its_number() {
        let names = [0, 9, 10, 12_345].map(key_name);
        assert_eq!(names, ["k0", "k9", "k10", "k12345"]);
    }
}
