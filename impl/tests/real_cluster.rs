//! The server on real sockets and a real disk: the same code that the simulation runs.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plumb_raft::client::{CasResult, Client, ClientConfig, Outcome};
use plumb_raft::production::{OsSeeded, TcpNetwork, TokioClock, seams};
use plumb_raft::server::{ServerConfig, ServerError, Unobserved, run};
use plumb_raft::storage::RealDisk;
use plumb_raft::types::NodeId;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServerError>>,
}

fn start(id: NodeId, addrs: &BTreeMap<NodeId, String>, folder: &Path) -> Running {
    start_with(ServerConfig::new(id, addrs), folder)
}

fn start_with(config: ServerConfig, folder: &Path) -> Running {
    let (stop, stopped) = oneshot::channel();
    let folder = folder.join(config.core.id.to_string());
    let disk = RealDisk::open(&folder).expect("a fresh folder opens");
    let task = tokio::spawn(async move {
        let shutdown = async move { drop(stopped.await) };
        let random = Box::new(OsSeeded::new());
        run(
            config,
            seams(Arc::new(disk)),
            random,
            Arc::new(Unobserved),
            shutdown,
        )
        .await
    });
    Running { stop, task }
}

fn free_addresses(n: u64) -> BTreeMap<NodeId, String> {
    let listeners: Vec<TcpListener> = (0..n)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("loopback has a port"))
        .collect();
    (1..=n)
        .map(NodeId)
        .zip(
            listeners
                .iter()
                .map(|l| l.local_addr().expect("it is bound").to_string()),
        )
        .collect()
}

fn client(addrs: &BTreeMap<NodeId, String>) -> Client {
    let config = ClientConfig {
        give_up_after: Duration::from_secs(20),
        ..ClientConfig::default()
    };
    let servers = addrs.iter().map(|(id, addr)| (*id, addr.clone())).collect();
    Client::new(
        servers,
        0,
        config,
        Arc::new(TokioClock::start()),
        Arc::new(TcpNetwork),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_on_sockets_serves_and_outlives_a_crash_of_each_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let addrs = free_addresses(3);
    let mut servers: BTreeMap<NodeId, Running> = addrs
        .keys()
        .map(|id| (*id, start(*id, &addrs, folder.path())))
        .collect();
    let mut client = client(&addrs);

    assert_eq!(client.write("k", Bytes::from("a")).await, Outcome::Ok(()));
    assert_eq!(client.append("k", Bytes::from("b")).await, Outcome::Ok(()));
    for id in addrs.keys() {
        // Dropping the task is a crash: nothing is flushed, nobody is told.
        let running = servers.remove(id).expect("it runs");
        running.task.abort();
        drop(running.task.await);
        servers.insert(*id, start(*id, &addrs, folder.path()));
        assert_eq!(client.append("k", Bytes::from("c")).await, Outcome::Ok(()));
    }
    assert_eq!(
        client.read("k").await,
        Outcome::Ok(Some(Bytes::from("abccc")))
    );
    let cas = client
        .cas("k", Some(Bytes::from("abccc")), Bytes::from("z"))
        .await;
    assert_eq!(cas, Outcome::Ok(CasResult::Swapped));

    for (_, running) in servers {
        running.stop.send(()).expect("it still runs");
        running.task.await.expect("no panic").expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_garbage_do_not_disturb_the_cluster() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let folder = tempfile::tempdir().expect("a temporary folder");
    let addrs = free_addresses(1);
    let running = start(NodeId(1), &addrs, folder.path());
    let mut client = client(&addrs);
    assert_eq!(client.write("k", Bytes::from("a")).await, Outcome::Ok(()));
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        &[0, 0, 0, 2, 1, 1],
        &[0, 0, 0, 0],
    ] {
        let mut stream = tokio::net::TcpStream::connect(&addrs[&NodeId(1)])
            .await
            .expect("open");
        stream.write_all(garbage).await.expect("sent");
        let mut answer = Vec::new();
        let closed = stream.read_to_end(&mut answer);
        drop(
            tokio::time::timeout(Duration::from_secs(10), closed)
                .await
                .expect("dropped"),
        );
        assert!(answer.is_empty(), "no answer for a stranger");
    }
    assert_eq!(client.read("k").await, Outcome::Ok(Some(Bytes::from("a"))));
    running.stop.send(()).expect("it still runs");
    running.task.await.expect("no panic").expect("a clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_too_many_is_told_so_and_finds_a_place_once_another_leaves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let addrs = free_addresses(1);
    let running = start_with(
        ServerConfig {
            max_clients: 1,
            ..ServerConfig::new(NodeId(1), &addrs)
        },
        folder.path(),
    );
    let mut first = client(&addrs);
    assert_eq!(first.write("k", Bytes::from("a")).await, Outcome::Ok(()));
    let config = ClientConfig {
        give_up_after: Duration::from_millis(300),
        ..ClientConfig::default()
    };
    let servers = addrs.iter().map(|(id, addr)| (*id, addr.clone())).collect();
    let clock = Arc::new(TokioClock::start());
    let mut second = Client::new(servers, 0, config, clock, Arc::new(TcpNetwork));
    assert!(matches!(
        second.write("k", Bytes::from("b")).await,
        Outcome::Failed(_)
    ));
    let told = second.trouble().expect("it was told why").to_owned();
    assert!(told.contains("as many clients as it may have"), "{told}");
    drop(first);
    let mut third = client(&addrs);
    assert_eq!(third.read("k").await, Outcome::Ok(Some(Bytes::from("a"))));
    running.stop.send(()).expect("it still runs");
    running.task.await.expect("no panic").expect("a clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_no_frame_could_carry_on_is_refused_and_disturbs_nobody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let addrs = free_addresses(3);
    let servers: Vec<Running> = addrs
        .keys()
        .map(|id| start(*id, &addrs, folder.path()))
        .collect();
    let mut client = client(&addrs);
    assert_eq!(client.write("k", Bytes::from("a")).await, Outcome::Ok(()));
    let huge = Bytes::from(vec![7; (16 << 20) - 64]);
    let refused = client.write("k", huge).await;
    assert_eq!(
        refused,
        Outcome::Failed("the command is larger than an entry may be")
    );
    assert_eq!(client.append("k", Bytes::from("b")).await, Outcome::Ok(()));
    let read = client.read("k").await;
    assert_eq!(read, Outcome::Ok(Some(Bytes::from("ab"))));
    for running in servers {
        running.stop.send(()).expect("it still runs");
        running.task.await.expect("no panic").expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_stopped_hands_over_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let addrs = free_addresses(3);
    let mut servers: BTreeMap<NodeId, Running> = addrs
        .keys()
        .map(|id| (*id, start(*id, &addrs, folder.path())))
        .collect();
    let mut client = client(&addrs);
    assert_eq!(client.write("k", Bytes::from("a")).await, Outcome::Ok(()));
    let Outcome::Ok(before) = client.status().await else {
        panic!("the leader answers");
    };
    assert_eq!(
        before.leader,
        Some(before.id),
        "who has written is the leader"
    );
    let leader = servers.remove(&before.id).expect("it runs");
    leader.stop.send(()).expect("it still runs");
    leader.task.await.expect("no panic").expect("a clean end");
    assert_eq!(client.append("k", Bytes::from("b")).await, Outcome::Ok(()));
    let Outcome::Ok(after) = client.status().await else {
        panic!("the new leader answers");
    };
    assert_ne!(after.id, before.id);
    assert_eq!(after.term.0, before.term.0 + 1, "no election was lost");
    for (_, running) in servers {
        running.stop.send(()).expect("it still runs");
        running.task.await.expect("no panic").expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_address_nobody_was_configured_with_joins_and_votes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let all = free_addresses(4);
    let (newcomer, first): (BTreeMap<_, _>, BTreeMap<_, _>) = all
        .iter()
        .map(|(id, addr)| (*id, addr.clone()))
        .partition(|(id, _)| id.0 == 4);
    let mut servers: Vec<Running> = first
        .keys()
        .map(|id| start(*id, &first, folder.path()))
        .collect();
    let mut client = client(&first);
    assert_eq!(client.write("k", Bytes::from("a")).await, Outcome::Ok(()));
    servers.push(start_with(
        ServerConfig::joining(NodeId(4), &newcomer[&NodeId(4)]),
        folder.path(),
    ));
    let learners = [NodeId(4)].into();
    let added = client.change_membership(None, learners, newcomer.clone());
    assert_eq!(added.await, Outcome::Ok(()));
    // It votes once it has the log: until then the leader says so.
    let voters: std::collections::BTreeSet<NodeId> = all.keys().copied().collect();
    let mut promoted = Outcome::Failed("not asked yet");
    for _ in 0..100 {
        promoted = client
            .change_membership(Some(voters.clone()), [].into(), BTreeMap::new())
            .await;
        if promoted == Outcome::Ok(()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(promoted, Outcome::Ok(()));
    let mut of_newcomer = self::client(&newcomer);
    let mut status = of_newcomer.status().await;
    for _ in 0..100 {
        let Outcome::Ok(seen) = &status else {
            panic!("it answers: {:?}", of_newcomer.trouble());
        };
        if seen.membership.voters == voters && !seen.membership.is_joint() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        status = of_newcomer.status().await;
    }
    let Outcome::Ok(status) = status else {
        panic!("it answers");
    };
    assert_eq!(status.membership.voters, voters);
    assert_eq!(
        status.membership.addresses, all,
        "the cluster has told it where all are"
    );
    for running in servers {
        running.stop.send(()).expect("it still runs");
        running.task.await.expect("no panic").expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_another_cluster_is_told_so_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let addrs = free_addresses(1);
    let running = start(NodeId(1), &addrs, folder.path());
    let config = ClientConfig {
        cluster: "another".to_owned(),
        give_up_after: Duration::from_millis(300),
        ..ClientConfig::default()
    };
    let servers = addrs.iter().map(|(id, addr)| (*id, addr.clone())).collect();
    let clock = Arc::new(TokioClock::start());
    let mut stranger = Client::new(servers, 0, config, clock, Arc::new(TcpNetwork));
    // Long enough for a first connection.
    let mut told = false;
    for _ in 0..50 {
        let outcome = stranger.write("k", Bytes::from("x")).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        told |= stranger
            .trouble()
            .is_some_and(|why| why.contains("\"another\""));
        if told {
            break;
        }
    }
    assert!(told, "{:?}", stranger.trouble());
    assert_eq!(client(&addrs).read("k").await, Outcome::Ok(None));
    running.stop.send(()).expect("it still runs");
    running.task.await.expect("no panic").expect("a clean end");
}
