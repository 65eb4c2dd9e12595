//! The commands of `docs/your-own-raft.md` work, and end as a reader expects.

use std::path::Path;
use std::process::Command;

#[test]
fn every_command_of_the_page_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/your-own-raft.md")).expect("the page");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, block) = page.split_once("```bash\n").expect("a block of commands");
    let (block, rest) = block.split_once("```").expect("its end");
    assert!(!rest.contains("```bash"), "one block is all that is run");
    let mut run = 0;
    for line in block.lines() {
        // What comes before is how a reader has this program built.
        let (how, args) = line.split_once(" -- ").expect("arguments of this program");
        assert_eq!(
            how,
            "cargo run --release --manifest-path peers/raft-rs/Cargo.toml"
        );
        let output = Command::new(env!("CARGO_BIN_EXE_peer-raft-rs"))
            .args(args.split(' '))
            .current_dir(folder.path())
            .output()
            .expect("the program starts");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {words}");
        assert!(!output.stdout.is_empty(), "{line}: it says nothing");
        run += 1;
    }
    assert!(run >= 3, "{run} commands");
}
