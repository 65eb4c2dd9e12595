//! Symmetry over server identities: one state stands for all that differ in the numbering only.
//!
//! Sound for what is checked here. No rule compares server numbers or treats one apart; bounds and
//! budgets count servers without naming them; and no property or claim names a server. Only
//! configurations do: a scope that has some does without symmetry. So renaming
//! the servers of a run gives a run, and a renamed state breaks a property exactly if the state
//! does. It would not do for liveness, where a run must be fair to each server by name.
//!
//! A search needs no canonical state, only a fingerprint that is the same for all renamings and for nothing
//! else: the least fingerprint over the orders in which servers are sorted by what they are, whatever their
//! names. Orders are tried only among servers that are alike. What is kept and expanded is the first of the
//! renamings that was met, so that each state of a search is one of a run.

use crate::bounds::MAX_SERVERS;
use crate::fingerprint::{Fingerprint, scramble};
use crate::server::ServerId;
use crate::state::State;

const MOST: usize = MAX_SERVERS as usize;

/// Which place each server takes, by its number.
pub(crate) type Names = [u8; 8];

/// The state that stands for `state` and all its renamings.
#[must_use]
pub fn representative(state: &State) -> State {
    let (_, names) = least(state, 0);
    let name = |id: ServerId| ServerId(names[id.at()]);
    let mut next = state.clone();
    for id in state.ids() {
        *next.server_mut(name(id)) = state.server(id).map_votes(|vote| name(vote).0 + 1);
    }
    next.ghost = state.ghost().rename(name);
    next.network.change(|message| message.rename(name));
    next
}

/// The fingerprint that a state shares with its renamings.
#[inline]
pub(crate) fn fingerprint(state: &State, salt: u64) -> Fingerprint {
    least(state, salt).0
}

/// The least fingerprint, and the names that give it.
#[inline]
fn least(state: &State, salt: u64) -> (Fingerprint, Names) {
    let count = state.servers().len();
    let keys = nameless(state);
    let mut order = [0u8, 1, 2, 3, 4];
    let order = &mut order[..count];
    // Insertion sort: there are two to five.
    for i in 1..count {
        let mut at = i;
        while at > 0 && keys[usize::from(order[at])] < keys[usize::from(order[at - 1])] {
            order.swap(at, at - 1);
            at -= 1;
        }
    }
    let key_of = |at: u8| keys[usize::from(at)];
    let differ = |pair: &[u8]| key_of(pair[0]) != key_of(pair[1]);
    let of = |order: &[u8]| {
        let names = names(order);
        (state.fingerprint_as(&names, salt), names)
    };
    let mut best = of(order);
    if !order.windows(2).all(differ) {
        permute_ties(order, 0, &keys, &mut |order| {
            let candidate = of(order);
            if candidate.0 < best.0 {
                best = candidate;
            }
        });
    }
    best
}

/// The names by which the servers stand in `order`.
fn names(order: &[u8]) -> Names {
    let mut names = [0; 8];
    for (new, &old) in (0u8..).zip(order) {
        names[usize::from(old & 7)] = new;
    }
    names
}

/// What each server holds, has sent and is sent, without names: equal under any renaming.
#[inline]
fn nameless(state: &State) -> [u64; MOST] {
    const SELF: u8 = 1;
    const OTHER: u8 = 2;
    let mut mail = [0u64; 8];
    for &message in state.network().as_slice() {
        // Sums, so that the order in which names sort messages does not show.
        let bare = u64::from(message.without_names().0);
        let weight = (bare ^ bare << 27).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let from = &mut mail[message.from().at() & 7];
        *from = from.wrapping_add(weight);
        if let Some(to) = message.to() {
            mail[to.at() & 7] = mail[to.at() & 7].wrapping_add(weight.rotate_left(32));
        }
    }
    let mut keys = [0; MOST];
    for id in state.ids() {
        let server = state.server(id);
        let own = server.map_votes(|vote| if vote == id { SELF } else { OTHER });
        let [volatile, durable] = own.words();
        let led = state.ghost().terms_led_by(id);
        let words = scramble(volatile ^ u64::from(led) << 57).0
            ^ scramble(durable ^ server.extra().0.rotate_left(29) ^ 1 << 63).1;
        keys[id.at()] = words.wrapping_add(mail[id.at()]);
    }
    keys
}

/// Calls `each` with every order that differs from the sorted one only among equal keys.
fn permute_ties(order: &mut [u8], at: usize, keys: &[u64; MOST], each: &mut impl FnMut(&[u8])) {
    if at + 1 >= order.len() {
        each(order);
        return;
    }
    for other in at..order.len() {
        if keys[usize::from(order[other])] != keys[usize::from(order[at])] {
            break;
        }
        order.swap(at, other);
        permute_ties(order, at + 1, keys, each);
        order.swap(at, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ablations::Ablations;
    use crate::bounds::Bounds;
    use crate::raft::Raft;

    /// Every state of a scope's first levels, renamed in every way.
    #[test]
    fn renamings_of_a_state_share_its_fingerprint_and_its_representative() {
        let raft =
            Raft::new(Bounds::plain(3, 2, 2, 2, 1), Ablations::NONE).expect("bounds that fit");
        let mut level = vec![raft.initial()];
        for _ in 0..9 {
            let mut next = Vec::new();
            for state in &level {
                raft.offers(state, |action| next.extend(raft.step(state, action)));
            }
            next.truncate(3000);
            level = next;
        }
        assert!(level.len() > 1000);
        for state in &level {
            let least = representative(state);
            for names in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let name = |id: ServerId| ServerId(names[id.at()]);
                let mut other = state.clone();
                for id in state.ids() {
                    *other.server_mut(name(id)) =
                        state.server(id).map_votes(|vote| name(vote).0 + 1);
                }
                other.ghost = state.ghost().rename(name);
                other.network.change(|message| message.rename(name));
                assert_eq!(fingerprint(&other, 5), fingerprint(state, 5));
                assert!(representative(&other) == least);
                if other != *state {
                    assert_ne!(other.fingerprint(5), state.fingerprint(5));
                }
            }
        }
    }
}
