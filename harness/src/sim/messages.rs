//! What servers sent each other, each message from its sending to its arrivals: the arrows of a history's
//! page. Messages carry no numbers, so an arrival is matched with the oldest equal message of its link that
//! has not arrived; where all have, it is a duplicate of the latest.

use std::collections::BTreeMap;

use plumb_histories::browser::ServerMessage;
use plumb_raft::core::{Envelope, Message};
use plumb_raft::types::NodeId;

use super::trace::describe_message;

/// An arrival is looked for among so many messages of a link: what is older is taken to be lost.
const UNDER_WAY: usize = 512;

#[derive(Debug)]
struct Sent {
    at_ns: u64,
    arrivals_ns: Vec<u64>,
    message: Message,
}

/// The messages of each link, in the order of sending.
#[derive(Debug, Default)]
pub(super) struct Messages {
    links: BTreeMap<(NodeId, NodeId), Vec<Sent>>,
}

impl Messages {
    /// A server has sent these.
    pub(super) fn sent(&mut self, at_ns: u64, envelopes: &[Envelope]) {
        for Envelope { from, to, message } in envelopes {
            self.links.entry((*from, *to)).or_default().push(Sent {
                at_ns,
                arrivals_ns: Vec::new(),
                message: message.clone(),
            });
        }
    }

    /// A server takes this one in.
    pub(super) fn taken(&mut self, at_ns: u64, envelope: &Envelope) {
        let Some(link) = self.links.get_mut(&(envelope.from, envelope.to)) else {
            return;
        };
        let recent = link.len().saturating_sub(UNDER_WAY);
        let mut equal: Vec<&mut Sent> = link[recent..]
            .iter_mut()
            .filter(|sent| sent.message == envelope.message)
            .collect();
        let first = equal.iter().position(|sent| sent.arrivals_ns.is_empty());
        let place = first.or(equal.len().checked_sub(1));
        if let Some(sent) = place.and_then(|place| equal.get_mut(place)) {
            sent.arrivals_ns.push(at_ns);
        }
    }

    /// All of them, in the order of sending; servers are places among these.
    pub(super) fn finish(self, ids: &[NodeId]) -> Vec<ServerMessage> {
        let row = |id: NodeId| ids.iter().position(|known| *known == id);
        let mut all: Vec<ServerMessage> = self
            .links
            .into_iter()
            .filter_map(|((from, to), sent)| Some((row(from)?, row(to)?, sent)))
            .flat_map(|(from, to, sent)| {
                sent.into_iter().map(move |sent| ServerMessage {
                    sent_ns: sent.at_ns,
                    arrivals_ns: sent.arrivals_ns,
                    from,
                    to,
                    what: describe_message(&sent.message),
                })
            })
            .collect();
        // Stable: what was sent in one moment keeps the order of its links.
        all.sort_by_key(|message| message.sent_ns);
        all
    }
}

#[cfg(test)]
mod tests {
    use plumb_raft::types::Term;

    use super::*;

    #[test]
    fn an_arrival_belongs_to_the_oldest_equal_message_and_a_second_one_to_the_latest() {
        let envelope = |term| Envelope {
            from: NodeId(1),
            to: NodeId(2),
            message: Message::TimeoutNow { term: Term(term) },
        };
        let mut messages = Messages::default();
        messages.sent(1, &[envelope(1)]);
        messages.sent(2, &[envelope(2)]);
        messages.sent(3, &[envelope(1)]);
        messages.taken(4, &envelope(1));
        messages.taken(5, &envelope(1));
        messages.taken(6, &envelope(1));
        let all = messages.finish(&[NodeId(1), NodeId(2)]);
        let arrivals: Vec<&[u64]> = all.iter().map(|one| &one.arrivals_ns[..]).collect();
        assert_eq!(arrivals, [&[4][..], &[], &[5, 6]]);
        assert_eq!((all[0].from, all[0].to), (0, 1));
    }
}
