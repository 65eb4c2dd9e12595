//! A sweep's summary, in words and as a document.

use serde_json::json;

use super::as_flags;
use crate::nemesis::Length;
use crate::scenario::{Judges, Tier, WORKLOADS};
use crate::sim::sweep::{Plan, Summary};

/// How fast a sweep ran, for people. No result follows from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// What this call has run.
    pub(super) seeds: u64,
    /// How long that took, on the wall's clock.
    pub(super) seconds: f64,
}

impl Pace {
    pub(super) fn per_second(self) -> f64 {
        self.seeds as f64 / self.seconds.max(1e-3)
    }

    fn in_words(self) -> String {
        let Pace { seeds, seconds } = self;
        let speed = self.per_second();
        format!("; {seeds} in {seconds:.1} s, {speed:.1} seeds/s")
    }
}

/// The summary in words.
pub(super) fn words_of_sweep(plan: &Plan, summary: &Summary, pace: Option<Pace>) -> String {
    let [ok, fail, info] = summary.operations;
    let given_up = match summary.given_up.len() {
        0 => String::new(),
        count => format!(
            ", {count} given up that had not ended after {} s",
            plan.give_up.as_secs()
        ),
    };
    let mut words = format!(
        "{} of {} seeds: {} failed, {} undecided{given_up}; {} simulated s, {} faults, {} operations ({ok} \
         ok, {fail} fail, {info} info){}\n",
        summary.runs,
        plan.count(),
        summary.failures.len(),
        summary.undecided.len(),
        summary.simulated.as_secs(),
        summary.faults,
        ok + fail + info,
        pace.map_or(String::new(), Pace::in_words),
    );
    for (property, (count, first)) in summary.signatures() {
        words.push_str(&format!("  {property}: {count} seeds, the first {first}\n"));
    }
    for kind in WORKLOADS {
        let count = summary.workloads.get(&kind).copied().unwrap_or(0);
        words.push_str(&counted(
            count,
            &format!("runs of workload {}", kind.name()),
        ));
    }
    for (name, count) in counted_of(plan, summary) {
        words.push_str(&counted(count, name));
    }
    words.push_str(&words_of_profile(summary));
    let undecided = summary.undecided.iter().map(|seed| ("undecided", seed));
    let given_up = summary.given_up.iter().map(|seed| ("given up", seed));
    for (what, seed) in undecided.chain(given_up) {
        words.push_str(&format!("{what:<10} {}\n", command_of(plan, "run", *seed)));
    }
    words
}

/// The command that runs one of its seeds.
pub(super) fn command_of(plan: &Plan, what: &str, seed: u64) -> String {
    let world = words_of_world(plan.length, plan.tier, plan.judges);
    let nemeses = as_flags(plan.nemeses.as_deref());
    format!(
        "{} {what} --seed {seed}{world}{nemeses}",
        plan.system.name()
    )
}

/// The flags that name a world; none for the usual one.
pub(crate) fn words_of_world(length: Length, tier: Tier, judges: Judges) -> String {
    let mut words = String::new();
    if length == Length::LONG {
        words.push_str(" --length long");
    }
    if tier == Tier::Bare {
        words.push_str(" --tier bare");
    }
    if judges == Judges::Clients {
        words.push_str(" --judges clients");
    }
    words
}

/// What is counted of such runs, by name.
pub(super) fn counted_of(plan: &Plan, summary: &Summary) -> Vec<(&'static str, u64)> {
    if plan.system.is_shipped() {
        summary.coverage.named_in(plan.tier)
    } else {
        summary.coverage.named_of_guests()
    }
}

/// Where the time went, if that was asked for.
fn words_of_profile(summary: &Summary) -> String {
    let Some(spent) = &summary.spent else {
        return String::new();
    };
    let seconds = spent.all().as_secs_f64();
    let mut words = format!(
        "{seconds:.1} s of processors, {:.0} simulated s for one of them: {}\n",
        spent.simulated().as_secs_f64() / seconds.max(1e-9),
        spent.shares().in_words()
    );
    for (time, seed) in &summary.slowest {
        words.push_str(&format!("  {:>8.3} s  seed {seed}\n", time.as_secs_f64()));
    }
    words
}

fn counted(count: u64, name: &str) -> String {
    let never = if count == 0 {
        "   never seen: this sweep does not cover it"
    } else {
        ""
    };
    format!("  {count:>10}  {name}{never}\n")
}

/// The summary as a document.
pub(super) fn summary_json(
    plan: &Plan,
    summary: &Summary,
    pace: Option<Pace>,
) -> serde_json::Value {
    let [ok, fail, info] = summary.operations;
    let mut value = json!({
        "plumb_sweep": 2,
        "tier": plan.tier,
        "judges": plan.judges,
        "nemeses": plan.nemeses,
        "seeds": { "start": plan.seeds.start, "end": plan.seeds.end, "run": summary.runs },
        "shard": { "number": plan.shard.number, "of": plan.shard.of },
        "signatures": summary.signatures().into_iter().map(|(property, (count, first))| json!({
            "property": property, "seeds": count, "first": first,
        })).collect::<Vec<_>>(),
        "workloads": summary.workloads,
        "failed": summary.failures.iter().map(|failure| failure.seed).collect::<Vec<_>>(),
        "failures": summary.failures.iter().map(|failure| json!({
            "seed": failure.seed,
            "property": failure.violation.property,
            "what": failure.violation.what,
        })).collect::<Vec<_>>(),
        "undecided": summary.undecided,
        "given_up": summary.given_up,
        "operations": { "ok": ok, "fail": fail, "info": info },
        "faults": summary.faults,
        "simulated_ms": u64::try_from(summary.simulated.as_millis()).unwrap_or(u64::MAX),
        "slowest_to_live_ms": summary.slowest_to_live_ms,
        "coverage": summary.coverage,
    });
    if let Some(pace) = pace {
        value["pace"] = json!({
            "seeds": pace.seeds,
            "wall_s": pace.seconds,
            "seeds_per_s": pace.per_second(),
        });
    }
    if let Some(spent) = &summary.spent {
        value["profile"] = json!({
            "processor_s": spent.all().as_secs_f64(),
            "simulated_s": spent.simulated().as_secs_f64(),
            "shares": spent.shares(),
            "slowest": summary.slowest.iter().map(|(time, seed)| json!({
                "seed": seed, "seconds": time.as_secs_f64(),
            })).collect::<Vec<_>>(),
        });
    }
    value
}
