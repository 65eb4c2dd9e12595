//! Axes: where a number goes, which ticks it has, and what they are called.

/// A stretch of numbers drawn over a stretch of pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub from: f64,
    pub to: f64,
    pub low: f64,
    pub high: f64,
    pub logarithmic: bool,
}

impl Scale {
    /// The pixel of a number; what is beyond the axis is drawn at its end.
    pub(super) fn place(&self, number: f64) -> f64 {
        let measure = |number: f64| {
            if self.logarithmic {
                number.max(f64::MIN_POSITIVE).log10()
            } else {
                number
            }
        };
        let (from, to) = (measure(self.from), measure(self.to));
        let share = (measure(number) - from) / (to - from);
        self.low + share.clamp(0.0, 1.0) * (self.high - self.low)
    }

    /// Round numbers along the axis, at most about so many.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        if self.logarithmic {
            let decades = (self.to / self.from).log10().round() as usize;
            let every = decades.div_ceil(most.max(1)).max(1);
            let tick = |decade| self.from * 10_f64.powi(i32::try_from(decade).unwrap_or(0));
            return (0..=decades).step_by(every).map(tick).collect();
        }
        let step = nice_step(self.to - self.from, most);
        let count = ((self.to - self.from) / step + 1e-9).floor() as usize;
        (0..=count).map(|n| self.from + n as f64 * step).collect()
    }
}

/// One, two or five times a power of ten, so that a span has at most so many of it.
pub(super) fn nice_step(span: f64, most: usize) -> f64 {
    let rough = (span / most.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    nice.into_iter()
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// The decades around some numbers.
pub(super) fn decades(numbers: impl Iterator<Item = u64>) -> (f64, f64) {
    let (mut least, mut most) = (u64::MAX, 1);
    for number in numbers {
        (least, most) = (least.min(number.max(1)), most.max(number));
    }
    let from = 10_f64.powf((least.min(most) as f64).log10().floor());
    let to = 10_f64.powf((most as f64).log10().ceil());
    (from, to.max(from * 10.0))
}

/// Nanoseconds in words.
pub(super) fn duration(ns: f64) -> String {
    let (number, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{} {unit}", short(number))
}

/// A number to three places.
pub(super) fn short(number: f64) -> String {
    let places = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{number:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_stand_where_their_numbers_do() {
        let linear = Scale {
            from: 0.0,
            to: 17.0,
            low: 100.0,
            high: 270.0,
            logarithmic: false,
        };
        assert_eq!(linear.ticks(8), [0.0, 5.0, 10.0, 15.0]);
        assert_eq!(linear.place(5.0), 150.0);
        assert_eq!(linear.place(99.0), 270.0);
        let logarithmic = Scale {
            from: 1e3,
            to: 1e7,
            low: 100.0,
            high: 0.0,
            logarithmic: true,
        };
        assert_eq!(logarithmic.ticks(4), [1e3, 1e4, 1e5, 1e6, 1e7]);
        assert_eq!(logarithmic.ticks(3), [1e3, 1e5, 1e7]);
        assert_eq!(logarithmic.place(1e5), 50.0);
    }

    #[test]
    fn decades_hold_their_numbers_and_are_never_empty() {
        assert_eq!(decades([0, 250].into_iter()), (1.0, 1e3));
        assert_eq!(decades([1_000].into_iter()), (1e3, 1e4));
        assert_eq!(decades([].into_iter()), (1.0, 10.0));
    }

    #[test]
    fn numbers_are_told_shortly() {
        assert_eq!(duration(1_500_000.0), "1.5 ms");
        assert_eq!(duration(2e9), "2 s");
        assert_eq!(duration(123_456.0), "123 µs");
        assert_eq!(
            (short(100.0), short(0.25), short(10.0)),
            ("100".into(), "0.25".into(), "10".into())
        );
    }
}
