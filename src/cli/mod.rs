//! Command line: what people type, and what they are told.

pub mod check;
pub mod project;
