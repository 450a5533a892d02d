//! Outbox: decides what leaves, in which form and when, and what an answer means. The engine's loop claims, commits,
//! calls and records around these decisions.
//!
//! Invariant: no byte is written before the attempt is committed; a call in doubt is never made again by itself.

pub mod breaker;
pub mod gate;
pub mod quiet;
pub mod rates;
#[cfg(test)]
mod samples;
pub mod settle;
mod verdict;
pub mod window;
pub mod zones;
