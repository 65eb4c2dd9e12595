//! The same claims on broken code: what loom would have to say of a known bug in each piece. Each must fail.

use super::*;
use core::task::{Poll, Waker};
use loom::sync::Mutex;

/// A driver of a queue, that does this with each group.
fn driver(
    queue: &Arc<GroupCommit>,
    mut carry_out: impl FnMut(&GroupCommit, PersistSeq) + 'static,
) -> thread::JoinHandle<()> {
    let queue = Arc::clone(queue);
    thread::spawn(move || {
        while let Some(group) = queue.next_group_blocking() {
            carry_out(&queue, group.last().expect("never empty").seq);
        }
        queue.end();
    })
}

#[test]
#[should_panic(expected = "published before it was synced")]
fn a_driver_that_publishes_before_it_syncs() {
    explore("broken: publish, then sync", Some(2), || {
        let queue = Arc::new(GroupCommit::default());
        let synced = Arc::new(AtomicU64::new(0));
        let of_driver = Arc::clone(&synced);
        let driver = driver(&queue, move |queue, seq| {
            queue.publish(Ok(seq));
            of_driver.store(seq.0, Ordering::Relaxed);
        });
        queue.submit(batch(1));
        let durable = wait_for(&queue, 1).expect("it works");
        let honest = synced.load(Ordering::Relaxed) >= durable.0;
        queue.close();
        driver.join().expect("it ends");
        assert!(honest, "published before it was synced");
    });
}

/// The waiting half of the queue alone, with the order of its steps to choose from.
#[derive(Default)]
struct Waiting {
    durable: Mutex<u64>,
    waiter: Mutex<Option<Waker>>,
}

impl Waiting {
    fn wake(&self) {
        let waiter = self.waiter.lock().expect("no panics").take();
        waiter.into_iter().for_each(Waker::wake);
    }

    fn set(&self) {
        *self.durable.lock().expect("no panics") = 1;
    }

    fn register(&self, waker: &Waker) {
        *self.waiter.lock().expect("no panics") = Some(waker.clone());
    }

    fn is_set(&self) -> bool {
        *self.durable.lock().expect("no panics") == 1
    }
}

#[derive(Clone, Copy)]
enum Order {
    Right,
    WakeThenPublish,
    LookThenRegister,
}

fn wait_in(order: Order) {
    let waiting = Arc::new(Waiting::default());
    let of_flusher = Arc::clone(&waiting);
    let flusher = thread::spawn(move || {
        if matches!(order, Order::WakeThenPublish) {
            of_flusher.wake();
            of_flusher.set();
        } else {
            of_flusher.set();
            of_flusher.wake();
        }
    });
    block_on(poll_fn(|cx| {
        if matches!(order, Order::LookThenRegister) {
            let set = waiting.is_set();
            waiting.register(cx.waker());
            return if set { Poll::Ready(()) } else { Poll::Pending };
        }
        waiting.register(cx.waker());
        if waiting.is_set() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    flusher.join().expect("it ends");
}

/// Loom reports a deadlock by a panic that its own destructors turn into an abort: so each broken model runs in a process
/// of its own, which is this test again, told which.
#[test]
fn lost_wake_ups_are_found() {
    const WHICH: &str = "PLUMB_LOST_WAKE_UP";
    let orders = [
        ("wake, then publish", Order::WakeThenPublish),
        ("look, then register", Order::LookThenRegister),
    ];
    if let Ok(which) = std::env::var(WHICH) {
        let order = orders.into_iter().find(|(name, _)| *name == which);
        let (name, order) = order.expect("one of these");
        explore(&format!("broken: {name}"), Some(2), move || wait_in(order));
        return;
    }
    let me = std::env::current_exe().expect("a test knows its binary");
    for (name, _) in orders {
        let test = [
            "must_fail::lost_wake_ups_are_found",
            "--exact",
            "--nocapture",
        ];
        let output = std::process::Command::new(&me)
            .args(test)
            .env(WHICH, name)
            .env("RUST_BACKTRACE", "0")
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains("deadlock"),
            "{name} passed: {said}"
        );
    }
}

#[test]
fn the_right_order_of_the_same_steps_passes() {
    explore("right: register, look; publish, wake", None, || {
        wait_in(Order::Right);
    });
}

/// What a flusher looked at looks the same when it comes back, and is another (ABA): a batch that was taken back, and
/// one in its place.
#[test]
#[should_panic(expected = "published before it was synced")]
fn a_driver_that_knows_its_group_by_its_length() {
    explore("broken: the same length, another batch", Some(2), || {
        let pending = Arc::new(Mutex::new(vec![1_u64]));
        let of_flusher = Arc::clone(&pending);
        let flusher = thread::spawn(move || {
            let seen = of_flusher.lock().expect("no panics").clone();
            // The sync, meanwhile anything may happen.
            let synced = *seen.last().expect("never empty");
            let pending = of_flusher.lock().expect("no panics");
            let published = (pending.len() == seen.len()).then(|| pending.last().copied());
            published.flatten().map(|published| (published, synced))
        });
        {
            let mut pending = pending.lock().expect("no panics");
            pending.pop();
            pending.push(2);
        }
        if let Some((published, synced)) = flusher.join().expect("it ends") {
            assert!(published == synced, "published before it was synced");
        }
    });
}

/// A server's end that does not wait for the thread of its log: what starts again at once finds the log in use.
#[test]
#[should_panic(expected = "its thread has not let go of the log")]
fn a_writer_that_is_dropped_and_does_not_wait() {
    explore("broken: dropped, not joined", Some(2), || {
        let queue = Arc::new(GroupCommit::default());
        let log = Arc::new(AtomicU64::new(0));
        let of_driver = Arc::clone(&log);
        let driver = driver(&queue, move |queue, seq| {
            of_driver.store(seq.0, Ordering::Relaxed);
            queue.publish(Ok(seq));
        });
        queue.submit(batch(1));
        queue.close();
        let users = Arc::strong_count(&log);
        driver.join().expect("it ends");
        assert!(users == 1, "its thread has not let go of the log");
    });
}
