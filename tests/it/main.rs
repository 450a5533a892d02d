#![allow(clippy::unwrap_used)]
mod bad;
mod engine;
mod process;
mod serve;
