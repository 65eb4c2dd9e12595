//! Asks the cluster one thing at a time by the shipped client's rules: goes to the leader that was named,
//! else round all servers, with a patience for each try and one for the whole.

use std::time::Duration;

use plumb_raft::client::ClientConfig;
use plumb_raft::net::protocol::{RequestBody, ResponseBody};
use plumb_raft::types::NodeId;

use super::network::Network;
use super::queue::{Addressed, Event, Queue};

/// The way back to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// A client's number, or [`Ticket::OPERATOR`].
    pub(super) caller: usize,
    /// Which of its tries.
    pub(super) number: u64,
}

impl Ticket {
    pub(super) const OPERATOR: usize = usize::MAX;
}

/// What an answer or the passing of time means to a caller.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing, or it goes on trying.
    Nothing,
    /// What was asked is answered; `None` if time is up.
    Answered(Option<ResponseBody>),
}

/// One caller.
pub(super) struct Caller {
    me: usize,
    servers: usize,
    try_for_ns: u64,
    give_up_after_ns: u64,
    pause_ns: u64,
    /// The server that the next try goes to.
    next: usize,
    /// The last one that was tried without being named by another.
    sweep: usize,
    /// Counts tries and pauses: whatever comes for an earlier one means nothing any more.
    number: u64,
    asking: Option<RequestBody>,
    /// Between two tries.
    pausing: bool,
    deadline_ns: u64,
    /// Whether some try may have taken effect without our hearing of it.
    in_doubt: bool,
}

impl Caller {
    pub(super) fn new(me: usize, servers: usize, first: usize, patience: &ClientConfig) -> Caller {
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        Caller {
            me,
            servers,
            try_for_ns: nanos(patience.try_for),
            give_up_after_ns: nanos(patience.give_up_after),
            pause_ns: nanos(patience.pause),
            next: first % servers,
            sweep: first % servers,
            number: 0,
            asking: None,
            pausing: false,
            deadline_ns: 0,
            in_doubt: false,
        }
    }

    /// Turns to this server first, as a new client would.
    pub(super) fn start_over(&mut self, first: usize) {
        self.next = first % self.servers;
        self.sweep = self.next;
    }

    /// Turns to this server next.
    pub(super) fn turn_to(&mut self, server: usize) {
        self.next = server % self.servers;
    }

    /// Waits for nothing any more. What it had asked.
    pub(super) fn give_up(&mut self) -> Option<RequestBody> {
        self.number += 1;
        self.asking.take()
    }

    /// Turns to the next server, as a client does that reads anywhere.
    pub(super) fn go_on(&mut self) {
        self.next = (self.next + 1) % self.servers;
    }

    pub(super) fn current_server(&self) -> NodeId {
        NodeId(self.next as u64 + 1)
    }

    pub(super) fn in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Starts to count the time for one thing that is asked, and whatever it takes.
    pub(super) fn begin<M: Addressed + Clone>(&mut self, queue: &Queue<M>) {
        self.deadline_ns = queue.now_ns() + self.give_up_after_ns;
        self.in_doubt = false;
    }

    /// Asks, within the time that [`Caller::begin`] has started.
    pub(super) fn ask<M: Addressed + Clone>(
        &mut self,
        body: RequestBody,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        self.in_doubt = false;
        self.asking = Some(body);
        self.attempt(queue, network);
    }

    /// Asks what somebody has asked before, who did not hear what became of it.
    pub(super) fn ask_again<M: Addressed + Clone>(
        &mut self,
        body: RequestBody,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        self.in_doubt = true;
        self.asking = Some(body);
        self.attempt(queue, network);
    }

    fn attempt<M: Addressed + Clone>(&mut self, queue: &mut Queue<M>, network: &mut Network<M>) {
        let Some(body) = &self.asking else { return };
        self.number += 1;
        self.pausing = false;
        let ticket = Ticket {
            caller: self.me,
            number: self.number,
        };
        let left_ns = self.deadline_ns - queue.now_ns();
        queue.after(self.try_for_ns.min(left_ns), self.patience());
        let event = Event::Call {
            server: self.next,
            ticket,
            body: Box::new(body.clone()),
        };
        queue.after(network.caller_way_ns(), event);
    }

    fn patience<M>(&self) -> Event<M> {
        Event::Patience {
            caller: self.me,
            number: self.number,
        }
    }

    /// An answer has come, or the news that nobody is there.
    pub(super) fn answer<M: Addressed + Clone>(
        &mut self,
        ticket: Ticket,
        body: Option<ResponseBody>,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) -> Heard {
        if ticket.number != self.number || self.pausing || self.asking.is_none() {
            return Heard::Nothing;
        }
        match body {
            Some(ResponseBody::NotLeader(leader)) => self.redirect(leader, queue, network),
            Some(ResponseBody::Busy) => self.pause(queue),
            None => self.redirect(None, queue, network),
            Some(body) => {
                self.asking = None;
                Heard::Answered(Some(body))
            }
        }
    }

    /// Time has passed.
    pub(super) fn wake<M: Addressed + Clone>(
        &mut self,
        number: u64,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) -> Heard {
        if number != self.number || self.asking.is_none() {
            return Heard::Nothing;
        }
        if self.pausing {
            return self.again(queue, network);
        }
        self.in_doubt = true;
        self.redirect(None, queue, network)
    }

    fn redirect<M: Addressed + Clone>(
        &mut self,
        leader: Option<NodeId>,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) -> Heard {
        let named = leader.map(|id| id.0 as usize - 1);
        match named.filter(|place| *place < self.servers && *place != self.next) {
            Some(place) => {
                self.next = place;
                self.again(queue, network)
            }
            None => {
                self.sweep = (self.sweep + 1) % self.servers;
                self.next = self.sweep;
                self.pause(queue)
            }
        }
    }

    fn pause<M: Addressed + Clone>(&mut self, queue: &mut Queue<M>) -> Heard {
        self.number += 1;
        self.pausing = true;
        queue.after(self.pause_ns, self.patience());
        Heard::Nothing
    }

    fn again<M: Addressed + Clone>(
        &mut self,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) -> Heard {
        if queue.now_ns() >= self.deadline_ns {
            self.asking = None;
            self.number += 1;
            return Heard::Answered(None);
        }
        self.attempt(queue, network);
        Heard::Nothing
    }
}
