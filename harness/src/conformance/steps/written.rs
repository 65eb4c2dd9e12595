//! What a step writes: to its term and vote, to its log, and as a snapshot.

use std::sync::Arc;

use plumb_model::relation::{Change, Entries, Position};
use plumb_raft::core::{Effects, Snapshot, Write};
use plumb_raft::types::{Entry, HardState, Membership, Payload};

use super::given::Allowed;
use super::seen::Seen;

/// The writes of a step.
#[derive(Default)]
pub(super) struct Written<'a> {
    hard_state: Option<HardState>,
    pub(super) cut: Option<u64>,
    pub(super) added: Vec<&'a Entry>,
    snapshot: Option<(&'a Snapshot, u64)>,
}

impl<'a> Written<'a> {
    pub(super) fn of(effects: &'a Effects) -> Written<'a> {
        let mut written = Written::default();
        for write in effects.persist.iter().flat_map(|batch| &batch.writes) {
            match write {
                Write::HardState(state) => written.hard_state = Some(*state),
                Write::Truncate(from) => written.cut = Some(from.0),
                Write::Append(entries) => written.added.extend(entries),
                Write::Snapshot { snapshot, base } => {
                    written.snapshot = Some((snapshot, base.0.0));
                }
            }
        }
        written
    }

    /// The entry that a change of membership is completed by: one more than the rule appends, if there is one.
    pub(super) fn one_more(&self, change: &Change) -> Option<&'a Arc<Membership>> {
        let count = match change {
            Change::From(_, terms) => terms.len(),
            Change::Kept | Change::Replaced(_) => 0,
        };
        let last = self
            .added
            .last()
            .filter(|_| self.added.len() == count + 1)?;
        membership_of(last)
    }

    /// How the log differs from what the rule makes of it, but for one more entry if that is `completed`.
    pub(super) fn log_differs(
        &self,
        before: &Seen,
        change: &Change,
        completed: bool,
    ) -> Option<String> {
        let last = before.last.0;
        let (first, terms, cut) = match change {
            Change::Kept => (last.saturating_add(1), &[][..], None),
            Change::From(first, terms) => {
                let cut = (*first <= last && !terms.is_empty()).then_some(*first);
                (*first, &terms[..], cut)
            }
            Change::Replaced(upto) => {
                let cut = (*upto < last).then(|| upto.saturating_add(1));
                (upto.saturating_add(1), &[][..], cut)
            }
        };
        if self.cut != cut {
            return Some(format!(
                "the log is cut from {:?} on, not {cut:?}",
                self.cut
            ));
        }
        if self.added.len() != terms.len() + usize::from(completed) {
            return Some(format!(
                "{} entries are added, not {}",
                self.added.len(),
                terms.len()
            ));
        }
        let differs = (first..)
            .zip(&self.added)
            .zip(terms)
            .find(|((index, entry), term)| entry.index.0 != *index || entry.term.0 != **term);
        differs.map(|((index, entry), term)| {
            format!(
                "entry {} of term {} is added where one of term {term} belongs at {index}",
                entry.index, entry.term
            )
        })
    }

    /// How term and vote on the disk will differ from those in memory.
    pub(super) fn hard_state_differs(&self, was: Position, is: Position) -> Option<String> {
        let changed = (was.term, was.vote) != (is.term, is.vote);
        match self.hard_state {
            None if changed => Some("term and vote change, and are not written".to_owned()),
            Some(_) if !changed => {
                Some("term and vote are written, and have not changed".to_owned())
            }
            Some(state) => {
                let written = (state.current_term.0, state.voted_for.map(|id| id.0));
                (written != (is.term, is.vote))
                    .then(|| format!("what is written of term and vote is {written:?}"))
            }
            None => None,
        }
    }

    /// How the snapshot that is written differs from what the rule takes or brings.
    pub(super) fn snapshot_differs(
        &self,
        before: &Seen,
        allowed: &Allowed,
        effects: &Effects,
    ) -> Option<String> {
        let Some((due, due_term)) = allowed.snapshot else {
            let none = self.snapshot.is_none() && effects.restore.is_none();
            return (!none)
                .then(|| "a snapshot is written or restored that no rule brings".to_owned());
        };
        let Some((snapshot, base)) = self.snapshot else {
            return Some(format!("the snapshot at {due} is not written"));
        };
        let last = (snapshot.last_index.0, snapshot.last_term.0);
        if last != (due, due_term) {
            return Some(format!(
                "a snapshot at {last:?} is written, not at {:?}",
                (due, due_term)
            ));
        }
        if base > due {
            return Some(format!(
                "entries up to {base} go, and the snapshot stands for {due}"
            ));
        }
        // §7: a snapshot of one's own has the membership that was in force at its last entry.
        let own = effects.restore.is_none();
        let at = before.membership_at(due);
        (own && at.is_some_and(|it| *it != snapshot.membership))
            .then(|| format!("the snapshot at {due} has another membership than the log there"))
    }
}

/// How the membership in force differs from what the log speaks of: the latest entry that names one, committed or
/// not (§6).
pub(super) fn membership_differs(
    before: &Seen,
    after: &Seen,
    written: &Written<'_>,
    replaced: bool,
) -> Option<String> {
    let behind = written.cut.unwrap_or(u64::MAX);
    let kept = before.memberships.iter().rev().find(|(at, _)| *at < behind);
    let named = written
        .added
        .iter()
        .rev()
        .find_map(|entry| Some((entry.index.0, membership_of(entry)?)));
    let expected = match (named, replaced, written.snapshot) {
        (Some(named), ..) => Some(named),
        (None, true, Some((snapshot, _))) => Some((snapshot.last_index.0, &snapshot.membership)),
        _ => kept.map(|(at, membership)| (*at, membership)),
    };
    let found = after.memberships.last().map(|(at, it)| (*at, it));
    (expected != found).then(|| format!("the membership in force is {found:?}, not {expected:?}"))
}

/// How what is handed out to be applied differs from what became committed.
pub(super) fn applied_differs(
    before: &Seen,
    after: &Seen,
    log: &impl Entries,
    effects: &Effects,
) -> Option<String> {
    let restored = effects.restore.as_ref().map_or(0, |it| it.last_index.0);
    if restored > 0 && restored != after.snapshot.0 {
        return Some(format!("a snapshot at {restored} is restored"));
    }
    let first = before.commit.max(restored).saturating_add(1);
    let due = (after.commit + 1).saturating_sub(first);
    let differs = effects.apply.len() as u64 != due
        || (first..).zip(&effects.apply).any(|(index, entry)| {
            entry.index.0 != index || log.term_at(index) != Some(entry.term.0)
        });
    differs.then(|| {
        let given: Vec<u64> = effects.apply.iter().map(|entry| entry.index.0).collect();
        format!(
            "entries {given:?} are applied, and {first} to {} are due",
            after.commit
        )
    })
}

fn membership_of(entry: &Entry) -> Option<&Arc<Membership>> {
    match &entry.payload {
        Payload::Membership(membership) => Some(membership),
        Payload::Noop | Payload::Command(_) => None,
    }
}
