//! Snapshots in the making: pictures of the state machine are written down beside the event loop, which does
//! not wait. On a thread for work that blocks; in a simulation as a task that takes its time, so that
//! entries are applied, snapshots arrive and servers crash meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::replica::{Developed, Picture};
use crate::seams::{Clock, Tasks};

/// How long it takes where time is simulated.
const SIMULATED: Duration = Duration::from_millis(5);

pub(super) struct Pictures {
    tasks: Tasks,
    clock: Arc<dyn Clock>,
    done: mpsc::Sender<Developed>,
    developed: mpsc::Receiver<Developed>,
}

impl Pictures {
    pub(super) fn new(tasks: Tasks, clock: Arc<dyn Clock>) -> Pictures {
        let (done, developed) = mpsc::channel(1);
        Pictures {
            tasks,
            clock,
            done,
            developed,
        }
    }

    /// Starts to write a picture down.
    #[expect(
        clippy::disallowed_methods,
        reason = "a pool of threads is production's; where time is simulated there is none"
    )]
    pub(super) fn develop(&self, picture: Picture) {
        let done = self.done.clone();
        // Nobody waits for either; when the server is gone, so is the way back.
        match self.tasks {
            Tasks::Pool => drop(tokio::task::spawn_blocking(move || {
                drop(done.blocking_send(picture.develop()));
            })),
            Tasks::Local => {
                let clock = Arc::clone(&self.clock);
                drop(self.tasks.spawn(async move {
                    clock.sleep(SIMULATED).await;
                    drop(done.send(picture.develop()).await);
                }));
            }
        }
    }

    /// The next picture that is written down.
    pub(super) async fn next(&mut self) -> Developed {
        let developed = self.developed.recv().await;
        developed.expect("this end of the channel is open as long as the other")
    }
}
