//! Takes a history in event by event and keeps only what a verdict needs, split by object. A history
//! that is streamed through here never exists as a whole: an operation takes some 20 bytes and each
//! distinct value is kept once.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use plumb_histories::{Event, History, Kind, Value};

use crate::check::judge;
use crate::hash::FastMap;
use crate::intern::Interner;
use crate::linear::registers::Registers;
use crate::linear::{Rules, elements};
use crate::part::{Class, FOREVER, NONE, Op, Part, Tables};
use crate::spec::Call;
use crate::{CheckError, Options, Report};

/// An operation that has not completed.
struct Open {
    part: u32,
    /// Its place in the part.
    place: u32,
    /// Result still missing.
    class: Class,
    index: u64,
}

/// An operation that did not happen, or may be taken not to have: nothing is kept of it.
const FAILED: u32 = u32::MAX;
/// An operation that is still open.
const PENDING: u32 = u32::MAX - 1;

/// Collects events; [`Intake::finish`] judges them.
pub struct Intake {
    options: Options,
    tables: Tables,
    parts: Vec<Part>,
    by_key: FastMap<u32, u32>,
    open: FastMap<u64, Open>,
    operations: u32,
    /// Subtracted from indices, so that histories cut from longer ones fit 32 bits.
    base: Option<u64>,
    last: Option<u64>,
    /// Operations that failed, kept where it matters what they wrote.
    failed: Vec<Op>,
}

impl Intake {
    /// Nothing taken in yet.
    ///
    /// # Errors
    /// If the initial value does not fit the specification.
    pub fn new(options: &Options) -> Result<Intake, CheckError> {
        options
            .spec
            .0
            .check_init(&options.init)
            .map_err(|what| CheckError::Init {
                init: options.init.clone(),
                what,
            })?;
        Ok(Intake {
            options: options.clone(),
            tables: Tables::default(),
            parts: Vec::new(),
            by_key: FastMap::default(),
            open: FastMap::default(),
            operations: 0,
            base: None,
            last: None,
            failed: Vec::new(),
        })
    }

    /// The operations so far.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.operations as usize
    }

    /// Bytes held, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        let ops: usize = self
            .parts
            .iter()
            .map(|part| part.ops.capacity() * size_of::<Op>() + part.classes.memory())
            .sum();
        ops + self.tables.values.memory()
    }

    /// Takes in the next event.
    ///
    /// # Errors
    /// If it does not fit the specification, or cannot follow what came before.
    pub fn push(&mut self, event: &Event) -> Result<(), CheckError> {
        self.take_in(event, Cow::Borrowed(&event.value))
    }

    /// As [`Intake::push`], for an event that nobody needs any more.
    ///
    /// # Errors
    /// As [`Intake::push`].
    pub fn take(&mut self, mut event: Event) -> Result<(), CheckError> {
        let value = std::mem::take(&mut event.value);
        self.take_in(&event, Cow::Owned(value))
    }

    /// An event, whose value is apart.
    fn take_in(&mut self, event: &Event, value: Cow<'_, Value>) -> Result<(), CheckError> {
        let order = |what: &str| CheckError::Order {
            index: event.index,
            what: what.to_owned(),
        };
        if self.last.is_some_and(|last| last >= event.index) {
            return Err(order("its index is not greater than the one before"));
        }
        self.last = Some(event.index);
        let base = *self.base.get_or_insert(event.index);
        let time = u32::try_from(event.index - base)
            .ok()
            .filter(|time| *time < FOREVER)
            .ok_or_else(|| order("the indices span more than 2^32"))?;
        if event.kind == Kind::Invoke {
            return self.invoke(event, value, time);
        }
        let open = self
            .open
            .remove(&event.process)
            .ok_or_else(|| order("it completes nothing that is open"))?;
        match event.kind {
            Kind::Ok => {
                let value = self.tables.values.intern_cow(value);
                self.complete(&open, time, value, event.index)
            }
            Kind::Fail => {
                let part = &mut self.parts[open.part as usize];
                let op = &mut part.ops[open.place as usize];
                op.class = FAILED;
                if self.options.consistency.is_transactional() {
                    let (ret, class) = (time, part.classes.intern(&open.class));
                    self.failed.push(Op { ret, class, ..*op });
                }
                Ok(())
            }
            Kind::Info | Kind::Invoke => self.complete(&open, FOREVER, NONE, open.index),
        }
    }

    fn invoke(
        &mut self,
        event: &Event,
        value: Cow<'_, Value>,
        time: u32,
    ) -> Result<(), CheckError> {
        let spec = &*self.options.spec.0;
        let call = Call {
            f: &event.f,
            key: event.key.as_ref(),
            argument: &value,
            result: None,
        };
        let tables = &mut self.tables;
        let own_key = event
            .key
            .as_ref()
            .map_or(NONE, |value| intern_value(tables, value));
        let key = match spec.partition(&call).filter(|_| self.options.partition) {
            Some(value)
                if event
                    .key
                    .as_ref()
                    .is_some_and(|own| std::ptr::eq(own, value)) =>
            {
                own_key
            }
            Some(value) => intern_value(tables, value),
            None => NONE,
        };
        let class = Class {
            f: tables
                .names
                .intern_with(event.f.as_str(), || event.f.clone()),
            key: own_key,
            argument: tables.values.intern_cow(value),
            result: NONE,
        };
        let process = tables
            .processes
            .intern_with(&event.process, || event.process);
        let parts = &mut self.parts;
        let part = *self.by_key.entry(key).or_insert_with(|| {
            parts.push(Part {
                key,
                ops: Vec::new(),
                classes: Interner::default(),
                recorded: 0,
                registers: None,
            });
            u32::try_from(parts.len() - 1).expect("fewer objects than events")
        });
        let ops = &mut self.parts[part as usize].ops;
        let place = u32::try_from(ops.len()).expect("fewer operations than events");
        ops.push(Op {
            number: self.operations,
            call: time,
            ret: FOREVER,
            class: PENDING,
            process,
        });
        self.operations += 1;
        let open = Open {
            part,
            place,
            class,
            index: event.index,
        };
        if self.open.insert(event.process, open).is_some() {
            return Err(CheckError::Order {
                index: event.index,
                what: format!(
                    "process {} invokes while its previous operation is open",
                    event.process
                ),
            });
        }
        Ok(())
    }

    /// Fixes the class of an operation; checks it where the class is new.
    fn complete(
        &mut self,
        open: &Open,
        ret: u32,
        result: u32,
        index: u64,
    ) -> Result<(), CheckError> {
        let class = Class {
            result,
            ..open.class
        };
        let spec = &*self.options.spec.0;
        let misfit = |what| CheckError::Operation { index, what };
        let part = &mut self.parts[open.part as usize];
        let op = &mut part.ops[open.place as usize];
        if ret == FOREVER {
            // A read that never returned promised nothing and, as it changes no state, may be taken
            // not to have happened.
            let call = self.tables.call(&class);
            if spec.is_read(&call) {
                op.class = FAILED;
                return spec.check(&call).map_err(misfit);
            }
        }
        let known = part.classes.len();
        let number = part.classes.intern(&class);
        if part.classes.len() > known {
            spec.check(&self.tables.call(&class)).map_err(misfit)?;
        }
        op.ret = ret;
        op.class = number;
        Ok(())
    }

    /// All of a history.
    pub(crate) fn push_all(&mut self, history: &History) -> Result<(), CheckError> {
        history
            .events()
            .iter()
            .try_for_each(|event| self.push(event))
    }

    /// Ends the history: what is open stays so for ever. Then judges it.
    ///
    /// # Errors
    /// If an operation does not fit the specification.
    pub fn finish(self) -> Result<Report, CheckError> {
        let options = self.options.clone();
        judge(&self.close()?, &options, None)
    }

    /// As [`Intake::finish`], until the flag is set: then what is undecided is unknown.
    ///
    /// # Errors
    /// As [`Intake::finish`].
    pub fn finish_until(self, stop: &AtomicBool) -> Result<Report, CheckError> {
        let options = self.options.clone();
        judge(&self.close()?, &options, Some(stop))
    }

    /// Ends the history.
    pub(crate) fn close(mut self) -> Result<Taken, CheckError> {
        let mut open: Vec<Open> = self.open.drain().map(|(_, open)| open).collect();
        open.sort_unstable_by_key(|open| open.index);
        for open in open {
            self.complete(&open, FOREVER, NONE, open.index)?;
        }
        let spec = &*self.options.spec.0;
        for part in &mut self.parts {
            part.recorded = part.ops.len();
            part.ops.retain(|op| op.class != FAILED);
            let rules = Rules {
                spec,
                init: &self.options.init,
                tables: &self.tables,
            };
            part.registers = Registers::of(part, rules);
            if let Some(registers) = &part.registers {
                registers.drop_needless(&mut part.ops);
            }
            elements::drop_needless(part, rules);
        }
        Ok(Taken {
            tables: self.tables,
            parts: self.parts,
            failed: self.failed,
            operations: self.operations as usize,
            base: self.base.unwrap_or(0),
        })
    }
}

/// Everything of a history that a verdict needs.
pub(crate) struct Taken {
    pub(crate) tables: Tables,
    pub(crate) parts: Vec<Part>,
    /// Of transactions: those that failed, which did not happen but may have been seen.
    pub(crate) failed: Vec<Op>,
    pub(crate) operations: usize,
    /// The event index of time 0.
    pub(crate) base: u64,
}

fn intern_value(tables: &mut Tables, value: &Value) -> u32 {
    tables.values.intern_with(value, || value.clone())
}
