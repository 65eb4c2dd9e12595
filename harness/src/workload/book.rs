//! What one client does next and how it is written down, whoever carries the operations out: each
//! client draws from a stream of its own (or follows a script) and records what it was told. An operation
//! of unknown fate is `info`, and its process never acts again: the client goes on as a new process.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use plumb_histories::{Recorder, Value};
use plumb_raft::client::Outcome;
use plumb_raft::kv::{MAX_SESSIONS, Operation, Reply};

use super::deed::{Deed, End, Next};
use super::draw::Draw;
use crate::invariants::Coverage;
use crate::scenario::{Action, Scenario, ScriptedOperation, WorkloadKind};

/// The clients' shared history; a run is one thread.
pub type SharedRecorder = Rc<RefCell<Recorder>>;

/// The operations that all clients started, in the order in which they did.
pub type SharedScript = Rc<RefCell<Vec<ScriptedOperation>>>;

/// What all clients met with: whether the interesting things happened that a workload is there for.
pub type SharedCoverage = Rc<RefCell<Coverage>>;

/// When a request that arrived again was first told something else than before, and what.
pub type SharedRuling = Rc<RefCell<Option<(u64, String)>>>;

/// Why an operation failed that was carried out, and found another value than it expected.
pub const MISMATCH: &str = "another value";

/// Why a transfer failed that was carried out, and found too little money.
pub const UNCOVERED: &str = "the balance does not cover it";

/// Why nobody knows what became of an operation whose client died.
pub const DIED: &str = "the client died";

/// What a client asks of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The value of a key, linearizably.
    Read(String),
    /// An operation, once.
    Execute(Operation),
}

/// What the cluster answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// A read's value.
    Value(Option<Bytes>),
    /// An operation's reply.
    Reply(Reply),
}

/// How a client goes on after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// The operation asks for more.
    Ask(Ask),
    /// It is over.
    Done,
    /// It is over, and its fate unknown: the client must be replaced by one with a session of its own.
    Retired,
}

/// Where a run's clients write down what they do and see.
#[derive(Clone)]
pub struct Books {
    /// What happened.
    pub recorder: SharedRecorder,
    /// What was started.
    pub script: SharedScript,
    /// What was met with.
    pub coverage: SharedCoverage,
    /// What no answer may say.
    pub ruling: SharedRuling,
}

impl Books {
    /// A request has arrived again after its answer, and been told this. It must be what it was told first, or that a
    /// later one of its session has come before, or that its session had to go (§8): it takes effect once.
    pub fn told_again(&self, now_ns: u64, first: &Reply, again: &Reply) {
        let mut coverage = self.coverage.borrow_mut();
        match again {
            Reply::StaleSequence => coverage.stale_requests += 1,
            // The oldest session goes when there are too many. Each operation begins one at most.
            Reply::SessionExpired if self.script.borrow().len() > MAX_SESSIONS => {}
            again if again == first => coverage.answered_again += 1,
            again => {
                let what = format!(
                    "a request that was told {first:?} arrived again, and is told {again:?}"
                );
                self.ruling.borrow_mut().get_or_insert((now_ns, what));
            }
        }
    }
}

/// One client's present self, and what it knows.
pub struct Book {
    kind: WorkloadKind,
    clients: u64,
    keys: u64,
    books: Books,
    draw: Draw,
    /// The operations of this client, if a script says so, in reverse.
    ahead: Option<Vec<ScriptedOperation>>,
    process: u64,
    /// What it last saw of each key.
    seen: Vec<Option<Bytes>>,
    /// What is under way.
    open: Option<Deed>,
}

impl Book {
    /// A client that has done nothing yet. `number` counts the clients from zero; where no script says what
    /// it does, a stream of its own decides.
    #[must_use]
    pub fn new(scenario: &Scenario, number: u64, books: Books) -> Book {
        let workload = &scenario.workload;
        let ahead = workload.script.as_ref().map(|all| {
            let mine = all.iter().filter(|o| o.client == number);
            mine.rev().copied().collect()
        });
        Book {
            kind: workload.kind,
            clients: workload.clients,
            keys: workload.keys,
            books,
            draw: Draw::new(scenario, number),
            ahead,
            process: number,
            seen: vec![None; workload.keys as usize],
            open: None,
        }
    }

    /// What this client does next, to be started at its time or as soon as it can be; `None` at the
    /// end of its script.
    pub fn next(&mut self, now_us: u64) -> Option<ScriptedOperation> {
        match &mut self.ahead {
            Some(ahead) => ahead.pop(),
            None => Some(self.draw.next(now_us)),
        }
    }

    /// Whether an operation begins with a read that any server may be asked for.
    #[must_use]
    pub fn begins_with_a_read(&self, operation: ScriptedOperation) -> bool {
        matches!(operation.action, Action::Read | Action::Dequeue)
            && self.kind != WorkloadKind::Bank
    }

    /// Starts an operation at `node` and says what to ask.
    ///
    /// # Panics
    /// If one is under way.
    pub fn begin(&mut self, now_ns: u64, operation: ScriptedOperation, node: &str) -> Ask {
        assert!(self.open.is_none(), "one operation at a time");
        let operation = ScriptedOperation {
            at_us: now_ns / 1_000,
            ..operation
        };
        self.books.script.borrow_mut().push(operation);
        let seen = self.seen[operation.key as usize].clone();
        let mut deed = Deed::new(operation, self.kind, self.keys, seen);
        self.books.recorder.borrow_mut().invoke(
            now_ns,
            self.process,
            deed.f(),
            deed.key(),
            deed.argument(),
            Some(node),
        );
        let ask = deed.ask();
        self.open = Some(deed);
        ask
    }

    /// The cluster has answered, or has not in time.
    ///
    /// # Panics
    /// If nothing is under way.
    pub fn hear(&mut self, now_ns: u64, outcome: Outcome<Got>) -> Then {
        let mut deed = self.open.take().expect("an answer comes after a question");
        let next = match outcome {
            Outcome::Ok(got) => {
                note_answer(&mut self.books.coverage.borrow_mut(), &got);
                self.learn(deed.operation, &got);
                deed.answered(got)
            }
            Outcome::Failed(why) => Next::End(End::Fail(why)),
            Outcome::Unknown(why) => Next::End(deed.unknown(why)),
        };
        match next {
            Next::Ask(ask) => {
                self.open = Some(deed);
                Then::Ask(ask)
            }
            Next::End(end) => self.end(now_ns, &deed, end),
        }
    }

    /// The client dies with its operation under way, and comes back as another process.
    ///
    /// # Panics
    /// If nothing is under way.
    pub fn die(&mut self, now_ns: u64) {
        let deed = self.open.take().expect("it dies while it waits");
        self.books.coverage.borrow_mut().deaths += 1;
        self.seen.fill(None);
        self.end(now_ns, &deed, End::Info(DIED));
    }

    /// The client dies with its operation under way, and will come back to make the same request again.
    pub fn go_away(&mut self) {
        self.books.coverage.borrow_mut().deaths += 1;
        self.seen.fill(None);
    }

    /// It is back, and makes the same request again.
    pub fn come_back(&mut self) {
        self.books.coverage.borrow_mut().returns += 1;
    }

    /// Where all clients of the run write.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    fn end(&mut self, now_ns: u64, deed: &Deed, end: End) -> Then {
        note_end(
            &mut self.books.coverage.borrow_mut(),
            deed.operation.action,
            &end,
        );
        let mut recorder = self.books.recorder.borrow_mut();
        // An operation without a result is remembered by what it asked for.
        match end {
            End::Ok(value) => recorder.ok(now_ns, self.process, value),
            End::Fail(why) => recorder.fail(now_ns, self.process, deed.argument(), Some(why)),
            End::Info(why) => {
                recorder.info(now_ns, self.process, deed.argument(), Some(why));
                // Jepsen's rule: a process with an operation of unknown fate is retired.
                self.process += self.clients;
                return Then::Retired;
            }
        }
        Then::Done
    }

    /// What a register holds, for the next compare-and-set.
    fn learn(&mut self, operation: ScriptedOperation, got: &Got) {
        let seen = &mut self.seen[operation.key as usize];
        match (self.kind, got) {
            (WorkloadKind::Register, Got::Value(read)) => seen.clone_from(read),
            (_, Got::Reply(Reply::Mismatch(found))) => seen.clone_from(found),
            (WorkloadKind::Register, Got::Reply(Reply::Done | Reply::Swapped)) => {
                *seen = Some(Bytes::from(operation.value.to_string()));
            }
            _ => {}
        }
    }
}

/// Whether an operation failed because of what it found: it was served all the same.
#[must_use]
pub fn was_served(error: Option<&str>) -> bool {
    matches!(error, Some(MISMATCH | UNCOVERED))
}

fn note_answer(coverage: &mut Coverage, got: &Got) {
    let Got::Reply(reply) = got else { return };
    match reply {
        Reply::Committed(_) => coverage.transactions += 1,
        Reply::Aborted { .. } => coverage.aborts += 1,
        Reply::Mismatch(_) => coverage.mismatches += 1,
        _ => {}
    }
}

fn note_end(coverage: &mut Coverage, action: Action, end: &End) {
    match (action, end) {
        (_, End::Info(_)) => coverage.unknown += 1,
        (Action::Dequeue | Action::Transfer, End::Fail(MISMATCH)) => coverage.outrun += 1,
        (_, End::Fail(UNCOVERED)) => coverage.uncovered += 1,
        (Action::Dequeue, End::Ok(Value::Null)) => coverage.found_empty += 1,
        (Action::Dequeue, End::Ok(_)) => coverage.taken += 1,
        (Action::Add, End::Ok(_)) => coverage.added += 1,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use plumb_histories::Header;

    use super::*;

    #[test]
    fn a_request_that_arrives_again_may_be_told_the_same_or_that_it_is_stale_and_nothing_else() {
        let books = Books {
            recorder: Rc::new(RefCell::new(Recorder::new(Header::default()))),
            script: Rc::default(),
            coverage: Rc::default(),
            ruling: Rc::default(),
        };
        let found = Reply::Mismatch(None);
        books.told_again(1, &found, &found.clone());
        books.told_again(2, &found, &Reply::StaleSequence);
        assert_eq!(*books.ruling.borrow(), None);
        books.told_again(3, &found, &Reply::SessionExpired);
        let ruling = books.ruling.take().expect("no session has to go yet");
        assert_eq!(ruling.0, 3);
        books.told_again(4, &found, &Reply::Swapped);
        books.told_again(5, &Reply::Done, &Reply::TooLarge);
        let ruling = books.ruling.take().expect("it swapped the second time");
        assert_eq!(ruling.0, 4, "the first counts");
        assert!(ruling.1.contains("is told Swapped"), "{}", ruling.1);
        let coverage = books.coverage.borrow();
        assert_eq!((coverage.answered_again, coverage.stale_requests), (1, 1));
    }
}
