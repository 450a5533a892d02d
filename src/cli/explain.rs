//! `relance explain`: what a code of the checks means, why it matters, and how it is done right.

use super::Exit;
use super::exit::Failure;
use crate::workflow::codes;
use std::io::Write as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A code such as `R102`
    #[arg(value_name = "CODE")]
    what: String,
    /// Language of the explanation: `en` or `fr`
    #[arg(long, default_value = "en", value_name = "LANGUAGE")]
    language: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(explained) = codes::explain(&args.what, &args.language) else {
        let known: Vec<&str> = codes::all().collect();
        let message = format!("there is no code `{}`", args.what);
        return Err(Failure::error(Exit::Usage, message, format!("there is {}", known.join(" "))));
    };
    std::io::stdout().write_all(explained.as_bytes())?;
    Ok(Exit::Fine)
}
