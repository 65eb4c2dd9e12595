//! The page of a history: whole, self-contained, and deaf to what the history says.

use plumb_histories::browser::{
    MarkKind, PageAttempt, PageEdge, PageInput, PageOutcome, PageStep, PageVerdict, ServerChange,
    ServerLanes, ServerMark, ServerMessage, ServerRole, page,
};
use plumb_histories::{Header, History, Recorder, Value};
use serde_json::Value as Json;

const HOSTILE: [&str; 5] = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "\"><img src=x onerror=alert(1)>",
    "{{data}} {{program}}",
    "\u{2028}\u{202e}'&\u{0}",
];

/// Everything that a history and a verdict can say says something hostile.
fn hostile() -> (History, PageInput) {
    let mut recorder = Recorder::new(Header {
        workload: Some(HOSTILE[0].into()),
        spec: Some(HOSTILE[2].into()),
        build: Some(HOSTILE[3].into()),
        ..Header::default()
    });
    let mut at = 0;
    for text in HOSTILE {
        let key = Some(Value::from(text));
        recorder.nemesis(at, text, Value::from(text));
        recorder.invoke(at, 0, text, key, Value::from(text), Some(text));
        recorder.fail(at + 1, 0, Value::from(text), Some(text));
        at += 2;
    }
    let verdict = PageVerdict {
        outcome: PageOutcome::Violation,
        headline: HOSTILE[0].into(),
        explanation: vec![HOSTILE[2].into()],
        notes: vec![HOSTILE[1].into()],
        key: Some(HOSTILE[0].into()),
        core: vec![0, 1, 99],
        attempts: vec![PageAttempt {
            from: Some(HOSTILE[1].into()),
            steps: vec![PageStep {
                operation: 0,
                state: Some(HOSTILE[2].into()),
            }],
            state: HOSTILE[0].into(),
            stuck: 1,
        }],
        cycle: vec![PageEdge {
            from: 0,
            to: 1,
            why: HOSTILE[0].into(),
        }],
        details: vec![HOSTILE[2].into()],
        ..PageVerdict::default()
    };
    let input = PageInput {
        title: HOSTILE[0].into(),
        verdict: Some(verdict),
        lanes: Some(ServerLanes {
            plumb_lanes: 1,
            servers: vec![HOSTILE[0].into()],
            marks: vec![ServerMark {
                at_ns: 1,
                server: 0,
                kind: MarkKind::Snapshot,
                what: HOSTILE[1].into(),
            }],
            messages: vec![ServerMessage {
                sent_ns: 1,
                arrivals_ns: vec![2],
                from: 0,
                to: 0,
                what: HOSTILE[2].into(),
            }],
            ..ServerLanes::default()
        }),
        replay: Some(HOSTILE[2].into()),
        index: Some(HOSTILE[2].into()),
        rule: Some(HOSTILE[1].into()),
        readme: Some(HOSTILE.join("\n\n# ")),
        story: vec![HOSTILE[0].into()],
    };
    (recorder.finish(), input)
}

/// The data that a page carries.
fn data(html: &str) -> Json {
    let (_, after) = html.split_once("id=\"data\">").expect("a page has data");
    let (json, _) = after.split_once("</script>").expect("data ends");
    serde_json::from_str(json).expect("data is JSON")
}

fn large(operations: u64) -> History {
    let mut recorder = Recorder::new(Header::default());
    for number in 0..operations {
        let (at, process) = (number * 1_000, number % 20);
        let key = Some(Value::Str(format!("k{}", number % 10)));
        let value = Value::Int(i64::try_from(number).expect("numbers are small"));
        recorder.invoke(at, process, "write", key, value.clone(), Some("n1"));
        recorder.ok(at + 900, process, value);
    }
    recorder.finish()
}

#[test]
fn nothing_that_a_history_says_breaks_or_scripts_its_page() {
    let (history, input) = hostile();
    let html = page(&history, &input);
    assert_eq!(
        html.matches("<script").count(),
        2,
        "the data and the program"
    );
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("<img"));
    assert!(!html.contains("alert(1)</script>"));
    assert!(!html.contains('\u{202e}') || data(&html)["rest"]["texts"].is_array());
    let texts = data(&html)["rest"]["texts"].to_string();
    assert!(
        texts.contains("alert(1)"),
        "what was said is there, as text"
    );
}

#[test]
fn operations_that_do_not_exist_are_left_out() {
    let (history, input) = hostile();
    let data = data(&page(&history, &input));
    assert_eq!(data["rest"]["verdict"]["core"], serde_json::json!([0, 1]));
}

#[test]
fn a_page_needs_nothing_from_elsewhere_and_is_small() {
    let html = page(&History::default(), &PageInput::default());
    for sign in ["http://", "https://", " src=", "@import", "url("] {
        // A name space is no address, and `url(#…)` is a place in the page itself.
        let own = html
            .replace("http://www.w3.org/2000/svg", "")
            .replace("url(#", "");
        assert!(
            !own.contains(sign),
            "{sign} asks for something from elsewhere"
        );
    }
    assert!(
        html.len() < 200_000,
        "{} bytes besides the data",
        html.len()
    );
}

#[test]
fn columns_hold_every_operation_and_each_text_once() {
    let data = data(&page(&large(1_000), &PageInput::default()));
    for (name, column) in data["ops"].as_object().unwrap() {
        assert_eq!(column.as_array().map(Vec::len), Some(1_000), "{name}");
    }
    let texts = data["rest"]["texts"].as_array().unwrap();
    assert_eq!(texts.iter().filter(|text| *text == "write").count(), 1);
    assert_eq!(texts.iter().filter(|text| *text == "k3").count(), 1);
}

#[test]
fn a_hundred_thousand_operations_make_a_page_of_a_few_megabytes() {
    let html = page(&large(100_000), &PageInput::default());
    assert!(html.len() < 8_000_000, "{} bytes", html.len());
}

#[test]
fn servers_share_the_texts_of_their_logs() {
    let change = |at_ns, commit| ServerChange {
        at_ns,
        server: 0,
        role: ServerRole::Leader,
        term: 2,
        vote: Some(0),
        commit,
        applied: 0,
        last: 9,
        log: vec![(1, 1), (2, 5)],
    };
    let input = PageInput {
        lanes: Some(ServerLanes {
            plumb_lanes: 1,
            servers: vec!["n1".into()],
            changes: vec![change(1, 1), change(2, 2)],
            ..ServerLanes::default()
        }),
        ..PageInput::default()
    };
    let lanes = &data(&page(&large(1), &input))["rest"]["lanes"];
    assert_eq!(lanes["logs"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        lanes["changes"][1],
        serde_json::json!([2, 0, 3, 2, 0, 2, 0, 9, 0])
    );
}

#[test]
fn messages_are_short_in_a_file_and_those_of_unknown_servers_are_left_out_of_a_page() {
    let message = |to| ServerMessage {
        sent_ns: 5,
        arrivals_ns: vec![7, 9],
        from: 0,
        to,
        what: "RequestVote".into(),
    };
    let json = serde_json::to_string(&message(1)).unwrap();
    assert_eq!(json, r#"[5,[7,9],0,1,"RequestVote"]"#);
    assert_eq!(
        serde_json::from_str::<ServerMessage>(&json).unwrap(),
        message(1)
    );
    let input = PageInput {
        lanes: Some(ServerLanes {
            plumb_lanes: 1,
            servers: vec!["n1".into(), "n2".into()],
            messages: vec![message(1), message(2)],
            ..ServerLanes::default()
        }),
        ..PageInput::default()
    };
    let messages = &data(&page(&large(1), &input))["rest"]["lanes"]["messages"];
    assert_eq!(messages.as_array().map(Vec::len), Some(1));
    assert_eq!(messages[0][1], serde_json::json!([2, 4]));
}

#[test]
fn lanes_written_before_there_were_messages_are_read() {
    let old = r#"{"plumb_lanes":1,"servers":["n1"],"changes":[]}"#;
    let lanes: ServerLanes = serde_json::from_str(old).unwrap();
    assert!(lanes.messages.is_empty() && lanes.marks.is_empty());
}
