//! One sentence for a reader who knows the system and not the checker.

use super::describe::short;
use super::{Described, Partial, Since};

/// Says why the operations, listed by their invocations, cannot all be explained.
pub(super) fn sentence(
    since: Option<&Since>,
    operations: &[Described],
    partial: Option<&Partial>,
) -> String {
    let of_operations = of_operations(operations, partial);
    let Some(since) = since else {
        return of_operations;
    };
    format!(
        "whatever the order, the state is {} when {} by process {} completes; after that, {of_operations}",
        short(&since.state),
        since.by.action(),
        since.by.process
    )
}

fn of_operations(operations: &[Described], partial: Option<&Partial>) -> String {
    let last_to_complete = || operations.iter().max_by_key(|op| op.completed);
    let Some(stuck) = partial
        .map(|partial| &partial.stuck)
        .or_else(last_to_complete)
    else {
        return "no order explains the results".to_owned();
    };
    let others: Vec<&Described> = operations
        .iter()
        .filter(|op| op.number != stuck.number)
        .collect();
    let (before, beside): (Vec<&Described>, Vec<&Described>) = others
        .iter()
        .partition(|op| op.completed.is_some_and(|end| end < stuck.invoked));
    let what = match &stuck.result {
        Some(result) if tells(stuck) => format!(
            "{} by process {} returned {}",
            stuck.asked(),
            stuck.process,
            short(result)
        ),
        _ => format!("{} by process {} took place", stuck.asked(), stuck.process),
    };
    match (&before[..], &beside[..]) {
        ([], []) => format!("{what}, which nothing in the history explains"),
        ([only], []) => format!(
            "{what} after {} by process {} had completed; no order explains both",
            only.action(),
            only.process
        ),
        ([.., last], []) if before.len() < 5 => format!(
            "{what} after {} by process {} had completed, the last of {}; no order explains all of \
             them",
            last.action(),
            last.process,
            list(&before)
        ),
        ([], _) if beside.len() < 6 => {
            format!(
                "{what} beside {}; no order explains all of them",
                list(&beside)
            )
        }
        (_, []) => format!(
            "{what} after {} had completed; no order explains all of them",
            list(&before)
        ),
        _ if others.len() < 8 => format!(
            "{what} after {} had completed and beside {}; no order explains all of them",
            list(&before),
            list(&beside)
        ),
        _ => format!(
            "{what}; together with {} other operations no order explains it",
            others.len()
        ),
    }
}

/// The result says something that the arguments do not.
fn tells(operation: &Described) -> bool {
    operation
        .result
        .as_ref()
        .is_some_and(|result| *result != operation.argument)
        || operation.argument.is_null()
}

fn list(operations: &[&Described]) -> String {
    let texts: Vec<String> = operations.iter().map(|op| op.action()).collect();
    match &texts[..] {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
