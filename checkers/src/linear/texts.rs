//! Texts that grow by unique pieces are registers. If no piece begins another and each is put or
//! appended once, a text that was read can be cut into its pieces in one way, and so tells which append
//! came after which: an append whose piece was seen after a prefix `p` is a compare-and-set from `p` to
//! `p` and the piece. An append whose piece nobody saw leaves a text that nobody saw, as a write of a
//! value that nobody saw does: until the next put nothing can be read. With that, zones decide what
//! would otherwise be a search over all orders of concurrent appends.

use super::Rules;
use super::registers::{Action, INITIAL, Registers};
use crate::TextCall;
use crate::hash::FastMap;
use crate::part::{NONE, Part};

/// A piece as it was put or appended.
struct Piece<'a> {
    text: &'a str,
    class: u32,
    puts: bool,
}

/// A text that was cut into pieces: where each prefix ends, and its number.
struct Spine<'a> {
    text: &'a str,
    ends: Vec<(usize, u32)>,
}

struct Texts<'a> {
    initial: &'a str,
    /// Sorted by text.
    pieces: Vec<Piece<'a>>,
    spines: Vec<Spine<'a>>,
    /// The number of a text by the number of its prefix and its last piece.
    longer: FastMap<(u32, usize), u32>,
    /// By piece, the text that it was first seen to make, with the prefix.
    seen: Vec<Option<(u32, u32)>>,
    count: u32,
}

/// The part as a register whose values are texts; `None` if the pieces are not unique.
pub(super) fn registers(part: &Part, rules: Rules<'_>) -> Option<Registers> {
    let initial = rules.spec.show_init(rules.init);
    let mut uses = vec![0u32; part.classes.len()];
    for op in &part.ops {
        uses[op.class as usize] += 1;
    }
    let calls = part.calls(rules.tables);
    let mut pieces = Vec::new();
    for (class, call) in (0u32..).zip(&calls) {
        let (text, puts) = match rules.spec.as_text(call)? {
            TextCall::Get(_) => continue,
            TextCall::Put(text) => (text, true),
            TextCall::Append(text) => (text, false),
        };
        // What failed leaves a class without an operation.
        match uses[class as usize] {
            0 => {}
            1 if !text.is_empty() => pieces.push(Piece { text, class, puts }),
            _ => return None,
        }
    }
    pieces.sort_unstable_by_key(|piece| piece.text);
    // In sorted order what begins another stands directly before one that it begins.
    if pieces
        .windows(2)
        .any(|pair| pair[1].text.starts_with(pair[0].text))
    {
        return None;
    }
    let initial = initial.as_str()?;
    if !initial.is_empty() {
        let clashes =
            |piece: &Piece<'_>| piece.text.starts_with(initial) || initial.starts_with(piece.text);
        if pieces.iter().any(clashes) {
            return None;
        }
    }
    let mut texts = Texts {
        initial,
        seen: vec![None; pieces.len()],
        pieces,
        spines: Vec::new(),
        longer: FastMap::default(),
        count: INITIAL + 1,
    };
    // The longest first: the others are mostly its beginnings.
    let mut gets: Vec<(u32, &str)> = Vec::new();
    for (class, call) in (0u32..).zip(&calls) {
        if let Some(TextCall::Get(text)) = rules.spec.as_text(call) {
            gets.push((class, text?));
        }
    }
    gets.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
    let mut actions = vec![Action::Write(NONE); part.classes.len()];
    for (class, text) in gets {
        actions[class as usize] = Action::Read(texts.number(text));
    }
    for place in 0..texts.pieces.len() {
        let Piece { class, puts, .. } = texts.pieces[place];
        actions[class as usize] = match texts.seen[place] {
            Some((_, after)) if puts => Action::Write(after),
            Some((before, after)) => Action::Cas(before, after),
            None => Action::Write(texts.fresh()),
        };
    }
    Some(Registers {
        actions,
        values: texts.count,
    })
}

impl<'a> Texts<'a> {
    fn fresh(&mut self) -> u32 {
        self.count += 1;
        self.count - 1
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
            let piece = after
                .checked_sub(1)
                .filter(|place| rest.starts_with(self.pieces[*place].text))
                // A put starts a text, an append continues one.
                .filter(|place| {
                    let starts = ends.is_empty();
                    let puts = self.pieces[*place].puts;
                    if starts { puts || self.initial.is_empty() } else { !puts }
                });
            let Some(piece) = piece else {
                return self.fresh();
            };
            let before = number;
            number = match self.longer.get(&(before, piece)) {
                Some(number) => *number,
                None => {
                    let fresh = self.fresh();
                    self.longer.insert((before, piece), fresh);
                    fresh
                }
            };
            self.seen[piece].get_or_insert((before, number));
            rest = &rest[self.pieces[piece].text.len()..];
            ends.push((text.len() - rest.len(), number));
        }
        self.spines.push(Spine { text, ends });
        number
    }
}
