//! The last moment at which all orders agree. Where a violation rests on much that went before (a balance is what all
//! transfers left), few operations fail by themselves; but few fail after a moment at which the object's state is
//! sure.
//!
//! All orders are followed at once, completion by completion, as configurations: which of the open operations have
//! taken effect, and the state. An operation takes effect no sooner than something that completes needs it: what one
//! configuration can become by an open operation need not be kept beside it, as it can still become it.

use plumb_histories::Value;

use crate::Limit;
use crate::budget::Meter;
use crate::hash::FastSet;
use crate::linear::Rules;
use crate::part::{Op, Part};
use crate::spec::{DEAD, Machine};

/// More configurations at once are not followed.
const MOST: usize = 20_000;
/// Nor more operations that are open at once.
const OPEN: usize = 64;

/// A history's end, from a moment on at which its state is sure.
pub(super) struct Window {
    /// What was left to do.
    pub(super) part: Part,
    /// The state.
    pub(super) state: Value,
    /// The place, in the whole part, of the operation whose completion made it sure.
    pub(super) since: u32,
}

/// Which of the open operations have taken effect, as a set of slots; and the state.
type Config = (u64, u32);

struct Follower<'a> {
    ops: &'a [Op],
    machine: &'a mut dyn Machine,
    /// By slot, the place of an open operation.
    open: Vec<Option<u32>>,
    configs: Vec<Config>,
}

/// The last moment at which there was one configuration; `None` if there was none after the beginning, or that took
/// too much.
pub(super) fn last_sure(
    part: &Part,
    rules: Rules<'_>,
    meter: &mut Meter<'_>,
) -> Result<Option<Window>, Limit> {
    let mut machine = part.machine(rules.spec, rules.init, rules.tables);
    let mut follower = Follower {
        ops: &part.ops,
        configs: vec![(0, machine.init())],
        machine: &mut *machine,
        open: Vec::new(),
    };
    let mut sure: Option<(u32, u32, Vec<u32>)> = None;
    for (place, is_call) in events(part) {
        if is_call {
            if !follower.call(place) {
                return Ok(None);
            }
            continue;
        }
        if !follower.ret(place, meter)? {
            return Ok(None);
        }
        match follower.configs[..] {
            [] => break,
            [(taken, state)] => sure = Some((place, state, follower.left(taken))),
            _ => {}
        }
    }
    let Some((since, state, left)) = sure else {
        return Ok(None);
    };
    let state = machine.show(state);
    let same = rules.spec.check_init(&state).is_ok() && rules.spec.show_init(&state) == state;
    let after = |place: &u32| {
        let op = part.ops[*place as usize];
        op.call > part.ops[since as usize].ret || left.contains(place)
    };
    let places: Vec<u32> = (0..).take(part.ops.len()).filter(after).collect();
    Ok(same.then(|| Window {
        part: part.cut(&places),
        state,
        since,
    }))
}

/// Invocations and completions in order: of which operation, and whether it is an invocation.
fn events(part: &Part) -> Vec<(u32, bool)> {
    let mut events: Vec<(u32, u32, bool)> = Vec::with_capacity(2 * part.ops.len());
    for (place, op) in (0u32..).zip(&part.ops) {
        events.push((op.call, place, true));
        if op.is_certain() {
            events.push((op.ret, place, false));
        }
    }
    events.sort_unstable();
    let events = events.into_iter();
    events.map(|(_, place, call)| (place, call)).collect()
}

impl Follower<'_> {
    /// False if there are too many.
    fn call(&mut self, place: u32) -> bool {
        if let Some(free) = self.open.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(place);
        } else {
            self.open.push(Some(place));
        }
        self.open.len() <= OPEN
    }

    /// Open operations that a configuration has not taken yet.
    fn left(&self, taken: u64) -> Vec<u32> {
        let open = self.open.iter().enumerate();
        let left = open.filter(|(slot, _)| taken & (1 << slot) == 0);
        left.filter_map(|(_, place)| *place).collect()
    }

    /// An operation completes: it has taken effect. False if there are too many configurations.
    fn ret(&mut self, place: u32, meter: &mut Meter<'_>) -> Result<bool, Limit> {
        let found = self.open.iter().position(|slot| *slot == Some(place));
        let slot = found.expect("what completes was invoked");
        let class = self.ops[place as usize].class;
        let mut seen: FastSet<Config> = FastSet::default();
        let mut next: FastSet<Config> = FastSet::default();
        let mut todo: Vec<Config> = Vec::new();
        for (taken, state) in &self.configs {
            if taken & (1 << slot) != 0 {
                next.insert((taken & !(1 << slot), *state));
            } else if seen.insert((*taken, *state)) {
                todo.push((*taken, *state));
            }
        }
        while let Some((taken, state)) = todo.pop() {
            meter.pass(1 + self.open.len() / 4)?;
            let now = self.machine.step(state, class);
            if now != DEAD {
                next.insert((taken, now));
            }
            for (other, op) in self.open.iter().enumerate() {
                let Some(op) = op else { continue };
                if other == slot || taken & (1 << other) != 0 {
                    continue;
                }
                let then = self.machine.step(state, self.ops[*op as usize].class);
                let config = (taken | 1 << other, then);
                if then != DEAD && seen.insert(config) {
                    todo.push(config);
                }
            }
            if seen.len() > MOST || next.len() > MOST {
                return Ok(false);
            }
        }
        self.open[slot] = None;
        self.configs = next.iter().copied().collect();
        self.configs.sort_unstable();
        self.drop_needless(&next);
        Ok(true)
    }

    /// Drops what another can still become.
    fn drop_needless(&mut self, all: &FastSet<Config>) {
        // By what was taken: the states.
        let by_taken = std::mem::take(&mut self.configs);
        let with = |taken: u64| {
            let from = by_taken.partition_point(|config| config.0 < taken);
            by_taken[from..]
                .iter()
                .take_while(move |one| one.0 == taken)
        };
        debug_assert_eq!(by_taken.len(), all.len());
        let mut kept = Vec::with_capacity(by_taken.len());
        for (taken, state) in &by_taken {
            let mut needless = false;
            for (slot, op) in self.open.iter().enumerate() {
                let Some(op) = op else { continue };
                if taken & (1 << slot) == 0 {
                    continue;
                }
                let class = self.ops[*op as usize].class;
                let machine = &mut self.machine;
                needless = with(taken & !(1 << slot))
                    .any(|(_, before)| machine.step(*before, class) == *state);
                if needless {
                    break;
                }
            }
            if !needless {
                kept.push((*taken, *state));
            }
        }
        self.configs = kept;
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a helper that fails is a test that fails"
    )]

    use super::*;
    use crate::budget::Shared;
    use crate::families::{Family, Lie, Object};
    use crate::intake::{Intake, Taken};
    use crate::linear::{Outcome, decide};
    use crate::part::FOREVER;
    use crate::{Budget, Options, Spec};

    fn taken(family: &Family) -> (Taken, Options) {
        let spec = Spec::by_name(family.spec()).unwrap();
        let options = Options::new(spec).with_init(family.init());
        let mut intake = Intake::new(&options).unwrap();
        family.events(|event| intake.push(&event).unwrap());
        (intake.close().unwrap(), options)
    }

    fn holds(part: &Part, rules: Rules<'_>) -> bool {
        let shared = Shared::new(Budget::steps(10_000_000), None);
        match decide(part, rules, &mut shared.meter()).1 {
            Outcome::Valid(_) => true,
            Outcome::Violation(_) => false,
            Outcome::Unknown(why) => panic!("{why}"),
        }
    }

    /// A beginning of the part; what completes later has not yet.
    fn beginning(part: &Part, until: u32) -> Part {
        let places: Vec<u32> = (0..).take(part.ops.len()).collect();
        let mut cut = part.cut(&places);
        cut.ops.retain(|op| op.call < until);
        for op in &mut cut.ops {
            if op.ret > until {
                op.ret = FOREVER;
            }
        }
        cut
    }

    /// From the moment on at which all orders agree, a history goes on as well as it does from its beginning.
    #[test]
    fn what_is_left_is_judged_as_the_whole() {
        let (mut windows, mut violated) = (0, 0);
        for (object, clients) in [
            (Object::Bank { accounts: 3 }, 3),
            (Object::Bank { accounts: 3 }, 5),
            (Object::MultiRegister { registers: 2 }, 3),
            (Object::CasRegister, 3),
        ] {
            for seed in 0..12 {
                let lie = [Lie::None, Lie::Late][usize::from(seed % 2 == 1)];
                let family = Family {
                    object,
                    lie,
                    seed,
                    values: 3,
                    ..Family::register(40, clients)
                };
                let (taken, options) = taken(&family);
                let rules = Rules {
                    spec: &*options.spec.0,
                    init: &options.init,
                    tables: &taken.tables,
                };
                let whole = &taken.parts[0];
                let whole_holds = holds(&beginning(whole, FOREVER - 1), rules);
                violated += usize::from(!whole_holds);
                // Moments in the middle are found in beginnings.
                for until in (6..80).step_by(6) {
                    let shared = Shared::new(Budget::default(), None);
                    let part = beginning(whole, until);
                    let window = last_sure(&part, rules, &mut shared.meter()).unwrap();
                    let Some(window) = window else { continue };
                    windows += 1;
                    // The same moment of the whole: what was open is left with its completion.
                    let since = part.ops[window.since as usize];
                    let left = |op: &Op| {
                        let left = &window.part.ops;
                        op.call > since.ret || left.iter().any(|left| left.number == op.number)
                    };
                    let mut rest = beginning(whole, FOREVER - 1);
                    rest.ops.retain(left);
                    let after = Rules {
                        init: &window.state,
                        ..rules
                    };
                    let failed_before = !holds(&part, rules) && whole_holds;
                    assert!(!failed_before, "{family:?}");
                    assert_eq!(holds(&rest, after), whole_holds, "{family:?} until {until}");
                }
            }
        }
        assert!(windows > 100 && violated > 5, "{windows} {violated}");
    }
}
