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

/// How many bytes a reader has room for at first; most frames are far smaller.
const ROOM: usize = 8 << 10;
/// The largest room that a reader keeps once it has nothing to hold.
const KEPT_ROOM: usize = 512 << 10;
/// A frame's length.
const HEADER: usize = 4;

/// Frames from a stream, which is read in large pieces: what arrives together takes one read.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    room: Vec<u8>,
    /// What was read and not yet handed out stands from `start` to `end` of `room`.
    start: usize,
    end: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader of this stream from here on.
    pub fn new(stream: R) -> FrameReader<R> {
        FrameReader {
            stream,
            room: vec![0; ROOM],
            start: 0,
            end: 0,
        }
    }

    /// The stream, for writing: whoever reads from it takes bytes away.
    pub fn stream(&mut self) -> &mut R {
        &mut self.stream
    }

    /// The next frame. Cancel-safe: what has come of it when the future is dropped is kept.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub async fn next(&mut self) -> Result<&[u8], FrameError> {
        loop {
            let whole = self.whole()?;
            if whole.is_some_and(|whole| self.end - self.start >= whole) {
                break;
            }
            self.make_room();
            match self.stream.read(&mut self.room[self.end..]).await? {
                0 if self.start == self.end => return Err(FrameError::Closed),
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                n => self.end += n,
            }
        }
        let whole = self.whole()?.expect("its length was just read");
        let body = self.start + HEADER..self.start + whole;
        self.start += whole;
        Ok(&self.room[body])
    }

    /// How many bytes the next frame has with its header, if that has come.
    fn whole(&self) -> Result<Option<usize>, FrameError> {
        let Some(header) = self.room[self.start..self.end].first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*header) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        Ok(Some(HEADER + length))
    }

    /// There is room behind `end` afterwards. It grows with what arrives, not with what a stranger claims will.
    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.room.len() > KEPT_ROOM {
                self.room = vec![0; ROOM];
            }
        } else if self.end == self.room.len() {
            self.room.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.end > self.room.len() / 2 {
                self.room.resize(2 * self.room.len(), 0);
            }
        }
    }
}

/// Adds a frame to bytes that will be written.
///
/// # Errors
/// If it would be too long; then nothing was added.
pub fn add_frame(bytes: &mut Vec<u8>, body: &[u8]) -> Result<(), FrameError> {
    if body.len() > MAX_FRAME_BYTES {
        return Err(FrameError::TooLong(body.len()));
    }
    let length = u32::try_from(body.len()).expect("the bound fits in 32 bits");
    bytes.reserve(HEADER + body.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    Ok(())
}

/// Writes frames with as few writes as the stream lets us, and flushes them.
///
/// # Errors
/// See [`FrameError`].
pub async fn write_frames(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
) -> Result<(), FrameError> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    Ok(())
}

/// Writes one frame with a single write and flushes it.
///
/// # Errors
/// See [`FrameError`].
pub async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    body: &[u8],
) -> Result<(), FrameError> {
    let mut bytes = Vec::new();
    add_frame(&mut bytes, body)?;
    write_frames(stream, &bytes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_survive_a_stream_that_comes_in_single_bytes() {
        let (mut a, b) = tokio::io::duplex(1);
        let sender = tokio::spawn(async move {
            write_frame(&mut a, b"hello").await.unwrap();
            write_frame(&mut a, b"").await.unwrap();
        });
        let mut frames = FrameReader::new(b);
        assert_eq!(frames.next().await.unwrap(), b"hello");
        assert_eq!(frames.next().await.unwrap(), b"");
        assert!(matches!(frames.next().await, Err(FrameError::Closed)));
        sender.await.unwrap();
    }

    #[tokio::test]
    async fn frames_of_all_sizes_come_out_as_they_went_in_however_they_are_cut() {
        let sizes = [
            0,
            1,
            ROOM - HEADER,
            ROOM,
            3,
            ROOM + 1,
            5 * ROOM,
            7,
            KEPT_ROOM + 1,
            2,
        ];
        for pipe in [1, 3, ROOM, 1 << 20] {
            let (mut a, b) = tokio::io::duplex(pipe);
            let sender = tokio::spawn(async move {
                for (number, size) in sizes.into_iter().enumerate() {
                    write_frame(&mut a, &vec![number as u8; size])
                        .await
                        .unwrap();
                }
            });
            let mut frames = FrameReader::new(b);
            for (number, size) in sizes.into_iter().enumerate() {
                let frame = frames.next().await.unwrap();
                assert_eq!(frame.len(), size);
                assert!(frame.iter().all(|byte| usize::from(*byte) == number));
            }
            assert!(matches!(frames.next().await, Err(FrameError::Closed)));
            assert!(frames.room.len() <= KEPT_ROOM, "large room is given back");
            sender.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_reader_that_gave_up_waiting_has_lost_nothing() {
        use std::future::poll_fn;
        use std::pin::pin;
        use std::task::Poll;

        let (mut a, b) = tokio::io::duplex(64);
        let mut frames = FrameReader::new(b);
        for piece in [&[0, 0][..], &[0, 3, 7], &[8]] {
            a.write_all(piece).await.unwrap();
            let mut next = pin!(frames.next());
            let waits = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await;
            assert!(waits, "the frame is not whole yet");
        }
        a.write_all(&[9]).await.unwrap();
        assert_eq!(frames.next().await.unwrap(), [7, 8, 9]);
    }

    #[tokio::test]
    async fn a_huge_length_and_a_cut_frame_are_errors() {
        let next = async |bytes: &'static [u8]| {
            let mut frames = FrameReader::new(bytes);
            frames.next().await.map(<[u8]>::to_vec)
        };
        let huge = next(&[0xff, 0xff, 0xff, 0xff, 1, 2, 3]).await;
        assert!(matches!(huge, Err(FrameError::TooLong(_))));
        let cut = next(&[0, 0, 0, 9, 1, 2, 3]).await;
        assert!(matches!(cut, Err(FrameError::Io(_))));
        let cut_header = next(&[0, 0]).await;
        assert!(matches!(cut_header, Err(FrameError::Io(_))));
    }
}
