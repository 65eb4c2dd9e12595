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
    root: u32,
    ends: Vec<(usize, u32)>,
}

/// A text that was seen, as what came before and a piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) piece: u32,
    pub(super) before: u32,
    pub(super) after: u32,
    /// Who made it, as a place in the part, where that is given; else [`NONE`].
    pub(super) root: u32,
}

/// All texts that were read, cut into pieces.
pub(super) struct Texts<'a> {
    initial: &'a str,
    makers: Vec<Maker<'a>>,
    /// Sorted by text.
    pub(super) pieces: Vec<Piece<'a>>,
    spines: Vec<Spine<'a>>,
    /// The number of a text by the number of its prefix, its last piece and who is given to have made it.
    longer: FastMap<(u32, u32, u32), u32>,
    /// Each text after its prefix.
    pub(super) made: Vec<Made>,
    pub(super) count: u32,
}

/// The part as a register whose values are texts; `None` if the pieces are not unique.
pub(super) fn registers(part: &Part, rules: Rules<'_>) -> Option<Registers> {
    // What is put or appended again is mostly told by its class already.
    let mut updated = vec![false; part.classes.len()];
    for op in &part.ops {
        let call = rules.tables.call(part.classes.get(op.class));
        let again = std::mem::replace(&mut updated[op.class as usize], true);
        if again && !rules.spec.is_read(&call) {
            return None;
        }
    }
    let initial = rules.spec.show_init(rules.init);
    let mut texts = Texts::of(part, rules, &initial)?;
    if texts.pieces.iter().any(|piece| piece.to - piece.from > 1) {
        return None;
    }
    // The longest first: the others are mostly its beginnings.
    let mut gets: Vec<(u32, &str)> = Vec::new();
    for (class, known) in (0u32..).zip(part.classes.items()) {
        if let Some(TextCall::Get(text)) = rules.spec.as_text(&rules.tables.call(known)) {
            gets.push((class, text?));
        }
    }
    gets.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
    let mut actions = vec![Action::Write(NONE); part.classes.len()];
    for (class, text) in gets {
        actions[class as usize] = Action::Read(texts.number(text, NONE));
    }
    let mut seen = vec![None; texts.pieces.len()];
    let mut twice = false;
    for made in texts.made.iter().rev() {
        twice |= seen[made.piece as usize].replace(*made).is_some();
    }
    // A piece that was seen after two texts was appended to one of them: there is no order. Which of the two it was is
    // open for who looks at less than all reads.
    let mut kept = vec![false; if twice { part.classes.len() } else { 0 }];
    for (number, made) in seen.into_iter().enumerate() {
        let maker = texts.makers[number];
        let class = part.ops[maker.op as usize].class;
        if let Some(kept) = kept.get_mut(class as usize) {
            *kept = made.is_some();
        }
        actions[class as usize] = maker.makes(made, &mut texts.count);
    }
    Some(Registers {
        actions,
        values: texts.count,
        kept,
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
            count: INITIAL + 1,
        })
    }

    fn fresh(&mut self) -> u32 {
        self.count += 1;
        self.count - 1
    }

    /// Whether texts start from nothing.
    pub(super) fn starts_empty(&self) -> bool {
        self.initial.is_empty()
    }

    /// Those who put or appended a piece.
    pub(super) fn makers(&self, piece: u32) -> &[Maker<'a>] {
        let piece = &self.pieces[piece as usize];
        &self.makers[piece.from as usize..piece.to as usize]
    }

    /// The piece that a text begins with, where a text starts, or else continues.
    fn piece_of(&self, text: &str, starts: bool) -> Option<u32> {
        // The only piece that can begin it is the last one that is not greater.
        let after = self.pieces.partition_point(|piece| piece.text <= text);
        let place = after.checked_sub(1)?;
        let piece = &self.pieces[place];
        // A put starts a text, an append continues one.
        let continues = !starts || self.initial.is_empty();
        let fits = (starts && piece.puts) || (continues && piece.appends);
        (fits && text.starts_with(piece.text))
            .then(|| u32::try_from(place).expect("fewer pieces than operations"))
    }

    /// The first piece of a text and the rest of it; `None` if it is the initial text or begins with that, or nobody
    /// wrote it.
    pub(super) fn first_piece<'t>(&self, text: &'t str) -> Option<(u32, &'t str)> {
        if !self.initial.is_empty() && text.starts_with(self.initial) {
            return None;
        }
        let piece = self.piece_of(text, true)?;
        Some((piece, &text[self.pieces[piece as usize].text.len()..]))
    }

    /// The pieces that continue a text, as far as somebody wrote them.
    pub(super) fn continuations(&self, mut rest: &str) -> Vec<u32> {
        let mut pieces = Vec::new();
        while let Some(piece) = self.piece_of(rest, false) {
            pieces.push(piece);
            rest = &rest[self.pieces[piece as usize].text.len()..];
        }
        pieces
    }

    /// Forgets what was read.
    pub(super) fn clear(&mut self) {
        self.spines.clear();
        self.longer.clear();
        self.made.clear();
        self.count = INITIAL + 1;
    }

    /// The number of a text that was read; `root` put its first piece there, if that is given, else [`NONE`].
    pub(super) fn number(&mut self, text: &'a str, root: u32) -> u32 {
        if text == self.initial {
            return INITIAL;
        }
        for spine in &self.spines {
            if spine.root == root && spine.text.starts_with(text) {
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
            let Some(piece) = self.piece_of(rest, ends.is_empty()) else {
                return self.fresh();
            };
            let root = if ends.is_empty() { root } else { NONE };
            let before = number;
            number = match self.longer.get(&(before, piece, root)) {
                Some(number) => *number,
                None => {
                    let after = self.fresh();
                    self.longer.insert((before, piece, root), after);
                    self.made.push(Made {
                        piece,
                        before,
                        after,
                        root,
                    });
                    after
                }
            };
            rest = &rest[self.pieces[piece as usize].text.len()..];
            ends.push((text.len() - rest.len(), number));
        }
        self.spines.push(Spine { text, root, ends });
        number
    }
}
