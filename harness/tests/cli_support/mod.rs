//! The `plumb` command in a folder of its own, for tests of what it says and how it ends.

use std::path::Path;
use std::process::{Command, Output};

/// A call of the command, to be made in a folder; `args` as they would be typed.
pub fn command(folder: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
    command.args(args.split_whitespace()).current_dir(folder);
    command
}

/// The call made, and ended with this code.
pub fn ended(folder: &Path, args: &str, code: i32) -> Output {
    let output = command(folder, args).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args}: {said}");
    output
}

/// The call made, and refused as a usage error in these words.
pub fn refused(folder: &Path, args: &str, told: &str) {
    let output = ended(folder, args, 2);
    let said = String::from_utf8_lossy(&output.stderr);
    // Lines are wrapped where the terminal ends.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(told), "{args}: {said}");
}
