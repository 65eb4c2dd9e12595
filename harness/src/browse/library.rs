//! What there is to look at: saved runs, entries of the corpus, loose histories. Found by walking
//! folders; each has an address that is made here, so that no request can name another file.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use plumb_histories::{NemesisEvent, Source};
use serde::Serialize;

use super::open::{Question, beside, folder_of, open};
use crate::artifacts::is_history;
use crate::cli::CliError;

/// Folders below folders: no deeper than this.
const DEPTH: usize = 12;

/// A history as the index shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its address: letters, digits, `-`, `_` and `.` only, unlike any other's.
    pub slug: String,
    /// Its name for people: the path within what was asked for.
    pub name: String,
    /// `valid`, `violation`, `unknown`, `unreadable`, or `not judged`.
    pub verdict: String,
    /// The rule that broke, or why the history could not be read.
    pub what: String,
    /// The specification it is held against.
    pub spec: Option<String>,
    /// The seed of its run.
    pub seed: Option<u64>,
    /// The mutant that it convicted.
    pub mutant: Option<String>,
    /// Kinds of faults, each once.
    pub nemesis: Vec<String>,
    /// How many operations.
    pub operations: usize,
    /// What servers did was recorded too.
    pub lanes: bool,
    /// Where it lies.
    #[serde(skip)]
    pub path: PathBuf,
}

/// When a file was as it was.
type Stamp = (SystemTime, u64, Option<SystemTime>);

/// All histories below some folders, or one.
#[derive(Debug, Default)]
pub struct Library {
    roots: Vec<PathBuf>,
    question: Question,
    /// What was found out about files that have not changed since.
    seen: HashMap<PathBuf, (Stamp, Entry)>,
}

impl Library {
    /// The histories below these folders.
    #[must_use]
    pub fn new(roots: Vec<PathBuf>, question: Question) -> Library {
        Library {
            roots,
            question,
            seen: HashMap::new(),
        }
    }

    /// What they are held against.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Looks again at what is there. Violations come first, then what is undecided.
    ///
    /// # Errors
    /// If a folder that was asked for can't be read.
    pub fn entries(&mut self) -> Result<Vec<Entry>, CliError> {
        let mut found = Vec::new();
        for root in &self.roots {
            let several = self.roots.len() > 1;
            let mut files = Vec::new();
            collect(root, 0, &mut files).map_err(|error| {
                CliError::new(
                    format!("cannot read the folder {}: {error}", root.display()),
                    "check the path and the permissions",
                )
            })?;
            found.extend(files.into_iter().map(|file| {
                let name = name(root, &file, several);
                (file, name)
            }));
        }
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        let mut entries: Vec<Entry> = found
            .into_iter()
            .map(|(path, name)| {
                let mut entry = self.entry(&path);
                entry.slug = unlike(&mut taken, &slug(&name));
                entry.name = name;
                entry
            })
            .collect();
        entries.sort_by_key(|entry| rank(&entry.verdict));
        Ok(entries)
    }

    fn entry(&mut self, path: &Path) -> Entry {
        let stamp = stamp(path);
        if let (Some(stamp), Some((before, entry))) = (stamp, self.seen.get(path))
            && *before == stamp
        {
            return entry.clone();
        }
        let entry = read_entry(path, &self.question);
        if let Some(stamp) = stamp {
            self.seen.insert(path.to_owned(), (stamp, entry.clone()));
        }
        entry
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok()?;
    let verdict =
        folder_of(path).and_then(|folder| std::fs::metadata(folder.join("verdict.json")).ok());
    let judged = verdict.and_then(|about| about.modified().ok());
    Some((about.modified().ok()?, about.len(), judged))
}

fn read_entry(path: &Path, question: &Question) -> Entry {
    let mut entry = Entry {
        slug: String::new(),
        name: String::new(),
        verdict: "unreadable".to_owned(),
        what: String::new(),
        spec: None,
        seed: None,
        mutant: None,
        nemesis: Vec::new(),
        operations: 0,
        lanes: folder_of(path).is_some_and(|folder| folder.join("lanes.json").exists()),
        path: path.to_owned(),
    };
    let history = match open(path) {
        Ok(Source { history, .. }) => history,
        Err(error) => {
            entry.what = error.what;
            return entry;
        }
    };
    entry.spec = question.spec_name(history.header());
    entry.seed = history.header().seed;
    entry.operations = history.operations().len();
    let mut kinds: Vec<String> = history.nemesis().iter().map(kind).collect();
    kinds.sort();
    kinds.dedup();
    entry.nemesis = kinds;
    let run = beside(path, "verdict.json");
    let said = |name: &str| run.as_ref()?.pointer(name)?.as_str().map(ToOwned::to_owned);
    entry.mutant = said("/mutant");
    if let Some(property) = said("/violation/property") {
        entry.verdict = "violation".to_owned();
        entry.what = property;
    } else {
        let glance = match question.glance(&history) {
            Some(Ok(verdict)) => Some(verdict.to_owned()),
            Some(Err(why)) => {
                entry.what = why;
                None
            }
            None => None,
        };
        entry.verdict = said("/verdict")
            .or(glance)
            .unwrap_or_else(|| "not judged".to_owned());
        if entry.verdict == "violation" {
            entry.what = said("/property").unwrap_or_else(|| "Linearizability".to_owned());
        }
    }
    entry
}

/// What kind of fault an event is of: `partition`, `crash`, …
fn kind(event: &NemesisEvent) -> String {
    let words = event
        .value
        .as_str()
        .filter(|_| matches!(event.f.as_str(), "begins" | "ends"));
    let words = words.unwrap_or(&event.f).to_lowercase();
    const KINDS: [(&str, &[&str]); 10] = [
        // What an operator asks for.
        ("membership", &["membership", "replace a server"]),
        ("transfer", &["transfer"]),
        ("disk", &["disk", "fsync"]),
        (
            "partition",
            &["partition", "isolat", "one-way", "cut", "stall"],
        ),
        ("connection", &["connection"]),
        ("slow", &["narrow", "slow"]),
        ("crash", &["crash", "kill", "power", "restart"]),
        ("noise", &["noise", "loss", "delay", "packet", "duplic"]),
        ("pause", &["pause", "sigstop", "resume"]),
        ("clock", &["clock", "skew", "bump", "strobe"]),
    ];
    KINDS
        .iter()
        .find(|(_, signs)| signs.iter().any(|sign| words.contains(sign)))
        .map_or("other", |(name, _)| name)
        .to_owned()
}

fn rank(verdict: &str) -> usize {
    ["violation", "unknown", "unreadable", "not judged"]
        .iter()
        .position(|known| *known == verdict)
        .unwrap_or(4)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut inside: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    inside.sort_by_key(std::fs::DirEntry::file_name);
    for entry in inside {
        let (path, kind) = (entry.path(), entry.file_type()?);
        // Links are not followed: they may lead back here, or out of here.
        if kind.is_dir() && depth < DEPTH {
            // A folder that can't be read hides no more than itself.
            drop(collect(&path, depth + 1, files));
        } else if kind.is_file() && is_history(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn name(root: &Path, file: &Path, several: bool) -> String {
    let within = file.strip_prefix(root).unwrap_or(file);
    let within = match folder_of(within) {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) => Path::new(root.file_name().unwrap_or(root.as_os_str())),
        None => within,
    };
    if several {
        root.join(within).display().to_string()
    } else {
        within.display().to_string()
    }
}

fn slug(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let slug: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect();
    let slug = slug.trim_matches(['.', '-']).to_owned();
    if slug.is_empty() {
        "history".to_owned()
    } else {
        slug
    }
}

fn unlike(taken: &mut BTreeMap<String, usize>, slug: &str) -> String {
    // Some file systems tell no capitals from others.
    let mut chosen = slug.to_owned();
    let mut number = 1;
    while taken.contains_key(&chosen.to_lowercase()) {
        number += 1;
        chosen = format!("{slug}-{number}");
    }
    taken.insert(chosen.to_lowercase(), number);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_path_and_is_unlike_any_other() {
        let mut taken = BTreeMap::new();
        let all: Vec<String> = ["../../etc/passwd", "a/b", "a-b", "A-B", "..", "é<script>"]
            .iter()
            .map(|name| unlike(&mut taken, &slug(name)))
            .collect();
        assert_eq!(
            all,
            ["etc-passwd", "a-b", "a-b-2", "A-B-3", "history", "script"]
        );
    }
}
