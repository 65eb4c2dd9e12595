//! Texts that grow by unique pieces are registers. If no piece begins another and each is put or
//! appended once, a text that was read can be cut into its pieces in one way, and so tells which append
//! came after which: an append whose piece was seen after a prefix `p` is a compare-and-set from `p` to
//! `p` and the piece. An append whose piece nobody saw leaves a text that nobody saw, as a write of a
//! value that nobody saw does: until the next put nothing can be read. With that, zones decide what
//! would otherwise be a search over all orders of concurrent appends. `makers.rs` does so for pieces that
//! were put or appended more than once.

use plumb_histories::Value;

use super::Rules;
use super::registers::{Action, INITIAL, Registers};
use crate::TextCall;
use crate::hash::FastMap;
use crate::part::{NONE, Part};

/// What puts or appends a piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maker<'a> {
    text: &'a str,
    /// The operation, as a place in the part.
    pub(super) op: u32,
    pub(super) puts: bool,
}

/// A piece as it was put or appended.
pub(super) struct Piece<'a> {
    text: &'a str,
    /// Its makers, by place.
    from: u32,
    to: u32,
    puts: bool,
    appends: bool,
}

/// A text that was cut into pieces: where each prefix ends, and its number.
struct Spine<'a> {
    text: &'a str,
    ends: Vec<(usize, u32)>,
}

/// A text that was seen, as what came before and a piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) piece: u32,
    pub(super) before: u32,
    pub(super) after: u32,
}

/// All texts that were read, cut into pieces.
pub(super) struct Texts<'a> {
    initial: &'a str,
    makers: Vec<Maker<'a>>,
    /// Sorted by text.
    pub(super) pieces: Vec<Piece<'a>>,
    spines: Vec<Spine<'a>>,
    /// The number of a text by the number of its prefix and its last piece.
    longer: FastMap<(u32, u32), u32>,
    /// Each text after its prefix.
    pub(super) made: Vec<Made>,
    /// By class, what a read of it observes; [`NONE`] if it is no read.
    pub(super) reads: Vec<u32>,
    pub(super) count: u32,
}

/// The part as a register whose values are texts; `None` if the pieces are not unique.
pub(super) fn registers(part: &Part, rules: Rules<'_>) -> Option<Registers> {
    let initial = rules.spec.show_init(rules.init);
    let mut texts = Texts::of(part, rules, &initial)?;
    if texts.pieces.iter().any(|piece| piece.to - piece.from > 1) {
        return None;
    }
    texts.cut(part, rules)?;
    let mut actions: Vec<Action> = texts.reads.iter().map(|text| Action::Read(*text)).collect();
    let mut seen = vec![None; texts.pieces.len()];
    for made in texts.made.iter().rev() {
        seen[made.piece as usize] = Some(*made);
    }
    for (number, made) in seen.into_iter().enumerate() {
        let maker = texts.makers[number];
        let class = part.ops[maker.op as usize].class;
        actions[class as usize] = maker.makes(made, &mut texts.count);
    }
    Some(Registers {
        actions,
        values: texts.count,
    })
}

impl Maker<'_> {
    /// What it does if it makes that text; or one that nobody saw.
    pub(super) fn makes(self, made: Option<Made>, count: &mut u32) -> Action {
        match made {
            Some(made) if self.puts => Action::Write(made.after),
            Some(made) => Action::Cas(made.before, made.after),
            None => {
                *count += 1;
                Action::Write(*count - 1)
            }
        }
    }
}

impl<'a> Texts<'a> {
    /// The pieces of a part; `None` if it is no text, or a text could be cut in two ways.
    pub(super) fn of(part: &Part, rules: Rules<'a>, initial: &'a Value) -> Option<Texts<'a>> {
        let tables = rules.tables;
        let first = part.classes.items().first()?;
        rules.spec.as_text(&tables.call(first))?;
        let mut makers: Vec<Maker<'a>> = Vec::with_capacity(part.ops.len());
        for (op, class) in (0u32..).zip(part.ops.iter().map(|op| op.class)) {
            let call = tables.call(part.classes.get(class));
            let (text, puts) = match rules.spec.as_text(&call)? {
                TextCall::Get(_) => continue,
                TextCall::Put(text) => (text, true),
                TextCall::Append(text) => (text, false),
            };
            if text.is_empty() {
                return None;
            }
            makers.push(Maker { text, op, puts });
        }
        makers.sort_unstable_by_key(|maker| (maker.text, maker.op));
        let mut pieces: Vec<Piece<'a>> = Vec::with_capacity(makers.len());
        for (at, maker) in (0u32..).zip(&makers) {
            match pieces.last_mut() {
                Some(last) if last.text == maker.text => {
                    last.to = at + 1;
                    last.puts |= maker.puts;
                    last.appends |= !maker.puts;
                }
                // In sorted order what begins another stands directly before one that it begins.
                Some(last) if maker.text.starts_with(last.text) => return None,
                _ => pieces.push(Piece {
                    text: maker.text,
                    from: at,
                    to: at + 1,
                    puts: maker.puts,
                    appends: !maker.puts,
                }),
            }
        }
        let initial = initial.as_str()?;
        if !initial.is_empty() {
            let clashes = |piece: &Piece<'_>| {
                piece.text.starts_with(initial) || initial.starts_with(piece.text)
            };
            if pieces.iter().any(clashes) {
                return None;
            }
        }
        Some(Texts {
            initial,
            makers,
            pieces,
            spines: Vec::new(),
            longer: FastMap::default(),
            made: Vec::new(),
            reads: Vec::new(),
            count: INITIAL + 1,
        })
    }

    /// Cuts all texts that were read; `None` if nobody knows what one of them was.
    pub(super) fn cut(&mut self, part: &Part, rules: Rules<'a>) -> Option<()> {
        // The longest first: the others are mostly its beginnings.
        let mut gets: Vec<(u32, &'a str)> = Vec::new();
        for (class, known) in (0u32..).zip(part.classes.items()) {
            if let Some(TextCall::Get(text)) = rules.spec.as_text(&rules.tables.call(known)) {
                gets.push((class, text?));
            }
        }
        gets.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        self.reads = vec![NONE; part.classes.len()];
        for (class, text) in gets {
            self.reads[class as usize] = self.number(text);
        }
        Some(())
    }

    fn fresh(&mut self) -> u32 {
        self.count += 1;
        self.count - 1
    }

    /// Those who put or appended a piece.
    pub(super) fn makers(&self, piece: u32) -> &[Maker<'a>] {
        let piece = &self.pieces[piece as usize];
        &self.makers[piece.from as usize..piece.to as usize]
    }

    /// The number of a text that was read.
    fn number(&mut self, text: &'a str) -> u32 {
        if text == self.initial {
            return INITIAL;
        }
        for spine in &self.spines {
            if spine.text.starts_with(text) {
                return match spine
                    .ends
                    .binary_search_by_key(&text.len(), |(end, _)| *end)
                {
                    Ok(place) => spine.ends[place].1,
                    // It ends within a piece: nobody wrote that.
                    Err(_) => self.fresh(),
                };
            }
        }
        let mut rest = text;
        let mut number = INITIAL;
        let mut ends = Vec::new();
        if let Some(after) = rest.strip_prefix(self.initial)
            && !self.initial.is_empty()
        {
            rest = after;
            ends.push((self.initial.len(), INITIAL));
        }
        while !rest.is_empty() {
            // The only piece that can begin it is the last one that is not greater.
            let after = self.pieces.partition_point(|piece| piece.text <= rest);
            // A put starts a text, an append continues one.
            let fits = |piece: &Piece<'_>| {
                let starts = ends.is_empty() && piece.puts;
                let continues = !ends.is_empty() || self.initial.is_empty();
                rest.starts_with(piece.text) && (starts || (continues && piece.appends))
            };
            let piece = after
                .checked_sub(1)
                .filter(|place| fits(&self.pieces[*place]));
            let Some(place) = piece else {
                return self.fresh();
            };
            let piece = u32::try_from(place).expect("fewer pieces than operations");
            let before = number;
            number = match self.longer.get(&(before, piece)) {
                Some(number) => *number,
                None => {
                    let after = self.fresh();
                    self.longer.insert((before, piece), after);
                    self.made.push(Made {
                        piece,
                        before,
                        after,
                    });
                    after
                }
            };
            rest = &rest[self.pieces[place].text.len()..];
            ends.push((text.len() - rest.len(), number));
        }
        self.spines.push(Spine { text, ends });
        number
    }
}
