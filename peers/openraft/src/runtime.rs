//! A runtime for openraft that runs nothing by itself: tasks go on when [`World::run`] is called, until all of
//! them wait, on a clock and with draws that the simulation hands in. A server has one of its own.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::AsyncOneshotSendExt;
use plumb_harness::sim::seams::random::Stream;
use tokio::sync::oneshot;

/// More turns than this for one input, and its tasks wake each other for ever.
const MOST_TURNS: u64 = 1_000_000;
/// openraft reckons back from now by some election timeouts, which must not end before time began.
const BEFORE_TIME: Duration = Duration::from_secs(3_600);

type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// Which tasks can go on, in the order in which they were woken.
type Ready = Arc<Mutex<VecDeque<u64>>>;

struct TaskWaker {
    task: u64,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().expect("nobody panics with it");
        if !ready.contains(&self.task) {
            ready.push_back(self.task);
        }
    }
}

/// One server's tasks, timers, clock and randomness.
pub struct World {
    now: Cell<Duration>,
    random: RefCell<Stream>,
    tasks: RefCell<BTreeMap<u64, Task>>,
    timers: RefCell<BTreeMap<(Duration, u64), Waker>>,
    ready: Ready,
    last_name: Cell<u64>,
}

/// While it lives, openraft's calls for a runtime are answered by one world.
struct Entered(Option<Rc<World>>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl World {
    pub fn new(now: Duration, random: Stream) -> Rc<World> {
        Rc::new(World {
            now: Cell::new(now),
            random: RefCell::new(random),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            ready: Ready::default(),
            last_name: Cell::new(0),
        })
    }

    pub fn current() -> Rc<World> {
        CURRENT
            .with_borrow(Clone::clone)
            .expect("openraft runs within a world only")
    }

    fn enter(self: &Rc<World>) -> Entered {
        Entered(CURRENT.replace(Some(Rc::clone(self))))
    }

    fn name(&self) -> u64 {
        self.last_name.set(self.last_name.get() + 1);
        self.last_name.get()
    }

    /// A draw from all of `u64`.
    pub fn draw(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    /// Adds a task, which goes on with the next run.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let name = self.name();
        self.tasks.borrow_mut().insert(name, Box::pin(task));
        self.ready
            .lock()
            .expect("nobody panics with it")
            .push_back(name);
    }

    /// Runs all tasks that can go on at this time, until none can.
    pub fn run(self: &Rc<World>, now: Duration) {
        let _entered = self.enter();
        self.now.set(now);
        loop {
            let mut timers = self.timers.borrow_mut();
            let Some(timer) = timers.first_entry().filter(|timer| timer.key().0 <= now) else {
                break;
            };
            timer.remove().wake();
        }
        for _ in 0..MOST_TURNS {
            let next = self
                .ready
                .lock()
                .expect("nobody panics with it")
                .pop_front();
            let Some(name) = next else { return };
            // Taken out meanwhile: it may add others.
            let Some(mut task) = self.tasks.borrow_mut().remove(&name) else {
                continue;
            };
            let ready = Arc::clone(&self.ready);
            let waker = Waker::from(Arc::new(TaskWaker { task: name, ready }));
            if task.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
                self.tasks.borrow_mut().insert(name, task);
            }
        }
        panic!("its tasks wake each other for ever");
    }

    /// When a timer is due next.
    pub fn wakes_at(&self) -> Option<Duration> {
        self.timers
            .borrow()
            .first_key_value()
            .map(|((due, _), _)| *due)
    }

    /// Drops all tasks, which hold this world.
    pub fn end(self: &Rc<World>) {
        let _entered = self.enter();
        let tasks = self.tasks.take();
        drop(tasks);
    }
}

/// A time by the clock of the world that was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl openraft::Instant for Moment {
    fn now() -> Moment {
        Moment(World::current().now.get() + BEFORE_TIME)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, time: Duration) -> Moment {
        Moment(self.0.saturating_add(time))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, time: Duration) {
        *self = *self + time;
    }
}

impl Sub<Duration> for Moment {
    type Output = Moment;

    fn sub(self, time: Duration) -> Moment {
        Moment(self.0 - time)
    }
}

impl SubAssign<Duration> for Moment {
    fn sub_assign(&mut self, time: Duration) {
        *self = *self - time;
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// None if the other is later, as with the standard library's.
    fn sub(self, other: Moment) -> Duration {
        self.0.saturating_sub(other.0)
    }
}

/// Over when its time has come.
pub struct Sleep {
    due: Duration,
    timer: Option<(Rc<World>, (Duration, u64))>,
}

impl Sleep {
    fn until(deadline: Moment) -> Sleep {
        Sleep {
            due: deadline.0.saturating_sub(BEFORE_TIME),
            timer: None,
        }
    }

    fn give_up_timer(&mut self) {
        if let Some((world, key)) = self.timer.take() {
            world.timers.borrow_mut().remove(&key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.give_up_timer();
        let world = World::current();
        if self.due <= world.now.get() {
            return Poll::Ready(());
        }
        let key = (self.due, world.name());
        let waker = context.waker().clone();
        world.timers.borrow_mut().insert(key, waker);
        self.timer = Some((world, key));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.give_up_timer();
    }
}

/// A future that has so much time.
pub struct Timeout<F> {
    future: Pin<Box<F>>,
    sleep: Sleep,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TooLate>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        let sleep = Pin::new(&mut self.sleep);
        sleep.poll(context).map(|()| Err(TooLate))
    }
}

/// A future's time is over.
#[derive(Debug)]
pub struct TooLate;

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too late")
    }
}

/// What a task will have come to. A panic ends the run, so that there is always a value in the end.
pub struct Joined<T>(oneshot::Receiver<T>);

impl<T> Future for Joined<T> {
    type Output = Result<T, Gone>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(|_| Gone)
    }
}

/// The other end is gone.
#[derive(Debug)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other end is gone")
    }
}

impl std::error::Error for Gone {}

/// The sending end for one value.
pub struct Sender<T>(oneshot::Sender<T>);

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl<T> AsyncOneshotSendExt<T> for Sender<T> {
    fn send(self, value: T) -> Result<(), T> {
        self.0.send(value)
    }
}

/// Draws of the world that was entered.
pub struct Draws;

impl rand::RngCore for Draws {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        World::current().draw()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        World::current().random.borrow_mut().fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// What openraft asks of a runtime, answered by the world that was entered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Runtime;

impl AsyncRuntime for Runtime {
    type JoinError = Gone;
    type JoinHandle<T: 'static> = Joined<T>;
    type Sleep = Sleep;
    type Instant = Moment;
    type TimeoutError = TooLate;
    type Timeout<R, T: Future<Output = R>> = Timeout<T>;
    type ThreadLocalRng = Draws;
    type OneshotSender<T> = Sender<T>;
    type OneshotReceiverError = Gone;
    type OneshotReceiver<T> = Joined<T>;

    fn spawn<T>(future: T) -> Joined<T::Output>
    where
        T: Future + 'static,
        T::Output: 'static,
    {
        let (sender, receiver) = oneshot::channel();
        World::current().spawn(async move {
            // Who has no interest in the output has dropped its end.
            let _ = sender.send(future.await);
        });
        Joined(receiver)
    }

    fn sleep(time: Duration) -> Sleep {
        Sleep::until(<Moment as openraft::Instant>::now() + time)
    }

    fn sleep_until(deadline: Moment) -> Sleep {
        Sleep::until(deadline)
    }

    fn timeout<R, F: Future<Output = R>>(time: Duration, future: F) -> Timeout<F> {
        Timeout {
            future: Box::pin(future),
            sleep: Runtime::sleep(time),
        }
    }

    fn timeout_at<R, F: Future<Output = R>>(deadline: Moment, future: F) -> Timeout<F> {
        Timeout {
            future: Box::pin(future),
            sleep: Sleep::until(deadline),
        }
    }

    fn is_panic(_: &Gone) -> bool {
        false
    }

    fn thread_rng() -> Draws {
        Draws
    }

    fn oneshot<T>() -> (Sender<T>, Joined<T>) {
        let (sender, receiver) = oneshot::channel();
        (Sender(sender), Joined(receiver))
    }
}
