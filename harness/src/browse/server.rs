//! A small HTTP server for the index and the pages: reads only, one request a connection, and no
//! address that was not made by the [`Library`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::index::{Links, index};
use super::library::Library;
use super::open::{Question, page_of};
use crate::cli::CliError;
use crate::cli::sim::all_cores;

/// A request's lines may be this long together.
const LONGEST_REQUEST: u64 = 16 << 10;
/// Who says nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests at a time; more are refused.
const AT_A_TIME: usize = 32;

/// What is served.
#[derive(Debug)]
pub enum Server {
    /// An index and its pages.
    Library(String, Box<Mutex<Library>>),
    /// One page.
    One(PathBuf, Question),
}

/// Serves until the process ends.
///
/// # Errors
/// If the listener breaks.
pub fn serve(server: Server, listener: &TcpListener) -> Result<(), CliError> {
    let broken = |error: std::io::Error| {
        CliError::new(format!("the server has ended: {error}"), "start it again")
    };
    let own = listener.local_addr().map_err(broken)?;
    let (server, busy) = (Arc::new(server), Arc::new(AtomicUsize::new(0)));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if busy.fetch_add(1, Ordering::Relaxed) >= AT_A_TIME {
            busy.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (server, busy) = (Arc::clone(&server), Arc::clone(&busy));
        std::thread::spawn(move || {
            // A reader that went away is no error of ours.
            drop(converse(&server, own, &stream));
            busy.fetch_sub(1, Ordering::Relaxed);
        });
    }
    Ok(())
}

struct Reply {
    status: &'static str,
    body: String,
}

impl Reply {
    fn page(body: String) -> Reply {
        Reply {
            status: "200 OK",
            body,
        }
    }

    fn problem(status: &'static str, what: &str) -> Reply {
        let body = format!(
            "<!doctype html><meta charset=\"utf-8\"><title>{status}</title><p>{}</p><p><a href=\"/\">All \
             histories</a></p>",
            plumb_histories::browser::escape(what)
        );
        Reply { status, body }
    }
}

fn converse(server: &Server, own: SocketAddr, mut stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.take(LONGEST_REQUEST));
    let mut first = String::new();
    lines.read_line(&mut first)?;
    let mut host = None;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("host")
        {
            host = Some(value.trim().to_owned());
        }
    }
    let mut words = first.split_ascii_whitespace();
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let reply = if !matches!(method, "GET" | "HEAD") {
        Reply::problem("405 Method Not Allowed", "This server only shows.")
    } else if own.ip().is_loopback() && !host.as_deref().is_some_and(is_local) {
        // A page elsewhere whose name was made to lead here must not read what is served.
        Reply::problem("403 Forbidden", "This server answers to localhost only.")
    } else {
        answer(server, target.split(['?', '#']).next().unwrap_or_default())
    };
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: \
         close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: \
         no-referrer\r\n\r\n",
        reply.status,
        reply.body.len()
    );
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(reply.body.as_bytes())?;
    }
    stream.flush()
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

fn answer(server: &Server, target: &str) -> Reply {
    let nothing = || Reply::problem("404 Not Found", "There is nothing of that name.");
    let made = |page: Result<String, CliError>| match page {
        Ok(page) => Reply::page(page),
        Err(error) => Reply::problem("500 Internal Server Error", &error.to_string()),
    };
    match server {
        Server::One(path, question) if target == "/" => made(page_of(
            path,
            &path.display().to_string(),
            question,
            None,
            all_cores(),
        )),
        Server::One(..) => nothing(),
        Server::Library(title, library) => {
            let (entries, question) = {
                let mut library = library.lock().unwrap_or_else(PoisonError::into_inner);
                (library.entries(), library.question().clone())
            };
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => return made(Err(error)),
            };
            if target == "/" {
                return Reply::page(index(title, &entries, Links::Served));
            }
            let entry = target
                .strip_prefix("/history/")
                .and_then(|slug| entries.iter().find(|entry| entry.slug == slug));
            entry.map_or_else(nothing, |entry| {
                made(page_of(
                    &entry.path,
                    &entry.name,
                    &question,
                    Some("/"),
                    all_cores(),
                ))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        assert!(is_local("localhost:8080") && is_local("127.0.0.1") && is_local("[::1]:80"));
        assert!(!is_local("example.org:80") && !is_local("127.0.0.1.example.org"));
    }
}
