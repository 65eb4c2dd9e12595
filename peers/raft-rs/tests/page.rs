//! The commands of `docs/your-own-raft.md` work, and end as a reader expects. Every peer runs those that name it.

use std::path::Path;
use std::process::Command;

#[test]
fn every_command_of_the_page_works() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = here.join("../../docs/your-own-raft.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let folder = tempfile::tempdir().expect("a temporary folder");
    // How a reader has this program built.
    let peer = here.file_name().expect("it has a name").to_string_lossy();
    let how = format!("cargo run --release --manifest-path peers/{peer}/Cargo.toml -- ");
    let mut run = 0;
    for args in page.lines().filter_map(|line| line.strip_prefix(&how)) {
        let output = Command::new(env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))))
            .args(args.split(' '))
            .current_dir(folder.path())
            .output()
            .expect("the program starts");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args}: {words}");
        assert!(!output.stdout.is_empty(), "{args}: it says nothing");
        run += 1;
    }
    assert!(run >= 3, "{run} commands");
}
