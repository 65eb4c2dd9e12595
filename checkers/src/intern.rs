//! Numbers in place of values: each distinct item is kept once, and equal items have equal numbers.

use std::borrow::{Borrow, Cow};
use std::hash::{BuildHasher, BuildHasherDefault, Hash};

use crate::hash::FastHasher;

/// No item has this number.
const NOBODY: u32 = u32::MAX;
/// A place of a table that is free.
const EMPTY: u64 = u64::MAX;

/// Items by number and numbers by item. The table holds numbers only, so an item is stored once.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    items: Vec<T>,
    /// Open addressing, a power of two long, never more than half full: half a hash above, a number below.
    table: Vec<u64>,
}

impl<T> Default for Interner<T> {
    fn default() -> Interner<T> {
        Interner {
            items: Vec::new(),
            table: Vec::new(),
        }
    }
}

impl<T: Hash + Eq> Interner<T> {
    /// How many distinct items there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The item of that number.
    pub(crate) fn get(&self, number: u32) -> &T {
        &self.items[number as usize]
    }

    /// All items, by number.
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    /// Bytes taken, without what the items point to.
    pub(crate) fn memory(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.table.capacity() * 8
    }

    /// The number of an item that is known already.
    pub(crate) fn find<Q: Hash + Eq + ?Sized>(&self, item: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
    {
        if self.table.is_empty() {
            return None;
        }
        let found = self.table[self.slot(half_hash(item), item)];
        (found != EMPTY).then_some(number(found))
    }

    /// The number of an item; `owned` makes it if it is new.
    pub(crate) fn intern_with<Q: Hash + Eq + ?Sized>(
        &mut self,
        item: &Q,
        owned: impl FnOnce() -> T,
    ) -> u32
    where
        T: Borrow<Q>,
    {
        let slot = self.place(item);
        if self.table[slot.at] == EMPTY {
            self.fill(slot, owned());
        }
        number(self.table[slot.at])
    }

    /// The number of an item, which is cloned only if it is new and borrowed.
    pub(crate) fn intern_cow(&mut self, item: Cow<'_, T>) -> u32
    where
        T: Clone,
    {
        let slot = self.place(&*item);
        if self.table[slot.at] == EMPTY {
            self.fill(slot, item.into_owned());
        }
        number(self.table[slot.at])
    }

    /// Where an item is or will be.
    fn place<Q: Hash + Eq + ?Sized>(&mut self, item: &Q) -> Slot
    where
        T: Borrow<Q>,
    {
        if (self.items.len() + 1) * 2 > self.table.len() {
            self.grow();
        }
        let hash = half_hash(item);
        let at = self.slot(hash, item);
        Slot { at, hash }
    }

    fn fill(&mut self, slot: Slot, item: T) {
        let number = u32::try_from(self.items.len()).unwrap_or(NOBODY);
        assert!(number < NOBODY, "fewer than 2^32 - 1 distinct items");
        self.items.push(item);
        self.table[slot.at] = u64::from(slot.hash) << 32 | u64::from(number);
    }

    /// The number of an item.
    pub(crate) fn intern(&mut self, item: &T) -> u32
    where
        T: Clone,
    {
        self.intern_with(item, || item.clone())
    }

    /// Where the item is or would be.
    fn slot<Q: Hash + Eq + ?Sized>(&self, hash: u32, item: &Q) -> usize
    where
        T: Borrow<Q>,
    {
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let found = self.table[slot];
            if found == EMPTY
                || half(found) == hash && self.items[number(found) as usize].borrow() == item
            {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(16);
        let mask = size - 1;
        let mut table = vec![EMPTY; size];
        for found in self.table.iter().filter(|found| **found != EMPTY) {
            let mut slot = half(*found) as usize & mask;
            while table[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            table[slot] = *found;
        }
        self.table = table;
    }
}

/// A place of the table for an item of that hash.
#[derive(Clone, Copy)]
struct Slot {
    at: usize,
    hash: u32,
}

fn half(found: u64) -> u32 {
    (found >> 32) as u32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is the number"
)]
fn number(found: u64) -> u32 {
    found as u32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is as good as all"
)]
fn half_hash<Q: Hash + ?Sized>(item: &Q) -> u32 {
    BuildHasherDefault::<FastHasher>::default().hash_one(item) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_items_get_equal_numbers_and_others_do_not() {
        let mut interner = Interner::default();
        let numbers: Vec<u32> = (0..1000)
            .map(|i| interner.intern(&format!("{i}")))
            .collect();
        assert_eq!(interner.len(), 1000);
        for (i, number) in numbers.iter().enumerate() {
            assert_eq!(interner.find(&format!("{i}")), Some(*number));
            assert_eq!(interner.get(*number), &format!("{i}"));
        }
        assert_eq!(interner.find("absent"), None);
    }
}
