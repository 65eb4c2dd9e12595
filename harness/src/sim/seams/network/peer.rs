//! A connection between two nodes: bytes go in, a task of its own delivers frames when they are
//! due. The task is what keeps a late frame moving while its sender is busy elsewhere.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use turmoil::net::TcpStream;
use turmoil::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::chopped::Chopped;
use super::faults::Link;
use super::outbox::{Ending, Outbox, Step};
use crate::sim::seams::gate::Gate;
use crate::sim::seams::lock;
use crate::sim::seams::random::Stream;

/// How long a dropped stream goes on delivering what was written before.
const LINGER: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Shared {
    outbox: Mutex<Outbox>,
    changed: Notify,
    link: Arc<Link>,
}

/// A stream whose outgoing frames meet the faults of its link.
#[derive(Debug)]
pub(super) struct PeerStream {
    read: Chopped<OwnedReadHalf>,
    shared: Arc<Shared>,
}

impl PeerStream {
    /// Wraps a connection; must be called inside the host that owns it.
    pub(super) fn new(
        stream: TcpStream,
        link: Arc<Link>,
        frames: Stream,
        reads: Stream,
        gate: Gate,
    ) -> Self {
        let (read, write) = stream.into_split();
        let outbox = Mutex::new(Outbox::new(link.clone(), frames));
        let shared = Arc::new(Shared {
            outbox,
            changed: Notify::new(),
            link,
        });
        // Not `tokio::spawn`: see `plumb_raft::seams::Tasks`.
        tokio::task::spawn_local(deliver(shared.clone(), write));
        PeerStream {
            read: Chopped::new(read, reads, gate),
            shared,
        }
    }
}

async fn deliver(shared: Arc<Shared>, mut write: OwnedWriteHalf) {
    let mut give_up: Option<Instant> = None;
    loop {
        let mut written = std::pin::pin!(shared.changed.notified());
        written.as_mut().enable();
        let mut faulted = std::pin::pin!(shared.link.changed.notified());
        faulted.as_mut().enable();
        let now = Instant::now();
        let step = {
            let mut outbox = lock(&shared.outbox);
            if outbox.ending == Ending::Dropped && give_up.is_none() {
                give_up = Some(now + LINGER);
            }
            outbox.step(now)
        };
        if give_up.is_some_and(|end| end <= now) {
            return;
        }
        let until = match step {
            Step::Write(bytes) => {
                let sent = match give_up {
                    Some(end) => timeout(end - now, write.write_all(&bytes)).await,
                    None => Ok(shared.write_unless_reset(&mut write, &bytes).await),
                };
                match sent {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => return lock(&shared.outbox).fail(error.kind()),
                    Err(_) => return,
                }
            }
            Step::Finish => {
                // An error says that the peer has gone, which is where this was heading.
                let _ = write.shutdown().await;
                return;
            }
            Step::Reset => return lock(&shared.outbox).fail(io::ErrorKind::ConnectionReset),
            Step::Until(due) => Some(give_up.map_or(due, |end| end.min(due))),
            Step::Wait => give_up,
        };
        tokio::select! {
            biased;
            () = written => {}
            () = faulted => {}
            () = sleep_until(until.unwrap_or(now)), if until.is_some() => {}
        }
    }
}

impl Shared {
    /// Writes all, however long the peer takes to make room, unless the connection is reset or its
    /// owner drops it meanwhile.
    async fn write_unless_reset(&self, write: &mut OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
        let mut writing = std::pin::pin!(write.write_all(bytes));
        loop {
            let mut faulted = std::pin::pin!(self.link.changed.notified());
            faulted.as_mut().enable();
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let ending = {
                let outbox = lock(&self.outbox);
                if outbox.is_reset() {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                outbox.ending
            };
            if ending == Ending::Dropped {
                let late = |_| io::Error::from(io::ErrorKind::TimedOut);
                return timeout(LINGER, writing).await.map_err(late)?;
            }
            tokio::select! {
                biased;
                written = &mut writing => return written,
                () = faulted => {}
                () = changed => {}
            }
        }
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        {
            let mut outbox = lock(&self.shared.outbox);
            if outbox.is_reset() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            outbox.reader = Some(cx.waker().clone());
        }
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut outbox = lock(&self.shared.outbox);
        if outbox.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if let Some(kind) = outbox.failed {
            return Poll::Ready(Err(kind.into()));
        }
        if outbox.ending != Ending::No {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if outbox.is_full() {
            outbox.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        outbox.accept(Instant::now(), bytes);
        drop(outbox);
        self.shared.changed.notify_waiters();
        Poll::Ready(Ok(bytes.len()))
    }

    /// Like a socket's: what was written is on its way, and flushing waits for nothing.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.shared.outbox).ending = Ending::Shutdown;
        self.shared.changed.notify_waiters();
        Poll::Ready(Ok(()))
    }
}

impl Drop for PeerStream {
    fn drop(&mut self) {
        lock(&self.shared.outbox).ending = Ending::Dropped;
        self.shared.changed.notify_waiters();
    }
}
