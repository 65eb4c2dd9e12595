//! How a state breaks a property, in words.

use super::disk;
use crate::action::Action;
use crate::log::{Log, value_name};
use crate::properties::{Breach, Property};
use crate::raft::Raft;
use crate::rules;
use crate::state::State;

/// How `state` breaks `property`, in words.
pub(super) fn reason(
    raft: &Raft,
    property: Property,
    before: &State,
    last: Option<Action>,
    state: &State,
) -> String {
    let committed = state.ghost().committed();
    let entry = |log: Log, index| {
        log.get(index)
            .map_or("nothing".to_owned(), |e| format!("{e:?}"))
    };
    match (property, property.breach(raft, state)) {
        (_, Some(Breach::Servers(a, b))) => {
            let term = state.server(b).term();
            format!("{a} was elected leader of term {term}, and {b} leads term {term} too")
        }
        (_, Some(Breach::Apart(a, b))) => {
            let config = |id| rules::in_force(raft, state.server(id)).1;
            format!(
                "{a} goes by {} and {b} by {}; as the logs stand, servers could elect the one and \
                 others the other",
                config(a),
                config(b)
            )
        }
        (_, Some(Breach::Twice(id, value))) => format!(
            "{id} has applied {:?} and executed request {} {} times",
            state.server(id).log().prefix(state.server(id).commit()),
            value_name(value),
            rules::executions(raft, state.server(id), value)
        ),
        (_, Some(Breach::Crowded(id))) => format!(
            "{id} has {:?}, of which only {committed:?} was ever committed",
            state.server(id).log()
        ),
        (_, Some(Breach::Between(a, b, index))) => {
            let (x, y) = (state.server(a).log(), state.server(b).log());
            format!(
                "the logs of {a}, {x:?}, and {b}, {y:?}, both have an entry of term {} at index \
                 {index}, and differ there or before",
                x.term_at(index)
            )
        }
        (Property::LeaderCompleteness, Some(Breach::At(id, index))) => format!(
            "the entry {} at index {index} was committed in term {}, and {id} leads term {} with \
             {} there",
            entry(committed, index),
            state.ghost().commit_term(index),
            state.server(id).term(),
            entry(state.server(id).log(), index)
        ),
        (_, Some(Breach::At(id, index))) => format!(
            "{id} has committed index {index} and holds {} there, where {} was committed",
            entry(state.server(id).log(), index),
            entry(committed, index)
        ),
        (Property::LeaderAppendOnly, None) => match last.and_then(Action::server) {
            Some(id) => {
                let (was, is) = (before.server(id), state.server(id));
                format!(
                    "{id} leads term {}, and its log went from {:?} to {:?}",
                    is.term(),
                    was.log(),
                    is.log()
                )
            }
            None => "a leader's log lost entries".to_owned(),
        },
        (Property::Monotonicity, None) => match last.and_then(Action::server) {
            Some(id) => format!("{id} went back in its term or commit index"),
            None => "a server went back in its term or commit index".to_owned(),
        },
        (Property::Progress, None) => {
            "whatever happens from here on, nothing more is committed".to_owned()
        }
        (Property::LinearizableReads, None) => format!(
            "the read does not see all of {committed:?}, of which it must see what was committed \
             when it was asked for"
        ),
        (_, None) => match last.and_then(Action::server) {
            Some(id) => {
                format!(
                    "{id} made a promise that its disk does not hold ({})",
                    disk(state.server(id))
                )
            }
            None => "a promise was made that no disk holds".to_owned(),
        },
    }
}
