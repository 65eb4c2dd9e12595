//! Names the build by the source that it is made of, so that results of different ones are not put together: the
//! version stays the same from one release to the next.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The crates of the workspace that this one is made of, itself included.
const CRATES: [&str; 5] = ["checkers", "harness", "histories", "impl", "model"];

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = vec![PathBuf::from("Cargo.lock"), PathBuf::from("Cargo.toml")];
    for name in CRATES {
        sources.push(Path::new(name).join("Cargo.toml"));
        sources.push(Path::new(name).join("src"));
    }
    let mut hash = Fnv::default();
    for source in sources {
        let path = root.join(&source);
        println!("cargo::rerun-if-changed={}", path.display());
        add(&mut hash, &root, &source)?;
    }
    println!("cargo::rustc-env=PLUMB_SOURCE={:016x}", hash.0);
    Ok(())
}

/// Takes in a file, or all files of a folder in the order of their names: their names and what they hold.
fn add(hash: &mut Fnv, root: &Path, source: &Path) -> io::Result<()> {
    let path = root.join(source);
    if !path.is_dir() {
        let bytes = fs::read(&path)?;
        hash.add(source.to_string_lossy().replace('\\', "/").as_bytes());
        hash.add(&(bytes.len() as u64).to_le_bytes());
        hash.add(&bytes);
        return Ok(());
    }
    let mut names = fs::read_dir(&path)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        add(hash, root, &source.join(name))?;
    }
    Ok(())
}

/// FNV-1a of 64 bits, which is the same everywhere and for ever, as that of the standard library need not be.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
