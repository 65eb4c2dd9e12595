//! One connection of a client: one question at a time.

use crate::net::protocol::{
    Caller, Hello, Request, RequestBody, Response, ResponseBody, WHOLE_CONNECTION, decode, encode,
};
use crate::net::{FrameError, FrameReader, write_frame};
use crate::seams::Stream;

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// The connection failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The server takes us for a stranger: nothing that was asked had any effect.
    #[error("{0}")]
    Refused(String),
    /// What came is no answer.
    #[error("what came back is no answer in this protocol")]
    Garbage,
}

/// An open, greeted stream.
pub(super) struct Connection {
    frames: FrameReader<Box<dyn Stream>>,
}

impl Connection {
    /// Introduces the client.
    pub(super) async fn greet(
        mut stream: Box<dyn Stream>,
        cluster: &str,
    ) -> Result<Connection, FrameError> {
        let hello = Hello::new(cluster, Caller::Client);
        write_frame(&mut stream, &encode(&hello)).await?;
        let frames = FrameReader::new(stream);
        Ok(Connection { frames })
    }

    /// Asks and waits for the answer to this very question. A dropped future leaves the connection
    /// unusable.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn ask(
        &mut self,
        id: u64,
        body: &RequestBody,
    ) -> Result<ResponseBody, Unanswered> {
        let request = Request {
            id,
            body: body.clone(),
        };
        write_frame(self.frames.stream(), &encode(&request)).await?;
        loop {
            let frame = self.frames.next().await?;
            let response = decode::<Response>(frame).ok_or(Unanswered::Garbage)?;
            match (response.id, response.body) {
                (WHOLE_CONNECTION, ResponseBody::Refused(why)) => {
                    return Err(Unanswered::Refused(why));
                }
                (answered, body) if answered == id => return Ok(body),
                _ => {}
            }
        }
    }
}
