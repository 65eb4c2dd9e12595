//! What a log's writes must look like, asserted where they are written and checked where they are
//! read.

use super::format::SegmentHeader;
use crate::core::effects::Write;
use crate::types::{HardState, LogIndex};

/// The hard state and the place of the last entry: all that the next write must fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogEnd {
    pub(crate) hard_state: HardState,
    pub(crate) last_index: LogIndex,
}

impl LogEnd {
    /// Where the log stood when a segment began.
    pub(crate) fn at(header: &SegmentHeader) -> LogEnd {
        LogEnd {
            hard_state: header.hard_state,
            last_index: header.last_index,
        }
    }

    /// Where the log stands after a write, or why it does not fit.
    pub(crate) fn after(mut self, write: &Write) -> Result<LogEnd, String> {
        match write {
            Write::HardState(hard_state) => {
                let (old, new) = (self.hard_state.current_term, hard_state.current_term);
                if new < old {
                    return Err(format!("the term falls from {old} to {new}"));
                }
                self.hard_state = *hard_state;
            }
            Write::Truncate(from) => {
                let last = self.last_index;
                if *from == LogIndex::ZERO || *from > last.next() {
                    return Err(format!(
                        "a truncation at {from} does not touch a log up to {last}"
                    ));
                }
                self.last_index = from.prev();
            }
            Write::Snapshot { snapshot, base } => {
                if base.0 > snapshot.last_index {
                    return Err(format!(
                        "the log is dropped up to {} where the snapshot ends at {}",
                        base.0, snapshot.last_index
                    ));
                }
                self.last_index = self.last_index.max(base.0);
                if snapshot.last_index > self.last_index {
                    return Err(format!(
                        "the snapshot at {} lies behind a log up to {}",
                        snapshot.last_index, self.last_index
                    ));
                }
            }
            Write::Append(entries) => {
                for entry in entries {
                    let (last, index) = (self.last_index, entry.index);
                    if index != last.next() {
                        return Err(format!("entry {index} does not follow entry {last}"));
                    }
                    self.last_index = index;
                }
            }
        }
        Ok(self)
    }

    /// Where it stands after several.
    pub(crate) fn after_all(self, writes: &[Write]) -> Result<LogEnd, String> {
        writes.iter().try_fold(self, LogEnd::after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Entry, Payload, Term};

    fn append(index: u64) -> Write {
        let index = LogIndex(index);
        Write::Append(vec![Entry {
            index,
            term: Term(1),
            payload: Payload::Noop,
        }])
    }

    #[test]
    fn gaps_far_truncations_and_falling_terms_do_not_fit() {
        let term = |term| {
            Write::HardState(HardState {
                current_term: Term(term),
                voted_for: None,
            })
        };
        let end = LogEnd::default()
            .after_all(&[
                term(3),
                append(1),
                append(2),
                Write::Truncate(LogIndex(2)),
                append(2),
            ])
            .expect("it fits");
        assert_eq!(end.last_index, LogIndex(2));
        assert!(end.after(&append(4)).is_err());
        assert!(end.after(&append(2)).is_err());
        assert!(end.after(&Write::Truncate(LogIndex(4))).is_err());
        assert!(end.after(&Write::Truncate(LogIndex(0))).is_err());
        assert!(end.after(&term(2)).is_err());
        assert_eq!(end.after(&Write::Truncate(LogIndex(3))), Ok(end));
    }
}
