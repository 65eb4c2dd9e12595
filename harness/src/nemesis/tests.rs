//! What seeds draw, and what nemeses do.

use super::*;
use std::collections::BTreeSet;

use crate::scenario::{FAULTS, FaultName, HAPPENINGS, Happening, Target, Unsynced};

#[test]
fn every_seed_draws_a_scenario_that_can_be_run_and_survives_its_file() {
    for seed in 0..2_000 {
        let scenario = generate(seed, Length::SHORT, Tier::Full);
        assert_eq!(scenario.check(), Ok(()), "seed {seed}");
        assert_eq!(
            serde_json::from_str::<Scenario>(&scenario.to_json()).unwrap(),
            scenario
        );
    }
}

#[test]
fn the_swarm_draws_every_kind_and_sometimes_none() {
    let all: Vec<Scenario> = (0..200)
        .map(|seed| generate(seed, Length::SHORT, Tier::Full))
        .collect();
    let any = |test: fn(&FaultKind) -> bool| {
        all.iter()
            .flat_map(|s| &s.faults)
            .any(|fault| test(&fault.what))
    };
    for kind in FAULTS {
        let mut faults = all.iter().flat_map(|s| &s.faults);
        let drawn = faults.find(|fault| fault.what.name() == *kind);
        let drawn = drawn.unwrap_or_else(|| panic!("{kind} is drawn by nobody"));
        assert_eq!(drawn.what.target().is_some(), kind.is_aimed(), "{kind}");
    }
    assert!(any(|f| matches!(
        f,
        FaultKind::PowerLoss {
            unsynced: Unsynced::Torn
        }
    )));
    assert!(any(|f| matches!(
        f,
        FaultKind::Crash {
            target: Target::Leader,
            ..
        }
    )));
    for event in HAPPENINGS {
        let faults = &mut all.iter().flat_map(|s| &s.faults);
        assert!(
            faults.any(|fault| fault.when.is_some_and(|anchor| anchor.event == event)),
            "{event:?}"
        );
    }
    assert!(all.iter().any(|s| s.faults.is_empty()));
}

const TIERS: [Tier; 2] = [Tier::Full, Tier::Bare];

fn nemesis(text: &str) -> Nemesis {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

/// A seed's scenario with what these do.
fn with(seed: u64, tier: Tier, texts: &[&str]) -> Scenario {
    let mut scenario = generate(seed, Length::SHORT, tier);
    let nemeses: Vec<Nemesis> = texts.iter().map(|text| nemesis(text)).collect();
    instead(&mut scenario, &nemeses);
    assert_eq!(scenario.check(), Ok(()), "{texts:?}, seed {seed}, {tier:?}");
    scenario
}

fn kinds(scenario: &Scenario) -> BTreeSet<FaultName> {
    scenario.faults.iter().map(|it| it.what.name()).collect()
}

#[test]
fn a_nemesis_is_the_same_as_text_and_as_an_object() {
    for text in [
        "none",
        "partition",
        "crash:every=500ms,from=1000ms,to=3000ms",
        "isolate+pause:every=20ms..900ms,for=10ms..200ms,at=leader",
        "reset+jump:at=n2,skip=3,share=30%",
        "one-way+links:flaps=15%",
        "membership:replaces=0.5%",
        "crash:at=subject,upon=any,waits=50%",
        "rot+lie:for=100ms,upon=voted+snapshot-saved",
    ] {
        let nemesis = nemesis(text);
        assert_eq!(nemesis.to_string(), text);
        let object = serde_json::to_string(&nemesis).unwrap();
        assert_eq!(serde_json::from_str::<Nemesis>(&object).unwrap(), nemesis);
    }
    assert_eq!(
        nemesis("pause:from=2s"),
        nemesis("pause:from=2000ms,every=1s")
    );
    for event in HAPPENINGS {
        let written = serde_json::to_value(event).unwrap();
        assert_eq!(written.as_str(), Some(event.text()));
    }
}

#[test]
fn a_slip_of_the_pen_is_told_with_what_there_is() {
    for (text, told) in [
        ("partitions", "there are partition, one-way, links"),
        ("", "there are partition"),
        ("crash+none", "there are partition"),
        ("none:every=1s", "no options"),
        ("crash:often", "name=value, with every, from"),
        ("crash:rate=3", "there are every, from"),
        ("crash:every=3", "500ms or 3s"),
        ("crash:every=2h", "500ms or 3s"),
        ("crash:every=9999999999999999999s", "500ms or 3s"),
        ("crash:every=0ms..3ms", "at least 1ms"),
        ("crash:every=3ms..2ms", "swapped"),
        ("crash:for=3ms..2ms", "swapped"),
        ("crash:from=3s,to=3s", "after from"),
        ("crash:share=101%", "such as 30%"),
        ("crash:share=3", "such as 30%"),
        ("crash:upon=lunch", "there are any, elected, deposed"),
        ("crash:waits=10%", "with upon"),
        ("crash:at=subject", "no subject"),
        ("crash:at=n0", "such as n2"),
        ("crash:skip=x", "such as 3"),
        ("partition:at=leader", "not aimed"),
        ("jump:for=1s", "no length"),
        ("transfer:upon=voted", "operator"),
        ("replace:upon=voted", "operator"),
    ] {
        let why = text.parse::<Nemesis>().expect_err(text);
        assert!(why.contains(told), "{text}: {why}");
    }
}

#[test]
fn of_each_kind_there_is_a_nemesis_that_does_nothing_else() {
    for (tier, kind) in TIERS
        .iter()
        .flat_map(|tier| FAULTS.iter().map(move |kind| (*tier, *kind)))
    {
        let mut seen = BTreeSet::new();
        for seed in 0..40 {
            let scenario = with(seed, tier, &[kind.text()]);
            assert_eq!(scenario, with(seed, tier, &[kind.text()]));
            seen.append(&mut kinds(&scenario));
        }
        let mut expected = BTreeSet::from([kind]);
        if kind == FaultName::Replace {
            // What an operator does with it.
            expected.extend([FaultName::Membership, FaultName::Noise]);
        }
        expected.retain(|kind| kind.is_in(tier));
        assert_eq!(seen, expected, "{tier:?}");
        assert_eq!(
            beyond(&[nemesis(kind.text())], tier).is_none(),
            kind.is_in(tier)
        );
    }
    for seed in 0..40 {
        let (drawn, none) = (
            generate(seed, Length::SHORT, Tier::Full),
            with(seed, Tier::Full, &["none"]),
        );
        let settings = Settings {
            first_voters: drawn.servers,
            ..drawn.settings.clone()
        };
        assert_eq!(
            none,
            Scenario {
                faults: Vec::new(),
                settings,
                ..drawn
            }
        );
    }
}

#[test]
fn nemeses_that_are_named_together_leave_each_other_alone() {
    let (crash, cut) = ("crash:every=300ms", "partition:every=400ms");
    for seed in 0..20 {
        let faults = |texts: &[&str]| with(seed, Tier::Bare, texts).faults;
        let (one, other, both) = (faults(&[crash]), faults(&[cut]), faults(&[cut, crash]));
        assert_eq!(both, [other, one.clone()].concat());
        let twice = faults(&[crash, crash]);
        assert!(twice.len() > one.len() && twice.starts_with(&one));
        assert_ne!(twice[one.len()..], one, "a second one draws for itself");
    }
    let first = |text| (0..20).map(move |seed| with(seed, Tier::Bare, &[text]).faults[0].at_ms);
    assert!(
        !first("crash").eq(first("pause")),
        "they would always strike together"
    );
}

#[test]
fn intensity_schedule_and_aim_are_what_was_asked_for() {
    let (mut most, mut all, mut struck) = (0, 0, 0);
    for seed in 0..100 {
        let often = with(
            seed,
            Tier::Bare,
            &["reset:every=100ms,from=1s,to=5s,at=leader"],
        );
        for fault in &often.faults {
            assert!((1_000..5_000).contains(&fault.at_ms), "{fault:?}");
            assert_eq!(fault.what.target(), Some(Target::Leader));
            assert_eq!(fault.when, None);
        }
        most = most.max(often.faults.len());
        all += often.faults.len();

        let aimed = "crash:at=subject,upon=voted+elected,skip=5,for=40ms..60ms";
        for fault in with(seed, Tier::Bare, &[aimed]).faults {
            assert_eq!(fault.what.target(), Some(Target::Subject));
            assert!((40..=60).contains(&fault.for_ms), "{fault:?}");
            let anchor = fault.when.expect("it waits");
            assert!([Happening::Voted, Happening::Elected].contains(&anchor.event));
            assert_eq!(anchor.skip, 5);
        }
        struck += usize::from(
            !with(seed, Tier::Bare, &["crash:share=30%"])
                .faults
                .is_empty(),
        );
    }
    // Forty in four seconds.
    assert!((3_700..4_300).contains(&all) && most < 70, "{all}, {most}");
    assert!((20..40).contains(&struck), "{struck}");
    let nobody = with(1, Tier::Bare, &["crash:at=n9"]);
    assert_eq!(nobody.faults, [], "there is no ninth server");
}

#[test]
fn where_clocks_jump_nothing_rests_on_them_and_members_change_with_pre_votes() {
    for seed in 0..40 {
        let jumps = with(seed, Tier::Bare, &["jump:every=200ms"]).settings;
        assert!(!jumps.stickiness && !jumps.leases);
        assert!(
            with(seed, Tier::Bare, &["membership:every=200ms"])
                .settings
                .pre_vote
        );
    }
}

/// Who is alone has nobody to be cut off from, but may be told to take snapshots.
#[test]
fn a_single_server_can_be_told_of_every_nemesis() {
    for (seed, name) in (1..).zip(FAULTS) {
        let mut scenario = generate(seed, Length::SHORT, Tier::Full);
        scenario.servers = 1;
        scenario.settings.first_voters = 1;
        scenario.settings.clock_ppm = vec![0];
        let nemesis: Nemesis = name.to_string().parse().expect("its name alone");
        instead(&mut scenario, &[nemesis]);
        if let Err(what) = scenario.check() {
            panic!("{name}: {what}");
        }
    }
}
