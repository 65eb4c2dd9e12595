//! Transactions over several keys: one log entry each, hence atomic and strictly serializable. They are
//! carried out on an overlay that is laid over the values only at the end: all steps or none.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::command::{Reply, TxnStep};
use super::store::{MAX_VALUE_BYTES, Values, appended};

/// The most bytes that the reads of one transaction may return: an answer must fit into a frame.
const MAX_READ_BYTES: usize = 8 << 20;

/// Carries out the steps of a transaction.
pub(super) fn execute(values: &mut Values, steps: Vec<TxnStep>) -> Reply {
    let mut written: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut reads = Vec::new();
    let mut read_bytes = 0;
    for (number, step) in (0..).zip(steps) {
        let now = |key: &str| written.get(key).or_else(|| values.get(key));
        match step {
            TxnStep::Read { key } => {
                let value = now(&key).cloned();
                read_bytes += value.as_ref().map_or(0, Bytes::len);
                if read_bytes > MAX_READ_BYTES {
                    return Reply::TooLarge;
                }
                reads.push(value);
            }
            TxnStep::Write { value, .. } if value.len() > MAX_VALUE_BYTES => {
                return Reply::TooLarge;
            }
            TxnStep::Write { key, value } => {
                written.insert(key, value);
            }
            TxnStep::Append { key, suffix } => {
                let Some(longer) = appended(now(&key), &suffix) else {
                    return Reply::TooLarge;
                };
                written.insert(key, longer);
            }
            TxnStep::Expect { key, value } => {
                let found = now(&key).cloned();
                if found != value {
                    return Reply::Aborted {
                        step: number,
                        found,
                    };
                }
            }
        }
    }
    for (key, value) in written {
        values.insert(key, value);
    }
    Reply::Committed(reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> String {
        name.to_owned()
    }

    fn append(name: &str, suffix: &'static str) -> TxnStep {
        TxnStep::Append {
            key: key(name),
            suffix: Bytes::from(suffix),
        }
    }

    fn read(name: &str) -> TxnStep {
        TxnStep::Read { key: key(name) }
    }

    fn expect(name: &str, value: Option<&'static str>) -> TxnStep {
        TxnStep::Expect {
            key: key(name),
            value: value.map(Bytes::from),
        }
    }

    #[test]
    fn a_transaction_reads_what_it_wrote_itself() {
        let mut values = Values::unit(key("a"), Bytes::from("1"));
        let write = TxnStep::Write {
            key: key("b"),
            value: Bytes::from("9"),
        };
        let steps = vec![
            read("a"),
            append("a", "2"),
            read("a"),
            read("b"),
            write,
            read("b"),
        ];
        let saw = ["1", "12"].map(|v| Some(Bytes::from(v)));
        let [first, second] = saw;
        let reads = vec![first, second, None, Some(Bytes::from("9"))];
        assert_eq!(execute(&mut values, steps), Reply::Committed(reads));
        assert_eq!(values[&key("a")], Bytes::from("12"));
    }

    #[test]
    fn one_that_gives_up_changes_nothing() {
        let mut values = Values::unit(key("a"), Bytes::from("1"));
        let before = values.clone();
        let steps = vec![
            append("a", "2"),
            expect("a", Some("12")),
            expect("b", Some("x")),
        ];
        let aborted = Reply::Aborted {
            step: 2,
            found: None,
        };
        assert_eq!(execute(&mut values, steps), aborted);
        assert_eq!(values, before);
        let steps = vec![expect("b", None), append("b", "x")];
        assert_eq!(execute(&mut values, steps), Reply::Committed(vec![]));
    }

    #[test]
    fn neither_values_nor_answers_outgrow_their_bounds() {
        let full = Bytes::from(vec![7; MAX_VALUE_BYTES]);
        let mut values = Values::unit(key("a"), full);
        let before = values.clone();
        let steps = vec![append("b", "x"), append("a", "x")];
        assert_eq!(execute(&mut values, steps), Reply::TooLarge);
        let many = vec![read("a"); MAX_READ_BYTES / MAX_VALUE_BYTES + 1];
        assert_eq!(execute(&mut values, many), Reply::TooLarge);
        assert_eq!(values, before);
        let most = vec![read("a"); MAX_READ_BYTES / MAX_VALUE_BYTES];
        assert!(matches!(execute(&mut values, most), Reply::Committed(_)));
    }
}
