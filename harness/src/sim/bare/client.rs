//! A client of the workload: asks what its book says, in a session, and writes down what it hears.

use std::collections::BTreeMap;

use plumb_raft::client::Outcome;
use plumb_raft::core::ReadMode;
use plumb_raft::kv::{Reply, SessionId};
use plumb_raft::net::protocol::{RequestBody, ResponseBody};

use super::caller::{Caller, Heard, Ticket};
use super::network::Network;
use super::queue::{Addressed, Event, Queue};
use crate::scenario::{Scenario, ScriptedOperation};
use crate::sim::cluster::read_mode;
use crate::sim::seams::random::Stream;
use crate::workload::{Ask, Book, Books, Got, Then, contact, patience};

/// What it is about.
enum Doing {
    /// Nothing any more.
    Nothing,
    /// It waits for the time of its next operation.
    Waiting(ScriptedOperation),
    /// It opens the session in which it is going to ask this.
    Opening(ScriptedOperation, Ask),
    /// It has asked.
    Asking(ScriptedOperation),
    /// It died, and will come back to ask for this: for the first time if no session was open yet, else again.
    Away(ScriptedOperation, Again),
}

/// What a client that comes back asks for.
enum Again {
    Anew(Ask),
    Same(RequestBody),
}

/// One client.
pub(super) struct Client {
    number: usize,
    servers: usize,
    scenario: Scenario,
    book: Book,
    caller: Caller,
    session: Option<SessionId>,
    sequence: u64,
    doing: Doing,
    /// Its last request in a session, if it is to arrive again.
    last: Option<RequestBody>,
    /// What it was told first of requests that are to arrive again, by the number of the ticket.
    repeated: BTreeMap<u64, Reply>,
    repeats: u64,
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
            book: Book::new(scenario, number, books.clone()),
            scenario: Scenario {
                faults: Vec::new(),
                ..scenario.clone()
            },
            caller: Caller::new(
                number_here,
                servers,
                first,
                &patience(scenario.workload.kind),
            ),
            session: None,
            sequence: 0,
            doing: Doing::Nothing,
            last: None,
            repeated: BTreeMap::new(),
            repeats: 0,
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
                queue.at(operation.at_us * 1_000, self.wakes_itself());
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
        let operation = match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Waiting(operation) => operation,
            Doing::Away(operation, again) => {
                return self.come_back(operation, again, queue, network);
            }
            doing => {
                self.doing = doing;
                return;
            }
        };
        if queue.now_ns() >= self.until_ns {
            return;
        }
        let place = contact(&self.scenario, operation);
        match place {
            Some(place) => self.caller.turn_to(place),
            None if self.goes_on() && self.book.begins_with_a_read(operation) => {
                self.caller.go_on();
            }
            None => {}
        }
        let node = self.caller.current_server().to_string();
        let ask = self.book.begin(queue.now_ns(), operation, &node);
        if let Some(after_us) = operation.dies_after_us {
            let event = Event::Death {
                client: self.number,
                operation: operation.value,
            };
            queue.after(after_us * 1_000, event);
        }
        self.begin(operation, ask, queue, network);
    }

    /// Whether it asks one server after the other.
    fn goes_on(&self) -> bool {
        self.read_mode == ReadMode::Anywhere
    }

    /// Asks one thing, with all the time that one may take.
    fn begin<M: Addressed + Clone>(
        &mut self,
        operation: ScriptedOperation,
        ask: Ask,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        self.caller.begin(queue);
        if matches!(ask, Ask::Execute(_)) && self.session.is_none() {
            self.doing = Doing::Opening(operation, ask);
            self.caller.ask(RequestBody::OpenSession, queue, network);
        } else {
            self.ask(operation, ask, queue, network);
        }
    }

    /// It dies with this operation under way, unless that has ended.
    pub(super) fn die<M: Addressed + Clone>(&mut self, operation: u64, queue: &mut Queue<M>) {
        let (Doing::Opening(open, _) | Doing::Asking(open)) = self.doing else {
            return;
        };
        if open.value != operation {
            return;
        }
        let asked = self.caller.give_up();
        if let Some(away_us) = open.returns_after_us {
            self.go_away(open, asked);
            queue.after(away_us * 1_000, self.wakes_itself());
        } else {
            self.book.die(queue.now_ns());
            self.retire();
            self.plan(queue);
        }
    }

    fn go_away(&mut self, operation: ScriptedOperation, asked: Option<RequestBody>) {
        self.book.go_away();
        let again = match (std::mem::replace(&mut self.doing, Doing::Nothing), asked) {
            (Doing::Opening(_, ask), _) => Again::Anew(ask),
            (_, Some(body)) => Again::Same(body),
            _ => unreachable!("it died while it asked"),
        };
        self.doing = Doing::Away(operation, again);
        self.start_over();
    }

    /// Another process goes on with the session that it had saved, if there was one.
    fn come_back<M: Addressed + Clone>(
        &mut self,
        operation: ScriptedOperation,
        again: Again,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        self.book.come_back();
        match again {
            Again::Anew(ask) => self.begin(operation, ask, queue, network),
            Again::Same(body) => {
                self.doing = Doing::Asking(operation);
                self.caller.begin(queue);
                self.caller.ask_again(body, queue, network);
            }
        }
    }

    /// Its own time: tries count from one, and zero is nobody's try.
    fn wakes_itself<M>(&self) -> Event<M> {
        Event::Patience {
            caller: self.number,
            number: 0,
        }
    }

    /// Its last request arrives once more, whatever it does meanwhile.
    fn repeat<M: Addressed + Clone>(
        &mut self,
        body: RequestBody,
        first: Reply,
        after_us: u64,
        queue: &mut Queue<M>,
    ) {
        // From above, where no try of its own ever comes.
        let number = u64::MAX - self.repeats;
        self.repeats += 1;
        self.repeated.insert(number, first);
        let event = Event::Call {
            server: self.caller.current_server().0 as usize - 1,
            ticket: Ticket {
                caller: self.number,
                number,
            },
            body: Box::new(body),
        };
        queue.after(after_us * 1_000, event);
    }

    /// A new process, with a new session.
    fn retire(&mut self) {
        self.session = None;
        self.start_over();
    }

    fn start_over(&mut self) {
        let first = self.draw_server.index(self.servers);
        self.caller.start_over(first);
    }

    pub(super) fn answer<M: Addressed + Clone>(
        &mut self,
        ticket: Ticket,
        body: Option<ResponseBody>,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        if let Some(first) = self.repeated.remove(&ticket.number) {
            if let Some(ResponseBody::Applied(again)) = body {
                let books = self.book.books();
                books.told_again(queue.now_ns(), &first, &again);
            }
            return;
        }
        let heard = self.caller.answer(ticket, body, queue, network);
        self.hear(heard, queue, network);
    }

    fn ask<M: Addressed + Clone>(
        &mut self,
        operation: ScriptedOperation,
        ask: Ask,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        self.doing = Doing::Asking(operation);
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
        if operation.repeats_after_us.is_some() {
            self.last = matches!(body, RequestBody::Execute { .. }).then(|| body.clone());
        }
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
        let (operation, outcome) = match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Opening(operation, ask) => match answer {
                Some(ResponseBody::Applied(Reply::SessionOpened(session))) => {
                    self.session = Some(session);
                    self.sequence = 0;
                    self.ask(operation, ask, queue, network);
                    return;
                }
                _ => (operation, Outcome::Failed("no session could be opened")),
            },
            Doing::Asking(operation) => (operation, self.outcome(answer)),
            Doing::Nothing | Doing::Waiting(_) | Doing::Away(..) => {
                unreachable!("it had asked for this answer")
            }
        };
        let told = match &outcome {
            Outcome::Ok(Got::Reply(reply)) => self.last.take().zip(Some(reply.clone())),
            _ => None,
        };
        let then = self.book.hear(queue.now_ns(), outcome);
        if let (Then::Done | Then::Retired, Some((body, first))) = (&then, told)
            && let Some(after_us) = operation.repeats_after_us
        {
            self.repeat(body, first, after_us, queue);
        }
        match then {
            Then::Ask(ask) => {
                if matches!(ask, Ask::Read(_)) && self.goes_on() {
                    self.caller.go_on();
                }
                self.begin(operation, ask, queue, network);
                return;
            }
            Then::Done => {}
            Then::Retired => self.retire(),
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
            Some(ResponseBody::Applied(Reply::TooLarge)) => {
                Outcome::Failed("a value would be larger than it may be")
            }
            Some(ResponseBody::Applied(reply)) => Outcome::Ok(Got::Reply(reply)),
            Some(ResponseBody::TooLarge) => undone("the command is larger than an entry may be"),
            Some(_) => undone("the server answered something else"),
            None => undone("no answer in time"),
        }
    }
}
