//! Texts of which a piece was put or appended more than once (clients number their appends anew after a put, say):
//! each text that was seen was made by one of those who have its last piece, and the others made texts that nobody
//! saw. Under any choice of who made what the texts are a register with distinct values, which zones decide. So the
//! history is linearizable if and only if it is under one of the choices, of which real time usually leaves few.

use plumb_histories::Value;

use super::Rules;
use super::registers::{Action, INITIAL, Registers};
use super::texts::{Maker, Texts};
use super::zones::{self, Decided};
use crate::Limit;
use crate::budget::Meter;
use crate::part::{FOREVER, NONE, Op, Part};

/// So many choices are tried.
const MOST_CHOICES: usize = 1 << 10;

/// Judges a part that is a text; `None` if it is none, or there are too many choices. A conflict is that of the first
/// choice.
pub(super) fn decide(
    part: &Part,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<Decided>, Limit> {
    let first = part.classes.items().first();
    if first.is_none_or(|class| rules.spec.as_text(&rules.tables.call(class)).is_none()) {
        return Ok(None);
    }
    meter.pass(part.ops.len())?;
    let initial: Value = rules.spec.show_init(rules.init);
    let Some(choices) = Choices::of(part, rules, &initial) else {
        return Ok(None);
    };
    let mut conflict = None;
    let mut chosen = vec![0; choices.open.len()];
    loop {
        match choices.try_one(part, &chosen, meter)? {
            None => return Ok(None),
            Some(Decided::Valid(order)) => return Ok(Some(Decided::Valid(order))),
            Some(Decided::Conflict(found)) => conflict.get_or_insert(found),
        };
        // The next choice, as an odometer counts.
        let turns = chosen.iter().zip(&choices.open);
        let Some(turn) = turns.into_iter().position(|(at, open)| at + 1 < open.len()) else {
            return Ok(conflict.map(Decided::Conflict));
        };
        chosen[turn] += 1;
        chosen[..turn].fill(0);
    }
}

/// What all operations do, but for those of which several things are possible.
struct Choices {
    /// By place.
    actions: Vec<Action>,
    values: u32,
    /// Of each piece that leaves a choice, what its makers may do.
    open: Vec<Vec<Vec<(u32, Action)>>>,
}

/// What is known of who made the texts that were seen.
struct Known<'t, 'a> {
    part: &'t Part,
    texts: &'t Texts<'a>,
    /// By text: who may have made it, as places among the makers of its piece.
    candidates: Vec<Vec<u32>>,
    /// By text: when it had been seen, or another that it begins.
    seen: Vec<u32>,
    /// By number of a text, its place among those made.
    place: Vec<Option<usize>>,
}

impl Choices {
    fn of(part: &Part, rules: Rules<'_>, initial: &Value) -> Option<Choices> {
        let mut texts = Texts::of(part, rules, initial)?;
        texts.cut(part, rules)?;
        let known = Known::new(part, &texts)?;
        let pieces = u32::try_from(texts.pieces.len()).expect("fewer pieces than operations");
        let mut by_piece: Vec<Vec<usize>> = vec![Vec::new(); texts.pieces.len()];
        for (at, made) in texts.made.iter().enumerate() {
            by_piece[made.piece as usize].push(at);
        }
        let mut count = texts.count;
        let reads = part.ops.iter().map(|op| texts.reads[op.class as usize]);
        let mut actions: Vec<Action> = reads.map(Action::Read).collect();
        let mut open: Vec<Vec<Vec<(u32, Action)>>> = Vec::new();
        let mut all = 1usize;
        for piece in 0..pieces {
            let makers = texts.makers(piece);
            let mut ways = Vec::new();
            known.ways(&by_piece[piece as usize], &mut Vec::new(), &mut ways);
            if ways.is_empty() {
                // Some text has no maker left: however the others are shared out, it comes from nowhere.
                ways.push(Vec::new());
            }
            // What nobody saw is another text for each maker, and the same under each choice.
            let unseen: Vec<Action> = makers
                .iter()
                .map(|one| one.makes(None, &mut count))
                .collect();
            let mut done = ways.into_iter().map(|way| {
                let mut actions: Vec<(u32, Action)> = makers
                    .iter()
                    .map(|one| one.op)
                    .zip(unseen.iter().copied())
                    .collect();
                for (at, maker) in way {
                    let made = texts.made[at];
                    actions[maker as usize].1 = makers[maker as usize].makes(Some(made), &mut 0);
                }
                actions
            });
            if done.len() == 1 {
                for (op, action) in done.next().into_iter().flatten() {
                    actions[op as usize] = action;
                }
            } else {
                all = all.saturating_mul(done.len());
                open.push(done.collect());
            }
        }
        (all <= MOST_CHOICES).then_some(Choices {
            actions,
            values: count,
            open,
        })
    }

    /// Judges the part under one choice.
    fn try_one(
        &self,
        part: &Part,
        chosen: &[usize],
        meter: &mut Meter<'_>,
    ) -> Result<Option<Decided>, Limit> {
        meter.pass(part.ops.len())?;
        let mut registers = Registers {
            actions: self.actions.clone(),
            values: self.values,
        };
        for (open, at) in self.open.iter().zip(chosen) {
            for (op, action) in &open[*at] {
                registers.actions[*op as usize] = *action;
            }
        }
        // Each operation is a class of its own: its place.
        let mut ops: Vec<Op> = (0u32..)
            .zip(&part.ops)
            .map(|(class, op)| Op { class, ..*op })
            .collect();
        registers.drop_needless(&mut ops);
        let places: Vec<u32> = ops.iter().map(|op| op.class).collect();
        let decided = zones::decide_ops(&ops, &registers, meter)?;
        Ok(decided.map(|decided| decided.at(&places)))
    }
}

impl<'t, 'a> Known<'t, 'a> {
    /// `None` if a text may have been made twice.
    fn new(part: &'t Part, texts: &'t Texts<'a>) -> Option<Known<'t, 'a>> {
        let mut place = vec![None; texts.count as usize];
        for (at, made) in texts.made.iter().enumerate() {
            place[made.after as usize] = Some(at);
        }
        let mut seen = vec![FOREVER; texts.made.len()];
        for op in &part.ops {
            let text = texts.reads[op.class as usize];
            if let Some(at) = place.get(text as usize).copied().flatten() {
                seen[at] = op.ret.min(seen[at]);
            }
        }
        // What comes before was made before.
        for at in (0..texts.made.len()).rev() {
            if let Some(before) = place[texts.made[at].before as usize] {
                seen[before] = seen[at].min(seen[before]);
            }
        }
        let mut known = Known {
            part,
            texts,
            candidates: Vec::with_capacity(texts.made.len()),
            seen,
            place,
        };
        known.nominate()?;
        known.rule_out();
        Some(known)
    }

    /// All who have the right piece and could have done what it takes.
    ///
    /// A text comes about twice only if what comes before it does, and so only if its first piece is put, after
    /// something else was: the initial text never comes back, as nobody puts it. Where only one operation can have
    /// made some beginning of a text, it was made once.
    fn nominate(&mut self) -> Option<()> {
        let updates = self.part.ops.iter();
        let updates = updates.filter(|op| self.texts.reads[op.class as usize] == NONE);
        // When something had been put or appended: the initial text is gone. The earliest two, as nobody waits for
        // itself.
        let mut earliest = [(FOREVER, FOREVER); 2];
        for op in updates {
            earliest[1] = earliest[1].min((op.ret, op.number));
            earliest.sort_unstable();
        }
        let mut once: Vec<bool> = Vec::with_capacity(self.texts.made.len());
        for made in &self.texts.made {
            let makers = self.texts.makers(made.piece);
            let starts = made.before == INITIAL;
            let can = |maker: &&(u32, Maker<'_>)| {
                let (_, maker) = **maker;
                let op = &self.part.ops[maker.op as usize];
                if maker.puts || !starts {
                    return maker.puts == starts;
                }
                let gone = if earliest[0].1 == op.number {
                    earliest[1]
                } else {
                    earliest[0]
                };
                op.call < gone.0
            };
            let numbered: Vec<_> = (0u32..).zip(makers.iter().copied()).collect();
            let candidates: Vec<u32> = numbered.iter().filter(can).map(|(at, _)| *at).collect();
            let puts = candidates.iter().any(|at| makers[*at as usize].puts);
            let before = self.place[made.before as usize].map(|at| once[at]);
            let is_once = candidates.len() < 2 || before.unwrap_or(!puts);
            self.candidates.push(candidates);
            once.push(is_once);
        }
        once.iter().all(|once| *once).then_some(())
    }

    /// The operation of a candidate.
    fn op(&self, at: usize, candidate: u32) -> &Op {
        let maker = self.texts.makers(self.texts.made[at].piece)[candidate as usize];
        &self.part.ops[maker.op as usize]
    }

    /// The only one who can have made a text.
    fn only(&self, at: usize) -> Option<&Op> {
        match self.candidates[at][..] {
            [one] => Some(self.op(at, one)),
            _ => None,
        }
    }

    /// Rules out who was asked only after the text had been seen, or after it had been continued; or had completed
    /// before what comes before it was asked for. All of that is as each text is made once.
    fn rule_out(&mut self) {
        let mut latest = self.seen.clone();
        for (at, made) in self.texts.made.iter().enumerate() {
            if let (Some(next), Some(before)) = (self.only(at), self.place[made.before as usize]) {
                latest[before] = next.ret.min(latest[before]);
            }
        }
        for at in 0..self.candidates.len() {
            if self.candidates[at].len() < 2 {
                continue;
            }
            let before = self.place[self.texts.made[at].before as usize];
            let asked = before
                .and_then(|before| self.only(before))
                .map_or(0, |op| op.call);
            let kept = self.candidates[at].iter().copied().filter(|candidate| {
                let op = self.op(at, *candidate);
                op.call < latest[at] && asked < op.ret
            });
            self.candidates[at] = kept.collect();
        }
    }

    /// All ways in which different makers can have made these texts, of one piece.
    fn ways(
        &self,
        texts: &[usize],
        way: &mut Vec<(usize, u32)>,
        ways: &mut Vec<Vec<(usize, u32)>>,
    ) {
        let Some(at) = texts.get(way.len()).copied() else {
            ways.push(way.clone());
            return;
        };
        for candidate in &self.candidates[at] {
            if ways.len() < MOST_CHOICES && way.iter().all(|(_, other)| other != candidate) {
                way.push((at, *candidate));
                self.ways(texts, way, ways);
                way.pop();
            }
        }
    }
}
