//! `relance migrate`: what a SQLite file holds goes to PostgreSQL, once one machine is not enough.

use super::account::read_environment;
use super::exit::{Exit, Failure};
use super::progress::Progress;
use super::{Global, state};
use crate::store::NewerSchema;
use crate::store::inspect::inspect;
use crate::store::migrate::{NotCarried, Step, migrate};
use serde_json::json;
use std::io::Write as _;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SQLite file, when it is not `.relance/relance.db`
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Carries a SQLite file over to the server of `RELANCE_DATABASE_URL`.
///
/// # Errors
/// When there is none, the server is not there or not empty, or a `relance serve` uses the file.
pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let to = read_environment()?.database_url.unwrap_or_default();
    let from = match &args.from {
        Some(file) => state::url_of(file)?,
        None => state::url_of(&state::place(&global.project).join("relance.db"))?,
    };
    let mut progress = None;
    let told = |step| match step {
        Step::All(rows) => progress = Some(Progress::of_so_many(global, "rows carried over", rows)),
        Step::Gone(rows) => progress.iter().for_each(|progress: &Progress| progress.add(rows)),
    };
    let carried = match migrate(&from, &to, told).await {
        Ok(carried) => carried,
        Err(error) => return Err(refused(&error, &from).await),
    };
    drop(progress);
    let mut out = global.out();
    match global.json {
        true => writeln!(out, "{}", json!({ "version": 1, "tables": carried.tables, "rows": carried.rows }))?,
        false => writeln!(out, "{} rows of {} tables are in PostgreSQL", carried.rows, carried.tables)?,
    }
    if !global.quiet {
        writeln!(
            global.err(),
            "`relance serve` goes on there; the SQLite file stays, and is not served from any more"
        )?;
    }
    Ok(Exit::Fine)
}

/// An error with the way out, which depends on what an earlier try left.
async fn refused(error: &anyhow::Error, from: &str) -> anyhow::Error {
    let message = format!("{error:#}");
    if let Some(why) = error.downcast_ref::<NotCarried>() {
        let exit = if *why == NotCarried::NoServer { Exit::Usage } else { Exit::Problems };
        return Failure::error(exit, message, why.hint());
    }
    if error.is::<NewerSchema>() {
        return Failure::error(Exit::Problems, message, "update relance on this machine first");
    }
    let again = "stop every `relance serve`, check the server of RELANCE_DATABASE_URL, and run it again";
    let hint = match inspect(from).await.map(|file| file.left) {
        Ok(None) => format!("nothing was carried over, and the file serves as before: {again}"),
        Ok(Some(left)) => format!("nothing is served from the file: {left}; {}", left.hint()),
        Err(_) => again.to_owned(),
    };
    Failure::error(Exit::Problems, message, hint)
}
