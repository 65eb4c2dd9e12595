//! Ctrl-C: the first one asks the work to stop and keep what it has, the second one ends the process.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);
static INSTALL: Once = Once::new();

/// A flag that Ctrl-C (or SIGTERM) sets.
#[must_use]
pub fn flag() -> &'static AtomicBool {
    INSTALL.call_once(|| {
        let installed = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            eprintln!("\nstopping: what was found so far is kept (again to quit at once)");
        });
        if let Err(error) = installed {
            eprintln!("warning: Ctrl-C will not keep partial results: {error}");
        }
    });
    &STOP
}
