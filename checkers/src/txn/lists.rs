//! Dependencies of list-append. A list that was read is the history of its key: who appended each
//! element, in which order; so a read also tells what it did not see.

use plumb_histories::Value;

use super::anomaly::{Anomaly, Finding};
use super::graph::Kind;
use super::infer::{Ended, Inference};
use crate::CheckError;
use crate::intake::Taken;
use crate::spec::Micro;

/// A read from outside the transaction.
struct Read<'a> {
    txn: u32,
    key: u32,
    list: &'a [Value],
    /// How much of it is not the transaction's own.
    foreign: usize,
}

/// What a transaction knows of a key.
struct Known<'a> {
    key: &'a Value,
    /// What it read of it first, if it did.
    read: Option<&'a [Value]>,
    appended: Vec<&'a Value>,
}

pub(super) fn infer(taken: &Taken) -> Result<Inference<'_>, CheckError> {
    let mut inference = Inference::new(taken, Micro::Append)?;
    let mut reads = Vec::new();
    let mut direct = Vec::new();
    let txns = u32::try_from(inference.transactions()).expect("fewer transactions than events");
    for txn in 0..txns {
        if inference.ended(txn) == Ended::Ok {
            note_reads(&mut inference, txn, &mut reads, &mut direct);
        }
    }
    let mut longest: Vec<&[Value]> = vec![&[]; inference.keys.len()];
    let mut longest_reader = vec![0; inference.keys.len()];
    for read in &reads {
        let key = read.key as usize;
        if read.list.len() > longest[key].len() {
            (longest[key], longest_reader[key]) = (read.list, read.txn);
        }
    }
    for read in &reads {
        let whole = longest[read.key as usize];
        if whole[..read.list.len()] != *read.list {
            let detail = format!(
                "of key {} one transaction read {} and another {}",
                inference.keys[read.key as usize],
                Value::List(read.list.to_vec()),
                Value::List(whole.to_vec())
            );
            let about = vec![read.txn, longest_reader[read.key as usize]];
            direct.push(Finding::direct(Anomaly::IncompatibleOrder, about, detail));
        }
    }
    let mut writers: Vec<Vec<u32>> = Vec::with_capacity(longest.len());
    for (key, list) in longest.iter().enumerate() {
        let reader = longest_reader[key];
        writers.push(writers_of(&inference, key, list, reader, &mut direct));
    }
    if direct.is_empty() {
        for read in &reads {
            check_intermediate(&inference, read, &mut direct);
        }
    }
    inference.longest = Some(longest);
    for txn in writers.iter().flatten() {
        inference.was_seen(*txn);
    }
    if direct.is_empty() {
        depend(&mut inference, &reads, &writers);
    }
    inference.direct = direct;
    Ok(inference)
}

/// Checks a transaction against itself and notes what it read from outside.
fn note_reads<'a>(
    inference: &mut Inference<'a>,
    txn: u32,
    reads: &mut Vec<Read<'a>>,
    direct: &mut Vec<Finding>,
) {
    let mut known: Vec<Known<'a>> = Vec::new();
    for (f, key, value) in inference.micros(txn) {
        let place = known.iter().position(|known| known.key == key);
        let place = place.unwrap_or_else(|| {
            known.push(Known {
                key,
                read: None,
                appended: Vec::new(),
            });
            known.len() - 1
        });
        let state = &mut known[place];
        if f == Micro::Append {
            if state.read.is_some_and(|read| read.contains(value)) {
                let detail = format!("it read {value} from key {key} before it appended it");
                direct.push(Finding::direct(Anomaly::Internal, vec![txn], detail));
                return;
            }
            state.appended.push(value);
            continue;
        }
        let list = value.as_list().unwrap_or_default();
        let own = state.appended.len();
        let fits = list.len() >= own
            && list[list.len() - own..]
                .iter()
                .eq(state.appended.iter().copied())
            && state
                .read
                .is_none_or(|read| *read == list[..list.len() - own]);
        if !fits {
            let detail = format!(
                "it read {value} from key {key}, which is not what it had read and appended before"
            );
            direct.push(Finding::direct(Anomaly::Internal, vec![txn], detail));
            return;
        }
        if state.read.is_none() {
            state.read = Some(&list[..list.len() - own]);
            let foreign = list.len() - own;
            let key = inference.key(key);
            reads.push(Read {
                txn,
                key,
                list,
                foreign,
            });
        }
    }
}

/// Who appended each element of a key's longest list.
fn writers_of(
    inference: &Inference<'_>,
    key: usize,
    list: &[Value],
    reader: u32,
    direct: &mut Vec<Finding>,
) -> Vec<u32> {
    let number = u32::try_from(key).expect("fewer keys than values");
    let mut writers = Vec::with_capacity(list.len());
    let mut seen = crate::hash::FastSet::default();
    for value in list {
        let name = inference.keys[key];
        let mut wrong = |anomaly, about, detail| {
            direct.push(Finding::direct(anomaly, about, detail));
        };
        if !seen.insert(value) {
            let detail = format!("a list of key {name} holds {value} twice");
            wrong(Anomaly::Garbage, vec![reader], detail);
        }
        match inference.writers.get(&(number, value)) {
            None => {
                let detail =
                    format!("{value} was read from key {name}, to which nobody appended it");
                wrong(Anomaly::Garbage, vec![reader], detail);
            }
            Some(writer) => {
                if inference.ended(writer.txn) == Ended::Fail {
                    let detail = format!(
                        "{value} was read from key {name}, but the transaction that appended it \
                         failed"
                    );
                    wrong(Anomaly::G1a, vec![writer.txn, reader], detail);
                }
                writers.push(writer.txn);
            }
        }
    }
    writers
}

/// A read that ends with what its writer appended only on the way.
fn check_intermediate(inference: &Inference<'_>, read: &Read<'_>, direct: &mut Vec<Finding>) {
    let Some(value) = read.foreign.checked_sub(1).map(|last| &read.list[last]) else {
        return;
    };
    if let Some(writer) = inference.writers.get(&(read.key, value))
        && !writer.last
        && writer.txn != read.txn
    {
        let detail = format!(
            "a read of key {} ended with {value}, to which its transaction had yet to append more",
            inference.keys[read.key as usize]
        );
        let about = vec![writer.txn, read.txn];
        direct.push(Finding::direct(Anomaly::G1b, about, detail));
    }
}

fn depend(inference: &mut Inference<'_>, reads: &[Read<'_>], writers: &[Vec<u32>]) {
    // Appends that took place and that no read shows come after all that reads show.
    let mut unseen: Vec<Vec<u32>> = vec![Vec::new(); writers.len()];
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for ((key, value), writer) in &inference.writers {
        if inference.happened(writer.txn) {
            let longest = inference.longest.as_ref();
            let list = longest.map_or(&[][..], |longest| longest[*key as usize]);
            // Lists are short or read whole: a scan is cheaper than a table.
            if writer.last && !list.contains(value) {
                pairs.push((*key, writer.txn));
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    for (key, txn) in pairs {
        unseen[key as usize].push(txn);
    }
    let mut fans = Vec::with_capacity(writers.len());
    for (key, list) in writers.iter().enumerate() {
        let number = u32::try_from(key).expect("fewer keys than values");
        for pair in list.windows(2) {
            inference.depends(pair[0], pair[1], Kind::WriteWrite, number);
        }
        if let (Some(last), false) = (list.last(), unseen[key].is_empty()) {
            let fan = inference.fan(&unseen[key], number);
            inference.depends_on_all(*last, &unseen[key], &fan, Kind::WriteWrite, number);
        }
        fans.push(inference.fan(&unseen[key], number));
    }
    for read in reads {
        let key = read.key as usize;
        if let Some(last) = read.foreign.checked_sub(1) {
            inference.depends(writers[key][last], read.txn, Kind::WriteRead, read.key);
        }
        match writers[key].get(read.foreign) {
            Some(next) => inference.depends(read.txn, *next, Kind::ReadWrite, read.key),
            None => inference.depends_on_all(
                read.txn,
                &unseen[key],
                &fans[key],
                Kind::ReadWrite,
                read.key,
            ),
        }
    }
}
