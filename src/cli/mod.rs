//! Command line: one file per command. Arguments in, exit code out.

pub mod sandbox;
