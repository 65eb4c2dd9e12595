//! Frontiers on disk: two files, one for the level that is expanded and one for the next, in a folder of
//! their own that goes when the search does.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::fingerprint::scramble;

/// Where bytes are on disk, and what they sum up to.
pub(crate) struct Place {
    file: usize,
    at: u64,
    len: usize,
    sum: u64,
}

/// Two files that levels take turns with.
pub(crate) struct Spill {
    folder: PathBuf,
    files: [Mutex<File>; 2],
}

impl Spill {
    /// Makes a folder for its files in `dir`, which may be shared with other searches.
    pub(crate) fn create(dir: &Path) -> io::Result<Spill> {
        fs::create_dir_all(dir)?;
        let folder = dir.join(format!("plumb-frontier-{}", std::process::id()));
        let mut number = 0;
        let folder = loop {
            let name = folder.with_extension(number.to_string());
            match fs::create_dir(&name) {
                Ok(()) => break name,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        let file = |name: &str| {
            let mut options = File::options();
            let options = options.read(true).write(true).create_new(true);
            options.open(folder.join(name)).map(Mutex::new)
        };
        let files = [file("even")?, file("odd")?];
        Ok(Spill { folder, files })
    }

    /// Appends to a file.
    pub(crate) fn write(&self, file: usize, bytes: &[u8]) -> io::Result<Place> {
        let mut open = self.files[file]
            .lock()
            .expect("nothing panics that holds it");
        let at = open.seek(SeekFrom::End(0))?;
        open.write_all(bytes)?;
        Ok(Place {
            file,
            at,
            len: bytes.len(),
            sum: sum(bytes),
        })
    }

    pub(crate) fn read(&self, place: &Place) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; place.len];
        let mut open = self.files[place.file]
            .lock()
            .expect("nothing panics that holds it");
        open.seek(SeekFrom::Start(place.at))?;
        open.read_exact(&mut bytes)?;
        if sum(&bytes) != place.sum {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the frontier on disk is not what was written",
            ));
        }
        Ok(bytes)
    }

    /// Empties a file; what was in it is not read any more.
    pub(crate) fn clear(&self, file: usize) -> io::Result<()> {
        let open = self.files[file]
            .lock()
            .expect("nothing panics that holds it");
        open.set_len(0)
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // Nothing can be done about a folder that won't go, and nothing rests on it.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A sum that shows damage.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let start = scramble(bytes.len() as u64).0;
    bytes.chunks(8).fold(start, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let (low, high) = scramble(sum ^ u64::from_le_bytes(word));
        low ^ high
    })
}
