//! Dependencies of transactions that read and write registers, each value written once. A read tells
//! who wrote what it saw; the order of versions is known only in part: the initial value is the first,
//! and a transaction that read one version and wrote another put the second after the first.

use plumb_histories::Value;

use super::anomaly::{Anomaly, Finding};
use super::graph::{Edge, Kind};
use super::infer::{Ended, Inference};
use crate::CheckError;
use crate::hash::FastMap;
use crate::intake::Taken;
use crate::spec::Micro;

/// A read from outside the transaction.
struct Read<'a> {
    txn: u32,
    key: u32,
    value: &'a Value,
    /// The transaction also wrote the key.
    writes: bool,
}

pub(super) fn infer(taken: &Taken) -> Result<Inference<'_>, CheckError> {
    let mut inference = Inference::new(taken, Micro::Write)?;
    let mut reads: Vec<Read<'_>> = Vec::new();
    let mut direct = Vec::new();
    let txns = u32::try_from(inference.transactions()).expect("fewer transactions than events");
    for txn in 0..txns {
        if inference.ended(txn) == Ended::Ok {
            note_reads(&mut inference, txn, &mut reads, &mut direct);
        }
    }
    for read in &reads {
        check_source(&inference, read, &mut direct);
    }
    if direct.is_empty() {
        depend(&mut inference, &reads, &mut direct);
    }
    inference.direct = direct;
    Ok(inference)
}

fn note_reads<'a>(
    inference: &mut Inference<'a>,
    txn: u32,
    reads: &mut Vec<Read<'a>>,
    direct: &mut Vec<Finding>,
) {
    // What the transaction knows to be there.
    let mut known: Vec<(&Value, &Value)> = Vec::new();
    let from = reads.len();
    for (f, key, value) in inference.micros(txn) {
        let place = known.iter().position(|(other, _)| *other == key);
        if f == Micro::Write {
            let number = inference.key(key);
            for read in reads[from..].iter_mut().filter(|read| read.key == number) {
                read.writes = true;
                if read.value == value {
                    let detail = format!("it read {value} from key {key} before it wrote it");
                    direct.push(Finding::direct(Anomaly::Internal, vec![txn], detail));
                    return;
                }
            }
            match place {
                Some(place) => known[place].1 = value,
                None => known.push((key, value)),
            }
            continue;
        }
        match place {
            Some(place) if known[place].1 == value => {}
            Some(place) => {
                let detail = format!(
                    "it read {value} from key {key}, where it knew {} to be",
                    known[place].1
                );
                direct.push(Finding::direct(Anomaly::Internal, vec![txn], detail));
                return;
            }
            None => {
                known.push((key, value));
                let key = inference.key(key);
                reads.push(Read {
                    txn,
                    key,
                    value,
                    writes: false,
                });
            }
        }
    }
}

fn check_source(inference: &Inference<'_>, read: &Read<'_>, direct: &mut Vec<Finding>) {
    if read.value.is_null() {
        return;
    }
    let name = inference.keys[read.key as usize];
    let value = read.value;
    let (anomaly, about, detail) = match inference.writers.get(&(read.key, value)) {
        None => (
            Anomaly::Garbage,
            vec![read.txn],
            format!("{value} was read from key {name}, to which nobody wrote it"),
        ),
        Some(writer) if inference.ended(writer.txn) == Ended::Fail => (
            Anomaly::G1a,
            vec![writer.txn, read.txn],
            format!("{value} was read from key {name}, but the transaction that wrote it failed"),
        ),
        Some(writer) if !writer.last && writer.txn != read.txn => (
            Anomaly::G1b,
            vec![writer.txn, read.txn],
            format!(
                "{value} was read from key {name}, where its transaction went on to write more"
            ),
        ),
        Some(_) => return,
    };
    direct.push(Finding::direct(anomaly, about, detail));
}

fn depend(inference: &mut Inference<'_>, reads: &[Read<'_>], direct: &mut Vec<Finding>) {
    for read in reads {
        if let Some(writer) = inference.writers.get(&(read.key, read.value)).copied() {
            inference.was_seen(writer.txn);
        }
    }
    // Who replaced a version after reading it.
    let mut replaced: FastMap<(u32, &Value), Vec<u32>> = FastMap::default();
    for read in reads.iter().filter(|read| read.writes) {
        replaced
            .entry((read.key, read.value))
            .or_default()
            .push(read.txn);
    }
    // Transactions that certainly wrote a key, in the order of their invocations.
    let mut writing: Vec<Vec<u32>> = vec![Vec::new(); inference.keys.len()];
    for ((key, _), writer) in &inference.writers {
        if inference.happened(writer.txn) {
            writing[*key as usize].push(writer.txn);
        }
    }
    let mut fans = Vec::with_capacity(writing.len());
    for (key, txns) in writing.iter_mut().enumerate() {
        txns.sort_unstable();
        txns.dedup();
        let number = u32::try_from(key).expect("fewer keys than values");
        fans.push(inference.fan(txns, number));
    }
    for read in reads {
        let (key, txn) = (read.key as usize, read.txn);
        let writer = inference.writers.get(&(read.key, read.value)).copied();
        if let Some(writer) = writer {
            inference.depends(writer.txn, txn, Kind::WriteRead, read.key);
            if read.writes {
                inference.depends(writer.txn, txn, Kind::WriteWrite, read.key);
            }
            later_writers(inference, read, writer.txn, &writing[key], &fans[key].after);
        } else {
            // The initial version: every write comes after it.
            inference.depends_on_all(txn, &writing[key], &fans[key], Kind::ReadWrite, read.key);
        }
        let others = replaced.get(&(read.key, read.value));
        for other in others.into_iter().flatten() {
            if *other != txn && read.writes {
                let detail = format!(
                    "both read {} from key {} and replaced it",
                    read.value, inference.keys[key]
                );
                direct.push(Finding::direct(
                    Anomaly::LostUpdate,
                    vec![txn, *other],
                    detail,
                ));
                return;
            }
            inference.depends(txn, *other, Kind::ReadWrite, read.key);
        }
    }
}

/// Where real time counts, a write that was invoked after the writer of a version had completed
/// follows that version, so whoever read the version comes before it.
fn later_writers(
    inference: &mut Inference<'_>,
    read: &Read<'_>,
    writer: u32,
    writing: &[u32],
    after: &[u32],
) {
    let end = inference.op(writer).ret;
    let mut first = writing.partition_point(|txn| inference.op(*txn).call < end);
    if let Ok(own) = writing.binary_search(&read.txn) {
        // Not before itself; those in between are left to other edges.
        first = first.max(own + 1);
    }
    if let Some(moment) = after.get(first) {
        let edge = Edge {
            to: *moment,
            kind: Kind::ReadWrite,
            key: read.key,
        };
        inference.timed.push((read.txn, edge));
    }
}
