//! Makes a violation small: the shortest prefix that fails, and a minimal set of operations that fails
//! whatever all others did.
//!
//! Leaving an operation out of a history can make a valid one invalid (the write goes, the read that
//! saw it stays), so nothing is simply left out: an update is *relaxed*, as if it had never returned,
//! and only reads, which change nothing, go entirely. What fails after that failed before.

use crate::budget::Meter;
use crate::intern::Interner;
use crate::linear::registers::Registers;
use crate::linear::{Finding, Outcome, Rules, abstraction, decide, elements};
use crate::part::{Class, FOREVER, NONE, Op, Part};

/// One trial gets so many steps, and so many an operation.
const TRIAL: (u64, u64) = (50_000, 20);

pub(super) struct Shrinker<'a> {
    part: &'a Part,
    rules: Rules<'a>,
    meter: Meter<'a>,
    /// By class: it is a read.
    reads: Vec<bool>,
    /// The abstraction found the violation, and is asked first.
    refute: bool,
    /// What it took to decide the whole.
    decided: u64,
    /// The budget is spent: what was found so far must do.
    spent: bool,
}

/// What a trial says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trial {
    Fails,
    Holds,
    /// The budget ran out.
    Open,
}

impl<'a> Shrinker<'a> {
    pub(super) fn new(part: &'a Part, rules: Rules<'a>, meter: Meter<'a>) -> Shrinker<'a> {
        let reads = part
            .calls(rules.tables)
            .iter()
            .map(|call| rules.spec.is_read(call))
            .collect();
        Shrinker {
            part,
            rules,
            meter,
            reads,
            refute: false,
            decided: 0,
            spent: false,
        }
    }

    /// The abstraction found the violation.
    pub(super) fn by_refuting(mut self, found: bool) -> Self {
        self.refute = found;
        self
    }

    /// The beginning of the part until an event. Whose completion comes later may have taken effect, with the result
    /// that it then returns: an order of that is one of the beginning.
    pub(super) fn beginning(&self, until: u32) -> Part {
        let begun = self.part.ops.iter().take_while(|op| op.call < until);
        let ops = begun.filter_map(|op| match op.ret <= until {
            true => Some(*op),
            false if self.reads[op.class as usize] => None,
            false => Some(Op {
                ret: FOREVER,
                ..*op
            }),
        });
        self.finished(ops.collect(), self.part.classes.clone())
    }

    /// It took so many steps to decide the whole.
    pub(super) fn by_steps(mut self, steps: u64) -> Self {
        self.decided = steps;
        self
    }

    /// The part with the operations that `keep` accepts as they are, and the others relaxed; none
    /// invoked after `until`.
    fn relaxed(&self, until: u32, keep: impl Fn(&Op) -> bool) -> Part {
        let mut classes = Interner::default();
        let mut ops = Vec::new();
        for op in self.part.ops.iter().take_while(|op| op.call < until) {
            let class = *self.part.classes.get(op.class);
            if op.ret <= until && op.is_certain() && keep(op) {
                ops.push(Op {
                    class: classes.intern(&class),
                    ..*op
                });
            } else if !self.reads[op.class as usize] {
                let class = Class {
                    result: NONE,
                    ..class
                };
                ops.push(Op {
                    ret: FOREVER,
                    class: classes.intern(&class),
                    ..*op
                });
            }
        }
        self.finished(ops, classes)
    }

    fn finished(&self, ops: Vec<Op>, classes: Interner<Class>) -> Part {
        let mut part = Part {
            key: self.part.key,
            recorded: ops.len(),
            ops,
            classes,
            registers: None,
        };
        part.registers = Registers::of(&part, self.rules);
        if let Some(registers) = &part.registers {
            registers.drop_needless(&mut part.ops);
        }
        elements::drop_needless(&mut part, self.rules);
        part
    }

    fn trial(&mut self, part: &Part) -> Trial {
        // Building the part is work too.
        if self.spent || self.meter.pass(self.part.ops.len()).is_err() {
            self.spent = true;
            return Trial::Open;
        }
        let steps = TRIAL.0 + TRIAL.1 * part.ops.len() as u64 + self.decided;
        let rules = self.rules;
        if self.refute
            && let Some(registers) = &part.registers
            && let Some(Ok(Some(_))) = self
                .meter
                .limited(steps, |meter| abstraction::refute(part, registers, meter))
        {
            return Trial::Fails;
        }
        let tried = self
            .meter
            .limited(steps, |meter| match decide(part, rules, meter).1 {
                Outcome::Valid(_) => Ok(Trial::Holds),
                Outcome::Violation(_) => Ok(Trial::Fails),
                Outcome::Unknown(limit) => Err(limit),
            });
        match tried {
            Some(Ok(trial)) => trial,
            None => Trial::Open,
            Some(Err(_)) => {
                self.spent = true;
                Trial::Open
            }
        }
    }

    /// The shortest prefix that is known to fail, and whether all shorter ones are known not to.
    pub(super) fn prefix(&mut self, finding: &Finding) -> (Part, bool) {
        let mut ends: Vec<u32> = self
            .part
            .ops
            .iter()
            .filter(|op| op.is_certain())
            .map(|op| op.ret)
            .collect();
        ends.sort_unstable();
        let mut shortest = true;
        // Fails at `high`, holds (or is open) before `low`.
        let (mut low, mut high) = (0, ends.len().saturating_sub(1));
        // What the algorithm saw points close to the end of the shortest prefix.
        let hint = match finding {
            Finding::Within(_) => FOREVER,
            Finding::Refuted { op } | Finding::Stuck { op } => self.part.ops[*op as usize].ret,
            Finding::Zones(conflict) => {
                let ops = conflict.operations().into_iter();
                ops.map(|op| self.part.ops[op as usize].ret)
                    .filter(|ret| *ret != FOREVER)
                    .max()
                    .unwrap_or(FOREVER)
            }
        };
        let hint = ends.partition_point(|end| *end <= hint).saturating_sub(1);
        let mut next = Some(hint);
        while low < high {
            let middle = match next.take() {
                Some(hint) if hint < high => hint,
                _ => low + (high - low) / 2,
            };
            match self.trial_of_prefix(ends[middle], middle < hint) {
                Trial::Fails => {
                    high = middle;
                    // Usually it is the very one.
                    if middle == hint && hint > low {
                        next = Some(hint - 1);
                    }
                }
                trial => {
                    low = middle + 1;
                    shortest &= trial == Trial::Holds;
                }
            }
        }
        let until = ends.get(high).copied().unwrap_or(FOREVER - 1);
        let mut part = self.relaxed(until, |_| true);
        part.recorded = part.ops.len();
        // If no prefix could be tried in time, the whole part has failed all the same.
        if high + 1 >= ends.len() {
            part = self.part.clone();
        }
        (part, shortest && !self.spent)
    }

    fn trial_of_prefix(&mut self, until: u32, likely_holds: bool) -> Trial {
        let beginning = |shrinker: &mut Self| {
            let part = shrinker.beginning(until);
            shrinker.trial(&part) == Trial::Holds
        };
        if likely_holds && beginning(self) {
            return Trial::Holds;
        }
        let part = self.relaxed(until, |_| true);
        match self.trial(&part) {
            Trial::Open if !likely_holds && beginning(self) => Trial::Holds,
            trial => trial,
        }
    }

    /// Numbers of operations that fail by themselves, as few as can be guessed; and the prefix's end.
    fn start(&mut self, prefix: &Part, finding: &Finding) -> (Vec<u32>, u32) {
        let certain = |op: &&Op| op.is_certain();
        let ends = prefix.ops.iter().filter(certain).map(|op| op.ret);
        let until = ends.max().unwrap_or(FOREVER - 1);
        if let Finding::Zones(conflict) = finding {
            let ops = conflict.operations().into_iter();
            let mut kept: Vec<u32> = ops.map(|op| self.part.ops[op as usize].number).collect();
            kept.sort_unstable();
            let ends = conflict.operations().into_iter();
            let end = ends
                .map(|op| self.part.ops[op as usize].ret)
                .filter(|ret| *ret != FOREVER)
                .max();
            let until = end.unwrap_or(until).max(until);
            let part = self.relaxed(until, |op| kept.binary_search(&op.number).is_ok());
            if self.trial(&part) == Trial::Fails {
                return (kept, until);
            }
        }
        let mut by_end: Vec<(u32, u32)> = prefix
            .ops
            .iter()
            .filter(certain)
            .map(|op| (op.ret, op.number))
            .collect();
        by_end.sort_unstable_by(|a, b| b.cmp(a));
        let mut size = 8;
        while size < by_end.len() {
            let mut kept: Vec<u32> = by_end[..size].iter().map(|(_, number)| *number).collect();
            kept.sort_unstable();
            let part = self.relaxed(until, |op| kept.binary_search(&op.number).is_ok());
            if self.trial(&part) == Trial::Fails {
                return (kept, until);
            }
            size *= 4;
        }
        let mut kept: Vec<u32> = by_end.iter().map(|(_, number)| *number).collect();
        kept.sort_unstable();
        (kept, until)
    }

    /// A set of operations of which none can be relaxed, after Zeller and Hildebrandt's delta debugging
    /// (2002); and whether that is known of each.
    pub(super) fn core(&mut self, prefix: &Part, finding: &Finding) -> (Part, bool) {
        let (kept, until) = self.start(prefix, finding);
        self.minimal(kept, until)
    }

    /// As [`core`](Self::core), of a part that is small.
    pub(super) fn core_of(&mut self, part: &Part) -> (Part, bool) {
        let certain = part.ops.iter().filter(|op| op.is_certain());
        let until = certain.clone().map(|op| op.ret).max();
        let kept = certain.map(|op| op.number).collect();
        self.minimal(kept, until.unwrap_or(FOREVER - 1))
    }

    fn minimal(&mut self, mut kept: Vec<u32>, until: u32) -> (Part, bool) {
        let mut minimal = true;
        let mut chunk = kept.len().div_ceil(2);
        while chunk >= 1 && !self.spent {
            let mut from = 0;
            minimal = true;
            while from < kept.len() && !self.spent {
                let to = (from + chunk).min(kept.len());
                let mut fewer = kept.clone();
                fewer.drain(from..to);
                let part = self.relaxed(until, |op| fewer.binary_search(&op.number).is_ok());
                match self.trial(&part) {
                    Trial::Fails => kept = fewer,
                    Trial::Holds => from = to,
                    Trial::Open => {
                        minimal = false;
                        from = to;
                    }
                }
            }
            chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
        }
        // What is kept failed when it was tried last, or is the prefix.
        let part = self.relaxed(until, |op| kept.binary_search(&op.number).is_ok());
        (part, minimal && !self.spent)
    }
}
