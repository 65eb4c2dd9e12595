//! States one after another in few bytes: each as what it has other than the one before. Those that were
//! found one after another have much in common, as most come from the same state.

use crate::network::Network;
use crate::state::State;

/// An edit of the list of messages: how many stay, and whether one is then dropped or put in.
const PUT: u8 = 0x80;

/// Appends `state` as it differs from `before`, and makes `before` equal to it.
pub(super) fn pack(before: &mut State, state: &State, out: &mut Vec<u8>) {
    let ((old, _), (new, count)) = (before.words(), state.words());
    let changed = (0..count)
        .filter(|&at| old[at] != new[at])
        .fold(0u32, |mask, at| mask | 1 << at);
    out.extend_from_slice(&changed.to_le_bytes()[..mask_bytes(count)]);
    for at in (0..count).filter(|at| changed >> at & 1 != 0) {
        let bytes = (old[at] ^ new[at]).to_le_bytes();
        let place = out.len();
        out.push(0);
        for (bit, &byte) in bytes.iter().enumerate() {
            if byte != 0 {
                out[place] |= 1 << bit;
                out.push(byte);
            }
        }
    }
    let edits_at = out.len();
    out.push(0);
    let (old, new) = (before.network().as_slice(), state.network().as_slice());
    let (mut i, mut j, mut same) = (0, 0, 0u8);
    while i < old.len() || j < new.len() {
        let (was, is) = (old.get(i), new.get(j));
        if was == is {
            (i, j, same) = (i + 1, j + 1, same + 1);
            continue;
        }
        let dropped = match (was, is) {
            (Some(was), Some(is)) => was < is,
            (was, _) => was.is_some(),
        };
        out[edits_at] += 1;
        if dropped {
            out.push(same);
            i += 1;
        } else {
            out.push(same | PUT);
            out.extend_from_slice(&new[j].0.to_le_bytes());
            j += 1;
        }
        same = 0;
    }
    before.clone_from(state);
}

/// Makes `before` the state that was packed after it; returns the bytes that follow, or nothing if no
/// state is packed so.
pub(super) fn unpack<'a>(before: &mut State, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (mut words, count) = before.words();
    let (mask, mut rest) = bytes.split_at_checked(mask_bytes(count))?;
    let mut changed = [0; 4];
    changed[..mask.len()].copy_from_slice(mask);
    let changed = u32::from_le_bytes(changed);
    for at in (0..count).filter(|at| changed >> at & 1 != 0) {
        let (&which, tail) = rest.split_first()?;
        rest = tail;
        for bit in (0..8).filter(|bit| which >> bit & 1 != 0) {
            let (&byte, tail) = rest.split_first()?;
            words[at] ^= u64::from(byte) << (8 * bit);
            rest = tail;
        }
    }
    before.set_words(&words);
    let (&edits, mut rest) = rest.split_first()?;
    if edits == 0 {
        return Some(rest);
    }
    let mut messages = [0u32; crate::network::CAPACITY];
    let (mut len, mut from) = (0, 0);
    let old = before.network().as_slice();
    let keep = |messages: &mut [u32], len: &mut usize, from: &mut usize, count: usize| {
        let kept = old.get(*from..*from + count)?;
        for message in kept {
            *messages.get_mut(*len)? = message.0;
            *len += 1;
        }
        *from += count;
        Some(())
    };
    for _ in 0..edits {
        let (&edit, tail) = rest.split_first()?;
        rest = tail;
        keep(&mut messages, &mut len, &mut from, usize::from(edit & !PUT))?;
        if edit & PUT == 0 {
            from += 1;
            continue;
        }
        let (message, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        *messages.get_mut(len)? = u32::from_le_bytes(*message);
        len += 1;
    }
    let left = old.len().checked_sub(from)?;
    keep(&mut messages, &mut len, &mut from, left)?;
    *before.network_mut() = Network::from_sorted(&messages[..len]);
    Some(rest)
}

/// Bytes of a mask of so many words.
const fn mask_bytes(words: usize) -> usize {
    words.div_ceil(8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bounds::Bounds;
    use crate::features::Features;
    use crate::message::Packed;
    use crate::state::MOST_WORDS;

    type Raw = (Vec<u64>, std::collections::BTreeSet<u32>);

    fn of(bounds: &Bounds, (words, messages): &Raw) -> State {
        let mut state = State::initial(bounds);
        let mut all = [0; MOST_WORDS];
        all[..words.len()].copy_from_slice(words);
        state.set_words(&all);
        // In descending order, so that sorting is put to the test.
        for &message in messages.iter().rev() {
            assert!(
                state.network.insert(Packed(message)) && !state.network.insert(Packed(message))
            );
        }
        state
    }

    fn raw() -> impl Strategy<Value = Raw> {
        let message = prop_oneof![1u32..8, 1u32..];
        (
            proptest::collection::vec(any::<u64>(), MOST_WORDS),
            proptest::collection::btree_set(message, 0..60),
        )
    }

    proptest! {
        #[test]
        fn states_survive_packing_one_after_another(
            servers in 1u8..=5,
            wide in any::<bool>(),
            raw in proptest::collection::vec(raw(), 1..6),
        ) {
            let transfer = Features { transfer: wide, ..Features::NONE };
            let bounds = Bounds::plain(servers, 2, 1, 1, 1).with(transfer);
            let states: Vec<_> = raw.iter().map(|raw| of(&bounds, raw)).collect();
            let mut before = State::initial(&bounds);
            let mut bytes = Vec::new();
            for state in &states {
                pack(&mut before, state, &mut bytes);
            }
            let mut state = State::initial(&bounds);
            let mut rest = bytes.as_slice();
            for wanted in &states {
                rest = unpack(&mut state, rest).expect("what was packed");
                prop_assert!(state == *wanted);
                prop_assert_eq!(state.fingerprint(7), wanted.fingerprint(7));
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn bytes_that_are_no_state_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut state = State::initial(&Bounds::plain(3, 2, 1, 1, 1));
            let mut rest = bytes.as_slice();
            while let Some(tail) = unpack(&mut state, rest) {
                prop_assert!(tail.len() < rest.len());
                rest = tail;
            }
        }
    }
}
