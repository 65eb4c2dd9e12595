//! Length-delimited framing: a big-endian `u32` length, then that many bytes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame that is sent or taken: 16 MiB.
pub const MAX_FRAME_BYTES: usize = 16 << 20;

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream failed or ended inside a frame.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The stream ended between frames.
    #[error("the connection was closed")]
    Closed,
    /// The length is out of bounds: whoever is there does not speak this protocol.
    #[error("a frame of {0} bytes, where at most {MAX_FRAME_BYTES} are taken")]
    TooLong(usize),
}

/// Reads one frame. Not cancel-safe: a dropped future may have eaten part of a frame.
///
/// # Errors
/// See [`FrameError`].
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, FrameError> {
    let mut header = [0; 4];
    let mut filled = 0;
    while filled < header.len() {
        match stream.read(&mut header[filled..]).await? {
            0 if filled == 0 => return Err(FrameError::Closed),
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            n => filled += n,
        }
    }
    let length = u32::from_be_bytes(header) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(FrameError::TooLong(length));
    }
    // The buffer grows with what arrives, not with what a stranger claims will.
    let mut frame = Vec::with_capacity(length.min(64 << 10));
    stream.take(length as u64).read_to_end(&mut frame).await?;
    if frame.len() < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(frame)
}

/// Writes one frame with a single write and flushes it.
///
/// # Errors
/// See [`FrameError`].
pub async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    body: &[u8],
) -> Result<(), FrameError> {
    if body.len() > MAX_FRAME_BYTES {
        return Err(FrameError::TooLong(body.len()));
    }
    let length = u32::try_from(body.len()).expect("the bound fits in 32 bits");
    let mut bytes = Vec::with_capacity(4 + body.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_survive_a_stream_that_comes_in_single_bytes() {
        let (mut a, mut b) = tokio::io::duplex(1);
        let sender = tokio::spawn(async move {
            write_frame(&mut a, b"hello").await.unwrap();
            write_frame(&mut a, b"").await.unwrap();
        });
        assert_eq!(read_frame(&mut b).await.unwrap(), b"hello");
        assert_eq!(read_frame(&mut b).await.unwrap(), b"");
        assert!(matches!(read_frame(&mut b).await, Err(FrameError::Closed)));
        sender.await.unwrap();
    }

    #[tokio::test]
    async fn a_huge_length_and_a_cut_frame_are_errors() {
        let mut huge: &[u8] = &[0xff, 0xff, 0xff, 0xff, 1, 2, 3];
        assert!(matches!(
            read_frame(&mut huge).await,
            Err(FrameError::TooLong(_))
        ));
        let mut cut: &[u8] = &[0, 0, 0, 9, 1, 2, 3];
        assert!(matches!(read_frame(&mut cut).await, Err(FrameError::Io(_))));
        let mut cut_header: &[u8] = &[0, 0];
        assert!(matches!(
            read_frame(&mut cut_header).await,
            Err(FrameError::Io(_))
        ));
    }
}
