//! Whoever takes a history in line by line, and the feed that readers hand lines to.

use crate::history::{Place, Sequence};
use crate::{Header, History, Line, Misplaced, ReadError};

/// Takes in a history line by line, so that it never exists as a whole; see [`stream`](crate::stream).
pub trait Sink {
    /// Why it takes no more.
    type Error;

    /// Where the history comes from; before all lines.
    ///
    /// # Errors
    /// Ends the reading.
    fn begin(&mut self, header: &Header) -> Result<(), Self::Error>;

    /// The next line, which may follow those before.
    ///
    /// # Errors
    /// Ends the reading.
    fn line(&mut self, line: Line) -> Result<(), Self::Error>;
}

/// Why a history was not taken in to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError<R, S> {
    /// It can't be read, or is not well formed.
    Read(R),
    /// The sink took no more.
    Sink(S),
}

impl<S> From<ReadError> for StreamError<ReadError, S> {
    fn from(error: ReadError) -> StreamError<ReadError, S> {
        StreamError::Read(error)
    }
}

/// What came of feeding.
pub(crate) type Fed<S> = Result<(), StreamError<ReadError, <S as Take>::Error>>;

/// Takes in lines with their places.
pub(crate) trait Take {
    type Error;
    fn begin(&mut self, header: Header) -> Result<(), Self::Error>;
    fn take(&mut self, line: Line, place: Place) -> Result<(), Self::Error>;
}

/// Never happens.
#[derive(Debug)]
pub(crate) enum Never {}

impl Take for History {
    type Error = Never;

    fn begin(&mut self, header: Header) -> Result<(), Never> {
        *self = std::mem::take(self).with_header(header);
        Ok(())
    }

    fn take(&mut self, line: Line, place: Place) -> Result<(), Never> {
        self.keep(line, place);
        Ok(())
    }
}

/// A sink as a taker.
pub(crate) struct Pass<'s, S>(pub(crate) &'s mut S);

impl<S: Sink> Take for Pass<'_, S> {
    type Error = S::Error;

    fn begin(&mut self, header: Header) -> Result<(), S::Error> {
        self.0.begin(&header.normal())
    }

    fn take(&mut self, line: Line, _: Place) -> Result<(), S::Error> {
        self.0.line(line)
    }
}

/// Lines on their way, held to the order that they must have.
pub(crate) struct Feed<'t, T> {
    taker: &'t mut T,
    sequence: Sequence,
}

impl<'t, T: Take> Feed<'t, T> {
    pub(crate) fn new(taker: &'t mut T) -> Feed<'t, T> {
        Feed {
            taker,
            sequence: Sequence::default(),
        }
    }

    pub(crate) fn begin(&mut self, header: Header) -> Fed<T> {
        self.taker.begin(header).map_err(StreamError::Sink)
    }

    /// The index that an event gets if it has none.
    pub(crate) fn next_index(&self) -> u64 {
        self.sequence.next_index()
    }

    /// Hands a line on; `misplaced` tells where it stands if it can't.
    pub(crate) fn push(
        &mut self,
        line: Line,
        misplaced: impl FnOnce(Misplaced) -> ReadError,
    ) -> Fed<T> {
        let place = self.sequence.admit(&line).map_err(misplaced)?;
        self.taker.take(line, place).map_err(StreamError::Sink)
    }
}
