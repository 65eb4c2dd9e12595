//! Snapshots in the making: pictures of the state machine are turned into bytes, and these made durable, beside
//! the event loop and the log's driver, which do not wait. On a thread for work that blocks; in a simulation as
//! a task that takes its time, so that entries are applied, snapshots arrive and servers crash meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::replica::{Developed, Picture};
use crate::seams::{Disk, Seams, Tasks};
use crate::storage::{Ahead, StorageError};

/// How long it takes where time is simulated.
const SIMULATED: Duration = Duration::from_millis(5);

type Outcome = Result<Developed, StorageError>;

pub(super) struct Pictures {
    seams: Seams,
    ahead: Ahead,
    done: mpsc::Sender<Outcome>,
    developed: mpsc::Receiver<Outcome>,
}

/// The work itself.
fn develop(picture: &Picture, ahead: &Ahead, disk: &dyn Disk) -> Outcome {
    let developed = picture.develop();
    ahead.save(disk, developed.last(), developed.data())?;
    Ok(developed)
}

impl Pictures {
    pub(super) fn new(seams: Seams, ahead: Ahead) -> Pictures {
        let (done, developed) = mpsc::channel(1);
        Pictures {
            seams,
            ahead,
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
        let (done, ahead) = (self.done.clone(), self.ahead.clone());
        let disk = Arc::clone(&self.seams.disk);
        // Nobody waits for either; when the server is gone, so is the way back.
        match self.seams.tasks {
            Tasks::Pool => drop(tokio::task::spawn_blocking(move || {
                drop(done.blocking_send(develop(&picture, &ahead, &*disk)));
            })),
            Tasks::Local => {
                let clock = Arc::clone(&self.seams.clock);
                drop(self.seams.tasks.spawn(async move {
                    clock.sleep(SIMULATED).await;
                    drop(done.send(develop(&picture, &ahead, &*disk)).await);
                }));
            }
        }
    }

    /// The next picture that is written down, and its file durable.
    ///
    /// # Errors
    /// What the disk reports: final.
    pub(super) async fn next(&mut self) -> Outcome {
        let developed = self.developed.recv().await;
        developed.expect("this end of the channel is open as long as the other")
    }
}
