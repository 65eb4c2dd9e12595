//! A bank: `transfer` of `{from, to, amount}` between accounts, possible only if the balance covers
//! it (else it is a `fail`), and `read` of all balances as a map. Money moves; it is never made.

use std::collections::BTreeMap;

use plumb_histories::Value;

use super::shapes::{expected, int, name_of, unknown};
use super::{Call, SequentialSpec};

/// Balances by account.
pub(super) struct Bank;

fn transfer(value: &Value) -> Option<(String, String, i64)> {
    let Value::Map(pairs) = value else {
        return None;
    };
    let entry = |name: &str| {
        pairs
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value)
    };
    let amount = int(entry("amount")?).filter(|amount| *amount >= 0)?;
    Some((name_of(entry("from")?), name_of(entry("to")?), amount))
}

impl SequentialSpec for Bank {
    type State = BTreeMap<String, i64>;

    fn name(&self) -> &'static str {
        "bank"
    }

    fn init(&self, init: &Value) -> Result<Self::State, String> {
        let what = "a bank starts from a map of balances, none negative";
        let Value::Map(pairs) = init else {
            return Err(what.to_owned());
        };
        pairs
            .iter()
            .map(|(name, value)| {
                let balance = int(value).filter(|balance| *balance >= 0).ok_or(what)?;
                Ok((name.clone(), balance))
            })
            .collect()
    }

    fn step(&self, state: &Self::State, call: &Call<'_>) -> Option<Self::State> {
        if call.f == "read" {
            let Some(Value::Map(pairs)) = call.result else {
                return Some(state.clone());
            };
            let same = pairs.len() == state.len()
                && pairs
                    .iter()
                    .all(|(name, value)| state.get(name).copied() == int(value));
            return same.then(|| state.clone());
        }
        let (from, to, amount) = transfer(call.argument)?;
        let mut after = state.clone();
        let source = after.get_mut(&from)?;
        *source = source.checked_sub(amount).filter(|left| *left >= 0)?;
        let target = after.get_mut(&to)?;
        *target = target.checked_add(amount)?;
        Some(after)
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match (call.f, call.result) {
            ("read", None | Some(Value::Map(_))) => Ok(()),
            ("read", Some(other)) => expected(call, "a map of balances as its result", other),
            ("transfer", _) if transfer(call.argument).is_some() => Ok(()),
            ("transfer", _) => expected(
                call,
                "{from, to, amount} with a whole, non-negative amount",
                call.argument,
            ),
            _ => unknown(call, "read and transfer"),
        }
    }

    fn partition<'a>(&self, _call: &Call<'a>) -> Option<&'a Value> {
        None
    }

    fn is_read(&self, call: &Call<'_>) -> bool {
        call.f == "read"
    }

    fn show(&self, state: &Self::State) -> Value {
        Value::map(state.iter().map(|(name, n)| (name.clone(), Value::Int(*n))))
    }

    fn weight(&self, state: &Self::State) -> usize {
        64 + 40 * state.len()
    }
}
