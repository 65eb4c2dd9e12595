//! A well-formed history, and the builder that is the only way to one: each process has at most one
//! open operation, each completion an invocation, and indices grow.

use std::collections::{BTreeMap, HashMap};

use crate::{Event, Header, Kind, Line, Misplaced, NemesisEvent, Operation};

/// No completion.
const NONE: u32 = u32::MAX;
/// So many names are looked at one by one.
const FEW_NAMES: usize = 4;

/// Everything that was recorded of a run. The order of its events is the real-time order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    header: Header,
    events: Vec<Event>,
    nemesis: Vec<NemesisEvent>,
    /// Places of invocation and completion, by invocation.
    pairs: Vec<(u32, u32)>,
}

impl History {
    /// Where it comes from.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The clients' events in real-time order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What the nemesis did.
    #[must_use]
    pub fn nemesis(&self) -> &[NemesisEvent] {
        &self.nemesis
    }

    /// The operations in the order of their invocations.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = Operation<'_>> {
        (0..self.pairs.len()).map(|number| self.operation(number))
    }

    /// One operation by its number.
    ///
    /// # Panics
    /// If there are not as many.
    #[must_use]
    pub fn operation(&self, number: usize) -> Operation<'_> {
        let (invoked, completed) = self.pairs[number];
        let completion = (completed != NONE).then(|| &self.events[completed as usize]);
        Operation {
            number,
            invoked_at: invoked as usize,
            completed_at: completion
                .filter(|e| e.kind != Kind::Info)
                .map(|_| completed as usize),
            invocation: &self.events[invoked as usize],
            completion,
        }
    }

    /// All lines in order, as a file has them.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let mut events = self.events.iter().peekable();
        let mut nemesis = self.nemesis.iter().peekable();
        std::iter::from_fn(move || match (events.peek(), nemesis.peek()) {
            (Some(event), Some(fault)) if fault.index < event.index => {
                nemesis.next().cloned().map(Line::Nemesis)
            }
            (Some(_), _) => events.next().cloned().map(Line::Client),
            (None, _) => nemesis.next().cloned().map(Line::Nemesis),
        })
    }

    /// The history with other facts about where it comes from.
    #[must_use]
    pub fn with_header(self, header: Header) -> History {
        History {
            header: header.normal(),
            ..self
        }
    }

    /// As [`Event::with_independent_key`], for all events.
    #[must_use]
    pub fn with_independent_keys(self) -> History {
        let events = self.events.into_iter();
        History {
            events: events.map(Event::with_independent_key).collect(),
            ..self
        }
    }
}

/// Builds a [`History`] event by event and refuses what would make it ill-formed.
///
/// As in Jepsen, an `info` ends nothing: its operation stays open for ever, yet its process may be
/// used again.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    history: History,
    sequence: Sequence,
}

impl Builder {
    /// A history without events.
    #[must_use]
    pub fn new(header: Header) -> Builder {
        let history = History {
            header: header.normal(),
            ..History::default()
        };
        Builder {
            history,
            ..Builder::default()
        }
    }

    /// The index that an event gets if it has none.
    #[must_use]
    pub fn next_index(&self) -> u64 {
        self.sequence.next_index()
    }

    /// Adds a line. After an error the builder is as it was.
    ///
    /// # Errors
    /// If the event has no place after those before it.
    pub fn push(&mut self, line: Line) -> Result<(), Misplaced> {
        let place = self.sequence.admit(&line)?;
        self.history.keep(line, place);
        Ok(())
    }

    /// The history; what is still open stays open for ever.
    #[must_use]
    pub fn finish(self) -> History {
        self.history
    }
}

impl History {
    /// Adds a line that a sequence has admitted.
    pub(crate) fn keep(&mut self, line: Line, place: Place) {
        let event = match line {
            Line::Client(event) => event,
            Line::Nemesis(fault) => return self.nemesis.push(fault),
        };
        let at = u32::try_from(self.events.len()).expect("a sequence admits no more");
        match place {
            Place::Completion(pair) => self.pairs[pair as usize].1 = at,
            _ => self.pairs.push((at, NONE)),
        }
        self.events.push(event);
    }
}

/// What a line is in its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The beginning of the next operation.
    Invocation,
    /// The end of the operation of this number.
    Completion(u32),
    /// No part of any operation.
    Fault,
}

/// Whether line may follow line; remembers what is open, and nothing else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    /// The open operation of each process: its number, and its name as a number.
    open: BTreeMap<u64, (u32, u32)>,
    names: Vec<String>,
    by_name: HashMap<String, u32>,
    operations: u32,
    events: u32,
    last_index: Option<u64>,
}

impl Sequence {
    /// The index that an event gets if it has none.
    pub(crate) fn next_index(&self) -> u64 {
        self.last_index.map_or(0, |last| last.saturating_add(1))
    }

    /// Admits a line. After an error everything is as it was.
    pub(crate) fn admit(&mut self, line: &Line) -> Result<Place, Misplaced> {
        let index = match line {
            Line::Client(event) => event.index,
            Line::Nemesis(fault) => fault.index,
        };
        if let Some(before) = self.last_index.filter(|before| *before >= index) {
            return Err(Misplaced::Order { index, before });
        }
        let place = match line {
            Line::Client(event) => self.admit_event(event)?,
            Line::Nemesis(_) => Place::Fault,
        };
        self.last_index = Some(index);
        Ok(place)
    }

    fn admit_event(&mut self, event: &Event) -> Result<Place, Misplaced> {
        if self.events == NONE {
            return Err(Misplaced::TooMany);
        }
        let open = self.open.get(&event.process).copied();
        let place = match (event.kind, open) {
            (Kind::Invoke, None) => {
                let name = self.name(&event.f);
                self.open.insert(event.process, (self.operations, name));
                self.operations += 1;
                Place::Invocation
            }
            (Kind::Invoke, Some((_, open))) => {
                return Err(Misplaced::TwoOpen {
                    process: event.process,
                    open: self.names[open as usize].clone(),
                    f: event.f.clone(),
                });
            }
            (kind, None) => {
                return Err(Misplaced::NothingOpen {
                    process: event.process,
                    f: event.f.clone(),
                    kind: kind.name(),
                });
            }
            (_, Some((number, open))) => {
                let open = &self.names[open as usize];
                if *open != event.f {
                    return Err(Misplaced::OtherOpen {
                        process: event.process,
                        f: event.f.clone(),
                        open: open.clone(),
                    });
                }
                self.open.remove(&event.process);
                Place::Completion(number)
            }
        };
        self.events += 1;
        Ok(place)
    }

    /// The number of an operation's name.
    fn name(&mut self, f: &str) -> u32 {
        // A history has few names: most often the number is found sooner than a digest of the name would be.
        let few = &self.names[..self.names.len().min(FEW_NAMES)];
        if let Some(number) = few.iter().position(|name| name == f) {
            return number as u32;
        }
        if let Some(number) = self.by_name.get(f) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("fewer names than events");
        self.names.push(f.to_owned());
        self.by_name.insert(f.to_owned(), number);
        number
    }
}
