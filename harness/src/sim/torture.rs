//! The storage torture: logs that simulated servers left are cut and corrupted at every byte, and opened again by the
//! shipped code. Nothing that was durable may be missing without a loud refusal, and what is accepted must be a log
//! that once was.

use std::collections::BTreeMap;
use std::sync::Arc;

use plumb_raft::core::Remembered;
use plumb_raft::storage::{RecordSummary, StorageError, Wal, WalOptions, inspect};

use super::run::run_with_disks;
use super::seams::disk::SimDisk;
use crate::nemesis::{Length, generate};
use crate::scenario::Tier;

/// The notebook of what was synced. Without it, the last group that was synced is open to doubt.
const MARK: &str = "durable.mark";
/// Long enough for elections, crashes and snapshots; short enough that every byte can be tried.
const LENGTH: Length = Length {
    faults_ms: 2_500,
    healed_ms: 500,
};

type Image = BTreeMap<String, Vec<u8>>;
/// Makes of a disk the log that it holds, or refuses: the shipped code, or in tests one with a bug.
type Reader<'a> = &'a dyn Fn(&SimDisk, u64) -> Result<Remembered, StorageError>;

/// A log that a server of a simulated run left.
#[derive(Debug)]
pub struct Log {
    /// The run.
    pub seed: u64,
    /// The server.
    pub server: u64,
    segment_bytes: u64,
    image: Image,
    whole: Remembered,
}

/// What a log's torture came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Logs damaged, one way each.
    pub cases: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Of these, opened with all that there was.
    pub whole: u64,
    /// Of these, opened without the end, of which nobody could know that it had been synced.
    pub torn: u64,
}

impl Tally {
    /// Adds another log's.
    pub fn add(&mut self, other: Tally) {
        self.cases += other.cases;
        self.refused += other.refused;
        self.whole += other.whole;
        self.torn += other.torn;
    }
}

/// The logs that a seed's run leaves, and how many do not open: disks that lie and rot leave such.
#[must_use]
pub fn logs_of(seed: u64) -> (Vec<Log>, u64) {
    let mut scenario = generate(seed, LENGTH, Tier::Full);
    // What goes wrong in the run itself is the simulation's to judge.
    scenario.live_within_ms = 0;
    let (_, disks) = run_with_disks(&scenario);
    let segment_bytes = scenario.settings.segment_bytes;
    let settled = |(server, disk): (u64, SimDisk)| {
        let image = disk.cached_image();
        let copy = SimDisk::from_image(image.clone(), seed, server, 512);
        let whole = read(&copy, segment_bytes).ok()?;
        Some(Log {
            seed,
            server,
            segment_bytes,
            image,
            whole,
        })
    };
    let all = disks.len();
    let logs: Vec<Log> = disks.into_iter().filter_map(settled).collect();
    let unopened = (all - logs.len()) as u64;
    (logs, unopened)
}

fn read(disk: &SimDisk, segment_bytes: u64) -> Result<Remembered, StorageError> {
    let opened = Wal::open(Arc::new(disk.mount()), WalOptions { segment_bytes });
    opened.map(|(_, recovered)| recovered.remembered())
}

impl Log {
    /// How many bytes its files have, the notebook apart.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let files = self.image.iter().filter(|(name, _)| *name != MARK);
        files.map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Cuts and corrupts it everywhere.
    ///
    /// # Errors
    /// What was lost or made up, with file and byte.
    pub fn torture(&self) -> Result<Tally, String> {
        self.torture_of(&read)
    }

    /// The same for another reader of logs.
    fn torture_of(&self, read: Reader<'_>) -> Result<Tally, String> {
        let mut tally = Tally::default();
        self.all_synced(read, &mut tally)?;
        self.last_group_in_doubt(read, &mut tally)?;
        Ok(tally)
    }

    /// With the notebook, it is known which bytes are durable.
    fn all_synced(&self, read: Reader<'_>, tally: &mut Tally) -> Result<(), String> {
        let disk = SimDisk::from_image(self.image.clone(), 0, 0, 512);
        // What opens can be looked at: it is the same half that reads. Else nothing here would be tried.
        let seen = inspect(&disk.mount(), &mut |_| {})
            .map_err(|error| self.tell_unread(&error.to_string()))?;
        for (name, bytes) in self.image.iter().filter(|(name, _)| of_the_log(name)) {
            // What was not synced is the next one's.
            let synced = if *name == seen.file {
                seen.durable as usize
            } else {
                bytes.len()
            };
            for at in 0..synced {
                for (how, damaged) in damages(bytes, at) {
                    let found = self.opened(read, name, damaged, true);
                    let is_fine = match &found {
                        None => true,
                        // Within the notebook, and in places that nobody reads.
                        Some(found) => *found == self.whole,
                    };
                    self.note(tally, found.as_ref());
                    if !is_fine {
                        return Err(self.tell(name, at, how, "what was synced is gone, unseen"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Without it, the last group may have been torn: what is accepted then is what there was before one of its
    /// records, and no byte before the group may be missed.
    fn last_group_in_doubt(&self, read: Reader<'_>, tally: &mut Tally) -> Result<(), String> {
        let Some((name, records)) = self.last_segment()? else {
            return Ok(());
        };
        let known = records
            .iter()
            .map(|record| record.synced)
            .max()
            .unwrap_or(0);
        let bytes = &self.image[&name];
        let ends = records
            .iter()
            .map(|record| record.offset)
            .filter(|at| *at >= known);
        let prefixes: Vec<Remembered> = ends
            .filter_map(|at| self.opened(read, &name, bytes[..at as usize].to_vec(), false))
            .chain([self.whole.clone()])
            .collect();
        // Whoever has compacted has dropped what the log before would need: that it had been durable shows then.
        let mut doubtful = records.iter().filter(|record| record.offset >= known);
        let compacts = doubtful.any(|record| record.writes.contains("snapshot at"));
        for at in 0..bytes.len() {
            for (how, damaged) in damages(bytes, at) {
                // A cut takes the records with it that say how far the log was durable; no power loss cuts there.
                if (at as u64) < known && damaged.len() < bytes.len() {
                    continue;
                }
                let found = self.opened(read, &name, damaged, false);
                self.note(tally, found.as_ref());
                match found {
                    Some(found) if !prefixes.contains(&found) => {
                        return Err(self.tell(&name, at, how, "a log was accepted that never was"));
                    }
                    Some(found) if (at as u64) < known && found != self.whole => {
                        return Err(self.tell(&name, at, how, "what was synced is gone, unseen"));
                    }
                    None if (at as u64) >= known.max(1) && !records.is_empty() && !compacts => {
                        return Err(self.tell(&name, at, how, "a torn tail was taken for damage"));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The last segment with its records.
    fn last_segment(&self) -> Result<Option<(String, Vec<RecordSummary>)>, String> {
        let last = self.image.keys().rfind(|name| name.ends_with(".wal"));
        let Some(name) = last.cloned() else {
            return Ok(None);
        };
        let disk = SimDisk::from_image(self.image.clone(), 0, 0, 512);
        let mut records = Vec::new();
        inspect(&disk.mount(), &mut |record| records.push(record))
            .map_err(|error| self.tell_unread(&error.to_string()))?;
        records.retain(|record| record.file == name);
        Ok(Some((name, records)))
    }

    /// What is made of the log with this file instead; `None` if it is refused.
    fn opened(
        &self,
        read: Reader<'_>,
        name: &str,
        file: Vec<u8>,
        with_mark: bool,
    ) -> Option<Remembered> {
        let mut image = self.image.clone();
        image.insert(name.to_owned(), file);
        if !with_mark {
            image.remove(MARK);
        }
        let disk = SimDisk::from_image(image, 0, 0, 512);
        read(&disk, self.segment_bytes).ok()
    }

    fn note(&self, tally: &mut Tally, found: Option<&Remembered>) {
        tally.cases += 1;
        match found {
            None => tally.refused += 1,
            Some(found) if *found == self.whole => tally.whole += 1,
            Some(_) => tally.torn += 1,
        }
    }

    fn tell_unread(&self, why: &str) -> String {
        let Log { seed, server, .. } = self;
        format!("the log of n{server} of seed {seed} opens, and can't be looked at: {why}")
    }

    fn tell(&self, name: &str, at: usize, how: &str, what: &str) -> String {
        let Log { seed, server, .. } = self;
        format!("the log of n{server} of seed {seed}, {name} {how} at byte {at}: {what}")
    }
}

/// Who a data folder belongs to is checked by the server, not by its log.
fn of_the_log(name: &str) -> bool {
    name == MARK || name.ends_with(".wal") || name.ends_with(".snapshot")
}

/// A file cut before a byte, and with this byte corrupted.
fn damages(bytes: &[u8], at: usize) -> [(&'static str, Vec<u8>); 2] {
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1 << (at % 8);
    [
        ("cut", bytes[..at].to_vec()),
        ("with a bit turned over", flipped),
    ]
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn log() -> Log {
        let logs = (1..).flat_map(|seed| logs_of(seed).0);
        let mut small = logs.filter(|log| (1_500..6_000).contains(&log.bytes()));
        small.next().expect("some run leaves a small log")
    }

    #[test]
    fn logs_of_runs_withstand_everything() {
        let logs = (1..).flat_map(|seed| logs_of(seed).0);
        let mut tally = Tally::default();
        for log in logs
            .filter(|log| (1_500..6_000).contains(&log.bytes()))
            .take(6)
        {
            tally.add(log.torture().unwrap_or_else(|what| panic!("{what}")));
        }
        assert!(
            tally.refused > 1_000 && tally.torn > 10 && tally.whole > 10,
            "{tally:?}"
        );
    }

    /// What a torture says of a reader with a bug, but for whose log it was.
    #[track_caller]
    fn tells(read: Reader<'_>, what: &str) {
        let told = log().torture_of(read).expect_err("the reader has a bug");
        assert!(told.contains(" at byte ") && told.ends_with(what), "{told}");
    }

    /// The notebook is there, so that all of the log is known to be synced.
    fn has_notebook(disk: &SimDisk) -> bool {
        disk.cached_image().contains_key(MARK)
    }

    #[test]
    fn a_log_that_is_not_what_it_was_is_told_with_its_place() {
        let forgets_the_term = |disk: &SimDisk, segment_bytes: u64| {
            let known_to_be_synced = has_notebook(disk);
            let mut found = read(disk, segment_bytes)?;
            found.hard_state.current_term.0 += u64::from(known_to_be_synced);
            Ok(found)
        };
        tells(&forgets_the_term, ": what was synced is gone, unseen");
    }

    /// A reader that takes whatever is damaged for a torn tail: what it shows is a log that once was.
    #[test]
    fn what_was_synced_is_missed_without_the_notebook_too() {
        let earlier: RefCell<Option<Remembered>> = RefCell::default();
        let goes_back = |disk: &SimDisk, segment_bytes: u64| {
            if has_notebook(disk) {
                return read(disk, segment_bytes);
            }
            match (read(disk, segment_bytes), &mut *earlier.borrow_mut()) {
                (Ok(found), earlier) => Ok(earlier.insert(found).clone()),
                (Err(_), Some(earlier)) => Ok(earlier.clone()),
                (refused, None) => refused,
            }
        };
        tells(&goes_back, ": what was synced is gone, unseen");
    }

    #[test]
    fn a_log_that_never_was_is_told_from_one_that_once_was() {
        let takes_the_term_of_a_torn_record = |disk: &SimDisk, segment_bytes: u64| {
            let opened = Wal::open(Arc::new(disk.mount()), WalOptions { segment_bytes })?;
            let (torn, mut found) = (opened.1.report.torn_bytes(), opened.1.remembered());
            found.hard_state.current_term.0 += u64::from(torn > 0);
            Ok(found)
        };
        tells(
            &takes_the_term_of_a_torn_record,
            ": a log was accepted that never was",
        );
    }

    #[test]
    fn a_log_that_opens_and_cannot_be_looked_at_is_told() {
        let mut log = log();
        let name = log.image.keys().rfind(|name| name.ends_with(".wal"));
        let name = name.expect("a segment").clone();
        let header = log.image.get_mut(&name).expect("it is there");
        header.iter_mut().for_each(|byte| *byte ^= 0x55);
        let told = log.torture().expect_err("nobody can read that");
        assert!(told.contains("can't be looked at"), "{told}");
    }

    #[test]
    fn most_logs_of_runs_open() {
        let (opened, unopened) = (1..=12).map(logs_of).fold((0, 0), |sum, (logs, unopened)| {
            (sum.0 + logs.len() as u64, sum.1 + unopened)
        });
        assert!(opened > 3 * unopened, "{opened} open, {unopened} do not");
    }

    #[test]
    fn a_torn_tail_is_no_damage() {
        let whole = log().whole;
        let takes_no_less = |disk: &SimDisk, segment_bytes: u64| {
            let found = read(disk, segment_bytes)?;
            if found == whole {
                return Ok(found);
            }
            Err(StorageError::Closed)
        };
        tells(&takes_no_less, ": a torn tail was taken for damage");
    }
}
