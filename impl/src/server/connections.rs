//! Incoming connections: a greeting says whether a peer or a client calls, then frames flow to the
//! server's inbox. Whatever does not speak the protocol is dropped without further effect.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::core::Envelope;
use crate::net::protocol::{
    Caller, Hello, PeerFrame, Pong, Request, RequestBody, Response, ResponseBody, decode, encode,
};
use crate::net::{FrameReader, write_frame};
use crate::seams::{Clock, Listener, Stream, Tasks};
use crate::types::NodeId;

/// How long a new connection may take to say who it is.
const GREETING_WITHIN: Duration = Duration::from_secs(1);
/// A peer pings several times a second: longer silence means that it is gone.
const PEER_SILENT_FOR: Duration = Duration::from_secs(2);
/// How many responses may wait for a slow client.
const RESPONSES_WAITING: usize = 64;

/// Where a client's answer goes; at most one answer is sent.
pub(super) struct Responder {
    id: u64,
    responses: mpsc::Sender<Response>,
}

impl Responder {
    /// Answers, unless the client is gone or does not read.
    pub(super) fn respond(self, body: ResponseBody) {
        if self
            .responses
            .try_send(Response { id: self.id, body })
            .is_err()
        {
            tracing::trace!("a client is gone before its answer");
        }
    }
}

/// A client's request with the way back.
pub(super) struct ClientCall {
    pub(super) body: RequestBody,
    pub(super) responder: Responder,
}

impl ClientCall {
    pub(super) fn into_parts(self) -> (RequestBody, Responder) {
        (self.body, self.responder)
    }
}

/// The server's inbox; bounded, so that a flood waits at the sockets.
#[derive(Clone)]
pub(super) struct Inbox {
    pub(super) peers: mpsc::Sender<Envelope>,
    pub(super) clients: mpsc::Sender<ClientCall>,
}

/// Accepts connections until the task is dropped.
pub(super) async fn accept(
    mut listener: Box<dyn Listener>,
    me: NodeId,
    inbox: Inbox,
    tasks: Tasks,
    clock: Arc<dyn Clock>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    let serving = serve(stream, me, inbox.clone(), Arc::clone(&clock));
                    tasks.spawn_in(&mut connections, serving);
                }
                // Out of descriptors, or a caller that is gone already: others may fare better.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    clock.sleep(Duration::from_millis(10)).await;
                }
            },
        }
    }
}

async fn serve(stream: Box<dyn Stream>, me: NodeId, inbox: Inbox, clock: Arc<dyn Clock>) {
    let (reader, writer) = tokio::io::split(stream);
    let mut frames = FrameReader::new(reader);
    let greeting = tokio::select! {
        biased;
        frame = frames.next() => frame.ok(),
        () = clock.sleep(GREETING_WITHIN) => None,
    };
    let Some(hello) = greeting.and_then(decode::<Hello>) else {
        tracing::warn!("a connection without a greeting was dropped");
        return;
    };
    if !hello.is_ours() {
        tracing::warn!(?hello, "a caller speaks another protocol and was dropped");
        return;
    }
    match hello.caller {
        Caller::Peer(peer) => serve_peer(frames, writer, peer, me, inbox, clock).await,
        Caller::Client => serve_client(frames, writer, inbox).await,
    }
}

async fn serve_peer(
    mut frames: FrameReader<ReadHalf<Box<dyn Stream>>>,
    mut writer: WriteHalf<Box<dyn Stream>>,
    peer: NodeId,
    me: NodeId,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
) {
    loop {
        let frame = tokio::select! {
            biased;
            frame = frames.next() => frame.ok(),
            () = clock.sleep(PEER_SILENT_FOR) => None,
        };
        match frame.and_then(decode::<PeerFrame>) {
            Some(PeerFrame::Message(envelope)) if envelope.from == peer && envelope.to == me => {
                if inbox.peers.send(envelope).await.is_err() {
                    return;
                }
            }
            Some(PeerFrame::Ping(number)) => {
                if write_frame(&mut writer, &encode(&Pong(number)))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            Some(PeerFrame::Message(_)) | None => return,
        }
    }
}

async fn serve_client(
    mut frames: FrameReader<ReadHalf<Box<dyn Stream>>>,
    mut writer: WriteHalf<Box<dyn Stream>>,
    inbox: Inbox,
) {
    let (responses, mut outgoing) = mpsc::channel::<Response>(RESPONSES_WAITING);
    let reading = async {
        while let Ok(frame) = frames.next().await {
            let Some(Request { id, body }) = decode::<Request>(frame) else {
                return;
            };
            let responder = Responder {
                id,
                responses: responses.clone(),
            };
            if inbox
                .clients
                .send(ClientCall { body, responder })
                .await
                .is_err()
            {
                return;
            }
        }
    };
    let writing = async {
        while let Some(response) = outgoing.recv().await {
            if write_frame(&mut writer, &encode(&response)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        () = reading => {}
        () = writing => {}
    }
}
