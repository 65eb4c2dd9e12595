//! gRPC calls of one message each way, on one HTTP/2 connection: what a peer's own client would send.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, Uri};
use tokio::net::TcpStream;

/// A message's length stands behind a byte that says whether it is compressed.
const PREFIX: usize = 5;
/// Answers of this size need no word from us to flow.
const WINDOW: u32 = 1 << 20;

/// A connection.
pub(super) struct Grpc {
    sender: SendRequest<Bytes>,
    addr: String,
}

impl Grpc {
    /// Connects to `host:port`.
    pub(super) async fn connect(addr: &str) -> Result<Grpc, String> {
        let stream = TcpStream::connect(addr)
            .await
            .map_err(|e| format!("{addr}: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(stream)
            .await
            .map_err(|e| format!("{addr}: {e}"))?;
        // It ends with the last sender; what went wrong with it, calls tell.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Grpc {
            sender,
            addr: addr.to_owned(),
        })
    }

    /// Where a method is, like `/etcdserverpb.KV/Put`.
    pub(super) fn method(&self, path: &str) -> Uri {
        let uri = format!("http://{}{path}", self.addr);
        uri.parse().expect("an address and a path make a URI")
    }

    /// Calls a method: the request is a message with room for its prefix, as [`message`] makes it; the answer
    /// is a message.
    pub(super) async fn call(&mut self, method: &Uri, request: Bytes) -> Result<Vec<u8>, String> {
        let lost = |e: h2::Error| e.to_string();
        let head = Request::builder()
            .method(Method::POST)
            .uri(method.clone())
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("these are headers");
        poll_fn(|cx| self.sender.poll_ready(cx))
            .await
            .map_err(lost)?;
        let (response, mut body) = self.sender.send_request(head, false).map_err(lost)?;
        body.send_data(request, true).map_err(lost)?;
        let (head, mut body) = response.await.map_err(lost)?.into_parts();
        // A call that fails at once has its status here, and nothing behind.
        status(&head.headers, true)?;
        let mut answer = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.map_err(lost)?;
            answer.extend_from_slice(&data);
            body.flow_control()
                .release_capacity(data.len())
                .map_err(lost)?;
        }
        let trailers = body.trailers().await.map_err(lost)?;
        status(
            &trailers.unwrap_or_default(),
            head.headers.contains_key("grpc-status"),
        )?;
        match answer.split_at_checked(PREFIX) {
            Some((&[0, a, b, c, d], message))
                if message.len() == u32::from_be_bytes([a, b, c, d]) as usize =>
            {
                answer.drain(..PREFIX);
                Ok(answer)
            }
            _ => Err(format!("an answer of {} bytes is no message", answer.len())),
        }
    }
}

/// Whether headers say that the call went well; they may be silent only if `optional`.
fn status(headers: &HeaderMap, optional: bool) -> Result<(), String> {
    let text = |name| {
        headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
    };
    match text("grpc-status").as_deref() {
        Some("0") => Ok(()),
        Some(code) => {
            let why = text("grpc-message").unwrap_or_default();
            Err(format!("gRPC status {code}: {why}"))
        }
        None if optional => Ok(()),
        None => Err("an answer without a gRPC status".to_owned()),
    }
}

/// A message behind its prefix.
pub(super) fn message(fields: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = vec![0; PREFIX];
    fields(&mut bytes);
    let length = u32::try_from(bytes.len() - PREFIX).expect("messages are small");
    bytes[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    Bytes::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_prefixed_by_its_length() {
        let bytes = message(|out| out.extend([7; 300]));
        assert_eq!(bytes[..6], [0, 0, 0, 1, 44, 7]);
    }

    #[test]
    fn a_status_that_is_not_zero_is_an_error_with_its_words() {
        let mut headers = HeaderMap::new();
        assert!(status(&headers, true).is_ok());
        assert!(status(&headers, false).is_err(), "trailers must have one");
        headers.insert("grpc-status", "0".parse().expect("a value"));
        assert!(status(&headers, false).is_ok());
        headers.insert("grpc-status", "14".parse().expect("a value"));
        headers.insert("grpc-message", "no leader".parse().expect("a value"));
        assert_eq!(
            status(&headers, true),
            Err("gRPC status 14: no leader".to_owned())
        );
    }
}
