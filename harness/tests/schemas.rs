//! What commands write for machines is what `docs/schemas` says: the document of each command is held to its
//! schema, and each schema refuses what is a document of another version or has a field that it does not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use plumb_raft::core::{Batch, PersistSeq, Write};
use plumb_raft::storage::{RealDisk, Wal, WalOptions};
use plumb_raft::types::{Entry, HardState, LogIndex, NodeId, Payload, Term};
use serde_json::{Value, json};

/// Documents that are held to their schemas elsewhere: by unit tests, and by `tests/serve.rs` on a cluster.
const ELSEWHERE: [&str; 3] = ["kv", "mutants-matrix", "report"];

fn root() -> &'static Path {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness
        .parent()
        .expect("the workspace is around its packages")
}

fn schema_names() -> Vec<String> {
    let folder = std::fs::read_dir(root().join("docs/schemas")).expect("there are schemas");
    let mut names: Vec<String> = folder
        .map(|entry| entry.expect("it can be read").path())
        .map(|path| {
            path.file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

fn schema(name: &str) -> Validator {
    let path = root().join("docs/schemas").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let schema: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(schema["title"].is_string(), "{name} says what it is of");
    jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a command writes to standard output, however it ends.
fn said(folder: &Path, line: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(line.split(' ').map(|word| word.replace('_', " ")))
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    assert!(
        !output.stdout.is_empty(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("it is text")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn log_of_one_batch(folder: &Path) {
    let disk = std::sync::Arc::new(RealDisk::open(folder).expect("a new folder"));
    let (mut wal, _) = Wal::open(disk, WalOptions::default()).expect("a new log");
    let entry = Entry {
        index: LogIndex(1),
        term: Term(2),
        payload: Payload::Command(bytes::Bytes::from("a command")),
    };
    let hard_state = HardState {
        current_term: Term(2),
        voted_for: Some(NodeId(3)),
    };
    let writes = vec![Write::HardState(hard_state), Write::Append(vec![entry])];
    let seq = PersistSeq(1);
    wal.append(&Batch { seq, writes }).expect("it fits");
    wal.sync().expect("the disk works");
    wal.close().expect("the disk works");
}

/// Histories that are valid, violated, undecided for want of memory, and none.
fn histories(folder: &Path) {
    let corpus = root().join("histories/corpus");
    for name in ["commit-older-term", "applied-twice"] {
        let text = std::fs::read(corpus.join(name).join("history.jsonl")).expect("an entry");
        std::fs::write(folder.join(format!("{name}.jsonl")), text).expect("it can be written");
    }
    std::fs::write(folder.join("none.jsonl"), "no history\n").expect("it can be written");
    let mut open = String::from("{\"plumb_history\":1,\"spec\":\"fifo-queue\"}\n");
    for index in 0..40 {
        let f = if index < 20 { "enqueue" } else { "dequeue" };
        let value = if index < 20 {
            json!(index % 3)
        } else {
            Value::Null
        };
        let event = json!({"index": index, "time_ns": index, "process": index, "kind": "invoke", "f": f, "value": value});
        open.push_str(&format!("{event}\n"));
    }
    for index in 40..50 {
        let event = json!({"index": index, "time_ns": index, "process": index - 20, "kind": "ok", "f": "dequeue", "value": (index * 7) % 3});
        open.push_str(&format!("{event}\n"));
    }
    std::fs::write(folder.join("open.jsonl"), open).expect("it can be written");
}

/// A scenario whose network is slower than any election timeout, and the same with a network that is not.
fn failing(folder: &Path) {
    let text = said(folder, "sim scenario --tier bare --seed 3");
    let mut scenario = parsed(&text);
    std::fs::write(folder.join("healthy.json"), text).expect("it can be written");
    scenario["settings"]["latency_ms"] = json!([400, 500]);
    std::fs::write(folder.join("slow.json"), scenario.to_string()).expect("it can be written");
}

/// A document of each kind, by the name of its schema.
fn documents(folder: &Path) -> BTreeMap<&'static str, Vec<Value>> {
    histories(folder);
    log_of_one_batch(&folder.join("wal"));
    let mut all: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut add = |name, text: &str| all.entry(name).or_default().push(parsed(text));
    let run =
        "sim run --tier bare --seed 3 --json - --history run.jsonl --record-steps steps.jsonl";
    add("run", &said(folder, run));
    for line in telling(&said(
        folder,
        "sim replay --tier bare --seed 3 --trace json",
    )) {
        add("trace", line);
    }
    failing(folder);
    for scenario in ["slow.json", "healthy.json"] {
        let shrink = format!("sim shrink {scenario} --runs 30 --out small --json -");
        add("shrink", &said(folder, &shrink));
    }
    for shard in ["1/2", "2/2"] {
        let file = &shard[..1];
        let sweep = format!(
            "sim sweep --tier bare --seeds 6 --shard {shard} --jsonl {file}.jsonl --json -"
        );
        add("sweep", &said(folder, &sweep));
        for line in read(&folder.join(format!("{file}.jsonl"))).lines() {
            add("sweep-lines", line);
        }
    }
    let determinism = "sim determinism --tier bare --seeds 2 --json -";
    add("determinism", &said(folder, determinism));
    add("sweep", &said(folder, "sim merge 1.jsonl 2.jsonl --json -"));
    let nemeses = "sim sweep --tier bare --seeds 2 --nemesis none --nemesis reset:at=n2,to=9s --nemesis \
                   crash:for=9ms,at=subject,upon=any,skip=1 --jsonl nemeses.jsonl --json -";
    add("sweep", &said(folder, nemeses));
    for line in read(&folder.join("nemeses.jsonl")).lines() {
        add("sweep-lines", line);
    }
    let profiled = "sim sweep --tier bare --seeds 3 --profile --json -";
    add("sweep", &said(folder, profiled));
    for line in read(&folder.join("run.jsonl")).lines() {
        add("history", line);
    }
    let check = "check commit-older-term.jsonl applied-twice.jsonl open.jsonl none.jsonl missing.jsonl --memory 1M --json -";
    add("check", &said(folder, check));
    add(
        "conform",
        &said(folder, "conform steps.jsonl none.jsonl --json -"),
    );
    add(
        "model-check",
        &said(folder, "model check --scope tiny --json -"),
    );
    add(
        "model-check",
        &said(folder, "model check --scope quick --timeout 1ms --json -"),
    );
    add("model-scopes", &said(folder, "model scopes --json -"));
    add(
        "model-scopes",
        &said(folder, "model scopes --verify tiny --json -"),
    );
    add(
        "model-ablate",
        &said(folder, "model ablate two-votes --json -"),
    );
    add(
        "core-check",
        &said(folder, "core check crash-commands --json -"),
    );
    add("core-scopes", &said(folder, "core scopes --json -"));
    add("mutants-list", &said(root(), "mutants list --json -"));
    add("wal", &said(folder, "wal inspect wal --json -"));
    let raft =
        "bench raft --clients 1 --values 16 --seconds 0.2 --rounds 1 --keys 10 --dir . --json -";
    add("bench", &said(folder, raft));
    add(
        "bench",
        &said(
            folder,
            "bench checkers --only five_values,_2_clients --json -",
        ),
    );
    let sim = "bench sim --tier bare --runs drawn --seconds 0 --rounds 1 --json -";
    add("bench", &said(folder, sim));
    add("bench", &said(folder, "bench conform --seeds 10 --json -"));
    let model = "bench model --with tiny --without tiny --beside tiny --json -";
    add("bench", &said(folder, model));
    let corpus = std::fs::read_dir(root().join("histories/corpus")).expect("there is a corpus");
    for entry in corpus.map(|entry| entry.expect("it can be read").path()) {
        for name in ["verdict", "lanes", "scenario"] {
            add(name, &read(&entry.join(format!("{name}.json"))));
        }
    }
    // Enough for every kind of fault, and for every message that servers send.
    for seed in 1..=40 {
        let scenario = format!("sim scenario --seed {seed}");
        add("scenario", &said(folder, &scenario));
    }
    for line in telling(&read(&folder.join("steps.jsonl"))) {
        add("steps", line);
    }
    all
}

/// A run's steps by the thousand: the first lines, and some of those behind.
fn telling(steps: &str) -> impl Iterator<Item = &str> {
    let lines = steps.lines().enumerate();
    let chosen = lines.filter(|(number, _)| *number < 100 || number % 40 == 0);
    chosen.map(|(_, line)| line)
}

fn read(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_document_is_what_its_schema_says_and_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let documents = documents(folder.path());
    let mut held: Vec<&str> = documents.keys().copied().chain(ELSEWHERE).collect();
    held.sort_unstable();
    assert_eq!(
        held,
        schema_names(),
        "each schema has documents, and each document a schema"
    );
    for (name, documents) in &documents {
        let schema = schema(name);
        for document in documents {
            if let Some(error) = schema.iter_errors(document).next() {
                panic!("{name}, at {}: {error}", error.instance_path());
            }
            let fields = document.as_object().expect("a document is an object");
            let mut strange = document.clone();
            strange["something_else"] = json!(1);
            assert!(!schema.is_valid(&strange), "{name} takes any field");
            for version in fields.keys().filter(|key| key.starts_with("plumb_")) {
                let mut later = document.clone();
                later[version] = json!(99);
                assert!(!schema.is_valid(&later), "{name} takes any {version}");
            }
        }
    }
}

#[test]
fn a_document_without_what_its_schema_asks_for_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = parsed(&said(
        folder.path(),
        "sim run --tier bare --seed 3 --json -",
    ));
    let schema = schema("run");
    for field in whole.as_object().expect("it is an object").keys() {
        let mut part = whole.clone();
        part.as_object_mut().expect("it is an object").remove(field);
        assert!(!schema.is_valid(&part), "{field} may be missing");
    }
    let mut wrong = whole;
    wrong["operations"]["ok"] = json!("many");
    assert!(!schema.is_valid(&wrong));
}

#[test]
fn the_book_names_every_schema() {
    let page = read(&root().join("docs/json.md"));
    for name in schema_names() {
        let link = format!("(schemas/{name}.json)");
        assert!(page.contains(&link), "docs/json.md does not link {name}");
    }
}
