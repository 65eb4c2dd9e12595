//! Symmetry over server identities: one state stands for all that differ in the numbering only.
//!
//! Sound for what is checked here. No rule compares server numbers or treats one apart; bounds and
//! budgets count servers without naming them; and no property or claim names a server. Only
//! configurations do: a scope that has some does without symmetry. So renaming
//! the servers of a run gives a run, and a renamed state breaks a property exactly if the state
//! does. It would not do for liveness, where a run must be fair to each server by name.

use crate::bounds::MAX_SERVERS;
use crate::server::{Server, ServerId};
use crate::state::State;

const MOST: usize = MAX_SERVERS as usize;

/// The state that stands for `state` and all its renamings: among those whose servers are in the
/// order of what they hold whatever their names, the least.
#[must_use]
pub fn representative(state: &State) -> State {
    canonical(state.clone())
}

/// The same, of a state that is at hand.
#[inline]
pub(crate) fn canonical(state: State) -> State {
    let count = state.servers().len();
    let mut keys = [(Server::default(), 0u64); MOST];
    let mut order = [0u8; MOST];
    for id in state.ids() {
        order[id.at()] = id.0;
        keys[id.at()] = nameless(&state, id);
    }
    let order = &mut order[..count];
    order.sort_unstable_by_key(|&at| keys[usize::from(at)]);
    let key_of = |at: u8| keys[usize::from(at)];
    if order
        .windows(2)
        .all(|pair| key_of(pair[0]) != key_of(pair[1]))
    {
        let in_place = order.iter().zip(0..).all(|(&old, new)| old == new);
        return if in_place {
            state
        } else {
            renamed(&state, order)
        };
    }
    let mut best: Option<State> = None;
    permute_ties(order, 0, &keys, &mut |order| {
        let candidate = renamed(&state, order);
        if best
            .as_ref()
            .is_none_or(|least| key(&candidate) < key(least))
        {
            best = Some(candidate);
        }
    });
    best.expect("there is at least one order, the sorted one")
}

/// What a server holds and has sent, without names: equal under any renaming.
fn nameless(state: &State, id: ServerId) -> (Server, u64) {
    const SELF: u8 = 1;
    const OTHER: u8 = 2;
    let server = state
        .server(id)
        .map_votes(|vote| if vote == id { SELF } else { OTHER });
    let sent = state.network().as_slice().iter().filter(|m| m.from() == id);
    // A sum, so that the order in which names sort messages does not show.
    let sent = sent.fold(0u64, |sum, message| {
        let bare = u64::from(message.rename(|_| ServerId(0)).0);
        sum.wrapping_add((bare ^ bare << 17).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    });
    (server, sent)
}

/// Calls `each` with every order that differs from the sorted one only among equal keys.
fn permute_ties(
    order: &mut [u8],
    at: usize,
    keys: &[(Server, u64); MOST],
    each: &mut impl FnMut(&[u8]),
) {
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

/// The state with server `order[i]` renamed to `i`.
fn renamed(state: &State, order: &[u8]) -> State {
    let mut names = [ServerId(0); MOST];
    for (new, &old) in order.iter().enumerate() {
        names[usize::from(old)] = ServerId(new as u8);
    }
    let name = |id: ServerId| names[id.at()];
    let mut next = state.clone();
    for id in state.ids() {
        *next.server_mut(name(id)) = state.server(id).map_votes(|vote| name(vote).0 + 1);
    }
    next.ghost = state.ghost().rename(name);
    next.network.change(|message| message.rename(name));
    next
}

/// Orders states with equal nameless servers.
fn key(state: &State) -> (&[Server], [u64; 2], &[crate::message::Packed]) {
    (
        state.servers(),
        state.ghost().words(),
        state.network().as_slice(),
    )
}
