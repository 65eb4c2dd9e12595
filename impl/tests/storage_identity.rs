//! A data folder belongs to one server of one cluster.

use std::path::Path;

use plumb_raft::storage::{Identity, RealDisk, StorageError};
use plumb_raft::types::NodeId;

fn claim(folder: &Path, server: u64, cluster: &str) -> Result<(), StorageError> {
    let disk = RealDisk::open(folder).expect("nobody else has it");
    let identity = Identity {
        cluster: cluster.to_owned(),
        server: NodeId(server),
    };
    identity.claim(&disk)
}

#[test]
fn a_folder_is_taken_once_and_refuses_other_servers_and_clusters() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    claim(folder.path(), 1, "a").expect("it is nobody's");
    claim(folder.path(), 1, "a").expect("it is its own");
    for (server, cluster) in [(2, "a"), (1, "b")] {
        let refused = claim(folder.path(), server, cluster).expect_err("it is another's");
        assert!(matches!(refused, StorageError::Foreign { .. }));
        let words = refused.to_string();
        assert!(words.contains("n1 of cluster \"a\""), "{words}");
    }
}

#[test]
fn every_damage_to_it_is_noticed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    claim(folder.path(), 1, "a").expect("it is nobody's");
    let file = folder.path().join("identity");
    let whole = std::fs::read(&file).expect("it was written");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(&file, &bytes).expect("written");
        claim(folder.path(), 1, "a").expect_err("a bit has turned over");
        std::fs::write(&file, &whole[..at]).expect("written");
        claim(folder.path(), 1, "a").expect_err("it was cut");
    }
    std::fs::write(&file, &whole).expect("written");
    claim(folder.path(), 1, "a").expect("it is whole again");
}
