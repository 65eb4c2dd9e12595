//! Quorum arithmetic. It knows nothing of logs, terms or time.

use std::collections::BTreeSet;

use crate::types::{Membership, NodeId};

/// Whether the servers that said yes are a majority of the voters. Votes of others don't count.
#[must_use]
pub fn is_quorum(voters: &BTreeSet<NodeId>, yes: impl Fn(NodeId) -> bool) -> bool {
    let count = voters.iter().filter(|id| yes(**id)).count();
    count > voters.len() / 2
}

/// The greatest value that a majority of the voters has reached; `None` without voters.
pub fn reached_by_quorum<T: Ord + Copy>(
    voters: &BTreeSet<NodeId>,
    value_of: impl Fn(NodeId) -> T,
) -> Option<T> {
    // As many voters as clusters have need no allocation: a leader asks this at every answer.
    let first = value_of(*voters.first()?);
    let mut few = [first; 8];
    let mut many = Vec::new();
    let values = if voters.len() <= few.len() {
        &mut few[..voters.len()]
    } else {
        many.resize(voters.len(), first);
        &mut many[..]
    };
    for (count, id) in voters.iter().enumerate() {
        // The greatest first. They are few.
        let (value, mut place) = (value_of(*id), count);
        while place > 0 && values[place - 1] < value {
            values[place] = values[place - 1];
            place -= 1;
        }
        values[place] = value;
    }
    values.get(voters.len() / 2).copied()
}

/// Whether a decision stands: in the joint phase it takes a majority of the old voters *and* one of
/// the new, never one of both together (§6).
#[must_use]
pub fn decides(membership: &Membership, yes: impl Fn(NodeId) -> bool) -> bool {
    is_quorum(&membership.voters, &yes)
        && (!membership.is_joint() || is_quorum(&membership.outgoing, &yes))
}

/// The greatest value that a deciding quorum has reached; `None` without voters.
pub fn reached<T: Ord + Copy>(
    membership: &Membership,
    value_of: impl Fn(NodeId) -> T,
) -> Option<T> {
    let new = reached_by_quorum(&membership.voters, &value_of)?;
    match reached_by_quorum(&membership.outgoing, &value_of) {
        None => Some(new),
        Some(old) => Some(new.min(old)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn voters(n: u64) -> BTreeSet<NodeId> {
        (1..=n).map(NodeId).collect()
    }

    #[test]
    fn a_majority_is_more_than_half() {
        for (n, needed) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
            assert!(
                is_quorum(&voters(n), |id| id.0 <= needed),
                "{needed} of {n}"
            );
            assert!(
                !is_quorum(&voters(n), |id| id.0 < needed),
                "{} of {n}",
                needed - 1
            );
        }
        assert!(!is_quorum(&voters(0), |_| true), "nobody is no quorum");
    }

    #[test]
    fn in_the_joint_phase_old_and_new_must_both_agree() {
        let joint = Membership {
            voters: [3, 4, 5].map(NodeId).into(),
            outgoing: [1, 2, 3].map(NodeId).into(),
            learners: [6].map(NodeId).into(),
            ..Membership::default()
        };
        let agree = |ids: &[u64]| decides(&joint, |id| ids.contains(&id.0));
        assert!(!agree(&[3, 4, 5, 6]), "all of the new, one of the old");
        assert!(!agree(&[1, 2, 3]), "all of the old, one of the new");
        assert!(!agree(&[1, 2, 4, 6]), "a majority of the union");
        assert!(agree(&[2, 3, 4]));
        assert_eq!(reached(&joint, |id| id.0), Some(2), "old reach 2, new 4");
    }

    proptest! {
        #[test]
        fn the_value_reached_is_the_greatest_with_a_quorum_behind_it(
            values in proptest::collection::vec(0u64..10, 1..20)
        ) {
            let voters = voters(values.len() as u64);
            let value_of = |id: NodeId| values[id.0 as usize - 1];
            let reached = reached_by_quorum(&voters, value_of).unwrap();
            prop_assert!(is_quorum(&voters, |id| value_of(id) >= reached));
            prop_assert!(!is_quorum(&voters, |id| value_of(id) > reached));
        }
    }
}
