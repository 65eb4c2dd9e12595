//! A well-formed history, and the builder that is the only way to one: each process has at most one
//! open operation, each completion an invocation, and indices grow.

use std::collections::HashMap;

use crate::{Event, Header, Kind, Line, Misplaced, NemesisEvent, Operation};

/// No completion.
const NONE: u32 = u32::MAX;

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

    /// Reads values as `jepsen.independent` writes them, `[key value]`, and moves the keys to where
    /// ours are. Values of another shape are left alone.
    #[must_use]
    pub fn with_independent_keys(mut self) -> History {
        for event in &mut self.events {
            if let Some([key, value]) = event.value.as_list() {
                let (key, value) = (key.clone(), value.clone());
                event.key = Some(key);
                event.value = value;
            }
        }
        self
    }
}

/// Builds a [`History`] event by event and refuses what would make it ill-formed.
///
/// As in Jepsen, an `info` ends nothing: its operation stays open for ever, yet its process may be
/// used again.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    history: History,
    /// The open operation of each process, as a place in `pairs`.
    open: HashMap<u64, u32>,
    last_index: Option<u64>,
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
        self.last_index.map_or(0, |last| last.saturating_add(1))
    }

    /// Adds a line. After an error the builder is as it was.
    ///
    /// # Errors
    /// If the event has no place after those before it.
    pub fn push(&mut self, line: Line) -> Result<(), Misplaced> {
        let index = match &line {
            Line::Client(event) => event.index,
            Line::Nemesis(fault) => fault.index,
        };
        if let Some(before) = self.last_index.filter(|before| *before >= index) {
            return Err(Misplaced::Order { index, before });
        }
        match line {
            Line::Client(event) => self.push_event(event)?,
            Line::Nemesis(fault) => self.history.nemesis.push(fault),
        }
        self.last_index = Some(index);
        Ok(())
    }

    fn push_event(&mut self, event: Event) -> Result<(), Misplaced> {
        let History { events, pairs, .. } = &mut self.history;
        let place = u32::try_from(events.len())
            .ok()
            .filter(|place| *place != NONE);
        let place = place.ok_or(Misplaced::TooMany)?;
        let open = self.open.get(&event.process).copied();
        let open_f = |pair: u32| events[pairs[pair as usize].0 as usize].f.clone();
        match (event.kind, open) {
            (Kind::Invoke, None) => {
                let pair = u32::try_from(pairs.len()).map_err(|_| Misplaced::TooMany)?;
                self.open.insert(event.process, pair);
                pairs.push((place, NONE));
            }
            (Kind::Invoke, Some(pair)) => {
                let open = open_f(pair);
                return Err(Misplaced::TwoOpen {
                    process: event.process,
                    open,
                    f: event.f,
                });
            }
            (kind, None) => {
                let Event { process, f, .. } = event;
                return Err(Misplaced::NothingOpen {
                    process,
                    f,
                    kind: kind.name(),
                });
            }
            (_, Some(pair)) => {
                let open = open_f(pair);
                if open != event.f {
                    return Err(Misplaced::OtherOpen {
                        process: event.process,
                        f: event.f,
                        open,
                    });
                }
                pairs[pair as usize].1 = place;
                self.open.remove(&event.process);
            }
        }
        events.push(event);
        Ok(())
    }

    /// The history; what is still open stays open for ever.
    #[must_use]
    pub fn finish(self) -> History {
        self.history
    }
}
