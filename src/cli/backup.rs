//! `relance backup`: the SQLite database as one file, while `relance serve` runs.

use super::account::read_environment;
use super::exit::{Exit, Failure};
use super::progress::Progress;
use super::{Global, serve};
use crate::store::backup::{NotAFile, NotThere, backup};
use crate::store::migrate::Left;
use serde_json::json;
use std::io::Write as _;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to be made; one that is there is not written over
    file: PathBuf,
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let environment = read_environment()?;
    let url = serve::database_url(&environment, &global.project)?;
    let progress = Progress::of(global, "copying the database");
    let made = backup(&url, &args.file).await.map_err(|error| refused(&error))?;
    drop(progress);
    let mut out = global.out();
    match global.json {
        true => {
            writeln!(out, "{}", json!({ "version": 1, "file": args.file, "bytes": made.bytes, "schema": made.schema }))?
        }
        false => writeln!(out, "{}  {} bytes", args.file.display(), made.bytes)?,
    }
    if !global.quiet {
        writeln!(global.err(), "files of customers (`.relance/media`) and the token are not part of it")?;
    }
    Ok(Exit::Fine)
}

fn refused(error: &anyhow::Error) -> anyhow::Error {
    let message = format!("{error:#}");
    if error.is::<NotAFile>() {
        let hint = "`pg_dump --format=custom --file=relance.dump \"$RELANCE_DATABASE_URL\"` does";
        return Failure::error(Exit::Usage, message, hint);
    }
    if error.is::<NotThere>() {
        let hint = "`relance serve` makes it; `relance dev` begins afresh at each start, and has nothing to keep";
        return Failure::error(Exit::Problems, message, hint);
    }
    if let Some(left) = error.downcast_ref::<Left>() {
        return Failure::error(Exit::Problems, message, left.hint());
    }
    Failure::error(Exit::Problems, message, "name a new file, in a folder with room for the whole database")
}
