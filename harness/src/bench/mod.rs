//! Measurements, with their figures as data: what `plumb bench` prints.

pub mod checkers;
pub mod conform;
pub mod model;
pub mod porcupine;
pub mod raft;
pub mod sim;
