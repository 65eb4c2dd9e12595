//! The state after each operation of an order, where the names of operations leave no doubt: registers
//! and texts. The checker says only the last one.

use plumb_histories::{Operation, Value};

/// The state after an operation, given the state before where that is known.
pub(super) fn after(operation: &Operation<'_>, before: Option<&Value>) -> Option<Value> {
    let argument = operation.argument();
    match operation.f() {
        "write" | "put" => Some(argument.clone()),
        "cas" => argument.as_list()?.get(1).cloned(),
        // What a read returned was the state.
        "read" | "get" if argument.is_null() => operation.result().or(before).cloned(),
        "append" => {
            let text = format!("{}{}", before?.as_str()?, argument.as_str()?);
            Some(Value::Str(text))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use plumb_histories::{Header, Recorder};

    use super::*;

    #[test]
    fn the_state_follows_the_operations_and_is_unknown_before_the_first() {
        let mut recorder = Recorder::new(Header::default());
        let mut all = 0;
        for (f, argument, result) in [
            ("append", Value::from("b"), Value::Null),
            ("put", Value::from("a"), Value::Null),
            ("append", Value::from("c"), Value::Null),
            ("get", Value::Null, Value::from("ac")),
        ] {
            recorder.invoke(all, 0, f, None, argument, None);
            recorder.ok(all + 1, 0, result);
            all += 2;
        }
        let history = recorder.finish();
        let mut state = None;
        let states: Vec<Option<Value>> = history
            .operations()
            .map(|operation| {
                state = after(&operation, state.as_ref());
                state.clone()
            })
            .collect();
        let text = |text| Some(Value::from(text));
        assert_eq!(states, [None, text("a"), text("ac"), text("ac")]);
    }
}
