//! A server of openraft as a peer: each input is handed to its tasks, which then run until all of them wait.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::{
    Config, Entry, EntryPayload, LogId, Membership, Raft, RaftTypeConfig, ServerState,
    SnapshotPolicy, Vote,
};
use plumb_harness::scenario::Settings;
use plumb_harness::sim::peer::{Input, Member, Metrics, Out, Peer, Ticket};
use plumb_raft::core::RoleKind;
use plumb_raft::kv::{Command, Reply};
use plumb_raft::net::protocol::{RequestBody, ResponseBody};
use plumb_raft::types::NodeId;

use crate::desk::{Desk, Done, Papers};
use crate::disk::{Disk, Write};
use crate::network::{Links, Message, answer};
use crate::runtime::{Runtime, World};
use crate::storage::Storage;

/// openraft's types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Types;

impl RaftTypeConfig for Types {
    type D = Bytes;
    type R = Option<Reply>;
    type NodeId = u64;
    type Node = ();
    type Entry = Entry<Types>;
    type SnapshotData = Vec<u8>;
    type AsyncRuntime = Runtime;
    type Responder = openraft::impls::OneshotResponder<Types>;
}

/// openraft itself.
pub type Engine = Raft<Types>;

/// A server.
pub struct Server {
    world: Rc<World>,
    desk: Desk,
    raft: Engine,
    /// The last term that it was seen in, and whom it voted for in it.
    voted: (u64, Option<u64>),
}

fn config(settings: &Settings) -> Config {
    Config {
        election_timeout_min: settings.election_ms.0,
        election_timeout_max: settings.election_ms.1,
        heartbeat_interval: settings.heartbeat_ms,
        max_payload_entries: settings.max_entries_per_append as u64,
        snapshot_policy: match settings.snapshot_every {
            0 => SnapshotPolicy::Never,
            every => SnapshotPolicy::LogsSinceLast(every),
        },
        max_in_snapshot_log_to_keep: settings.retained_entries,
        ..Config::default()
    }
}

impl Server {
    /// Runs all that can go on, and hands over what was done.
    fn run(&mut self, now: Duration, out: &mut Out<Server>) {
        self.world.run(now);
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        if let Err(why) = &metrics.running_state {
            panic!("openraft has come to an end: {why}");
        }
        self.voted = voted(self.voted, &metrics.vote);
        let mut desk = self.desk.borrow_mut();
        desk.serve();
        desk.clear(out);
    }

    fn call(&self, ticket: Ticket, body: RequestBody) {
        let (leads, leader) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            (metrics.state.is_leader(), metrics.current_leader)
        };
        let command = match Command::try_from(body) {
            Ok(command) => command,
            Err(RequestBody::Read { key, .. }) if leads => {
                let (raft, desk) = (self.raft.clone(), Rc::clone(&self.desk));
                return self.world.spawn(read(raft, desk, ticket, key));
            }
            Err(RequestBody::Read { .. }) => return self.answer(ticket, elsewhere(leader)),
            Err(_) => {
                let why = "this server does not do that".to_owned();
                return self.answer(ticket, ResponseBody::Refused(why));
            }
        };
        if !leads {
            return self.answer(ticket, elsewhere(leader));
        }
        let (raft, desk) = (self.raft.clone(), Rc::clone(&self.desk));
        self.world.spawn(async move {
            // An error may come from a leader that was deposed meanwhile: then nobody knows what has become of
            // the command, and there is no answer.
            if let Ok(response) = raft.client_write(command.encode()).await
                && let Some(reply) = response.data
            {
                let body = ResponseBody::Applied(reply);
                desk.borrow_mut().done.push(Done::Answered(ticket, body));
            }
        });
    }

    fn answer(&self, ticket: Ticket, body: ResponseBody) {
        let mut desk = self.desk.borrow_mut();
        desk.done.push(Done::Answered(ticket, body));
    }
}

fn elsewhere(leader: Option<u64>) -> ResponseBody {
    ResponseBody::NotLeader(leader.map(NodeId))
}

/// Answers a read as soon as so much is applied as was committed when it came.
async fn read(raft: Engine, desk: Desk, ticket: Ticket, key: String) {
    let certain = raft.get_read_log_id().await;
    let mut desk = desk.borrow_mut();
    match certain {
        Ok((log_id, _)) => {
            let index = log_id.map_or(0, |log_id| log_id.index);
            desk.reads.push((index, ticket, key));
        }
        Err(_) => desk.done.push(Done::Answered(ticket, elsewhere(None))),
    }
}

/// Whom a server has voted for, if it has this vote now. openraft keeps one value for the vote that was given and
/// for the leader that was heard of: the latter is no vote, and does not replace one.
fn voted((term, voted_for): (u64, Option<u64>), vote: &Vote<u64>) -> (u64, Option<u64>) {
    let now = vote.leader_id.term;
    let given = vote.leader_id.voted_for.filter(|_| !vote.committed);
    if now == term {
        (term, voted_for.or(given))
    } else {
        (now, given)
    }
}

impl Peer for Server {
    type Message = Message;
    type Disk = Disk;

    fn start(member: Member<'_>, disk: Disk, out: &mut Out<Server>) -> Server {
        let world = World::new(member.now, member.random);
        let mut papers = Papers::new(disk, world.draw() >> 1);
        if papers.disk.is_blank() {
            papers.write(Write::Append(vec![first_entry(&member.members)]));
        }
        if let Some(saved) = papers.disk.snapshot.clone() {
            papers.restore(&saved);
        }
        let desk = Rc::new(RefCell::new(papers));
        let config = Arc::new(config(member.settings));
        let begun = Rc::new(RefCell::new(None));
        world.spawn({
            let (desk, begun) = (Rc::clone(&desk), Rc::clone(&begun));
            async move {
                let storage = Storage(Rc::clone(&desk));
                let links = Links(desk);
                let raft = Raft::new(member.id, config, links, storage.clone(), storage).await;
                *begun.borrow_mut() = Some(raft);
            }
        });
        world.run(member.now);
        let raft = begun
            .take()
            .expect("to start, it waits for nothing")
            .expect("what is on the disk is whole");
        let mut server = Server {
            world,
            desk,
            raft,
            voted: (0, None),
        };
        server.run(member.now, out);
        server
    }

    fn handle(&mut self, now: Duration, input: Input<Message>, out: &mut Out<Server>) {
        match input {
            Input::Message {
                from,
                message: Message::Question(number, question),
            } => {
                let (raft, desk) = (self.raft.clone(), Rc::clone(&self.desk));
                self.world.spawn(answer(raft, desk, from, number, question));
            }
            Input::Message {
                message: Message::Answer(number, answer),
                ..
            } => self.desk.borrow_mut().hear(number, answer),
            Input::Wake => {}
            Input::Synced(seq) => self.desk.borrow_mut().synced(seq),
            Input::Call(ticket, body) => self.call(ticket, body),
        }
        self.run(now, out);
    }

    fn wakes_at(&self) -> Option<Duration> {
        self.world.wakes_at()
    }

    fn size_of(message: &Message) -> usize {
        message.bytes()
    }

    fn metrics(&self) -> Option<Metrics> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let desk = self.desk.borrow();
        let index = |log_id: Option<LogId<u64>>| log_id.map_or(0, |log_id| log_id.index);
        let snapshot = desk.disk.snapshot.as_ref();
        Some(Metrics {
            role: match metrics.state {
                ServerState::Leader => RoleKind::Leader,
                ServerState::Candidate => RoleKind::Candidate,
                _ => RoleKind::Follower,
            },
            term: self.voted.0,
            voted_for: self.voted.1,
            // It applies at once what it knows to be committed.
            commit_index: index(desk.last_applied),
            last_index: index(desk.disk.last()),
            snapshot_index: index(snapshot.and_then(|saved| saved.meta.last_log_id)),
        })
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        self.desk.borrow().disk.term_at(index).filter(|_| index > 0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.world.end();
    }
}

/// openraft's logs begin with an entry 0 that says who takes part. It is the same for all, so that it may as well
/// be there from the start.
fn first_entry(members: &[u64]) -> Entry<Types> {
    let voters = members.iter().copied().collect();
    Entry {
        log_id: LogId::default(),
        payload: EntryPayload::Membership(Membership::new(vec![voters], ())),
    }
}
