//! The checks of `doctor`, one function each.

use super::super::account::{Account, read_environment};
use super::super::ask::{Server, cause};
use super::super::webhooks::{beginning, client, shown_time};
use super::super::{Global, check, environment, project, serve, state};
use super::Line;
use crate::clock::Clock;
use crate::config::{Environment, LockedTemplate};
use crate::connector::Refused;
use crate::connector::account::{Posted, Posts};
use crate::engine::drift::differences;
use crate::store::disk::{Disk, Elsewhere};
use crate::store::inspect;
use crate::workflow;
use serde_json::Value;
use std::collections::BTreeSet;

/// A difference of clocks that breaks signatures sooner or later.
const SKEW_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 3_600_000;

pub(super) async fn all(global: &Global) -> Vec<Line> {
    let mut lines = vec![configuration(global)];
    let environment = match read_environment() {
        Ok(environment) => environment,
        Err(error) => {
            lines.push(Line::error("environment", error.to_string(), "mend the environment variables"));
            return lines;
        }
    };
    lines.push(secrets(&environment));
    lines.extend(unset_variables(global));
    lines.push(database(global, &environment).await);
    lines.extend(disk(global, &environment));
    match Account::of(global) {
        Ok(account) => lines.extend(account_lines(&account).await),
        Err(error) => {
            lines.push(Line::error("token", error.to_string(), "set it where `relance serve` runs, and here"))
        }
    }
    lines.push(public_address(&environment).await);
    lines.extend(server(global).await);
    lines
}

fn configuration(global: &Global) -> Line {
    let files = match project::read_files(&global.project) {
        Ok(files) => files,
        Err(error) => return Line::error("configuration", format!("{error:#}"), "name the project's folder with `-C`"),
    };
    if !files.contains_key("relance.yaml") {
        let hint = "go to a project's folder, or name it with `-C`";
        return Line::error("configuration", "there is no `relance.yaml` here", hint);
    }
    let diagnostics = workflow::check(&files, Clock::machine(0).now_ms()).diagnostics;
    let summary = check::summary(&diagnostics, &files);
    match check::counts(&diagnostics) {
        (0, 0) => Line::fine("configuration", summary),
        (0, _) => Line::warning("configuration", summary, "`relance check` shows them"),
        _ => Line::error("configuration", summary, "`relance check` shows them; `serve` does not start with them"),
    }
}

fn secrets(environment: &Environment) -> Line {
    let (in_address, signing) = (&environment.callbell_webhook_secret, &environment.callbell_signing_secrets);
    match (in_address.is_some(), signing.len()) {
        (false, 0) => Line::warning(
            "secrets",
            "no secret of Callbell is set: its events are refused, and windows are known only by asking",
            "set CALLBELL_WEBHOOK_SECRET to a long random text",
        ),
        (true, 0) => Line::fine("secrets", "events are known by the secret in their address"),
        (_, count) => Line::fine("secrets", format!("events are known by their signature ({count} secrets)")),
    }
}

/// Variables that `relance.yaml` names and that hold nothing here: what needs them is refused, or waits.
fn unset_variables(global: &Global) -> Option<Line> {
    let settings = workflow::load(&project::read_files(&global.project).ok()?).project?.settings;
    let tokens = settings.tokens.values().filter_map(|token| token.secret.clone());
    let sources = settings.sources.values().flat_map(|source| [source.secret.clone(), source.path_token.clone()]);
    let relays = settings.relay.iter().map(|target| target.secret.clone());
    let named: BTreeSet<String> = tokens.chain(sources.flatten()).chain(relays).collect();
    let holds = |name: &String| environment::lookup(name).is_some_and(|value| !value.trim().is_empty());
    let unset: Vec<String> = named.into_iter().filter(|name| !holds(name)).collect();
    (!unset.is_empty()).then(|| {
        let what = format!("`relance.yaml` names variables that are not set: {}", unset.join(", "));
        Line::warning(
            "variables",
            what,
            "set them where `relance serve` runs; its start says what is refused without them",
        )
    })
}

async fn database(global: &Global, environment: &Environment) -> Line {
    let hint = "check RELANCE_DATABASE_URL, and that the database runs";
    let url = match &environment.database_url {
        Some(url) => url.clone(),
        None if !state::place(&global.project).join("relance.db").exists() => {
            return Line::fine("database", "SQLite in `.relance/`, made at the first start");
        }
        None => match serve::database_url(environment, &global.project) {
            Ok(url) => url,
            Err(error) => return Line::error("database", format!("{error:#}"), hint),
        },
    };
    let found = match inspect::inspect(&url).await {
        Ok(found) => found,
        Err(error) => return Line::error("database", format!("{error:#}"), hint),
    };
    if let Some(left) = &found.left {
        return Line::error("database", left.to_string(), left.hint());
    }
    let server = &found.server;
    match (found.refuses, found.schema) {
        (Some(why), _) => {
            Line::error("database", format!("{server} cannot be written to: {why}"), "mend its permissions or settings")
        }
        (None, _) if found.warning.is_some() => {
            Line::warning("database", found.warning.unwrap_or_default(), "`alter system set synchronous_commit = on`")
        }
        (None, None) => Line::fine("database", format!("{server}, empty: its tables are made at the first start")),
        (None, Some(schema)) if schema > found.expected => {
            let what = format!("{server} is of a newer release (schema {schema}, this one knows {})", found.expected);
            Line::error("database", what, "run the newer release, or restore the backup made before it")
        }
        (None, Some(schema)) if schema < found.expected => {
            Line::fine("database", format!("{server}, schema {schema}: brought up to date at the next start"))
        }
        (None, Some(schema)) => Line::fine("database", format!("{server}, schema {schema}")),
    }
}

/// Where a SQLite file lies, once there is one; a server has a disk of its own.
fn disk(global: &Global, environment: &Environment) -> Option<Line> {
    if environment.database_url.is_none() && !state::place(&global.project).join("relance.db").exists() {
        return None;
    }
    let disk = Disk::at(&serve::database_url(environment, &global.project).ok()?)?;
    let ballast = disk.ballast()?;
    Some(match (disk.refused(), ballast.is_laid()) {
        (Err(error), _) => Line::error("disk", error.to_string(), Elsewhere::HINT),
        (Ok(()), true) => Line::fine("disk", "its ballast of 16 MiB lies beside the database"),
        (Ok(()), false) => Line::warning(
            "disk",
            "there is no room, or no server has started yet: no ballast of 16 MiB lies beside the database",
            "make room on its disk: a running server lays it again by itself, and takes events in then",
        ),
    })
}

async fn account_lines(account: &Account) -> Vec<Line> {
    let asked_ms = Clock::machine(0).now_ms();
    let me = match account.callbell.auth_me().await {
        Ok(me) => me,
        Err(error) => return vec![refused("token", &error)],
    };
    let mut lines = vec![Line::fine("token", "the account takes it")];
    lines.extend(me.at_ms.map(|at_ms| skew(at_ms, asked_ms, Clock::machine(0).now_ms())));
    lines.push(webhook(account).await);
    lines.push(templates(account).await);
    lines
}

fn refused(check: &'static str, error: &anyhow::Error) -> Line {
    let hint = Refused::of(error).map_or("check the network and CALLBELL_BASE_URL", Refused::hint);
    Line::error(check, format!("{error:#}"), hint)
}

/// A header has whole seconds, and the answer was made between the two instants.
fn skew(theirs_ms: i64, asked_ms: i64, answered_ms: i64) -> Line {
    let behind_ms = asked_ms - (theirs_ms + 1000);
    let ahead_ms = theirs_ms - answered_ms;
    match behind_ms.max(ahead_ms) {
        off if off > SKEW_MS => {
            let what = format!("this machine's clock is {} s off the account's", off / 1000);
            Line::warning("clock", what, "set the clock by NTP: signatures and windows are judged by it")
        }
        _ => Line::fine("clock", "within a minute of the account's"),
    }
}

async fn webhook(account: &Account) -> Line {
    let rows = match account.callbell.posted(Posts::All, 1).await {
        Ok(page) => page.rows,
        Err(error) => return refused("webhook", &error),
    };
    let now_ms = Clock::machine(0).now_ms();
    let hint = "`relance webhooks list --failed` shows them, `relance webhooks test` asks the server";
    let Some(newest) = rows.first() else {
        let hint = "connect it: `relance webhooks connect`";
        return Line::warning("webhook", "the account has posted no event yet", hint);
    };
    let at = newest.at_ms.map(shown_time).unwrap_or_default();
    let failed = rows.iter().take(20).filter(|post: &&Posted| !post.success).count();
    let old = newest.at_ms.is_some_and(|at_ms| now_ms - at_ms > DAY_MS);
    match (newest.success, failed) {
        (false, _) => Line::error("webhook", format!("the newest event ({at}) was not taken"), hint),
        (true, 0) if old => {
            let hint = "if customers wrote since, Callbell disabled it: `relance webhooks connect`";
            Line::warning("webhook", format!("the newest event is of {at}"), hint)
        }
        (true, 0) => Line::fine("webhook", format!("events are taken, the newest of {at}")),
        (true, failed) => Line::warning("webhook", format!("{failed} of the newest events were not taken"), hint),
    }
}

async fn templates(account: &Account) -> Line {
    let now = match account.callbell.templates().await {
        Ok(now) => now,
        Err(error) => return refused("templates", &error),
    };
    let Some(project) = &account.project else {
        return Line::fine("templates", format!("{} in the account", now.len()));
    };
    let lock = &project.catalogue.lock;
    if lock.is_empty() {
        let hint = "run `relance templates pull`";
        return match now.is_empty() {
            true => Line::fine("templates", "none"),
            false => Line::warning("templates", format!("{} in the account, none in the lock file", now.len()), hint),
        };
    }
    let differs = |locked: &&LockedTemplate| {
        let found = now.iter().find(|one| one.uuid == locked.uuid);
        !differences(locked, found).is_empty()
    };
    match lock.values().filter(differs).count() {
        0 => Line::fine("templates", format!("{} as in the lock file", lock.len())),
        count => {
            let hint = "`relance templates lint` shows them, `relance templates pull` takes them over";
            Line::warning("templates", format!("{count} differ from the lock file"), hint)
        }
    }
}

async fn public_address(environment: &Environment) -> Line {
    let Some(public) = &environment.public_url else {
        let hint = "set RELANCE_PUBLIC_URL, then `relance webhooks connect`";
        return Line::warning("address", "RELANCE_PUBLIC_URL is not set: the account's events may not come", hint);
    };
    // Without the secret part: this is no sign of life of the account.
    let asked = match client(public) {
        Ok(http) => http.get(format!("{public}/callbell")).send().await.map_err(cause),
        Err(error) => Err(error.to_string()),
    };
    let hint = "start `relance serve`, and lead this address to it";
    match asked {
        Err(error) => Line::error("address", format!("{public} cannot be reached: {error}"), hint),
        Ok(answer) => {
            let status = answer.status().as_u16();
            match (status, beginning(answer).await.as_str()) {
                (200, "{\"status\":\"ok\"}") => Line::fine("address", format!("{public} leads to relance")),
                _ => Line::error("address", format!("{public} is answered by something else ({status})"), hint),
            }
        }
    }
}

/// What a running server says; one that does not run is no mistake.
async fn server(global: &Global) -> Vec<Line> {
    let asked = match Server::of(global) {
        Ok(server) => server.get("/api/alerts").await,
        Err(error) => Err(error),
    };
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => return vec![Line::warning("server", format!("{error:#}"), "start it with `relance serve`")],
    };
    let list = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let (alerts, pauses) = (list("alerts"), list("pauses"));
    let mut lines = vec![Line::fine("server", format!("{} alerts, {} pauses", alerts.len(), pauses.len()))];
    for alert in &alerts {
        let what = format!("{} (since {})", text(alert, "what"), text(alert, "since"));
        lines.push(Line::warning("server", what, ""));
    }
    for pause in &pauses {
        let what = format!("paused: {}: {} (since {})", text(pause, "scope"), text(pause, "why"), text(pause, "since"));
        lines.push(Line::warning("server", what, "resume it when its cause is mended"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn a_clock_is_off_only_beyond_what_the_answer_itself_took() {
        let verdict = |theirs| skew(theirs, 1_000_000, 1_010_000).verdict;
        for theirs in [940_000, 1_000_000, 1_010_000, 1_069_000] {
            assert_eq!(verdict(theirs), Verdict::Fine, "{theirs}");
        }
        for theirs in [930_000, 1_071_000] {
            assert_eq!(verdict(theirs), Verdict::Warning, "{theirs}");
        }
    }
}
