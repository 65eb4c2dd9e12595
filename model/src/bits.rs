//! Fields of a machine word.

/// A run of bits in a `u64`.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    shift: u32,
    mask: u64,
}

impl Field {
    /// `width` bits from `shift` up.
    pub(crate) const fn new(shift: u32, width: u32) -> Field {
        assert!(shift + width <= 64);
        Field {
            shift,
            mask: (1 << width) - 1,
        }
    }

    /// The field's value in `word`; fields of small numbers are at most eight bits wide.
    #[inline]
    pub(crate) const fn get(self, word: u64) -> u8 {
        ((word >> self.shift) & self.mask) as u8
    }

    /// `word` with the field set to `value`.
    #[inline]
    pub(crate) const fn set(self, word: u64, value: u8) -> u64 {
        debug_assert!(value as u64 <= self.mask);
        (word & !(self.mask << self.shift)) | ((value as u64) << self.shift)
    }

    /// The `i`-th field of this width, counted upwards from this one.
    #[inline]
    pub(crate) const fn nth(self, i: u8) -> Field {
        let width = self.mask.count_ones();
        Field {
            shift: self.shift + width * i as u32,
            mask: self.mask,
        }
    }
}
