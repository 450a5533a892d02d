//! `relance templates pull|list|show|lint`: what the account approved, beside what the project says.

mod lint;
mod lock;

use super::account::{Account, told};
use super::exit::Failure;
use super::progress::Progress;
use super::{Exit, Global, completions};
use crate::config::{CatalogueLanguage, LockedTemplate};
use crate::engine::drift::word;
use clap_complete::engine::ArgValueCandidates;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write `templates.lock.json` from the account, and say what changed
    Pull {
        /// Only compare: exit 1 when something differs
        #[arg(long)]
        check: bool,
    },
    /// The templates of the account
    List,
    /// One template, by its name in `templates.yaml`, its uuid or its title
    Show {
        #[arg(add = ArgValueCandidates::new(completions::templates))]
        template: String,
    },
    /// What WhatsApp's review would refuse, and what the account changed since the lock file was written
    Lint,
}

pub(super) async fn run(global: &Global, command: &Command) -> anyhow::Result<Exit> {
    let account = Account::of(global)?;
    let progress = Progress::of(global, "asking the account");
    let mut templates = told(account.callbell.templates().await)?;
    drop(progress);
    templates.sort_by(|a, b| (&a.title, &a.uuid).cmp(&(&b.title, &b.uuid)));
    match command {
        Command::Pull { check } => lock::pull(global, &account, &templates, *check),
        Command::List => list(global, &account, &templates),
        Command::Show { template } => show(global, &account, &templates, template),
        Command::Lint => lint::run(global, &account, &templates),
    }
}

/// Names of the catalogue that mean this template.
fn names<'a>(account: &'a Account, template: &LockedTemplate) -> Vec<&'a str> {
    let entries = account.project.iter().flat_map(|project| &project.catalogue.entries);
    let means = |uuid: &Option<String>, title: &Option<String>| match (uuid, title) {
        (Some(uuid), _) => *uuid == template.uuid,
        (None, Some(title)) => *title == template.title,
        (None, None) => false,
    };
    let named = entries.filter(|(_, entry)| {
        means(&entry.uuid, &entry.title) || entry.languages.values().any(|spoken| means(&spoken.uuid, &spoken.title))
    });
    named.map(|(name, _)| name.as_str()).collect()
}

/// Codes of the languages in which the catalogue's entry `name` sends this template.
fn languages(account: &Account, name: &str, template: &LockedTemplate) -> Vec<String> {
    let entry = account.project.iter().find_map(|project| project.catalogue.entries.get(name));
    let is_it = |spoken: &CatalogueLanguage| {
        spoken.uuid.as_ref().map_or(spoken.title.as_ref() == Some(&template.title), |uuid| *uuid == template.uuid)
    };
    let spoken = entry.into_iter().flat_map(|entry| &entry.languages).filter(|(_, named)| is_it(named));
    spoken.map(|(code, _)| code.clone()).collect()
}

/// `order_paid`, `order_paid (fr)`.
fn names_with_languages(account: &Account, template: &LockedTemplate) -> String {
    let one = |name: &&str| match languages(account, name, template) {
        codes if codes.is_empty() => (*name).to_owned(),
        codes => format!("{name} ({})", codes.join(", ")),
    };
    names(account, template).iter().map(one).collect::<Vec<_>>().join(", ")
}

fn row(account: &Account, template: &LockedTemplate) -> Value {
    let mut row = serde_json::to_value(template).unwrap_or_default();
    let names = names(account, template);
    let spoken = names.iter().map(|name| ((*name).to_owned(), languages(account, name, template)));
    let spoken: BTreeMap<String, Vec<String>> = spoken.filter(|(_, codes)| !codes.is_empty()).collect();
    if !spoken.is_empty() {
        row["languages"] = json!(spoken);
    }
    row["names"] = names.into();
    row
}

fn list(global: &Global, account: &Account, templates: &[LockedTemplate]) -> anyhow::Result<Exit> {
    let mut out = global.out();
    if global.json {
        let rows: Vec<Value> = templates.iter().map(|template| row(account, template)).collect();
        writeln!(out, "{}", json!({ "version": 1, "templates": rows }))?;
        return Ok(Exit::Fine);
    }
    for template in templates {
        let names = names_with_languages(account, template);
        let (category, status) = (word(template.category), &template.status);
        writeln!(out, "{}  {status:<10}  {category:<14}  {}  {names}", template.uuid, template.title)?;
    }
    if templates.is_empty() {
        writeln!(out, "the account has no template")?;
    }
    Ok(Exit::Fine)
}

fn show(global: &Global, account: &Account, templates: &[LockedTemplate], wanted: &str) -> anyhow::Result<Exit> {
    let fits = |template: &&LockedTemplate| {
        template.uuid == wanted || template.title == wanted || names(account, template).contains(&wanted)
    };
    let found: Vec<&LockedTemplate> = templates.iter().filter(fits).collect();
    if found.is_empty() {
        let hint = "`relance templates list` shows them all";
        return Err(Failure::error(Exit::Refused, format!("the account has no template `{wanted}`"), hint));
    }
    let mut out = global.out();
    if global.json {
        let rows: Vec<Value> = found.iter().map(|template| row(account, template)).collect();
        writeln!(out, "{}", json!({ "version": 1, "templates": rows }))?;
        return Ok(Exit::Fine);
    }
    for template in found {
        writeln!(out, "{}", template.title)?;
        writeln!(out, "  uuid      {}", template.uuid)?;
        writeln!(out, "  status    {}", template.status)?;
        writeln!(out, "  category  {}", word(template.category))?;
        writeln!(out, "  type      {}", serde_json::to_value(template.kind)?.as_str().unwrap_or_default())?;
        writeln!(out, "  names     {}", names_with_languages(account, template))?;
        template.text.lines().try_for_each(|line| writeln!(out, "  | {line}"))?;
    }
    Ok(Exit::Fine)
}
