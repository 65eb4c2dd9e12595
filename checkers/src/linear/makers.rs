//! Texts of which a piece was put or appended more than once (clients number their appends anew after a put, say).
//! Each read is given who made the first piece of what it saw, and each text beyond it who appended the last piece;
//! the others made texts that nobody saw. Under any such choice texts are a register with distinct values, which
//! zones decide: within the life of one first piece a text only grows, so each comes about once. The history is
//! linearizable if and only if it is under one of the choices, of which real time leaves few.

use plumb_histories::Value;

use super::Rules;
use super::registers::{Action, Registers};
use super::texts::{Maker, Texts};
use super::zones::{self, Conflict, Decided};
use crate::budget::Meter;
use crate::part::{FOREVER, NONE, Op, Part};
use crate::{Limit, TextCall};

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
    let initial: Value = rules.spec.show_init(rules.init);
    let Some(mut texts) = Texts::of(part, rules, &initial) else {
        return Ok(None);
    };
    meter.pass(part.ops.len())?;
    let Some(mut reads) = reads(part, rules, &texts) else {
        return Ok(None);
    };
    let of_roots = reads.iter().map(|read| read.roots.len().max(1));
    let of_roots = of_roots.fold(1, usize::saturating_mul);
    let mut conflict = None;
    loop {
        let Some(choices) = Choices::of(part, &mut texts, &reads, MOST_CHOICES / of_roots) else {
            return Ok(None);
        };
        if let Some(order) = choices.order(part, &mut conflict, meter)? {
            return Ok(Some(Decided::Valid(order)));
        }
        // The next choice of roots, as an odometer counts.
        let turned = reads.iter_mut().any(|read| {
            let at = read.roots.iter().position(|root| *root == read.root);
            let next = at.and_then(|at| read.roots.get(at + 1));
            read.root = next.or(read.roots.first()).copied().unwrap_or(read.root);
            next.is_some()
        });
        if !turned {
            return Ok(conflict.map(Decided::Conflict));
        }
    }
}

/// What a read saw, and who may have made the first piece of it.
struct Read<'a> {
    op: u32,
    text: &'a str,
    /// The one that is chosen, as a place in the part; [`NONE`] if there is none.
    root: u32,
    /// All that are possible, if they are several.
    roots: Vec<u32>,
}

/// All reads, the longest first; `None` if nobody knows what one of them saw.
fn reads<'a>(part: &Part, rules: Rules<'a>, texts: &Texts<'a>) -> Option<Vec<Read<'a>>> {
    let mut reads = Vec::new();
    // When something had been put or appended: the initial text is gone, and as nobody puts it, for good. The
    // earliest two, as nobody waits for itself.
    let mut earliest = [(FOREVER, FOREVER); 2];
    for (place, op) in (0u32..).zip(&part.ops) {
        let call = rules.tables.call(part.classes.get(op.class));
        match rules.spec.as_text(&call)? {
            TextCall::Get(text) => reads.push(Read {
                op: place,
                text: text?,
                root: NONE,
                roots: Vec::new(),
            }),
            TextCall::Put(_) | TextCall::Append(_) => {
                earliest[1] = earliest[1].min((op.ret, place));
                earliest.sort_unstable();
            }
        }
    }
    let at = |op: u32| &part.ops[op as usize];
    for read in &mut reads {
        let Some((first, rest)) = texts.first_piece(read.text) else {
            continue;
        };
        let starts = |maker: &&Maker<'_>| {
            let gone = earliest[usize::from(earliest[0].1 == maker.op)].0;
            maker.puts || (texts.starts_empty() && at(maker.op).call < gone)
        };
        let mut roots = texts.makers(first).iter().filter(starts);
        let (Some(root), more) = (roots.next(), roots.next()) else {
            continue;
        };
        read.root = root.op;
        let Some(second) = more else {
            continue;
        };
        let all = [root, second].into_iter().chain(roots);
        let all: Vec<u32> = all.map(|maker| maker.op).collect();
        let rest = texts.continuations(rest);
        // Another that certainly came between, or continuations that can't have come in time, rule a root out.
        let fits = |root: &u32| {
            let own = at(*root);
            let ends = all.iter().map(|other| at(*other));
            let ended = ends.filter(|other| own.ret < other.call);
            let end = ended.map(|other| other.ret).min().unwrap_or(FOREVER);
            let continued = |piece: &u32| {
                let mut appends = texts.makers(*piece).iter().filter(|maker| !maker.puts);
                appends.any(|maker| at(maker.op).ret > own.call && at(maker.op).call < end)
            };
            own.call < at(read.op).ret && end > at(read.op).call && rest.iter().all(continued)
        };
        let roots: Vec<u32> = all.iter().copied().filter(fits).collect();
        // If none is left, any will show that it comes from nowhere.
        read.root = roots.first().copied().unwrap_or(read.root);
        if roots.len() > 1 {
            read.roots = roots;
        }
    }
    reads.sort_by_key(|read| std::cmp::Reverse(read.text.len()));
    Some(reads)
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
    /// By number of a text, its place among those made; [`NONE`] if it is the initial one, or nobody made it.
    place: Vec<u32>,
}

impl Choices {
    /// With the roots that are chosen; `None` if there are more than `most`.
    fn of<'a>(
        part: &Part,
        texts: &mut Texts<'a>,
        reads: &[Read<'a>],
        most: usize,
    ) -> Option<Choices> {
        texts.clear();
        let mut actions = vec![Action::Write(NONE); part.ops.len()];
        let mut seen: Vec<(u32, u32)> = Vec::with_capacity(reads.len());
        for read in reads {
            let text = texts.number(read.text, read.root);
            actions[read.op as usize] = Action::Read(text);
            seen.push((text, part.ops[read.op as usize].ret));
        }
        let known = Known::new(part, texts, &seen);
        let pieces = u32::try_from(texts.pieces.len()).expect("fewer pieces than operations");
        let mut by_piece: Vec<Vec<usize>> = vec![Vec::new(); texts.pieces.len()];
        for (at, made) in texts.made.iter().enumerate() {
            by_piece[made.piece as usize].push(at);
        }
        let mut count = texts.count;
        let mut open: Vec<Vec<Vec<(u32, Action)>>> = Vec::new();
        let mut all = 1usize;
        for piece in 0..pieces {
            let makers = texts.makers(piece);
            for maker in makers {
                // What nobody saw is another text for each.
                actions[maker.op as usize] = maker.makes(None, &mut count);
            }
            let mut ways = Vec::new();
            known.ways(&by_piece[piece as usize], &mut Vec::new(), &mut ways);
            let does = |way: &Vec<(usize, u32)>| {
                let mut does: Vec<(u32, Action)> = makers
                    .iter()
                    .map(|maker| (maker.op, actions[maker.op as usize]))
                    .collect();
                for (at, maker) in way {
                    does[*maker as usize].1 =
                        makers[*maker as usize].makes(Some(texts.made[*at]), &mut 0);
                }
                does
            };
            match &ways[..] {
                // Some text has no maker left: however the others are shared out, it comes from nowhere.
                [] => {}
                [way] => {
                    for (op, action) in does(way) {
                        actions[op as usize] = action;
                    }
                }
                ways => {
                    all = all.saturating_mul(ways.len());
                    let ways = ways.iter().map(does).collect();
                    open.push(ways);
                }
            }
        }
        (all <= most).then_some(Choices {
            actions,
            values: count,
            open,
        })
    }

    /// An order under one of the choices; else, why there is none under the first.
    fn order(
        &self,
        part: &Part,
        conflict: &mut Option<Conflict>,
        meter: &mut Meter<'_>,
    ) -> Result<Option<Vec<u32>>, Limit> {
        let mut chosen = vec![0; self.open.len()];
        loop {
            meter.pass(part.ops.len())?;
            match self.under(part, &chosen, meter)? {
                Decided::Valid(order) => return Ok(Some(order)),
                Decided::Conflict(found) => conflict.get_or_insert(found),
            };
            let Some(turn) =
                (0..chosen.len()).find(|turn| chosen[*turn] + 1 < self.open[*turn].len())
            else {
                return Ok(None);
            };
            chosen[turn] += 1;
            chosen[..turn].fill(0);
        }
    }

    /// What zones say of the part under one choice.
    fn under(
        &self,
        part: &Part,
        chosen: &[usize],
        meter: &mut Meter<'_>,
    ) -> Result<Decided, Limit> {
        let mut registers = Registers {
            kept: Vec::new(),
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
        Ok(decided
            .expect("each value is given one maker at most")
            .at(&places))
    }
}

impl<'t, 'a> Known<'t, 'a> {
    /// From when each text was seen.
    fn new(part: &'t Part, texts: &'t Texts<'a>, reads: &[(u32, u32)]) -> Known<'t, 'a> {
        let mut place = vec![NONE; texts.count as usize];
        for (at, made) in (0u32..).zip(&texts.made) {
            place[made.after as usize] = at;
        }
        let mut seen = vec![FOREVER; texts.made.len()];
        for (text, ret) in reads {
            if let Some(seen) = seen.get_mut(place[*text as usize] as usize) {
                *seen = (*ret).min(*seen);
            }
        }
        // What comes before was made before.
        for at in (0..texts.made.len()).rev() {
            let own = seen[at];
            if let Some(before) = seen.get_mut(place[texts.made[at].before as usize] as usize) {
                *before = own.min(*before);
            }
        }
        let may_make = |at: usize| {
            let made = texts.made[at];
            (0u32..)
                .zip(texts.makers(made.piece))
                .filter(|(_, maker)| match made.root {
                    // What continues the initial text, or another.
                    NONE => !maker.puts,
                    root => maker.op == root,
                })
                .map(|(candidate, _)| candidate)
                .collect()
        };
        let mut known = Known {
            part,
            texts,
            candidates: (0..texts.made.len()).map(may_make).collect(),
            seen,
            place,
        };
        known.rule_out();
        known
    }

    /// The place of the text that comes before one.
    fn before(&self, at: usize) -> Option<usize> {
        let place = self.place[self.texts.made[at].before as usize];
        (place != NONE).then_some(place as usize)
    }

    /// The operation of a candidate.
    fn op(&self, at: usize, candidate: u32) -> &'t Op {
        let maker = self.texts.makers(self.texts.made[at].piece)[candidate as usize];
        &self.part.ops[maker.op as usize]
    }

    /// The only one who can have made a text.
    fn only(&self, at: usize) -> Option<&'t Op> {
        match self.candidates[at][..] {
            [one] => Some(self.op(at, one)),
            _ => None,
        }
    }

    /// Rules out who was asked only after the text had been seen, or after it had been continued; or had completed
    /// before what comes before it was asked for. All of that is as each text is made once.
    fn rule_out(&mut self) {
        let mut latest = self.seen.clone();
        for at in 0..self.candidates.len() {
            if let (Some(next), Some(before)) = (self.only(at), self.before(at)) {
                latest[before] = next.ret.min(latest[before]);
            }
        }
        for (at, latest) in latest.into_iter().enumerate() {
            if self.candidates[at].len() < 2 {
                continue;
            }
            let before = self.before(at).and_then(|before| self.only(before));
            let asked = before.map_or(0, |op| op.call);
            let mut kept = std::mem::take(&mut self.candidates[at]);
            kept.retain(|candidate| {
                let op = self.op(at, *candidate);
                op.call < latest && asked <= op.ret
            });
            self.candidates[at] = kept;
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
            // One more than are tried says that there are too many.
            if ways.len() <= MOST_CHOICES && way.iter().all(|(_, other)| other != candidate) {
                way.push((at, *candidate));
                self.ways(texts, way, ways);
                way.pop();
            }
        }
    }
}
