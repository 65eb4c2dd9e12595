//! What is no history is refused with file, line and remedy; nothing makes a reader panic or take
//! memory without bound.

use std::io::{BufReader, Read};

use plumb_histories::{ReadError, read, read_from};
use proptest::prelude::*;

fn refused(text: impl AsRef<[u8]>) -> ReadError {
    match read_from("bad", text.as_ref()) {
        Err(error) => error,
        Ok(history) => panic!("taken for a history of {} events", history.events().len()),
    }
}

const HEADER: &str = "{\"plumb_history\":1}\n";

fn event(index: u64, process: u64, kind: &str, f: &str) -> String {
    format!(
        "{{\"index\":{index},\"time_ns\":0,\"process\":{process},\"kind\":\"{kind}\",\"f\":\"{f}\"}}\n"
    )
}

#[test]
fn each_kind_of_bad_text_is_named_with_its_line_and_what_to_do() {
    let invoke = event(0, 0, "invoke", "read");
    let cases: &[(String, Option<u64>, &str)] = &[
        (String::new(), None, "is empty"),
        ("  \n\n".into(), None, "is empty"),
        ("hello\n".into(), Some(1), "no known history format"),
        ("\n\n<html>\n".into(), Some(3), "no known history format"),
        (
            "{\"plumb_history\":2}\n".into(),
            Some(1),
            "format version 2, this build reads 1",
        ),
        (
            "{\"plumb_history\":true}\n".into(),
            Some(1),
            "the header cannot be read",
        ),
        (
            format!("{HEADER}{{\"index\":0}}\n{invoke}"),
            Some(2),
            "not an event: missing field",
        ),
        (
            format!(
                "{HEADER}{}",
                invoke.replace("\"process\":0", "\"process\":\"zero\"")
            ),
            Some(2),
            "not an event",
        ),
        (
            format!("{HEADER}{}", event(0, 3, "ok", "read")),
            Some(2),
            "has no open operation",
        ),
        (
            format!("{HEADER}{invoke}{}", event(1, 0, "invoke", "write")),
            Some(3),
            "still open",
        ),
        (
            format!("{HEADER}{invoke}{}", event(0, 1, "invoke", "read")),
            Some(3),
            "out of order",
        ),
        (
            format!("{HEADER}{invoke}{}", event(1, 0, "ok", "write")),
            Some(3),
            "is `read`",
        ),
        (
            "[{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok".into(),
            Some(2),
            "the file ends before",
        ),
        (
            "[{:process 0, :type :invoke, :f :read}]\n{}".into(),
            Some(2),
            "after the bracket",
        ),
        (
            "{:process 0, :type :maybe, :f :read}".into(),
            Some(1),
            "not :invoke, :ok, :fail or :info",
        ),
        (
            "{:process 0, :type :ok, :f :read}".into(),
            Some(1),
            "has no open operation",
        ),
        (
            "{:process -1, :type :invoke, :f :read}".into(),
            Some(1),
            "is negative",
        ),
        (
            "{:process 0, :type :invoke, :f 3}".into(),
            Some(1),
            ":f is 3, not a name",
        ),
        ("{:process 0, :type :invoke}".into(), Some(1), "without :f"),
        (
            "INFO  jepsen.util - 0\t:ok\t:read\tnil\n".into(),
            Some(1),
            "has no open operation",
        ),
        (
            "INFO  jepsen.util - 0\t:invoke\t:read\t[1\n".into(),
            Some(1),
            "in the value",
        ),
        ("INFO  jepsen.util - hello\n".into(), None, "is empty"),
    ];
    for (text, line, what) in cases {
        let error = refused(text);
        assert_eq!(error.line(), *line, "{text:?}: {error}");
        assert!(error.to_string().starts_with("bad"), "{text:?}: {error}");
        assert!(error.to_string().contains(what), "{text:?}: {error}");
        assert!(!error.remedy().is_empty(), "{text:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_line() {
    assert_eq!(refused(b"\n\xff\xfe").line(), Some(2));
    let mut late = format!("{HEADER}{}", event(0, 0, "invoke", "read")).into_bytes();
    late.extend(b"{\"f\":\"\xff\"}\n");
    assert!(matches!(refused(late), ReadError::NotUtf8 { line: 3, .. }));
}

#[test]
fn missing_files_and_folders_are_told_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(matches!(read(folder.path()), Err(ReadError::Folder { .. })));
    let missing = read(folder.path().join("none.jsonl"));
    assert!(matches!(missing, Err(ReadError::Io { .. })));
}

#[test]
fn two_hundred_megabytes_of_junk_are_refused_after_a_peek() {
    let mut junk = BufReader::new(std::io::repeat(b'x').take(200 << 20));
    assert!(matches!(
        read_from("junk", &mut junk),
        Err(ReadError::Unrecognised { line: 1, .. })
    ));
    assert!(
        junk.get_ref().limit() > 199 << 20,
        "it was not read through"
    );
}

#[test]
fn an_endless_line_and_endless_nesting_are_refused() {
    let line = HEADER
        .as_bytes()
        .chain(std::io::repeat(b'x').take(200 << 20));
    assert!(read_from("long", BufReader::new(line)).is_err());
    let deep = "[".repeat(1 << 20);
    let error = refused(format!(
        "{{:process 0, :type :invoke, :f :read, :value {deep}"
    ));
    assert!(error.to_string().contains("nested"), "{error}");
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(read_from("fuzz", bytes.as_slice()));
    }

    /// Real files with a few bytes changed come closest to what a reader trips over.
    #[test]
    fn no_change_to_a_history_makes_a_reader_panic(
        which in 0usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let texts = [
            format!("{HEADER}{}{}", event(0, 0, "invoke", "read"), event(1, 0, "ok", "read")),
            "[{:process 0, :type :invoke, :f :read, :value #{1 \"a\\n\" [nil {:k 2}]}} #_x ;\n]".into(),
            "INFO  jepsen.util - 0\t:invoke\t:cas\t[0 1]\nINFO  jepsen.util - 0\t:ok\t:cas\t[0 1]\n"
                .into(),
        ];
        let mut bytes = texts[which].clone().into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        drop(read_from("fuzz", bytes.as_slice()));
    }
}
