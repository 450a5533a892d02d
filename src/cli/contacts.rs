//! `relance contacts show|import|withdraw|allow|export|forget`: people that a running server knows.
//!
//! An import goes to the server in chunks: only its loop writes. Invariant: of one person listed twice the first row
//! counts, and a row that cannot be used is told by its line and costs no other.

use super::ask::{Server, confirmed};
use super::exit::Failure;
use super::moment::Moments;
use super::progress::Progress;
use super::runs::spoken;
use super::{Exit, Global, project};
use crate::engine::audience::Audience;
use crate::engine::import::ImportRow;
use crate::expr::nearest;
use crate::store::contacts::ContactKey;
use crate::workflow;
use anyhow::Context as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

/// Columns that mean something; others are left out, and that is said.
const COLUMNS: [&str; 9] = ["phone", "uuid", "bsuid", "name", "first_name", "email", "language", "timezone", "consent"];
/// What a withdrawal of everything stops, and what it does not.
const NO_MORE: &str = "no more messages, but for answers within 24 hours of what the person writes: those of workflows of \
                       `purpose: service`, and text that somebody sends with `relance send` or the API";
/// Bad rows that are told one by one.
const LISTED: usize = 100;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// One person, with every consent and withdrawal on record
    Show {
        person: String,
        /// Show the whole number
        #[arg(long)]
        show_pii: bool,
    },
    /// Note that a person wants no more messages, who said so by phone or at the counter; answers of `purpose: service`,
    /// and of `relance send --text`, still reach them within 24 hours of what they write
    Withdraw {
        #[command(flatten)]
        person: Named,
        /// No more marketing; all else goes on
        #[arg(long)]
        marketing: bool,
    },
    /// Lift what a person withdrew, because they asked for it
    Allow {
        #[command(flatten)]
        person: Named,
    },
    /// Everything held about a person, as JSON
    Export {
        #[command(flatten)]
        person: Named,
    },
    /// Erase everything held about a person; a withdrawal stays known
    Forget {
        #[command(flatten)]
        person: Named,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Take in a CSV file: columns phone, uuid, bsuid, name, first_name, email, language, timezone, consent
    Import { file: PathBuf },
}

pub async fn run(global: &Global, command: &Command) -> anyhow::Result<Exit> {
    let server = Server::of(global)?;
    match command {
        Command::Show { person, show_pii } => show(global, &server, person, *show_pii).await,
        Command::Withdraw { person, marketing } => {
            let scope = if *marketing { "marketing" } else { "all" };
            let said = if *marketing { "no more marketing" } else { NO_MORE };
            order(global, &server, "withdraw", person.body(Some(scope)), said).await
        }
        Command::Allow { person } => order(global, &server, "allow", person.body(None), "messages are allowed").await,
        Command::Forget { person, yes } => {
            if !yes && !agreed(&server, person).await? {
                eprintln!("nothing was erased");
                return Ok(Exit::Problems);
            }
            order(global, &server, "forget", person.body(None), "everything held is erased").await
        }
        Command::Export { person } => {
            server.post_into("/api/contacts/export", &person.body(None), &mut global.out().whole()).await?;
            Ok(Exit::Fine)
        }
        Command::Import { file } => import(global, &server, file).await,
    }
}

/// One person.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// Number, Callbell uuid, or the id that relance shows
    person: String,
}

impl Named {
    fn body(&self, scope: Option<&str>) -> Value {
        let mut body = json!({ (kind_of(&self.person)): self.person });
        if let Some(scope) = scope {
            body["scope"] = scope.into();
        }
        body
    }
}

/// What a person is named by: our ids are of 26 characters; a uuid has letters, a number never does.
pub(super) fn kind_of(person: &str) -> &'static str {
    match person.chars().any(|c| c.is_ascii_alphabetic()) {
        true if person.len() == 26 && ulid::Ulid::from_string(person).is_ok() => "id",
        true => "uuid",
        false => "phone",
    }
}

async fn order(global: &Global, server: &Server, act: &str, body: Value, said: &str) -> anyhow::Result<Exit> {
    let progress = Progress::of(global, "asking the server");
    let answer = server.post_and_wait(&format!("/api/contacts/{act}"), &body).await?;
    drop(progress);
    if global.json {
        writeln!(global.out(), "{answer}")?;
    } else {
        let named = answer["number"].as_str().or(answer["contact"].as_str());
        let unknown = if answer["contact"].is_null() {
            " (nobody is known by this number: it counts for whoever comes)"
        } else {
            ""
        };
        writeln!(global.out(), "{}: {said}{unknown}", named.unwrap_or_default())?;
    }
    Ok(Exit::Fine)
}

/// Whether whoever asks means this person: nothing brings back what is erased.
async fn agreed(server: &Server, person: &Named) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        let hint = "add `--yes` to erase without being asked";
        return Err(Failure::error(Exit::Usage, "what is erased cannot be brought back", hint));
    }
    let known = server.post("/api/contacts/show", &json!({ kind_of(&person.person): person.person })).await?;
    let part = |name: &str| known["contact"][name].as_str().unwrap_or("-").to_owned();
    confirmed(&format!("erase everything held of {} ({})?", part("name"), part("phone")))
}

async fn show(global: &Global, server: &Server, person: &str, open: bool) -> anyhow::Result<Exit> {
    let open = if open { "?show_pii=1" } else { "" };
    let answer = server.post(&format!("/api/contacts/show{open}"), &json!({ kind_of(person): person })).await?;
    let mut out = global.out();
    if global.json {
        writeln!(out, "{answer}")?;
        return Ok(Exit::Fine);
    }
    let fields = answer["contact"].as_object().context("the server named no contact")?;
    let (spoken, moments) = (spoken(), Moments::of(&answer));
    let apart = ["consent_history", "consent", "withdrawal", "lines"];
    let shown = |(name, value): &(&String, &Value)| !apart.contains(&name.as_str()) && !is_nothing(value);
    for (name, value) in fields.iter().filter(shown) {
        match value.as_str() {
            Some(text) => writeln!(out, "{name:<16}  {text}")?,
            None => writeln!(out, "{name:<16}  {value}")?,
        }
    }
    let part = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    for line in fields.get("lines").and_then(Value::as_array).into_iter().flatten() {
        let (channel, wrote) = (part(line, "channel"), moments.at(&line["last_message_at"]));
        writeln!(out, "{:<16}  {channel}, last wrote {}", "line", if wrote.is_empty() { "never" } else { &wrote })?;
    }
    if let Some(withdrawal) = fields.get("withdrawal").filter(|withdrawal| !withdrawal.is_null()) {
        let (since, proof) = (moments.at(&withdrawal["at"]), part(withdrawal, "proof"));
        writeln!(out, "{}", spoken.refusal(withdrawal["scope"] == "all", &since, &proof))?;
    }
    for entry in fields.get("consent_history").and_then(Value::as_array).into_iter().flatten() {
        let (at, [act, scope]) = (moments.at(&entry["at"]), ["act", "scope"].map(|name| part(entry, name)));
        writeln!(out, "{at}  {act} {scope}: {} {}", part(entry, "source"), part(entry, "proof"))?;
    }
    Ok(Exit::Fine)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// What became of the rows of a file.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<String, u64>,
    bad: Vec<(u64, String)>,
}

impl Tally {
    fn count(&mut self, result: &str) {
        *self.counts.entry(result.to_owned()).or_default() += 1;
    }

    fn bad(&mut self, line: u64, reason: String) {
        self.count("bad");
        self.bad.push((line, reason));
    }
}

async fn import(global: &Global, server: &Server, file: &Path) -> anyhow::Result<Exit> {
    let region = phone_region(global)?;
    let mut audience = Audience::open(file, 0).map_err(|error| {
        let message = format!("{}: {error:#}", file.display());
        Failure::error(Exit::Usage, message, "name a CSV file with a header line: phone,name,consent")
    })?;
    let known = |name: &String| COLUMNS.contains(&name.to_lowercase().as_str());
    let ignored: Vec<&str> = audience.header.iter().filter(|name| !known(name)).map(String::as_str).collect();
    if !audience.header.iter().any(|name| ["phone", "uuid", "bsuid"].contains(&name.to_lowercase().as_str())) {
        let hint = format!("its columns are: {}", audience.header.join(", "));
        return Err(Failure::error(Exit::Usage, "the file has no column `phone`, `uuid` or `bsuid`", hint));
    }
    if !ignored.is_empty() && !global.quiet {
        let named: Vec<String> = ignored.iter().map(|name| with_suggestion(name)).collect();
        eprintln!("columns that are left out: {}", named.join(", "));
    }
    let source = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (mut seen, mut tally) = (HashSet::new(), Tally::default());
    let progress = Progress::counted(global, "rows read");
    loop {
        let rows = audience.next_chunk().with_context(|| file.display().to_string())?;
        if rows.is_empty() {
            break;
        }
        progress.add(rows.len());
        let mut good = Vec::new();
        for row in rows {
            let (line, columns) = match row {
                Ok(row) => row,
                Err(row) => {
                    tally.bad(row.line, row.reason);
                    continue;
                }
            };
            match ImportRow::read(line, &columns, region.as_deref()) {
                Err(reason) => tally.bad(line, reason.to_owned()),
                Ok(read) if !is_first(&read.keys(), &mut seen) => tally.count("duplicate"),
                Ok(_) => good.push(written(line, columns)),
            }
        }
        hand_over(server, &source, good, &mut tally).await?;
    }
    drop(progress);
    tell(global, &tally)
}

/// Whether no row before names the person. Only what is handed over is remembered: what a row is rejected with may be
/// all that another one has.
fn is_first(keys: &[ContactKey], seen: &mut HashSet<[u8; 16]>) -> bool {
    let keys: Vec<_> = keys.iter().map(fingerprint).collect();
    let first = !keys.iter().any(|key| seen.contains(key));
    if first {
        seen.extend(keys);
    }
    first
}

/// What is remembered of a key: the lists are long, and two people have never the same.
fn fingerprint(key: &ContactKey) -> [u8; 16] {
    let digest = Sha256::digest(format!("{key:?}"));
    std::array::from_fn(|at| digest[at])
}

/// `emial (did you mean email?)`.
fn with_suggestion(column: &str) -> String {
    match nearest(column, COLUMNS) {
        Some(meant) => format!("{column} (did you mean {meant}?)"),
        None => column.to_owned(),
    }
}

fn phone_region(global: &Global) -> anyhow::Result<Option<String>> {
    let project = workflow::load(&project::read_files(&global.project)?).project;
    Ok(project.and_then(|project| project.settings.phone_region))
}

fn written(line: u64, columns: Map<String, Value>) -> Value {
    let known = columns.into_iter().filter(|(name, _)| COLUMNS.contains(&name.trim().to_lowercase().as_str()));
    json!({ "line": line, "columns": known.collect::<Map<_, _>>() })
}

async fn hand_over(server: &Server, source: &str, rows: Vec<Value>, tally: &mut Tally) -> anyhow::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let answer = server.post("/api/contacts/import", &json!({ "source": source, "rows": rows })).await?;
    for row in answer["rows"].as_array().context("the server did not say what became of the rows")? {
        match row["result"].as_str().unwrap_or_default() {
            "bad" => {
                let reason = row["reason"].as_str().unwrap_or_default().to_owned();
                tally.bad(row["line"].as_u64().unwrap_or_default(), reason);
            }
            result => tally.count(result),
        }
    }
    Ok(())
}

/// Why a row cannot be used, with the way out.
fn in_words(reason: &str) -> String {
    match reason {
        "bad_number" => "the number cannot be read: write it with its country, `+34…`, or set `phone_region` in \
                         `relance.yaml`"
            .to_owned(),
        "no_contact" => "it names nobody: fill `phone`, `uuid` or `bsuid`".to_owned(),
        reason => spoken().reason(reason),
    }
}

fn tell(global: &Global, tally: &Tally) -> anyhow::Result<Exit> {
    let mut out = global.out();
    let count = |result: &str| tally.counts.get(result).copied().unwrap_or_default();
    let results = ["created", "updated", "unchanged", "duplicate", "bad"];
    if global.json {
        let bad: Vec<Value> =
            tally.bad.iter().map(|(line, reason)| json!({ "line": line, "reason": reason })).collect();
        let counts: Map<String, Value> = results.iter().map(|one| ((*one).to_owned(), count(one).into())).collect();
        writeln!(out, "{}", json!({ "version": 1, "counts": counts, "bad_rows": bad }))?;
    } else {
        for (line, reason) in tally.bad.iter().take(LISTED) {
            writeln!(out, "line {line}: {}", in_words(reason))?;
        }
        let said: Vec<String> = results.iter().map(|one| format!("{} {one}", count(one))).collect();
        eprintln!("{}", said.join(", "));
    }
    Ok(if tally.bad.is_empty() { Exit::Fine } else { Exit::Problems })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rejected_row_names_besides_is_not_remembered() {
        let (uuid, phone) = (ContactKey::Uuid("u".into()), |digits: &str| ContactKey::Phone(digits.into()));
        let mut seen = HashSet::new();
        assert!(is_first(&[uuid.clone(), phone("1")], &mut seen));
        assert!(!is_first(&[phone("2"), uuid], &mut seen));
        assert!(is_first(&[phone("2")], &mut seen), "nobody was handed over under it");
    }
}
