//! Sequential consistency (Lamport 1979): one order of all operations on all objects which respects the
//! order of each process, but not real time. Unlike linearizability it is not local: two objects may
//! each be in order and the two together not. The search is depth first over how far each process has
//! come, and remembers what failed; it is exponential in the number of processes at worst.

use super::{Found, Outcome};
use crate::Limit;
use crate::budget::Meter;
use crate::hash::FastSet;
use crate::intake::Taken;
use crate::linear::Rules;
use crate::part::{Op, Part};
use crate::spec::{DEAD, Machine};

/// Operations that one process carries out one after the other.
struct Line<'t> {
    /// Each with the object that it is about.
    ops: Vec<(usize, &'t Op)>,
    /// This line may not start before that one has come so far: an indeterminate operation is a line
    /// of its own, and need not happen.
    after: Option<(usize, u32)>,
}

pub(super) fn judge<'t>(
    taken: &'t Taken,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Result<Outcome<'t>, Limit> {
    let lines = lines(taken);
    let mut machines: Vec<Box<dyn Machine + '_>> = taken
        .parts
        .iter()
        .map(|part| part.machine(rules.spec, rules.init, rules.tables))
        .collect();
    let mut search = Search {
        lines: &lines,
        machines: &mut machines,
        placed: vec![0; lines.len()],
        states: Vec::new(),
        order: Vec::new(),
        furthest: Vec::new(),
        remaining: lines
            .iter()
            .filter(|line| line.after.is_none())
            .map(|l| l.ops.len())
            .sum(),
    };
    search.states = search
        .machines
        .iter()
        .map(|machine| machine.init())
        .collect();
    if search.run(meter)? {
        let number = |&(line, place): &(usize, usize)| lines[line].ops[place].1.number;
        return Ok(Outcome::Fine(Some(
            search.order.iter().map(number).collect(),
        )));
    }
    // The attempt that placed the most: what each process would have done next.
    let reached = search.furthest;
    let stuck: Vec<(usize, &Op)> = lines
        .iter()
        .zip(&reached)
        .filter(|(line, _)| line.after.is_none())
        .filter_map(|(line, placed)| line.ops.get(*placed as usize).copied())
        .collect();
    let part: &Part = stuck
        .first()
        .map_or(&taken.parts[0], |(part, _)| &taken.parts[*part]);
    let ops = stuck
        .iter()
        .filter(|(p, _)| std::ptr::eq(&taken.parts[*p], part));
    Ok(Outcome::Wrong(Found {
        sentence: format!(
            "no order of all operations respects the order of each process: at best {} are placed, \
             and then none of those that come next is possible",
            reached.iter().sum::<u32>()
        ),
        part,
        ops: ops.map(|(_, op)| *op).collect(),
        steps: Vec::new(),
    }))
}

fn lines(taken: &Taken) -> Vec<Line<'_>> {
    let mut all: Vec<(usize, &Op)> = Vec::with_capacity(taken.operations);
    for (number, part) in taken.parts.iter().enumerate() {
        all.extend(part.ops.iter().map(|op| (number, op)));
    }
    all.sort_unstable_by_key(|(_, op)| op.call);
    let mut lines: Vec<Line<'_>> = (0..taken.tables.processes.len())
        .map(|_| Line {
            ops: Vec::new(),
            after: None,
        })
        .collect();
    for (part, op) in all {
        let process = op.process as usize;
        if op.is_certain() {
            lines[process].ops.push((part, op));
        } else {
            let reached = u32::try_from(lines[process].ops.len()).expect("fewer than events");
            lines.push(Line {
                ops: vec![(part, op)],
                after: Some((process, reached)),
            });
        }
    }
    lines
}

struct Search<'s, 't, 'm> {
    lines: &'s [Line<'t>],
    machines: &'s mut [Box<dyn Machine + 'm>],
    /// By line, how many of its operations are placed.
    placed: Vec<u32>,
    /// By object.
    states: Vec<u32>,
    /// Lines and places in them.
    order: Vec<(usize, usize)>,
    furthest: Vec<u32>,
    /// Certain operations that are not placed.
    remaining: usize,
}

/// A choice that was made, to be taken back.
struct Choice {
    line: usize,
    part: usize,
    /// The object's state before.
    before: u32,
    /// It was no choice: a read that could be answered.
    forced: bool,
}

impl Search<'_, '_, '_> {
    fn run(&mut self, meter: &mut Meter<'_>) -> Result<bool, Limit> {
        let mut failed: FastSet<(Vec<u32>, Vec<u32>)> = FastSet::default();
        let mut path: Vec<Choice> = Vec::new();
        let mut from = 0;
        let mut most = usize::MAX;
        loop {
            if self.remaining < most {
                most = self.remaining;
                self.furthest = self.placed.clone();
            }
            if self.remaining == 0 {
                return Ok(true);
            }
            meter.pass(self.lines.len())?;
            meter.hold(failed.len() * (self.placed.len() + self.states.len() + 16) * 4)?;
            // A read that can be answered changes nothing: answering it now is never worse.
            let read = (from == 0).then(|| self.next(0, true)).flatten();
            let forced = read.is_some();
            if let Some((line, after)) = read.or_else(|| self.next(from, false)) {
                let choice = self.place(line, after, forced);
                path.push(choice);
                from = 0;
                if forced || failed.insert((self.placed.clone(), self.states.clone())) {
                    continue;
                }
            }
            // Back to the last real choice.
            loop {
                let Some(choice) = path.pop() else {
                    return Ok(false);
                };
                self.take_back(&choice);
                if !choice.forced {
                    from = choice.line + 1;
                    break;
                }
            }
        }
    }

    /// The first line from `from` on whose next operation is possible.
    fn next(&mut self, from: usize, reads: bool) -> Option<(usize, u32)> {
        for number in from..self.lines.len() {
            let line = &self.lines[number];
            let Some((part, op)) = line.ops.get(self.placed[number] as usize) else {
                continue;
            };
            let ready = |(process, reached): (usize, u32)| self.placed[process] >= reached;
            if !line.after.is_none_or(ready) || (reads && !self.machines[*part].is_read(op.class)) {
                continue;
            }
            let after = self.machines[*part].step(self.states[*part], op.class);
            if after != DEAD {
                return Some((number, after));
            }
        }
        None
    }

    fn place(&mut self, number: usize, after: u32, forced: bool) -> Choice {
        let line = &self.lines[number];
        let place = self.placed[number] as usize;
        let (part, _) = line.ops[place];
        self.order.push((number, place));
        self.placed[number] += 1;
        self.remaining -= usize::from(line.after.is_none());
        Choice {
            line: number,
            part,
            before: std::mem::replace(&mut self.states[part], after),
            forced,
        }
    }

    fn take_back(&mut self, choice: &Choice) {
        self.order.pop();
        self.placed[choice.line] -= 1;
        self.remaining += usize::from(self.lines[choice.line].after.is_none());
        self.states[choice.part] = choice.before;
    }
}
