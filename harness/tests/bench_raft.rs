//! `plumb bench raft`: real processes are started, asked, and gone afterwards; the figures hang together.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["bench", "raft", "--seconds", "0.2", "--rounds", "2"])
        .args(["--keys", "50", "--dir", "data"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary runs")
}

fn figures(json: &Value, server: &str, operation: &str) {
    let figures = &json[server];
    let of = |name: &str| figures[name].as_f64().expect(name);
    assert!(of("operations") >= 2.0, "{json}");
    assert_eq!(of("failed"), 0.0, "{json}");
    assert!(of("per_second") > 0.0, "{json}");
    let ascending = [0.0, of("p50"), of("p99"), of("p999"), of("max")];
    assert!(ascending.is_sorted() && of("p50") > 0.0, "{json}");
    // A write that was answered is in the log, which was synced for it.
    let batch = figures["entries_per_sync"].as_f64();
    if operation == "write" {
        assert!(batch.is_some_and(|batch| batch >= 0.5), "{json}");
    }
}

fn report(output: &Output) -> Value {
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["plumb_bench"], 1);
    json["raft"].clone()
}

#[test]
fn a_small_load_is_measured_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases = ["--clients", "1,2", "--values", "16,1024", "--json", "-"];
    let raft = report(&bench(folder.path(), &cases));
    assert_eq!(
        [&raft["nodes"], &raft["rounds"], &raft["keys"]],
        [3, 2, 50].map(Value::from).each_ref()
    );
    assert_eq!(raft["seconds"], 0.2);
    assert_eq!(raft["etcd"], Value::Null);
    let rows = raft["rows"].as_array().expect("rows");
    let cases: Vec<_> = rows
        .iter()
        .map(|row| {
            let operation = row["operation"].as_str().expect("a name");
            figures(row, "plumb", operation);
            assert!(row.get("etcd").is_none() && row.get("ratios").is_none());
            let number = |name: &str| row[name].as_u64().expect(name);
            (number("value_bytes"), number("clients"), operation)
        })
        .collect();
    let mut expected = Vec::new();
    for value in [16, 1024] {
        for clients in [1, 2] {
            expected.extend(["write", "read", "lease-read"].map(|it| (value, clients, it)));
        }
    }
    assert_eq!(cases, expected);
    let left = std::fs::read_dir(folder.path().join("data")).expect("the folder is there");
    assert_eq!(left.count(), 0, "data is removed");
}

#[test]
fn people_get_a_table_with_what_it_is_a_table_of() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = bench(folder.path(), &["--clients", "2", "--values", "16"]);
    assert_eq!(output.status.code(), Some(0));
    let table = String::from_utf8_lossy(&output.stdout);
    for words in [
        "clients    value  operation",
        "16 B  lease-read  plumb",
        "3 nodes as processes on one machine with",
        "50 keys, each with one client",
    ] {
        assert!(table.contains(words), "{words:?} is not in\n{table}");
    }
}

#[test]
fn etcd_is_measured_beside_ours() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    if Command::new("etcd").arg("--version").output().is_err() {
        eprintln!("skipped: there is no etcd on the PATH");
        return;
    }
    let arguments = [
        "--clients",
        "2",
        "--values",
        "16",
        "--against",
        "etcd",
        "--json",
        "-",
    ];
    let raft = report(&bench(folder.path(), &arguments));
    assert!(
        raft["etcd"]
            .as_str()
            .is_some_and(|version| version.starts_with(['3', '4']))
    );
    let rows = raft["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 3);
    for row in rows {
        let operation = row["operation"].as_str().expect("a name");
        figures(row, "plumb", operation);
        if operation == "lease-read" {
            assert!(row.get("etcd").is_none(), "etcd has no such read: {row}");
            continue;
        }
        figures(row, "etcd", operation);
        for name in ["per_second", "p50", "p99"] {
            let [ours, theirs] = ["plumb", "etcd"].map(|it| row[it][name].as_f64().expect(name));
            let ratio = row["ratios"][name].as_f64().expect(name);
            assert!((ratio - ours / theirs).abs() < 1e-9, "{name}: {row}");
        }
    }
}

#[test]
fn without_etcd_the_comparison_is_refused_before_anything_is_started() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["bench", "raft", "--against", "etcd"])
        .env("PATH", folder.path())
        .current_dir(folder.path())
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("put etcd on the PATH"), "{words}");
    let left = std::fs::read_dir(folder.path()).expect("the folder is there");
    assert_eq!(left.count(), 0, "nothing was started");
}

/// The end of a process by a signal that it can't answer must end its nodes as well: their standard input is
/// a pipe from it.
#[cfg(target_os = "linux")]
#[test]
fn nodes_end_with_the_benchmark_however_it_ends() {
    use std::process::Stdio;
    use std::time::Duration;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["bench", "raft", "--clients", "1", "--values", "16"])
        .args(["--seconds", "600", "--dir", "."])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    // A node's command line names its data folder, which no other test has.
    let mark = folder.path().display().to_string();
    let nodes = || {
        let processes = std::fs::read_dir("/proc").expect("Linux tells its processes");
        processes
            .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
            .filter(|line| String::from_utf8_lossy(line).contains(&mark))
            .count()
    };
    let wait_for = |wanted: usize| {
        for _ in 0..1000 {
            if nodes() == wanted {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} nodes run, where {wanted} should", nodes());
    };
    wait_for(3);
    bench.kill().expect("it runs");
    bench.wait().expect("it is gone");
    wait_for(0);
}

#[cfg(unix)]
#[test]
fn what_was_measured_before_ctrl_c_is_kept_and_is_no_success() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let clients: Vec<String> = (1..=60).map(|clients| clients.to_string()).collect();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["bench", "raft", "--clients", &clients.join(",")])
        .args(["--values", "16", "--seconds", "0.2", "--rounds", "1"])
        .args(["--keys", "100", "--dir", "data", "--json", "bench.json"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let table = BufReader::new(bench.stdout.take().expect("it is a pipe"));
    let mut lines = table.lines();
    // The heading and a row.
    for _ in 0..2 {
        lines.next().expect("there are more").expect("it is text");
    }
    let sent = Command::new("kill")
        .args(["-INT", &bench.id().to_string()])
        .status();
    assert!(sent.expect("there is a kill").success());
    let words: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(bench.wait().expect("it ends").code(), Some(3), "{words:?}");
    let json = std::fs::read(folder.path().join("bench.json")).expect("it was written");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    let rows = json["raft"]["rows"].as_array().expect("rows").len();
    assert!((1..180).contains(&rows), "{rows} rows");
    let left = std::fs::read_dir(folder.path().join("data")).expect("the folder is there");
    assert_eq!(left.count(), 0, "data is removed");
}
