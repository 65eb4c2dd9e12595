//! A nemesis as a line of text: `crash+pause:every=500ms,from=1s,to=3s`.

use std::fmt;
use std::str::FromStr;

use super::Nemesis;
use crate::scenario::{FaultName, HAPPENINGS, Happening, Target};

const OPTIONS: &str = "every, from, to, for, at, upon, waits, skip, share, flaps, replaces";

impl FromStr for Nemesis {
    type Err = String;

    fn from_str(text: &str) -> Result<Nemesis, String> {
        let (kinds, options) = text.split_once(':').unwrap_or((text, ""));
        let mut nemesis = Nemesis::NONE;
        if kinds == "none" {
            return match options {
                "" => Ok(nemesis),
                _ => Err("none breaks nothing, and has no options".to_owned()),
            };
        }
        for kind in kinds.split('+') {
            let kind = kind.parse::<FaultName>();
            nemesis
                .kinds
                .push(kind.map_err(|why| format!("{why}; or none"))?);
        }
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (name, value) = option
                .split_once('=')
                .ok_or_else(|| format!("{option:?} is no option: name=value, with {OPTIONS}"))?;
            set(&mut nemesis, name, value).map_err(|why| format!("{option}: {why}"))?;
        }
        nemesis.check()?;
        let by_operator = |kind: &&FaultName| kind.is_by_operator() || **kind == FaultName::Replace;
        match nemesis.kinds.iter().find(by_operator) {
            Some(kind) if nemesis.waits_permille > 0 => {
                Err(format!("upon: {kind} is what an operator does at a time"))
            }
            _ => Ok(nemesis),
        }
    }
}

fn set(nemesis: &mut Nemesis, name: &str, value: &str) -> Result<(), String> {
    match name {
        "every" => {
            nemesis.every_ms = match value.split_once("..") {
                Some((least, most)) => (time(least)?, time(most)?),
                // So often on average.
                None => (1, (2 * time(value)?).max(2) - 1),
            }
        }
        "from" => nemesis.from_ms = time(value)?,
        "to" => nemesis.to_ms = Some(time(value)?),
        "for" => {
            let (least, most) = value.split_once("..").unwrap_or((value, value));
            nemesis.for_ms = Some((time(least)?, time(most)?));
        }
        "at" => nemesis.target = Some(target(value)?),
        "upon" => {
            nemesis.upon = match value {
                "any" => HAPPENINGS.to_vec(),
                names => names.split('+').map(happening).collect::<Result<_, _>>()?,
            };
            nemesis.waits_permille = 1_000;
        }
        "waits" => nemesis.waits_permille = permille(value)?,
        "skip" => {
            let skip = value.parse().map_err(|_| "a number, such as 3".to_owned());
            nemesis.skip = Some(skip?);
        }
        "share" => nemesis.share_permille = permille(value)?,
        "flaps" => nemesis.flaps_permille = permille(value)?,
        "replaces" => nemesis.replaces_permille = permille(value)?,
        _ => return Err(format!("there is no such option; there are {OPTIONS}")),
    }
    Ok(())
}

/// Milliseconds.
fn time(text: &str) -> Result<u64, String> {
    let number = |digits: &str, scale: u64| digits.parse::<u64>().ok()?.checked_mul(scale);
    let ms = match text.strip_suffix("ms") {
        Some(digits) => number(digits, 1),
        None => text
            .strip_suffix('s')
            .and_then(|digits| number(digits, 1_000)),
    };
    ms.filter(|ms| *ms <= crate::scenario::MAX_RUN_MS)
        .ok_or_else(|| "a time, such as 500ms or 3s".to_owned())
}

fn permille(text: &str) -> Result<u32, String> {
    let percent = text.strip_suffix('%').unwrap_or_default();
    let (whole, tenths) = percent.split_once('.').unwrap_or((percent, "0"));
    let permille = || {
        let (whole, tenths) = (whole.parse::<u32>().ok()?, tenths.parse::<u32>().ok()?);
        (whole <= 100 && tenths < 10).then_some(whole * 10 + tenths)
    };
    permille().ok_or_else(|| "a share, such as 30% or 0.5%".to_owned())
}

fn target(text: &str) -> Result<Target, String> {
    let id = text.strip_prefix('n').and_then(|id| id.parse().ok());
    match (text, id) {
        ("leader", _) => Ok(Target::Leader),
        ("subject", _) => Ok(Target::Subject),
        (_, Some(id)) if id > 0 => Ok(Target::Server(id)),
        _ => Err("leader, subject, or a server, such as n2".to_owned()),
    }
}

fn happening(text: &str) -> Result<Happening, String> {
    let known = HAPPENINGS.iter().find(|event| event.text() == text);
    known.copied().ok_or_else(|| {
        let all: Vec<&str> = HAPPENINGS.iter().map(|event| event.text()).collect();
        format!("there is no such event; there are any, {}", all.join(", "))
    })
}

impl fmt::Display for Nemesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kinds.is_empty() {
            return f.write_str("none");
        }
        let usual = &Nemesis::NONE;
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.text()).collect();
        let mut options = Vec::new();
        let range = |(least, most)| match least == most {
            true => format!("{least}ms"),
            false => format!("{least}ms..{most}ms"),
        };
        if self.every_ms != usual.every_ms {
            options.push(match self.every_ms {
                (1, most) if most % 2 == 1 => format!("every={}ms", most.div_ceil(2)),
                (least, most) => format!("every={least}ms..{most}ms"),
            });
        }
        if self.from_ms != usual.from_ms {
            options.push(format!("from={}ms", self.from_ms));
        }
        options.extend(self.to_ms.map(|ms| format!("to={ms}ms")));
        options.extend(self.for_ms.map(|ms| format!("for={}", range(ms))));
        options.extend(self.target.map(|target| match target {
            Target::Leader => "at=leader".to_owned(),
            Target::Subject => "at=subject".to_owned(),
            Target::Server(id) => format!("at=n{id}"),
        }));
        if !self.upon.is_empty() {
            let events: Vec<&str> = self.upon.iter().map(|event| event.text()).collect();
            options.push(match self.upon == HAPPENINGS {
                true => "upon=any".to_owned(),
                false => format!("upon={}", events.join("+")),
            });
            if self.waits_permille < 1_000 {
                options.push(format!("waits={}", percent(self.waits_permille)));
            }
        }
        options.extend(self.skip.map(|skip| format!("skip={skip}")));
        for (name, own, usual) in [
            ("share", self.share_permille, usual.share_permille),
            ("flaps", self.flaps_permille, usual.flaps_permille),
            ("replaces", self.replaces_permille, usual.replaces_permille),
        ] {
            if own != usual {
                options.push(format!("{name}={}", percent(own)));
            }
        }
        f.write_str(&kinds.join("+"))?;
        match options.is_empty() {
            true => Ok(()),
            false => write!(f, ":{}", options.join(",")),
        }
    }
}

fn percent(permille: u32) -> String {
    match (permille / 10, permille % 10) {
        (whole, 0) => format!("{whole}%"),
        (whole, tenths) => format!("{whole}.{tenths}%"),
    }
}
