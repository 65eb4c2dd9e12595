//! A register: `read`, `write`, and for the second of the two `cas` with `[old, new]`. As in Jepsen a
//! `cas` that found another value is a `fail`: it did not happen. A read of `null` is a read of
//! `null`, not of anything (Knossos lets it match every value).

use plumb_histories::Value;

use super::shapes::{expected, pair, unknown};
use super::{Call, RegisterCall, SequentialSpec};

/// Reads and writes.
pub(super) struct Register;

/// Reads, writes and compare-and-set.
pub(super) struct CasRegister;

/// The register's rules, shared by all specifications that are registers.
pub(super) fn apply(state: &Value, call: RegisterCall<'_>) -> Option<Value> {
    match call {
        RegisterCall::Read(value) => (value == state).then(|| state.clone()),
        RegisterCall::Write(value) => Some(value.clone()),
        RegisterCall::Cas(old, new) => (old == state).then(|| new.clone()),
    }
}

fn step(state: &Value, call: &Call<'_>, as_register: Option<RegisterCall<'_>>) -> Option<Value> {
    match as_register {
        Some(register) => apply(state, register),
        // A read whose result is unknown.
        None => (call.f == "read").then(|| state.clone()),
    }
}

fn read_or_write<'a>(call: &Call<'a>) -> Option<RegisterCall<'a>> {
    match call.f {
        "read" => call.result.map(RegisterCall::Read),
        "write" => Some(RegisterCall::Write(call.argument)),
        _ => None,
    }
}

impl SequentialSpec for Register {
    type State = Value;

    fn name(&self) -> &'static str {
        "register"
    }

    fn init(&self, init: &Value) -> Result<Value, String> {
        Ok(init.clone())
    }

    fn step(&self, state: &Value, call: &Call<'_>) -> Option<Value> {
        step(state, call, read_or_write(call))
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match call.f {
            "read" | "write" => Ok(()),
            _ => unknown(call, "read and write (is it a cas-register?)"),
        }
    }

    fn is_read(&self, call: &Call<'_>) -> bool {
        call.f == "read"
    }

    fn is_write(&self, call: &Call<'_>) -> bool {
        call.f == "write"
    }

    fn as_register<'a>(&self, call: &Call<'a>) -> Option<RegisterCall<'a>> {
        read_or_write(call)
    }

    fn show(&self, state: &Value) -> Value {
        state.clone()
    }
}

impl SequentialSpec for CasRegister {
    type State = Value;

    fn name(&self) -> &'static str {
        "cas-register"
    }

    fn init(&self, init: &Value) -> Result<Value, String> {
        Ok(init.clone())
    }

    fn step(&self, state: &Value, call: &Call<'_>) -> Option<Value> {
        step(state, call, self.as_register(call))
    }

    fn check(&self, call: &Call<'_>) -> Result<(), String> {
        match call.f {
            "read" | "write" => Ok(()),
            "cas" if pair(call.argument).is_some() => Ok(()),
            "cas" => expected(call, "a pair [old, new]", call.argument),
            _ => unknown(call, "read, write and cas"),
        }
    }

    fn is_read(&self, call: &Call<'_>) -> bool {
        call.f == "read" || (call.f == "cas" && pair(call.argument).is_some_and(|(a, b)| a == b))
    }

    fn is_write(&self, call: &Call<'_>) -> bool {
        call.f == "write"
    }

    fn as_register<'a>(&self, call: &Call<'a>) -> Option<RegisterCall<'a>> {
        match call.f {
            "cas" => pair(call.argument).map(|(old, new)| RegisterCall::Cas(old, new)),
            _ => read_or_write(call),
        }
    }

    fn show(&self, state: &Value) -> Value {
        state.clone()
    }
}
