//! The disk of production: a flat folder of the operating system, locked against a second process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::StorageError;
use crate::seams::{Disk, DiskFile};

const LOCK_FILE: &str = "LOCK";

/// A data folder. It stays locked until this is dropped, or its process ends however it ends.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
    _lock: File,
}

impl RealDisk {
    /// Opens a data folder, creating it if it is absent, and locks it.
    ///
    /// # Errors
    /// [`StorageError::Locked`] if another process, or another `RealDisk` of this one, has it;
    /// [`StorageError::Io`] if the folder can't be created or written.
    pub fn open(folder: &Path) -> Result<RealDisk, StorageError> {
        let failed = |action| {
            let shown = folder.display().to_string();
            move |e| StorageError::io(action, &shown, e)
        };
        if !folder.is_dir() {
            std::fs::create_dir_all(folder).map_err(failed("create the data folder"))?;
            // The folder's own name must outlive a power cut as well.
            if let Some(parent) = folder.parent().filter(|p| !p.as_os_str().is_empty()) {
                sync_folder(parent).map_err(failed("sync the parent of"))?;
            }
        }
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK_FILE))
            .map_err(failed("open the lock file in"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StorageError::Locked {
                    folder: folder.to_owned(),
                    holder: holder(&mut lock),
                });
            }
            Err(TryLockError::Error(e)) => return Err(failed("lock")(e)),
        }
        // For the message above only: what counts is the lock, which the system lets go of by itself.
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(failed("write the lock file in"))?;
        Ok(RealDisk {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let flat = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
        if flat {
            Ok(self.folder.join(name))
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a plain file name",
            ))
        }
    }
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.take(32).read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!(" by process {}", text.trim()),
        _ => String::new(),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl Disk for RealDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path(name)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Names that are not UTF-8 are none of ours.
            if let (true, Ok(name)) = (
                entry.file_type()?.is_file(),
                entry.file_name().into_string(),
            ) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from)?, self.path(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(name)?)
    }

    fn sync_dir(&self) -> io::Result<()> {
        sync_folder(&self.folder)
    }
}

/// An open file of a data folder.
#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut got = 0;
        while got < buf.len() {
            match self.0.read_at(&mut buf[got..], offset + got as u64) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(got)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        // fdatasync: the length counts as data, since reading needs it; times do not.
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_at_a_time_and_the_second_learns_who() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new").join("data");
        let first = RealDisk::open(&path).expect("it is free");
        let error = RealDisk::open(&path).expect_err("it is taken");
        let message = error.to_string();
        let process = format!("by process {}", std::process::id());
        assert!(matches!(error, StorageError::Locked { .. }) && message.contains(&process));
        drop(first);
        RealDisk::open(&path).expect("it is free again");
    }

    #[test]
    fn files_are_written_renamed_cut_and_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = RealDisk::open(folder.path()).expect("it is free");
        let absent = disk.open("a", false).map(drop).expect_err("it is absent");
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        let mut file = disk.open("a", true).expect("it is created");
        assert!(file.is_empty().expect("it has a length"));
        file.write_at(2, b"xyz").expect("it is writable");
        file.sync().expect("it syncs");
        disk.rename("a", "b").expect("it is renamed");
        disk.sync_dir().expect("the folder syncs");
        assert_eq!(disk.list().expect("it lists"), ["LOCK", "b"]);
        let mut buf = [9; 8];
        assert_eq!(file.read_at(1, &mut buf).expect("it reads"), 4);
        assert_eq!(&buf[..4], b"\0xyz");
        file.set_len(1).expect("it is cut");
        assert_eq!(file.len().expect("it has a length"), 1);
        disk.remove("b").expect("it is removed");
        assert!(disk.open("../b", true).is_err() && disk.open("..", false).is_err());
    }
}
