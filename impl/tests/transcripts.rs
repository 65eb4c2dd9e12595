//! Scenarios of the paper as transcripts: plain text in which lines that begin with `>` are commands to a
//! cluster of cores, and what stands below each is what came of it. A reviewer reads a whole election; a
//! change of behaviour shows as a changed line. `PLUMB_BLESS=1 cargo test --test transcripts` writes the
//! answers anew.
//!
//! Commands:
//!
//! ```text
//! cluster N [pre-vote] [one-entry]   N servers with empty disks; the sturdier rules are off unless named
//! log nX TERM…                       before it starts: the terms of nX's entries
//! term nX T [vote nY]                before it starts: its hard state
//! start                              all of them
//! timeout nX | heartbeat nX          a timer fires
//! propose nX WORD                    a client's command
//! read nX                            a client's read
//! change nX VOTERS [learners IDS]    a membership, as in n1,n2,n3
//! transfer nX nY                     hand over
//! snapshot nX                        nX writes its state machine down
//! deliver [nX [nY]]                  every message under way (from nX (to nY)) and all that follows from it
//! once nX nY                         the oldest message from nX to nY
//! lose [nX [nY]]                     every message under way (from nX (to nY))
//! crash nX | restart nX              memory is gone; what is on the disk stays
//! show                               every server
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use plumb_raft::core::{
    AppendOutcome, Batch, Change, CoreConfig, Effects, Envelope, Input, Message, Node, ReadMode,
    Remembered, RequestId, RoleKind, Timer, Write,
};
use plumb_raft::types::{Entry, HardState, LogIndex, NodeId, Payload, Term};

/// A server: its disk survives.
struct Server {
    config: CoreConfig,
    disk: Remembered,
    node: Option<Node>,
}

#[derive(Default)]
struct Cluster {
    servers: BTreeMap<NodeId, Server>,
    under_way: VecDeque<Envelope>,
    requests: u64,
    out: String,
}

type Fault = String;

fn id(word: &str) -> Result<NodeId, Fault> {
    let number = word.strip_prefix('n').and_then(|n| n.parse().ok());
    number
        .map(NodeId)
        .ok_or_else(|| format!("{word} is no server, as in n1"))
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, Fault> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

fn ids<C: FromIterator<NodeId>>(word: &str) -> Result<C, Fault> {
    word.split(',').map(id).collect()
}

impl Cluster {
    fn command(&mut self, line: &str) -> Result<(), Fault> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["cluster", n, ref options @ ..] => self.found(number(n)?, options),
            ["log", at, ref terms @ ..] => {
                let terms = terms.iter().map(|term| number(term));
                let terms: Vec<u64> = terms.collect::<Result<_, _>>()?;
                let disk = &mut self.server(at)?.disk;
                disk.entries = (1..)
                    .zip(&terms)
                    .map(|(index, term)| entry(index, *term))
                    .collect();
                let last = terms.last().copied().unwrap_or(0);
                disk.hard_state.current_term = disk.hard_state.current_term.max(Term(last));
                Ok(())
            }
            ["term", at, term] => self.hard_state(at, number(term)?, None),
            ["term", at, term, "vote", vote] => self.hard_state(at, number(term)?, Some(id(vote)?)),
            ["start"] => {
                let all: Vec<NodeId> = self.servers.keys().copied().collect();
                all.into_iter().try_for_each(|id| self.restart(id))
            }
            ["timeout", at] => self.step(id(at)?, Input::TimerFired(Timer::Election)),
            ["heartbeat", at] => self.step(id(at)?, Input::TimerFired(Timer::Heartbeat)),
            ["propose", at, word] => {
                let command = Bytes::from(word.to_owned());
                let request = self.request();
                self.step(id(at)?, Input::Propose(vec![(request, command)]))
            }
            ["read", at] => {
                let request = self.request();
                self.step(id(at)?, Input::Read(request, ReadMode::Leader))
            }
            ["change", at, voters] => self.change(at, voters, None),
            ["change", at, voters, "learners", learners] => self.change(at, voters, Some(learners)),
            ["transfer", at, to] => {
                let request = self.request();
                self.step(id(at)?, Input::Transfer(request, id(to)?))
            }
            ["snapshot", at] => {
                let server = self.server(at)?;
                let index = server.node.as_ref().ok_or("it is down")?.commit_index();
                let data = Bytes::from(format!("the state after entry {index}"));
                self.step(id(at)?, Input::SnapshotTaken { index, data })
            }
            ["deliver", ref which @ ..] => self.deliver(which),
            ["once", from, to] => {
                let (from, to) = (id(from)?, id(to)?);
                let place = self
                    .under_way
                    .iter()
                    .position(|e| e.from == from && e.to == to);
                let place = place.ok_or("nothing is under way there")?;
                let envelope = self.under_way.remove(place).expect("it was just seen");
                self.arrive(envelope)
            }
            ["lose", ref which @ ..] => {
                let selected = selector(which)?;
                self.under_way.retain(|envelope| !selected(envelope));
                Ok(())
            }
            ["crash", at] => {
                self.server(at)?.node = None;
                Ok(())
            }
            ["restart", at] => self.restart(id(at)?),
            ["show"] => {
                for (id, server) in &self.servers {
                    let state = server.node.as_ref().map_or("down".to_owned(), state);
                    let _ = writeln!(self.out, "  {id} {state}");
                }
                Ok(())
            }
            _ => Err(format!("no such command: {line}")),
        }
    }

    fn found(&mut self, n: u64, options: &[&str]) -> Result<(), Fault> {
        for id in (1..=n).map(NodeId) {
            let mut config = CoreConfig::new(id, (1..=n).map(NodeId).collect());
            (config.pre_vote, config.check_quorum, config.stickiness) = (false, false, false);
            config.retained_entries = 0;
            for option in options {
                match *option {
                    "pre-vote" => config.pre_vote = true,
                    "one-entry" => config.max_entries_per_append = 1,
                    other => return Err(format!("no such option: {other}")),
                }
            }
            let server = Server {
                config,
                disk: Remembered::default(),
                node: None,
            };
            self.servers.insert(id, server);
        }
        Ok(())
    }

    fn server(&mut self, word: &str) -> Result<&mut Server, Fault> {
        let id = id(word)?;
        self.servers
            .get_mut(&id)
            .ok_or_else(|| format!("there is no {id}"))
    }

    fn hard_state(&mut self, at: &str, term: u64, voted_for: Option<NodeId>) -> Result<(), Fault> {
        self.server(at)?.disk.hard_state = HardState {
            current_term: Term(term),
            voted_for,
        };
        Ok(())
    }

    fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    fn change(&mut self, at: &str, voters: &str, learners: Option<&str>) -> Result<(), Fault> {
        let request = self.request();
        let change = Change {
            voters: Some(ids(voters)?),
            learners: learners.map(ids).transpose()?.unwrap_or_default(),
            ..Change::default()
        };
        self.step(id(at)?, Input::ChangeMembership(request, change))
    }

    fn restart(&mut self, id: NodeId) -> Result<(), Fault> {
        let server = self.servers.get_mut(&id).ok_or("there is no such server")?;
        let (node, effects) = Node::recover(server.config.clone(), server.disk.clone());
        server.node = Some(node);
        self.carry_out(id, effects)
    }

    fn step(&mut self, id: NodeId, input: Input) -> Result<(), Fault> {
        let server = self.servers.get_mut(&id).ok_or("there is no such server")?;
        let node = server
            .node
            .as_mut()
            .ok_or_else(|| format!("{id} is down"))?;
        let before = state(node);
        let effects = node.step(input);
        let after = state(node);
        if before != after {
            let _ = writeln!(self.out, "  {id} {after}");
        }
        self.carry_out(id, effects)
    }

    /// Writes are durable at once, in order: what comes of slow disks is the simulator's business.
    fn carry_out(&mut self, id: NodeId, effects: Effects) -> Result<(), Fault> {
        for envelope in effects.send {
            let _ = writeln!(
                self.out,
                "  {} -> {}: {}",
                envelope.from,
                envelope.to,
                words(&envelope.message)
            );
            self.under_way.push_back(envelope);
        }
        for (request, answer) in effects.answers {
            let _ = writeln!(self.out, "  {id} answers #{}: {answer:?}", request.0);
        }
        if let Some(snapshot) = effects.restore.filter(|s| s.last_index > LogIndex::ZERO) {
            let _ = writeln!(
                self.out,
                "  {id} restores the state after entry {}",
                snapshot.last_index
            );
        }
        let applied: Vec<String> = effects.apply.iter().map(|e| e.index.to_string()).collect();
        if !applied.is_empty() {
            let _ = writeln!(self.out, "  {id} applies {}", applied.join(" "));
        }
        let Some(Batch { seq, writes }) = effects.persist else {
            return Ok(());
        };
        let server = self.servers.get_mut(&id).expect("it has just taken a step");
        for write in writes {
            save(&mut server.disk, write);
        }
        self.step(id, Input::Persisted(seq))
    }

    fn deliver(&mut self, which: &[&str]) -> Result<(), Fault> {
        let selected = selector(which)?;
        // What follows from a delivery is delivered too, if it is selected; enough is enough.
        for _ in 0..1_000 {
            let Some(place) = self.under_way.iter().position(&selected) else {
                return Ok(());
            };
            let envelope = self.under_way.remove(place).expect("it was just seen");
            self.arrive(envelope)?;
        }
        Err("a thousand messages, and no end".to_owned())
    }

    fn arrive(&mut self, envelope: Envelope) -> Result<(), Fault> {
        let to = envelope.to;
        let up = self
            .servers
            .get(&to)
            .is_some_and(|server| server.node.is_some());
        if up {
            self.step(to, Input::Receive(envelope))
        } else {
            Ok(())
        }
    }
}

fn selector(which: &[&str]) -> Result<impl Fn(&Envelope) -> bool + use<>, Fault> {
    let (from, to) = match which {
        [] => (None, None),
        [from] => (Some(id(from)?), None),
        [from, to] => (Some(id(from)?), Some(id(to)?)),
        _ => return Err("a sender and an addressee at most".to_owned()),
    };
    Ok(move |envelope: &Envelope| {
        from.is_none_or(|from| envelope.from == from) && to.is_none_or(|to| envelope.to == to)
    })
}

fn entry(index: u64, term: u64) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        payload: Payload::Noop,
    }
}

fn save(disk: &mut Remembered, write: Write) {
    match write {
        Write::HardState(hard_state) => disk.hard_state = hard_state,
        Write::Truncate(from) => disk.entries.retain(|entry| entry.index < from),
        Write::Append(entries) => disk.entries.extend(entries),
        Write::Snapshot { snapshot, base } => {
            disk.entries.retain(|entry| entry.index > base.0);
            disk.base = base;
            disk.snapshot = Some(snapshot);
        }
    }
}

/// `leader term 8 [1 1 4 4 8] committed 4`; a base is `(4@2)` before the entries behind it.
fn state(node: &Node) -> String {
    let role = match node.role_kind() {
        RoleKind::Follower => "follower",
        RoleKind::PreCandidate => "pre-candidate",
        RoleKind::Candidate => "candidate",
        RoleKind::Leader => "leader",
    };
    let base = match node.log().base() {
        (LogIndex::ZERO, _) => String::new(),
        (index, term) => format!("({index}@{term}) "),
    };
    let entries = node
        .log()
        .entries()
        .iter()
        .map(|entry| match &entry.payload {
            Payload::Membership(membership) => {
                let set = |ids: &std::collections::BTreeSet<NodeId>| {
                    ids.iter()
                        .map(|id| id.0.to_string())
                        .collect::<Vec<_>>()
                        .join(",")
                };
                let joint = if membership.is_joint() {
                    format!("{}+", set(&membership.outgoing))
                } else {
                    String::new()
                };
                let learners = if membership.learners.is_empty() {
                    String::new()
                } else {
                    format!("/{}", set(&membership.learners))
                };
                format!(
                    "{}:{{{joint}{}{learners}}}",
                    entry.term,
                    set(&membership.voters)
                )
            }
            _ => entry.term.to_string(),
        });
    let entries: Vec<String> = entries.collect();
    let vote = node.hard_state().voted_for;
    let vote = vote.map_or(String::new(), |vote| format!(" vote {vote}"));
    format!(
        "{role} term {}{vote} {base}[{}] committed {}",
        node.current_term(),
        entries.join(" "),
        node.commit_index()
    )
}

fn words(message: &Message) -> String {
    match message {
        Message::AppendEntries {
            term,
            prev_log_index,
            prev_log_term,
            entries,
            leader_commit,
            ..
        } => {
            let terms: Vec<String> = entries.iter().map(|entry| entry.term.to_string()).collect();
            format!(
                "AppendEntries term {term} behind {prev_log_index}@{prev_log_term} [{}] commit \
                 {leader_commit}",
                terms.join(" ")
            )
        }
        Message::AppendEntriesReply { term, outcome, .. } => match outcome {
            AppendOutcome::Matched(index) => format!("has up to {index}, term {term}"),
            AppendOutcome::Conflict {
                rejected,
                conflict_term,
                first_index,
            } => {
                let found = conflict_term.map_or("nothing".to_owned(), |t| format!("term {t}"));
                format!("refuses {rejected}: has {found} there, from {first_index} on; term {term}")
            }
            AppendOutcome::Stale => format!("refuses: its term is {term}"),
        },
        Message::RequestVote {
            term,
            last_log_index,
            last_log_term,
            transfer,
        } => {
            let why = if *transfer { ", told to stand" } else { "" };
            format!("RequestVote term {term}, last entry {last_log_index}@{last_log_term}{why}")
        }
        Message::RequestVoteReply { term, granted } => {
            let word = if *granted { "votes for it" } else { "no vote" };
            format!("{word}, term {term}")
        }
        Message::PreVote {
            term,
            last_log_index,
            last_log_term,
        } => format!("PreVote after term {term}, last entry {last_log_index}@{last_log_term}"),
        Message::PreVoteReply { term, granted, .. } => {
            let word = if *granted {
                "would vote"
            } else {
                "would not vote"
            };
            format!("{word}, term {term}")
        }
        Message::InstallSnapshot { term, chunk, .. } => format!(
            "InstallSnapshot term {term}, up to {}@{}",
            chunk.last_index, chunk.last_term
        ),
        Message::InstallSnapshotReply { term, outcome, .. } => format!("{outcome:?}, term {term}"),
        Message::TimeoutNow { term } => format!("TimeoutNow term {term}"),
        other => format!("{other:?}"),
    }
}

/// The transcript that a file's commands lead to: comments and commands stay, answers are new.
fn play(text: &str) -> Result<String, String> {
    let mut cluster = Cluster::default();
    let mut played = String::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('#') || line.is_empty() {
            let _ = writeln!(played, "{line}");
        } else if let Some(command) = line.strip_prefix("> ") {
            let _ = writeln!(played, "{line}");
            let done = cluster.command(command);
            done.map_err(|fault| format!("line {}: {fault}", number + 1))?;
            played.push_str(&std::mem::take(&mut cluster.out));
        }
    }
    Ok(played)
}

fn first_difference(was: &str, is: &str) -> String {
    let lines = was.lines().map(Some).chain(std::iter::repeat(None));
    let others = is.lines().map(Some).chain(std::iter::repeat(None));
    let length = was.lines().count().max(is.lines().count());
    let differs = lines
        .zip(others)
        .take(length)
        .enumerate()
        .find(|(_, (a, b))| a != b);
    differs.map_or(String::new(), |(at, (a, b))| {
        let line = at + 1;
        format!(
            "line {line}\n  stands: {}\n  is now: {}",
            a.unwrap_or("(end)"),
            b.unwrap_or("(end)")
        )
    })
}

#[test]
fn every_transcript_is_what_the_core_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("there are transcripts")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    let bless = std::env::var_os("PLUMB_BLESS").is_some();
    for file in files {
        let was = std::fs::read_to_string(&file).expect("a transcript is text");
        let is = play(&was).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
        if bless {
            std::fs::write(&file, is).expect("it can be written");
        } else {
            let difference = first_difference(&was, &is);
            assert!(
                was == is,
                "{}: {difference}\nPLUMB_BLESS=1 writes it anew",
                file.display()
            );
        }
    }
}

#[test]
fn a_transcript_that_says_something_else_is_told_apart() {
    let text = "> cluster 3\n> start\n> timeout n1\n  n1 leader term 9 [] committed 0\n";
    let played = play(text).expect("the commands are good");
    assert!(
        first_difference(text, &played).contains("line 4"),
        "{played}"
    );
    assert!(play("> cluster 3\n> fly n1\n").is_err_and(|fault| fault.starts_with("line 2")));
    assert!(play("> cluster 3\n> timeout n1\n").is_err_and(|fault| fault.contains("down")));
}
