//! Faults as bands over time: from the event that begins one to the event that ends it. The page's
//! program does the same with the same rules (`assets/data.js`).

use crate::{History, NemesisEvent};

/// Rows of bands; what finds none free shares the last.
const ROWS: usize = 5;

/// What a fault does, as far as its words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Partition,
    Crash,
    Noise,
    Other,
}

impl Kind {
    /// The colour's name in the pages' style.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Partition => "partition",
            Kind::Crash => "crash",
            Kind::Noise => "noise",
            Kind::Other => "other",
        }
    }

    fn of(words: &str) -> Kind {
        const SIGNS: [(Kind, &[&str]); 3] = [
            (
                Kind::Partition,
                &[
                    "partition",
                    "isolat",
                    "cut",
                    "one-way",
                    "oneway",
                    "split",
                    "bridge",
                    "majorit",
                    "halves",
                ],
            ),
            (
                Kind::Crash,
                &["crash", "kill", "power", "restart", "reboot"],
            ),
            (
                Kind::Noise,
                &[
                    "noise", "loss", "lost", "delay", "slow", "flak", "packet", "duplic", "reorder",
                ],
            ),
        ];
        let words = words.to_lowercase();
        SIGNS
            .iter()
            .find(|(_, signs)| signs.iter().any(|sign| words.contains(sign)))
            .map_or(Kind::Other, |(kind, _)| *kind)
    }
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Band {
    pub from_ns: u64,
    /// `None` if it never ended; equal to its beginning if it took no time.
    pub to_ns: Option<u64>,
    pub words: String,
    pub kind: Kind,
    pub row: usize,
    /// It has its row to itself: there is room for its words.
    pub alone: bool,
    tail: String,
}

/// The faults of a history, in the order in which they began.
pub(super) fn bands(history: &History) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for event in history.nemesis() {
        take_in(&mut bands, event);
    }
    let mut ends: Vec<u64> = Vec::new();
    let mut crowded = false;
    for band in &mut bands {
        let free = ends.iter().position(|end| *end <= band.from_ns);
        crowded |= free.is_none() && ends.len() == ROWS;
        band.row = free.unwrap_or_else(|| ends.len().min(ROWS - 1));
        if band.row == ends.len() {
            ends.push(0);
        }
        ends[band.row] = ends[band.row].max(band.to_ns.unwrap_or(u64::MAX));
    }
    for band in &mut bands {
        band.alone = !crowded || band.row < ROWS - 1;
    }
    bands
}

/// Stretches of time in which at least one fault of a kind was at work: shades of one kind must not add up.
pub(super) fn shades(bands: &[Band]) -> Vec<(Kind, u64, Option<u64>)> {
    let mut shades: Vec<(Kind, u64, Option<u64>)> = Vec::new();
    for kind in [Kind::Partition, Kind::Crash, Kind::Noise, Kind::Other] {
        let begun = shades.len();
        // Bands are in the order in which they began.
        for band in bands.iter().filter(|band| band.kind == kind) {
            match shades[begun..].last_mut() {
                Some((_, _, end)) if end.is_none_or(|end| band.from_ns <= end) => {
                    *end = end.zip(band.to_ns).map(|(end, to)| end.max(to));
                }
                _ => shades.push((kind, band.from_ns, band.to_ns)),
            }
        }
    }
    shades
}

fn take_in(bands: &mut Vec<Band>, event: &NemesisEvent) {
    const BEGINS: [&str; 6] = ["begin", "start", "pause", "kill", "isolate", "partition"];
    const ENDS: [&str; 6] = ["end", "stop", "resume", "heal", "restart", "recover"];
    let name = event.f.to_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    let said = match (&event.value, event.value.as_str()) {
        (_, Some(text)) => text.to_owned(),
        (value, _) if value.is_null() => String::new(),
        (value, _) => value.to_string(),
    };
    let words = if said.is_empty() { &event.f } else { &said };
    // `stop-partition` ends what `start-partition` began.
    let tail = name.trim_start_matches(char::is_alphabetic).to_owned();
    if is(&ENDS) {
        let open = |band: &&mut Band| band.to_ns.is_none() && band.tail == tail;
        let same = bands
            .iter_mut()
            .rev()
            .find(|band| open(band) && band.words == *words);
        if let Some(band) = same {
            band.to_ns = Some(event.time_ns);
            return;
        }
        // Jepsen's events of an end say other words than those of the beginning; ours say the same.
        if name != "ends"
            && let Some(band) = bands.iter_mut().rev().find(open)
        {
            band.to_ns = Some(event.time_ns);
            return;
        }
    }
    // What takes no time is written down with its end first.
    let at_once = |band: &Band| {
        let instant = band.from_ns == event.time_ns && band.to_ns == Some(event.time_ns);
        instant && band.words == *words
    };
    if name == "begins" && bands.iter().any(at_once) {
        return;
    }
    bands.push(Band {
        from_ns: event.time_ns,
        to_ns: (!is(&BEGINS)).then_some(event.time_ns),
        words: words.clone(),
        kind: Kind::of(&format!("{} {words}", event.f)),
        row: 0,
        alone: true,
        tail,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Header, Recorder, Value};

    fn faults(events: &[(u64, &str, &str)]) -> Vec<Band> {
        let mut recorder = Recorder::new(Header::default());
        for (at, f, value) in events {
            let value = match *value {
                "" => Value::Null,
                text => Value::from(text),
            };
            recorder.nemesis(*at, f, value);
        }
        bands(&recorder.finish())
    }

    #[test]
    fn a_fault_lasts_until_the_event_of_its_own_words_ends_it() {
        let seen = faults(&[
            (1, "begins", "partition: n1 | the rest"),
            (2, "begins", "crash n2"),
            (3, "ends", "partition: n1 | the rest"),
            (4, "begins", "clock of n3 jumps"),
        ]);
        let told: Vec<_> = seen
            .iter()
            .map(|band| (band.from_ns, band.to_ns, band.kind, band.row))
            .collect();
        assert_eq!(
            told,
            [
                (1, Some(3), Kind::Partition, 0),
                (2, None, Kind::Crash, 1),
                (4, None, Kind::Other, 0)
            ]
        );
    }

    #[test]
    fn a_fault_that_takes_no_time_is_an_instant_whichever_of_its_events_comes_first() {
        let seen = faults(&[
            (1, "ends", "connections of n1 break"),
            (1, "begins", "connections of n1 break"),
            (2, "begins", "isolate n1"),
            (5, "ends", "isolate n1"),
            (5, "begins", "isolate n1"),
        ]);
        let told: Vec<_> = seen.iter().map(|band| (band.from_ns, band.to_ns)).collect();
        assert_eq!(told, [(1, Some(1)), (2, Some(5)), (5, None)]);
    }

    #[test]
    fn faults_of_one_kind_that_overlap_are_one_shade() {
        let seen = faults(&[
            (1, "begins", "partition: n1 | the rest"),
            (2, "begins", "crash n2"),
            (3, "begins", "isolate n3"),
            (4, "ends", "isolate n3"),
            (6, "ends", "partition: n1 | the rest"),
            (8, "begins", "isolate n1"),
        ]);
        let due = [
            (Kind::Partition, 1, Some(6)),
            (Kind::Partition, 8, None),
            (Kind::Crash, 2, None),
        ];
        assert_eq!(shades(&seen), due);
    }

    #[test]
    fn where_faults_share_a_row_none_of_them_is_named_there() {
        let few: Vec<(u64, &str, &str)> = (0..5).map(|at| (at, "begins", "crash n1")).collect();
        assert!(faults(&few).iter().all(|band| band.alone));
        let many: Vec<(u64, &str, &str)> = (0..7).map(|at| (at, "begins", "crash n1")).collect();
        let alone: Vec<bool> = faults(&many).iter().map(|band| band.alone).collect();
        assert_eq!(alone, [true, true, true, true, false, false, false]);
    }

    #[test]
    fn jepsens_stop_ends_its_start_whatever_it_says() {
        let seen = faults(&[
            (1, "start-partition", "majority"),
            (2, "start-kill", "n1"),
            (5, "stop-partition", "network-healed"),
            (6, "check-offsets", ""),
        ]);
        assert_eq!(seen[0].to_ns, Some(5));
        assert_eq!(seen[1].to_ns, None);
        assert_eq!((seen[2].from_ns, seen[2].to_ns), (6, Some(6)));
    }
}
