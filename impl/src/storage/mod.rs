//! What a server remembers: a segmented write-ahead log that knows what of it is durable.
//!
//! [`mod@format`] is the bytes, [`mark`] the notebook of what was synced, [`scan`] reads and judges,
//! [`wal`] writes and recovers, [`snapshots`] stand for what was compacted away, [`mod@identity`] says whose folder it is, [`group_commit`] hands batches from the event loop to the log's
//! driver in [`writer`], [`real_disk`] is the disk of production, and [`mod@inspect`] lets people look.
//!
//! # Torn or damaged?
//! After a power cut, anything may stand where bytes were written and not synced: nothing, a part,
//! zeros, a later block without an earlier one. Where bytes were synced, anything but those bytes is
//! damage, and cutting it off would drop what others were promised. So a bad record must be judged by
//! whether it *was synced*, never by what stands behind it. Three witnesses say how far the log was
//! durable, each written only after the sync that it speaks of, so that none claims too much:
//!
//! 1. every record carries the position up to which its segment was durable when it was written;
//! 2. the header of a segment seals the one before it, which was synced as a whole: its length, its
//!    last checksum, and the hard state there;
//! 3. the notebook `durable.mark` gets the position after each sync, without a sync of its own: it
//!    survives the process always, and power cuts as far as the system had written it back.
//!
//! A bad record below the highest witness is damage: recovery refuses, with file and offset. At or
//! above it, nobody was promised anything: a torn tail, dropped and reported. What no log with one
//! sync per group can tell: rot in the *last* synced group, if a power cut also took the notebook's
//! last line (Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST '18). A start that
//! has seen the line keeps it first, so that what was refused once is refused again.
//!
//! # Why recovery never writes into the file it has read
//! What stands above the witnesses may have been read from a page cache whose sync once failed: the
//! pages are marked clean, a further sync of that file proves nothing, and the next power cut takes
//! them (fsyncgate). So recovery copies the valid records there into a *new* segment, whose header
//! seals the old one where the witnesses end, and only then cuts the old file. A segment appears
//! under its name by a rename, after its content was synced: a `.wal` file with a bad header is
//! damage, always. A life goes on in its predecessor's file only if every byte of it is witnessed.
//!
//! # Which segments may go
//! A snapshot is durable in a file of its own before the log's record that names it, with the base up
//! to which its entries are dropped. Once that record is durable, segments from the front go as long
//! as no entry *ever* appended in them lies behind the base: what is live stands in later ones. The
//! hard state is not lost with them, as every header repeats it. Recovery takes the first segment
//! that is left at its word, and refuses a log whose first entry does not follow its base: so a
//! segment that was needed is missed, wherever it stood.
//!
//! # Why a batch is one record
//! Recovery yields the log after some whole number of batches, thus a state in which the core has
//! been between two steps: a truncation without the entries that replace what it cut, or entries of
//! a term without the term, need no argument since they can't happen.

pub(crate) mod error;
pub(crate) mod format;
pub mod group_commit;
pub(crate) mod identity;
pub mod inspect;
pub(crate) mod mark;
pub mod real_disk;
pub(crate) mod recovery;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod shape;
pub(crate) mod snapshots;
pub mod wal;
pub mod writer;

pub use error::StorageError;
pub(crate) use format::MAX_PAYLOAD as MAX_RECORD_BYTES;
pub use group_commit::{Backlog, GroupCommit, GroupLimits};
pub use identity::Identity;
pub use inspect::{Inspection, RecordSummary, inspect};
pub use real_disk::RealDisk;
pub use snapshots::Ahead;
pub use wal::{Recovered, RecoveryReport, TornTail, Wal, WalOptions};
pub use writer::{Log, LogWriter};
