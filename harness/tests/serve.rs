//! The server as people run it: processes, sockets, disks, certificates and signals. What clients saw of it
//! goes through the same checkers as what they see in simulation.

#![expect(clippy::disallowed_methods, reason = "real processes take real time")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use plumb_checkers::{Options, Spec, Verdict, check};
use plumb_histories::{Header, Recorder, Value};
use plumb_raft::client::{CasResult, Client, ClientConfig, Outcome};
use plumb_raft::production::{TcpNetwork, TokioClock};
use plumb_raft::types::NodeId;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

fn plumb() -> Command {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
}

/// A process that is killed when the test is over.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Server {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.0.id().to_string()])
            .status();
        assert!(sent.expect("there is a kill").success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.0.try_wait().expect("it can be asked") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

struct Cluster {
    folder: PathBuf,
    addrs: BTreeMap<u64, String>,
    flags: Vec<String>,
    client_flags: Vec<String>,
    running: BTreeMap<u64, Server>,
}

fn free_addresses(n: u64) -> BTreeMap<u64, String> {
    let open: Vec<TcpListener> = (0..n)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("loopback has a port"))
        .collect();
    let addr = |listener: &TcpListener| listener.local_addr().expect("bound").to_string();
    (1..).zip(open.iter().map(addr)).collect()
}

impl Cluster {
    fn start(folder: &Path, flags: &[String], client_flags: &[String]) -> Cluster {
        let mut cluster = Cluster {
            folder: folder.to_owned(),
            addrs: free_addresses(3),
            flags: flags.to_vec(),
            client_flags: client_flags.to_vec(),
            running: BTreeMap::new(),
        };
        for id in 1..=3 {
            cluster.start_one(id);
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while cluster.kv(&["status"]).status.code() != Some(0) {
            assert!(Instant::now() < deadline, "nobody answers");
        }
        cluster
    }

    fn start_one(&mut self, id: u64) {
        let mut command = plumb();
        command.args(["serve", "--log", "warn", "--id", &id.to_string()]);
        command
            .arg("--data")
            .arg(self.folder.join(format!("n{id}")));
        for (peer, addr) in &self.addrs {
            command.args(["--peer", &format!("{peer}={addr}")]);
        }
        command.args(&self.flags).stderr(Stdio::null());
        let child = command.spawn().expect("it starts");
        self.running.insert(id, Server(child));
    }

    fn kv(&self, args: &[&str]) -> Output {
        let all: Vec<&str> = self.addrs.values().map(String::as_str).collect();
        let mut command = plumb();
        command.args(["kv", "--timeout", "20", "--at", &all.join(",")]);
        command.args(&self.client_flags).args(args);
        command.output().expect("it runs")
    }

    /// What the command prints if it ends well.
    fn ask(&self, args: &[&str]) -> String {
        let output = self.kv(args);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {words}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn status(&self) -> serde_json::Value {
        self.json(&["status"])
    }

    /// What the command says as JSON, however it ends; the document is one of those in the book.
    fn json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.kv(&[&["--json"], args].concat());
        let said = serde_json::from_slice(&output.stdout).expect("JSON");
        let schema = serde_json::from_str(include_str!("../../docs/schemas/kv.json"));
        let schema = schema.expect("it is JSON");
        assert!(
            jsonschema::draft202012::is_valid(&schema, &said),
            "{said:#}"
        );
        said
    }

    fn leader(&self) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let status = self.status();
            let servers = status["servers"].as_array().expect("a list");
            let leads = servers.iter().find(|server| server["role"] == "leader");
            if let Some(leader) = leads {
                return leader["id"].as_u64().expect("a number");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("nobody leads");
    }
}

/// An authority, and one certificate for all: flags for a server and for a client.
fn certificates(folder: &Path) -> Vec<String> {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("signed");
    let issuer = Issuer::new(params, key);
    let own_key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(vec!["plumb".to_owned()]).expect("a name");
    let own = own.signed_by(&own_key, &issuer).expect("signed");
    let file = |what: &str, text: String| {
        let path = folder.join(what);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    vec![
        "--tls-ca".to_owned(),
        file("ca.pem", authority.pem()),
        "--tls-cert".to_owned(),
        file("own.pem", own.pem()),
        "--tls-key".to_owned(),
        file("own.key", own_key.serialize_pem()),
        "--tls-server-name".to_owned(),
        "plumb".to_owned(),
    ]
}

#[test]
fn a_cluster_with_certificates_serves_grows_hands_over_and_keeps_what_it_was_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tls = certificates(folder.path());
    let mut cluster = Cluster::start(folder.path(), &tls, &tls);
    assert_eq!(cluster.ask(&["put", "a", "1"]), "done");
    assert_eq!(cluster.ask(&["get", "a", "--read", "anywhere"]), "1");
    assert_eq!(cluster.ask(&["cas", "a", "2", "--expect", "1"]), "done");
    let again = cluster.kv(&["cas", "a", "2", "--expect", "1"]);
    assert_eq!(again.status.code(), Some(1), "another value");
    let steps = ["txn", "expect a 2", "append log x", "read log", "read none"];
    assert_eq!(cluster.ask(&steps), "committed\nx\nno value");
    assert_eq!(cluster.json(&["get", "a"])["value"], "2");
    assert_eq!(cluster.json(&["put", "a", "2"])["outcome"], "ok");
    let other = cluster.json(&["cas", "a", "3", "--expect", "1"]);
    assert_eq!(
        (&other["outcome"], &other["found"]),
        (&"mismatch".into(), &"2".into())
    );
    let aborted = cluster.json(&["txn", "expect a 7"]);
    assert_eq!(
        (&aborted["outcome"], &aborted["step"]),
        (&"aborted".into(), &0.into())
    );
    assert_eq!(
        cluster.json(&["txn", "read a"])["reads"],
        serde_json::json!(["2"])
    );
    for wrong in [
        &["member", "add", "4"][..],
        &["member", "remove", "one"],
        &["transfer", "0"],
        &["txn", "reed a"],
    ] {
        let refused = cluster.kv(wrong);
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("; say "));
    }
    let none = cluster.kv(&["get", "none"]);
    assert_eq!(none.status.code(), Some(1), "no such key");

    // Without a certificate nobody is served.
    let open = plumb()
        .args([
            "kv",
            "--timeout",
            "1",
            "--at",
            &cluster.addrs[&1],
            "get",
            "a",
        ])
        .output()
        .expect("it runs");
    assert_eq!(open.status.code(), Some(2));

    // A leader that is told to stop hands over, and ends well.
    let leader = cluster.leader();
    let mut stopped = cluster.running.remove(&leader).expect("it runs");
    stopped.signal("TERM");
    assert_eq!(stopped.exit_code(), Some(0));
    assert_ne!(cluster.leader(), leader);
    assert_eq!(cluster.ask(&["append", "log", "y"]), "done");

    // One that is killed has everything when it comes back, and a newcomer gets it.
    cluster.start_one(leader);
    let killed = cluster.leader();
    drop(cluster.running.remove(&killed));
    cluster.start_one(killed);
    assert_eq!(cluster.ask(&["get", "log"]), "xy");
    let addr = free_addresses(1)[&1].clone();
    let newcomer = plumb()
        .args([
            "serve", "--log", "warn", "--id", "4", "--join", "--listen", &addr,
        ])
        .arg("--data")
        .arg(folder.path().join("n4"))
        .args(&tls)
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let _newcomer = Server(newcomer);
    assert_eq!(
        cluster.ask(&["member", "add", &format!("4={addr}")]),
        "done"
    );
    assert_eq!(cluster.ask(&["transfer", "4"]), "done");
    assert_eq!(cluster.ask(&["get", "log"]), "xy");
    assert_eq!(cluster.ask(&["member", "remove", "1"]), "done");
    let best = cluster.leader();
    let status = cluster.status();
    let servers = status["servers"].as_array().expect("a list");
    let of_leader = servers.iter().find(|server| server["id"] == best);
    assert_eq!(
        of_leader.expect("it answers")["voters"],
        serde_json::json!([2, 3, 4])
    );
}

#[test]
fn figures_are_served_to_whoever_scrapes_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let addrs = free_addresses(2);
    let child = plumb()
        .args(["serve", "--id", "1", "--log", "debug"])
        .args([
            "--peer",
            &format!("1={}", addrs[&1]),
            "--metrics",
            &addrs[&2],
        ])
        .arg("--data")
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut server = Server(child);
    let put = plumb()
        .args(["kv", "--timeout", "20", "--at", &addrs[&1], "put", "a", "1"])
        .output();
    // It may not listen yet.
    let mut put = put.expect("it runs");
    for _ in 0..100 {
        if put.status.code() == Some(0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        let again = plumb()
            .args(["kv", "--at", &addrs[&1], "put", "a", "1"])
            .output();
        put = again.expect("it runs");
    }
    assert_eq!(put.status.code(), Some(0));
    let mut stream = TcpStream::connect(&addrs[&2]).expect("it listens");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for (figure, least) in [
        ("plumb_raft_is_leader ", 1.0),
        ("plumb_raft_term ", 1.0),
        ("plumb_raft_commit_latency_seconds_count ", 2.0),
        ("plumb_raft_sync_seconds_count ", 2.0),
        ("plumb_raft_entries_appended_total ", 3.0),
    ] {
        let line = answer.lines().find_map(|line| line.strip_prefix(figure));
        let value: f64 = line.expect(figure).parse().expect("a number");
        assert!(value >= least, "{figure}{value}");
    }
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    let log = BufReader::new(server.0.stderr.take().expect("it was kept"));
    let lines: Vec<String> = log.lines().map_while(Result::ok).collect();
    for event in ["a leader is known", "entries to the log", "stopped"] {
        assert!(
            lines.iter().any(|line| line.contains(event)),
            "{event}: {lines:#?}"
        );
    }
}

#[test]
fn what_can_not_be_started_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("n1");
    let addr = free_addresses(1)[&1].clone();
    let serve = |flags: &[&str]| {
        let output = plumb().arg("serve").args(flags).output().expect("it runs");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words}");
        words
    };
    let data_flag = data.display().to_string();
    let peer = format!("1={addr}");
    let base = ["--data", &data_flag, "--peer", &peer];
    assert!(serve(&base).contains("id is not set"));
    assert!(serve(&["--config", "none.toml"]).contains("none.toml"));
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "id = 1\ncolour = 7\n").expect("written");
    let bad = serve(&["--config", &file.display().to_string()]);
    assert!(
        bad.contains("bad.toml:2") && bad.contains("colour"),
        "{bad}"
    );

    // A folder that another server has used, or uses.
    let all = [&base[..], &["--id", "1"]].concat();
    let child = plumb()
        .arg("serve")
        .args(&all)
        .stderr(Stdio::null())
        .spawn();
    let running = Server(child.expect("it starts"));
    while !data.join("identity").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(serve(&all).contains("in use"));
    drop(running);
    let other = serve(&[
        "--data",
        &data_flag,
        "--peer",
        &format!("2={addr}"),
        "--id",
        "2",
    ]);
    assert!(other.contains("n1 of cluster \"plumb\""), "{other}");
    let renamed = serve(&[&all[..], &["--cluster", "other"]].concat());
    assert!(renamed.contains("cluster"), "{renamed}");
    let nobody = plumb()
        .args(["kv", "--timeout", "1", "--at", &addr, "get", "a"])
        .output()
        .expect("it runs");
    assert_eq!(nobody.status.code(), Some(2));
    let words = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(words.contains("no server answers"), "{words}");
}

fn note(recorder: &Mutex<Recorder>, what: impl FnOnce(&mut Recorder)) {
    what(&mut recorder.lock().expect("no panic"));
}

fn client_of(servers: &[(NodeId, String)], process: u64) -> Client {
    Client::new(
        servers.to_vec(),
        process as usize,
        ClientConfig::default(),
        Arc::new(TokioClock::start()),
        Arc::new(TcpNetwork),
    )
}

/// What a client does until it is told to stop; processes of unknown fate are retired.
async fn act(
    servers: Vec<(NodeId, String)>,
    mut process: u64,
    recorder: Arc<Mutex<Recorder>>,
    clock: Instant,
    values: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) {
    let now = || u64::try_from(clock.elapsed().as_nanos()).expect("a short test");
    let number = |bytes: Option<Bytes>| match bytes {
        None => Value::Null,
        Some(bytes) => {
            let text = String::from_utf8(bytes.to_vec()).expect("we wrote digits");
            Value::Int(text.parse().expect("we wrote a number"))
        }
    };
    let mut client = client_of(&servers, process);
    let mut seen: Option<Bytes> = None;
    while !stop.load(Ordering::Relaxed) {
        let value = values.fetch_add(1, Ordering::Relaxed);
        let bytes = Bytes::from(value.to_string());
        let key = format!("k{}", value % 2);
        let (f, argument) = match value % 4 {
            0 | 1 => ("read", Value::Null),
            2 => ("write", Value::Int(value as i64)),
            _ => {
                let pair = vec![number(seen.clone()), Value::Int(value as i64)];
                ("cas", Value::List(pair))
            }
        };
        let name = Some(Value::Str(key.clone()));
        let started = now();
        note(&recorder, |books| {
            books.invoke(started, process, f, name, argument.clone(), None);
        });
        let outcome = match f {
            "read" => match client.read(&key).await {
                Outcome::Ok(read) => {
                    seen = read.clone();
                    Outcome::Ok(Some(number(read)))
                }
                Outcome::Failed(why) => Outcome::Failed(why),
                Outcome::Unknown(why) => Outcome::Unknown(why),
            },
            "write" => match client.write(&key, bytes).await {
                Outcome::Ok(()) => Outcome::Ok(Some(argument.clone())),
                Outcome::Failed(why) => Outcome::Failed(why),
                Outcome::Unknown(why) => Outcome::Unknown(why),
            },
            _ => match client.cas(&key, seen.clone(), bytes).await {
                Outcome::Ok(CasResult::Swapped) => Outcome::Ok(Some(argument.clone())),
                Outcome::Ok(CasResult::Mismatch(_)) => Outcome::Failed("another value"),
                Outcome::Failed(why) => Outcome::Failed(why),
                Outcome::Unknown(why) => Outcome::Unknown(why),
            },
        };
        let ended = now();
        let unknown = matches!(outcome, Outcome::Unknown(_));
        note(&recorder, |books| match outcome {
            Outcome::Ok(result) => books.ok(ended, process, result.expect("each has one")),
            Outcome::Failed(why) => books.fail(ended, process, argument, Some(why)),
            Outcome::Unknown(why) => books.info(ended, process, argument, Some(why)),
        });
        if unknown {
            // Another process, with a session of its own.
            process += 100;
            client = client_of(&servers, process);
        }
    }
}

/// Real processes, real sockets, real disks, real signals: servers are killed and frozen under load, and what
/// clients saw is judged as in simulation.
#[test]
fn what_clients_see_of_killed_and_frozen_servers_is_linearizable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut cluster = Cluster::start(folder.path(), &[], &[]);
    cluster.leader();
    let recorder = Arc::new(Mutex::new(Recorder::new(Header::default())));
    let (stop, values) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(1)),
    );
    let clock = Instant::now();
    let servers: Vec<(NodeId, String)> = cluster
        .addrs
        .iter()
        .map(|(id, addr)| (NodeId(*id), addr.clone()))
        .collect();
    let acting = {
        let (recorder, stop) = (Arc::clone(&recorder), Arc::clone(&stop));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async move {
                let mut clients = tokio::task::JoinSet::new();
                for process in 0..5 {
                    let (recorder, stop) = (Arc::clone(&recorder), Arc::clone(&stop));
                    let values = Arc::clone(&values);
                    let servers = servers.clone();
                    clients.spawn(act(servers, process, recorder, clock, values, stop));
                }
                while let Some(ended) = clients.join_next().await {
                    ended.expect("no panic");
                }
            });
        })
    };
    for round in 0..4 {
        std::thread::sleep(Duration::from_millis(400));
        let leader = cluster.leader();
        if round % 2 == 0 {
            drop(cluster.running.remove(&leader));
            std::thread::sleep(Duration::from_millis(300));
            cluster.start_one(leader);
        } else {
            cluster.running[&leader].signal("STOP");
            std::thread::sleep(Duration::from_millis(600));
            cluster.running[&leader].signal("CONT");
        }
    }
    std::thread::sleep(Duration::from_millis(400));
    stop.store(true, Ordering::Relaxed);
    acting.join().expect("no panic");
    let recorder = Arc::into_inner(recorder).expect("nobody writes any more");
    let history = recorder.into_inner().expect("no panic").finish();
    let succeeded = history
        .operations()
        .filter(|operation| operation.outcome() == plumb_histories::Outcome::Ok)
        .count();
    assert!(succeeded >= 100, "{succeeded} operations are no load");
    let spec = Spec::by_name("cas-register").expect("it exists");
    let report = check(&history, &Options::new(spec)).expect("the history fits");
    match report.verdict {
        Verdict::Valid(_) => {}
        other => panic!("{other}"),
    }
}
