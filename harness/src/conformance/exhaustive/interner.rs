//! Values by number: equal values have equal numbers, given out in the order of first sight.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;

/// A hasher without a random key, so that a run is the same in every process.
pub(super) type Fixed = BuildHasherDefault<DefaultHasher>;

/// Every distinct value once.
pub(super) struct Interner<T> {
    values: Vec<Arc<T>>,
    numbers: HashMap<Arc<T>, u32, Fixed>,
}

impl<T: Eq + Hash> Interner<T> {
    pub(super) fn new() -> Interner<T> {
        Interner {
            values: Vec::new(),
            numbers: HashMap::default(),
        }
    }

    /// The number of a value.
    ///
    /// # Panics
    /// Beyond 2^32 distinct values, which no memory holds.
    pub(super) fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).expect("no memory holds so many values");
        let value = Arc::new(value);
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    /// The value of a number that was given out.
    pub(super) fn get(&self, number: u32) -> &Arc<T> {
        &self.values[number as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}
