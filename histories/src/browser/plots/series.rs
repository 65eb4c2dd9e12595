//! The numbers behind the plots: how long each operation took, quantiles and rates by windows of time.

use std::collections::BTreeMap;

use crate::{History, Kind};

/// Kinds of operations that get a panel of their own; rarer ones share one.
const MOST: usize = 5;
/// The quantiles that are drawn.
pub(super) const QUANTILES: [(f64, &str); 4] = [
    (0.5, "median"),
    (0.95, "95 %"),
    (0.99, "99 %"),
    (1.0, "slowest"),
];
/// The outcomes, in the order in which counts have them.
pub(super) const OUTCOMES: [&str; 3] = ["ok", "fail", "info"];

/// An operation that ended, or whose client gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub at_ns: u64,
    pub took_ns: u64,
    /// A place in [`OUTCOMES`].
    pub outcome: usize,
}

/// All operations of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Series {
    pub f: String,
    pub points: Vec<Point>,
}

impl Series {
    /// How many ended how.
    pub(super) fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for point in &self.points {
            counts[point.outcome] += 1;
        }
        counts
    }

    /// The quantiles over the whole run, in nanoseconds.
    pub(super) fn quantiles(&self) -> [u64; QUANTILES.len()] {
        let mut all: Vec<u64> = self.points.iter().map(|point| point.took_ns).collect();
        all.sort_unstable();
        QUANTILES.map(|(q, _)| quantile(&all, q).unwrap_or(0))
    }

    /// The quantiles of each window in which an operation was invoked.
    pub(super) fn quantiles_over_time(&self, window_ns: u64) -> Vec<(u64, [u64; QUANTILES.len()])> {
        let mut windows: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for point in &self.points {
            let window = windows.entry(point.at_ns / window_ns).or_default();
            window.push(point.took_ns);
        }
        let quantiles = windows.into_iter().map(|(window, mut took)| {
            took.sort_unstable();
            let of_window = QUANTILES.map(|(q, _)| quantile(&took, q).unwrap_or(0));
            (window, of_window)
        });
        quantiles.collect()
    }

    /// How many operations ended how in each of `windows`, the last of which takes what is left.
    pub(super) fn ended_over_time(&self, window_ns: u64, windows: usize) -> Vec<[u64; 3]> {
        let mut ended = vec![[0; 3]; windows];
        let last = windows.saturating_sub(1);
        for point in &self.points {
            let window = (point.at_ns + point.took_ns) / window_ns;
            let at = usize::try_from(window).map_or(last, |at| at.min(last));
            ended[at][point.outcome] += 1;
        }
        ended
    }
}

/// The smallest of the values that at least this share of them do not exceed.
fn quantile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// The operations of a history that ended, by kind, in the order of names.
pub(super) fn series(history: &History) -> Vec<Series> {
    let mut by_kind: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    for operation in history.operations() {
        let Some(completion) = operation.completion else {
            continue;
        };
        let at_ns = operation.invocation.time_ns;
        by_kind.entry(operation.f()).or_default().push(Point {
            at_ns,
            took_ns: completion.time_ns.saturating_sub(at_ns),
            outcome: match completion.kind {
                Kind::Ok => 0,
                Kind::Fail => 1,
                Kind::Info | Kind::Invoke => 2,
            },
        });
    }
    let mut most: Vec<(usize, &str)> = by_kind.iter().map(|(f, all)| (all.len(), *f)).collect();
    most.sort_by_key(|(count, f)| (std::cmp::Reverse(*count), *f));
    let own: Vec<&str> = most.iter().take(MOST).map(|(_, f)| *f).collect();
    let (mut all, mut rest) = (Vec::new(), Vec::new());
    for (f, points) in by_kind {
        if own.contains(&f) {
            let f = f.to_owned();
            all.push(Series { f, points });
        } else {
            rest.extend(points);
        }
    }
    if !rest.is_empty() {
        rest.sort_by_key(|point| point.at_ns);
        let f = "others".to_owned();
        all.push(Series { f, points: rest });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Header, Recorder, Value};

    #[test]
    fn a_quantile_is_a_value_that_was_seen() {
        let took: Vec<u64> = (1..=100).collect();
        let of = |share| quantile(&took, share);
        assert_eq!(
            [of(0.5), of(0.95), of(0.99), of(1.0)],
            [Some(50), Some(95), Some(99), Some(100)]
        );
        assert_eq!(quantile(&[7], 0.5), Some(7));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn what_was_never_answered_is_no_point_and_rare_kinds_share_a_panel() {
        let mut recorder = Recorder::new(Header::default());
        for (number, f) in [
            "a", "b", "c", "d", "e", "f", "g", "a", "b", "c", "d", "e", "f",
        ]
        .iter()
        .enumerate()
        {
            let process = number as u64;
            recorder.invoke(process, process, f, None, Value::Null, None);
            match *f {
                "g" => recorder.info(process + 9, process, Value::Null, None),
                "f" => recorder.fail(process + 9, process, Value::Null, None),
                _ => recorder.ok(process + 5, process, Value::Null),
            }
        }
        recorder.invoke(50, 50, "a", None, Value::Null, None);
        let seen = series(&recorder.finish());
        let told: Vec<_> = seen.iter().map(|one| (&one.f[..], one.counts())).collect();
        let of_two = |f| (f, [2, 0, 0]);
        let mut due: Vec<_> = ["a", "b", "c", "d", "e"].map(of_two).into();
        due.push(("others", [0, 2, 1]));
        assert_eq!(told, due);
        assert_eq!(seen[5].quantiles(), [9; 4]);
        assert_eq!(seen[0].quantiles_over_time(6), [(0, [5; 4]), (1, [5; 4])]);
        assert_eq!(seen[0].ended_over_time(10, 2), [[1, 0, 0], [1, 0, 0]]);
        assert_eq!(seen[0].ended_over_time(6, 2), [[1, 0, 0], [1, 0, 0]]);
    }
}
