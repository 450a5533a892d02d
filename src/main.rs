//! Arguments in, exit code out.

use std::process::ExitCode;

/// Small values are made and dropped by the thousand on three threads: by profile, a fifth of the time under load was the
/// C library's, most of it for memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(relance::cli::main())
}
