//! Changes of membership: joint consensus (§6, dissertation §4.3), and by single servers (dissertation §4.1).

use super::reads::has_committed_in_its_term;
use super::{Change, Entries, Position, client_request, step_down};

/// A configuration that can be asked who decides.
pub trait Configuration {
    /// Who decides by majority; in the joint phase, the old voters. Each once, in ascending order.
    fn voters(&self) -> impl Iterator<Item = u64>;

    /// In the joint phase, the voters to be, who must agree by majority too; nobody otherwise. In ascending order.
    fn incoming(&self) -> impl Iterator<Item = u64>;
}

/// Whether it is of the joint phase.
#[must_use]
pub fn is_joint(config: &impl Configuration) -> bool {
    config.incoming().next().is_some()
}

/// Whether a server has a voice in it.
#[must_use]
pub fn has_voter(config: &impl Configuration, id: u64) -> bool {
    config.voters().chain(config.incoming()).any(|it| it == id)
}

/// §6: whether those that said yes decide: a majority of the voters, in the joint phase one of the old and one of
/// the new.
#[must_use]
pub fn decides(config: &impl Configuration, yes: impl Fn(u64) -> bool) -> bool {
    majority(config.voters(), &yes) && (!is_joint(config) || majority(config.incoming(), &yes))
}

fn majority(voters: impl Iterator<Item = u64>, yes: impl Fn(u64) -> bool) -> bool {
    let (mut all, mut agree) = (0_usize, 0_usize);
    for id in voters {
        all += 1;
        agree += usize::from(yes(id));
    }
    agree * 2 > all
}

/// §6: only voters stand for election. One that is about to be removed still may: the entry that removes it is not
/// committed, and the others may need what only its log holds (dissertation §4.2.2). `outgoing` is the
/// configuration before the one in force, if the latter is not known to be committed.
#[must_use]
pub fn may_stand<C: Configuration>(in_force: &C, outgoing: Option<&C>, me: u64) -> bool {
    has_voter(in_force, me) || outgoing.is_some_and(|config| has_voter(config, me))
}

/// Whether a leader may propose `next` where `now` is in force: into and out of the joint phase (§6), or with one
/// voter more or less (dissertation §4.1); learners come and go.
fn may_be_followed_by(now: &impl Configuration, next: &impl Configuration) -> bool {
    if is_joint(now) {
        !is_joint(next) && next.voters().eq(now.incoming())
    } else if is_joint(next) {
        next.voters().eq(now.voters())
    } else {
        let come = next.voters().filter(|id| !now.voters().any(|it| it == *id));
        let gone = now.voters().filter(|id| !next.voters().any(|it| it == *id));
        come.count() + gone.count() <= 1
    }
}

/// §6, dissertation §4.1: a leader appends a configuration that may follow the one in force, if that one, at
/// `stands_at`, is committed, and if the leader has committed an entry of its own term. `None` if it may not.
#[must_use]
pub fn change_configuration(
    before: Position,
    log: &impl Entries,
    (stands_at, in_force): (u64, &impl Configuration),
    next: &impl Configuration,
) -> Option<Change> {
    let committed = stands_at <= before.commit;
    (committed && has_committed_in_its_term(before, log) && may_be_followed_by(in_force, next))
        .then(|| client_request(before, log, 1))
        .flatten()
}

/// §6: a leader that the committed configuration does not have as a voter steps down. Until then it leads servers
/// without counting itself.
#[must_use]
pub fn leave_office(
    before: Position,
    (stands_at, in_force): (u64, &impl Configuration),
    me: u64,
) -> Option<Position> {
    let removed = stands_at <= before.commit && !has_voter(in_force, me);
    (before.leads() && removed).then(|| step_down(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voters and voters to be.
    struct Two(&'static [u64], &'static [u64]);

    impl Configuration for Two {
        fn voters(&self) -> impl Iterator<Item = u64> {
            self.0.iter().copied()
        }

        fn incoming(&self) -> impl Iterator<Item = u64> {
            self.1.iter().copied()
        }
    }

    #[test]
    fn a_joint_phase_ends_in_its_new_voters_and_begins_with_the_old() {
        let (old, new) = (&[1, 2, 3], &[3, 4, 5]);
        let joint = Two(old, new);
        assert!(may_be_followed_by(&joint, &Two(new, &[])));
        assert!(!may_be_followed_by(&joint, &Two(old, &[])));
        assert!(!may_be_followed_by(&joint, &Two(new, old)));
        assert!(may_be_followed_by(&Two(old, &[]), &joint));
        assert!(!may_be_followed_by(&Two(new, &[]), &joint));
    }

    #[test]
    fn without_a_joint_phase_one_voter_comes_or_goes() {
        let now = Two(&[1, 2, 3], &[]);
        for (voters, allowed) in [
            (&[1, 2, 3][..], true),
            (&[1, 2, 3, 4], true),
            (&[2, 3], true),
            (&[2, 3, 4], false),
            (&[3], false),
        ] {
            assert_eq!(may_be_followed_by(&now, &Two(voters, &[])), allowed);
        }
    }

    #[test]
    fn a_server_that_an_uncommitted_entry_removes_may_still_stand() {
        let (old, new) = (Two(&[1, 2], &[]), Two(&[2], &[]));
        assert!(may_stand(&new, Some(&old), 1));
        assert!(!may_stand(&new, None, 1));
        assert!(!may_stand(&new, Some(&old), 3));
    }
}
