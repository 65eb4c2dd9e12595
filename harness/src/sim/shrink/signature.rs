//! By what a failure is known again: the property, and what cheaply tells one bug from another that breaks the same.

use crate::invariants::Violation;

/// A failure's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    property: String,
    kind: String,
}

impl Signature {
    pub(super) fn of(violation: &Violation) -> Signature {
        let what = violation.what.as_str();
        let kind = match violation.property.as_str() {
            // Where it stands in the code.
            "Assertion" => what.rsplit_once('(').map_or("", |(_, place)| place),
            // What the server was given.
            "Conformance" => {
                let given = what.split_once("given ").map_or("", |(_, given)| given);
                given.split(' ').next().unwrap_or_default()
            }
            // A value out of nowhere, or one at the wrong time.
            "Linearizability" if what.contains("nothing in the history explains") => "unexplained",
            _ => "",
        };
        Signature {
            property: violation.property.clone(),
            kind: kind.to_owned(),
        }
    }

    pub(super) fn is(&self, property: &str) -> bool {
        self.property == property
    }

    /// Whether it is judged by what becomes of the healed cluster: the run's last part must stay.
    pub(super) fn is_of_the_whole(&self) -> bool {
        ["Liveness", "Availability", "Convergence"].contains(&self.property.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(property: &str, what: &str) -> Signature {
        Signature::of(&Violation {
            property: property.to_owned(),
            what: what.to_owned(),
            at_ns: 0,
        })
    }

    #[test]
    fn failures_are_told_apart_by_property_and_by_what_is_the_same_in_all_of_a_bug() {
        let assertion = |what| signature("Assertion", what);
        let one = assertion("Election Safety: n2 leads our own term 1 too (core/a.rs:190)");
        let same = assertion("Election Safety: n1 leads our own term 7 too (core/a.rs:190)");
        let other = assertion("entries are applied once and in order (kv/store.rs:57)");
        assert_eq!(one, same);
        assert_ne!(one, other);
        let step = |what| signature("Conformance", what);
        assert_eq!(
            step("n3, given InstallSnapshot of n1"),
            step("n1, given InstallSnapshot of n2")
        );
        assert_ne!(
            step("n3, given InstallSnapshot of n1"),
            step("n3, given a timeout")
        );
        let read = |what| signature("Linearizability", what);
        let (stale, from_nowhere) = (
            "no order explains both",
            "which nothing in the history explains",
        );
        assert_eq!(read(stale), read("no order explains all of them"));
        assert_ne!(read(stale), read(from_nowhere));
        assert_ne!(read("x"), signature("Durability", "x"));
    }
}
