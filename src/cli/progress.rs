//! Progress: one line at a terminal that moves while something lasts, and is gone when it is over.
//!
//! Invariant: where stderr is no terminal, and with `--quiet` or `--json`, not a byte is written.

use super::Global;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::Duration;

/// How often the line moves.
const TICK: Duration = Duration::from_millis(120);

/// Something that lasts. It is over when this is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// `what` is done, with nothing to count.
    pub(super) fn of(global: &Global, what: &'static str) -> Self {
        Self::drawn(global, what, None, "{spinner} {msg}, {elapsed}")
    }

    /// `what` is done, and each one that is done counts.
    pub(super) fn counted(global: &Global, what: &'static str) -> Self {
        Self::drawn(global, what, None, "{spinner} {msg}: {human_pos}, {per_sec}, {elapsed}")
    }

    /// `what` is done, so many of them.
    pub(super) fn of_so_many(global: &Global, what: &'static str, all: usize) -> Self {
        Self::drawn(global, what, Some(all as u64), "{spinner} {msg}: {human_pos} of {human_len} {bar:20} {elapsed}")
    }

    fn drawn(global: &Global, what: &'static str, all: Option<u64>, line: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = match is_shown(global, terminal, std::env::var("TERM").ok().as_deref()) {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(all, target);
        if let Ok(style) = ProgressStyle::with_template(line) {
            bar.set_style(style);
        }
        bar.set_message(what);
        if !bar.is_hidden() {
            bar.tick();
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

/// A person looks on, and asked for nothing that a program reads.
fn is_shown(global: &Global, terminal: bool, kind: Option<&str>) -> bool {
    terminal && !global.quiet && !global.json && kind != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn the_line_is_for_who_looks_on_and_for_nobody_else() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            global: Global,
        }
        let shown = |args: &[&str], terminal, kind| {
            let line = Line::parse_from([&["relance"], args].concat());
            is_shown(&line.global, terminal, kind)
        };
        assert!(shown(&[], true, Some("xterm")) && shown(&[], true, None));
        assert!(!shown(&[], false, Some("xterm")) && !shown(&[], true, Some("dumb")));
        assert!(!shown(&["--quiet"], true, None) && !shown(&["--json"], true, None));
    }
}
