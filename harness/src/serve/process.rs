//! The process of one server, from its start to SIGTERM.

use std::io::IsTerminal;
use std::sync::Arc;

use plumb_raft::net::TlsNetwork;
use plumb_raft::production::{OsSeeded, TcpNetwork, TokioClock};
use plumb_raft::seams::{Clock, Disk, Network, Seams, Tasks};
use plumb_raft::server::{self, ServerError};
use plumb_raft::storage::{RealDisk, StorageError};
use plumb_raft::telemetry::{MeteredDisk, Metrics, Narrator};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::config::Resolved;
use super::figures;
use crate::cli::{CliError, files};
use crate::conformance::trace::StepRecorder;

/// Runs a server until SIGTERM or SIGINT, upon which it hands over, finishes what it was writing and ends; a
/// second one ends it at once, which it survives as it survives a crash.
///
/// # Errors
/// Why it could not start, or had to stop.
pub fn run(config: Resolved) -> Result<(), CliError> {
    tracing_subscriber::fmt()
        .with_max_level(config.log)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(format!("no threads: {error}"), "free some memory"))?;
    runtime.block_on(serve(config))
}

async fn serve(config: Resolved) -> Result<(), CliError> {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::start());
    let metrics = Arc::new(Metrics::new(Arc::clone(&clock)));
    let disk = RealDisk::open(&config.data).map_err(|error| of_storage(&error))?;
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let disk = Arc::new(MeteredDisk::new(disk, Arc::clone(&clock), &metrics));
    let network: Arc<dyn Network> = match &config.tls {
        None => Arc::new(TcpNetwork),
        Some(files) => {
            let network = TlsNetwork::new(Arc::new(TcpNetwork), files).map_err(|error| {
                CliError::new(
                    error.to_string(),
                    "name PEM files that belong together: --tls-ca, --tls-cert, --tls-key",
                )
            })?;
            Arc::new(network)
        }
    };
    let steps = match &config.record_steps {
        None => None,
        Some(path) => Some(Arc::new(StepRecorder::new(files::create(path)?))),
    };
    let looks = (Narrator::default(), Arc::clone(&metrics));
    let observer = Arc::new((looks, steps.clone()));
    let seams = Seams {
        tasks: Tasks::Pool,
        clock,
        disk,
        network,
    };
    let figures = match &config.metrics {
        None => None,
        Some(addr) => {
            let listener = TcpListener::bind(addr).await.map_err(|error| {
                CliError::new(
                    format!("cannot serve metrics on {addr}: {error}"),
                    "choose another address with --metrics",
                )
            })?;
            tracing::info!(%addr, "metrics are served at /metrics");
            Some(tokio::spawn(figures::serve(listener, metrics)))
        }
    };
    let core = &config.server.core;
    tracing::info!(
        server = %core.id,
        cluster = %config.server.cluster,
        listen = %config.server.listen,
        data = %config.data.display(),
        tls = config.tls.is_some(),
        "starting"
    );
    let stop = stop_signal()?;
    // On the pool's threads, where those are that it talks with.
    let random = Box::new(OsSeeded::new());
    let running = tokio::spawn(server::run(config.server, seams, random, observer, stop));
    let ended = running.await.map_err(|error| {
        CliError::new(
            format!("the server broke an assertion: {error}"),
            "report this",
        )
    })?;
    if let Some(figures) = figures {
        figures.abort();
    }
    if let (Some(steps), Some(path)) = (&steps, &config.record_steps) {
        steps
            .finish()
            .map_err(|error| files::not_written(path, &error))?;
    }
    match ended {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(())
        }
        Err(ServerError::Storage(error)) => Err(of_storage(&error)),
        Err(error @ ServerError::Listen { .. }) => Err(CliError::new(
            error.to_string(),
            "choose another address with --listen, or stop who uses it",
        )),
    }
}

/// Resolves at the first SIGTERM or SIGINT; the second ends the process.
fn stop_signal() -> Result<impl Future<Output = ()>, CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(format!("signals can't be heard: {error}"), "report this")
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: a leader hands over first (again to stop at once)");
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(130);
        });
    })
}

fn of_storage(error: &StorageError) -> CliError {
    // These errors say themselves what to do.
    let text = error.to_string();
    match text.split_once(": ") {
        Some((what, remedy)) => CliError::new(what, remedy),
        None => CliError::new(text, "look at the data folder with `plumb wal inspect`"),
    }
}
