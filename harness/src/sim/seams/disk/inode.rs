//! One file's content: what is durable, what its owner reads, and the changes between the two.

use crate::sim::seams::random::Stream;

/// A change that no sync has made durable yet.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen { len: usize },
}

/// Bits of one byte that have turned over.
#[derive(Clone, Copy, Debug)]
struct Rotten {
    offset: usize,
    mask: u8,
    /// A pending change has overwritten it: only what is durable shows it.
    covered: bool,
}

/// A file apart from its names. Invariant: `pending` leads from `durable` to `cached`, unless a
/// sync has failed, after which only `durable` says what a crash leaves.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    durable: Vec<u8>,
    cached: Vec<u8>,
    pending: Vec<Change>,
    /// So many of these, the first, a sync has said to be durable that did nothing.
    owed: usize,
    /// Bits that have turned over, and that no sync has overwritten.
    rotten: Vec<Rotten>,
    /// What `cached` would be if no write had been lost or misdirected, if one was.
    honest: Option<Vec<u8>>,
    /// Open handles; a file without names lives on until the last one is dropped.
    pub(super) handles: u32,
}

impl Inode {
    pub(super) fn from_durable(content: Vec<u8>) -> Inode {
        Inode {
            cached: content.clone(),
            durable: content,
            ..Inode::default()
        }
    }

    pub(super) fn durable(&self) -> &[u8] {
        &self.durable
    }

    pub(super) fn cached(&self) -> &[u8] {
        &self.cached
    }

    /// Bytes written and not yet durable, overwritten ones counted again.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        let written = self.pending.iter().map(|change| match change {
            Change::Write { bytes, .. } => bytes.len() as u64,
            Change::SetLen { .. } => 0,
        });
        written.sum()
    }

    /// A write that is said to have happened, and happens elsewhere or not at all.
    pub(super) fn lie(&mut self, offset: usize, bytes: &[u8], lands: Option<usize>) {
        let mut honest = self.honest.take().unwrap_or_else(|| self.cached.clone());
        overwrite(&mut honest, offset, bytes);
        if let Some(lands) = lands {
            self.write(lands, bytes);
        }
        self.honest = Some(honest);
    }

    /// Whether there is something that it said and did not do.
    pub(super) fn has_lied(&self) -> bool {
        self.honest.is_some()
    }

    /// Nobody misses what was lost.
    pub(super) fn forget_lies(&mut self) {
        self.honest = None;
    }

    /// What was said is true from now on, and durable.
    pub(super) fn come_true(&mut self) {
        if let Some(honest) = self.honest.take() {
            self.pending.clear();
            self.owed = 0;
            self.rotten.clear();
            self.durable.clone_from(&honest);
            self.cached = honest;
        }
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(honest) = &mut self.honest {
            overwrite(honest, offset, bytes);
        }
        overwrite(&mut self.cached, offset, bytes);
        let written = offset..offset + bytes.len();
        for rotten in &mut self.rotten {
            rotten.covered |= written.contains(&rotten.offset);
        }
        self.pending.push(Change::Write {
            offset,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn set_len(&mut self, len: usize) {
        if let Some(honest) = &mut self.honest {
            honest.resize(len, 0);
        }
        self.cached.resize(len, 0);
        for rotten in &mut self.rotten {
            rotten.covered |= rotten.offset >= len;
        }
        self.pending.push(Change::SetLen { len });
    }

    /// A sync that says it has made every pending change durable, and does nothing.
    pub(super) fn lie_of_sync(&mut self) {
        self.owed = self.pending.len();
    }

    /// Makes every pending change durable.
    pub(super) fn sync(&mut self) {
        self.rotten.retain(|rotten| !rotten.covered);
        self.make_durable(self.pending.len());
    }

    /// Makes the first changes durable.
    fn make_durable(&mut self, count: usize) {
        self.owed = self.owed.saturating_sub(count);
        for change in self.pending.drain(..count) {
            match change {
                Change::Write { offset, bytes } => {
                    overwrite(&mut self.durable, offset, &bytes);
                }
                Change::SetLen { len } => self.durable.resize(len, 0),
            }
        }
    }

    /// What syncs have lied about becomes true.
    fn make_good(&mut self) {
        if self.owed == 0 {
            return;
        }
        let before = self.durable.clone();
        self.make_durable(self.owed);
        let durable = std::mem::replace(&mut self.durable, before);
        self.replace_durable(durable);
    }

    /// A sync that failed, as Linux does it: some dirty pages reached the disk, all count as clean
    /// from now on, and reads keep showing what was written. A later sync "succeeds" without them.
    ///
    /// Of what earlier syncs have lied about nothing goes: the atlas of faults gives that back, and there would be
    /// nothing left to give.
    pub(super) fn fail_sync(&mut self, rng: &mut Stream, sector: usize) {
        self.make_good();
        let survivors = self.survivors(rng, sector, 0.0);
        self.replace_durable(survivors);
        self.pending.clear();
    }

    /// Power loss with nothing unsynced surviving.
    pub(super) fn lose_unsynced(&mut self) {
        self.pending.clear();
        self.owed = 0;
        self.cached.clone_from(&self.durable);
        for rotten in &mut self.rotten {
            rotten.covered = false;
        }
    }

    /// A crash or a failed sync has changed what is durable, and perhaps what was rotten there.
    fn replace_durable(&mut self, durable: Vec<u8>) {
        let before = std::mem::replace(&mut self.durable, durable);
        let now = &self.durable;
        self.rotten
            .retain(|r| !r.covered || now.get(r.offset) == before.get(r.offset));
    }

    /// Power loss with some of the unsynced sectors surviving.
    pub(super) fn tear(&mut self, rng: &mut Stream, sector: usize, garbage: f64) {
        // Whole-file outcomes are as likely as mixed ones: with many sectors, independent coins
        // would hardly ever leave "this file made it, that one did not".
        match rng.below(4) {
            0 => {}
            1 => self.sync(),
            _ => {
                let survivors = self.survivors(rng, sector, garbage);
                self.replace_durable(survivors);
            }
        }
        self.lose_unsynced();
    }

    /// Flips bits of one byte, in the cache too; false if the file has no such byte.
    pub(super) fn rot(&mut self, offset: usize, mask: u8) -> bool {
        let rotten = Rotten {
            offset,
            mask,
            covered: false,
        };
        let found = self.turn(rotten);
        self.rotten.extend(found.then_some(rotten));
        found
    }

    /// Gives back all bits that have turned over and were not overwritten.
    pub(super) fn heal(&mut self) {
        for rotten in std::mem::take(&mut self.rotten) {
            self.turn(rotten);
        }
    }

    pub(super) fn is_rotten(&self) -> bool {
        !self.rotten.is_empty()
    }

    fn turn(&mut self, rotten: Rotten) -> bool {
        let Some(byte) = self.durable.get_mut(rotten.offset) else {
            return false;
        };
        *byte ^= rotten.mask;
        let cached = self.cached.get_mut(rotten.offset);
        if let Some(byte) = cached.filter(|_| !rotten.covered) {
            *byte ^= rotten.mask;
        }
        true
    }

    /// What may be on the platter when power fails now.
    ///
    /// The length, being metadata, is journalled: it is what some prefix of the changes made it.
    /// Each sector on its own is the durable one with some prefix of the writes that touch it, so
    /// sectors of later writes may survive where earlier ones do not, and zeros fill holes. With
    /// probability `garbage` a sector holds noise, but only in bytes that an unsynced write covered:
    /// disks do not damage a byte that nobody was writing (SQLite calls this powersafe overwrite).
    fn survivors(&self, rng: &mut Stream, sector: usize, garbage: f64) -> Vec<u8> {
        let committed = rng.index(self.pending.len() + 1);
        let fates = self.draw_fates(rng, sector, garbage);
        let mut seen = vec![0u32; fates.len()];
        let mut content = self.durable.clone();
        let mut len = content.len();
        for (at, change) in self.pending.iter().enumerate() {
            match change {
                Change::Write { offset, bytes } => {
                    for (index, start, part) in sectors_of(*offset, bytes, sector) {
                        seen[index] += 1;
                        if seen[index] <= fates[index].kept {
                            overwrite(&mut content, start, part);
                        }
                    }
                    if at < committed {
                        len = len.max(offset + bytes.len());
                    }
                }
                Change::SetLen { len: cut } if at < committed => {
                    len = *cut;
                    if *cut < content.len() {
                        content[*cut..].fill(0);
                    }
                }
                Change::SetLen { .. } => {}
            }
        }
        content.resize(len, 0);
        self.spread_noise(rng, sector, &fates, &mut content);
        content
    }

    fn draw_fates(&self, rng: &mut Stream, sector: usize, garbage: f64) -> Vec<Fate> {
        let mut fates: Vec<Fate> = Vec::new();
        for (offset, bytes) in self.writes() {
            for (index, ..) in sectors_of(offset, bytes, sector) {
                if fates.len() <= index {
                    fates.resize_with(index + 1, Fate::default);
                }
                fates[index].touched += 1;
            }
        }
        for fate in fates.iter_mut().filter(|fate| fate.touched > 0) {
            fate.kept = u32::try_from(rng.below(u64::from(fate.touched) + 1))
                .expect("at most touched, a u32");
            fate.noise = rng.chance(garbage);
        }
        fates
    }

    fn spread_noise(&self, rng: &mut Stream, sector: usize, fates: &[Fate], content: &mut [u8]) {
        for (offset, bytes) in self.writes() {
            for (index, start, part) in sectors_of(offset, bytes, sector) {
                let end = (start + part.len()).min(content.len());
                if fates[index].noise && start < end {
                    rng.fill(&mut content[start..end]);
                }
            }
        }
    }

    fn writes(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.pending.iter().filter_map(|change| match change {
            Change::Write { offset, bytes } => Some((*offset, bytes.as_slice())),
            Change::SetLen { .. } => None,
        })
    }
}

/// What a power loss does to one sector.
#[derive(Clone, Debug, Default)]
struct Fate {
    touched: u32,
    kept: u32,
    noise: bool,
}

/// A write cut at sector boundaries: the sector's index, the offset in the file, the bytes.
fn sectors_of(
    offset: usize,
    bytes: &[u8],
    sector: usize,
) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let end = offset + bytes.len();
    (offset / sector..end.div_ceil(sector)).map(move |index| {
        let start = offset.max(index * sector);
        let stop = end.min((index + 1) * sector);
        (index, start, &bytes[start - offset..stop - offset])
    })
}

fn overwrite(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}
