//! Who is counted: a vote, an acknowledgement, an answer to a round counts when it was received, and never else.
//! The specification counts messages in the network; a server of ours remembers those that it has received.

use super::given::Given;
use super::seen::{Followed, RoleName, Seen};

/// How what a server counts differs from what it has received.
pub(super) fn differ(given: &Given, before: &Seen, after: &Seen) -> Option<String> {
    match after.role {
        RoleName::Follower => None,
        RoleName::PreCandidate | RoleName::Candidate => votes(given, before, after),
        RoleName::Leader => followers(given, before, after),
    }
}

fn votes(given: &Given, before: &Seen, after: &Seen) -> Option<String> {
    let same = (before.role, before.term) == (after.role, after.term);
    let asks_anew = given.asks;
    let received = |id: u64| {
        let own = id == after.id
            && match after.role {
                RoleName::PreCandidate => asks_anew,
                _ => own_vote_is_durable(after),
            };
        (same && !asks_anew && before.votes.contains(&id)) || given.vote == Some(id) || own
    };
    let not = after.votes.iter().find(|id| !received(**id))?;
    Some(format!(
        "n{} counts the vote of n{not}, which it has not received",
        after.id
    ))
}

/// Figure 2: a server's own vote is worth what is on its disk.
pub(super) fn own_vote_is_durable(server: &Seen) -> bool {
    (server.durable.0, server.durable.1) == (server.term, server.vote)
}

fn followers(given: &Given, before: &Seen, after: &Seen) -> Option<String> {
    let office = after.office.as_ref()?;
    let leads_on = before.leads() && before.term == after.term;
    office.followers.iter().find_map(|is| {
        let was = before.followed(is.id).filter(|_| leads_on);
        let was = was.copied().unwrap_or(Followed {
            id: is.id,
            ..Followed::default()
        });
        let said = |it: Option<(u64, u64)>| it.filter(|(id, _)| *id == is.id).map_or(0, |it| it.1);
        let matched = was.matched.max(said(given.matched));
        let answered = was.answered.max(said(given.answered));
        if is.matched > matched {
            let leader = after.id;
            return Some(format!(
                "n{leader} counts n{} as having entries up to {}, which has acknowledged {matched}",
                is.id, is.matched
            ));
        }
        (is.answered > answered).then(|| {
            format!(
                "n{} counts an answer of n{} to round {}, which has answered {answered}",
                after.id, is.id, is.answered
            )
        })
    })
}
