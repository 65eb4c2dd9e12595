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
        let (_, whole) = open(&copy, segment_bytes).ok()?;
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

fn open(disk: &SimDisk, segment_bytes: u64) -> Result<(Wal, Remembered), StorageError> {
    let opened = Wal::open(Arc::new(disk.mount()), WalOptions { segment_bytes });
    opened.map(|(wal, recovered)| (wal, recovered.remembered()))
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
        let mut tally = Tally::default();
        self.all_synced(&mut tally)?;
        self.last_group_in_doubt(&mut tally)?;
        Ok(tally)
    }

    /// With the notebook, it is known which bytes are durable.
    fn all_synced(&self, tally: &mut Tally) -> Result<(), String> {
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
                    let found = self.opened(name, damaged, true);
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
    fn last_group_in_doubt(&self, tally: &mut Tally) -> Result<(), String> {
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
            .filter_map(|at| self.opened(&name, bytes[..at as usize].to_vec(), false))
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
                let found = self.opened(&name, damaged, false);
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

    /// What the shipped code makes of the log with this file instead; `None` if it refuses.
    fn opened(&self, name: &str, file: Vec<u8>, with_mark: bool) -> Option<Remembered> {
        let mut image = self.image.clone();
        image.insert(name.to_owned(), file);
        if !with_mark {
            image.remove(MARK);
        }
        let disk = SimDisk::from_image(image, 0, 0, 512);
        open(&disk, self.segment_bytes).ok().map(|(_, found)| found)
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

    #[test]
    fn a_log_that_is_not_what_it_was_is_told_with_its_place() {
        let mut log = log();
        log.whole.hard_state.current_term.0 += 1;
        let told = log
            .torture()
            .expect_err("nothing that is accepted is right now");
        assert!(
            told.contains("at byte") && told.contains("gone, unseen"),
            "{told}"
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
}
