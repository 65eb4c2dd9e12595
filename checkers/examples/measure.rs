//! scratch
use plumb_checkers::families::*;
use plumb_checkers::*;
use std::time::{Duration, Instant};
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> Instant {
    Instant::now()
}
fn run(name: &str, family: Family, partition: bool) {
    let mut options = Options::new(Spec::by_name(family.spec()).unwrap()).with_init(family.init());
    options.partition = partition;
    options.jobs = 2;
    options.budget = Budget {
        steps: None,
        time: Some(Duration::from_secs(20)),
        memory: Some(3 << 30),
    };
    let t = now();
    let mut intake = Intake::new(&options).unwrap();
    family.events(|e| intake.push(&e).unwrap());
    let gen_time = t.elapsed();
    let t = now();
    let report = intake.finish().unwrap();
    let el = t.elapsed();
    let mem = report.parts.iter().map(|p| p.memory).max().unwrap_or(0);
    println!(
        "{name:50} {:9} {:?} check {:?} (intake+gen {:?}) steps {} mem {} MB {}",
        report.verdict.name(),
        report.algorithms(),
        el,
        gen_time,
        report.steps(),
        mem >> 20,
        if let Verdict::Unknown(r) = &report.verdict {
            r.to_string()
        } else {
            String::new()
        }
    );
}
fn shared(show: bool) {
    let folder = "/work/shared/data/histories/";
    let table = std::fs::read_to_string(format!("{folder}expected.tsv")).unwrap();
    let mut total = Duration::ZERO;
    for line in table.lines().skip(1) {
        let c: Vec<&str> = line.split('\t').collect();
        let history = plumb_histories::read(format!("{folder}{}", c[0])).unwrap();
        let options = Options::new(Spec::by_name(c[1]).unwrap())
            .with_init(serde_json::from_str(c[2]).unwrap());
        let mut best = Duration::MAX;
        let mut fast = Duration::MAX;
        let mut r = None;
        for _ in 0..5 {
            let t = now();
            r = Some(check(&history, &options).unwrap());
            best = best.min(t.elapsed());
        }
        let mut o2 = options.clone();
        o2.explain = false;
        for _ in 0..5 {
            let t = now();
            check(&history, &o2).unwrap();
            fast = fast.min(t.elapsed());
        }
        total += best;
        let r = r.unwrap();
        if fast > Duration::from_micros(100) || best > Duration::from_millis(2) {
            println!(
                "{} {} {best:?} unexplained {fast:?}",
                c[0],
                r.verdict.name()
            );
        }
        if let Verdict::Violation(v) = &r.verdict {
            if show {
                println!(
                    "{}: {v}\n minimal {} confirmed {} shortest {:?}",
                    c[0], v.minimal, v.confirmed, v.prefix
                );
            }
        }
    }
    println!("total {total:?}");
}
fn main() {
    let which = std::env::args().nth(1).unwrap_or_default();
    if which.starts_with("shared") {
        return shared(which == "shared+");
    }
    for lie in [Lie::None, Lie::Early, Lie::Late] {
        if "five".contains(&which) {
            for c in [5, 10, 20, 50, 100] {
                run(
                    &format!("register five values {c} x 10k {lie:?}"),
                    Family {
                        values: 5,
                        lie,
                        ..Family::register(10_000, c)
                    },
                    true,
                );
            }
        }
        if "distinct".contains(&which) {
            for c in [20, 50, 100] {
                run(
                    &format!("register distinct {c} x 10k {lie:?}"),
                    Family {
                        lie,
                        ..Family::register(10_000, c)
                    },
                    true,
                );
            }
        }
        if "info".contains(&which) {
            for v in [0, 5] {
                for o in [Object::Register, Object::CasRegister] {
                    run(
                        &format!("{o:?} half info 3000, {v} values, 10 clients {lie:?}"),
                        Family {
                            object: o,
                            values: v,
                            indeterminate: 50,
                            lie,
                            ..Family::register(3_000, 10)
                        },
                        true,
                    );
                }
            }
        }
        if "cas".contains(&which) {
            for c in [5, 10, 20, 50] {
                run(
                    &format!("cas-register five values {c} x 10k {lie:?}"),
                    Family {
                        object: Object::CasRegister,
                        values: 5,
                        lie,
                        ..Family::register(10_000, c)
                    },
                    true,
                );
                run(
                    &format!("cas-register distinct {c} x 10k {lie:?}"),
                    Family {
                        object: Object::CasRegister,
                        values: 0,
                        lie,
                        ..Family::register(10_000, c)
                    },
                    true,
                );
            }
        }
        if "bank".contains(&which) {
            for c in [5, 10, 20] {
                run(
                    &format!("bank 5 accounts 2500 {c} {lie:?}"),
                    Family {
                        object: Object::Bank { accounts: 5 },
                        lie,
                        ..Family::register(2_500, c)
                    },
                    true,
                );
            }
        }
        if "multi".contains(&which) {
            for v in [0, 5] {
                for c in [5, 10, 20] {
                    run(
                        &format!("multi-register {v} values 2500 {c} {lie:?}"),
                        Family {
                            object: Object::MultiRegister { registers: 5 },
                            values: v,
                            lie,
                            ..Family::register(2_500, c)
                        },
                        true,
                    );
                }
            }
        }
        if "kv".contains(&which) {
            for c in [10, 50] {
                run(
                    &format!("kv {c} x 7000, 10 keys {lie:?}"),
                    Family {
                        object: Object::KvAppend,
                        keys: 10,
                        lie,
                        ..Family::register(7_000, c)
                    },
                    true,
                );
                run(
                    &format!("kv unpartitioned {c} x 7000, 10 keys {lie:?}"),
                    Family {
                        object: Object::KvAppend,
                        keys: 10,
                        lie,
                        ..Family::register(7_000, c)
                    },
                    false,
                );
            }
        }
        if "txn".contains(&which) {
            for o in [Object::ListAppend, Object::RwRegister] {
                for c in [Consistency::StrictSerializable, Consistency::Serializable] {
                    for n in [10_000, 1_000_000] {
                        let family = Family {
                            object: o,
                            lie,
                            indeterminate: 2,
                            ..Family::register(n, 20)
                        };
                        let options =
                            Options::new(Spec::by_name(family.spec()).unwrap()).with_consistency(c);
                        let t = now();
                        let mut intake = Intake::new(&options).unwrap();
                        family.events(|e| intake.push(&e).unwrap());
                        let g = t.elapsed();
                        let t = now();
                        let r = intake.finish().unwrap();
                        println!(
                            "{o:?} {c:?} {n} {lie:?}: {} check {:?} intake+gen {g:?}",
                            r.verdict,
                            t.elapsed()
                        );
                    }
                }
            }
        }
        if "big".contains(&which) && lie == Lie::None {
            run(
                "register 10^7 distinct 32",
                Family::register(10_000_000, 32),
                true,
            );
            run(
                "kv 10^6 100 keys 5%",
                Family {
                    keys: 100,
                    indeterminate: 5,
                    ..Family::register(1_000_000, 32)
                },
                true,
            );
        }
    }
}
