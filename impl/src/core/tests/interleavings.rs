//! Any interleaving at all.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Deliver(usize),
    Repeat(usize),
    Lose(usize),
    Persist(u64),
    Election(u64),
    Heartbeat(u64),
    Change(u64, u64, u64),
    Stickiness(u64),
    Transfer(u64, u64),
    Propose(u64),
    Snapshot(u64),
    Read(u64),
    Crash(u64),
}

fn act(n: u64) -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => any::<usize>().prop_map(Act::Deliver),
        2 => any::<usize>().prop_map(Act::Repeat),
        1 => any::<usize>().prop_map(Act::Lose),
        10 => (1..=n).prop_map(Act::Persist),
        2 => (1..=n).prop_map(Act::Election),
        2 => (1..=n).prop_map(Act::Heartbeat),
        1 => (1..=n, 1..32u64, 0..32u64).prop_map(|(id, v, l)| Act::Change(id, v, l)),
        4 => (1..=n).prop_map(Act::Stickiness),
        1 => (1..=n, 1..=n).prop_map(|(id, to)| Act::Transfer(id, to)),
        3 => (1..=n).prop_map(Act::Propose),
        1 => (1..=n).prop_map(Act::Snapshot),
        1 => (1..=n).prop_map(Act::Read),
        1 => (1..=n).prop_map(Act::Crash),
    ]
}

fn run(world: &mut World, acts: Vec<Act>) {
    for act in acts {
        let size = world.pile.len();
        match act {
            Act::Deliver(i) if size > 0 => {
                let envelope = world.pile.swap_remove(i % size);
                world.step(envelope.to.0, Input::Receive(envelope));
            }
            Act::Repeat(i) if size > 0 => {
                let envelope = world.pile[i % size].clone();
                world.step(envelope.to.0, Input::Receive(envelope));
            }
            Act::Lose(i) if size > 0 => drop(world.pile.swap_remove(i % size)),
            Act::Deliver(_) | Act::Repeat(_) | Act::Lose(_) => {}
            Act::Persist(id) => drop(world.persist(id)),
            Act::Election(id) => world.step(id, Input::TimerFired(Timer::Election)),
            Act::Heartbeat(id) => world.step(id, Input::TimerFired(Timer::Heartbeat)),
            Act::Change(id, voters, learners) => {
                let n = world.servers.len() as u64;
                let of = |bits: u64| -> Vec<u64> {
                    (1..=n).filter(|id| bits >> (id - 1) & 1 == 1).collect()
                };
                // Half of the wishes are for learners only, as promotions need them.
                let voters = of(voters);
                let voters = (learners % 2 == 0).then_some(&voters[..]);
                world.change(id, voters, &of(learners));
            }
            Act::Stickiness(id) => world.step(id, Input::TimerFired(Timer::Stickiness)),
            Act::Transfer(id, to) => drop(world.transfer(id, to)),
            Act::Propose(id) => drop(world.propose(id, "c")),
            Act::Snapshot(id) => world.take_snapshot(id),
            Act::Read(id) => drop(world.read(id)),
            Act::Crash(id) => world.crash(id),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Safety is checked at every step of `World`; afterwards the cluster must be able to go on.
    #[test]
    fn any_interleaving_keeps_the_invariants_and_heals(
        n in prop_oneof![Just(3u64), Just(5u64)],
        acts in proptest::collection::vec(act(3), 0..400),
        (pre_vote, check_quorum, stickiness) in any::<(bool, bool, bool)>(),
    ) {
        let switches = Switches { pre_vote, check_quorum, stickiness };
        let mut world = World::with(n, switches);
        run(&mut world, acts);
        let all: Vec<u64> = (1..=n).collect();
        world.settle(&all);
        let mut leader = None;
        for _ in 0..5 {
            // Terms meet; leaders that nobody follows find out; transfers that failed are given up.
            for id in &all {
                world.step(*id, Input::TimerFired(Timer::Heartbeat));
                if world.at(*id).node.role_kind() == RoleKind::Leader {
                    world.step(*id, Input::TimerFired(Timer::Election));
                }
            }
            world.settle(&all);
            let leads = |id: &u64| world.servers[*id as usize - 1].node.role_kind() == RoleKind::Leader;
            leader = all.iter().copied().find(leads);
            if leader.is_some() {
                break;
            }
            // Whoever has the most complete log can win.
            let voter = |id: &u64| world.servers[*id as usize - 1].node.may_stand();
            let best = all.iter().copied().filter(voter).max_by_key(|id| {
                let log = world.servers[*id as usize - 1].node.log();
                (log.last_term(), log.last_index(), *id)
            }).unwrap();
            world.forget_leaders(&all);
            world.step(best, Input::TimerFired(Timer::Election));
            world.settle(&all);
        }
        prop_assert!(leader.is_some(), "nobody leads");
        let best = leader.unwrap_or_default();
        world.propose(best, "last");
        world.settle(&all);
        world.step(best, Input::TimerFired(Timer::Heartbeat));
        world.settle(&all);
        world.step(best, Input::TimerFired(Timer::Heartbeat));
        world.settle(&all);
        for NodeId(id) in world.at(best).node.membership().members() {
            prop_assert_eq!(world.commands(id).last().cloned(), Some(Bytes::from_static(b"last")));
        }
    }
}
