//! openraft's log and state machine: memory that mirrors the disk, and a task waits wherever openraft asks for
//! what is durable.

use std::fmt::Debug;
use std::ops::RangeBounds;

use bytes::Bytes;
use openraft::storage::{LogFlushed, RaftLogStorage, RaftStateMachine};
use openraft::{
    Entry, EntryPayload, LogId, LogState, RaftLogReader, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageError, StoredMembership, Vote,
};
use plumb_raft::kv::Reply;
use plumb_raft::types::{Entry as Applied, LogIndex, Payload, Term};

use crate::desk::{Desk, Done};
use crate::disk::{Saved, Write};
use crate::runtime::World;
use crate::server::Types;

type Outcome<T> = Result<T, StorageError<u64>>;

/// Log, state machine, and builder of snapshots of one server.
#[derive(Clone)]
pub struct Storage(pub Desk);

impl Storage {
    fn write(&self, write: Write) {
        self.0.borrow_mut().write(write);
    }

    async fn write_durably(&self, write: Write) {
        let durable = {
            let mut desk = self.0.borrow_mut();
            desk.write(write);
            desk.sync()
        };
        // Whoever crashes before it is durable is dropped as it waits.
        let _ = durable.await;
    }
}

impl RaftLogReader<Types> for Storage {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug>(
        &mut self,
        range: R,
    ) -> Outcome<Vec<Entry<Types>>> {
        let desk = self.0.borrow();
        Ok(desk
            .disk
            .log
            .range(range)
            .map(|(_, entry)| entry.clone())
            .collect())
    }
}

impl RaftLogStorage<Types> for Storage {
    type LogReader = Storage;

    async fn get_log_state(&mut self) -> Outcome<LogState<Types>> {
        let desk = self.0.borrow();
        Ok(LogState {
            last_purged_log_id: desk.disk.purged,
            last_log_id: desk.disk.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Storage {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Outcome<()> {
        self.write_durably(Write::Vote(*vote)).await;
        Ok(())
    }

    async fn read_vote(&mut self) -> Outcome<Option<Vote<u64>>> {
        Ok(self.0.borrow().disk.vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId<u64>>) -> Outcome<()> {
        self.write_durably(Write::Committed(committed)).await;
        Ok(())
    }

    async fn read_committed(&mut self) -> Outcome<Option<LogId<u64>>> {
        Ok(self.0.borrow().disk.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Outcome<()>
    where
        I: IntoIterator<Item = Entry<Types>>,
    {
        self.write(Write::Append(entries.into_iter().collect()));
        let durable = self.0.borrow_mut().sync();
        World::current().spawn(async move {
            if durable.await.is_ok() {
                callback.log_io_completed(Ok(()));
            }
        });
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Outcome<()> {
        self.write(Write::Truncate(log_id.index));
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> Outcome<()> {
        // openraft asks for this while a snapshot that it has received is still on its way to the disk. A crash
        // between the two would leave neither; so the snapshot is written first.
        let outlived = self.0.borrow_mut().outlived(log_id);
        let _ = outlived.await;
        self.write(Write::Purge(log_id));
        Ok(())
    }
}

impl RaftStateMachine<Types> for Storage {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Outcome<(Option<LogId<u64>>, StoredMembership<u64, ()>)> {
        let desk = self.0.borrow();
        Ok((desk.last_applied, desk.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Outcome<Vec<Option<Reply>>>
    where
        I: IntoIterator<Item = Entry<Types>>,
    {
        Ok(entries
            .into_iter()
            .map(|entry| self.apply_one(entry))
            .collect())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let desk = self.0.borrow();
        let last = desk.last_applied;
        let meta = SnapshotMeta {
            last_log_id: last,
            last_membership: desk.membership.clone(),
            snapshot_id: last.map_or(String::new(), |log_id| log_id.to_string()),
        };
        let data = desk.store.encode().to_vec();
        Builder(self.clone(), Saved { meta, data })
    }

    async fn begin_receiving_snapshot(&mut self) -> Outcome<Box<Vec<u8>>> {
        unreachable!("snapshots come in one piece")
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, ()>,
        data: Box<Vec<u8>>,
    ) -> Outcome<()> {
        let saved = Saved {
            meta: meta.clone(),
            data: *data,
        };
        self.0.borrow_mut().restore(&saved);
        self.write_durably(Write::Snapshot(Box::new(saved))).await;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Outcome<Option<Snapshot<Types>>> {
        let desk = self.0.borrow();
        Ok(desk.disk.snapshot.clone().map(as_openraft_has_it))
    }
}

impl Storage {
    fn apply_one(&mut self, entry: Entry<Types>) -> Option<Reply> {
        let mut desk = self.0.borrow_mut();
        let log_id = entry.log_id;
        desk.last_applied = Some(log_id);
        let command = match entry.payload {
            EntryPayload::Normal(command) => Some(command),
            EntryPayload::Blank => None,
            EntryPayload::Membership(members) => {
                desk.membership = StoredMembership::new(Some(log_id), members);
                None
            }
        };
        if log_id.index == 0 {
            // Who takes part, as all know from the start: there is no such entry in our Rafts.
            return None;
        }
        let term = log_id.leader_id.term;
        desk.done.push(Done::Applied {
            index: log_id.index,
            term,
            command: command.clone().unwrap_or_default(),
        });
        desk.store.apply(&Applied {
            index: LogIndex(log_id.index),
            term: Term(term),
            payload: command.map_or(Payload::Noop, |command: Bytes| Payload::Command(command)),
        })
    }
}

/// A snapshot that is to be saved.
pub struct Builder(Storage, Saved);

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Outcome<Snapshot<Types>> {
        let Builder(storage, saved) = self;
        let write = Write::Snapshot(Box::new(saved.clone()));
        storage.write_durably(write).await;
        Ok(as_openraft_has_it(saved.clone()))
    }
}

fn as_openraft_has_it(saved: Saved) -> Snapshot<Types> {
    Snapshot {
        meta: saved.meta,
        snapshot: Box::new(saved.data),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openraft::CommittedLeaderId;
    use plumb_harness::sim::peer::Stream;

    use super::*;

    fn purges(desk: &Desk) -> usize {
        let desk = desk.borrow();
        let purge = |done: &&Done| matches!(done, Done::Written(Write::Purge(_)));
        desk.done.iter().filter(purge).count()
    }

    #[test]
    fn no_entry_is_purged_before_a_snapshot_that_stands_for_it_is_written() {
        let log_id = |index| LogId::new(CommittedLeaderId::new(1, 1), index);
        let snapshot_of = |index| {
            let last_log_id = Some(log_id(index));
            let meta = SnapshotMeta {
                last_log_id,
                ..SnapshotMeta::default()
            };
            let data = Vec::new();
            Write::Snapshot(Box::new(Saved { meta, data }))
        };
        let (world, desk) = (
            World::new(Duration::ZERO, Stream::derive(1, "test", 0)),
            Desk::default(),
        );
        let mut storage = Storage(Desk::clone(&desk));
        world.spawn(async move { storage.purge(log_id(7)).await.expect("it is memory") });
        world.run(Duration::ZERO);
        assert_eq!(purges(&desk), 0, "no snapshot");
        desk.borrow_mut().write(snapshot_of(6));
        world.run(Duration::ZERO);
        assert_eq!(purges(&desk), 0, "a snapshot of less");
        desk.borrow_mut().write(snapshot_of(7));
        world.run(Duration::ZERO);
        assert_eq!(purges(&desk), 1);
        world.end();
    }
}
