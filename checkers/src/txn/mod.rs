//! Transactions: infers from what they read which came before which, and looks for cycles, in the
//! manner of Elle (Kingsbury and Alvaro, *Elle: Inferring Isolation Anomalies from Experimental
//! Observations*, VLDB 2020; the names of anomalies are Adya's). Linear in the history. A cycle is a
//! proof. The absence of one is a proof for lists, whose reads tell all of their order, and for registers under
//! read committed, where versions that nobody ordered may stand as in any order of the transactions. Serial
//! orders of registers are looked for ([`serial`]), and where none is found at once, a search decides or
//! leaves it unknown. So it is with snapshots, in an order of beginnings and commits.

mod anomaly;
pub(crate) mod graph;
mod infer;
mod lists;
mod registers;
mod serial;

use crate::budget::Shared;
use crate::explain::{self, Counterexample, Described};
use crate::intake::Taken;
use crate::linear::{Outcome, Rules, decide};
use crate::report::{Part as PartReport, PartOutcome};
use crate::{
    Algorithm, CheckError, Consistency, Limit, Options, PartWitness, Reason, Report, Verdict,
    Witness,
};
use anomaly::{Anomaly, Finding, find_cycle};
use infer::Inference;

/// Judges transactions.
pub(crate) fn check(
    taken: &Taken,
    options: &Options,
    shared: &Shared<'_>,
) -> Result<Report, CheckError> {
    let infer: fn(&Taken) -> Result<Inference<'_>, CheckError> = match options.spec.name() {
        "list-append" => lists::infer,
        "multi-register" => registers::infer,
        other => {
            return Err(CheckError::Unsupported {
                consistency: options.consistency.to_string(),
                spec: other.to_owned(),
                what: "cycles are looked for in list-append and multi-register only; ask for \
                       linearizable instead"
                    .to_owned(),
            });
        }
    };
    let mut meter = shared.meter();
    if !options.init.is_null() {
        return Err(CheckError::Unsupported {
            consistency: options.consistency.to_string(),
            spec: options.spec.name().to_owned(),
            what: "dependencies are inferred from objects that start as null; leave the initial value \
                   out"
                .to_owned(),
        });
    }
    let inference = infer(taken)?;
    let judged = judge(&inference, options, &mut meter);
    let mut algorithm = Algorithm::Cycles;
    let (outcome, verdict) = match judged {
        Ok(Judged::Fine) => (PartOutcome::Valid, Verdict::Valid(Witness::default())),
        Ok(Judged::Serial(order)) => {
            let numbers = order.iter().map(|txn| inference.op(*txn).number);
            shown(numbers, options)
        }
        Ok(Judged::Open) => {
            algorithm = Algorithm::Search;
            search(taken, options, shared, &mut meter)
        }
        Ok(Judged::Wrong(finding)) => {
            let counterexample = counterexample(taken, &inference, &finding);
            (
                PartOutcome::Violation,
                Verdict::Violation(Box::new(counterexample)),
            )
        }
        Err(limit) => unknown(limit),
    };
    Ok(Report {
        verdict,
        spec: options.spec.name().to_owned(),
        consistency: options.consistency,
        operations: taken.operations,
        parts: vec![PartReport {
            key: None,
            operations: taken.operations,
            algorithm,
            outcome,
            steps: meter.steps(),
            memory: meter.peak(),
        }],
    })
}

/// What dependencies say.
enum Judged {
    /// There is no cycle, and that proves it.
    Fine,
    /// This order explains everything; under snapshot isolation, of beginnings and commits.
    Serial(Vec<u32>),
    /// There is no cycle, and no order was found at once.
    Open,
    Wrong(Finding),
}

/// Valid, by an order of operations by their numbers.
fn shown(order: impl Iterator<Item = u32>, options: &Options) -> (PartOutcome, Verdict) {
    let parts = options.witness.then(|| PartWitness {
        key: None,
        order: order.collect(),
    });
    let parts = parts.into_iter().collect();
    (PartOutcome::Valid, Verdict::Valid(Witness { parts }))
}

fn unknown(limit: Limit) -> (PartOutcome, Verdict) {
    let reason = Reason {
        limit,
        key: None,
        decided: 0,
        undecided: 1,
    };
    (PartOutcome::Unknown, Verdict::Unknown(reason))
}

/// It gets so many steps: it ends soon, or never.
const SEARCH: u64 = 1_000_000;

/// Decides by search what no cycle and no order at hand decide: with real time, as a linearizability check of all
/// registers together. That order is one for the weaker promises too; that there is none says nothing of them.
fn search(
    taken: &Taken,
    options: &Options,
    shared: &Shared<'_>,
    meter: &mut crate::budget::Meter<'_>,
) -> (PartOutcome, Verdict) {
    let rules = Rules {
        spec: &*options.spec.0,
        init: &options.init,
        tables: &taken.tables,
    };
    let part = &taken.parts[0];
    let snapshots = options.consistency == Consistency::SnapshotIsolation;
    let what = if snapshots {
        "order of snapshots"
    } else {
        "serial order"
    };
    let open = Limit::Open {
        what: format!(
            "no cycle was found, and no {what}: reads don't tell the order of all versions"
        ),
    };
    let searched = meter.limited(SEARCH, |meter| match decide(part, rules, meter).1 {
        Outcome::Valid(order) => Ok(Ok(order)),
        Outcome::Violation(finding) => Ok(Err(finding)),
        Outcome::Unknown(limit) => Err(limit),
    });
    match searched {
        Some(Ok(Ok(order))) => {
            let numbers = order.iter().map(|place| part.ops[*place as usize].number);
            // What takes effect at one moment begins and commits there.
            let times = if snapshots { 2 } else { 1 };
            let numbers = numbers.flat_map(|number| std::iter::repeat_n(number, times));
            shown(numbers, options)
        }
        Some(Ok(Err(finding))) if options.consistency == Consistency::StrictSerializable => {
            match explain::counterexample(taken, 0, (&finding, SEARCH), rules, options, shared) {
                Ok(counterexample) => (
                    PartOutcome::Violation,
                    Verdict::Violation(Box::new(counterexample)),
                ),
                Err(limit) => unknown(limit),
            }
        }
        Some(Ok(Err(_))) | None => unknown(open),
        Some(Err(limit)) => unknown(limit),
    }
}

/// Of a violation that a search of several registers found, the cycle that shows it, if one does.
pub(crate) fn cycle(
    taken: &Taken,
    rules: Rules<'_>,
    options: &Options,
    shared: &Shared<'_>,
) -> Option<Counterexample> {
    let linear = options.consistency == Consistency::Linearizable;
    if !linear || rules.spec.name() != "multi-register" || !options.init.is_null() {
        return None;
    }
    let mut strict = options
        .clone()
        .with_consistency(Consistency::StrictSerializable);
    strict.acyclic = true;
    let inference = registers::infer(taken).ok()?;
    match judge(&inference, &strict, &mut shared.meter()) {
        Ok(Judged::Wrong(finding)) => Some(counterexample(taken, &inference, &finding)),
        _ => None,
    }
}

fn judge(
    inference: &Inference<'_>,
    options: &Options,
    meter: &mut crate::budget::Meter<'_>,
) -> Result<Judged, Limit> {
    meter.pass(inference.transactions())?;
    // Snapshots are what keeps updates from being lost; read committed promises none.
    let lenient = options.consistency == Consistency::ReadCommitted;
    let forbidden = |finding: &&Finding| !lenient || finding.anomaly != Anomaly::LostUpdate;
    if let Some(finding) = inference.direct.iter().find(forbidden) {
        return Ok(Judged::Wrong(finding.clone()));
    }
    let (nodes, edges) = inference.edges(options.consistency);
    meter.pass(edges.len())?;
    let graph = graph::Graph::new(nodes, &edges);
    meter.hold(graph.memory() + edges.len() * size_of::<(u32, graph::Edge)>())?;
    let Some(finding) = find_cycle(&graph, nodes, options.consistency, meter)? else {
        let serial = matches!(
            options.consistency,
            Consistency::Serializable
                | Consistency::StrongSessionSerializable
                | Consistency::StrictSerializable
        );
        let snapshots = options.consistency == Consistency::SnapshotIsolation;
        if !(serial || snapshots) || options.acyclic || inference.longest.is_some() {
            return Ok(Judged::Fine);
        }
        drop(graph);
        if snapshots {
            let order = serial::snapshots(inference, meter)?;
            return Ok(order.map_or(Judged::Open, Judged::Serial));
        }
        // An order in real time is one for all, and most histories that have an order have such a one.
        let strict = Consistency::StrictSerializable;
        let timed = (options.consistency != strict).then(|| inference.edges(strict));
        if let Some((nodes, edges)) = timed
            && let Some(order) = serial::order(inference, nodes, &edges, meter)?
        {
            return Ok(Judged::Serial(order));
        }
        let order = serial::order(inference, nodes, &edges, meter)?;
        return Ok(order.map_or(Judged::Open, Judged::Serial));
    };
    let finding = finding.without_moments(inference);
    // Each step is looked up again in what the transactions themselves say.
    match finding.steps.iter().find(|step| !inference.confirms(step)) {
        None => Ok(Judged::Wrong(finding)),
        Some(step) => Err(Limit::Disagreement {
            what: format!("the step {step:?} of a cycle is not what the transactions say"),
        }),
    }
}

fn counterexample(taken: &Taken, inference: &Inference<'_>, finding: &Finding) -> Counterexample {
    let part = &taken.parts[0];
    let mut named = finding.transactions();
    named.sort_unstable();
    named.dedup();
    let operations = named
        .iter()
        .map(|txn| Described::of(taken, part, inference.op(*txn)))
        .collect();
    let (sentence, steps) = finding.in_words(inference, &named);
    Counterexample {
        sentence,
        key: None,
        since: None,
        by_themselves: false,
        operations,
        minimal: finding.steps.is_empty(),
        confirmed: true,
        prefix: None,
        furthest: Vec::new(),
        steps,
    }
}
