//! `plumb kv`: a client of a cluster that `plumb serve` runs.

mod cluster;
mod show;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use plumb_raft::client::{CasResult, Client, Outcome, TxnResult};
use plumb_raft::core::ReadMode;
use plumb_raft::kv::TxnStep;
use plumb_raft::net::protocol::DEFAULT_CLUSTER;
use plumb_raft::types::NodeId;

use super::serve::TlsArgs;
use super::{CliError, Exit};
use crate::serve::config::{address, number_of};
use cluster::Cluster;
use show::Answer;

/// Reads and writes a cluster's keys, and looks after its members.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb kv --at 127.0.0.1:7001 put greeting hello
  plumb kv --at 127.0.0.1:7001 get greeting
  plumb kv --at 127.0.0.1:7001,127.0.0.1:7002 cas greeting goodbye --expect hello
  plumb kv --at 127.0.0.1:7001 txn 'expect a 1' 'write a 0' 'append log a-is-0' 'read log'
  plumb kv --at 127.0.0.1:7001 status
  plumb kv --at 127.0.0.1:7001 member add 4=127.0.0.1:7004
  plumb kv --at 127.0.0.1:7001 transfer 2

Any server will do for --at: the others are found through it.

Exit codes: 0 done; 1 not done, and it never will be (another value, no such key, refused); 2 usage, or no
server can be reached; 3 nobody knows whether it was done (no answer in time).")]
pub struct KvArgs {
    /// Servers to ask, separated by commas.
    #[arg(
        long,
        value_name = "HOST:PORT,…",
        value_delimiter = ',',
        default_value = "127.0.0.1:7001",
        value_parser = parsed(address)
    )]
    at: Vec<String>,
    /// The cluster's name.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CLUSTER)]
    cluster: String,
    /// Give up after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u64,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(subcommand)]
    command: KvCommand,
}

#[derive(Debug, Subcommand)]
enum KvCommand {
    /// Reads a key.
    #[command(after_help = "Example:\n  plumb kv get greeting --read anywhere")]
    Get {
        /// The key.
        key: String,
        /// How the answer comes by its certainty.
        #[arg(long, value_enum, default_value = "leader")]
        read: ReadBy,
    },
    /// Sets a key.
    #[command(after_help = "Example:\n  plumb kv put greeting hello")]
    Put {
        /// The key.
        key: String,
        /// Its new value.
        value: String,
    },
    /// Adds to the end of a key's value.
    #[command(after_help = "Example:\n  plumb kv append log one-more")]
    Append {
        /// The key.
        key: String,
        /// What to add.
        suffix: String,
    },
    /// Sets a key if it has the value that is expected.
    #[command(after_help = "Example:\n  plumb kv cas greeting goodbye --expect hello")]
    Cas {
        /// The key.
        key: String,
        /// Its new value.
        value: String,
        /// The value it must have.
        #[arg(long, value_name = "VALUE", required_unless_present = "absent")]
        expect: Option<String>,
        /// It must have no value.
        #[arg(long, conflicts_with = "expect")]
        absent: bool,
    },
    /// Takes several steps at once: all of them or none, with nothing of anybody else's between.
    #[command(
        after_help = "Example:\n  plumb kv txn 'expect a 1' 'write a 0' 'append log a-is-0' 'read log'"
    )]
    Txn {
        /// `read KEY`, `write KEY VALUE`, `append KEY SUFFIX`, `expect KEY VALUE`, `absent KEY`.
        #[arg(required = true, value_name = "STEP", value_parser = parsed(txn_step))]
        steps: Vec<TxnStep>,
    },
    /// Shows each server and what it knows.
    #[command(after_help = "Example:\n  plumb kv --at 127.0.0.1:7001 status")]
    Status,
    /// Shows it again and again, until Ctrl-C.
    #[command(after_help = "Example:\n  plumb kv watch-status --every 5")]
    WatchStatus {
        /// How often, seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 1)]
        every: u64,
    },
    /// Changes who takes part.
    Member {
        #[command(subcommand)]
        change: Member,
    },
    /// Has the leader hand over.
    #[command(after_help = "Example:\n  plumb kv transfer 2")]
    Transfer {
        /// To which server.
        #[arg(value_name = "N", value_parser = parsed(number_of))]
        to: NodeId,
    },
}

#[derive(Debug, Subcommand)]
enum Member {
    /// Adds a server: it receives the log first, and votes once it has it.
    #[command(after_help = "Example:\n  plumb kv member add 4=127.0.0.1:7004")]
    Add {
        /// Which, and where it listens, as in 4=127.0.0.1:7004.
        #[arg(value_name = "N=HOST:PORT", value_parser = parsed(named_address))]
        server: (NodeId, String),
        /// It shall not vote.
        #[arg(long)]
        learner: bool,
    },
    /// Has a learner vote, once it has the log.
    #[command(after_help = "Example:\n  plumb kv member promote 4")]
    Promote {
        /// Which.
        #[arg(value_name = "N", value_parser = parsed(number_of))]
        server: NodeId,
    },
    /// Removes a server.
    #[command(after_help = "Example:\n  plumb kv member remove 4")]
    Remove {
        /// Which.
        #[arg(value_name = "N", value_parser = parsed(number_of))]
        server: NodeId,
    },
}

/// How a read comes by its certainty.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReadBy {
    /// By a round of the leader's: linearizable.
    Leader,
    /// By the leader's lease, where it has one: linearizable as long as clocks keep to their bound.
    Lease,
    /// By any server, at an index that it gets from the leader: linearizable.
    Anywhere,
    /// As it is on some server: may be long out of date.
    Stale,
}

/// Runs the command.
///
/// # Errors
/// If what was asked makes no sense, or nobody can be asked.
pub fn run(args: &KvArgs) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(format!("no threads: {error}"), "free some memory"))?;
    runtime.block_on(ask(args))
}

async fn ask(args: &KvArgs) -> Result<Exit, CliError> {
    let patience = Duration::from_secs(args.timeout.max(1));
    let cluster = Cluster::new(&args.at, &args.cluster, patience, args.tls.files().as_ref())?;
    let mut client = match &args.command {
        KvCommand::Status => return status(&cluster, args.json).await,
        KvCommand::WatchStatus { every } => {
            let every = Duration::from_secs((*every).max(1));
            return watch(&cluster, args.json, every).await;
        }
        _ => cluster.client().await?,
    };
    let answer = match &args.command {
        KvCommand::Get { key, read } => get(&mut client, key, *read).await,
        KvCommand::Put { key, value } => {
            show::done(client.write(key, Bytes::from(value.clone())).await)
        }
        KvCommand::Append { key, suffix } => {
            show::done(client.append(key, Bytes::from(suffix.clone())).await)
        }
        KvCommand::Cas {
            key, value, expect, ..
        } => {
            let expected = expect.clone().map(Bytes::from);
            let swapped = client.cas(key, expected, Bytes::from(value.clone())).await;
            match swapped {
                Outcome::Ok(CasResult::Swapped) => Answer::Done,
                Outcome::Ok(CasResult::Mismatch(found)) => Answer::AnotherValue(found),
                other => show::undone(&other),
            }
        }
        KvCommand::Txn { steps } => match client.transact(steps.clone()).await {
            Outcome::Ok(TxnResult::Committed(reads)) => Answer::Read(reads),
            Outcome::Ok(TxnResult::Aborted { step, found }) => Answer::Aborted(step, found),
            other => show::undone(&other),
        },
        KvCommand::Member { change } => change_members(&cluster, &mut client, change).await?,
        KvCommand::Transfer { to } => show::done(client.transfer(*to).await),
        KvCommand::Status | KvCommand::WatchStatus { .. } => unreachable!("done above"),
    };
    Ok(answer.print(client.trouble(), args.json))
}

async fn get(client: &mut Client, key: &str, read: ReadBy) -> Answer {
    let outcome = match read {
        ReadBy::Leader => client.read_by(key, ReadMode::Leader).await,
        ReadBy::Lease => client.read_by(key, ReadMode::Lease).await,
        ReadBy::Anywhere => client.read_by(key, ReadMode::Anywhere).await,
        ReadBy::Stale => client.read_stale(key).await,
    };
    match outcome {
        Outcome::Ok(value) => Answer::Value(value),
        other => show::undone(&other),
    }
}

async fn status(cluster: &Cluster, json: bool) -> Result<Exit, CliError> {
    let seen = cluster.look().await?;
    show::status(&seen, json);
    Ok(Exit::Holds)
}

async fn watch(cluster: &Cluster, json: bool, every: Duration) -> Result<Exit, CliError> {
    let stop = super::interrupt::flag();
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        // Nobody there is worth showing, too: a cluster may come back.
        match cluster.look().await {
            Ok(seen) => show::status(&seen, json),
            Err(error) => eprintln!("{error}"),
        }
        tokio::time::sleep(every).await;
    }
    Ok(Exit::Holds)
}

/// Refuses what can't be understood before anybody is asked.
fn parsed<T>(
    parse: fn(&str) -> Result<T, CliError>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| parse(text).map_err(|error| format!("{}; {}", error.what, error.remedy))
}

/// One step of a transaction as it is typed.
fn txn_step(text: &str) -> Result<TxnStep, CliError> {
    let wrong = || {
        CliError::new(
            format!("{text:?} is no step of a transaction"),
            "say 'read KEY', 'write KEY VALUE', 'append KEY SUFFIX', 'expect KEY VALUE' or 'absent KEY'",
        )
    };
    let mut words = text.splitn(3, ' ');
    let (verb, key) = (words.next(), words.next().filter(|key| !key.is_empty()));
    let key = key.ok_or_else(wrong)?.to_owned();
    let value = words.next().map(|value| Bytes::from(value.to_owned()));
    match (verb.unwrap_or_default(), value) {
        ("read", None) => Ok(TxnStep::Read { key }),
        ("write", Some(value)) => Ok(TxnStep::Write { key, value }),
        ("append", Some(suffix)) => Ok(TxnStep::Append { key, suffix }),
        ("expect", Some(value)) => Ok(TxnStep::Expect {
            key,
            value: Some(value),
        }),
        ("absent", None) => Ok(TxnStep::Expect { key, value: None }),
        _ => Err(wrong()),
    }
}

async fn change_members(
    cluster: &Cluster,
    client: &mut Client,
    change: &Member,
) -> Result<Answer, CliError> {
    let now = cluster.look().await?.membership();
    let mut voters = now.voters.clone();
    let mut learners = now.learners.clone();
    match change {
        Member::Add { server, learner } => {
            let (id, addr) = server.clone();
            if now.is_voter(id) && !learner {
                return Ok(Answer::Already(format!("{id} votes already")));
            }
            let addresses = BTreeMap::from([(id, addr)]);
            learners.insert(id);
            let added = cluster.change(client, None, &learners, &addresses).await;
            if *learner || added != Outcome::Ok(()) {
                return Ok(show::done(added));
            }
            learners.remove(&id);
            voters.insert(id);
        }
        Member::Promote { server } => {
            if !learners.remove(server) {
                return Ok(Answer::Already(format!("{server} is no learner")));
            }
            voters.insert(*server);
        }
        Member::Remove { server } => {
            if !voters.remove(server) & !learners.remove(server) {
                return Ok(Answer::Already(format!("{server} is no member")));
            }
        }
    }
    let none = BTreeMap::new();
    let voters = (voters != now.voters).then_some(voters);
    Ok(show::done(
        cluster.change(client, voters, &learners, &none).await,
    ))
}

fn named_address(text: &str) -> Result<(NodeId, String), CliError> {
    let Some((number, addr)) = text.split_once('=') else {
        return Err(CliError::new(
            format!("{text:?} names no server with its address"),
            "say which server listens where, as in 4=127.0.0.1:7004",
        ));
    };
    Ok((number_of(number)?, address(addr)?))
}
