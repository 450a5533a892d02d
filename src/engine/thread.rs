//! Thread: where the loop runs. Invariant: a process never serves on without its loop.

use super::evaluate;
use tokio::runtime::Builder;

/// Runs the loop. `apart`: on a thread and a runtime of its own; between requests and calls, a task of the shared runtime
/// would be woken late, and what it writes to a file holds the thread that it is on. Where one story is played, everybody
/// waits for it anyway.
pub(super) fn run<F>(apart: bool, task: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    if !apart {
        let running = tokio::spawn(task());
        tokio::spawn(async move {
            if running.await.is_err_and(|error| error.is_panic()) {
                end();
            }
        });
        return Ok(());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        if evaluate::guarded(|| runtime.block_on(task())).is_err() {
            end();
        }
    };
    std::thread::Builder::new().name("engine".into()).spawn(run)?;
    Ok(())
}

/// Without its loop the process could only refuse: it ends, and whoever watches it starts it again.
fn end() -> ! {
    tracing::error!("the engine's loop ended in a panic: the process ends");
    std::process::exit(70);
}
