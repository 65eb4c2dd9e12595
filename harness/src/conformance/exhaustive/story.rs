//! What was found, in words: each step, what it changed, and what was sent.

use std::collections::BTreeSet;
use std::fmt;

use plumb_raft::core::Timer;
use serde::Serialize;

use super::local::{Choice, Local};
use super::properties::{Breach, Property};
use super::world::{Action, State, World};
use crate::sim::trace;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which server took it.
    pub server: String,
    /// What happened.
    pub title: String,
    /// What it is now, if that changed.
    pub now: Option<String>,
    /// What was written and not synced, if anything is.
    pub unsynced: Option<String>,
    /// What it sent.
    pub sent: Vec<String>,
}

/// A run that breaks a property, of the fewest steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Story {
    /// The property.
    pub property: Property,
    /// How it breaks.
    pub reason: String,
    /// The way there.
    pub steps: Vec<Step>,
    /// Every server in the end.
    pub servers: Vec<String>,
}

impl Story {
    /// Walks the steps once more and tells them.
    ///
    /// # Panics
    /// If a step is not possible where it is said to happen.
    pub(super) fn tell(world: &mut World, way: &[Action], breach: Breach) -> Story {
        let mut state = world.initial();
        let mut steps = Vec::new();
        for action in way {
            let mut after = None;
            world.successors(&state, &mut |next| {
                if next.action == *action {
                    after = Some(next.state.to_vec());
                }
            });
            let after = after.expect("a step that was taken once can be taken again");
            steps.push(tell(world, &state, *action, &after));
            state = after;
        }
        let servers = (0..usize::from(world.scope.servers))
            .map(|server| summary(world.local(&state, server)))
            .collect();
        Story {
            property: breach.property,
            reason: breach.reason,
            steps,
            servers,
        }
    }
}

fn tell(world: &World, before: &State, action: Action, after: &State) -> Step {
    let server = usize::from(action.server);
    let (was, is) = (world.local(before, server), world.local(after, server));
    let before_it: BTreeSet<u32> = world.sent_so_far(before).collect();
    let new = world
        .sent_so_far(after)
        .filter(|message| !before_it.contains(message));
    let unsynced: Vec<String> = is
        .unsynced
        .iter()
        .flatten()
        .map(trace::describe_write)
        .collect();
    let (then, now) = (trace::state(&was.node), trace::state(&is.node));
    Step {
        server: is.node.id().to_string(),
        title: title(world, action),
        now: (then != now).then_some(now),
        unsynced: (!unsynced.is_empty()).then(|| unsynced.join(", ")),
        sent: new
            .map(|message| {
                let envelope = world.messages.get(message);
                format!(
                    "{}: {}",
                    envelope.to,
                    trace::describe_message(&envelope.message)
                )
            })
            .collect(),
    }
}

fn title(world: &World, action: Action) -> String {
    match action.choice {
        Choice::Receive(message) => {
            let envelope = world.messages.get(message);
            format!(
                "hears from {}: {}",
                envelope.from,
                trace::describe_message(&envelope.message)
            )
        }
        Choice::Fires(Timer::Election) => "waits in vain for a leader, or for followers".to_owned(),
        Choice::Fires(Timer::Heartbeat) => "sends heartbeats".to_owned(),
        Choice::Fires(Timer::Stickiness) => "has not heard a leader for a while".to_owned(),
        Choice::Propose(number) => format!("is proposed command {number}"),
        Choice::Read(number) => format!("is asked for read {number}"),
        Choice::Change(number) => format!("is asked for {:?}", world.scope.change(number.into())),
        Choice::Transfer(target) => format!("is asked to hand over to n{target}"),
        Choice::Snapshot => "has written its state machine down".to_owned(),
        Choice::Sync => "has its oldest batch on disk".to_owned(),
        Choice::Crash(0) => {
            "crashes and restarts; nothing unsynced had reached the disk".to_owned()
        }
        Choice::Crash(kept) => {
            format!("crashes and restarts; {kept} of its unsynced writes had reached the disk")
        }
    }
}

/// A server in one line.
fn summary(local: &Local) -> String {
    let terms: Vec<String> = local
        .node
        .log()
        .entries()
        .iter()
        .map(|entry| entry.term.to_string())
        .collect();
    let disk: Vec<String> = local
        .disk
        .entries
        .iter()
        .map(|entry| entry.term.to_string())
        .collect();
    let durable = local.disk.hard_state;
    format!(
        "{} {}, entries of terms [{}]; on disk: term {} vote {} [{}]",
        local.node.id(),
        trace::state(&local.node),
        terms.join(" "),
        durable.current_term,
        durable
            .voted_for
            .map_or("-".to_owned(), |id| id.to_string()),
        disk.join(" "),
    )
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} breaks: {}", self.property, self.reason)?;
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:>4}. {} {}", step.server, step.title)?;
            if let Some(now) = &step.now {
                writeln!(f, "        is {now}")?;
            }
            if let Some(unsynced) = &step.unsynced {
                writeln!(f, "        not yet on disk: {unsynced}")?;
            }
            for sent in &step.sent {
                writeln!(f, "        -> {sent}")?;
            }
        }
        writeln!(f, "In the end:")?;
        for server in &self.servers {
            writeln!(f, "      {server}")?;
        }
        Ok(())
    }
}
