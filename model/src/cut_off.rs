//! What bounds cut off, in words: a figure is worth what its reader knows to be missing from it.

use crate::bounds::Bounds;
use crate::features::Features;

impl Bounds {
    /// What never happens in a run within these bounds, though Raft allows it; all else does, and messages
    /// are lost, repeated and reordered without bound.
    #[must_use]
    pub fn cut_off(&self) -> Vec<String> {
        let mut cut = vec![
            format!("a {} server", nth(self.servers)),
            format!("a candidacy beyond term {}", self.max_term),
            format!("a leader's append to a log of {}", self.max_log),
            format!("a {} request", nth(self.requests)),
            format!("a {} crash", nth(self.crashes)),
        ];
        self.features.cut_off(&mut cut);
        cut
    }
}

impl Features {
    fn cut_off(&self, cut: &mut Vec<String>) {
        if self.rounds > 0 {
            cut.push(format!("a leader's {} round in a term", nth(self.rounds)));
        }
        if self.reads > 0 {
            cut.push(format!("a {} read", nth(self.reads)));
        }
        if self.patience > 0 {
            let (patience, drift) = (self.patience, self.drift);
            cut.push(format!(
                "a clock that is off by more than {drift} of {patience} ticks"
            ));
        }
        if self.retries > 0 {
            cut.push(format!("a {} retry", nth(self.retries)));
        }
        if self.plan.is_on() {
            cut.push(format!("a configuration that is not in {}", self.plan));
        }
        for (is_on, part) in [
            (self.reads > 0, "reads by rounds"),
            (self.patience > 0, "leases"),
            (self.check_quorum, "leaders that give up"),
            (self.transfer, "leadership transfer"),
            (self.snapshots, "snapshots"),
            (self.plan.is_on(), "changes of membership"),
            (self.pre_vote, "pre-votes"),
            (self.retries > 0, "retries"),
        ] {
            if !is_on {
                cut.push(part.to_owned());
            }
        }
    }
}

/// The first that is too many.
fn nth(most: u8) -> String {
    match most + 1 {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        n => format!("{n}th"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_the_first_that_is_too_much_and_every_part_that_is_off() {
        let plain = Bounds::plain(3, 4, 3, 2, 0).cut_off().join(", ");
        assert_eq!(
            plain,
            "a 4th server, a candidacy beyond term 4, a leader's append to a log of 3, a third request, \
             a first crash, reads by rounds, leases, leaders that give up, leadership transfer, snapshots, \
             changes of membership, pre-votes, retries"
        );
        let all = Features::NAMES
            .iter()
            .try_fold(Features::NONE, |on, part| on.with(part));
        let all = Bounds::plain(3, 2, 2, 1, 1)
            .with(all.expect("names of parts"))
            .cut_off();
        let parts = &all[5..];
        assert_eq!(
            parts,
            [
                "a leader's second round in a term",
                "a second read",
                "a clock that is off by more than 1 of 3 ticks",
                "a second retry",
                "a configuration that is not in {n1 n2} → {n1 n2} with {n2 n3} → {n2 n3}",
            ]
        );
    }
}
