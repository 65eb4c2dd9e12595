//! A state of the whole cluster: the servers, the network, and the ghosts.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::bounds::{Bounds, MAX_SERVERS};
use crate::extra::Extra;
use crate::ghost::Ghost;
use crate::network::Network;
use crate::server::{Server, ServerId};

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
#[derive(Clone, PartialEq, Eq)]
pub struct State {
    shape: Shape,
    servers: [Server; MAX_SERVERS as usize],
    /// The ghosts.
    pub(crate) ghost: Ghost,
    /// The network.
    pub(crate) network: Network,
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

    /// Appends the state to `out`; read back by [`State::decode`].
    pub(crate) fn encode(&self, out: &mut Vec<u32>) {
        let mut push = |word: u64| out.extend([word as u32, (word >> 32) as u32]);
        for server in self.servers() {
            server.words().into_iter().for_each(&mut push);
        }
        if self.shape.wide {
            self.servers().iter().for_each(|s| push(s.extra().0));
        }
        push(self.ghost.committed);
        push(self.ghost.history);
        let messages = self.network.as_slice();
        out.push(messages.len() as u32);
        out.extend(messages.iter().map(|m| m.0));
    }

    /// Reads a state of `shape` from the front of `words`; returns it and the rest.
    pub(crate) fn decode(shape: Shape, words: &[u32]) -> (State, &[u32]) {
        let word = |at: usize| u64::from(words[2 * at]) | u64::from(words[2 * at + 1]) << 32;
        let mut state = State::of_shape(shape);
        let n = usize::from(shape.servers);
        for (i, server) in state.servers_mut().iter_mut().enumerate() {
            *server = Server::from_words(word(2 * i), word(2 * i + 1));
        }
        let mut at = 2 * n;
        if shape.wide {
            for (i, server) in state.servers_mut().iter_mut().enumerate() {
                *server.extra_mut() = Extra(word(at + i));
            }
            at += n;
        }
        state.ghost = Ghost {
            committed: word(at),
            history: word(at + 1),
        };
        let (head, rest) = words[2 * at + 4..].split_at(1);
        let (messages, rest) = rest.split_at(head[0] as usize);
        state.network = Network::from_sorted(messages);
        (state, rest)
    }

    /// A 64-bit fingerprint that is never 0. Another `salt` gives an independent function.
    #[inline]
    pub(crate) fn fingerprint(&self, salt: u64) -> u64 {
        let mut hash = salt ^ 0x9e37_79b9_7f4a_7c15;
        for server in self.servers() {
            let [volatile, durable] = server.words();
            hash = mix(hash ^ volatile, durable ^ 0xa076_1d64_78bd_642f);
        }
        if self.shape.wide {
            for server in self.servers() {
                hash = mix(hash ^ server.extra().0, 0x2d35_8dcc_aa6c_78a5);
            }
        }
        hash = mix(
            hash ^ self.ghost.committed,
            self.ghost.history ^ 0xe703_7ed1_a0b4_28db,
        );
        for pair in self.network.as_slice().chunks(4) {
            let word = |i: usize| pair.get(i).map_or(0, |m| u64::from(m.0));
            let (low, high) = (word(0) | word(1) << 32, word(2) | word(3) << 32);
            hash = mix(hash ^ low, high ^ 0x8ebc_6af0_9c88_c6e3);
        }
        mix(hash, 0x5899_65cc_7537_4cc3).max(1)
    }
}

/// Multiplies to 128 bits and folds: the mixing step of wyhash-like hashes.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b ^ 0x1d8e_4e27_c47d_124f);
    (product as u64) ^ ((product >> 64) as u64) ^ a.rotate_left(23)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Packed;

    proptest! {
        #[test]
        fn a_state_survives_encoding(
            words in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..=5),
            wide in any::<bool>(),
            ghost in (any::<u64>(), any::<u64>()),
            messages in proptest::collection::btree_set(1u32.., 0..40),
            tail in proptest::collection::vec(any::<u32>(), 0..3),
        ) {
            let mut state = State::of_shape(Shape { servers: words.len() as u8, wide });
            for (server, (volatile, durable, extra)) in state.servers_mut().iter_mut().zip(words) {
                *server = Server::from_words(volatile, durable);
                if wide {
                    *server.extra_mut() = Extra(extra);
                }
            }
            state.ghost = Ghost { committed: ghost.0, history: ghost.1 };
            for &message in messages.iter().rev() {
                prop_assert!(state.network.insert(Packed(message)));
                prop_assert!(!state.network.insert(Packed(message)));
            }
            let mut encoded = Vec::new();
            state.encode(&mut encoded);
            encoded.extend(&tail);
            let (decoded, rest) = State::decode(state.shape, &encoded);
            prop_assert!(decoded == state);
            prop_assert_eq!(rest, &tail[..]);
            prop_assert_eq!(decoded.fingerprint(7), state.fingerprint(7));
        }
    }
}
