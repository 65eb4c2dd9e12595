//! An operator: asks the cluster for what the schedule says, when it says so. Whether the cluster does
//! it is its own affair; the judges watch.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use plumb_raft::client::{Client, ClientConfig, Outcome};
use plumb_raft::seams::Seams;
use plumb_raft::types::NodeId;

use crate::sim::watch::now_ns;

/// One thing to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// That the leader hands over to this server.
    Transfer(NodeId),
    /// That these take part: voters and learners. New voters are made learners first.
    Membership(BTreeSet<NodeId>, BTreeSet<NodeId>),
}

/// The operator of a run.
pub struct Operator {
    /// What to ask for and when (simulated), in order.
    pub tasks: Vec<(Duration, Task)>,
    /// Where the servers are.
    pub servers: Vec<(NodeId, String)>,
    /// Its clock and network.
    pub seams: Seams,
}

impl Operator {
    /// Works through its tasks. One that takes too long is given up, and the next comes late.
    pub async fn run(self) {
        let config = ClientConfig {
            try_for: Duration::from_millis(400),
            give_up_after: Duration::from_millis(800),
            pause: Duration::from_millis(20),
            ..ClientConfig::default()
        };
        let Seams { clock, network, .. } = self.seams;
        let addresses: BTreeMap<NodeId, String> = self.servers.iter().cloned().collect();
        let mut client = Client::new(self.servers, 0, config, clock, network);
        for (at, task) in self.tasks {
            let now = Duration::from_nanos(now_ns());
            tokio::time::sleep(at.saturating_sub(now)).await;
            // Refused, too late or done: all are fine here.
            match task {
                Task::Transfer(to) => {
                    let _ = client.transfer(to).await;
                }
                Task::Membership(voters, learners) => {
                    let all: BTreeSet<NodeId> = voters.union(&learners).copied().collect();
                    change(&mut client, None, &all, &addresses).await;
                    change(&mut client, Some(&voters), &learners, &addresses).await;
                }
            }
        }
    }
}

/// Asks again where the cluster says that it is too early, for a while.
async fn change(
    client: &mut Client,
    voters: Option<&BTreeSet<NodeId>>,
    learners: &BTreeSet<NodeId>,
    addresses: &BTreeMap<NodeId, String>,
) {
    for _ in 0..10 {
        let (voters, learners) = (voters.cloned(), learners.clone());
        let asked = client.change_membership(voters, learners, addresses.clone());
        if asked.await == Outcome::Ok(()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
}
