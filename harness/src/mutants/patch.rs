//! Patch files: a header of `key: value` lines, then a unified diff.

use std::collections::BTreeMap;
use std::path::Path;

use super::{About, Mutant};
use crate::cli::CliError;

/// A change to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file, relative to the workspace.
    pub file: String,
    /// The unified diff of it.
    diff: String,
}

/// Why an edit can't be made.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// It is no unified diff.
    #[error("the diff of {file} can't be read: {why}")]
    Malformed {
        /// Of this file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The file has changed since.
    #[error(
        "the diff does not apply to {file} any more: {why}; make the change by hand and replace the diff"
    )]
    Stale {
        /// The file.
        file: String,
        /// Which part.
        why: String,
    },
}

impl Edit {
    /// The file's text after the change.
    ///
    /// # Errors
    /// If the diff does not fit the text.
    pub fn apply(&self, text: &str) -> Result<String, PatchError> {
        let file = || self.file.clone();
        let patch = diffy::Patch::from_str(&self.diff).map_err(|error| PatchError::Malformed {
            file: file(),
            why: error.to_string(),
        })?;
        diffy::apply(text, &patch).map_err(|error| PatchError::Stale {
            file: file(),
            why: error.to_string(),
        })
    }

    /// The changed lines, with their signs, for a reader.
    #[must_use]
    pub fn changed_lines(&self) -> Vec<&str> {
        let header = |line: &&str| line.starts_with("--- ") || line.starts_with("+++ ");
        let sign = |line: &&str| line.starts_with('-') || line.starts_with('+');
        self.diff
            .lines()
            .filter(|line| sign(line) && !header(line))
            .collect()
    }
}

/// Reads a patch file.
pub(super) fn read(path: &Path) -> Result<Mutant, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::new(
            format!("cannot read {}: {error}", path.display()),
            "see that it is a text file",
        )
    })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&name, &text).map_err(|(line, what)| {
        CliError::new(
            format!("{}:{line}: {what}", path.display()),
            "a mutant is a header (title, class, breaks, seen, rule), then a unified diff: see the others",
        )
    })
}

/// The line and what is wrong there.
type Wrong = (usize, String);

fn parse(name: &str, text: &str) -> Result<Mutant, Wrong> {
    let mut header = BTreeMap::new();
    let mut edits: Vec<Edit> = Vec::new();
    let mut key = String::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(file) = line.strip_prefix("--- a/") {
            edits.push(Edit {
                file: file.to_owned(),
                diff: String::new(),
            });
        }
        if let Some(edit) = edits.last_mut() {
            edit.diff.push_str(line);
            edit.diff.push('\n');
        } else if line.starts_with("  ") {
            let value: &mut String = header.entry(key.clone()).or_default();
            value.push(' ');
            value.push_str(line.trim());
        } else if let Some((new, value)) = line.split_once(':') {
            new.clone_into(&mut key);
            header.insert(key.clone(), value.trim().to_owned());
        } else if !line.is_empty() {
            return Err((number + 1, "neither a header line nor a diff".to_owned()));
        }
    }
    if edits.is_empty() {
        return Err((1, "there is no diff".to_owned()));
    }
    let mut take = |key: &str| {
        let value = header.remove(key).filter(|value| !value.is_empty());
        value.ok_or_else(|| (1, format!("the header has no `{key}`")))
    };
    let about = About {
        title: take("title")?,
        class: take("class")?,
        breaks: take("breaks")?,
        seen: take("seen")?,
        rule: take("rule")?,
    };
    if let Some(key) = header.keys().next() {
        return Err((1, format!("the header has an unknown `{key}`")));
    }
    Ok(Mutant {
        name: name.to_owned(),
        about,
        edits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "title: a bug\nclass: voting\nbreaks: Election Safety\nseen: here\n  and \
                        there\nrule: one vote\n\n--- a/x.rs\n+++ b/x.rs\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n \
                        d\n";

    #[test]
    fn a_patch_file_is_a_header_and_a_diff_that_applies_where_the_text_has_moved_to() {
        let mutant = parse("m", GOOD).expect("it is whole");
        assert_eq!(mutant.about.seen, "here and there");
        assert_eq!(mutant.edits[0].changed_lines(), ["-b", "+c"]);
        let edit = &mutant.edits[0];
        assert_eq!(edit.apply("a\nb\nd\n").ok().as_deref(), Some("a\nc\nd\n"));
        let moved = edit.apply("0\n0\n0\na\nb\nd\n");
        assert_eq!(moved.ok().as_deref(), Some("0\n0\n0\na\nc\nd\n"));
        assert!(matches!(
            edit.apply("a\nd\n"),
            Err(PatchError::Stale { .. })
        ));
    }

    #[test]
    fn a_header_that_lacks_something_or_has_too_much_is_refused() {
        assert!(parse("m", &GOOD.replace("rule: one vote\n", "")).is_err());
        assert!(parse("m", &GOOD.replace("rule:", "rul:")).is_err());
        assert!(parse("m", "title: a bug\n").is_err());
        assert_eq!(parse("m", "what\n").err().map(|(line, _)| line), Some(1));
    }
}
