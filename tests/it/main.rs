#![allow(clippy::unwrap_used)]
mod engine;
