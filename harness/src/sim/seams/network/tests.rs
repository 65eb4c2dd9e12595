//! Two hosts in turmoil: `n1` writes numbered frames, `n2` logs what arrives and when.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::*;

const MS: Duration = Duration::from_millis(1);
const FRAMES: u32 = 300;

type Trace = Rc<RefCell<Vec<(Duration, u32)>>>;
type Stream = Box<dyn ByteStream>;

fn frame(number: u32) -> Vec<u8> {
    let padding = vec![7; usize::try_from(number % 40).unwrap()];
    let length = u32::try_from(4 + padding.len()).unwrap();
    [&length.to_be_bytes()[..], &number.to_be_bytes(), &padding].concat()
}

async fn read_frame(stream: &mut Stream) -> io::Result<u32> {
    let length = stream.read_u32().await?;
    let number = stream.read_u32().await?;
    let mut padding = vec![0; usize::try_from(length).unwrap() - 4];
    stream.read_exact(&mut padding).await?;
    assert_eq!(frame(number)[8..], padding, "a frame arrives whole");
    Ok(number)
}

async fn write_frames(stream: &mut Stream, numbers: std::ops::Range<u32>) -> io::Result<()> {
    for number in numbers {
        stream.write_all(&frame(number)).await?;
        sleep(MS).await;
    }
    Ok(())
}

struct World {
    sim: turmoil::Sim<'static>,
    faults: LinkFaults,
    trace: Trace,
    seed: u64,
}

impl World {
    fn new(seed: u64, fault: LinkFault) -> World {
        let sim = turmoil::Builder::new()
            .epoch(std::time::UNIX_EPOCH)
            .rng_seed(seed)
            .tcp_capacity(1024)
            .min_message_latency(MS)
            .max_message_latency(2 * MS)
            .simulation_duration(Duration::from_secs(100))
            .build();
        let faults = LinkFaults::new();
        faults.set("n1", "n2", fault);
        let mut world = World {
            sim,
            faults,
            trace: Trace::default(),
            seed,
        };
        let (network, trace) = (world.network("n2"), world.trace.clone());
        world.sim.host("n2", move || {
            let (network, trace) = (network.clone(), trace.clone());
            async move {
                let mut listener = network.listen("0.0.0.0:5000").await?;
                assert_eq!(listener.local_addr()?, "n2:5000");
                loop {
                    let mut stream = listener.accept().await?;
                    let trace = trace.clone();
                    tokio::task::spawn_local(async move {
                        while let Ok(number) = read_frame(&mut stream).await {
                            let now = turmoil::sim_elapsed().unwrap();
                            trace.borrow_mut().push((now, number));
                        }
                    });
                }
            }
        });
        world
    }

    fn network(&self, local: &str) -> SimNetwork {
        SimNetwork::new(self.seed, local, self.faults.clone(), |connection| {
            connection.port == 5000
        })
    }

    /// Starts `n1`; the run ends with it.
    fn n1<F>(&mut self, software: impl FnOnce(SimNetwork) -> F)
    where
        F: Future<Output = turmoil::Result> + 'static,
    {
        let network = self.network("n1");
        self.sim.client("n1", software(network));
    }

    fn send(seed: u64, fault: LinkFault) -> World {
        let mut world = World::new(seed, fault);
        world.n1(|network| async move {
            let mut stream = network.connect("n2:5000").await?;
            write_frames(&mut stream, 0..FRAMES).await?;
            sleep(100 * MS).await;
            Ok(())
        });
        world.sim.run().unwrap();
        world
    }

    fn numbers(&self) -> Vec<u32> {
        self.trace
            .borrow()
            .iter()
            .map(|(_, number)| *number)
            .collect()
    }

    fn counts(&self) -> LinkCounts {
        self.faults.counts()[&("n1".to_owned(), "n2".to_owned())]
    }
}

fn stormy() -> LinkFault {
    LinkFault {
        drop: 0.2,
        duplicate: 0.1,
        delay: 0.1,
        delay_by: 5 * MS..=20 * MS,
        ..LinkFault::default()
    }
}

#[test]
fn without_faults_every_frame_arrives_once_and_in_order() {
    let world = World::send(1, LinkFault::default());
    assert_eq!(world.numbers(), (0..FRAMES).collect::<Vec<_>>());
    let expected = LinkCounts {
        connections: 1,
        frames: u64::from(FRAMES),
        ..LinkCounts::default()
    };
    assert_eq!(world.counts(), expected);
}

#[test]
fn frames_are_lost_doubled_and_overtaken_as_the_table_says() {
    let world = World::send(1, stormy());
    let (numbers, counts) = (world.numbers(), world.counts());
    assert_eq!(numbers[0], 0, "the handshake comes first");
    assert_eq!(numbers.iter().filter(|number| **number == 0).count(), 1);
    assert_eq!(
        numbers.len() as u64,
        counts.frames - counts.dropped + counts.duplicated
    );
    assert!(numbers.windows(2).any(|pair| pair[0] > pair[1]));
    assert!((30..90).contains(&counts.dropped), "{counts:?}");
    assert!((10..50).contains(&counts.duplicated), "{counts:?}");
    assert!((10..50).contains(&counts.delayed), "{counts:?}");
}

#[test]
fn a_seed_gives_one_trace_and_another_seed_another() {
    let (one, again, other) = (
        World::send(1, stormy()),
        World::send(1, stormy()),
        World::send(2, stormy()),
    );
    assert_eq!(one.trace, again.trace);
    assert_eq!(one.counts(), again.counts());
    assert_ne!(one.trace, other.trace);
}

#[test]
fn taking_one_fault_away_leaves_the_decisions_of_another_alone() {
    let repeated = |world: &World| {
        let numbers = world.numbers();
        (0..FRAMES)
            .filter(|number| numbers.iter().filter(|seen| *seen == number).count() == 2)
            .collect::<Vec<_>>()
    };
    let stormy_world = World::send(3, stormy());
    let calmer = World::send(
        3,
        LinkFault {
            drop: 0.0,
            delay: 0.0,
            ..stormy()
        },
    );
    let (with_loss, without) = (repeated(&stormy_world), repeated(&calmer));
    assert!(!with_loss.is_empty());
    assert!(with_loss.iter().all(|number| without.contains(number)));
}

#[test]
fn a_held_link_delivers_late_and_a_blocked_one_never() {
    for (flow, all) in [(Flow::Hold, true), (Flow::Block, false)] {
        let mut world = World::new(1, LinkFault::default());
        let faults = world.faults.clone();
        world.n1(|network| async move {
            let mut stream = network.connect("n2:5000").await?;
            write_frames(&mut stream, 0..10).await?;
            sleep(10 * MS).await;
            faults.update("n1", "n2", |fault| fault.flow = flow);
            write_frames(&mut stream, 10..20).await?;
            assert!(timeout(50 * MS, network.connect("n2:5000")).await.is_err());
            faults.clear();
            write_frames(&mut stream, 20..30).await?;
            timeout(50 * MS, network.connect("n2:5000")).await??;
            sleep(20 * MS).await;
            Ok(())
        });
        world.sim.run().unwrap();
        let expected: Vec<u32> = (0..30).filter(|n| all || !(10..20).contains(n)).collect();
        assert_eq!(world.numbers(), expected, "{flow:?}");
        assert_eq!(world.counts().blocked, if all { 0 } else { 10 });
    }
}

#[test]
fn a_handshake_outlasts_a_block_and_a_frame_in_flight_does_not() {
    let mut world = World::new(1, LinkFault::default());
    let faults = world.faults.clone();
    world.n1(|network| async move {
        let mut stream = network.connect("n2:5000").await?;
        faults.update("n1", "n2", |fault| fault.flow = Flow::Block);
        write_frames(&mut stream, 0..5).await?;
        let late = LinkFault {
            delay: 1.0,
            delay_by: 20 * MS..=20 * MS,
            ..LinkFault::default()
        };
        faults.set("n1", "n2", late);
        write_frames(&mut stream, 5..10).await?;
        faults.update("n1", "n2", |fault| fault.flow = Flow::Block);
        sleep(50 * MS).await;
        faults.clear();
        write_frames(&mut stream, 10..12).await?;
        sleep(20 * MS).await;
        Ok(())
    });
    world.sim.run().unwrap();
    assert_eq!(world.numbers(), [0, 10, 11]);
    assert_eq!(world.counts().blocked, 9);
}

#[test]
fn after_a_partition_of_turmoils_a_new_connection_works() {
    let mut world = World::new(1, stormy());
    world.n1(|network| async move {
        let mut stream = network.connect("n2:5000").await?;
        write_frames(&mut stream, 0..50).await?;
        turmoil::partition("n1", "n2");
        write_frames(&mut stream, 50..100).await?;
        turmoil::repair("n1", "n2");
        write_frames(&mut stream, 100..150).await?;
        let mut stream = network.connect("n2:5000").await?;
        write_frames(&mut stream, 200..250).await?;
        sleep(50 * MS).await;
        Ok(())
    });
    world.sim.run().unwrap();
    assert!(
        world
            .numbers()
            .iter()
            .all(|number| !(50..150).contains(number))
    );
    assert!(world.numbers().contains(&200));
}

#[test]
fn a_crash_with_frames_under_way_harms_nobody_else() {
    let mut world = World::new(1, stormy());
    let faults = world.faults.clone();
    world.n1(|network| async move {
        let mut stream = network.connect("n2:5000").await?;
        let error = write_frames(&mut stream, 0..FRAMES).await.unwrap_err();
        assert!(
            matches!(error.kind(), io::ErrorKind::BrokenPipe),
            "{error:?}"
        );
        let refused = network
            .connect("n2:5000")
            .await
            .err()
            .map(|error| error.kind());
        assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
        sleep(100 * MS).await;
        let mut stream = network.connect("n2:5000").await?;
        write_frames(&mut stream, 1_000..1_010).await?;
        sleep(50 * MS).await;
        Ok(())
    });
    while world.sim.elapsed() < 100 * MS {
        world.sim.step().unwrap();
    }
    faults.set_down("n2", true);
    world.sim.crash("n2");
    // The peer learns of the crash only when it hears from the host that came back.
    while world.sim.elapsed() < 120 * MS {
        world.sim.step().unwrap();
    }
    world.sim.bounce("n2");
    while world.sim.elapsed() < 150 * MS {
        world.sim.step().unwrap();
    }
    faults.set_down("n2", false);
    world.sim.run().unwrap();
    assert!(world.numbers().contains(&1_000));
}

#[test]
fn a_reset_breaks_both_ends_and_only_existing_connections() {
    let mut world = World::new(1, LinkFault::default());
    let faults = world.faults.clone();
    world.n1(|network| async move {
        let mut stream = network.connect("n2:5000").await?;
        write_frames(&mut stream, 0..3).await?;
        sleep(10 * MS).await;
        let breaker = async {
            sleep(5 * MS).await;
            faults.reset("n2", "n1");
        };
        let (read, ()) = tokio::join!(stream.read_u8(), breaker);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(stream.write_all(&frame(3)).await.is_err());
        let mut stream = network.connect("n2:5000").await?;
        write_frames(&mut stream, 4..6).await?;
        sleep(10 * MS).await;
        Ok(())
    });
    world.sim.run().unwrap();
    assert_eq!(world.numbers(), [0, 1, 2, 4, 5]);
}

#[test]
fn nobody_answers_for_an_unknown_host_or_a_bad_address() {
    let mut world = World::new(1, LinkFault::default());
    world.n1(|network| async move {
        let unknown = network.connect("nobody:5000").await.err();
        assert_eq!(
            unknown.map(|error| error.kind()),
            Some(io::ErrorKind::NotFound)
        );
        let refused = network.connect("n2:5001").await.err();
        assert_eq!(
            refused.map(|error| error.kind()),
            Some(io::ErrorKind::ConnectionRefused)
        );
        for addr in ["n2", "n2:", "n2:70000"] {
            let refused = network.connect(addr).await.err().map(|error| error.kind());
            assert_eq!(refused, Some(io::ErrorKind::InvalidInput), "{addr}");
        }
        Ok(())
    });
    world.sim.run().unwrap();
}

#[test]
fn a_stream_dropped_or_shut_down_still_delivers_late_frames() {
    for shutdown in [false, true] {
        let late = LinkFault {
            delay: 1.0,
            delay_by: 30 * MS..=40 * MS,
            ..LinkFault::default()
        };
        let mut world = World::new(1, late);
        world.n1(|network| async move {
            let mut stream = network.connect("n2:5000").await?;
            write_frames(&mut stream, 0..5).await?;
            if shutdown {
                stream.shutdown().await?;
                assert!(stream.write_all(&[0]).await.is_err());
            }
            drop(stream);
            sleep(100 * MS).await;
            Ok(())
        });
        world.sim.run().unwrap();
        let mut numbers = world.numbers();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
    }
}

/// Runs `n1` against a host `n3` that reads everything with a large buffer: the sizes, the bytes.
fn read_raw(port: u16, writes: Vec<Vec<u8>>, fault: LinkFault) -> (Vec<usize>, Vec<u8>) {
    let mut world = World::new(1, LinkFault::default());
    world.faults.set("n1", "n3", fault);
    let seen: Rc<RefCell<(Vec<usize>, Vec<u8>)>> = Rc::default();
    let (network, log) = (world.network("n3"), seen.clone());
    world.sim.host("n3", move || {
        let (network, log) = (network.clone(), log.clone());
        async move {
            let mut stream = network
                .listen(&format!("n3:{port}"))
                .await?
                .accept()
                .await?;
            let mut buffer = vec![0; 8192];
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return Ok(());
                }
                log.borrow_mut().0.push(count);
                log.borrow_mut().1.extend_from_slice(&buffer[..count]);
            }
        }
    });
    world.n1(|network| async move {
        let mut stream = network.connect(&format!("n3:{port}")).await?;
        for few in writes.chunks(5) {
            for bytes in few {
                stream.write_all(bytes).await?;
            }
            sleep(MS).await;
        }
        stream.shutdown().await?;
        sleep(50 * MS).await;
        Ok(())
    });
    world.sim.run().unwrap();
    seen.take()
}

#[test]
fn reads_come_in_pieces_that_know_nothing_of_frames() {
    for port in [5000, 6000] {
        let writes: Vec<Vec<u8>> = (0..100).map(frame).collect();
        let sizes: Vec<usize> = writes.iter().map(Vec::len).collect();
        let (pieces, bytes) = read_raw(port, writes.clone(), LinkFault::default());
        assert_eq!(bytes, writes.concat());
        assert!(
            pieces.iter().any(|size| *size < 8),
            "some are shorter than any frame: {pieces:?}"
        );
        let longest = *sizes.iter().max().unwrap();
        // Only links between nodes join frames; towards clients each write is a segment.
        assert_eq!(pieces.iter().any(|size| *size > longest), port == 5000);
    }
}

#[test]
fn streams_to_clients_and_bytes_that_are_no_frames_meet_no_faults() {
    let fault = LinkFault {
        drop: 1.0,
        ..LinkFault::default()
    };
    let frames: Vec<Vec<u8>> = (0..20).map(frame).collect();
    let (_, bytes) = read_raw(6000, frames.clone(), fault.clone());
    assert_eq!(bytes, frames.concat());
    let (_, bytes) = read_raw(5000, frames.clone(), fault.clone());
    assert_eq!(bytes, frame(0), "all but the handshake");
    let http = vec![b"GET / HTTP/1.1\r\n".to_vec(), b"\r\n".to_vec()];
    let (_, bytes) = read_raw(5000, http.clone(), fault.clone());
    assert_eq!(bytes, http.concat());
    let cut = vec![frame(0), frame(1)[..5].to_vec()];
    let (_, bytes) = read_raw(5000, cut.clone(), fault);
    assert_eq!(bytes, cut.concat(), "a frame cut by the end of its stream");
}

#[test]
fn a_writer_waits_while_a_held_link_has_too_much_to_carry() {
    let mut world = World::new(1, LinkFault::default());
    let faults = world.faults.clone();
    world.n1(|network| async move {
        let mut stream = network.connect("n2:5000").await?;
        faults.update("n1", "n2", |fault| fault.flow = Flow::Hold);
        let big = [&(1u32 << 20).to_be_bytes()[..], &vec![0; 1 << 20]].concat();
        for _ in 0..4 {
            timeout(MS, stream.write_all(&big)).await??;
        }
        assert!(
            timeout(100 * MS, stream.write_all(&frame(1)))
                .await
                .is_err()
        );
        let started = Instant::now();
        let opener = async {
            sleep(10 * MS).await;
            faults.clear();
        };
        let first = frame(1);
        let (written, ()) = tokio::join!(stream.write_all(&first), opener);
        written?;
        assert!(started.elapsed() >= 10 * MS);
        Ok(())
    });
    // What `n2` makes of a frame of zeros is no matter here.
    world.faults.set("n2", "n1", LinkFault::default());
    world.sim.run().unwrap();
}
