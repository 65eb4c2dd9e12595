//! Numbers by name, for the report: the page draws them as bars.

use serde::Serialize;

use crate::invariants::Coverage;
use crate::scenario::Tier;

/// How the length of a bar follows from its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Twice the number, twice the bar.
    Linear,
    /// Ten times the number, a step more: counts that differ by orders of magnitude.
    Logarithmic,
}

/// Numbers of one kind. Charts of one title in several layers are drawn side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    /// What is counted.
    pub title: &'static str,
    /// In what.
    pub unit: &'static str,
    /// How bars are drawn.
    pub measure: Measure,
    /// The numbers.
    pub bars: Vec<Bar>,
}

/// A number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// What it is a number of.
    pub name: String,
    /// The number.
    pub value: f64,
}

impl Chart {
    /// A chart of counts.
    pub(super) fn of_counts<N: Into<String>>(
        title: &'static str,
        unit: &'static str,
        counts: impl IntoIterator<Item = (N, u64)>,
    ) -> Chart {
        let bar = |(name, count): (N, u64)| Bar {
            name: name.into(),
            value: count as f64,
        };
        Chart {
            title,
            unit,
            measure: Measure::Logarithmic,
            bars: counts.into_iter().map(bar).collect(),
        }
    }

    /// What happened in simulated runs.
    pub(super) fn of_coverage(coverage: &Coverage, tier: Tier) -> Chart {
        let counts = coverage.named_in(tier);
        Chart::of_counts("What happened in simulation", "times", counts)
    }

    /// The length of a number's bar, from 0 to 1, among numbers of which this is the largest.
    pub(super) fn share(&self, value: f64, largest: f64) -> f64 {
        if value <= 0.0 || largest <= 0.0 {
            return 0.0;
        }
        match self.measure {
            Measure::Linear => value / largest,
            // One is a tenth of ten, so that what was seen once is seen.
            Measure::Logarithmic => (value * 10.0).log10().max(0.1) / (largest * 10.0).log10(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_number_and_nothing_has_none() {
        let chart = Chart::of_counts("t", "u", [("a", 1), ("b", 1_000)]);
        assert_eq!(chart.bars[1].value, 1_000.0);
        assert_eq!(chart.share(0.0, 1_000.0), 0.0);
        assert_eq!(chart.share(1.0, 1_000.0), 0.25);
        assert_eq!(chart.share(1_000.0, 1_000.0), 1.0);
        let linear = Chart {
            measure: Measure::Linear,
            ..chart
        };
        assert_eq!(linear.share(1.0, 4.0), 0.25);
    }
}
