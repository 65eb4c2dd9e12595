//! A client of the workload: asks what its book says, in a session, and writes down what it hears.

use std::rc::Rc;

use plumb_raft::client::Outcome;
use plumb_raft::core::ReadMode;
use plumb_raft::kv::{Reply, SessionId};
use plumb_raft::net::protocol::{RequestBody, ResponseBody};

use super::caller::{Caller, Heard, Ticket};
use super::network::Network;
use super::queue::{Addressed, Event, Queue};
use crate::scenario::{Action, Scenario, ScriptedOperation};
use crate::sim::cluster::read_mode;
use crate::sim::run::Books;
use crate::sim::seams::random::Stream;
use crate::workload::{Ask, Book, Got, patience};

/// What it is about.
enum Doing {
    /// Nothing any more.
    Nothing,
    /// It waits for the time of its next operation.
    Waiting(ScriptedOperation),
    /// It opens the session in which it is going to ask this.
    Opening(Ask),
    /// It has asked.
    Asking,
}

/// One client.
pub(super) struct Client {
    number: usize,
    servers: usize,
    book: Book,
    caller: Caller,
    session: Option<SessionId>,
    sequence: u64,
    doing: Doing,
    draw_server: Stream,
    read_mode: ReadMode,
    until_ns: u64,
}

impl Client {
    pub(super) fn new(scenario: &Scenario, number: u64, books: &Books) -> Client {
        let mut draw_server = Stream::derive(scenario.seed, "client.server", number);
        let servers = scenario.servers as usize;
        let first = draw_server.index(servers);
        let number_here = number as usize;
        Client {
            number: number_here,
            servers,
            book: Book::new(
                scenario,
                number,
                Rc::clone(&books.recorder),
                Rc::clone(&books.script),
            ),
            caller: Caller::new(number_here, servers, first, patience().give_up_after),
            session: None,
            sequence: 0,
            doing: Doing::Nothing,
            draw_server,
            read_mode: read_mode(scenario),
            until_ns: scenario.clients_until_ms * 1_000_000,
        }
    }

    pub(super) fn start<M: Addressed + Clone>(&mut self, queue: &mut Queue<M>) {
        self.plan(queue);
    }

    /// Waits for its next operation, if there is one.
    fn plan<M: Addressed + Clone>(&mut self, queue: &mut Queue<M>) {
        self.doing = match self.book.next(queue.now_ns() / 1_000) {
            None => Doing::Nothing,
            Some(operation) => {
                // Tries count from one: zero is the time of an operation.
                let event = Event::Patience {
                    caller: self.number,
                    number: 0,
                };
                queue.at(operation.at_us * 1_000, event);
                Doing::Waiting(operation)
            }
        };
    }

    pub(super) fn wake<M: Addressed + Clone>(
        &mut self,
        number: u64,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        if number > 0 {
            let heard = self.caller.wake(number, queue, network);
            self.hear(heard, queue, network);
            return;
        }
        let Doing::Waiting(operation) = self.doing else {
            return;
        };
        if queue.now_ns() >= self.until_ns {
            self.doing = Doing::Nothing;
            return;
        }
        if operation.action == Action::Read && self.read_mode == ReadMode::Anywhere {
            self.caller.go_on();
        }
        let node = self.caller.current_server().to_string();
        let ask = self.book.begin(queue.now_ns(), operation, &node);
        self.caller.begin(queue);
        if matches!(ask, Ask::Execute(_)) && self.session.is_none() {
            self.doing = Doing::Opening(ask);
            self.caller.ask(RequestBody::OpenSession, queue, network);
        } else {
            self.ask(ask, queue, network);
        }
    }

    pub(super) fn answer<M: Addressed + Clone>(
        &mut self,
        ticket: Ticket,
        body: Option<ResponseBody>,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        let heard = self.caller.answer(ticket, body, queue, network);
        self.hear(heard, queue, network);
    }

    fn ask<M: Addressed + Clone>(
        &mut self,
        ask: Ask,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        self.doing = Doing::Asking;
        let body = match (ask, self.session) {
            (Ask::Read(key), _) => RequestBody::Read {
                key,
                mode: self.read_mode,
            },
            (Ask::Execute(operation), Some(session)) => {
                self.sequence += 1;
                RequestBody::Execute {
                    session,
                    sequence: self.sequence,
                    operation,
                }
            }
            (Ask::Execute(_), None) => unreachable!("a session was opened before"),
        };
        self.caller.ask(body, queue, network);
    }

    fn hear<M: Addressed + Clone>(
        &mut self,
        heard: Heard,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        let Heard::Answered(answer) = heard else {
            return;
        };
        let outcome = match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Opening(ask) => match answer {
                Some(ResponseBody::Applied(Reply::SessionOpened(session))) => {
                    self.session = Some(session);
                    self.sequence = 0;
                    self.ask(ask, queue, network);
                    return;
                }
                _ => Outcome::Failed("no session could be opened"),
            },
            Doing::Asking => self.outcome(answer),
            Doing::Nothing | Doing::Waiting(_) => unreachable!("it had asked for this answer"),
        };
        if self.book.end(queue.now_ns(), outcome) {
            // A new process, with a new session.
            self.session = None;
            let first = self.draw_server.index(self.servers);
            self.caller.start_over(first);
        }
        self.plan(queue);
    }

    /// What an answer says of the operation's fate, as the shipped client reads it.
    fn outcome(&mut self, answer: Option<ResponseBody>) -> Outcome<Got> {
        let in_doubt = self.caller.in_doubt();
        let undone = |why| {
            if in_doubt {
                Outcome::Unknown(why)
            } else {
                Outcome::Failed(why)
            }
        };
        match answer {
            Some(ResponseBody::Value(value)) => Outcome::Ok(Got::Value(value)),
            Some(ResponseBody::Applied(Reply::SessionExpired)) => {
                self.session = None;
                undone("the session expired")
            }
            Some(ResponseBody::Applied(reply)) => Outcome::Ok(Got::Reply(reply)),
            Some(ResponseBody::TooLarge) => undone("the command is larger than an entry may be"),
            Some(_) => undone("the server answered something else"),
            None => undone("no answer in time"),
        }
    }
}
