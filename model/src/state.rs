//! A state of the whole cluster: the servers, the network, and the ghosts.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::bounds::{Bounds, MAX_SERVERS};
use crate::extra::Extra;
use crate::fingerprint::{Fingerprint, Parts};
use crate::ghost::Ghost;
use crate::network::Network;
use crate::server::{Server, ServerId};
use crate::symmetry::Names;

/// How a state is packed, the same for all states of a scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    servers: u8,
    /// Servers have a third word.
    wide: bool,
}

impl Shape {
    pub(crate) const fn of(bounds: &Bounds) -> Shape {
        Shape {
            servers: bounds.servers,
            wide: bounds.features.widen_servers(),
        }
    }
}

/// A state: two words a server, or three where an optional part needs it, two for the ghosts, and
/// half a word a message; no heap.
#[derive(PartialEq, Eq)]
pub struct State {
    shape: Shape,
    servers: [Server; MAX_SERVERS as usize],
    /// The ghosts.
    pub(crate) ghost: Ghost,
    /// The network.
    pub(crate) network: Network,
}

impl Clone for State {
    #[inline]
    fn clone(&self) -> State {
        State {
            network: self.network.clone(),
            ..*self
        }
    }

    #[inline]
    fn clone_from(&mut self, source: &State) {
        self.shape = source.shape;
        self.servers = source.servers;
        self.ghost = source.ghost;
        self.network.clone_from(&source.network);
    }
}

impl State {
    /// All servers followers in term 0 with empty logs, nothing sent.
    #[must_use]
    pub fn initial(bounds: &Bounds) -> State {
        State::of_shape(Shape::of(bounds))
    }

    fn of_shape(shape: Shape) -> State {
        assert!(
            shape.servers <= MAX_SERVERS,
            "bounds are validated before a state is made"
        );
        State {
            shape,
            servers: [Server::default(); MAX_SERVERS as usize],
            ghost: Ghost::default(),
            network: Network::default(),
        }
    }

    /// The servers.
    #[inline]
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers[..usize::from(self.shape.servers)]
    }

    #[inline]
    pub(crate) fn servers_mut(&mut self) -> &mut [Server] {
        &mut self.servers[..usize::from(self.shape.servers)]
    }

    /// The servers' numbers.
    #[inline]
    pub fn ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (0..self.shape.servers).map(ServerId)
    }

    /// One server.
    #[inline]
    #[must_use]
    pub fn server(&self, id: ServerId) -> Server {
        self.servers[id.at()]
    }

    #[inline]
    pub(crate) fn server_mut(&mut self, id: ServerId) -> &mut Server {
        &mut self.servers[id.at()]
    }

    /// The ghosts.
    #[inline]
    #[must_use]
    pub fn ghost(&self) -> &Ghost {
        &self.ghost
    }

    /// The network.
    #[inline]
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The words that are not messages, in a fixed order: the servers', then the ghosts'.
    #[inline]
    pub(crate) fn words(&self) -> ([u64; MOST_WORDS], usize) {
        let mut words = [0; MOST_WORDS];
        let mut count = 0;
        let mut push = |word: u64| {
            words[count] = word;
            count += 1;
        };
        for server in self.servers() {
            let [volatile, durable] = server.words();
            push(volatile);
            push(durable);
        }
        if self.shape.wide {
            self.servers().iter().for_each(|s| push(s.extra().0));
        }
        push(self.ghost.committed);
        push(self.ghost.history);
        (words, count)
    }

    /// Sets the words that [`State::words`] gives.
    pub(crate) fn set_words(&mut self, words: &[u64; MOST_WORDS]) {
        let n = usize::from(self.shape.servers);
        for (i, server) in self.servers_mut().iter_mut().enumerate() {
            let extra = server.extra();
            *server = Server::from_words(words[2 * i], words[2 * i + 1]);
            *server.extra_mut() = extra;
        }
        let mut at = 2 * n;
        if self.shape.wide {
            for (i, server) in self.servers_mut().iter_mut().enumerate() {
                *server.extra_mut() = Extra(words[at + i]);
            }
            at += n;
        }
        self.ghost = Ghost {
            committed: words[at],
            history: words[at + 1],
        };
    }

    /// A fingerprint of the state as it is. Another `salt` gives an independent function.
    #[inline]
    pub(crate) fn fingerprint(&self, salt: u64) -> Fingerprint {
        let mut parts = Parts::with_salt(salt);
        for (id, server) in self.ids().zip(self.servers()) {
            add_server(&mut parts, id, *server, self.shape.wide);
        }
        parts.add(COMMITTED, self.ghost.committed);
        parts.add(HISTORY, self.ghost.history);
        for message in self.network.as_slice() {
            parts.add(MESSAGE, u64::from(message.0));
        }
        parts.finish()
    }

    /// The fingerprint that it would have with its servers renamed.
    #[inline]
    pub(crate) fn fingerprint_as(&self, names: &Names, salt: u64) -> Fingerprint {
        let name = |id: ServerId| ServerId(names[id.at() & 7]);
        let mut parts = Parts::with_salt(salt);
        for (id, server) in self.ids().zip(self.servers()) {
            let renamed = server.map_votes(|vote| name(vote).0 + 1);
            add_server(&mut parts, name(id), renamed, self.shape.wide);
        }
        let ghost = self.ghost.rename(name);
        parts.add(COMMITTED, ghost.committed);
        parts.add(HISTORY, ghost.history);
        for message in self.network.as_slice() {
            parts.add(MESSAGE, u64::from(message.rename(name).0));
        }
        parts.finish()
    }
}

/// Two or three words a server, two of ghosts.
pub(crate) const MOST_WORDS: usize = 3 * MAX_SERVERS as usize + 2;

// What a part of a fingerprint is; a server's words count on from its number.
const MESSAGE: u64 = 1;
const COMMITTED: u64 = 2;
const HISTORY: u64 = 3;
const SERVER: u64 = 4;

#[inline]
fn add_server(parts: &mut Parts, id: ServerId, server: Server, wide: bool) {
    let first = SERVER + 3 * u64::from(id.0);
    let [volatile, durable] = server.words();
    parts.add(first, volatile);
    parts.add(first + 1, durable);
    if wide {
        parts.add(first + 2, server.extra().0);
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.servers().hash(hasher);
        self.ghost.hash(hasher);
        self.network.hash(hasher);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Cluster");
        for (id, server) in self.ids().zip(self.servers()) {
            out.field(["n1", "n2", "n3", "n4", "n5"][id.at()], server);
        }
        out.field("ghost", &self.ghost)
            .field("network", &self.network)
            .finish()
    }
}
