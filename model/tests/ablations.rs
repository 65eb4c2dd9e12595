//! The exam: every rule that is removed breaks the property that rests on it, in the fewest steps,
//! and with the rule in place nothing breaks in the same bounds.

use std::sync::atomic::AtomicBool;

use plumb_model::{
    Ablation, Ablations, Claims, Counterexample, Exam, Limits, Properties, Property, Scope,
    Verdict, check, exam, exams,
};

fn story(exam: &Exam, scope: &Scope, threads: usize) -> Counterexample {
    let limits = Limits {
        threads,
        ..Limits::default()
    };
    let stop = AtomicBool::new(false);
    let outcome = check(scope, exam.ablations(), &limits, &mut |_| {}, &stop).expect("fits");
    match outcome.verdict {
        Verdict::Violation(story) => *story,
        verdict => panic!("{}: {verdict:?}", exam.ablation),
    }
}

#[test]
fn every_ablation_breaks_the_property_that_rests_on_its_rule() {
    for exam in exams() {
        let story = story(&exam, &exam.scope(), 1);
        assert_eq!(story.property, exam.breaks.name(), "{}", exam.ablation);
        assert_eq!(story.steps.len(), exam.steps, "{}", exam.ablation);
    }
}

#[test]
fn every_ablation_is_found_by_a_name_of_plain_words() {
    for ablation in Ablation::ALL {
        let name = ablation.name();
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
            "{name}"
        );
        assert_eq!(Ablation::by_name(name), Some(ablation));
    }
}

#[test]
fn with_all_rules_in_place_nothing_breaks_in_the_same_bounds() {
    for exam in exams() {
        let scope = Scope {
            properties: Properties::ALL.and(exam.breaks),
            claims: Claims::NONE,
            ..exam.scope()
        };
        let limits = Limits {
            threads: 2,
            ..Limits::default()
        };
        let stop = AtomicBool::new(false);
        let outcome = check(&scope, Ablations::NONE, &limits, &mut |_| {}, &stop).unwrap();
        assert_eq!(outcome.verdict, Verdict::Exhausted, "{}", exam.ablation);
    }
}

#[test]
fn every_property_of_figure_3_is_broken_by_some_ablation() {
    for property in &Property::ALL[..5] {
        assert!(
            exams().any(|exam| exam.breaks == *property),
            "{property} is never broken"
        );
    }
}

#[test]
fn promises_that_outrun_the_disk_are_seen_before_they_do_harm() {
    for ablation in [
        Ablation::GrantBeforePersist,
        Ablation::OwnVoteBeforePersist,
        Ablation::AckBeforePersist,
        Ablation::OwnCopyBeforePersist,
    ] {
        let exam = exam(ablation);
        let scope = Scope {
            properties: Properties::only(Property::DurablePromises),
            ..exam.scope()
        };
        let story = story(&exam, &scope, 1);
        assert!(
            story.steps.len() < exam.steps,
            "{ablation}: {} steps",
            story.steps.len()
        );
    }
}

#[test]
fn two_changes_at_once_are_seen_before_they_do_harm() {
    let exam = exam(Ablation::TwoChanges);
    for property in [Property::OneChangeAtATime, Property::ConfigurationSafety] {
        let scope = Scope {
            properties: Properties::only(property),
            ..exam.scope()
        };
        let story = story(&exam, &scope, 1);
        assert!(story.steps.len() <= exam.steps, "{}", story.steps.len());
    }
}

#[test]
fn several_threads_and_no_symmetry_tell_a_story_of_the_same_length() {
    for ablation in [
        Ablation::TwoVotes,
        Ablation::AckBeforePersist,
        Ablation::AlwaysTruncate,
    ] {
        let exam = exam(ablation);
        let named = Scope {
            symmetry: false,
            ..exam.scope()
        };
        assert_eq!(
            story(&exam, &exam.scope(), 2),
            story(&exam, &exam.scope(), 1)
        );
        assert_eq!(story(&exam, &named, 2).steps.len(), exam.steps);
    }
}

/// Run with `BLESS=1` to write the transcript anew.
#[test]
fn the_story_of_a_lost_vote_reads_as_committed() {
    let exam = exam(Ablation::GrantBeforePersist);
    let told = story(&exam, &exam.scope(), 1).to_string();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/transcripts/grant-before-persist.txt"
    );
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(path).unwrap());
}
