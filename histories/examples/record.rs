//! A recorder for a system of your own, and a run of it: what the clients of a register saw, as a history that
//! `plumb check` judges. `cargo run -p plumb-histories --example record > register.jsonl`

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use plumb_histories::{Header, History, Recorder, Value};

/// How a client's request can end without an answer.
pub enum Trouble {
    /// The server said no: it did not happen, and never will.
    Refused(String),
    /// Nobody knows: a time-out, a broken connection.
    Lost(String),
}

// The recorder: from here to the end of the function is all that a system needs.
/// Asks the system for something, and writes down what the client saw.
pub fn recorded(
    (recorder, clock): &(Mutex<Recorder>, Instant),
    (client, f, argument): (u64, &str, Value),
    ask: impl FnOnce() -> Result<Value, Trouble>,
) {
    let recorder = || recorder.lock().unwrap_or_else(PoisonError::into_inner);
    let now = || u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
    recorder().invoke(now(), client, f, None, argument.clone(), None);
    match (ask(), recorder()) {
        (Ok(result), mut to) => to.ok(now(), client, result),
        (Err(Trouble::Refused(why)), mut to) => to.fail(now(), client, argument, Some(&why)),
        (Err(Trouble::Lost(why)), mut to) => to.info(now(), client, argument, Some(&why)),
    }
}

/// Four clients of a register, which is the system here: put yours in its place.
#[expect(
    clippy::disallowed_methods,
    reason = "a real system's clients live in real time"
)]
pub fn record() -> History {
    let header = Header {
        spec: Some("register".to_owned()),
        init: Some(Value::Int(0)),
        ..Header::default()
    };
    let (book, system) = (
        (Mutex::new(Recorder::new(header)), Instant::now()),
        Mutex::new(Value::Int(0)),
    );
    let register = || system.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (book, register) = (&book, &register);
            scope.spawn(move || {
                for number in 1..=50 {
                    let value = Value::Int(i64::try_from(client * 1_000 + number).unwrap_or(0));
                    let write = || {
                        *register() = value.clone();
                        Ok(value.clone())
                    };
                    recorded(book, (client, "write", value.clone()), write);
                    recorded(book, (client, "read", Value::Null), || {
                        Ok(register().clone())
                    });
                }
            });
        }
    });
    book.0
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .finish()
}

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(&record().to_jsonl())
}
