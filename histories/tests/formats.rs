//! Every format read as its author meant it, and our own written and read back.

use plumb_histories::{
    Event, Format, Header, History, Kind, Line, NemesisEvent, Outcome, Recorder, Sink, Source,
    StreamError, Value, read_from, read_source, stream,
};
use proptest::prelude::*;

fn source(text: &str) -> Source {
    read_source("memory", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// Kind, process, name, key and value of each event.
fn told(history: &History) -> Vec<(Kind, u64, String, Value, Value)> {
    let of = |e: &Event| {
        (
            e.kind,
            e.process,
            e.f.clone(),
            e.key.clone().unwrap_or_default(),
            e.value.clone(),
        )
    };
    history.events().iter().map(of).collect()
}

/// Keeps what it is handed, up to so many lines.
#[derive(Default)]
struct Kept {
    header: Option<Header>,
    lines: Vec<Line>,
    most: usize,
}

impl Sink for Kept {
    type Error = &'static str;

    fn begin(&mut self, header: &Header) -> Result<(), &'static str> {
        self.header = Some(header.clone());
        Ok(())
    }

    fn line(&mut self, line: Line) -> Result<(), &'static str> {
        assert!(self.header.is_some(), "the header comes first");
        if self.lines.len() == self.most {
            return Err("full");
        }
        self.lines.push(line);
        Ok(())
    }
}

#[test]
fn a_stream_hands_over_what_a_history_holds_and_stops_when_told() {
    let text = "{\"plumb_history\":1,\"spec\":\"register\"}\n\
        {\"index\":0,\"time_ns\":0,\"process\":0,\"kind\":\"invoke\",\"f\":\"read\"}\n\
        {\"index\":1,\"time_ns\":1,\"process\":\"nemesis\",\"f\":\"begins\",\"value\":\"a partition\"}\n\
        {\"index\":2,\"time_ns\":2,\"process\":0,\"kind\":\"ok\",\"f\":\"read\",\"value\":3}\n";
    let jepsen = "[{:type :invoke, :f :read, :process 1, :index 0}
        {:type :ok, :f :read, :value 3, :process 1, :index 1}]";
    for text in [text, jepsen] {
        let Source {
            history, format, ..
        } = source(text);
        let mut kept = Kept {
            most: 9,
            ..Kept::default()
        };
        let streamed = stream("memory", text.as_bytes(), &mut kept);
        assert_eq!(streamed.ok(), Some((format, Vec::new())));
        assert_eq!(kept.header.as_ref(), Some(history.header()));
        assert_eq!(kept.lines, history.lines().collect::<Vec<_>>());
        let mut one = Kept {
            most: 1,
            ..Kept::default()
        };
        let stopped = stream("memory", text.as_bytes(), &mut one);
        assert!(matches!(stopped, Err(StreamError::Sink("full"))));
    }
}

#[test]
fn jepsen_edn_comes_as_a_vector_or_a_map_a_line() {
    let maps = "{:type :invoke, :f :write, :value 3, :process 1, :time 10, :index 0}
        ; a comment
        {:process :nemesis, :type :info, :f :start-partition, :value {\"n1\" #{\"n2\"}}, :index 1}
        {:type :ok, :f :write, :value 3, :process 1, :time 20, :index 2 :error [:x \"y\"]}";
    let lines = source(maps);
    let vector = source(&format!("; knossos\n[{maps}]"));
    assert_eq!(lines.format, Format::Edn);
    assert_eq!(lines.history, vector.history);
    let three = Value::Int(3);
    assert_eq!(
        told(&lines.history),
        [
            (Kind::Invoke, 1, "write".into(), Value::Null, three.clone()),
            (Kind::Ok, 1, "write".into(), Value::Null, three),
        ]
    );
    assert_eq!(lines.history.nemesis()[0].f, "start-partition");
    assert_eq!(lines.history.events()[1].time_ns, 20);
    assert_eq!(
        lines.history.events()[1].error.as_deref(),
        Some("[\"x\",\"y\"]")
    );
}

#[test]
fn jepsen_util_logs_skip_other_loggers_and_a_timeout_has_no_value() {
    let text = "INFO  jepsen.core - Waiting for nodes\n\
                INFO  jepsen.util - 3\t:invoke\t:cas\t[0 4]\n\
                INFO  jepsen.util - 4\t:invoke\t:read\tnil\n\
                INFO  jepsen.util - 4\t:fail\t:read\t:timed-out\n\
                INFO  jepsen.util - 3\t:info\t:cas\t:timed-out\n";
    let Source {
        history, format, ..
    } = source(text);
    assert_eq!(format, Format::JepsenLog);
    let outcomes: Vec<Outcome> = history.operations().map(|o| o.outcome()).collect();
    assert_eq!(outcomes, [Outcome::Indeterminate, Outcome::Fail]);
    let cas = history.operation(0);
    assert_eq!(
        cas.argument(),
        &Value::List(vec![0.into(), 4.into()]),
        "the invocation's"
    );
    assert_eq!(
        cas.completion.and_then(|e| e.error.as_deref()),
        Some("timed-out")
    );
    assert_eq!(cas.completed_at, None, "an info says nothing of when");
}

#[test]
fn porcupine_kv_text_carries_keys() {
    let text = "{:process 0, :type :invoke, :f :append, :key \"7\", :value \"x 0 0 y\"}\n\
                {:process 0, :type :ok, :f :append, :key \"7\", :value \"x 0 0 y\"}\n";
    let history = source(text).history;
    assert_eq!(history.operation(0).key(), Some(&Value::from("7")));
}

#[test]
fn independent_keys_move_to_where_ours_are() {
    let text = "{:process 0, :type :invoke, :f :write, :value [\"k\" 5]}\n\
                {:process 0, :type :ok, :f :write, :value [\"k\" 5]}\n";
    let history = source(text).history.with_independent_keys();
    let write = history.operation(0);
    assert_eq!(
        (write.key(), write.argument()),
        (Some(&"k".into()), &Value::Int(5))
    );
}

#[test]
fn a_torn_last_line_is_reported_and_survived_wherever_it_is_cut() {
    let mut recorder = Recorder::new(Header::default());
    recorder.invoke(1, 0, "write", Some("ключ".into()), 1.into(), Some("n1"));
    recorder.ok(2, 0, 1.into());
    recorder.invoke(3, 0, "write", Some("ключ".into()), 2.into(), None);
    let whole = recorder.finish();
    let bytes = whole.to_jsonl();
    let last_line = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .expect("lines")
        + 1;
    for cut in last_line + 1..bytes.len() - 1 {
        let Source {
            history, warnings, ..
        } = read_source("cut.jsonl", &bytes[..cut]).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        assert_eq!(history.events().len(), 2, "cut at {cut}");
        assert!(
            warnings[0].starts_with("cut.jsonl:4: the last line is torn"),
            "{warnings:?}"
        );
    }
    let without_break = read_source("x", &bytes[..bytes.len() - 1]).expect("whole but its break");
    assert_eq!(
        (without_break.history, without_break.warnings.len()),
        (whole, 0)
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        ".{0,8}".prop_map(Value::Str),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec(("[a-z:]{0,3}", inner), 0..4).prop_map(Value::map),
        ]
    })
}

/// A recording of random events that are well formed.
fn history() -> impl Strategy<Value = History> {
    let step = (0u64..4, 0u8..8, value(), any::<bool>());
    (
        prop::collection::vec(step, 0..40),
        prop::option::of(value()),
    )
        .prop_map(|(steps, init)| {
            let header = Header {
                seed: Some(7),
                init,
                ..Header::default()
            };
            let mut recorder = Recorder::new(header);
            let mut open = [false; 4];
            for (time, (process, what, value, keyed)) in (0..).zip(steps) {
                let is_open = &mut open[process as usize];
                match (what, *is_open) {
                    (7, _) => recorder.nemesis(time, "partition", value),
                    (_, false) => {
                        let key = keyed.then_some(Value::Int(1));
                        recorder.invoke(time, process, "f", key, value, keyed.then_some("n1"));
                        *is_open = true;
                    }
                    (end, true) => {
                        match end {
                            0..3 => recorder.ok(time, process, value),
                            3..5 => recorder.fail(time, process, value, None),
                            _ => recorder.info(time, process, value, Some("who knows")),
                        }
                        *is_open = false;
                    }
                }
            }
            recorder.finish()
        })
}

proptest! {
    #[test]
    fn our_own_format_comes_back_as_it_went(history in history()) {
        let bytes = history.to_jsonl();
        let again = read_from("memory", bytes.as_slice()).expect("we wrote it");
        prop_assert_eq!(&again, &history);
        prop_assert_eq!(again.to_jsonl(), bytes);
    }

    #[test]
    fn lines_keep_the_order_of_events_and_faults(history in history()) {
        let index = |line: Line| match line {
            Line::Client(Event { index, .. }) | Line::Nemesis(NemesisEvent { index, .. }) => index,
        };
        let indices: Vec<u64> = history.lines().map(index).collect();
        prop_assert!(indices.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
