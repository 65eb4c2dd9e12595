//! Client sessions (§8, dissertation §6.3): what the state machine makes of a request that may have been made before.

/// What a state machine remembers of a client's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The sequence number of the last request that was executed; 0 before the first.
    pub executed: u64,
    /// The entry that last used it.
    pub used: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It is executed.
    Executed,
    /// It was executed before, and has the answer that it had.
    Answered,
    /// A later one of its session was executed before: nobody waits for this one any more.
    Stale,
    /// Its session is not known, or not any more.
    Expired,
}

/// §8, dissertation §6.3: a session begins with the entry that asks for it.
#[must_use]
pub fn open_session(index: u64) -> Session {
    Session {
        executed: 0,
        used: index,
    }
}

/// §8, dissertation §6.3: a request is executed if no request of its session with this sequence number or a later
/// one was. Returns what the session is then, if it is known.
#[must_use]
pub fn execute(before: Option<Session>, sequence: u64, index: u64) -> (Request, Option<Session>) {
    let Some(session) = before else {
        return (Request::Expired, None);
    };
    let request = match sequence.cmp(&session.executed) {
        std::cmp::Ordering::Greater => Request::Executed,
        std::cmp::Ordering::Equal => Request::Answered,
        std::cmp::Ordering::Less => Request::Stale,
    };
    let after = Session {
        executed: session.executed.max(sequence),
        used: index,
    };
    (request, Some(after))
}

/// Dissertation §6.3: where there are too many, the session goes that was used least recently: all servers agree on
/// that, as the entries say it.
#[must_use]
pub fn least_recent(sessions: impl Iterator<Item = (u64, Session)>) -> Option<u64> {
    sessions
        .min_by_key(|(_, session)| session.used)
        .map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_executed_once_and_one_that_was_passed_by_never() {
        let (request, mut session) = execute(Some(open_session(3)), 1, 4);
        assert_eq!(request, Request::Executed);
        for (sequence, expected) in [
            (1, Request::Answered),
            (3, Request::Executed),
            (2, Request::Stale),
            (3, Request::Answered),
        ] {
            let (request, after) = execute(session, sequence, 9);
            assert_eq!(request, expected, "{sequence}");
            session = after;
        }
        let after = Session {
            executed: 3,
            used: 9,
        };
        assert_eq!(session, Some(after));
        assert_eq!(execute(None, 1, 9), (Request::Expired, None));
    }

    #[test]
    fn the_session_that_was_used_least_recently_goes() {
        let used = |used| Session { executed: 1, used };
        let sessions = [(5, used(9)), (6, used(7)), (8, used(8))];
        assert_eq!(least_recent(sessions.into_iter()), Some(6));
    }
}
