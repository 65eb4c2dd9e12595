//! Histories for people: what there is, an index of it, a page for each, and a small server for both.

mod index;
mod library;
mod open;
mod server;
mod states;
mod verdict;

pub use index::{Links, index};
pub use library::{Entry, Library};
pub use open::{Question, page_of};
pub use server::{Server, serve};
pub use verdict::page_verdict;
