//! What leaves at once: entries and snapshots of a leader, which promise nothing about its disk and must be what its
//! log has.

use plumb_model::relation::{
    Append, Entries, Position, Standing, send_append_entries, send_snapshot,
};
use plumb_raft::core::{Effects, Message};

use super::seen::Seen;

/// How what a leader sends differs from what it may.
pub(super) fn differ(
    before: &Seen,
    after: &Seen,
    log: &impl Entries,
    effects: &Effects,
    terms: &mut Vec<u64>,
) -> Option<String> {
    let leads = [before, after].into_iter().find(|it| it.leads());
    let led_in = leads.map_or(0, |it| it.term);
    // It may have left its office just now, and has told them so before.
    let sender = Position {
        term: led_in,
        standing: leads.map_or(Standing::Follower, |_| Standing::Leader),
        ..after.position()
    };
    // The rounds of one that has left are gone with its office.
    let round = after.office.as_ref().map_or(u64::MAX, |it| it.round);
    effects.send.iter().find_map(|envelope| match &envelope.message {
        Message::AppendEntries {
            term,
            prev_log_index,
            prev_log_term,
            entries,
            leader_commit,
            round: sent_round,
        } => {
            terms.clear();
            terms.extend(entries.iter().map(|entry| entry.term.0));
            let append = Append {
                prev_index: prev_log_index.0,
                prev_term: prev_log_term.0,
                entries: terms,
                commit: leader_commit.0,
            };
            let right = term.0 == led_in
                && sent_round.0 <= round
                && send_append_entries(sender, log, append);
            (!right).then(|| {
                format!("SendAppendEntries (§5.3) does not send {append:?} in round {} of term {term}", sent_round.0)
            })
        }
        Message::InstallSnapshot { term, chunk, round: sent_round } => {
            let last = (chunk.last_index.0, chunk.last_term.0);
            let named = after.membership_at(last.0).filter(|_| last.0 == after.snapshot.0);
            let right = term.0 == led_in
                && sent_round.0 <= round
                && send_snapshot(sender, log, last)
                && named.is_none_or(|it| *it == chunk.membership);
            (!right).then(|| {
                format!("no snapshot at {last:?} with {:?} is to be sent in term {term} (§7)", chunk.membership)
            })
        }
        _ => None,
    })
}
