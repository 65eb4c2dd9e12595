//! A history on its way into the checker, as it is read.

use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{HumanCount, ProgressBar};
use plumb_checkers::Intake;
use plumb_histories::{Header, Kind, Line, Sink};

use super::{Asked, misfit};
use crate::cli::CliError;

/// Takes a history in as it is read: only what a verdict needs is kept of it.
pub(super) struct Taking<'a> {
    pub(super) file: &'a str,
    pub(super) asked: &'a Asked<'a>,
    /// From the header on.
    pub(super) intake: Option<Intake>,
    pub(super) stop: &'a AtomicBool,
    pub(super) bar: &'a ProgressBar,
    pub(super) lines: u64,
    /// Operations that came back as having happened.
    pub(super) succeeded: u64,
}

/// The stop flag is looked at once in so many lines, and progress is shown.
const EVERY: u64 = 1 << 12;

impl Sink for Taking<'_> {
    /// `None` if it was asked to stop.
    type Error = Option<CliError>;

    fn begin(&mut self, header: &Header) -> Result<(), Option<CliError>> {
        let mut options = self.asked.options(self.file, header)?;
        // Else nobody sees the order that proves validity.
        options.witness = self.asked.args.json.is_some();
        let intake = Intake::new(&options).map_err(|error| misfit(self.file, &error))?;
        self.intake = Some(intake);
        Ok(())
    }

    fn line(&mut self, line: Line) -> Result<(), Option<CliError>> {
        self.lines += 1;
        if self.lines.is_multiple_of(EVERY) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(None);
            }
            let read = HumanCount(self.lines);
            self.bar
                .set_message(format!("{}: {read} lines read", self.file));
        }
        let Line::Client(event) = line else {
            return Ok(());
        };
        let event = if self.asked.args.independent {
            event.with_independent_key()
        } else {
            event
        };
        self.succeeded += u64::from(event.kind == Kind::Ok);
        let intake = self.intake.as_mut().expect("a header comes first");
        intake
            .take(event)
            .map_err(|error| Some(misfit(self.file, &error)))
    }
}
