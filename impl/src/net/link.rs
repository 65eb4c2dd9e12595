//! The outgoing half of the connection to a peer: connects, greets, sends, and reconnects.
//!
//! TCP does not tell when a peer is gone, and a stream that lost bytes to a partition may stay silent
//! for ever; so the link pings, and drops a connection that does not answer. What can't be sent is
//! dropped: Raft sends again.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::frame::{FrameError, FrameReader, add_frame, write_frames};
use super::protocol::{Caller, Hello, PeerFrame, Pong, decode, encode};
use crate::core::Envelope;
use crate::seams::{Clock, Network, Seams, Stream, Tasks};
use crate::types::NodeId;

/// Messages that wait are written together, up to about so many bytes.
const TOGETHER: usize = 64 << 10;

/// The link's times and bounds.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How often an open connection is probed.
    pub ping_every: Duration,
    /// How long a probe may go unanswered, or a write may take beyond a microsecond a byte.
    pub silent_for: Duration,
    /// The wait before another try to connect; twice as long after each that fails, up to four times.
    pub reconnect_after: Duration,
    /// How many messages may wait; more are dropped.
    pub queue: usize,
}

impl Default for LinkConfig {
    fn default() -> LinkConfig {
        LinkConfig {
            connect_timeout: Duration::from_millis(300),
            ping_every: Duration::from_millis(200),
            silent_for: Duration::from_millis(400),
            reconnect_after: Duration::from_millis(50),
            queue: 1024,
        }
    }
}

/// How a server introduces itself to its peers.
#[derive(Clone, Debug)]
pub struct Myself {
    /// Which one it is.
    pub id: NodeId,
    /// Where it can be reached, `host:port`.
    pub listens: String,
    /// Its cluster's name.
    pub cluster: String,
}

/// A handle to the task that keeps one peer connected; dropping it ends the task.
#[derive(Debug)]
pub struct PeerLink {
    outgoing: mpsc::Sender<Envelope>,
}

struct Link {
    me: Myself,
    addr: String,
    config: LinkConfig,
    tasks: Tasks,
    clock: Arc<dyn Clock>,
    network: Arc<dyn Network>,
    outgoing: mpsc::Receiver<Envelope>,
}

enum End {
    /// The server is gone: stop.
    Shutdown,
    /// The connection is gone: try again.
    Lost,
}

impl PeerLink {
    /// Starts the task.
    #[must_use]
    pub fn start(me: Myself, addr: String, config: LinkConfig, seams: &Seams) -> PeerLink {
        let (sender, outgoing) = mpsc::channel(config.queue);
        let link = Link {
            me,
            addr,
            config,
            tasks: seams.tasks,
            clock: Arc::clone(&seams.clock),
            network: Arc::clone(&seams.network),
            outgoing,
        };
        // Nobody waits for it: it ends when the handle is gone.
        drop(seams.tasks.spawn(link.run()));
        PeerLink { outgoing: sender }
    }

    /// Hands a message over; drops it if too many wait.
    pub fn send(&self, envelope: Envelope) {
        if self.outgoing.try_send(envelope).is_err() {
            tracing::trace!("a message was dropped: the link's queue is full");
        }
    }
}

impl Link {
    async fn run(mut self) {
        let mut wait = self.config.reconnect_after;
        loop {
            let stream = tokio::select! {
                biased;
                connected = self.network.connect(&self.addr) => connected.ok(),
                () = self.clock.sleep(self.config.connect_timeout) => None,
            };
            let pause = wait;
            wait = (2 * wait).min(4 * self.config.reconnect_after);
            if let Some(stream) = stream {
                wait = self.config.reconnect_after;
                if let End::Shutdown = self.talk(stream).await {
                    return;
                }
            }
            // What waited for the old connection is stale by now.
            loop {
                match self.outgoing.try_recv() {
                    Ok(_) => {}
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => return,
                }
            }
            self.clock.sleep(pause).await;
        }
    }

    async fn talk(&mut self, stream: Box<dyn Stream>) -> End {
        let (reader, mut writer) = tokio::io::split(stream);
        let (pong_sender, mut pongs) = mpsc::channel(4);
        let reading = self.tasks.spawn(read_pongs(reader, pong_sender));
        let caller = Caller::Peer {
            id: self.me.id,
            listens: self.me.listens.clone(),
        };
        let hello = encode(&Hello::new(&self.me.cluster, caller));
        let mut end = End::Lost;
        if self.write_one(&mut writer, &hello).await.is_ok() {
            end = self.exchange(&mut writer, &mut pongs).await;
        }
        reading.abort();
        end
    }

    async fn exchange(
        &mut self,
        writer: &mut WriteHalf<Box<dyn Stream>>,
        pongs: &mut mpsc::Receiver<Pong>,
    ) -> End {
        let mut pings = 0;
        let mut answered = 0;
        let mut heard_at = self.clock.now();
        let mut next_ping = heard_at;
        loop {
            let now = self.clock.now();
            if pings > answered && now > heard_at + self.config.silent_for + self.config.ping_every
            {
                return End::Lost;
            }
            if now >= next_ping {
                pings += 1;
                let ping = encode(&PeerFrame::Ping(pings));
                if self.write_one(writer, &ping).await.is_err() {
                    return End::Lost;
                }
                next_ping = self.clock.now() + self.config.ping_every;
            }
            tokio::select! {
                biased;
                pong = pongs.recv() => match pong {
                    None => return End::Lost,
                    Some(Pong(number)) => {
                        answered = answered.max(number);
                        heard_at = self.clock.now();
                    }
                },
                envelope = self.outgoing.recv() => match envelope {
                    None => return End::Shutdown,
                    Some(envelope) => {
                        if self.send(writer, envelope).await.is_err() {
                            return End::Lost;
                        }
                    }
                },
                () = self.clock.sleep(next_ping.saturating_sub(now)) => {}
            }
        }
    }

    async fn write_one(
        &self,
        writer: &mut WriteHalf<Box<dyn Stream>>,
        body: &[u8],
    ) -> Result<(), FrameError> {
        let mut frame = Vec::new();
        add_frame(&mut frame, body)?;
        self.write(writer, &frame).await
    }

    /// Sends a message, and with it those that wait behind it.
    async fn send(
        &mut self,
        writer: &mut WriteHalf<Box<dyn Stream>>,
        envelope: Envelope,
    ) -> Result<(), FrameError> {
        let mut frames = Vec::new();
        let mut next = Some(envelope);
        while let Some(envelope) = next {
            add_frame(&mut frames, &encode(&PeerFrame::Message(envelope)))?;
            // Whether the server is gone is found out when nothing waits any more.
            next = (frames.len() < TOGETHER)
                .then(|| self.outgoing.try_recv().ok())
                .flatten();
        }
        self.write(writer, &frames).await
    }

    async fn write(
        &self,
        writer: &mut WriteHalf<Box<dyn Stream>>,
        frames: &[u8],
    ) -> Result<(), FrameError> {
        // A link of a megabyte a second is slow, not dead.
        let patience = self.config.silent_for + Duration::from_micros(frames.len() as u64);
        tokio::select! {
            biased;
            written = write_frames(writer, frames) => written,
            () = self.clock.sleep(patience) => {
                Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
            }
        }
    }
}

async fn read_pongs(reader: ReadHalf<Box<dyn Stream>>, pongs: mpsc::Sender<Pong>) {
    let mut frames = FrameReader::new(reader);
    while let Ok(frame) = frames.next().await {
        let Some(pong) = decode::<Pong>(frame) else {
            return;
        };
        if pongs.send(pong).await.is_err() {
            return;
        }
    }
}
