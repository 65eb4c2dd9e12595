//! Incoming connections: a greeting says whether a peer or a client calls, then frames flow to the
//! server's inbox. Whatever does not speak the protocol is dropped without further effect.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::core::Envelope;
use crate::net::protocol::{
    Caller, Hello, PeerFrame, Pong, Request, RequestBody, Response, ResponseBody, WHOLE_CONNECTION,
    decode, encode,
};
use crate::net::{FrameReader, Myself, write_frame};
use crate::seams::{Clock, Listener, Stream, Tasks};
use crate::types::NodeId;

/// How long a new connection may take to say who it is.
const GREETING_WITHIN: Duration = Duration::from_secs(1);
/// A peer pings several times a second: longer silence means that it is gone.
const PEER_SILENT_FOR: Duration = Duration::from_secs(2);
/// How many connections may be open; more are dropped.
const MAX_CONNECTIONS: usize = 8192;
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

/// What comes from another server.
pub(super) enum FromPeer {
    /// It has connected, and listens there.
    Greeting(NodeId, String),
    /// For the core.
    Message(Envelope),
}

/// The server's inbox; bounded, so that a flood waits at the sockets.
#[derive(Clone)]
pub(super) struct Inbox {
    pub(super) peers: mpsc::Sender<FromPeer>,
    pub(super) clients: mpsc::Sender<ClientCall>,
}

/// Accepts connections until the task is dropped.
pub(super) async fn accept(
    mut listener: Box<dyn Listener>,
    me: Myself,
    max_clients: usize,
    inbox: Inbox,
    tasks: Tasks,
    clock: Arc<dyn Clock>,
) {
    let mut connections = JoinSet::new();
    let clients = Arc::new(Semaphore::new(max_clients));
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(_) if connections.len() >= MAX_CONNECTIONS => {
                    tracing::warn!("a connection was dropped: there are too many");
                }
                Ok(stream) => {
                    let (me, inbox, clients) = (me.clone(), inbox.clone(), Arc::clone(&clients));
                    let serving = serve(stream, me, inbox, clients, Arc::clone(&clock));
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

async fn serve(
    stream: Box<dyn Stream>,
    me: Myself,
    inbox: Inbox,
    clients: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
) {
    let (reader, mut writer) = tokio::io::split(stream);
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
    if let Some(why) = hello.stranger(&me.cluster) {
        tracing::warn!(caller = ?hello.caller, %why, "a stranger was dropped");
        if hello.caller == Caller::Client {
            refuse(&mut writer, why, &clock).await;
        }
        return;
    }
    match hello.caller {
        Caller::Peer { id, listens } => {
            if inbox
                .peers
                .send(FromPeer::Greeting(id, listens))
                .await
                .is_ok()
            {
                serve_peer(frames, writer, id, me.id, inbox, clock).await;
            }
        }
        Caller::Client => match clients.try_acquire() {
            Ok(_place) => serve_client(frames, writer, inbox).await,
            Err(_) => {
                let why = "this server has as many clients as it may have: ask another";
                refuse(&mut writer, why.to_owned(), &clock).await;
            }
        },
    }
}

/// Tells a client why it is not served, for as long as anything may take that strangers can delay.
async fn refuse(writer: &mut WriteHalf<Box<dyn Stream>>, why: String, clock: &Arc<dyn Clock>) {
    let refusal = encode(&Response {
        id: WHOLE_CONNECTION,
        body: ResponseBody::Refused(why),
    });
    tokio::select! {
        biased;
        _ = write_frame(writer, &refusal) => {}
        () = clock.sleep(GREETING_WITHIN) => {}
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
                let message = FromPeer::Message(envelope);
                if inbox.peers.send(message).await.is_err() {
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
