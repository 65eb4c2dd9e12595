//! A sorted list as a map: for keys that come in their order and go nearly in it, as requests and places in the log do.
//! Both ends are looked at first, so that neither takes a search, nor the code of a tree.

use std::collections::VecDeque;

/// Values by their keys.
#[derive(Debug)]
pub(super) struct Ledger<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Ledger<K, V> {
    fn default() -> Ledger<K, V> {
        Ledger(VecDeque::new())
    }
}

impl<K: Ord + Copy, V> Ledger<K, V> {
    /// Where a key is, or belongs.
    fn place(&self, key: K) -> Result<usize, usize> {
        let Some((last, _)) = self.0.back() else {
            return Err(0);
        };
        if *last < key {
            return Err(self.0.len());
        }
        if *last == key {
            return Ok(self.0.len() - 1);
        }
        if self.0.front().is_some_and(|(first, _)| *first == key) {
            return Ok(0);
        }
        self.0.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// Keeps a value, in the place of an earlier one of the same key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        match self.place(key) {
            Ok(place) => self.0[place].1 = value,
            Err(place) if place == self.0.len() => self.0.push_back((key, value)),
            Err(place) => self.0.insert(place, (key, value)),
        }
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.place(key).ok()?;
        let (_, value) = self.0.remove(place)?;
        Some(value)
    }

    /// Drops what is of other keys than these.
    pub(super) fn retain(&mut self, keep: impl Fn(K) -> bool) {
        self.0.retain(|(key, _)| keep(*key));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_ledger_keeps_what_a_map_keeps(
            deeds in proptest::collection::vec((0_u8..8, 0_u64..12), 0..80)
        ) {
            let (mut ledger, mut map) = (Ledger::default(), BTreeMap::new());
            for (number, (deed, key)) in deeds.into_iter().enumerate() {
                match deed {
                    0..=3 => {
                        ledger.insert(key, number);
                        map.insert(key, number);
                    }
                    4..=6 => prop_assert_eq!(ledger.remove(key), map.remove(&key)),
                    _ => {
                        ledger.retain(|other| other > key);
                        map.retain(|other, _| *other > key);
                    }
                }
                prop_assert_eq!(ledger.len(), map.len());
                let kept = ledger.0.iter().copied();
                prop_assert!(kept.eq(map.iter().map(|(key, value)| (*key, *value))));
            }
        }
    }
}
