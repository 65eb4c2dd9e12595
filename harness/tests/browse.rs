//! `plumb browse` without a browser: what it writes and what it serves.

mod browse_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use browse_support::{PLUMB, folder, stale_read};

fn browse(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(PLUMB)
        .arg("browse")
        .args(arguments)
        .output()
        .expect("the test's own process and pipes work");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn text(path: &Path) -> String {
    path.to_str()
        .expect("the test's own paths are text")
        .to_owned()
}

/// A server that ends with the test.
struct Served {
    child: Child,
    addr: String,
}

impl Served {
    fn start(what: &Path) -> Served {
        let mut child = Command::new(PLUMB)
            .args(["browse", &text(what), "--addr", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test's own process and pipes work");
        let mut line = String::new();
        BufReader::new(
            child
                .stdout
                .as_mut()
                .expect("the test's own process and pipes work"),
        )
        .read_line(&mut line)
        .expect("the test's own process and pipes work");
        let addr = line
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        Served { child, addr }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream =
            TcpStream::connect(&self.addr).expect("the test's own process and pipes work");
        stream
            .write_all(request.as_bytes())
            .expect("the test's own process and pipes work");
        let mut reply = Vec::new();
        stream
            .read_to_end(&mut reply)
            .expect("the test's own process and pipes work");
        String::from_utf8_lossy(&reply).into_owned()
    }

    fn get(&self, target: &str) -> String {
        self.ask(&format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.addr
        ))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_saved_run_becomes_a_page_that_says_why_and_how_to_see_it_again() {
    let all = folder("browse-page");
    let run = stale_read(&all);
    let page = all.join("page.html");
    let (code, _, error) = browse(&[&text(&run), "--out", &text(&page)]);
    assert_eq!((code, error.as_str()), (0, ""));
    let html = std::fs::read_to_string(&page).unwrap();
    for sign in [
        "Not linearizable: key",
        "operations that no order explains",
        "Why no order works",
        "sim replay",
        "\"lanes\":{",
    ] {
        assert!(html.contains(sign), "the page lacks {sign:?}");
    }
}

#[test]
fn lanes_of_a_saved_run_tell_elections_crashes_and_restarts() {
    let run = stale_read(&folder("browse-lanes"));
    let lanes: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("lanes.json")).unwrap()).unwrap();
    assert_eq!(lanes["plumb_lanes"], 1);
    let changes = lanes["changes"].as_array().unwrap();
    for role in ["down", "follower", "candidate", "leader"] {
        assert!(
            changes.iter().any(|change| change["role"] == role),
            "nobody was ever {role}"
        );
    }
    let times: Vec<u64> = changes
        .iter()
        .filter_map(|change| change["at_ns"].as_u64())
        .collect();
    assert_eq!(times.len(), changes.len());
    assert!(times.is_sorted());
}

#[test]
fn an_index_is_written_with_a_page_for_each_history() {
    let all = folder("browse-index");
    let runs = all.join("runs");
    stale_read(&runs);
    std::fs::write(runs.join("broken.jsonl"), "no history\n").unwrap();
    std::fs::write(
        runs.join("knossos.edn"),
        "{:process 0 :type :invoke :f :write :value 1}\n{:process 0 :type :ok :f :write :value 1}\n",
    )
    .unwrap();
    let site = all.join("site");
    let (code, said, error) = browse(&[&text(&runs), "--out", &text(&site)]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(said.starts_with("3 histories"), "{said}");
    let index = std::fs::read_to_string(site.join("index.html")).unwrap();
    for sign in [
        "history/seed-7.html",
        "history/knossos.edn.html",
        "unreadable",
        "not judged",
    ] {
        assert!(index.contains(sign), "the index lacks {sign:?}");
    }
    assert!(site.join("history/seed-7.html").is_file());
    assert!(site.join("history/knossos.edn.html").is_file());
}

#[test]
fn a_server_shows_what_there_is_and_nothing_beside_it() {
    let all = folder("browse-served");
    let runs = all.join("runs");
    let saved = stale_read(&runs);
    std::fs::write(all.join("secret.jsonl"), "secret").unwrap();
    let server = Served::start(&runs);
    let index = server.get("/");
    assert!(
        index.starts_with("HTTP/1.1 200") && index.contains("/history/seed-7"),
        "{index:.300}"
    );
    let page = server.get("/history/seed-7");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Not linearizable"));
    for target in [
        "/../secret.jsonl",
        "/history/../../secret.jsonl",
        "/history/%2e%2e%2fsecret.jsonl",
        "//etc/passwd",
        "/history/",
        &format!("/history/{}", saved.join("history.jsonl").display()),
    ] {
        let reply = server.get(target);
        assert!(reply.starts_with("HTTP/1.1 404"), "{target}: {reply:.100}");
    }
    let elsewhere = server.ask("GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n");
    assert!(elsewhere.starts_with("HTTP/1.1 403"));
    let write = server.ask(&format!("POST / HTTP/1.1\r\nHost: {}\r\n\r\n", server.addr));
    assert!(write.starts_with("HTTP/1.1 405"));
    let nonsense = server.ask("\r\n\r\n");
    assert!(nonsense.starts_with("HTTP/1.1 4"));
}

#[test]
fn what_can_not_be_shown_is_said_with_a_remedy() {
    let (code, _, error) = browse(&["/does/not/exist"]);
    assert_eq!(code, 2);
    assert!(
        error.contains("no such file") && error.contains("help:"),
        "{error}"
    );
    let broken = folder("browse-broken").join("broken.jsonl");
    std::fs::write(&broken, "no history\n").unwrap();
    let (code, _, error) = browse(&[&text(&broken)]);
    assert_eq!(code, 2);
    assert!(error.contains("broken.jsonl"), "{error}");
}
