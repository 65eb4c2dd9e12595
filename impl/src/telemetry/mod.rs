//! What a server says of itself while it runs: [`Metrics`] to be scraped, and [`Narrator`]'s events to be read.
//! Both look in as [`Observer`](crate::server::Observer)s do, and [`MeteredDisk`] through the seam of the
//! disk: the server's own code knows nothing of either.

mod disk;
mod metrics;
mod narrator;

pub use disk::MeteredDisk;
pub use metrics::Metrics;
pub use narrator::Narrator;
