//! The pages in a real browser: opened, driven by keys, followed by permalinks, timed at a hundred
//! thousand operations. Chromium is looked for in `PLUMB_BROWSER` and under its usual names; where there
//! is none these tests say so and pass.

mod browse_support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use browse_support::{PLUMB, folder, stale_read};
use plumb_histories::{Header, Recorder, Value};
use serde_json::Value as Json;

/// A browser may take this long to start and to do what a test asks.
const PATIENCE: Duration = Duration::from_secs(120);
/// Steps of the driver: what a person would do, and what they would see.
const DRIVE: &str = include_str!("browse_support/drive.js");

fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PLUMB_BROWSER") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}

/// Opens a page with a driver in it and returns what the driver says; `None` without a browser.
fn drive(page: &str, hash: &str, script: &str, scratch: &Path) -> Option<Json> {
    let Some(browser) = browser() else {
        eprintln!("skipped: no browser found; install chromium or name one in PLUMB_BROWSER");
        return None;
    };
    let page = page.replace(
        "</body>",
        &format!("<script>{DRIVE}\n{script}</script></body>"),
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let mut child = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-port=0",
        ])
        .args(["--no-first-run", "--window-size=1280,900"])
        .arg(format!(
            "--user-data-dir={}",
            scratch.join("profile").display()
        ))
        .arg(format!("http://{addr}/{hash}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a browser that was found can be started");
    let said = said(&listener, &page);
    drop(child.kill());
    drop(child.wait());
    Some(said.expect("the driver ends and says what it saw"))
}

/// Serves the page until the driver asks for `/said?…`.
fn said(listener: &TcpListener, page: &str) -> Option<Json> {
    listener.set_nonblocking(true).ok()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "a browser runs on the wall's clock"
    )]
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let Ok((mut stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        let mut lines = BufReader::new(&stream).lines();
        let Some(Ok(first)) = lines.next() else {
            continue;
        };
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let target = first.split(' ').nth(1).unwrap_or_default();
        if let Some(said) = target.strip_prefix("/said?") {
            return serde_json::from_str(&unescaped(said)).ok();
        }
        let (status, body) = if target == "/" {
            ("200 OK", page)
        } else {
            ("404 Not Found", "")
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: \
             close\r\n\r\n",
            body.len()
        );
        drop(
            stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body.as_bytes())),
        );
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        match byte {
            b'%' => {
                let (high, low) = (hex(rest.next()).unwrap_or(0), hex(rest.next()).unwrap_or(0));
                bytes.push(u8::try_from(high << 4 | low).unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn page_of(history: &Path, into: &Path) -> String {
    let out = into.join("page.html");
    let status = Command::new(PLUMB)
        .arg("browse")
        .arg(history)
        .arg("--out")
        .arg(&out)
        .status();
    assert!(status.expect("plumb runs").success());
    std::fs::read_to_string(out).expect("the page was written")
}

#[test]
fn a_violation_can_be_read_walked_filtered_and_linked_to() {
    let all = folder("browser-violation");
    let page = page_of(&stale_read(&all), &all);
    let Some(said) = drive(&page, "", "walkThrough();", &all) else {
        return;
    };
    assert_eq!(said["errors"], serde_json::json!([]), "{said}");
    for (what, holds) in said["steps"]
        .as_object()
        .expect("the driver lists its steps")
    {
        assert_eq!(*holds, Json::Bool(true), "{what}: {said}");
    }
}

#[test]
fn arrows_faults_map_path_and_paper_are_there() {
    let all = folder("browser-around");
    let page = page_of(&stale_read(&all), &all);
    let Some(said) = drive(&page, "", "lookAround();", &all) else {
        return;
    };
    assert_eq!(said["errors"], serde_json::json!([]), "{said}");
    let steps = said["steps"]
        .as_object()
        .expect("the driver lists its steps");
    assert!(steps.len() >= 16, "{said}");
    for (what, holds) in steps {
        assert_eq!(*holds, Json::Bool(true), "{what}: {said}");
    }
}

#[test]
fn an_entry_of_the_corpus_tells_its_rule_on_the_first_screen_and_has_arrows() {
    let all = folder("browser-corpus");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../histories/corpus");
    for name in ["commit-older-term", "two-votes-in-one-term"] {
        let entry = corpus.join(name);
        let readme = std::fs::read_to_string(entry.join("README.md")).expect("it has words");
        let page = page_of(&entry, &all);
        let Some(said) = drive(&page, "", "firstScreen();", &all) else {
            return;
        };
        assert_eq!(said["errors"], serde_json::json!([]), "{said}");
        let rule = said["steps"]["rule"].as_str().unwrap_or_default();
        let rule = rule
            .strip_prefix("The rule that prevents it")
            .unwrap_or_default();
        assert!(
            !rule.trim().is_empty() && readme.contains(rule.trim()),
            "{said}"
        );
        let figure = |name: &str| said["figures"][name].as_f64().unwrap_or(f64::INFINITY);
        assert!(figure("timeline") <= 800.0, "{said}");
        assert!(figure("wide") <= 0.0, "{said}");
        assert_eq!(said["steps"]["arrow"], Json::Bool(true), "{said}");
    }
}

#[test]
fn a_permalink_opens_the_operation_and_the_moment_it_names() {
    let all = folder("browser-permalink");
    let page = page_of(&stale_read(&all), &all);
    let Some(said) = drive(&page, "#op=5&t=4000000000", "arrive(5);", &all) else {
        return;
    };
    assert_eq!(said["errors"], serde_json::json!([]), "{said}");
    assert_eq!(
        said["steps"],
        serde_json::json!({"operation": true, "moment": true}),
        "{said}"
    );
}

#[test]
fn a_history_that_says_hostile_things_runs_nothing() {
    let all = folder("browser-hostile");
    let mut recorder = Recorder::new(Header {
        spec: Some("register".into()),
        ..Header::default()
    });
    let evil = "</script><img src=x onerror=\"window.evil=1\"><script>window.evil=1</script>";
    for (at, text) in [(0, evil), (10, "second")] {
        let key = Some(Value::from(evil));
        recorder.nemesis(at, evil, Value::from(evil));
        recorder.invoke(at, 0, "write", key.clone(), Value::from(text), Some(evil));
        recorder.ok(at + 1, 0, Value::from(text));
        recorder.invoke(at + 2, 1, "read", key, Value::Null, Some(evil));
        recorder.ok(at + 3, 1, Value::from(evil));
    }
    let path = all.join("evil.jsonl");
    std::fs::write(&path, recorder.finish().to_jsonl()).expect("a file of the test");
    let Some(said) = drive(&page_of(&path, &all), "", "showAll();", &all) else {
        return;
    };
    assert_eq!(said["errors"], serde_json::json!([]), "{said}");
    assert_eq!(
        said["steps"],
        serde_json::json!({"nothing ran": true, "no element": true}),
        "{said}"
    );
}

#[test]
fn an_index_is_filtered_searched_and_sorted() {
    let all = folder("browser-index");
    let runs = all.join("runs");
    stale_read(&runs);
    let other = "{:process 0 :type :invoke :f :write :value 1}\n";
    std::fs::write(runs.join("knossos.edn"), other).expect("a file of the test");
    std::fs::write(runs.join("broken.jsonl"), "no history\n").expect("a file of the test");
    let (name, entry) = ("majority-off-by-one", runs.join("their-bug"));
    std::fs::create_dir(&entry).expect("a new folder");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../histories/corpus");
    for file in ["history.jsonl", "verdict.json"] {
        std::fs::copy(corpus.join(name).join(file), entry.join(file)).expect("a file of the test");
    }
    let site = all.join("site");
    let mut plumb = Command::new(PLUMB);
    let status = plumb
        .arg("browse")
        .arg(&runs)
        .arg("--out")
        .arg(&site)
        .status();
    assert!(status.expect("plumb runs").success());
    let index = std::fs::read_to_string(site.join("index.html")).expect("it was written");
    let Some(said) = drive(&index, "", "useIndex();", &all) else {
        return;
    };
    assert_eq!(said["errors"], serde_json::json!([]), "{said}");
    for (what, holds) in said["steps"]
        .as_object()
        .expect("the driver lists its steps")
    {
        assert_eq!(*holds, Json::Bool(true), "{what}: {said}");
    }
}

/// Twenty clients, two hundred of whose operations nobody knows the fate of.
fn hundred_thousand(path: &Path) {
    let mut recorder = Recorder::new(Header {
        spec: Some("register".into()),
        ..Header::default()
    });
    let mut processes: Vec<(u64, Option<u64>)> = (0..20).map(|process| (process, None)).collect();
    let (mut random, mut at) = (7_u64, 0);
    for number in 0..100_000_u64 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        at += 2_000 + (random >> 40) % 20_000;
        let slot = usize::try_from((random >> 33) % 20).expect("twenty");
        let (process, open) = processes[slot];
        if let Some(value) = open {
            let value = Value::Int(i64::try_from(value).expect("small"));
            match number % 500 {
                0 => {
                    recorder.info(at, process, value, Some("timeout"));
                    processes[slot].0 += 20;
                }
                1..20 => recorder.fail(at, process, value, Some("not the leader")),
                _ => recorder.ok(at, process, value),
            }
        }
        let (process, _) = processes[slot];
        let value = Value::Int(i64::try_from(number).expect("small"));
        let key = Some(Value::Str(format!("k{slot}")));
        recorder.invoke(at + 1_000, process, "write", key, value, Some("n1"));
        processes[slot].1 = Some(number);
        if number % 5_000 < 2 {
            let verb = ["begins", "ends"][usize::from(number % 5_000 == 1)];
            recorder.nemesis(at + 1_000, verb, Value::from("partition: n1 | the rest"));
        }
    }
    std::fs::write(path, recorder.finish().to_jsonl()).expect("a file of the test");
}

#[test]
fn a_hundred_thousand_operations_open_at_once_and_pan_smoothly() {
    let all = folder("browser-large");
    let path = all.join("large.jsonl");
    hundred_thousand(&path);
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever waits for a page waits on the wall's clock"
    )]
    let start = Instant::now();
    let page = page_of(&path, &all);
    let written = start.elapsed();
    assert!(written < Duration::from_secs(3), "written in {written:?}");
    let Some(said) = drive(&page, "", "timeFrames();", &all) else {
        return;
    };
    println!(
        "{} bytes of page, written in {written:?}; {said:#}",
        page.len()
    );
    assert_eq!(said["errors"], serde_json::json!([]), "{said}");
    let number = |name: &str| said["figures"][name].as_f64().unwrap_or(f64::INFINITY);
    // The bars, with a margin of twice and more on two cores that are busy besides.
    assert!(number("first_paint_ms") < 2_000.0, "{said}");
    assert!(number("timeline_ms") < 2_000.0, "{said}");
    for zoom in ["whole", "tenth", "hundredth", "thousandth"] {
        assert!(
            number(&format!("{zoom}_median_ms")) < 1_000.0 / 30.0,
            "{zoom}: {said}"
        );
    }
}
