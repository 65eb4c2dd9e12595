//! The shapes that arguments and results have in histories, and the words for what was expected.

use plumb_histories::Value;

use super::Call;

/// The call has an unknown name.
pub(super) fn unknown<T>(call: &Call<'_>, known: &str) -> Result<T, String> {
    Err(format!(
        "the operation `{}` is not one of this specification, which knows {known}",
        call.f
    ))
}

/// A value has the wrong shape.
pub(super) fn expected<T>(call: &Call<'_>, what: &str, value: &Value) -> Result<T, String> {
    Err(format!("`{}` needs {what}, found {value}", call.f))
}

/// A pair.
pub(super) fn pair(value: &Value) -> Option<(&Value, &Value)> {
    match value.as_list()? {
        [first, second] => Some((first, second)),
        _ => None,
    }
}

/// A whole number.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

/// A value as the name of an entry of a map, as EDN's keys become text.
pub(super) fn name_of(value: &Value) -> String {
    match value {
        Value::Str(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a micro-operation of a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Micro {
    /// Returned the value.
    Read,
    /// Replaced it.
    Write,
    /// Added to a list's end.
    Append,
}

/// A micro-operation `[f key value]`: `r`/`read`, `w`/`write`, `append`.
pub(crate) fn micro(value: &Value) -> Option<(Micro, &Value, &Value)> {
    let [f, key, value] = value.as_list()? else {
        return None;
    };
    let micro = match f.as_str()? {
        "r" | "read" => Micro::Read,
        "w" | "write" => Micro::Write,
        "append" => Micro::Append,
        _ => return None,
    };
    Some((micro, key, value))
}
