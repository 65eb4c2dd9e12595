//! The links to the other servers: whom to reach and where. A membership brings the addresses of its
//! members; before this server knows one that names its leader, the leader's own greeting says where to
//! answer it.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::Envelope;
use crate::net::{LinkConfig, Myself, PeerLink};
use crate::seams::Seams;
use crate::types::{Membership, NodeId};

/// How many may have greeted that no membership names; the rest is not answered. A cluster of any size that
/// makes sense is far below, and callers choose their own numbers.
const MAX_GREETED: usize = 256;

pub(super) struct Links {
    me: Myself,
    config: LinkConfig,
    seams: Seams,
    /// Where those listen that have greeted this server.
    greeted: BTreeMap<NodeId, String>,
    open: BTreeMap<NodeId, Open>,
    /// The membership that the links follow.
    follows: Option<Membership>,
}

struct Open {
    addr: String,
    link: PeerLink,
    /// It has been no member since the last change: it may have to hear of its removal.
    departed: bool,
}

impl Links {
    pub(super) fn new(me: Myself, config: LinkConfig, seams: Seams) -> Links {
        Links {
            me,
            config,
            seams,
            greeted: BTreeMap::new(),
            open: BTreeMap::new(),
            follows: None,
        }
    }

    /// A server has introduced itself. It is connected to once there is something to tell it.
    pub(super) fn greet(&mut self, peer: NodeId, addr: String) {
        if self.greeted.len() >= MAX_GREETED && !self.greeted.contains_key(&peer) {
            tracing::warn!(%peer, "a greeting was not noted: there are too many");
            return;
        }
        // What the cluster has agreed on comes first.
        let agreed = self.agreed(peer).is_some();
        if !agreed && self.open.get(&peer).is_some_and(|open| open.addr != addr) {
            self.open.remove(&peer);
        }
        self.greeted.insert(peer, addr);
    }

    /// Where the membership in force says that a server listens.
    fn agreed(&self, peer: NodeId) -> Option<&String> {
        self.follows.as_ref()?.addresses.get(&peer)
    }

    /// Follows the membership in force, if it is another than before: not by the entry's index alone, since
    /// another may stand there once a log was cut. Who is no member any more keeps its link until the next
    /// change after.
    pub(super) fn follow(&mut self, membership: &Membership) {
        if self.follows.as_ref() == Some(membership) {
            return;
        }
        self.follows = Some(membership.clone());
        let members: BTreeSet<NodeId> = membership.members();
        self.open.retain(|id, open| {
            let stays = members.contains(id) || !open.departed;
            open.departed = !members.contains(id);
            stays
        });
        for id in members {
            let agreed = membership.addresses.get(&id);
            if let Some(addr) = agreed.or_else(|| self.greeted.get(&id)).cloned() {
                self.connect(id, addr);
            }
        }
    }

    fn connect(&mut self, id: NodeId, addr: String) {
        if id == self.me.id || self.open.get(&id).is_some_and(|open| open.addr == addr) {
            return;
        }
        let config = self.config.clone();
        let link = PeerLink::start(self.me.clone(), addr.clone(), config, &self.seams);
        let departed = false;
        self.open.insert(
            id,
            Open {
                addr,
                link,
                departed,
            },
        );
    }

    /// Hands a message to its link; one for a server whose address nobody knows is lost. Who has greeted is
    /// answered whoever takes part: this server may be reading of memberships of long ago, and be sent
    /// them by a leader that was no member then.
    pub(super) fn send(&mut self, envelope: Envelope) {
        if !self.open.contains_key(&envelope.to)
            && let Some(addr) = self.greeted.get(&envelope.to).cloned()
        {
            self.connect(envelope.to, addr);
        }
        match self.open.get(&envelope.to) {
            Some(open) => open.link.send(envelope),
            None => {
                tracing::trace!(to = %envelope.to, "a message was dropped: no address is known");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    use super::*;
    use crate::core::Message;
    use crate::production::TokioClock;
    use crate::seams::{BoxFuture, Disk, DiskFile, Listener, Network, Stream, Tasks};
    use crate::types::Term;

    /// Nobody can be reached; who was called is noted.
    #[derive(Clone, Default)]
    struct Called(Arc<Mutex<Vec<String>>>);

    impl Network for Called {
        fn listen<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
            Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
        }

        fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
            let mut called = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            called.push(addr.to_owned());
            Box::pin(std::future::pending())
        }
    }

    struct NoDisk;

    impl Disk for NoDisk {
        fn open(&self, _: &str, _: bool) -> io::Result<Box<dyn DiskFile>> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn list(&self) -> io::Result<Vec<String>> {
            Ok(Vec::new())
        }
        fn rename(&self, _: &str, _: &str) -> io::Result<()> {
            Ok(())
        }
        fn remove(&self, _: &str) -> io::Result<()> {
            Ok(())
        }
        fn sync_dir(&self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Called {
        fn links(&self) -> Links {
            let seams = Seams {
                tasks: Tasks::Pool,
                clock: Arc::new(TokioClock::start()),
                disk: Arc::new(NoDisk),
                network: Arc::new(self.clone()),
            };
            let me = Myself {
                id: NodeId(1),
                listens: "a:1".to_owned(),
                cluster: "c".to_owned(),
            };
            Links::new(me, LinkConfig::default(), seams)
        }

        /// Lets the links' tasks run; whom they called since the last time.
        async fn take(&self) -> Vec<String> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let mut called = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut called)
        }
    }

    fn members(addresses: &[(u64, &str)]) -> Membership {
        Membership {
            voters: addresses.iter().map(|(id, _)| NodeId(*id)).collect(),
            addresses: addresses
                .iter()
                .map(|(id, addr)| (NodeId(*id), (*addr).to_owned()))
                .collect(),
            ..Membership::default()
        }
    }

    fn to(peer: u64) -> Envelope {
        Envelope {
            from: NodeId(1),
            to: NodeId(peer),
            message: Message::TimeoutNow { term: Term(1) },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_membership_is_followed_though_another_stood_at_its_place() {
        let called = Called::default();
        let mut links = called.links();
        links.follow(&members(&[(1, "a:1"), (2, "b:1")]));
        assert_eq!(called.take().await, ["b:1"]);
        // The log was cut, and the entry at the same place names another server.
        links.follow(&members(&[(1, "a:1"), (3, "c:1")]));
        assert_eq!(called.take().await, ["c:1"]);
        links.follow(&members(&[(1, "a:1"), (3, "c:2")]));
        assert_eq!(called.take().await, ["c:2"], "it has moved");
    }

    #[tokio::test(start_paused = true)]
    async fn who_greets_is_answered_where_it_listens_now_and_called_for_nothing_else() {
        let called = Called::default();
        let mut links = called.links();
        links.follow(&members(&[(1, "a:1")]));
        links.greet(NodeId(2), "b:1".to_owned());
        assert!(called.take().await.is_empty(), "there is nothing to say");
        links.send(to(2));
        assert_eq!(called.take().await, ["b:1"]);
        links.greet(NodeId(2), "b:2".to_owned());
        links.send(to(2));
        assert_eq!(called.take().await, ["b:2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_cluster_agreed_on_goes_before_a_greeting_and_greetings_are_bounded() {
        let called = Called::default();
        let mut links = called.links();
        links.follow(&members(&[(1, "a:1"), (2, "b:1")]));
        assert_eq!(called.take().await, ["b:1"]);
        links.greet(NodeId(2), "elsewhere:1".to_owned());
        links.send(to(2));
        assert!(called.take().await.is_empty(), "its link stays");
        for stranger in 0..2 * MAX_GREETED as u64 {
            links.greet(NodeId(100 + stranger), "s:1".to_owned());
        }
        assert_eq!(links.greeted.len(), MAX_GREETED);
    }
}
