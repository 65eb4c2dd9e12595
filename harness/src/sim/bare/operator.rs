//! The operator: asks the cluster for what the schedule says. Whether the cluster does it is its own affair.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use plumb_raft::client::ClientConfig;
use plumb_raft::net::protocol::{RequestBody, ResponseBody};
use plumb_raft::types::NodeId;

use super::caller::{Caller, Heard, Ticket};
use super::network::Network;
use super::queue::{Addressed, Event, Queue};
use crate::scenario::Scenario;
use crate::sim::cluster::tasks;
use crate::workload::{Task, patience};

/// How long one request may take in all.
const GIVE_UP_AFTER: Duration = Duration::from_millis(800);
/// How often a change is asked for where the cluster says that it is too early.
const TIMES: u32 = 10;
/// The pause between.
const PAUSE_NS: u64 = 60_000_000;

/// One request and how often it may still be refused.
struct Step {
    body: RequestBody,
    times: u32,
}

/// The operator of a run.
pub(super) struct Operator {
    tasks: VecDeque<(Duration, Task)>,
    /// What is left of the task under way.
    steps: VecDeque<Step>,
    caller: Caller,
}

impl Operator {
    pub(super) fn new(scenario: &Scenario) -> Operator {
        let servers = scenario.servers as usize;
        let patience = ClientConfig {
            give_up_after: GIVE_UP_AFTER,
            ..patience(scenario.workload.kind)
        };
        Operator {
            tasks: tasks(scenario).into(),
            steps: VecDeque::new(),
            caller: Caller::new(Ticket::OPERATOR, servers, 0, &patience),
        }
    }

    pub(super) fn start<M: Addressed + Clone>(&mut self, queue: &mut Queue<M>) {
        self.plan(queue);
    }

    /// Waits for the next task; one that took too long makes the next late.
    fn plan<M: Addressed + Clone>(&mut self, queue: &mut Queue<M>) {
        if let Some((at, _)) = self.tasks.front() {
            let at_ns = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
            queue.at(at_ns, Operator::due());
        }
    }

    /// Tries count from one: zero is the time of a task, or of another try at one.
    fn due<M>() -> Event<M> {
        Event::Patience {
            caller: Ticket::OPERATOR,
            number: 0,
        }
    }

    pub(super) fn wake<M: Addressed + Clone>(
        &mut self,
        number: u64,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        if number > 0 {
            let heard = self.caller.wake(number, queue, network);
            self.hear(heard, queue, network);
            return;
        }
        if self.steps.is_empty() {
            let Some((_, task)) = self.tasks.pop_front() else {
                return;
            };
            self.steps = steps(&task);
        }
        self.ask(queue, network);
    }

    pub(super) fn answer<M: Addressed + Clone>(
        &mut self,
        ticket: Ticket,
        body: Option<ResponseBody>,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        let heard = self.caller.answer(ticket, body, queue, network);
        self.hear(heard, queue, network);
    }

    fn ask<M: Addressed + Clone>(&mut self, queue: &mut Queue<M>, network: &mut Network<M>) {
        match self.steps.front() {
            Some(step) => {
                let body = step.body.clone();
                self.caller.begin(queue);
                self.caller.ask(body, queue, network);
            }
            None => self.plan(queue),
        }
    }

    fn hear<M: Addressed + Clone>(
        &mut self,
        heard: Heard,
        queue: &mut Queue<M>,
        network: &mut Network<M>,
    ) {
        let Heard::Answered(answer) = heard else {
            return;
        };
        let done = matches!(answer, Some(ResponseBody::Done));
        if let Some(step) = self.steps.front_mut() {
            step.times -= 1;
            if done || step.times == 0 {
                self.steps.pop_front();
                self.ask(queue, network);
            } else {
                queue.after(PAUSE_NS, Operator::due());
            }
        }
    }
}

fn steps(task: &Task) -> VecDeque<Step> {
    match task {
        Task::Transfer(to) => {
            let body = RequestBody::Transfer { to: *to };
            VecDeque::from([Step { body, times: 1 }])
        }
        Task::Membership(voters, learners) => {
            // New voters are made learners first.
            let all: BTreeSet<NodeId> = voters.union(learners).copied().collect();
            [(None, all), (Some(voters.clone()), learners.clone())]
                .into_iter()
                .map(|(voters, learners)| Step {
                    body: RequestBody::ChangeMembership {
                        voters,
                        learners,
                        addresses: BTreeMap::new(),
                    },
                    times: TIMES,
                })
                .collect()
        }
    }
}
