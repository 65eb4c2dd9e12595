//! What ties the real core to its specification: it is explored exhaustively in small scopes (L1), and every step
//! of every run is one that the specification allows (L2).

pub mod exhaustive;
pub mod steps;
pub mod trace;
