//! Numbers in place of values: each distinct item is kept once, and equal items have equal numbers.

use std::borrow::Borrow;
use std::hash::{BuildHasher, BuildHasherDefault, Hash};

use crate::hash::FastHasher;

const EMPTY: u32 = u32::MAX;

/// Items by number and numbers by item. The table holds numbers only, so an item is stored once.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    items: Vec<T>,
    /// Open addressing, a power of two long, never more than half full.
    table: Vec<u32>,
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
        self.items.capacity() * size_of::<T>() + self.table.capacity() * 4
    }

    /// The number of an item that is known already.
    pub(crate) fn find<Q: Hash + Eq + ?Sized>(&self, item: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
    {
        if self.table.is_empty() {
            return None;
        }
        let number = self.table[self.slot(item)];
        (number != EMPTY).then_some(number)
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
        if (self.items.len() + 1) * 2 > self.table.len() {
            self.grow();
        }
        let slot = self.slot(item);
        if self.table[slot] == EMPTY {
            let number = u32::try_from(self.items.len()).unwrap_or(EMPTY);
            assert!(number < EMPTY, "fewer than 2^32 - 1 distinct items");
            self.items.push(owned());
            self.table[slot] = number;
        }
        self.table[slot]
    }

    /// The number of an item.
    pub(crate) fn intern(&mut self, item: &T) -> u32
    where
        T: Clone,
    {
        self.intern_with(item, || item.clone())
    }

    /// Where the item is or would be.
    fn slot<Q: Hash + Eq + ?Sized>(&self, item: &Q) -> usize
    where
        T: Borrow<Q>,
    {
        let mask = self.table.len() - 1;
        let mut slot = usize::try_from(hash_of(item)).expect("64-bit targets") & mask;
        loop {
            let number = self.table[slot];
            if number == EMPTY || self.items[number as usize].borrow() == item {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(16);
        let mask = size - 1;
        let mut table = vec![EMPTY; size];
        for (number, item) in self.items.iter().enumerate() {
            let mut slot = usize::try_from(hash_of(item)).expect("64-bit targets") & mask;
            while table[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            table[slot] = u32::try_from(number).expect("numbers were given as u32");
        }
        self.table = table;
    }
}

fn hash_of<Q: Hash + ?Sized>(item: &Q) -> u64 {
    BuildHasherDefault::<FastHasher>::default().hash_one(item)
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
