//! The links to the other servers: whom to reach and where. A membership brings the addresses of its
//! members; before this server knows one that names its leader, the leader's own greeting says where to
//! answer it.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::{Envelope, Node};
use crate::net::{LinkConfig, Myself, PeerLink};
use crate::seams::Seams;
use crate::types::{LogIndex, NodeId};

pub(super) struct Links {
    me: Myself,
    config: LinkConfig,
    seams: Seams,
    /// Where those listen that have greeted this server.
    greeted: BTreeMap<NodeId, String>,
    open: BTreeMap<NodeId, Open>,
    /// The entry that brought the membership which the links follow.
    follows: Option<LogIndex>,
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

    /// A server has introduced itself.
    pub(super) fn greet(&mut self, peer: NodeId, addr: String, node: &Node) {
        let member = node.membership().addresses.contains_key(&peer);
        self.greeted.insert(peer, addr.clone());
        // What the cluster has agreed on comes first.
        if !member {
            self.connect(peer, addr);
        }
    }

    /// Follows the membership in force, if it is another than before. Who is no member any more keeps its
    /// link until the next change after.
    pub(super) fn follow(&mut self, node: &Node) {
        let since = node.membership_index();
        if self.follows == Some(since) {
            return;
        }
        self.follows = Some(since);
        let membership = node.membership();
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
