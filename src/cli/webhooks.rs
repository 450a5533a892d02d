//! `relance webhooks connect|list|test|record`: the account's only webhook.
//!
//! Invariant: an address that is not ours is replaced only by who said so, at the terminal or with `--yes`; the secret
//! part of an address is never printed.

use super::account::{Account, read_environment, told};
use super::ask::{Server, cause, confirmed};
use super::exit::Failure;
use super::replace::write_new;
use super::{Exit, Global, serve};
use crate::clock::Clock;
use crate::config::{Environment, Secret, read_url};
use crate::connector::account::{EVENTS, Posted, Posts};
use crate::connector::webhook::TEST_EVENT;
use crate::event::is_own_message;
use crate::trigger::webhook::sign_callbell;
use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::fs;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

/// The server's own answer has some bytes.
const MOST_OF_AN_ANSWER: usize = 4096;
/// A post is logged after its answer: so much later at most, when this server is busy.
const LOGGED_WITHIN_MS: i64 = 10_000;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make this server the account's webhook, for every event
    Connect {
        /// How the outside reaches this server; else RELANCE_PUBLIC_URL
        #[arg(long = "public-url", value_name = "URL")]
        public_url: Option<String>,
        /// Replace whatever webhook the account has, without asking
        #[arg(long)]
        yes: bool,
    },
    /// The newest posts of the account to its webhook
    List {
        /// Only those that failed
        #[arg(long)]
        failed: bool,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Post a sample event to this server as the account does, and say whether it was taken
    Test {
        /// Address below which the server is reached; else RELANCE_PUBLIC_URL, else the local one
        #[arg(long = "public-url", value_name = "URL")]
        public_url: Option<String>,
    },
    /// Write a received event to `workflows/samples/<name>.json`
    Record {
        /// The event's id, or its name: then the newest one
        event: String,
        /// Name of the sample; else the event's own
        #[arg(long = "as", value_name = "SAMPLE")]
        sample: Option<String>,
        /// Keep numbers, names, e-mail addresses and texts as they came
        #[arg(long)]
        show_pii: bool,
        /// Write over a sample that is there
        #[arg(long)]
        force: bool,
    },
}

pub(super) async fn run(global: &Global, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Connect { public_url, yes } => connect(global, public_url.as_deref(), *yes).await,
        Command::List { failed, limit } => list(global, *failed, *limit).await,
        Command::Test { public_url } => test(global, public_url.as_deref()).await,
        Command::Record { event, sample, show_pii, force } => {
            record(global, event, sample.as_deref(), *show_pii, *force).await
        }
    }
}

// --- connect ----------------------------------------------------------------------------------------------------------

async fn connect(global: &Global, public_url: Option<&str>, yes: bool) -> anyhow::Result<Exit> {
    let account = Account::of(global)?;
    let public = given(public_url)?.or(account.environment.public_url.clone());
    let public = public.ok_or_else(|| {
        let hint = "set RELANCE_PUBLIC_URL, or add `--public-url https://…`";
        Failure::error(Exit::Usage, "nobody said how the outside reaches this server", hint)
    })?;
    let address = account.environment.webhook_address(&public).ok_or_else(|| {
        let hint = "set CALLBELL_WEBHOOK_SECRET to a long random text, here and where `relance serve` runs";
        Failure::error(Exit::Usage, "no secret of Callbell is set: the server would refuse every event", hint)
    })?;
    refuse_local(&public, &account)?;
    let log = told(account.callbell.posted(Posts::All, 1).await)?;
    eprintln!("{}", presently(&log.rows));
    if !yes && !is_ours(global, &address, &log.rows).await && !agreed(&public)? {
        eprintln!("nothing was changed");
        return Ok(Exit::Problems);
    }
    let subscribed = told(account.callbell.subscribe(address.expose()).await)?;
    let remembered = remember(global, &address).await;
    let missing: Vec<&&str> =
        EVENTS.iter().filter(|event| !subscribed.events.iter().any(|one| one == **event)).collect();
    if global.json {
        let shown = json!({ "version": 1, "url": format!("{public}/callbell/…"), "events": subscribed.events,
            "enabled": subscribed.enabled, "remembered": remembered.is_ok() });
        writeln!(global.out(), "{shown}")?;
    } else {
        writeln!(
            global.out(),
            "the account posts its events to {public}/callbell/… ({} kinds)",
            subscribed.events.len()
        )?;
    }
    if !missing.is_empty() && !subscribed.events.is_empty() {
        eprintln!("warning: the account did not take {missing:?}");
    }
    if let Err(error) = remembered {
        eprintln!("warning: no server was told, so that none subscribes again when Callbell disables it: {error:#}");
        eprintln!("hint: start `relance serve`, then connect again");
    }
    Ok(Exit::Fine)
}

/// `--public-url`, held to the same as RELANCE_PUBLIC_URL.
fn given(public_url: Option<&str>) -> anyhow::Result<Option<String>> {
    let read = public_url.map(read_url).transpose();
    read.map_err(|mistake| {
        Failure::error(Exit::Usage, format!("--public-url {mistake}"), "write it as `https://relance.example.com`")
    })
}

/// The vendor posts to public addresses only; a sandbox on this machine posts to this machine.
fn refuse_local(public: &str, account: &Account) -> anyhow::Result<()> {
    if serve::is_loopback(public) && !account.is_local() {
        let hint = "give the address by which the internet reaches this server";
        return Err(Failure::error(Exit::Usage, format!("Callbell cannot reach `{public}`"), hint));
    }
    Ok(())
}

/// What the account's log tells of its present webhook; it never tells the address.
fn presently(log: &[Posted]) -> String {
    let Some(newest) = log.first() else {
        return "the account has posted no event yet: whether it has a webhook is not known".into();
    };
    let at = newest.at_ms.map(shown_time).unwrap_or_default();
    match (newest.success, newest.code) {
        (true, _) => format!("the account has a webhook that takes its events; the newest at {at}"),
        (false, Some(code)) => format!("the account has a webhook that answers {code}; the newest event at {at}"),
        (false, None) => format!("the account has a webhook that does not answer; the newest event at {at}"),
    }
}

/// Whether the webhook is surely this address: a running server remembers that it was connected, and the newest post that
/// was taken came there. It may have been moved since it was connected.
async fn is_ours(global: &Global, address: &Secret, log: &[Posted]) -> bool {
    let Some(taken_ms) = log.iter().find(|post| post.success).and_then(|post| post.at_ms) else { return false };
    let Ok(server) = Server::of(global) else { return false };
    let asked = server.post("/api/webhooks/is-connected", &json!({ "url": address.expose() })).await;
    let Ok(answer) = asked else { return false };
    let posted = answer["posted_at"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let came_here = posted.is_some_and(|at| at.as_millisecond() + LOGGED_WITHIN_MS >= taken_ms);
    answer["connected"] == true && came_here
}

fn agreed(public: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        let hint = "add `--yes` to connect all the same: whoever gets the events now gets them no more";
        return Err(Failure::error(Exit::Usage, "the account's webhook may be somebody else's", hint));
    }
    confirmed(&format!("an account has only one webhook: make it {public}/callbell/… ?"))
}

async fn remember(global: &Global, address: &Secret) -> anyhow::Result<()> {
    Server::of(global)?.post("/api/webhooks/connected", &json!({ "url": address.expose() })).await.map(drop)
}

// --- list -------------------------------------------------------------------------------------------------------------

async fn list(global: &Global, failed: bool, limit: usize) -> anyhow::Result<Exit> {
    let account = Account::of(global)?;
    let which = if failed { Posts::Failed } else { Posts::All };
    let (mut rows, mut page) = (Vec::new(), 1);
    while rows.len() < limit {
        let found = told(account.callbell.posted(which, page).await)?;
        rows.extend(found.rows);
        if page >= found.pages {
            break;
        }
        page += 1;
    }
    rows.truncate(limit);
    let mut out = global.out();
    if global.json {
        let row = |post: &Posted| json!({ "at": post.at_ms.map(shown_time), "event": post.event, "success": post.success, "code": post.code });
        writeln!(out, "{}", json!({ "version": 1, "events": rows.iter().map(row).collect::<Vec<_>>() }))?;
        return Ok(Exit::Fine);
    }
    for post in &rows {
        let (at, code) = (post.at_ms.map(shown_time), post.code.map(|code| code.to_string()));
        let word = if post.success { "taken" } else { "failed" };
        let (at, code) = (at.unwrap_or_else(|| "-".into()), code.unwrap_or_else(|| "-".into()));
        writeln!(out, "{at:<24}  {word:<6}  {code:>3}  {}", post.event)?;
    }
    if rows.is_empty() {
        eprintln!("the account's log holds no such post");
    }
    Ok(Exit::Fine)
}

pub(super) fn shown_time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default().to_string()
}

// --- test -------------------------------------------------------------------------------------------------------------

async fn test(global: &Global, public_url: Option<&str>) -> anyhow::Result<Exit> {
    let environment = read_environment()?;
    let local = || format!("http://{}", environment.listen);
    let base = given(public_url)?.or(environment.public_url.clone()).unwrap_or_else(local);
    let address = environment.webhook_address(&base).ok_or_else(|| {
        let hint = "set CALLBELL_WEBHOOK_SECRET or CALLBELL_SIGNING_SECRET, as where `relance serve` runs";
        Failure::error(Exit::Usage, "no secret of Callbell is set: the server refuses every event", hint)
    })?;
    let http = client(&base)?;
    let checks = [
        ("connection check (GET)", ask(&http, &address, None, &environment).await?),
        ("sample event (POST)", ask(&http, &address, Some(sample()), &environment).await?),
    ];
    let taken = |said: &(u16, String)| said.0 == 200 && said.1 == "{\"status\":\"ok\"}";
    let fine = checks.iter().all(|(_, said)| taken(said));
    let mut out = global.out();
    if global.json {
        let row =
            |(what, said): &(&str, (u16, String))| json!({ "what": what, "status": said.0, "taken": taken(said) });
        writeln!(out, "{}", json!({ "version": 1, "checks": checks.iter().map(row).collect::<Vec<_>>() }))?;
    } else {
        for (what, said) in &checks {
            let word = if taken(said) { "taken" } else { "refused" };
            writeln!(out, "{word}  {what}: {}", said.0)?;
        }
    }
    if !fine {
        eprintln!("hint: the address or a secret differs from the server's; compare its environment with this one");
    }
    Ok(if fine { Exit::Fine } else { Exit::Refused })
}

/// Asks this server at its address as the account does: the secret in it goes to nobody else.
pub(super) fn client(base: &str) -> anyhow::Result<reqwest::Client> {
    let builder = crate::connector::http_client()?.timeout(Duration::from_secs(15));
    let builder = if serve::is_loopback(base) { builder.no_proxy() } else { builder };
    Ok(builder.build()?)
}

/// The beginning of an answer: whoever stands at the address may send without end.
pub(super) async fn beginning(mut answer: reqwest::Response) -> String {
    let mut read = Vec::new();
    while read.len() < MOST_OF_AN_ANSWER {
        match answer.chunk().await {
            Ok(Some(chunk)) => read.extend_from_slice(&chunk),
            _ => break,
        }
    }
    read.truncate(MOST_OF_AN_ANSWER);
    String::from_utf8_lossy(&read).trim().to_owned()
}

/// An event that starts nothing and is about nobody.
fn sample() -> String {
    let at_ms = Clock::machine(0).now_ms();
    json!({ "event": TEST_EVENT, "payload": { "at": shown_time(at_ms) } }).to_string()
}

/// One request as the account makes it: status and body of the answer.
async fn ask(
    http: &reqwest::Client,
    address: &Secret,
    body: Option<String>,
    environment: &Environment,
) -> anyhow::Result<(u16, String)> {
    let request = match body {
        None => http.get(address.expose()),
        Some(body) => {
            let request = http.post(address.expose()).header("content-type", "application/json");
            match environment.callbell_signing_secrets.first() {
                None => request.body(body),
                Some(secret) => {
                    let signature = sign_callbell(secret, body.as_bytes(), Clock::machine(0).now_ms() / 1000);
                    request.header("x-callbell-signature", signature).body(body)
                }
            }
        }
    };
    let answer = request.send().await.map_err(|error| {
        let message = format!("the server cannot be reached: {}", cause(error));
        Failure::error(Exit::NoConnection, message, "start `relance serve`, or check the public address")
    })?;
    let status = answer.status().as_u16();
    Ok((status, beginning(answer).await))
}

// --- record -----------------------------------------------------------------------------------------------------------

async fn record(
    global: &Global,
    event: &str,
    sample: Option<&str>,
    show_pii: bool,
    force: bool,
) -> anyhow::Result<Exit> {
    let server = Server::of(global)?;
    let found = received(&server, event).await?;
    let name = sample.or(found["name"].as_str()).unwrap_or(event);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
        let hint = "use letters, digits, `.`, `_` and `-`: `--as order.paid`";
        return Err(Failure::error(Exit::Usage, format!("no name of a sample: `{name}`"), hint));
    }
    let folder = global.project.join("workflows/samples");
    let path = folder.join(format!("{name}.json"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let open = if show_pii { "?show_pii=1" } else { "" };
    let id = found["id"].as_str().context("the server named no event")?;
    let recorded = server.get(&format!("/api/events/{id}/record{open}")).await?;
    write_sample(&path, &(serde_json::to_string_pretty(&recorded["data"])? + "\n"), force)?;
    if global.json {
        writeln!(global.out(), "{}", json!({ "version": 1, "event": found["id"], "file": path }))?;
    } else if !global.quiet {
        eprintln!("written: {}", path.display());
    }
    Ok(Exit::Fine)
}

/// The event of that id, else the newest of that name that is no message of our own.
async fn received(server: &Server, event: &str) -> anyhow::Result<Value> {
    let wanted = utf8_percent_encode(event, NON_ALPHANUMERIC);
    for key in ["id", "name"] {
        let answer = server.get(&format!("/api/events?{key}={wanted}&limit=50")).await?;
        let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        let own = |event: &Value| is_own_message(event["source"].as_str().unwrap_or_default(), &event["data"]);
        if let Some(found) = events.iter().find(|event| !own(event)) {
            return Ok(found.clone());
        }
    }
    let hint = "name it by its id, or by its name as in the address it was posted to";
    Err(Failure::error(Exit::Refused, format!("the server knows no event `{event}`"), hint))
}

fn write_sample(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    write_new(path, text, force).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let hint = "add `--force` to write over it, or `--as <name>` for another one";
            Failure::error(Exit::Usage, format!("the sample is there already: {}", path.display()), hint)
        }
        _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
    })
}
