//! Every command in the docs is run: what a page tells its reader to type works, and ends as it says.
//!
//! A block that begins with ```` ```sh ```` holds commands, all of them `plumb`'s; `exit=1` behind it says how
//! the last one ends. A block with `file=NAME` is a file that the page tells its reader to save.

#[path = "../../histories/examples/record.rs"]
#[allow(dead_code, reason = "it is a program of its own")]
mod record;

use std::path::{Path, PathBuf};
use std::process::Command;

use plumb_histories::Kind;

fn root() -> &'static Path {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness
        .parent()
        .expect("the workspace is around its packages")
}

/// A fenced block: what stands behind its fence, and its lines.
fn blocks(text: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Vec<String>)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.to_owned(), Vec::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, lines)), None) => lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block is not closed");
    blocks
}

fn option<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.split(' ')
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// Runs a line of the docs in a shell, in which `plumb` is the binary under test.
fn run(line: &str, folder: &Path) -> (Option<i32>, String) {
    let line = line.replace("plumb ", &format!("{} ", env!("CARGO_BIN_EXE_plumb")));
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder)
        .output()
        .expect("there is a shell");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), words)
}

fn follow(page: &Path) {
    let text = std::fs::read_to_string(page).expect("the page is there");
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Some commands look at the checkout that they are typed in.
    std::os::unix::fs::symlink(root().join("harness"), folder.path().join("harness"))
        .expect("a link");
    std::os::unix::fs::symlink(root().join("impl"), folder.path().join("impl")).expect("a link");
    for (info, lines) in blocks(&text) {
        if let Some(name) = option(&info, "file") {
            let text = lines.join("\n") + "\n";
            std::fs::write(folder.path().join(name), text).expect("it can be saved");
        }
        if info != "sh" && !info.starts_with("sh ") {
            continue;
        }
        let last = lines.len() - 1;
        for (number, line) in lines.iter().enumerate() {
            assert!(line.starts_with("plumb "), "{}: {line}", page.display());
            let stated = option(&info, "exit").filter(|_| number == last);
            let expected = stated.map_or(0, |code| code.parse().expect("an exit code"));
            let (code, words) = run(line, folder.path());
            assert_eq!(code, Some(expected), "{}: {line}\n{words}", page.display());
        }
    }
}

#[test]
fn every_command_in_the_docs_works_and_ends_as_the_page_says() {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .expect("there are docs")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    pages.sort();
    assert!(pages.len() >= 7, "{pages:?}");
    std::thread::scope(|scope| {
        let (left, right) = pages.split_at(pages.len() / 2);
        scope.spawn(|| left.iter().for_each(|page| follow(page)));
        right.iter().for_each(|page| follow(page));
    });
}

#[test]
fn every_page_is_in_the_contents_and_every_link_leads_somewhere() {
    let docs = root().join("docs");
    let contents = std::fs::read_to_string(docs.join("README.md")).expect("there are contents");
    for entry in std::fs::read_dir(&docs).expect("there are docs") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(".md") {
            continue;
        }
        assert!(
            name == "README.md" || contents.contains(&format!("({name})")),
            "{name} is not in the contents"
        );
        let text = std::fs::read_to_string(&path).expect("it can be read");
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let outside = link.contains("://");
            assert!(outside || docs.join(link).exists(), "{name}: {link}");
        }
    }
}

#[test]
fn the_recorder_of_the_book_is_the_example_it_is_short_and_what_it_records_can_be_judged() {
    let page = std::fs::read_to_string(root().join("docs/histories.md")).expect("the page");
    let example = std::fs::read_to_string(root().join("histories/examples/record.rs"));
    let example = example.expect("the example");
    let block = blocks(&page).into_iter().find(|(info, _)| info == "rust");
    let (_, lines) = block.expect("the page has the recorder");
    assert!(lines.len() <= 20, "{} lines", lines.len());
    assert!(
        example.contains(&lines.join("\n")),
        "the page has another recorder"
    );

    let folder = tempfile::tempdir().expect("a temporary folder");
    let history = record::record();
    assert_eq!(history.operations().len(), 400);
    std::fs::write(folder.path().join("register.jsonl"), history.to_jsonl()).expect("a file");
    let (code, words) = run("plumb check register.jsonl", folder.path());
    assert_eq!(code, Some(0), "{words}");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the recorder takes its time from the wall's clock"
)]
fn the_recorder_tells_a_refusal_from_an_answer_that_never_came() {
    let header = plumb_histories::Header::default();
    let recorder = std::sync::Mutex::new(plumb_histories::Recorder::new(header));
    let book = (recorder, std::time::Instant::now());
    let value = plumb_histories::Value::Int(1);
    let asked = |process| (process, "write", value.clone());
    record::recorded(&book, asked(0), || Ok(value.clone()));
    record::recorded(&book, asked(1), || {
        Err(record::Trouble::Refused("full".into()))
    });
    record::recorded(&book, asked(2), || {
        Err(record::Trouble::Lost("time-out".into()))
    });
    let history = book.0.into_inner().expect("nobody panicked").finish();
    let kinds: Vec<Kind> = history.events().iter().map(|event| event.kind).collect();
    let invoke = Kind::Invoke;
    assert_eq!(
        kinds,
        [invoke, Kind::Ok, invoke, Kind::Fail, invoke, Kind::Info]
    );
    assert_eq!(history.events()[5].error.as_deref(), Some("time-out"));
}
