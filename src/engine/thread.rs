//! Thread: where the loop runs, apart from requests and calls. Invariant: a process never serves on without its loop.

use super::evaluate;

/// Runs the loop on a thread and a runtime of its own. Each statement is an answer waited for: between requests and
/// calls, a task of the shared runtime would be woken late, and a group has a dozen of them.
pub(super) fn on_own_thread<F: Future<Output = ()>>(task: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        // Without its loop the process could only refuse: it ends, and whoever watches it starts it again.
        if evaluate::guarded(|| runtime.block_on(task())).is_err() {
            tracing::error!("the engine's loop ended in a panic: the process ends");
            std::process::exit(70);
        }
    };
    std::thread::Builder::new().name("engine".into()).spawn(run)?;
    Ok(())
}
