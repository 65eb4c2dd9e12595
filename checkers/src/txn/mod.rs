//! Transactions: infers from what they read which came before which, and looks for cycles, in the
//! manner of Elle (Kingsbury and Alvaro, *Elle: Inferring Isolation Anomalies from Experimental
//! Observations*, VLDB 2020; the names of anomalies are Adya's). Linear in the history. A cycle is a
//! proof; the absence of one is no more than that where versions cannot all be ordered, as in registers.

mod anomaly;
pub(crate) mod graph;
mod infer;
mod lists;
mod registers;

use crate::budget::Shared;
use crate::explain::{Counterexample, Described};
use crate::intake::Taken;
use crate::report::{Part as PartReport, PartOutcome};
use crate::{Algorithm, CheckError, Consistency, Limit, Options, Reason, Report, Verdict, Witness};
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
    let inference = infer(taken)?;
    let judged = judge(&inference, options, &mut meter);
    let (outcome, verdict) = match judged {
        Ok(None) => (PartOutcome::Valid, Verdict::Valid(Witness::default())),
        Ok(Some(finding)) => {
            let counterexample = counterexample(taken, &inference, &finding);
            (
                PartOutcome::Violation,
                Verdict::Violation(Box::new(counterexample)),
            )
        }
        Err(limit) => (
            PartOutcome::Unknown,
            Verdict::Unknown(Reason {
                limit,
                key: None,
                decided: 0,
                undecided: 1,
            }),
        ),
    };
    Ok(Report {
        verdict,
        spec: options.spec.name().to_owned(),
        consistency: options.consistency,
        operations: taken.operations,
        parts: vec![PartReport {
            key: None,
            operations: taken.operations,
            algorithm: Algorithm::Cycles,
            outcome,
            steps: meter.steps(),
            memory: meter.peak(),
        }],
    })
}

fn judge(
    inference: &Inference<'_>,
    options: &Options,
    meter: &mut crate::budget::Meter<'_>,
) -> Result<Option<Finding>, Limit> {
    meter.pass(inference.transactions())?;
    // Snapshots are what keeps updates from being lost; read committed promises none.
    let lenient = options.consistency == Consistency::ReadCommitted;
    let forbidden = |finding: &&Finding| !lenient || finding.anomaly != Anomaly::LostUpdate;
    if let Some(finding) = inference.direct.iter().find(forbidden) {
        return Ok(Some(finding.clone()));
    }
    let (nodes, edges) = inference.edges(options.consistency);
    meter.pass(edges.len())?;
    let graph = graph::Graph::new(nodes, &edges);
    meter.hold(graph.memory() + edges.len() * size_of::<(u32, graph::Edge)>())?;
    drop(edges);
    let Some(finding) = find_cycle(&graph, nodes, options.consistency, meter)? else {
        return Ok(None);
    };
    let finding = finding.without_moments(inference);
    // Each step is looked up again in what the transactions themselves say.
    match finding.steps.iter().find(|step| !inference.confirms(step)) {
        None => Ok(Some(finding)),
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
        operations,
        minimal: finding.steps.is_empty(),
        confirmed: true,
        prefix: None,
        furthest: Vec::new(),
        steps,
    }
}
