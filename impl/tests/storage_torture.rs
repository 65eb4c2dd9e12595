//! A log cut, torn and flipped at every byte: what was synced is there, or the damage is reported;
//! what was never written does not appear; and a recovered log recovers to the same.

mod storage_support;

use plumb_raft::storage::StorageError;
use storage_support::{Image, MemDisk, Rng, State, Workload, open};

const SEGMENT: u64 = 700;
const MARK: &str = "durable.mark";

/// A disk with `synced` batches that are, and `unsynced` more that are only written.
fn written(seed: u64, synced: usize, unsynced: usize) -> (MemDisk, Workload) {
    let disk = MemDisk::new();
    let mut workload = Workload::new(seed, 40);
    let (mut wal, _) = open(&disk, SEGMENT).expect("an empty folder opens");
    for n in 1..=synced {
        wal.append(&workload.next()).expect("it is written");
        if n % 3 == 0 || n == synced {
            wal.sync().expect("it syncs");
        }
    }
    if unsynced > 0 {
        // The power fails within the sync, so that the bytes are written and no more.
        for _ in 0..unsynced {
            wal.append(&workload.next()).expect("it is buffered");
        }
        disk.power_off_after(1);
        wal.sync().expect_err("the power is off");
    }
    (disk, workload)
}

/// Recovers: the number of batches, or that damage was reported. Then recovers what that left after
/// another power cut, which must give the same, and goes on writing.
fn recover(image: &Image, workload: &Workload, what: &str) -> Option<usize> {
    let disk = MemDisk::from_image(image);
    let (wal, recovered) = match open(&disk, SEGMENT) {
        Ok(opened) => opened,
        Err(StorageError::Corrupt { .. } | StorageError::MissingSegment { .. }) => {
            assert_eq!(
                &disk.cached_image(),
                image,
                "{what}: damage is left as it is found"
            );
            return None;
        }
        Err(other) => panic!("{what}: {other}"),
    };
    drop(wal);
    let state = State::from(recovered);
    let number = workload.number_of(&state);
    let number = number.unwrap_or_else(|| panic!("{what}: a state that never was: {state:?}"));

    let disk = MemDisk::from_image(&disk.durable_image());
    let (mut wal, again) = open(&disk, SEGMENT).expect("a recovered log is whole");
    assert_eq!(
        (again.report.torn_bytes(), again.report.copied),
        (0, 0),
        "{what}: all is settled"
    );
    assert_eq!(State::from(again), state, "{what}: recovered twice");
    let mut later = workload.clone();
    later.states.truncate(number + 1);
    wal.append(&later.next()).expect("it goes on");
    wal.sync().expect("it syncs");
    let (_, gone_on) = open(&MemDisk::from_image(&disk.durable_image()), SEGMENT).expect("whole");
    assert_eq!(
        Some(&State::from(gone_on)),
        later.states.last(),
        "{what}: went on"
    );
    Some(number)
}

fn last_segment(image: &Image) -> String {
    image
        .keys()
        .rfind(|name| name.ends_with(".wal"))
        .expect("there is one")
        .clone()
}

#[test]
fn a_synced_log_cut_at_any_byte_is_reported() {
    let mut cases = 0;
    for seed in 0..4 {
        let (disk, workload) = written(seed, 30, 0);
        let image = disk.durable_image();
        let whole = recover(&disk.cached_image(), &workload, "whole");
        assert_eq!(whole, Some(30));
        for (name, bytes) in disk.cached_image().iter().filter(|(name, _)| *name != MARK) {
            for len in 0..bytes.len() {
                let mut image = disk.cached_image();
                image.insert(name.clone(), bytes[..len].to_vec());
                let found = recover(&image, &workload, &format!("{name} cut at {len}"));
                assert_eq!(found, None, "{name} cut at {len}, seed {seed}");
                cases += 1;
            }
        }
        assert!(image.len() > 3, "there are several segments");
    }
    println!("{cases} cuts of a synced log, all reported");
}

#[test]
fn an_unsynced_tail_cut_at_any_byte_is_torn_and_nothing_synced_is_lost() {
    let (mut cases, mut kept) = (0, 0);
    for seed in 0..12 {
        let (disk, workload) = written(seed, 20, 6);
        let image = disk.cached_image();
        let name = last_segment(&image);
        let synced = disk.durable_image().get(&name).map_or(0, Vec::len);
        for len in synced..=image[&name].len() {
            let mut image = image.clone();
            image.get_mut(&name).expect("it is there").truncate(len);
            let found = recover(&image, &workload, &format!("{name} cut at {len}"));
            let found = found.unwrap_or_else(|| panic!("cut at {len}: a torn tail is no damage"));
            assert!((20..=26).contains(&found), "cut at {len}: {found} batches");
            cases += 1;
            kept += found - 20;
        }
    }
    assert!(kept > cases, "whole records of the tail are kept");
    println!("{cases} cuts of an unsynced tail");
}

#[test]
fn a_synced_log_with_any_byte_flipped_is_whole_or_reported() {
    let (mut cases, mut reported) = (0, 0);
    for seed in 0..3 {
        let (disk, workload) = written(seed, 24, 0);
        let image = disk.cached_image();
        for (name, bytes) in &image {
            for at in 0..bytes.len() {
                if name == MARK && (32..4096).contains(&at) {
                    continue; // between its two slots
                }
                for mask in [0x01, 0x80, 0xff] {
                    let mut image = image.clone();
                    image.get_mut(name).expect("it is there")[at] ^= mask;
                    let what = format!("{name} byte {at} ^ {mask:x}");
                    let found = recover(&image, &workload, &what);
                    assert!(found.is_none_or(|n| n == 24), "{what}: {found:?} of 24");
                    assert!(name == MARK || found.is_none(), "{what} passed unseen");
                    cases += 1;
                    reported += usize::from(found.is_none());
                }
            }
        }
    }
    println!("{cases} flips in a synced log, {reported} reported, the others in the notebook");
}

/// A refusal that rests on the notebook's last line, which was never synced, must not be forgotten with it.
#[test]
fn what_was_refused_once_is_refused_after_a_power_cut_too() {
    let (disk, _) = written(1, 24, 0);
    let name = last_segment(&disk.cached_image());
    let mut rotten = disk.seam().open(&name, false).expect("it is there");
    let last = rotten.len().expect("it has a length") - 1;
    let mut byte = [0];
    rotten.read_at(last, &mut byte).expect("it is read");
    rotten.write_at(last, &[byte[0] ^ 1]).expect("it rots");
    rotten.sync().expect("for good");
    drop(rotten);
    let refuses = |disk: &MemDisk| matches!(open(disk, SEGMENT), Err(StorageError::Corrupt { .. }));
    let never_started = MemDisk::from_image(&disk.durable_image());
    assert!(!refuses(&never_started), "the line is in the cache only");
    assert!(
        refuses(&disk),
        "the process had ended, and the cache was there"
    );
    let after_a_power_cut = MemDisk::from_image(&disk.durable_image());
    assert!(refuses(&after_a_power_cut), "the line was kept");
}

#[test]
fn without_the_notebook_only_the_last_group_is_open_to_doubt() {
    let (mut cases, mut doubtful) = (0, 0);
    for seed in 0..3 {
        let (disk, workload) = written(seed, 24, 0);
        let mut image = disk.cached_image();
        image.remove(MARK);
        assert_eq!(recover(&image, &workload, "no notebook"), Some(24));
        for (name, bytes) in &image {
            for at in 0..bytes.len() {
                let mut image = image.clone();
                image.get_mut(name).expect("it is there")[at] ^= 0x40;
                let what = format!("{name} byte {at}");
                let found = recover(&image, &workload, &what);
                // 24 batches in groups of three: the last group is 22, 23, 24.
                assert!(
                    found.is_none_or(|n| (21..24).contains(&n)),
                    "{what}: {found:?}"
                );
                cases += 1;
                doubtful += usize::from(found.is_some());
            }
        }
    }
    println!("{cases} flips without a notebook, {doubtful} taken for a torn tail");
}

#[test]
fn flips_in_an_unsynced_tail_cost_nothing_synced() {
    let mut cases = 0;
    for seed in 0..4 {
        let (disk, workload) = written(seed, 20, 5);
        let image = disk.cached_image();
        let name = last_segment(&image);
        let synced = disk.durable_image()[&name].len();
        for at in synced..image[&name].len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut image = image.clone();
                image.get_mut(&name).expect("it is there")[at] ^= mask;
                let what = format!("{name} byte {at} ^ {mask:x}");
                let found = recover(&image, &workload, &what).expect("a torn tail is no damage");
                assert!((20..25).contains(&found), "{what}: {found}");
                cases += 1;
            }
        }
    }
    println!("{cases} flips in an unsynced tail");
}

#[test]
fn any_subset_of_unsynced_sectors_may_survive() {
    let (mut cases, mut exhaustive) = (0, 0);
    for seed in 0..10 {
        for (sector, unsynced) in [(16, 1), (32, 2), (64, 3), (64, 6), (128, 8), (512, 8)] {
            let (disk, workload) = written(seed, 20, unsynced);
            let name = last_segment(&disk.cached_image());
            let sectors = disk.unsynced_sectors(&name, sector);
            let all = sectors <= 9;
            exhaustive += usize::from(all);
            let rounds = if all { 1 << sectors } else { 300 };
            let mut rng = Rng::new(seed);
            for round in 0..rounds {
                let mut bits = round;
                let image = disk.after_power_cut(sector, &mut |n| {
                    if all && n == 2 {
                        let bit = bits & 1;
                        bits >>= 1;
                        bit
                    } else {
                        rng.below(n)
                    }
                });
                let what = format!("seed {seed}, sector {sector}, round {round}");
                let found = recover(&image, &workload, &what);
                let found = found.unwrap_or_else(|| panic!("{what}: a torn tail is no damage"));
                assert!((20..=20 + unsynced).contains(&found), "{what}: {found}");
                cases += 1;
            }
        }
    }
    println!("{cases} subsets of unsynced sectors, {exhaustive} of 60 logs exhaustively");
}

#[test]
fn power_may_fail_at_any_change_in_writing_and_in_recovery() {
    let (mut cases, mut recoveries) = (0, 0);
    for seed in 0..6 {
        let mut at = 0;
        loop {
            let disk = MemDisk::new();
            let mut workload = Workload::new(seed, 40);
            disk.power_off_after(at);
            let (mut synced, mut finished) = (0, false);
            if let Ok((mut wal, _)) = open(&disk, SEGMENT) {
                finished = (1..=24).all(|n| {
                    let fine =
                        wal.append(&workload.next()).is_ok() && (n % 2 > 0 || wal.sync().is_ok());
                    if fine && n % 2 == 0 {
                        synced = n;
                    }
                    fine
                });
            }
            let mut rng = Rng::new(seed << 32 | at as u64);
            for round in 0..4 {
                let image = disk.after_power_cut(16 << (2 * round), &mut |n| rng.below(n));
                let what = format!("seed {seed}, change {at}, round {round}");
                let least = check_between(&image, &workload, synced, &what);
                recoveries += interrupt_recovery(&image, &workload, least, &mut rng, &what);
                cases += 1;
            }
            if finished {
                break;
            }
            at += 1;
        }
    }
    println!("{cases} power cuts in writing, {recoveries} in recovery");
}

fn check_between(image: &Image, workload: &Workload, synced: usize, what: &str) -> usize {
    let found = recover(image, workload, what);
    let found = found.unwrap_or_else(|| panic!("{what}: a power cut is no damage"));
    let written = workload.states.len() - 1;
    assert!(
        (synced..=written).contains(&found),
        "{what}: {found} of {synced}..={written}"
    );
    synced
}

/// Cuts the power at each change of a recovery, then recovers from that.
fn interrupt_recovery(
    image: &Image,
    workload: &Workload,
    synced: usize,
    rng: &mut Rng,
    what: &str,
) -> usize {
    let mut at = 0;
    loop {
        let disk = MemDisk::from_image(image);
        disk.power_off_after(at);
        let done = open(&disk, SEGMENT).is_ok();
        let image = disk.after_power_cut(16, &mut |n| rng.below(n));
        check_between(
            &image,
            workload,
            synced,
            &format!("{what}, recovery's change {at}"),
        );
        at += 1;
        if done {
            return at;
        }
    }
}
