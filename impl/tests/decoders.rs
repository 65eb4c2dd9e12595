//! Every decoder against bytes that nobody wrote: arbitrary ones, and valid ones with a few changed. None may
//! panic, none may take what it would not have written, and a data folder that is refused is left as it was.
//! `PROPTEST_CASES=1000000` makes a night of it.

mod storage_support;

use plumb_raft::core::{AppendOutcome, Envelope, Message, Round};
use plumb_raft::kv::{Command, KvStore, Operation, SessionId, TxnStep};
use plumb_raft::net::protocol::{
    Caller, Hello, PeerFrame, Request, RequestBody, Response, decode, encode,
};
use plumb_raft::net::{FrameReader, add_frame};
use plumb_raft::storage::{Identity, inspect};
use plumb_raft::types::{Entry, LogIndex, Membership, NodeId, Payload, Term};
use proptest::prelude::*;
use storage_support::{Image, MemDisk, Workload, open};

/// Changes to bytes: where, as a share of the length, and to what; and where to cut, if at all.
type Damage = (Vec<(prop::sample::Index, u8)>, Option<prop::sample::Index>);

fn damage() -> impl Strategy<Value = Damage> {
    let byte = (any::<prop::sample::Index>(), any::<u8>());
    (
        prop::collection::vec(byte, 0..4),
        prop::option::weighted(0.3, any::<prop::sample::Index>()),
    )
}

fn damaged(bytes: &[u8], (changes, cut): &Damage) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte) in changes {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
    }
    if let Some(cut) = cut.filter(|_| !bytes.is_empty()) {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

fn frames() -> Vec<Vec<u8>> {
    let entry = Entry {
        index: LogIndex(7),
        term: Term(3),
        payload: Payload::Membership(Membership::of_voters([NodeId(1), NodeId(2)].into()).into()),
    };
    let append = Message::AppendEntries {
        term: Term(3),
        prev_log_index: LogIndex(6),
        prev_log_term: Term(2),
        entries: vec![entry],
        leader_commit: LogIndex(5),
        round: Round(9),
    };
    let reply = Message::AppendEntriesReply {
        term: Term(3),
        outcome: AppendOutcome::Matched(LogIndex(7)),
        round: Round(9),
    };
    let envelope = |message| {
        encode(&PeerFrame::Message(Envelope {
            from: NodeId(1),
            to: NodeId(2),
            message,
        }))
    };
    let caller = Caller::Peer {
        id: NodeId(1),
        listens: "a:1".to_owned(),
    };
    let steps = vec![TxnStep::Read { key: "k".into() }];
    let body = RequestBody::Execute {
        session: SessionId(3),
        sequence: 4,
        operation: Operation::Txn(steps),
    };
    vec![
        envelope(append),
        envelope(reply),
        encode(&Hello::new("plumb", caller)),
        encode(&Request { id: 1, body }),
    ]
}

/// What decodes is what would have been written, bar the ways in which a number can be padded.
fn decodes_soundly<T>(bytes: &[u8])
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    if let Some(value) = decode::<T>(bytes) {
        assert_eq!(decode::<T>(&encode(&value)), Some(value));
    }
}

fn all_frames_decode_soundly(bytes: &[u8]) {
    decodes_soundly::<Hello>(bytes);
    decodes_soundly::<PeerFrame>(bytes);
    decodes_soundly::<Request>(bytes);
    decodes_soundly::<Response>(bytes);
    if let Ok(command) = Command::decode(bytes) {
        assert_eq!(Command::decode(&command.encode()), Ok(command));
    }
    if let Some(store) = KvStore::decode(bytes) {
        assert_eq!(KvStore::decode(&store.encode()), Some(store));
    }
}

/// A folder as a server leaves it, with segments, a snapshot, a notebook and an identity.
fn folder(seed: u64) -> Image {
    let disk = MemDisk::new();
    let identity = Identity {
        cluster: "plumb".to_owned(),
        server: NodeId(1),
    };
    identity.claim(&*disk.seam()).expect("an empty disk");
    let (mut wal, _) = open(&disk, 600).expect("an empty disk");
    let mut workload = Workload::new(seed, 40);
    for _ in 0..40 {
        wal.append(&workload.next()).expect("a whole disk");
        wal.sync().expect("a whole disk");
    }
    wal.close().expect("a whole disk");
    disk.cached_image()
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_mean_something(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        all_frames_decode_soundly(&bytes);
    }

    #[test]
    fn so_are_valid_ones_that_were_changed(which in 0..4usize, damage in damage()) {
        all_frames_decode_soundly(&damaged(&frames()[which], &damage));
    }

    #[test]
    fn a_stream_that_was_changed_ends_in_an_error_or_in_frames(damage in damage()) {
        let mut stream = Vec::new();
        for frame in frames() {
            add_frame(&mut stream, &frame).expect("a short frame");
        }
        let stream = damaged(&stream, &damage);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut reader = FrameReader::new(&stream[..]);
            let mut taken = 0;
            while let Ok(frame) = reader.next().await {
                taken += 4 + frame.len();
                assert!(taken <= stream.len(), "no byte is made up");
            }
        });
    }

    #[test]
    fn a_data_folder_that_was_changed_is_refused_untouched_or_recovered(
        seed in 0..20u64,
        file in any::<prop::sample::Index>(),
        damage in damage(),
        arbitrary in prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..200)),
    ) {
        let mut image = folder(seed);
        let names: Vec<String> = image.keys().cloned().collect();
        let name = file.get(&names);
        let bytes = arbitrary.unwrap_or_else(|| damaged(&image[name], &damage));
        image.insert(name.clone(), bytes);
        let disk = MemDisk::from_image(&image);
        let identity = Identity { cluster: "plumb".to_owned(), server: NodeId(1) };
        let claimed = identity.claim(&*disk.seam());
        let inspected = inspect(&*disk.seam(), &mut |_| {});
        prop_assert_eq!(&disk.cached_image(), &image, "looking changes nothing");
        match (claimed, open(&disk, 600)) {
            (Ok(()), Ok((_, recovered))) => {
                prop_assert!(recovered.entries.windows(2).all(|e| e[1].index == e[0].index.next()));
            }
            (Ok(()), Err(refused)) => {
                prop_assert!(!refused.to_string().is_empty());
                prop_assert_eq!(&disk.cached_image(), &image, "{}", refused);
            }
            (Err(_), _) => prop_assert_eq!(name, "identity"),
        }
        drop(inspected);
    }
}
