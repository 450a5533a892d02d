//! `relance sandbox`: the fake Callbell alone, for `relance serve` in another process and for anyone's own program.
//!
//! Invariant: it listens on this machine only; whoever reaches it may do everything.

use super::exit::Failure;
use super::{Exit, Global, project};
use crate::clock::Clock;
use crate::config::{Project, Secret};
use crate::connector::sandbox::{NOTES, Sandbox, SandboxConfig, Timing};
use crate::rehearsal;
use anyhow::Context;
use jiff::SignedDuration;
use std::net::SocketAddr;
use tokio::net::TcpListener;

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address to listen on, of this machine only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4100")]
    pub listen: SocketAddr,
    /// Where events are posted; `POST /v1/webhooks/subscribe` replaces it
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
    /// Events are signed with this secret
    #[arg(long, value_name = "SECRET", env = "CALLBELL_SIGNING_SECRET", hide_env_values = true)]
    pub signing_secret: Option<String>,
    /// The API token that callers must show; without one, any will do
    #[arg(long, value_name = "TOKEN", env = "CALLBELL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// What the clock is ahead of the machine's, like `+26h`; it can be moved on by `POST /sandbox/clock`
    #[arg(long, value_name = "DURATION", env = "RELANCE_CLOCK_OFFSET", allow_hyphen_values = true, value_parser = read_offset)]
    pub clock_offset: Option<SignedDuration>,
    /// Messages are read this long after they were sent, like `3s`; without it, nobody reads
    #[arg(long, value_name = "DURATION", value_parser = read_offset)]
    pub read_after: Option<SignedDuration>,
    /// How many messages and calls are remembered
    #[arg(long, value_name = "NUMBER", default_value_t = 200_000)]
    pub keep: usize,
}

/// Plays the account of the project in this folder, if there is one, until interrupted.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let files = project::read_files(&global.project)?;
    let project = crate::workflow::load(&files).project.map(rehearsal::furnished);
    if project.is_none() {
        eprintln!("sandbox: no project here: the account has one line and no templates");
        eprintln!("hint: start it in the project's folder, or name that with `-C`, and it has the project's");
    }
    serve(args, project.as_ref()).await?;
    Ok(Exit::Fine)
}

/// Serves until interrupted. `project`: whose templates and channels the account has.
///
/// # Errors
/// When the address is public or taken, or the clock's offset is out of reach.
pub async fn serve(args: Args, project: Option<&Project>) -> anyhow::Result<()> {
    if !args.listen.ip().is_loopback() {
        let message = format!("the sandbox listens on this machine only, not on `{}`", args.listen);
        return Err(Failure::error(Exit::Usage, message, "use 127.0.0.1"));
    }
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let sandbox = Sandbox::new(config(args, project)?)?;
    sandbox.set_base(&format!("http://{address}"));
    eprintln!("sandbox: listening on http://{address}");
    eprintln!(
        "hint: CALLBELL_BASE_URL=http://{address}/v1 makes relance send here; GET http://{address}/sandbox/messages shows what arrived"
    );
    let width = NOTES.iter().map(|(call, _)| call.len()).max().unwrap_or(0);
    for (call, does) in NOTES {
        eprintln!("  {call:width$}  {does}");
    }
    let server = axum::serve(listener, sandbox.router());
    tokio::select! {
        ended = server => ended.context("the sandbox stopped listening"),
        () = sandbox.run() => Ok(()),
        asked = tokio::signal::ctrl_c() => asked.context("cannot wait for Ctrl-C"),
    }
}

fn config(args: Args, project: Option<&Project>) -> anyhow::Result<SandboxConfig> {
    let offset = args.clock_offset.unwrap_or_default().as_millis();
    let offset_ms = i64::try_from(offset).context("the clock's offset is out of reach")?;
    let clock = Clock::movable(Some(Clock::machine(0).now_ms().saturating_add(offset_ms)));
    let read_ms = args.read_after.map(|after| i64::try_from(after.as_millis())).transpose()?;
    let settings = project.map(|project| &project.settings);
    let listed = settings.into_iter().flat_map(|settings| &settings.channels).filter(|channel| channel.listed);
    Ok(SandboxConfig {
        own_clock: true,
        token: args.token.as_deref().and_then(bare_token).map(Secret::new),
        templates: project.into_iter().flat_map(|project| project.catalogue.lock.values().cloned()).collect(),
        channels: listed.cloned().collect(),
        office: project.map(rehearsal::office).unwrap_or_default(),
        webhook_url: args.webhook,
        signing_secret: args.signing_secret.as_deref().and_then(first_secret).map(Secret::new),
        timing: Timing { read_ms, ..Timing::default() },
        keep: args.keep,
        ..SandboxConfig::new(clock)
    })
}

/// The token as the API checks it: people paste it with the `Bearer ` that the dashboard shows.
fn bare_token(written: &str) -> Option<&str> {
    let written = written.trim();
    let bare = match written.get(..7) {
        Some(prefix) if prefix.eq_ignore_ascii_case("bearer ") => written[7..].trim(),
        _ => written,
    };
    (!bare.is_empty()).then_some(bare)
}

/// The first of one or two secrets: while they rotate, the account signs with one of them.
fn first_secret(written: &str) -> Option<&str> {
    written.split(',').map(str::trim).find(|secret| !secret.is_empty())
}

fn read_offset(written: &str) -> Result<SignedDuration, String> {
    let bare = written.strip_prefix('+').unwrap_or(written);
    bare.parse().map_err(|_| format!("cannot read `{written}`: write hours, minutes or seconds, like `+26h`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Args {
        Command::try_parse_from(std::iter::once(&"sandbox").chain(line)).unwrap().args
    }

    #[tokio::test]
    async fn a_public_address_is_refused() {
        for public in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let error = serve(args(&["--listen", public]), None).await.unwrap_err();
            let failure = error.downcast::<Failure>().unwrap();
            assert!(failure.message.contains("this machine only") && failure.exit == Exit::Usage, "{failure:?}");
        }
    }

    #[test]
    fn the_account_has_what_the_projects_workflows_name() {
        let relance = "version: 1\nname: S\nsettings: { timezone: Europe/Madrid }\n";
        let workflow = "name: Ping\nwhen: { message: { is: ping } }\ndo:\n  - update_contact: { team: Ventas, add_tags: [pinged] }\n";
        let files = [("relance.yaml", relance), ("workflows/ping.yaml", workflow)];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let project = crate::workflow::load(&files).project.unwrap();
        let office = config(args(&[]), Some(&project)).unwrap().office;
        assert!(office.teams.iter().any(|team| team.name == "Ventas"), "{:?}", office.teams);
    }

    #[test]
    fn the_clock_is_ahead_as_asked_and_secrets_are_read_as_people_paste_them() {
        let given =
            args(&["--clock-offset", "+26h", "--token", " bearer abc ", "--signing-secret", " , whsec_2,whsec_1"]);
        let before = Clock::machine(0).now_ms();
        let config = config(given, None).unwrap();
        let ahead = config.clock.now_ms() - before;
        assert!((26 * 3_600_000..26 * 3_600_000 + 60_000).contains(&ahead), "{ahead}");
        assert_eq!(config.token, Some(Secret::new("abc")));
        assert_eq!(config.signing_secret, Some(Secret::new("whsec_2")));
        assert_eq!((config.keep, config.own_clock), (200_000, true));
        assert!(Command::try_parse_from(["sandbox", "--clock-offset", "soon"]).is_err());
    }
}
