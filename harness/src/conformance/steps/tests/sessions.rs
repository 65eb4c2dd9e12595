//! Requests that a state machine makes too much or too little of.

use bytes::Bytes;
use plumb_raft::kv::{Command, MAX_SESSIONS, Operation, SessionId};

use super::*;

/// The state machine of a server, as it is shipped, with what is seen of each entry.
struct Machine {
    id: NodeId,
    store: KvStore,
}

impl Machine {
    fn new(id: u64) -> Machine {
        let id = NodeId(id);
        let store = KvStore::default();
        Machine { id, store }
    }

    fn apply(&mut self, command: &Command) -> Applied {
        let entry = Entry {
            index: self.store.applied().next(),
            term: Term(1),
            payload: Payload::Command(command.encode()),
        };
        let applying = Applying::of(&self.store, &entry).expect("it concerns a session");
        let reply = self.store.apply(&entry);
        applying.done(self.id, &self.store, reply.as_ref())
    }
}

fn request(session: u64, sequence: u64, suffix: &'static str) -> Command {
    Command::Execute {
        session: SessionId(session),
        sequence,
        operation: Operation::Append {
            key: "k".to_owned(),
            suffix: Bytes::from(suffix),
        },
    }
}

/// What is said of the last of these commands with something changed in what is seen of it; all before it conform, and
/// so does it as it is.
fn edited_last(commands: &[Command], edit: impl Fn(&mut Applied)) -> Option<String> {
    let judge = |edit: &dyn Fn(&mut Applied)| {
        let (mut conformance, mut machine) = (Conformance::default(), Machine::new(1));
        let mut said = None;
        for (at, command) in commands.iter().enumerate() {
            assert_eq!(said, None, "{command:?}");
            let mut seen = machine.apply(command);
            if at + 1 == commands.len() {
                edit(&mut seen);
            }
            said = conformance.applied(&seen);
        }
        said.map(|it| it.to_string())
    };
    assert_eq!(judge(&|_| {}), None);
    judge(&edit)
}

#[test]
fn what_the_shipped_state_machine_makes_of_requests_conforms() {
    let (mut conformance, mut machine) = (Conformance::default(), Machine::new(1));
    let mut commands = vec![Command::OpenSession];
    let requests = [(1, 1), (1, 1), (1, 3), (1, 2), (1, 3), (99, 1)];
    commands.extend(requests.map(|(session, sequence)| request(session, sequence, "x")));
    commands.extend(vec![Command::OpenSession; MAX_SESSIONS]);
    commands.push(request(1, 4, "x"));
    let mut told = Vec::new();
    for command in &commands {
        let seen = machine.apply(command);
        assert_eq!(conformance.applied(&seen), None, "{command:?}");
        told.push(seen.told);
    }
    assert_eq!(
        (told[0], told[4], told[6]),
        (Told::Opened(1), Told::Stale, Told::Expired)
    );
    assert_eq!(told.last(), Some(&Told::Expired), "there were too many");
}

#[test]
fn a_request_that_is_executed_again_and_one_that_is_not_are_told() {
    let twice = [Command::OpenSession, request(1, 1, "x"), request(1, 1, "x")];
    tells(
        edited_last(&twice, |seen| seen.changed = true),
        &[
            "given request 1 of session 1 in entry 3",
            "the request is Answered, and something changed",
        ],
    );
    let late = [Command::OpenSession, request(1, 2, "x"), request(1, 1, "x")];
    tells(
        edited_last(&late, |seen| seen.changed = true),
        &["the request is Stale, and something changed"],
    );
    tells(
        edited_last(&twice[..2], |seen| seen.told = Told::Stale),
        &["the request is Executed, and it is told Stale"],
    );
}

#[test]
fn an_answer_that_is_not_the_first_one_is_told() {
    let twice = [Command::OpenSession, request(1, 1, "x"), request(1, 1, "x")];
    tells(
        edited_last(&twice, |seen| seen.told = Told::Answer(7)),
        &[
            "the request is Answered, and it is told Answer(7)",
            "(§8, dissertation §6.3)",
        ],
    );
    let unknown = [request(5, 1, "x")];
    tells(
        edited_last(&unknown, |seen| seen.told = Told::Answer(7)),
        &["the request is Expired"],
    );
    tells(
        edited_last(&[Command::OpenSession], |seen| seen.told = Told::Opened(9)),
        &["it is told Opened(9) for its session"],
    );
}

#[test]
fn what_is_remembered_of_a_session_is_compared() {
    let one = [Command::OpenSession, request(1, 1, "x")];
    tells(
        edited_last(&one, |seen| seen.remembers = Some((0, 2))),
        &["of the session it remembers Some((0, 2)), not Some((1, 2))"],
    );
    tells(
        edited_last(&one, |seen| seen.remembers = None),
        &["it remembers None"],
    );
}

#[test]
fn a_snapshot_that_remembers_other_sessions_is_told() {
    let (mut conformance, mut machine) = (Conformance::default(), Machine::new(1));
    for command in [Command::OpenSession, request(1, 1, "x")] {
        assert_eq!(conformance.applied(&machine.apply(&command)), None);
    }
    let whole = Restored {
        server: 2,
        ..Restored::of(machine.id, &machine.store)
    };
    assert_eq!(conformance.restored(&whole), None);
    let seen = machine.apply(&request(1, 2, "y"));
    assert_eq!(
        conformance.applied(&Applied { server: 2, ..seen }),
        None,
        "it goes on from there"
    );
    let without = Restored {
        sessions: Vec::new(),
        ..whole
    };
    let said = conformance.restored(&without).map(|it| it.to_string());
    tells(
        said,
        &["the snapshot at 2", "other servers remember other sessions"],
    );
}

#[test]
fn state_machines_that_part_ways_are_told() {
    let (mut conformance, mut one, mut two) =
        (Conformance::default(), Machine::new(1), Machine::new(2));
    for machine in [&mut one, &mut two] {
        assert_eq!(
            conformance.applied(&machine.apply(&Command::OpenSession)),
            None
        );
    }
    assert_eq!(conformance.applied(&one.apply(&request(1, 1, "x"))), None);
    let said = conformance.applied(&two.apply(&request(1, 2, "x")));
    tells(
        said.map(|it| it.to_string()),
        &[
            "n2",
            "after entry 2 another server remembers other sessions",
        ],
    );
}
