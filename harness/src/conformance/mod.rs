//! What ties the real core to its specification: explored exhaustively in small scopes (L1).

pub mod exhaustive;
