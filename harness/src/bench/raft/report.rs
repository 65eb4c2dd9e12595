//! The figures: what stands in the JSON and in the table.

use std::fmt::Write;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Order;
use super::load::{Load, Measured, Operation};
use super::node::Counters;

/// All that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Nodes of a cluster.
    pub nodes: u64,
    /// How long a measurement took.
    #[serde(serialize_with = "seconds", rename = "seconds")]
    pub measured: Duration,
    /// How often each case was measured.
    pub rounds: usize,
    /// How many keys there were, each with one client.
    pub keys: usize,
    /// Cores of the machine.
    pub cores: usize,
    /// The file system under the logs, where the system says so.
    pub file_system: Option<String>,
    /// etcd's version, if it was measured.
    pub etcd: Option<String>,
    /// The cases.
    pub rows: Vec<Row>,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Clients at once.
    pub clients: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// What they did.
    pub operation: Operation,
    /// Ours: of each figure the median of the rounds.
    pub plumb: Figures,
    /// etcd's, if it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd: Option<Figures>,
    /// Ours by etcd's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratios: Option<Ratios>,
}

/// What one server did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    /// Operations that succeeded.
    pub operations: u64,
    /// Operations that failed, or whose fate is unknown.
    pub failed: u64,
    /// Operations a second.
    pub per_second: f64,
    /// Half of them took no longer; seconds.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// Log entries a sync on the leader, where there were syncs.
    pub entries_per_sync: Option<f64>,
}

/// Ours by etcd's.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ratios {
    /// Above one, ours does more.
    pub per_second: f64,
    /// Below one, ours is sooner.
    pub p50: f64,
    /// Below one, ours is sooner.
    pub p99: f64,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl Report {
    pub(super) fn new(order: &Order, file_system: Option<String>, etcd: Option<String>) -> Report {
        Report {
            nodes: order.nodes,
            measured: order.measured,
            rounds: order.rounds,
            keys: order.keys,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            file_system,
            etcd,
            rows: Vec::new(),
        }
    }
}

impl Row {
    pub(super) fn new(load: &Load, plumb: &[Figures], etcd: &[Figures]) -> Row {
        let plumb = Figures::median(plumb);
        let etcd = (!etcd.is_empty()).then(|| Figures::median(etcd));
        let ratios = etcd.map(|etcd| Ratios {
            per_second: plumb.per_second / etcd.per_second,
            p50: plumb.p50 / etcd.p50,
            p99: plumb.p99 / etcd.p99,
        });
        Row {
            clients: load.clients,
            value_bytes: load.value,
            operation: load.operation,
            plumb,
            etcd,
            ratios,
        }
    }

    /// What stands above the rows.
    #[must_use]
    pub fn heading() -> String {
        format!(
            "{:>7}  {:>7}  {:10}  {:6}  {:>8}  {:>9}  {:>9}  {:>9}  {:>9}  {:>12}\n",
            "clients",
            "value",
            "operation",
            "server",
            "ops/s",
            "p50",
            "p99",
            "p99.9",
            "max",
            "entries/sync"
        )
    }

    /// The row as lines of a table: ours, etcd's, the ratios.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut lines = format!(
            "{:>7}  {:>5} B  {:10}  {}",
            self.clients,
            self.value_bytes,
            self.operation.name(),
            self.plumb.line("plumb")
        );
        if let (Some(etcd), Some(ratios)) = (&self.etcd, &self.ratios) {
            let _ = write!(lines, "{:30}{}", "", etcd.line("etcd"));
            let _ = writeln!(
                lines,
                "{:30}{:6}  {:>8.2}  {:>9.2}  {:>9.2}",
                "", "ratio", ratios.per_second, ratios.p50, ratios.p99
            );
        }
        lines
    }
}

impl Figures {
    pub(super) fn new(measured: &Measured, before: Counters, after: Counters) -> Figures {
        let latencies = &measured.latencies;
        let quantile = |per_mille: usize| {
            // The smallest that so many are not above.
            let rank = (latencies.len() * per_mille).div_ceil(1000);
            let found = latencies.get(rank.max(1) - 1);
            found.map_or(0.0, Duration::as_secs_f64)
        };
        let syncs = after.syncs.saturating_sub(before.syncs);
        let entries = after.entries.saturating_sub(before.entries);
        Figures {
            operations: latencies.len() as u64,
            failed: measured.failed,
            per_second: latencies.len() as f64 / measured.took.as_secs_f64().max(1e-9),
            p50: quantile(500),
            p99: quantile(990),
            p999: quantile(999),
            max: quantile(1000),
            entries_per_sync: (syncs > 0).then(|| entries as f64 / syncs as f64),
        }
    }

    /// The median of each figure by itself; counts are sums.
    fn median(rounds: &[Figures]) -> Figures {
        let of = |figure: fn(&Figures) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(figure).collect();
            all.sort_unstable_by(f64::total_cmp);
            let middle = all.len() / 2;
            if all.len() % 2 == 1 {
                all[middle]
            } else {
                f64::midpoint(all[middle - 1], all[middle])
            }
        };
        let batch = of(|figures| figures.entries_per_sync.unwrap_or(0.0));
        Figures {
            operations: rounds.iter().map(|figures| figures.operations).sum(),
            failed: rounds.iter().map(|figures| figures.failed).sum(),
            per_second: of(|figures| figures.per_second),
            p50: of(|figures| figures.p50),
            p99: of(|figures| figures.p99),
            p999: of(|figures| figures.p999),
            max: of(|figures| figures.max),
            entries_per_sync: (batch > 0.0).then_some(batch),
        }
    }

    fn line(&self, server: &str) -> String {
        let batch = self
            .entries_per_sync
            .map_or_else(|| "-".to_owned(), |batch| format!("{batch:.1}"));
        let failed = match self.failed {
            0 => String::new(),
            failed => format!("  {failed} failed"),
        };
        format!(
            "{server:6}  {:>8.0}  {:>9}  {:>9}  {:>9}  {:>9}  {batch:>12}{failed}\n",
            self.per_second,
            time(self.p50),
            time(self.p99),
            time(self.p999),
            time(self.max)
        )
    }
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.3} ms", seconds * 1e3)
    } else {
        format!("{seconds:.3} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(millis: impl IntoIterator<Item = u64>) -> Measured {
        Measured {
            latencies: millis.into_iter().map(Duration::from_millis).collect(),
            took: Duration::from_secs(2),
            ..Measured::default()
        }
    }

    #[test]
    fn quantiles_are_operations_that_took_place() {
        let before = Counters {
            entries: 10,
            syncs: 1,
        };
        let after = Counters {
            entries: 70,
            syncs: 5,
        };
        let figures = Figures::new(&measured(1..=200), before, after);
        assert_eq!(figures.per_second, 100.0);
        assert_eq!(
            [figures.p50, figures.p99, figures.p999, figures.max],
            [0.1, 0.198, 0.2, 0.2]
        );
        assert_eq!(figures.entries_per_sync, Some(15.0));
        let one = Figures::new(&measured([7]), before, before);
        assert_eq!([one.p50, one.max], [0.007, 0.007]);
        assert_eq!(one.entries_per_sync, None, "nothing was synced");
    }

    #[test]
    fn rounds_come_down_to_medians_and_a_row_to_ratios() {
        let of = |p50, per_second| Figures {
            p50,
            p99: 1.0,
            per_second,
            operations: 5,
            ..Figures::default()
        };
        let load = Load {
            operation: Operation::Write,
            clients: 2,
            value: 16,
            keys: 2,
            warm_up: Duration::ZERO,
            measured: Duration::from_secs(1),
        };
        let ours = [of(3.0, 10.0), of(1.0, 30.0), of(2.0, 20.0)];
        let row = Row::new(&load, &ours, &[of(4.0, 10.0), of(8.0, 30.0)]);
        assert_eq!((row.plumb.p50, row.plumb.operations), (2.0, 15));
        let ratios = row.ratios.expect("both were measured");
        assert_eq!((ratios.per_second, ratios.p50), (1.0, 2.0 / 6.0));
        assert!(Row::new(&load, &ours, &[]).ratios.is_none());
    }
}
