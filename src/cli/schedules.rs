//! `relance schedule`: what runs next, read from the files alone.

use super::{Exit, Global, project, schedule};
use crate::clock::Clock;
use crate::workflow;
use std::io::Write as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Firings shown of each schedule
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
}

pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let files = project::read_files(&global.project)?;
    let loaded = workflow::load(&files);
    let Some(project) = loaded.project else {
        match global.json {
            true => super::check::print_json(global, &loaded.diagnostics)?,
            false => super::check::show(global.err(), &loaded.diagnostics, &files)?,
        }
        return Ok(Exit::Problems);
    };
    let now_ms = Clock::machine(0).now_ms();
    let text = match global.json {
        true => schedule::render_json(&project, now_ms, args.count.into()).to_string() + "\n",
        false => schedule::render(&project, now_ms, args.count.into()),
    };
    global.out().write_all(text.as_bytes())?;
    Ok(Exit::Fine)
}
