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
    let (stop, stopped) = oneshot::channel();
    let config = ServerConfig::new(id, addrs);
    let disk = RealDisk::open(&folder.join(id.to_string())).expect("a fresh folder opens");
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
