//! Reads in random pieces. Turmoil delivers each write whole, which no network promises: a reader
//! that takes one read for one message must fail here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::sim::seams::gate::Gate;
use crate::sim::seams::random::Stream;

/// How often a read is cut short, and to at most how many bytes.
const CUT: f64 = 0.25;
const PIECE: u64 = 16;

/// A stream or its reading half; writes pass untouched.
#[derive(Debug)]
pub(super) struct Chopped<S> {
    inner: S,
    rng: Stream,
    /// The size drawn for the next read, kept while the stream has nothing to read.
    limit: Option<usize>,
    /// Nothing is read while it is shut.
    gate: Gate,
}

impl<S> Chopped<S> {
    pub(super) fn new(inner: S, rng: Stream, gate: Gate) -> Chopped<S> {
        Chopped {
            inner,
            rng,
            limit: None,
            gate,
        }
    }

    fn draw_limit(&mut self) -> usize {
        let piece = self.rng.below(PIECE) + 1;
        if self.rng.chance(CUT) {
            usize::try_from(piece).expect("at most 16")
        } else {
            usize::MAX
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Chopped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.gate.poll_pass(cx));
        let limit = match self.limit {
            Some(limit) => limit,
            None => self.draw_limit(),
        };
        self.limit = Some(limit);
        if limit >= buf.remaining() {
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        } else {
            let mut piece = ReadBuf::new(buf.initialize_unfilled_to(limit));
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut piece))?;
            let count = piece.filled().len();
            buf.advance(count);
        }
        self.limit = None;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Chopped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
