//! Terms, votes and leaders.

use plumb_raft::core::{Input, Message, RoleKind, Timer};
use plumb_raft::types::{LogIndex, NodeId, Term};

use super::cluster::{Cluster, letter};
use crate::invariants::judge::{Before, Cause};

fn vote_request(from: u64, to: u64, term: u64) -> Input {
    let message = Message::RequestVote {
        term: Term(term),
        last_log_index: LogIndex(0),
        last_log_term: Term(0),
        transfer: false,
    };
    letter(from, to, message)
}

fn heartbeat(from: u64, to: u64, term: u64) -> Input {
    let message = Message::AppendEntries {
        term: Term(term),
        prev_log_index: LogIndex(0),
        prev_log_term: Term(0),
        entries: Vec::new(),
        leader_commit: LogIndex(0),
        round: plumb_raft::core::Round(0),
    };
    letter(from, to, message)
}

#[test]
fn whoever_no_membership_names_a_voter_must_not_stand() {
    let mut honest = Cluster::led_by_n1(3);
    honest.stand(3);
    honest.holds();
    // Of four servers, which is what n4 goes by, the logs name three.
    let mut cluster = Cluster::led_by_n1(4);
    let named = honest.judge.server(NodeId(1)).memberships.clone();
    cluster.judge.server(NodeId(4)).memberships = named;
    cluster.stand(4);
    cluster.breaks("Only Voters Stand", "n4 stands for election");
}

#[test]
fn a_term_must_not_fall() {
    let before = Cluster::of(3);
    let mut cluster = Cluster::of(3);
    cluster.elect(1);
    let now = cluster.elsewhere();
    cluster.turn(2, &now);
    cluster.holds();
    cluster.turn(2, &before);
    cluster.breaks("Term Monotonicity", "n2 went back to term 0");
}

#[test]
fn a_term_must_not_rise_without_a_word() {
    let story = |told: Input| {
        let mut cluster = Cluster::of(3);
        cluster.act_as_if(2, &told, heartbeat(1, 2, 3));
        cluster
    };
    story(heartbeat(1, 2, 3)).holds();
    let words = "n2 is in term 3 and nobody told it so";
    story(Input::TimerFired(Timer::Heartbeat)).breaks("Terms Have A Cause", words);
    story(heartbeat(1, 2, 2)).breaks("Terms Have A Cause", words);
}

#[test]
fn whoever_is_told_of_a_term_follows_in_it() {
    let mut other = Cluster::with(3, |config| config.pre_vote = true);
    other.act(2, heartbeat(1, 2, 3));
    other.stand(2);
    assert_eq!(other.node(2).role_kind(), RoleKind::PreCandidate);
    let mut cluster = Cluster::of(3);
    let node = cluster.node(2).clone();
    cluster.judge.before_step(&node, &heartbeat(1, 2, 3));
    let at_ns = cluster.at_ns();
    let effects = plumb_raft::core::Effects::default();
    cluster.judge.after_step(at_ns, other.node(2), &effects);
    cluster.breaks("Terms Have A Cause", "n2 is in term 3");
}

#[test]
fn a_vote_lasts_as_long_as_its_term() {
    let mut voted = Cluster::of(3);
    voted.act(3, vote_request(1, 3, 1));
    let mut other = Cluster::of(3);
    other.act(3, vote_request(2, 3, 1));
    let mut none = Cluster::of(3);
    none.act(3, heartbeat(2, 3, 1));
    voted.act(3, vote_request(2, 3, 1));
    voted.holds();
    for instead in [other, none] {
        let mut cluster = Cluster::of(3);
        cluster.act(3, vote_request(1, 3, 1));
        cluster.turn(3, &instead);
        cluster.breaks("One Vote A Term", "n3 changed its vote in term 1");
    }
}

#[test]
fn a_vote_is_for_whoever_has_as_much() {
    let story = |forgets: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        if forgets {
            cluster.swap(2, &Cluster::of(3));
        }
        cluster.act(2, vote_request(3, 2, 2));
        cluster
    };
    story(false).holds();
    let words = "n2, whose last entry is 1 of term 1, votes for n3, whose is 0 of term 0";
    story(true).breaks("Votes For Up-To-Date Logs", words);
}

#[test]
fn whoever_hears_its_leader_is_not_talked_out_of_it() {
    let story = |sticks: bool, after_ms: u64| {
        let mut cluster = Cluster::with(3, |config| config.stickiness = sticks);
        cluster.judge.expect_stickiness(100_000_000);
        for id in 1..=3 {
            cluster.act(id, Input::TimerFired(Timer::Stickiness));
        }
        cluster.elect(1);
        cluster.heartbeat(1);
        cluster.pass_ms(after_ms);
        cluster.stand(3);
        cluster.deliver();
        cluster
    };
    story(true, 50).holds();
    story(false, 100).holds();
    let words = "heard the leader of term 1 50 ms ago and takes up n3's election";
    story(false, 50).breaks("Leader Stickiness", words);
}

#[test]
fn a_term_has_one_leader() {
    let mut other = Cluster::led_by_n1(3);
    other.stand(2);
    let story = |second: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        cluster.elect(3);
        if second {
            cluster.swap(2, &other);
            let granted = Message::RequestVoteReply {
                term: Term(2),
                granted: true,
            };
            cluster.act(2, letter(1, 2, granted));
        }
        cluster
    };
    story(false).holds();
    story(true).breaks("Election Safety", "n3 and n2 both lead term 2");
}

#[test]
fn a_leader_has_the_votes_of_a_majority_on_its_disks() {
    let story = |written: bool| {
        let mut cluster = Cluster::of(3);
        cluster.stand(1);
        for envelope in cluster.take_mail(2) {
            let input = Input::Receive(envelope);
            if written {
                cluster.act(2, input);
            } else {
                cluster.act_unseen(2, input);
            }
        }
        cluster.take_mail(3);
        cluster.deliver_among(&[1, 2]);
        cluster
    };
    story(true).holds();
    let words = "n1 leads term 1 with the votes of n1, which are no majority";
    story(false).breaks("Elected By A Majority", words);
}

#[test]
fn a_leader_begins_with_an_entry_of_its_term() {
    let story = |last: (LogIndex, Term)| {
        let mut cluster = Cluster::of(3);
        cluster.stand(1);
        let candidate = Before::of(cluster.node(1), Cause::Inside);
        let mut other = cluster.elsewhere();
        other.deliver();
        cluster.deliver_among(&[2, 3]);
        for id in [2, 3] {
            cluster.act(id, vote_request(1, id, 1));
        }
        let leader = Before {
            last,
            ..Before::of(other.node(1), Cause::Inside)
        };
        let at_ns = cluster.at_ns();
        cluster
            .judge
            .leadership(at_ns, other.node(1), &candidate, &leader);
        cluster
    };
    story((LogIndex(1), Term(1))).holds();
    let words = "n1 begins to lead term 1 without an entry of it";
    story((LogIndex(0), Term(0))).breaks("A Leader Begins With An Entry", words);
}

#[test]
fn a_leader_has_all_that_was_committed() {
    let story = |forgets: bool| {
        let mut cluster = Cluster::led_by_n1(3);
        let mut before = cluster.elsewhere();
        before.stand(2);
        cluster.commit(1, "x");
        cluster.stand(2);
        if forgets {
            cluster.swap(2, &before);
        }
        for id in [3, 2] {
            for envelope in cluster.take_mail(id) {
                cluster.act(id, Input::Receive(envelope));
            }
        }
        assert_eq!(cluster.node(2).role_kind(), RoleKind::Leader);
        cluster
    };
    story(false).holds();
    let words = "n2, elected in term 2, lacks committed entry 2";
    story(true).breaks("Leader Completeness", words);
}

#[test]
fn a_leader_only_adds_to_its_log() {
    let mut cluster = Cluster::led_by_n1(3);
    let shorter = cluster.elsewhere();
    cluster.propose(1, "x");
    let same = cluster.elsewhere();
    cluster.turn(1, &same);
    cluster.holds();
    cluster.turn(1, &shorter);
    cluster.breaks("Leader Append-Only", "n1, leading term 1, lost its entry 2");
}

#[test]
fn a_leader_changes_no_entry() {
    // n2 leads term 2, and n1 again term 3.
    let again = |mut cluster: Cluster| {
        cluster.elect(2);
        cluster.elect(1);
        cluster
    };
    let mut other = Cluster::led_by_n1(3);
    other.commit(1, "x");
    let other = again(other);
    let mut cluster = again(Cluster::led_by_n1(3));
    cluster.holds();
    cluster.turn(1, &other);
    cluster.breaks("Leader Append-Only", "n1, leading term 3, lost its entry 3");
}
