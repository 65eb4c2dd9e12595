//! `plumb browse`: a history as a page, or an index of all there is.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clap::Args;
use plumb_checkers::{CheckError, Consistency, Spec};
use plumb_histories::Value;

use super::check::parse_init;
use super::sim::all_cores;
use super::{CliError, Exit, files, progress};
use crate::artifacts::{create_folder, write_file};
use crate::browse::{Library, Links, Question, Server, index, page_of, serve};

/// Where runs and the corpus are, if nothing is named.
const USUAL: [&str; 3] = ["target/plumb", "histories/corpus", "corpus"];

/// Shows histories: a page for one, an index for a folder.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  plumb browse\n  plumb browse target/plumb/failures\n  plumb browse \
                  history.jsonl --out history.html\n  plumb browse target/plumb/failures --out \
                  site/\n  plumb browse etcd.log --spec cas-register --init null --out etcd.html\n\n\
                  Without --out a server shows it on this machine until Ctrl-C."
)]
pub struct BrowseArgs {
    /// A history, a saved run, or a folder of them; if not given, target/plumb and the corpus.
    #[arg(value_name = "DIR|FILE")]
    path: Option<PathBuf>,
    /// Write the page to this file (`-` is standard output), or the index and all pages to this folder.
    #[arg(long, value_name = "FILE.html|DIR")]
    out: Option<PathBuf>,
    /// Where to serve.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7878")]
    addr: SocketAddr,
    /// The specification to hold histories against; if not given, what each header says.
    #[arg(long, value_name = "NAME")]
    spec: Option<String>,
    /// How strong a promise is judged; as in `plumb check`.
    #[arg(long, value_name = "NAME")]
    consistency: Option<String>,
    /// The initial value of every object, as JSON.
    #[arg(long, value_name = "JSON", value_parser = parse_init)]
    init: Option<Value>,
}

/// Runs `plumb browse`.
///
/// # Errors
/// If there is nothing to show, it can't be read, or the result can't be written or served.
pub fn run(args: &BrowseArgs) -> Result<Exit, CliError> {
    let bad = |error: CheckError| CliError::new(error.to_string(), "see `plumb check --help`");
    let (spec, consistency) = (args.spec.as_deref(), args.consistency.as_deref());
    let question = Question {
        spec: spec.map(Spec::by_name).transpose().map_err(bad)?,
        init: args.init.clone(),
        consistency: consistency
            .map(Consistency::by_name)
            .transpose()
            .map_err(bad)?,
    };
    let roots = roots(args.path.as_deref())?;
    match (&roots[..], &args.out) {
        ([only], Some(out)) if only.is_file() => {
            let page = page_of(only, &title_of(only), &question, None, all_cores())?;
            files::write(out, page)?;
            Ok(Exit::Holds)
        }
        ([only], None) if only.is_file() => {
            // What can't be shown is said here, not in the browser.
            page_of(only, &title_of(only), &question, None, all_cores())?;
            listen(Server::One(only.clone(), question), args.addr)
        }
        (_, Some(out)) => write_all(Library::new(roots, question), out),
        (_, None) => {
            let title = title(&roots);
            let library = Library::new(roots, question);
            listen(
                Server::Library(title, Box::new(Mutex::new(library))),
                args.addr,
            )
        }
    }
}

/// What is meant: a file, the history of a saved run, or folders.
fn roots(path: Option<&Path>) -> Result<Vec<PathBuf>, CliError> {
    let Some(path) = path else {
        let roots: Vec<PathBuf> = USUAL
            .iter()
            .map(PathBuf::from)
            .filter(|root| root.is_dir())
            .collect();
        if roots.is_empty() {
            return Err(CliError::new(
                format!("nothing to show: none of {} is here", USUAL.join(", ")),
                "name a history or a folder, or let `plumb verify` make some",
            ));
        }
        return Ok(roots);
    };
    let saved = path.join("history.jsonl");
    if saved.is_file() {
        return Ok(vec![saved]);
    }
    if path.exists() {
        return Ok(vec![path.to_owned()]);
    }
    Err(CliError::new(
        format!("{}: no such file or folder", path.display()),
        "name a history or a folder of histories",
    ))
}

fn title(roots: &[PathBuf]) -> String {
    let all: Vec<String> = roots
        .iter()
        .map(|root| root.display().to_string())
        .collect();
    all.join(" and ")
}

/// A page is named after the run's folder where the file's own name says nothing.
fn title_of(history: &Path) -> String {
    let saved = history
        .file_name()
        .is_some_and(|name| name == "history.jsonl");
    let named = if saved {
        history.parent().and_then(Path::file_name)
    } else {
        history.file_name()
    };
    named
        .unwrap_or(history.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn write_all(mut library: Library, out: &Path) -> Result<Exit, CliError> {
    let entries = library.entries()?;
    let pages = out.join("history");
    create_folder(&pages)?;
    let bar = progress::bar(entries.len() as u64, "pages");
    for entry in &entries {
        bar.set_message(entry.name.clone());
        if entry.verdict != "unreadable" || entry.operations > 0 {
            let page = page_of(
                &entry.path,
                &entry.name,
                library.question(),
                Some("../index.html"),
                all_cores(),
            )?;
            write_file(&pages.join(format!("{}.html", entry.slug)), page.as_bytes())?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let page = index("written by plumb browse", &entries, Links::Written);
    write_file(&out.join("index.html"), page.as_bytes())?;
    files::print(format!(
        "{} histories: {}\n",
        entries.len(),
        out.join("index.html").display()
    ));
    Ok(Exit::Holds)
}

fn listen(server: Server, addr: SocketAddr) -> Result<Exit, CliError> {
    let cannot = |error: std::io::Error| {
        CliError::new(
            format!("cannot serve at {addr}: {error}"),
            "choose another with --addr 127.0.0.1:0, or write files with --out",
        )
    };
    let listener = TcpListener::bind(addr).map_err(cannot)?;
    let own = listener.local_addr().map_err(cannot)?;
    if !own.ip().is_loopback() {
        eprintln!("warning: whoever reaches {own} can read these histories");
    }
    files::print(format!("http://{own}/  (Ctrl-C to stop)\n"));
    serve(server, &listener)?;
    Ok(Exit::Holds)
}
