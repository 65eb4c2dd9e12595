//! The plain search of Wing and Gong with Lowe's memory of (set placed, state), without any of the
//! shortcuts of [`search`](super::search): slow and simple. It is the second opinion on a violation,
//! and takes the specification's own transitions.

use crate::Limit;
use crate::budget::Meter;
use crate::hash::FastSet;
use crate::part::{FOREVER, Op};
use crate::spec::{DEAD, Machine};

/// Whether no order explains the certain ones among the operations even if each of the others could take effect any
/// number of times. If so, none does; if not, that says nothing.
pub(crate) fn refutes(
    ops: &[Op],
    machine: &mut dyn Machine,
    meter: &mut Meter<'_>,
) -> Result<bool, Limit> {
    let certain: Vec<&Op> = ops.iter().filter(|op| op.is_certain()).collect();
    if certain.len() > 64 {
        return Ok(false);
    }
    // Of equal ones, the first to be invoked.
    let mut free: Vec<&Op> = ops.iter().filter(|op| !op.is_certain()).collect();
    free.sort_by_key(|op| (op.class, op.call));
    free.dedup_by_key(|op| op.class);
    let mut seen: FastSet<(u64, u32)> = FastSet::default();
    let mut todo = vec![(0u64, machine.init())];
    while let Some((placed, state)) = todo.pop() {
        let open = |at: usize| placed >> at & 1 == 0;
        let left = certain.iter().enumerate().filter(|(at, _)| open(*at));
        let Some(first_return) = left.clone().map(|(_, op)| op.ret).min() else {
            return Ok(false);
        };
        meter.pass(1 + (certain.len() + free.len()) / 8)?;
        let choices = left.map(|(at, op)| (placed | 1 << at, op));
        for (placed, op) in choices.chain(free.iter().map(|op| (placed, op))) {
            if op.call < first_return {
                let after = machine.step(state, op.class);
                if after != DEAD && seen.insert((placed, after)) {
                    todo.push((placed, after));
                }
            }
        }
        meter.hold(seen.len() * 32)?;
    }
    Ok(true)
}

/// An order that explains the operations, as places; `None` if there is none.
pub(crate) fn explain(
    ops: &[Op],
    machine: &mut dyn Machine,
    meter: &mut Meter<'_>,
) -> Result<Option<Vec<u32>>, Limit> {
    let mut failed: FastSet<(Vec<u64>, u32)> = FastSet::default();
    let mut placed = vec![0u64; ops.len().div_ceil(64)];
    let mut state = machine.init();
    // What was placed, the state before, and where to go on looking.
    let mut order: Vec<(u32, u32)> = Vec::new();
    let mut from = 0;
    loop {
        let open = |op: usize| placed[op / 64] >> (op % 64) & 1 == 0;
        let first_return = (0..ops.len())
            .filter(|op| open(*op))
            .map(|op| ops[op].ret)
            .min()
            .unwrap_or(FOREVER);
        if first_return == FOREVER {
            return Ok(Some(order.into_iter().map(|(op, _)| op).collect()));
        }
        meter.pass(1 + ops.len() / 64)?;
        let next = (from..ops.len()).find_map(|op| {
            let may = open(op) && ops[op].call < first_return;
            let after = if may {
                machine.step(state, ops[op].class)
            } else {
                DEAD
            };
            (after != DEAD).then_some((op, after))
        });
        if let Some((op, after)) = next {
            placed[op / 64] |= 1 << (op % 64);
            order.push((u32::try_from(op).expect("operations fit 32 bits"), state));
            state = after;
            from = 0;
            meter.hold(failed.len() * (placed.len() * 8 + 48))?;
            if failed.insert((placed.clone(), state)) {
                continue;
            }
        }
        let Some((op, before)) = order.pop() else {
            return Ok(None);
        };
        placed[op as usize / 64] &= !(1 << (op % 64));
        state = before;
        from = op as usize + 1;
    }
}
