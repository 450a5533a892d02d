//! Progress: one line at a terminal that moves while something lasts, and is gone when it is over.
//!
//! Invariant: where stderr is no terminal, and with `--quiet`, not a byte is written.

use super::Global;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// How often the line moves.
const TICK: Duration = Duration::from_millis(120);

/// Something that lasts. It is over when this is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// `what` is done, with nothing to count.
    pub(super) fn of(global: &Global, what: &'static str) -> Self {
        Self::drawn(global, what, "{spinner} {msg}, {elapsed}")
    }

    /// `what` is done, and each one that is done counts.
    pub(super) fn counted(global: &Global, what: &'static str) -> Self {
        Self::drawn(global, what, "{spinner} {msg}: {human_pos}, {per_sec}, {elapsed}")
    }

    fn drawn(global: &Global, what: &'static str, line: &str) -> Self {
        let target = if global.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(line) {
            bar.set_style(style);
        }
        bar.set_message(what);
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    /// So many more are done.
    pub(super) fn add(&self, done: usize) {
        self.0.inc(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
