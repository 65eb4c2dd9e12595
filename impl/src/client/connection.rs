//! One connection of a client: one question at a time.

use crate::net::protocol::{
    Caller, Hello, Request, RequestBody, Response, ResponseBody, decode, encode,
};
use crate::net::{FrameReader, write_frame};
use crate::seams::Stream;

/// An open, greeted stream.
pub(super) struct Connection {
    frames: FrameReader<Box<dyn Stream>>,
}

impl Connection {
    /// Introduces the client.
    pub(super) async fn greet(mut stream: Box<dyn Stream>) -> Option<Connection> {
        write_frame(&mut stream, &encode(&Hello::new(Caller::Client)))
            .await
            .ok()?;
        let frames = FrameReader::new(stream);
        Some(Connection { frames })
    }

    /// Asks and waits for the answer to this very question; `None` if the connection failed. A
    /// dropped future leaves the connection unusable.
    pub(super) async fn ask(&mut self, id: u64, body: &RequestBody) -> Option<ResponseBody> {
        let request = Request {
            id,
            body: body.clone(),
        };
        write_frame(self.frames.stream(), &encode(&request))
            .await
            .ok()?;
        loop {
            let frame = self.frames.next().await.ok()?;
            let response = decode::<Response>(frame)?;
            if response.id == id {
                return Some(response.body);
            }
        }
    }
}
