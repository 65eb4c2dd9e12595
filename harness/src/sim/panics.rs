//! Panics inside a run. Tokio catches those of spawned tasks and says nothing, and a server whose task
//! is gone would only look slow: so a hook of ours keeps each message for the run on its thread.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Once;

thread_local! {
    /// The messages of this thread's run; `None` where no run is under way.
    static MESSAGES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

static INSTALL: Once = Once::new();

/// As long as this lives, panics on its thread are kept and not printed.
pub(crate) struct Caught {
    /// Of this thread, hence not to be sent to another.
    here: PhantomData<*const ()>,
}

impl Caught {
    /// Starts to keep the panics of this thread.
    pub(crate) fn here() -> Caught {
        INSTALL.call_once(|| {
            let other_threads = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let kept = MESSAGES.with_borrow_mut(|messages| {
                    messages
                        .as_mut()
                        .map(|messages| messages.push(describe(info)))
                        .is_some()
                });
                if !kept {
                    other_threads(info);
                }
            }));
        });
        MESSAGES.set(Some(Vec::new()));
        Caught { here: PhantomData }
    }

    /// What has been kept since the last call, in order.
    pub(crate) fn take(&self) -> Vec<String> {
        let PhantomData = self.here;
        MESSAGES
            .with_borrow_mut(|messages| messages.as_mut().map(std::mem::take))
            .unwrap_or_default()
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        let untold = self.take();
        MESSAGES.set(None);
        // The run itself is going down, and nobody will ask any more.
        if std::thread::panicking() {
            for message in untold {
                eprintln!("the simulation panicked: {message}");
            }
        }
    }
}

fn describe(info: &std::panic::PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    match info.location() {
        Some(at) => format!("{message} ({}:{})", at.file(), at.line()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_spawned_task_is_kept_with_its_message_and_place() {
        let caught = Caught::here();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let task = tokio::spawn(async { panic!("two leaders") });
            assert!(task.await.is_err());
        });
        let messages = caught.take();
        assert_eq!(messages.len(), 1);
        assert!(messages[0].starts_with("two leaders ("), "{messages:?}");
        assert!(caught.take().is_empty());
    }
}
