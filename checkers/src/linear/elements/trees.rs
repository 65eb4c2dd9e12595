//! Two segment trees: how many stretches cover each place, and which of a row of numbers are small.

/// How many stretches cover each of a row of places.
pub(super) struct Cover {
    size: usize,
    /// By node: the least count below it, what is added to all below it included.
    least: Vec<i32>,
    added: Vec<i32>,
}

impl Cover {
    /// Nothing covered, of so many places.
    pub(super) fn new(places: usize) -> Cover {
        let size = places.max(1).next_power_of_two();
        Cover {
            size,
            least: vec![0; 2 * size],
            added: vec![0; 2 * size],
        }
    }

    /// Covers the places `from..to` once more, or once less.
    pub(super) fn add(&mut self, from: usize, to: usize, by: i32) {
        self.add_below(1, 0, self.size, from, to, by);
    }

    fn add_below(&mut self, node: usize, low: usize, high: usize, from: usize, to: usize, by: i32) {
        if to <= low || high <= from {
            return;
        }
        if from <= low && high <= to {
            self.least[node] += by;
            self.added[node] += by;
            return;
        }
        let middle = usize::midpoint(low, high);
        self.add_below(2 * node, low, middle, from, to, by);
        self.add_below(2 * node + 1, middle, high, from, to, by);
        let below = self.least[2 * node].min(self.least[2 * node + 1]);
        self.least[node] = below + self.added[node];
    }

    /// The first place from this one on that nothing covers; the number of places if there is none.
    pub(super) fn first_free(&self, from: usize) -> usize {
        self.free_below(1, 0, self.size, from, 0)
            .unwrap_or(self.size)
    }

    fn free_below(
        &self,
        node: usize,
        low: usize,
        high: usize,
        from: usize,
        above: i32,
    ) -> Option<usize> {
        if high <= from || self.least[node] + above > 0 {
            return None;
        }
        if high - low == 1 {
            return Some(low);
        }
        let above = above + self.added[node];
        let middle = usize::midpoint(low, high);
        self.free_below(2 * node, low, middle, from, above)
            .or_else(|| self.free_below(2 * node + 1, middle, high, from, above))
    }
}

/// Numbers in a row, of which small ones are taken.
pub(super) struct Row {
    size: usize,
    least: Vec<u32>,
}

/// One that was taken.
const TAKEN: u32 = u32::MAX;

impl Row {
    pub(super) fn new(numbers: impl ExactSizeIterator<Item = u32>) -> Row {
        let size = numbers.len().max(1).next_power_of_two();
        let mut least = vec![TAKEN; 2 * size];
        for (place, number) in numbers.enumerate() {
            least[size + place] = number;
        }
        for node in (1..size).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        Row { size, least }
    }

    /// Takes all of the places `from..to` whose number is below the bound, which none is if that is 0.
    pub(super) fn take_below(
        &mut self,
        from: usize,
        to: usize,
        bound: u32,
        take: &mut impl FnMut(usize),
    ) {
        self.take(1, 0, self.size, from, to, bound, take);
    }

    #[expect(clippy::too_many_arguments, reason = "the descent's own state")]
    fn take(
        &mut self,
        node: usize,
        low: usize,
        high: usize,
        from: usize,
        to: usize,
        bound: u32,
        take: &mut impl FnMut(usize),
    ) {
        if to <= low || high <= from || self.least[node] >= bound {
            return;
        }
        if high - low == 1 {
            self.least[node] = TAKEN;
            take(low);
            return;
        }
        let middle = usize::midpoint(low, high);
        self.take(2 * node, low, middle, from, to, bound, take);
        self.take(2 * node + 1, middle, high, from, to, bound, take);
        self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covered_places_are_counted() {
        let mut cover = Cover::new(10);
        cover.add(0, 7, 1);
        cover.add(3, 10, 1);
        assert_eq!(cover.first_free(0), 10);
        cover.add(0, 7, -1);
        assert_eq!(cover.first_free(0), 0);
        assert_eq!(cover.first_free(3), 10);
        cover.add(3, 10, -1);
        cover.add(0, 5, 1);
        assert_eq!(cover.first_free(1), 5);
    }

    #[test]
    fn small_numbers_are_taken_once() {
        let mut row = Row::new([5, 1, 9, 3, 7].into_iter());
        let mut taken = Vec::new();
        row.take_below(1, 5, 8, &mut |place| taken.push(place));
        assert_eq!(taken, [1, 3, 4]);
        row.take_below(0, 5, 8, &mut |place| taken.push(place));
        assert_eq!(taken, [1, 3, 4, 0]);
    }
}
