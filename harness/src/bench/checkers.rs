//! How fast verdicts come: the shared histories of other projects where they are at hand, and generated
//! families from what is easy to what no other checker ends on. Each case states time, peak memory,
//! algorithm and verdict; nothing is left out for being slow.

use std::path::{Path, PathBuf};
use std::time::Duration;

use plumb_checkers::families::{Family, Lie, Object};
use plumb_checkers::{Budget, CheckError, Consistency, Discipline, Intake, Options, Report, Spec};
use plumb_histories::{Builder, Event, Header, Line, Value, read};
use serde::Serialize;

use super::porcupine::{Peer, Porcupine};
use crate::cli::CliError;
use crate::verify::stopwatch;

/// One case, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was judged.
    pub name: String,
    /// Operations in it.
    pub operations: usize,
    /// Taking events in: numbering values, pairing completions.
    pub intake: Duration,
    /// From there to the verdict and its explanation.
    pub check: Duration,
    /// Intake and check again without explanation and witness, where that is repeated: what the verdict
    /// alone takes.
    pub decide: Option<Duration>,
    /// The most memory of the process while it was judged, in bytes; 0 where the system does not say.
    pub peak: usize,
    /// `valid`, `violation` or `unknown`.
    pub verdict: &'static str,
    /// What decided.
    pub algorithms: Vec<String>,
    /// What Porcupine took for the same, where it was asked and has a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
}

/// Larger histories would take Porcupine many gigabytes.
const PEER_OPERATIONS: u64 = 20_000;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Ends within half a minute.
    Quick,
    /// Up to ten million operations.
    Full,
}

/// One thing to measure.
pub struct Case {
    name: String,
    source: Source,
    options: Options,
}

enum Source {
    File(PathBuf),
    Family(Family),
}

/// What no case may exceed.
const BUDGET: Budget = Budget {
    steps: None,
    time: Some(Duration::from_secs(60)),
    memory: Some(4 << 30),
};

/// The families of generated histories.
///
/// # Panics
/// Never: the specifications are those that the families name.
#[must_use]
pub fn families(scale: Scale) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, family: Family, consistency: Consistency, partition: bool| {
        for lie in [Lie::None, Lie::Early, Lie::Late] {
            // The largest are measured once.
            if lie != Lie::None && family.operations > 1_000_000 {
                continue;
            }
            let told = match lie {
                Lie::None => "",
                Lie::Early => ", lie early",
                Lie::Late => ", lie late",
            };
            let spec = Spec::by_name(family.spec()).expect("families name specifications");
            let mut options = Options::new(spec)
                .with_init(family.init())
                .with_budget(BUDGET)
                .with_consistency(consistency);
            options.partition = partition;
            options.witness = family.operations <= 1_000_000;
            cases.push(Case {
                name: format!("{name}{told}"),
                source: Source::Family(Family { lie, ..family }),
                options,
            });
        }
    };
    let linear = Consistency::Linearizable;
    for clients in [2, 5, 10, 20, 50, 64, 100] {
        let family = Family::register(10_000, clients);
        let name = |what: &str| format!("{what}, {clients} clients × 10,000");
        add(&name("register, distinct"), family, linear, true);
        let five = Family {
            values: 5,
            ..family
        };
        add(&name("register, five values"), five, linear, true);
        let cas = Family {
            object: Object::CasRegister,
            ..five
        };
        add(&name("cas-register, five values"), cas, linear, true);
    }
    for (values, what) in [(0, "distinct"), (5, "five values")] {
        let family = Family {
            values,
            indeterminate: 50,
            ..Family::register(3_000, 10)
        };
        let name = format!("register, {what}, half indeterminate × 3,000");
        add(&name, family, linear, true);
        let cas = Family {
            object: Object::CasRegister,
            ..family
        };
        let name = format!("cas-register, {what}, half indeterminate × 3,000");
        add(&name, cas, linear, true);
    }
    for clients in [10, 50] {
        let family = Family {
            object: Object::KvAppend,
            keys: 10,
            ..Family::register(7_000, clients)
        };
        let name = format!("kv-append, 10 keys, {clients} clients × 7,000");
        add(&name, family, linear, true);
        add(&format!("{name}, as one object"), family, linear, false);
    }
    for clients in [5, 10, 20] {
        let bank = Family {
            object: Object::Bank { accounts: 5 },
            ..Family::register(2_500, clients)
        };
        add(
            &format!("bank, {clients} clients × 2,500"),
            bank,
            linear,
            true,
        );
        let multi = Family {
            object: Object::MultiRegister { registers: 5 },
            ..bank
        };
        add(
            &format!("multi-register, {clients} clients × 2,500"),
            multi,
            linear,
            true,
        );
    }
    for (discipline, what) in [
        (Discipline::Fifo, "queue"),
        (Discipline::Lifo, "stack"),
        (Discipline::Least, "priority queue"),
    ] {
        let queue = |operations, clients| Family {
            object: Object::Queue(discipline),
            ..Family::register(operations, clients)
        };
        for clients in [2, 10, 50] {
            let name = format!("{what}, distinct, {clients} clients × 10,000");
            add(&name, queue(10_000, clients), linear, true);
        }
        if scale == Scale::Full {
            let name = format!("{what}, distinct, 32 clients × 1,000,000");
            add(&name, queue(1_000_000, 32), linear, true);
        }
    }
    let set = Family {
        object: Object::GrowingSet { reads: 100 },
        indeterminate: 5,
        ..Family::register(10_000, 32)
    };
    add(
        "set that grows, 5 % indeterminate, 32 clients × 10,000",
        set,
        linear,
        true,
    );
    let strict = Consistency::StrictSerializable;
    let lists = |operations| Family {
        object: Object::ListAppend,
        indeterminate: 2,
        ..Family::register(operations, 20)
    };
    let registers = |operations| Family {
        object: Object::RwRegister,
        ..lists(operations)
    };
    add(
        "list-append transactions × 10,000",
        lists(10_000),
        strict,
        true,
    );
    add(
        "register transactions × 10,000",
        registers(10_000),
        strict,
        true,
    );
    if scale == Scale::Full {
        let kv = Family {
            keys: 100,
            indeterminate: 5,
            ..Family::register(1_000_000, 32)
        };
        add(
            "100 registers, 5 % indeterminate × 1,000,000",
            kv,
            linear,
            true,
        );
        let many = Family { keys: 1000, ..kv };
        add(
            "1,000 registers, 5 % indeterminate × 1,000,000",
            many,
            linear,
            true,
        );
        add(
            "list-append transactions × 1,000,000",
            lists(1_000_000),
            strict,
            true,
        );
        add(
            "register transactions × 1,000,000",
            registers(1_000_000),
            strict,
            true,
        );
        let large = Family::register(10_000_000, 32);
        add(
            "register, distinct, 32 clients × 10,000,000",
            large,
            linear,
            true,
        );
    }
    cases
}

/// The shared histories in a folder with an `expected.tsv`; empty if there is none.
#[must_use]
pub fn shared(folder: &Path) -> Vec<Case> {
    let Ok(table) = std::fs::read_to_string(folder.join("expected.tsv")) else {
        return Vec::new();
    };
    let mut cases = Vec::new();
    for line in table.lines().skip(1) {
        let [file, model, init, ..] = line.split('\t').collect::<Vec<_>>()[..] else {
            continue;
        };
        let (Ok(spec), Ok(init)) = (Spec::by_name(model), serde_json::from_str::<Value>(init))
        else {
            continue;
        };
        cases.push(Case {
            name: file.to_owned(),
            source: Source::File(folder.join(file)),
            options: Options::new(spec).with_init(init).with_budget(BUDGET),
        });
    }
    cases
}

impl Case {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Measures it; `None` if its file cannot be read.
    ///
    /// # Errors
    /// If the history does not fit its specification.
    pub fn measure(&self, jobs: usize) -> Result<Option<Row>, CheckError> {
        let options = self.options.clone().with_jobs(jobs);
        match &self.source {
            Source::File(path) => {
                let Ok(history) = read(path) else {
                    return Ok(None);
                };
                // Files are small: the best of several runs says what the code costs.
                let total = |row: &Row| row.intake + row.check;
                let best = |options: &Options| -> Result<Option<Row>, CheckError> {
                    let mut best: Option<Row> = None;
                    for _ in 0..5 {
                        // Handed over as `plumb check` does, which needs none of them again.
                        let events = history.events().to_vec();
                        let row =
                            self.run(options, |emit| events.into_iter().try_for_each(emit))?;
                        if best.as_ref().is_none_or(|best| total(&row) < total(best)) {
                            best = Some(row);
                        }
                    }
                    Ok(best)
                };
                let mut row = best(&options)?;
                let mut bare = options.clone();
                (bare.explain, bare.witness) = (false, false);
                let decided = best(&bare)?.as_ref().map(total);
                if let Some(row) = &mut row {
                    row.decide = decided;
                }
                Ok(row)
            }
            Source::Family(family) => {
                let row = self.run(&options, |emit| {
                    let mut result = Ok(());
                    family.events(|event| {
                        if result.is_ok() {
                            result = emit(event);
                        }
                    });
                    result
                })?;
                Ok(Some(row))
            }
        }
    }

    fn run(
        &self,
        options: &Options,
        events: impl FnOnce(&mut dyn FnMut(Event) -> Result<(), CheckError>) -> Result<(), CheckError>,
    ) -> Result<Row, CheckError> {
        reset_peak();
        let elapsed = stopwatch();
        let mut intake = Intake::new(options)?;
        events(&mut |event| intake.take(event))?;
        let taken = elapsed();
        let report: Report = intake.finish()?;
        Ok(Row {
            name: self.name.clone(),
            operations: report.operations,
            intake: taken,
            check: elapsed().saturating_sub(taken),
            decide: None,
            peak: peak(),
            verdict: report.verdict.name(),
            algorithms: report
                .algorithms()
                .iter()
                .map(ToString::to_string)
                .collect(),
            peer: None,
        })
    }

    /// Asks Porcupine about the same; `None` where it has no model, or the history is too large for it.
    ///
    /// # Errors
    /// If its driver fails.
    pub fn against(&self, porcupine: &Porcupine) -> Result<Option<Peer>, CliError> {
        let history = match &self.source {
            Source::File(path) => match read(path) {
                Ok(history) => history,
                Err(_) => return Ok(None),
            },
            Source::Family(family) if family.operations > PEER_OPERATIONS => return Ok(None),
            Source::Family(family) => {
                let mut builder = Builder::new(Header::default());
                family.events(|event| {
                    let pushed = builder.push(Line::Client(event));
                    pushed.expect("families emit whole histories");
                });
                builder.finish()
            }
        };
        porcupine.check(&history, &self.options)
    }
}

/// Forgets the peak so far, where the system lets us: then the next one belongs to one case.
fn reset_peak() {
    // Linux, proc(5): 5 resets the peak resident set size. Elsewhere there is no such file.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

/// The peak resident set size in bytes; 0 where the system does not say.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.map_or(0, |kilobytes: usize| kilobytes << 10)
}
