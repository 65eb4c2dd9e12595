//! What an object is meant to do, one operation at a time. A specification says nothing of
//! concurrency: the algorithms bring that. One trait, and a registry of those that have names.

mod bank;
mod counter;
mod erased;
mod kv;
mod list_append;
mod multi_register;
mod mutex;
mod queue;
mod register;
mod set;
mod shapes;
mod unique_ids;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use plumb_histories::Value;

pub(crate) use erased::{DEAD, ErasedSpec, Machine};
pub(crate) use multi_register::{on_register, register_names};
pub(crate) use shapes::{Micro, micro};

use crate::CheckError;
use queue::Queue;

/// An operation as a specification sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The operation's name.
    pub f: &'a str,
    /// The object, where the history names one.
    pub key: Option<&'a Value>,
    /// The arguments: what the invocation carried.
    pub argument: &'a Value,
    /// The result: what the completion carried. `None` if nobody knows, because the operation never
    /// returned; a specification then lets the call take effect with whatever result it has.
    pub result: Option<&'a Value>,
}

/// A call on a register: an object whose state is the value last written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterCall<'a> {
    /// Returned this value.
    Read(&'a Value),
    /// Replaced whatever there was.
    Write(&'a Value),
    /// Replaced the first value by the second, and happened only if the first was there.
    Cas(&'a Value, &'a Value),
}

/// A call on a text that grows: `put` replaces it, `append` adds to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextCall<'a> {
    /// Returned this text; `None` if nobody knows.
    Get(Option<&'a str>),
    /// Replaced the text.
    Put(&'a str),
    /// Added to its end.
    Append(&'a str),
}

/// A call on a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetCall<'a> {
    /// Added this element.
    Add(&'a Value),
    /// Returned these elements, in any order.
    Read(&'a [Value]),
}

/// A call on a queue, a stack or a priority queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueCall<'a> {
    /// Put this element in.
    Put(&'a Value),
    /// Took this element out.
    Got(&'a Value),
    /// Found none.
    Empty,
    /// Took one out if there was one, and nobody knows which.
    Unknown,
}

/// Which element comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discipline {
    /// The oldest: a queue.
    #[default]
    Fifo,
    /// The newest: a stack.
    Lifo,
    /// The least by the order of values: a priority queue.
    Least,
}

/// A sequential specification: what one operation after the other may return.
///
/// ```
/// use plumb_checkers::{Call, Options, SequentialSpec, Spec, check};
/// use plumb_histories::{Header, Recorder, Value};
///
/// /// A bounded ticket counter: `take` returns the next number.
/// struct Tickets;
///
/// impl SequentialSpec for Tickets {
///     type State = i64;
///
///     fn name(&self) -> &str {
///         "tickets"
///     }
///     fn init(&self, _: &Value) -> Result<i64, String> {
///         Ok(0)
///     }
///     fn step(&self, next: &i64, call: &Call<'_>) -> Option<i64> {
///         // A `take` of unknown result took some number all the same.
///         call.result.is_none_or(|got| *got == Value::Int(*next)).then_some(next + 1)
///     }
/// }
///
/// let mut recorder = Recorder::new(Header::default());
/// recorder.invoke(0, 0, "take", None, Value::Null, None);
/// recorder.ok(1, 0, Value::Int(7));
/// let report = check(&recorder.finish(), &Options::new(Spec::custom(Tickets)))?;
/// assert!(report.verdict.is_violation());
/// # Ok::<(), plumb_checkers::CheckError>(())
/// ```
pub trait SequentialSpec: Send + Sync + 'static {
    /// What the object remembers. Equal states must behave alike for ever.
    type State: Clone + Eq + Hash + fmt::Debug + Send;

    /// The name for reports.
    fn name(&self) -> &str;

    /// The state before the first operation.
    ///
    /// # Errors
    /// What was expected, if the value has the wrong shape.
    fn init(&self, init: &Value) -> Result<Self::State, String>;

    /// The state after the call, or `None` if it cannot happen in this state with this result.
    /// It must be a function: same state, same call, same answer.
    fn step(&self, state: &Self::State, call: &Call<'_>) -> Option<Self::State>;

    /// Whether the call makes sense at all.
    ///
    /// # Errors
    /// What was expected, if the name or a value is not one that the specification knows.
    fn check(&self, _call: &Call<'_>) -> Result<(), String> {
        Ok(())
    }

    /// The independent object that the call concerns: a history is valid if and only if it is so for
    /// each object (linearizability is local: Herlihy and Wing 1990). The result is not known yet.
    fn partition<'a>(&self, call: &Call<'a>) -> Option<&'a Value> {
        call.key
    }

    /// A hint: the call never changes any state. Wrong hints make wrong verdicts; it is asserted.
    fn is_read(&self, _call: &Call<'_>) -> bool {
        false
    }

    /// A hint: the call is possible in every state and the state after it does not depend on the one
    /// before.
    fn is_write(&self, _call: &Call<'_>) -> bool {
        false
    }

    /// A hint: the object is a register as far as this call is concerned. If all calls on an object
    /// are, algorithms for registers apply.
    fn as_register<'a>(&self, _call: &Call<'a>) -> Option<RegisterCall<'a>> {
        None
    }

    /// A hint: the object is a text as far as this call is concerned. If all calls on an object are,
    /// and what they add can be told apart, a text that was read tells the order of what went before.
    fn as_text<'a>(&self, _call: &Call<'a>) -> Option<TextCall<'a>> {
        None
    }

    /// A hint: the object is a queue of this specification's [`discipline`](Self::discipline), shown as a list,
    /// as far as this call is concerned. If all calls on an object are, and its elements differ, no search is
    /// needed.
    fn as_queue<'a>(&self, _call: &Call<'a>) -> Option<QueueCall<'a>> {
        None
    }

    /// Which element comes out of what [`as_queue`](Self::as_queue) says is a queue.
    fn discipline(&self) -> Discipline {
        Discipline::default()
    }

    /// A hint: the object is a set, shown as a list, as far as this call is concerned. If all calls on an object
    /// are, nothing is removed, and no search is needed.
    fn as_set<'a>(&self, _call: &Call<'a>) -> Option<SetCall<'a>> {
        None
    }

    /// The state for people.
    fn show(&self, state: &Self::State) -> Value {
        Value::Str(format!("{state:?}"))
    }

    /// About how many bytes a state takes.
    fn weight(&self, _state: &Self::State) -> usize {
        size_of::<Self::State>()
    }
}

/// A specification to check against: one of those with a name, or your own.
#[derive(Clone)]
pub struct Spec(pub(crate) Arc<dyn ErasedSpec>);

type Maker = fn() -> Spec;

const SPECS: [(&str, Maker); 13] = [
    ("register", || Spec::custom(register::Register)),
    ("cas-register", || Spec::custom(register::CasRegister)),
    ("multi-register", || {
        Spec::custom(multi_register::MultiRegister)
    }),
    ("kv-append", || Spec::custom(kv::KvAppend)),
    ("mutex", || Spec::custom(mutex::Mutex)),
    ("fifo-queue", || Spec::custom(Queue(Discipline::Fifo))),
    ("stack", || Spec::custom(Queue(Discipline::Lifo))),
    ("priority-queue", || Spec::custom(Queue(Discipline::Least))),
    ("set", || Spec::custom(set::Set)),
    ("counter", || Spec::custom(counter::Counter)),
    ("list-append", || Spec::custom(list_append::ListAppend)),
    ("bank", || Spec::custom(bank::Bank)),
    ("unique-ids", || Spec::custom(unique_ids::UniqueIds)),
];

impl Spec {
    /// The specification of that name.
    ///
    /// # Errors
    /// With the names that exist, if it is none of them.
    pub fn by_name(name: &str) -> Result<Spec, CheckError> {
        SPECS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, make)| make())
            .ok_or_else(|| CheckError::NoSuchSpec {
                name: name.to_owned(),
                known: Spec::names(),
            })
    }

    /// The names that [`Spec::by_name`] knows.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        SPECS.iter().map(|(name, _)| *name).collect()
    }

    /// A specification of your own.
    #[must_use]
    pub fn custom(spec: impl SequentialSpec) -> Spec {
        Spec(Arc::new(spec))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spec({})", self.name())
    }
}
