//! A cluster seen from outside: who takes part and where, asked of whoever answers.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use plumb_raft::client::{Client, ClientConfig, Outcome, TOO_EARLY};
use plumb_raft::net::TlsNetwork;
use plumb_raft::net::protocol::Status;
use plumb_raft::production::{TcpNetwork, TokioClock};
use plumb_raft::seams::{Clock, Network};
use plumb_raft::types::{Membership, NodeId};

use crate::cli::CliError;
use crate::serve::Tls;

/// How long one server may take to say how it sees things.
const LOOK_FOR: Duration = Duration::from_secs(1);
/// The pause before a change is asked for again that comes too early.
const PAUSE: Duration = Duration::from_millis(100);

/// How to reach a cluster.
pub(super) struct Cluster {
    endpoints: Vec<String>,
    name: String,
    patience: Duration,
    clock: Arc<dyn Clock>,
    network: Arc<dyn Network>,
}

/// What the servers say of themselves.
pub(super) struct Seen {
    /// By server; where it was asked, and its answer or why there is none.
    pub(super) servers: BTreeMap<NodeId, (String, Result<Status, String>)>,
}

impl Seen {
    /// The view of the one that leads the latest term, or else of whoever has seen most.
    pub(super) fn best(&self) -> Option<&Status> {
        let answered = self
            .servers
            .values()
            .filter_map(|(_, seen)| seen.as_ref().ok());
        answered.max_by_key(|status| (status.term, status.role == "leader", status.commit_index))
    }

    /// Who takes part.
    pub(super) fn membership(&self) -> Membership {
        self.best()
            .map(|seen| seen.membership.clone())
            .unwrap_or_default()
    }
}

impl Cluster {
    pub(super) fn new(
        endpoints: &[String],
        name: &str,
        patience: Duration,
        tls: Option<&Tls>,
    ) -> Result<Cluster, CliError> {
        let plain: Arc<dyn Network> = Arc::new(TcpNetwork);
        let network = match tls {
            None => plain,
            Some(tls) => {
                let network = TlsNetwork::new(plain, &tls.files()).map_err(|error| {
                    CliError::new(
                        error.to_string(),
                        "name PEM files that belong together: --tls-ca, --tls-cert, --tls-key",
                    )
                })?;
                Arc::new(network)
            }
        };
        Ok(Cluster {
            endpoints: endpoints.to_vec(),
            name: name.to_owned(),
            patience,
            clock: Arc::new(TokioClock::start()),
            network,
        })
    }

    fn client_of(
        &self,
        servers: Vec<(NodeId, String)>,
        first: usize,
        patience: Duration,
    ) -> Client {
        let config = ClientConfig {
            give_up_after: patience,
            cluster: self.name.clone(),
            ..ClientConfig::default()
        };
        let (clock, network) = (Arc::clone(&self.clock), Arc::clone(&self.network));
        Client::new(servers, first, config, clock, network)
    }

    /// One server's view, or why there is none.
    async fn view(&self, addr: &str) -> Result<Status, String> {
        let servers = vec![(NodeId(0), addr.to_owned())];
        let mut client = self.client_of(servers, 0, self.patience.min(LOOK_FOR));
        match client.status().await {
            Outcome::Ok(status) => Ok(status),
            _ => {
                let why = client.trouble().unwrap_or("no answer in time");
                Err(why.strip_prefix("n0 at ").unwrap_or(why).to_owned())
            }
        }
    }

    /// Every server's view: of those that were named, and of all that they know of.
    pub(super) async fn look(&self) -> Result<Seen, CliError> {
        let mut seen = Seen {
            servers: BTreeMap::new(),
        };
        let mut troubles = Vec::new();
        for addr in &self.endpoints {
            match self.view(addr).await {
                Ok(status) => {
                    seen.servers.insert(status.id, (addr.clone(), Ok(status)));
                }
                Err(why) => troubles.push(why),
            }
        }
        let known: BTreeMap<NodeId, String> = seen
            .servers
            .values()
            .filter_map(|(_, status)| status.as_ref().ok())
            .flat_map(|status| status.membership.addresses.clone())
            .collect();
        for (id, addr) in known {
            if let Entry::Vacant(place) = seen.servers.entry(id) {
                let view = self.view(&addr).await;
                place.insert((addr, view));
            }
        }
        if seen.best().is_none() {
            return Err(CliError::new(
                format!("no server answers: {}", troubles.join("; ")),
                "start one with `plumb serve`, or name another with --at HOST:PORT",
            ));
        }
        Ok(seen)
    }

    /// A client that knows all members and turns to the leader first.
    pub(super) async fn client(&self) -> Result<Client, CliError> {
        let seen = self.look().await?;
        let leader = seen.best().and_then(|status| status.leader);
        let servers: Vec<(NodeId, String)> = seen
            .servers
            .iter()
            .map(|(id, (addr, _))| (*id, addr.clone()))
            .collect();
        let first = servers.iter().position(|(id, _)| Some(*id) == leader);
        Ok(self.client_of(servers, first.unwrap_or(0), self.patience))
    }

    /// Asks for another membership; again, where the leader says that it is too early.
    pub(super) async fn change(
        &self,
        client: &mut Client,
        voters: Option<BTreeSet<NodeId>>,
        learners: &BTreeSet<NodeId>,
        addresses: &BTreeMap<NodeId, String>,
    ) -> Outcome<()> {
        let deadline = self.clock.now() + self.patience;
        loop {
            let (voters, learners) = (voters.clone(), learners.clone());
            let asked = client.change_membership(voters, learners, addresses.clone());
            let outcome = asked.await;
            if outcome != Outcome::Failed(TOO_EARLY) || self.clock.now() >= deadline {
                return outcome;
            }
            self.clock.sleep(PAUSE).await;
        }
    }
}
