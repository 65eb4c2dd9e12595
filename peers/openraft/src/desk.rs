//! What openraft's tasks leave for the simulation to do, and what they share.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use openraft::{LogId, StoredMembership};
use plumb_harness::sim::peer::{Image, Out, Ticket};
use plumb_raft::kv::KvStore;
use plumb_raft::net::protocol::ResponseBody;
use plumb_raft::types::LogIndex;
use tokio::sync::oneshot;

use crate::disk::{Disk, Saved, Write};
use crate::network::{Answer, Message};
use crate::server::Server;

/// One server's desk, at which all of its tasks sit.
pub type Desk = Rc<RefCell<Papers>>;

/// Something that a task has done, or wants done.
pub enum Done {
    Written(Write),
    /// All that was written is to be durable; who waits for it is told.
    Sync(oneshot::Sender<()>),
    Sent(u64, Message),
    Answered(Ticket, ResponseBody),
    Applied {
        index: u64,
        term: u64,
        command: Bytes,
    },
    Restored(u64),
}

/// What lies on it.
#[derive(Default)]
pub struct Papers {
    /// What the disk holds once all writes have reached it.
    pub disk: Disk,
    pub store: KvStore,
    pub last_applied: Option<LogId<u64>>,
    pub membership: StoredMembership<u64, ()>,
    /// In this order, and not yet handed to the simulation.
    pub done: Vec<Done>,
    /// Who waits for which sync.
    syncs: VecDeque<(u64, oneshot::Sender<()>)>,
    /// Who waits for a snapshot that stands for this entry.
    purges: Vec<(LogId<u64>, oneshot::Sender<()>)>,
    /// Who waits for the answer to which question.
    questions: BTreeMap<u64, oneshot::Sender<Answer>>,
    /// Names questions; no other life comes near its numbers.
    last_question: u64,
    /// Reads that wait until so much is applied.
    pub reads: Vec<(u64, Ticket, String)>,
}

impl Papers {
    /// Papers of a server that starts with this disk, and names its questions from here on.
    pub fn new(disk: Disk, last_question: u64) -> Papers {
        Papers {
            disk,
            last_question,
            ..Papers::default()
        }
    }

    pub fn write(&mut self, write: Write) {
        self.disk.apply(write.clone());
        self.done.push(Done::Written(write));
        let outlived = |(log_id, _): &mut (LogId<u64>, _)| self.disk.stands_for(log_id);
        for (_, waiting) in self.purges.extract_if(.., outlived) {
            let _ = waiting.send(());
        }
    }

    /// Ready when a snapshot was written that stands for all up to this entry.
    pub fn outlived(&mut self, log_id: LogId<u64>) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        if self.disk.stands_for(&log_id) {
            let _ = sender.send(());
        } else {
            self.purges.push((log_id, sender));
        }
        receiver
    }

    /// Ready when all that was written is durable.
    pub fn sync(&mut self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.done.push(Done::Sync(sender));
        receiver
    }

    /// The disk has done so many syncs.
    pub fn synced(&mut self, seq: u64) {
        while let Some((_, waiting)) = self.syncs.pop_front_if(|(sync, _)| *sync <= seq) {
            let _ = waiting.send(());
        }
    }

    /// Names a question whose answer is waited for.
    pub fn ask(&mut self) -> (u64, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        self.last_question += 1;
        self.questions.insert(self.last_question, sender);
        (self.last_question, receiver)
    }

    /// Nobody waits for this answer any more.
    pub fn forget(&mut self, question: u64) {
        self.questions.remove(&question);
    }

    /// An answer has come, unless it comes too late or again.
    pub fn hear(&mut self, question: u64, answer: Answer) {
        if let Some(waiting) = self.questions.remove(&question) {
            let _ = waiting.send(answer);
        }
    }

    /// The state machine is this snapshot's now.
    pub fn restore(&mut self, saved: &Saved) {
        self.store =
            KvStore::decode(&saved.data).expect("a snapshot holds a store of this version");
        self.last_applied = saved.meta.last_log_id;
        self.membership = saved.meta.last_membership.clone();
        let index = self.last_applied.map_or(0, |log_id| log_id.index);
        assert_eq!(
            self.store.applied(),
            LogIndex(index),
            "a snapshot is of its last entry"
        );
        if index > 0 {
            self.done.push(Done::Restored(index));
        }
    }

    /// Answers the reads for which enough is applied.
    pub fn serve(&mut self) {
        let applied = self.last_applied.map_or(0, |log_id| log_id.index);
        let (store, done) = (&self.store, &mut self.done);
        self.reads.retain(|(index, ticket, key)| {
            let ready = applied >= *index;
            if ready {
                let value = ResponseBody::Value(store.get(key).cloned());
                done.push(Done::Answered(*ticket, value));
            }
            !ready
        });
    }

    /// Hands what was done to the simulation.
    pub fn clear(&mut self, out: &mut Out<Server>) {
        for done in self.done.drain(..) {
            match done {
                Done::Written(write) => out.write(write),
                Done::Sync(waiting) => self.syncs.push_back((out.sync(), waiting)),
                Done::Sent(to, message) => out.send(to, message),
                Done::Answered(ticket, body) => out.answer(ticket, body),
                Done::Applied {
                    index,
                    term,
                    command,
                } => out.applied(index, term, &command),
                Done::Restored(index) => out.restored(index),
            }
        }
    }
}
