//! What became of the servers, as beats of a tale: elections, crashes, starts, what logs lost.

use std::collections::BTreeMap;

use plumb_histories::browser::{MarkKind, ServerChange, ServerLanes, ServerRole};

use super::tale::{Beat, Weight, named};

/// A server as it stood before a change, and what the others were then.
struct Servers<'a> {
    lanes: &'a ServerLanes,
    now: Vec<Option<&'a ServerChange>>,
    /// The term of each entry that any of them knew to be committed, as that one had it.
    committed: BTreeMap<u64, Option<u64>>,
    /// Candidacies since somebody was elected.
    in_vain: usize,
}

/// The beats up to a moment.
pub(super) fn beats(lanes: &ServerLanes, until_ns: u64) -> Vec<Beat> {
    let mut servers = Servers {
        lanes,
        now: vec![None; lanes.servers.len()],
        committed: BTreeMap::new(),
        in_vain: 0,
    };
    let mut beats = Vec::new();
    for change in lanes.changes.iter().filter(|one| one.at_ns <= until_ns) {
        // Lanes of an older file may name a server that never did anything else.
        if change.server >= lanes.servers.len() {
            continue;
        }
        beats.extend(servers.take_in(change));
        servers.now[change.server] = Some(change);
        for index in servers.last_committed() + 1..=change.commit {
            servers.committed.insert(index, term_at(change, index));
        }
    }
    let marks = lanes.marks.iter().filter(|mark| mark.at_ns <= until_ns);
    beats.extend(marks.filter_map(|mark| {
        let name = lanes.servers.get(mark.server)?;
        let text = match mark.kind {
            MarkKind::Membership => format!("Another membership counts for {name}: {}.", mark.what),
            MarkKind::Snapshot | MarkKind::Restore => format!("{name} {}.", mark.what),
        };
        Some(Beat::new(mark.at_ns, Weight::Server, text))
    }));
    beats
}

impl Servers<'_> {
    fn name(&self, server: usize) -> &str {
        self.lanes.servers.get(server).map_or("?", String::as_str)
    }

    fn last_committed(&self) -> u64 {
        self.committed.last_key_value().map_or(0, |(last, _)| *last)
    }

    fn take_in(&mut self, change: &ServerChange) -> Vec<Beat> {
        let before = self.now[change.server];
        let was = before.map_or(ServerRole::Follower, |before| before.role);
        let beat = |weight, text| vec![Beat::new(change.at_ns, weight, text)];
        match (was, change.role) {
            (ServerRole::Down, ServerRole::Down) => Vec::new(),
            (ServerRole::Leader, ServerRole::Down) => beat(Weight::Turn, self.down(change, was)),
            (_, ServerRole::Down) => beat(Weight::Server, self.down(change, was)),
            (ServerRole::Down, _) => {
                let whole = before.and_then(|before| lost(before, change)).is_none();
                let weight = if whole { Weight::Server } else { Weight::Turn };
                beat(weight, self.back(change, before))
            }
            _ => self.while_it_runs(change, before, was),
        }
    }

    fn while_it_runs(
        &mut self,
        change: &ServerChange,
        before: Option<&ServerChange>,
        was: ServerRole,
    ) -> Vec<Beat> {
        let mut beats = Vec::new();
        let mut beat = |weight, text| beats.push(Beat::new(change.at_ns, weight, text));
        let name = self.name(change.server);
        if let Some(lost) = before.and_then(|before| lost(before, change)) {
            // Another entry at the same place may have been committed: that does no harm.
            let was_committed = |index: u64| {
                let term = before.and_then(|before| term_at(before, index));
                term.is_some() && self.committed.get(&index) == Some(&term)
            };
            let harm = match (lost.from..=lost.to)
                .filter(|index| was_committed(*index))
                .count()
            {
                0 => "",
                _ if lost.from == lost.to => ", which was committed",
                _ => ", of which some were committed",
            };
            beat(
                Weight::Turn,
                format!("{name} drops {}{harm}.", lost.words()),
            );
        }
        // Lanes with marks tell of snapshots themselves.
        let jumped = before.is_some_and(|before| first(change) > before.last + 1);
        if jumped && self.lanes.marks.is_empty() {
            let what = entries(1, first(change) - 1);
            let text = format!("{name} takes a snapshot of {what} for its own.");
            beat(Weight::Turn, text);
        }
        let newly =
            before.is_none_or(|before| before.term < change.term || before.role != change.role);
        match change.role {
            ServerRole::Leader if newly => {
                beat(Weight::Turn, self.elected(change));
                self.in_vain = 0;
            }
            ServerRole::Candidate if newly => {
                if was != ServerRole::Candidate {
                    beat(Weight::Detail, format!("{name} wants to be elected."));
                }
                let stands = before.is_none_or(|before| before.term < change.term);
                self.in_vain += usize::from(stands);
            }
            ServerRole::Follower if was == ServerRole::Leader => {
                let term = change.term;
                beat(
                    Weight::Server,
                    format!("{name} learns of term {term} and steps down."),
                );
            }
            _ => {}
        }
        let name = self.name(change.server);
        if change.role == ServerRole::Leader && change.commit > self.last_committed() {
            let what = entries(self.last_committed() + 1, change.commit);
            let text = format!("{name} holds {what} for committed.");
            beats.push(Beat::new(change.at_ns, Weight::Detail, text));
        }
        beats
    }

    fn elected(&self, change: &ServerChange) -> String {
        let name = self.name(change.server);
        let of_term = |server: &usize| {
            let seen = self.now[*server];
            *server != change.server
                && seen.is_some_and(|seen| {
                    seen.term == change.term && seen.vote == Some(change.server)
                })
        };
        let voters: Vec<&str> = (0..self.now.len())
            .filter(of_term)
            .map(|server| self.name(server))
            .collect();
        let votes = match voters.len() {
            0 => String::new(),
            1 => format!(", with the vote of {}", voters[0]),
            _ => format!(", with the votes of {}", named(&voters)),
        };
        // Its own is the last of them.
        let effort = match self.in_vain.saturating_sub(1) {
            0..3 => String::new(),
            times => format!("After {times} candidacies in vain "),
        };
        let mut text = format!(
            "{effort}{name} is elected leader of term {}{votes}",
            change.term
        );
        let log = match log_of(change) {
            words if change.last > 0 => format!("; its log has {words}."),
            _ => ".".to_owned(),
        };
        text.push_str(&log);
        for server in 0..self.now.len() {
            let Some(seen) = self.now[server].filter(|_| server != change.server) else {
                continue;
            };
            if seen.role == ServerRole::Leader {
                let also = if seen.term == change.term {
                    "as well"
                } else {
                    "still"
                };
                let other = self.name(server);
                text.push_str(&format!(
                    " {other} {also} holds itself for the leader of term {}.",
                    seen.term
                ));
            }
        }
        text
    }

    fn down(&self, change: &ServerChange, was: ServerRole) -> String {
        let name = self.name(change.server);
        let who = match was {
            ServerRole::Leader => format!("{name}, the leader of term {},", change.term),
            _ => name.to_owned(),
        };
        format!("{who} is down, with {} in its log.", log_of(change))
    }

    fn back(&self, change: &ServerChange, before: Option<&ServerChange>) -> String {
        let name = self.name(change.server);
        let mut text = format!("{name} starts again in term {}", change.term);
        if let Some(vote) = change.vote {
            text.push_str(&format!(", in which it has voted for {}", self.name(vote)));
        }
        text.push_str(&format!(", with {} in its log", log_of(change)));
        if let Some(lost) = before.and_then(|before| lost(before, change)) {
            text.push_str(&format!("; {} did not outlast the crash", lost.words()));
        }
        text + "."
    }
}

/// Entries that were in a log.
struct Lost {
    from: u64,
    to: u64,
    term: u64,
}

impl Lost {
    fn words(&self) -> String {
        format!("{} of term {}", entries(self.from, self.to), self.term)
    }
}

/// What a log has lost from one state to the next; compaction loses nothing.
fn lost(before: &ServerChange, after: &ServerChange) -> Option<Lost> {
    let start = first(before).max(first(after));
    let differs = |index: &u64| term_at(before, *index) != term_at(after, *index);
    let from = (start..=before.last).find(differs)?;
    Some(Lost {
        from,
        to: before.last,
        term: term_at(before, from)?,
    })
}

/// The first entry that is in the log itself; those before it are in a snapshot.
fn first(change: &ServerChange) -> u64 {
    let first = change.log.first().map(|(_, first)| *first);
    first.unwrap_or(change.last + 1)
}

fn term_at(change: &ServerChange, index: u64) -> Option<u64> {
    let run = change.log.iter().rev().find(|(_, first)| *first <= index);
    run.filter(|_| index <= change.last).map(|(term, _)| *term)
}

fn entries(from: u64, to: u64) -> String {
    if from >= to {
        format!("entry {to}")
    } else {
        format!("entries {from} to {to}")
    }
}

/// A log in a few words: how far it goes, and the term of its end.
fn log_of(change: &ServerChange) -> String {
    match (change.last, term_at(change, change.last)) {
        (0, _) => "nothing".to_owned(),
        (last, Some(term)) => format!("{} (the last of term {term})", entries(1, last)),
        (last, None) => entries(1, last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(
        server: usize,
        role: ServerRole,
        term: u64,
        vote: Option<usize>,
        log: &[(u64, u64)],
        last: u64,
    ) -> ServerChange {
        ServerChange {
            at_ns: term,
            server,
            role,
            term,
            vote,
            commit: 0,
            applied: 0,
            last,
            log: log.to_vec(),
        }
    }

    fn told(changes: Vec<ServerChange>) -> Vec<String> {
        let lanes = ServerLanes {
            plumb_lanes: 1,
            servers: ["n1", "n2", "n3"].map(str::to_owned).into(),
            changes,
            ..ServerLanes::default()
        };
        beats(&lanes, u64::MAX)
            .into_iter()
            .map(|beat| beat.text)
            .collect()
    }

    #[test]
    fn an_election_tells_who_voted_and_who_still_leads() {
        let all = told(vec![
            change(0, ServerRole::Leader, 1, Some(0), &[(1, 1)], 1),
            change(1, ServerRole::Follower, 2, Some(2), &[(1, 1)], 1),
            change(2, ServerRole::Leader, 2, Some(2), &[(1, 1), (2, 2)], 2),
        ]);
        assert_eq!(
            all,
            [
                "n1 is elected leader of term 1; its log has entry 1 (the last of term 1).",
                "n3 is elected leader of term 2, with the vote of n2; its log has entries 1 to 2 (the last of \
                 term 2). n1 still holds itself for the leader of term 1."
            ]
        );
    }

    #[test]
    fn what_a_log_drops_and_what_a_crash_takes_is_told_and_compaction_is_not() {
        let all = told(vec![
            change(0, ServerRole::Follower, 2, None, &[(1, 1), (2, 3)], 5),
            change(0, ServerRole::Follower, 2, None, &[(2, 4)], 5),
            change(1, ServerRole::Follower, 2, None, &[(1, 1)], 4),
            change(1, ServerRole::Follower, 2, None, &[], 4),
            change(1, ServerRole::Follower, 2, None, &[(2, 8)], 8),
            change(0, ServerRole::Follower, 3, None, &[(2, 4), (3, 5)], 5),
            change(0, ServerRole::Down, 3, Some(1), &[(2, 4), (3, 5)], 5),
            change(0, ServerRole::Follower, 3, Some(1), &[(2, 4)], 4),
        ]);
        assert_eq!(
            all,
            [
                "n2 takes a snapshot of entries 1 to 7 for its own.",
                "n1 drops entry 5 of term 2.",
                "n1 is down, with entries 1 to 5 (the last of term 3) in its log.",
                "n1 starts again in term 3, in which it has voted for n2, with entries 1 to 4 (the last of term \
                 2) in its log; entry 5 of term 3 did not outlast the crash."
            ]
        );
    }
}
