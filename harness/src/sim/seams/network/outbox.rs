//! The frames of one connection on their way out: reassembled from the bytes written, judged one by
//! one, and handed over when they are due. No task, no socket: [`peer`](super::peer) adds those.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::Instant;

use super::faults::{Flow, LONGEST_WAIT, Link};
use crate::sim::seams::random::Stream;

/// The largest frame of our wire protocol, without its length. More than this is not our protocol.
const MAX_FRAME: usize = 64 << 20;
const LENGTH: usize = 4;

/// Queued bytes beyond which the writer waits, as a socket's buffer makes it wait.
const HIGH_WATER: usize = 4 << 20;

/// Frames that are due together leave in one write of about this size: so readers also meet two
/// frames, or one and a half, in one read.
const BATCH: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Outbox {
    link: Arc<Link>,
    epoch: u64,
    rng: Stream,
    partial: BytesMut,
    /// Whether the bytes have turned out not to be frames; then they pass as they come.
    raw: bool,
    /// By when they are due, then by when they were written.
    queue: BTreeMap<(Instant, u64), Frame>,
    queued_bytes: usize,
    next: u64,
    /// When the last frame has passed a narrow link.
    free_at: Option<Instant>,
    pub(super) ending: Ending,
    pub(super) failed: Option<std::io::ErrorKind>,
    pub(super) writer: Option<Waker>,
    pub(super) reader: Option<Waker>,
}

#[derive(Clone, Debug)]
struct Frame {
    bytes: Bytes,
    /// A handshake, or bytes that are no frame: may wait, may not be lost.
    precious: bool,
}

/// How the writer has ended, if it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It goes on.
    No,
    /// It shut its half down: all is delivered, then the stream ends.
    Shutdown,
    /// It dropped the stream: the same, but nobody waits for long.
    Dropped,
}

/// What the delivering task does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Writes these bytes.
    Write(Bytes),
    /// Waits for this time or for a change.
    Until(Instant),
    /// Waits for a change.
    Wait,
    /// Ends the stream.
    Finish,
    /// Breaks the connection.
    Reset,
}

impl Outbox {
    pub(super) fn new(link: Arc<Link>, rng: Stream) -> Outbox {
        Outbox {
            epoch: link.epoch(),
            link,
            rng,
            partial: BytesMut::new(),
            raw: false,
            queue: BTreeMap::new(),
            queued_bytes: 0,
            next: 0,
            free_at: None,
            ending: Ending::No,
            failed: None,
            writer: None,
            reader: None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.queued_bytes >= HIGH_WATER
    }

    /// Takes the bytes of one write, and judges every frame that they complete.
    pub(super) fn accept(&mut self, now: Instant, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(frame) = self.split_frame() {
            self.judge(now, frame);
        }
        if self.raw {
            self.pass_rest(now);
        }
    }

    fn split_frame(&mut self) -> Option<Bytes> {
        let length = self.partial.first_chunk::<LENGTH>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        self.raw |= length > MAX_FRAME;
        if self.raw || self.partial.len() < LENGTH + length {
            return None;
        }
        Some(self.partial.split_to(LENGTH + length).freeze())
    }

    /// Sends what is left of the bytes, which no length says the end of.
    fn pass_rest(&mut self, now: Instant) {
        if self.partial.is_empty() {
            return;
        }
        let bytes = self.partial.split().freeze();
        self.link
            .count(|counts| counts.unframed_bytes += bytes.len() as u64);
        // Behind everything that is queued: a late frame must not land inside these bytes.
        let due = self
            .queue
            .last_key_value()
            .map_or(now, |((due, _), _)| now.max(*due));
        self.enqueue(
            due,
            Frame {
                bytes,
                precious: true,
            },
        );
    }

    fn judge(&mut self, now: Instant, bytes: Bytes) {
        let fault = self.link.fault();
        let handshake = self.next == 0;
        // A narrow link is free once all before has passed; what passed it slowly is not overtaken afterwards.
        let free_at = self.free_at.map_or(now, |at| at.max(now)) + fault.takes(bytes.len());
        let waits = free_at - now;
        if waits > LONGEST_WAIT && !handshake {
            self.link.count(|counts| {
                counts.frames += 1;
                counts.dropped += 1;
            });
            return;
        }
        self.free_at = (!waits.is_zero()).then_some(free_at);
        let now = free_at;
        // Always five draws a frame, so that changing one probability moves no other decision.
        let dropped = self.rng.chance(fault.drop) && !handshake;
        let duplicated = self.rng.chance(fault.duplicate) && !handshake && !dropped;
        let delayed = self.rng.chance(fault.delay) && !handshake && !dropped;
        let delay = self.rng.range_duration(&fault.delay_by);
        let second_delay = self.rng.range_duration(&fault.delay_by);
        self.link.count(|counts| {
            counts.frames += 1;
            counts.dropped += u64::from(dropped);
            counts.duplicated += u64::from(duplicated);
            counts.delayed += u64::from(delayed);
            counts.narrowed += u64::from(!waits.is_zero());
        });
        let frame = Frame {
            bytes,
            precious: handshake,
        };
        if duplicated {
            self.enqueue(now + second_delay, frame.clone());
        }
        if !dropped {
            self.enqueue(if delayed { now + delay } else { now }, frame);
        }
    }

    fn enqueue(&mut self, due: Instant, frame: Frame) {
        self.queued_bytes += frame.bytes.len();
        self.queue.insert((due, self.next), frame);
        self.next += 1;
    }

    pub(super) fn is_reset(&self) -> bool {
        self.link.epoch() != self.epoch
    }

    /// What to do at this time; what it says to write is no longer queued.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        if self.is_reset() {
            return Step::Reset;
        }
        if self.ending != Ending::No {
            self.pass_rest(now);
        }
        let flow = self.link.flow();
        if flow == Flow::Block {
            self.lose_due(now);
        }
        match self.queue.first_key_value() {
            None if self.ending != Ending::No => Step::Finish,
            None => Step::Wait,
            Some(((due, _), _)) if *due > now => Step::Until(*due),
            // Only what may not be lost still waits on a blocked link; frames behind it can fall
            // due and be lost meanwhile, so a blocked link is looked at again when they do.
            Some(_) if flow != Flow::Open => {
                let later = self.queue.range((now, u64::MAX)..).next();
                later.map_or(Step::Wait, |((due, _), _)| Step::Until(*due))
            }
            Some(_) => Step::Write(self.take_due(now)),
        }
    }

    fn lose_due(&mut self, now: Instant) {
        let mut lost = 0;
        let mut lost_bytes = 0;
        self.queue.retain(|(due, _), frame| {
            let stays = *due > now || frame.precious;
            lost += u64::from(!stays);
            lost_bytes += if stays { 0 } else { frame.bytes.len() };
            stays
        });
        self.queued_bytes -= lost_bytes;
        self.link.count(|counts| counts.blocked += lost);
        self.wake_writer();
    }

    fn take_due(&mut self, now: Instant) -> Bytes {
        let mut batch = BytesMut::new();
        while batch.len() < BATCH
            && let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= now
        {
            let bytes = entry.remove().bytes;
            self.queued_bytes -= bytes.len();
            if batch.is_empty() && bytes.remaining() >= BATCH {
                self.wake_writer();
                return bytes;
            }
            batch.extend_from_slice(&bytes);
        }
        self.wake_writer();
        batch.freeze()
    }

    fn wake_writer(&mut self) {
        if !self.is_full()
            && let Some(writer) = self.writer.take()
        {
            writer.wake();
        }
    }

    /// Ends both halves with an error.
    pub(super) fn fail(&mut self, kind: std::io::ErrorKind) {
        self.failed = Some(kind);
        self.queue.clear();
        self.queued_bytes = 0;
        for waker in [self.writer.take(), self.reader.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}
