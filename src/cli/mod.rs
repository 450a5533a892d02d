//! The command line: one file per command. Data goes to stdout, talk to stderr; exit codes are part of the interface.
//!
//! Nothing is decided here: commands read files, start the loops, or ask a server.

mod account;
pub mod ask;
pub mod backup;
pub mod campaigns;
pub mod channels;
pub mod check;
pub mod completions;
pub mod contacts;
mod counted;
pub mod dev;
pub mod diff;
pub mod doctor;
pub mod environment;
pub mod exit;
pub mod explain;
pub mod fmt;
pub mod init;
pub mod language;
mod marks;
pub mod migrate;
mod moment;
mod out;
pub mod paint;
pub mod preview;
mod process;
mod progress;
pub mod project;
mod replace;
pub mod runs;
pub mod sandbox;
pub mod schedule;
pub mod schedules;
pub mod schema;
pub mod send;
pub mod serve;
mod shapes;
pub mod state;
pub mod templates;
pub mod test;
pub mod token;
pub mod trigger;
pub mod webhooks;
pub mod why;
mod width;

pub use exit::Exit;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::io::IsTerminal as _;
use std::path::PathBuf;

/// Messaging automations written as YAML: when something happens, if conditions hold, do send the right message.
#[derive(Debug, Parser)]
#[command(name = "relance", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The project folder
    #[arg(short = 'C', long, global = true, default_value = ".", value_name = "FOLDER")]
    pub project: PathBuf,
    /// Print JSON instead of text; `relance schema --output` tells its shape
    #[arg(long, global = true)]
    pub json: bool,
    /// Address of the relance server that is asked
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// Print less
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Whether to colour what is printed
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: paint::Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a project
    Init(init::Args),
    /// Try the project against a sandbox, in a page with phones and a clock
    Dev(dev::Args),
    /// Serve the project against the Callbell API
    Serve(serve::Args),
    /// Find every mistake of the project's files
    Check(check::Args),
    /// Lay the project's files out in one way; what they say and their comments stay
    Fmt(fmt::Args),
    /// Play the tests of the project, with a clock that is moved and nothing that leaves
    Test(test::Args),
    /// What editors know of the project's files, as JSON Schema
    Schema(schema::Args),
    /// Post an event to a running server
    Trigger(trigger::Args),
    /// What a workflow does, in plain words; what a code of `check` means
    Explain(explain::Args),
    /// Who would get what and when, for a sample, a person or the next firing; nothing leaves
    Preview(preview::Args),
    /// Why a person got something, or nothing
    Why(why::Args),
    /// What runs next, and when
    Schedule(schedules::Args),
    /// Look at runs of a running server, and repair them
    #[command(subcommand)]
    Runs(runs::Command),
    /// Look at campaigns of a running server, pause and resume them
    #[command(subcommand)]
    Campaigns(campaigns::Command),
    /// Send one message to one person through a running server
    Send(send::Args),
    /// People that a running server knows
    #[command(subcommand)]
    Contacts(contacts::Command),
    /// Templates of the account, and the lock file
    #[command(subcommand)]
    Templates(templates::Command),
    /// Lines of the account
    #[command(subcommand)]
    Channels(channels::Command),
    /// The account's webhook
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// The folder against what serves
    Diff,
    /// Copy the SQLite database into one file, while it is served
    Backup(backup::Args),
    /// Carry the SQLite database over to the PostgreSQL server of RELANCE_DATABASE_URL
    Migrate(migrate::Args),
    /// What is wrong with this installation, and how to mend it
    Doctor(doctor::Args),
    /// The fake Callbell alone
    Sandbox(sandbox::Args),
    /// What a shell reads to complete commands and the project's names: `source <(relance completions bash)`
    Completions(completions::Args),
    /// Write a manual page for each command
    Man(completions::ManArgs),
}

/// Runs the command of the arguments; the exit code comes back.
pub fn main() -> u8 {
    completions::answer(command);
    let (cli, words) = match read() {
        Ok(read) => read,
        Err(error) => return exit::misread(&error).code(),
    };
    // What the engine says while it is played with is not what was asked for.
    let calm = matches!(cli.command, Command::Test(_) | Command::Preview(_));
    start_log(&cli.global, calm);
    let global = cli.global.clone();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&anyhow::Error::new(error), &cli.global).code(),
    };
    let exit = runtime.block_on(run(cli, &words)).unwrap_or_else(|error| exit::report(&error, &global));
    runtime.shutdown_background();
    exit.code()
}

/// All commands, with their options. Their help is as wide as the terminal, and as long as it is elsewhere.
fn command() -> clap::Command {
    let command = without_idle(Cli::command()).max_term_width(width::BOUNDS.1);
    if std::io::stdout().is_terminal() { command } else { command.term_width(0) }
}

/// Commands that ask no running server: an address means nothing to them.
const ALONE: [&str; 16] = [
    "backup",
    "channels",
    "check",
    "completions",
    "dev",
    "explain",
    "fmt",
    "init",
    "man",
    "migrate",
    "preview",
    "sandbox",
    "schedule",
    "schema",
    "serve",
    "templates",
];

/// The help of a command leaves out the options of all that mean nothing to it, or that it refuses.
fn without_idle(mut command: clap::Command) -> clap::Command {
    let hidden = |id: &str, command: &clap::Command| command.get_arguments().find(|one| one.get_id() == id).cloned();
    let silent = shapes::SILENT.map(|(name, _)| name);
    for (id, names) in [("json", &silent[..]), ("url", &ALONE[..])] {
        let Some(option) = hidden(id, &command) else { continue };
        for name in names {
            command = command.mut_subcommand(name, |one| one.arg(option.clone().hide(true)));
        }
    }
    command
}

/// What this program was started with, and the words of its command: `runs list`.
fn read() -> Result<(Cli, String), clap::Error> {
    let matches = command().color(paint::of_help()).try_get_matches()?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))?;
    let (mut words, mut at) = (Vec::new(), matches.subcommand());
    while let Some((word, below)) = at {
        words.push(word.to_owned());
        at = below.subcommand();
    }
    Ok((cli, words.join(" ")))
}

/// Who asks for JSON gets JSON, or is told that there is none.
fn refuse_json(words: &str) -> anyhow::Result<()> {
    let silent = shapes::SILENT.iter().find(|(command, _)| *command == words);
    silent.map_or(Ok(()), |(_, hint)| {
        Err(exit::Failure::error(Exit::Usage, format!("`relance {words}` prints no JSON"), *hint))
    })
}

async fn run(cli: Cli, words: &str) -> anyhow::Result<Exit> {
    let global = &cli.global;
    if global.json {
        refuse_json(words)?;
    }
    match cli.command {
        Command::Init(args) => init::run(global, &args),
        Command::Dev(args) => dev::run(global, args).await,
        Command::Serve(args) => serve::run(global, args).await,
        Command::Check(args) => check::run(global, &args).await,
        Command::Fmt(args) => fmt::run(global, &args),
        Command::Test(args) => test::run(global, &args).await,
        Command::Schema(args) => schema::run(global, &args),
        Command::Trigger(args) => trigger::run(global, &args).await,
        Command::Explain(args) => explain::run(global, &args),
        Command::Preview(args) => preview::run(global, &args),
        Command::Why(args) => why::run(global, &args).await,
        Command::Schedule(args) => schedules::run(global, &args),
        Command::Runs(command) => runs::run(global, &command).await,
        Command::Campaigns(command) => campaigns::run(global, &command).await,
        Command::Send(args) => send::run(global, &args).await,
        Command::Contacts(command) => contacts::run(global, &command).await,
        Command::Templates(command) => templates::run(global, &command).await,
        Command::Channels(command) => channels::run(global, &command).await,
        Command::Webhooks(command) => webhooks::run(global, &command).await,
        Command::Diff => diff::run(global).await,
        Command::Backup(args) => backup::run(global, &args).await,
        Command::Migrate(args) => migrate::run(global, &args).await,
        Command::Doctor(args) => doctor::run(global, &args).await,
        Command::Sandbox(args) => sandbox::run(global, args).await,
        Command::Completions(args) => completions::run(global, &args),
        Command::Man(args) => completions::man(command(), &args),
    }
}

/// The log goes to stderr. `RELANCE_LOG` chooses what (`info`, `relance=debug`), `RELANCE_LOG_FORMAT=json` how.
fn start_log(global: &Global, calm: bool) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) if calm => "error",
        (false, 0) => "warn,relance=info",
        (false, 1) => "warn,relance=debug",
        (false, _) => "debug,relance=trace",
    };
    let wanted = std::env::var("RELANCE_LOG").unwrap_or_else(|_| level.to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(wanted).unwrap_or_else(|_| level.into());
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).with_target(false);
    let log = log.with_ansi(global.paints(&std::io::stderr()));
    let json = std::env::var("RELANCE_LOG_FORMAT").is_ok_and(|format| format == "json");
    let _ = if json { log.json().try_init() } else { log.compact().try_init() };
}
