//! The algorithms against each other on histories too long for trying every order.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use super::search::{Search, Searched, Use};
use super::{Rules, abstraction, wgl, zones};
use crate::budget::Shared;
use crate::families::{Family, Lie, Object};
use crate::intake::Intake;
use crate::{Budget, Limit, Options, Spec};

fn said(searched: Result<Searched, Limit>) -> Option<bool> {
    match searched {
        Ok(searched) => Some(matches!(searched, Searched::Valid(_))),
        Err(_) => None,
    }
}

/// What each algorithm says of each part; `None` where it does not apply or does not end.
fn verdicts(family: &Family) -> Vec<[Option<bool>; 6]> {
    let spec = Spec::by_name(family.spec()).unwrap();
    let options = Options::new(spec).with_init(family.init());
    let mut intake = Intake::new(&options).unwrap();
    family.events(|event| intake.push(&event).unwrap());
    let taken = intake.close().unwrap();
    let rules = Rules {
        spec: &*options.spec.0,
        init: &options.init,
        tables: &taken.tables,
    };
    let shared = Shared::new(Budget::steps(300_000), None);
    let mut all = Vec::new();
    for part in &taken.parts {
        let mut said_here = [None; 6];
        if let Some(registers) = &part.registers {
            if let Ok(Some(decided)) = zones::decide(part, registers, &mut shared.meter()) {
                said_here[0] = Some(matches!(decided, zones::Decided::Valid(_)));
            }
            let mut machine = registers.machine();
            let search = Search::new(part, &mut machine, Use::Once);
            said_here[1] = said(search.run(&mut shared.meter()));
            let relaxed = Search::new(part, &mut machine, Use::Often);
            let refuted = abstraction::refute(part, registers, &mut shared.meter());
            said_here[5] = refuted.ok().flatten().map(|_| false);
            // The relaxation's yes says nothing.
            said_here[2] = said(relaxed.run(&mut shared.meter())).filter(|valid| !valid);
        }
        let mut machine = part.machine(rules.spec, rules.init, rules.tables);
        let search = Search::new(part, &mut *machine, Use::Once);
        said_here[3] = said(search.run(&mut shared.meter()));
        let plain = wgl::explain(&part.ops, &mut *machine, &mut shared.meter());
        said_here[4] = plain.ok().map(|order| order.is_some());
        all.push(said_here);
    }
    all
}

#[test]
fn all_algorithms_that_end_say_the_same() {
    let objects = [
        Object::Register,
        Object::CasRegister,
        Object::KvAppend,
        Object::Bank { accounts: 3 },
        Object::MultiRegister { registers: 3 },
    ];
    let mut agreed = [[0; 2]; 6];
    for seed in 0..300 {
        let family = Family {
            object: objects[seed as usize % objects.len()],
            operations: 20 + seed % 80,
            clients: 2 + seed % 7,
            values: [0, 0, 3][seed as usize / 5 % 3],
            keys: 1 + seed % 2,
            indeterminate: [0, 5, 30][seed as usize / 15 % 3],
            lie: [Lie::None, Lie::Early, Lie::Late][seed as usize / 45 % 3],
            seed,
        };
        for said in verdicts(&family) {
            let sure: Vec<bool> = said.iter().flatten().copied().collect();
            assert!(
                sure.windows(2).all(|pair| pair[0] == pair[1]),
                "{family:?}: zones, search, relaxed, generic search, plain search, abstraction say {said:?}"
            );
            for (algorithm, said) in said.iter().enumerate() {
                if let Some(valid) = said {
                    agreed[algorithm][usize::from(*valid)] += 1;
                }
            }
        }
    }
    // Each has said both often enough to be worth comparing; the relaxation and the abstraction say no only.
    for (algorithm, [no, yes]) in agreed.into_iter().enumerate() {
        assert!(
            no >= 10 && (yes >= 50 || [2, 5].contains(&algorithm)),
            "{algorithm}: {agreed:?}"
        );
    }
}
