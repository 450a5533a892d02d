//! The lock file: written whole from the account, only when what the account told makes sense, and with what changed.

use super::super::account::Account;
use super::super::exit::Failure;
use super::super::replace::replace_file;
use super::super::{Exit, Global};
use crate::config::LockedTemplate;
use crate::engine::drift::differences;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;

const FILE: &str = "templates.lock.json";

/// One template that is not as it was.
pub(super) struct Change {
    pub(super) title: String,
    pub(super) uuid: String,
    /// `new`, `gone` or `changed`.
    pub(super) kind: &'static str,
    /// Code and sentence.
    pub(super) what: Vec<(&'static str, String)>,
}

pub(super) fn pull(global: &Global, account: &Account, now: &[LockedTemplate], check: bool) -> anyhow::Result<Exit> {
    let before = read(account)?;
    refuse_garbage(before.as_deref().unwrap_or_default(), now)?;
    let text = compose(now)?;
    let changes = changes(before.as_deref().unwrap_or_default(), now);
    let stale = account.files.get(FILE).is_none_or(|old| *old != text);
    if !check && stale {
        replace_file(&global.project.join(FILE), &text).with_context(|| format!("cannot write `{FILE}`"))?;
    }
    tell(global, &changes, now.len(), check)?;
    Ok(if check && (before.is_none() || !changes.is_empty()) { Exit::Problems } else { Exit::Fine })
}

/// The lock file as it is; `None` without one.
pub(super) fn read(account: &Account) -> anyhow::Result<Option<Vec<LockedTemplate>>> {
    let Some(text) = account.files.get(FILE) else { return Ok(None) };
    let read = serde_json::from_str(text).map_err(|error| {
        let hint = "take it from version control again, or remove it";
        Failure::error(Exit::Problems, format!("`{FILE}` cannot be read: {error}"), hint)
    });
    read.map(Some)
}

/// A lock file that lost everything would stop every workflow.
fn refuse_garbage(before: &[LockedTemplate], now: &[LockedTemplate]) -> anyhow::Result<()> {
    let refused = |message: &str| {
        let hint = "the lock file is left as it is; look into the account, and remove the file to begin anew";
        Err(Failure::error(Exit::Refused, message, hint))
    };
    let uuids: HashSet<&str> = now.iter().map(|template| template.uuid.as_str()).collect();
    match now {
        [] if !before.is_empty() => refused("the account says that it has no template at all"),
        _ if uuids.len() != now.len() => refused("the account lists a template twice"),
        _ if now.iter().all(|template| template.text.is_empty()) && !now.is_empty() => {
            refused("the account lists its templates without their texts")
        }
        _ => Ok(()),
    }
}

/// Sorted by title, as they come.
fn compose(templates: &[LockedTemplate]) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(templates)? + "\n")
}

/// What differs between two lists, by title.
pub(super) fn changes(before: &[LockedTemplate], now: &[LockedTemplate]) -> Vec<Change> {
    let by_uuid = |list: &[LockedTemplate]| -> BTreeMap<String, LockedTemplate> {
        list.iter().map(|template| (template.uuid.clone(), template.clone())).collect()
    };
    let (old, new) = (by_uuid(before), by_uuid(now));
    let change = |template: &LockedTemplate, kind, what| Change {
        title: template.title.clone(),
        uuid: template.uuid.clone(),
        kind,
        what,
    };
    let mut found = Vec::new();
    for template in old.values() {
        match new.get(&template.uuid) {
            None => found.push(change(template, "gone", differences(template, None))),
            Some(now) if now != template => {
                let mut what = differences(template, Some(now));
                // An approval is a change, and no problem.
                if now.status != template.status && now.status == "approved" {
                    what.push(("", "it is approved now".into()));
                }
                if now.title != template.title {
                    what.push(("", format!("its title is `{}` now", now.title)));
                }
                found.push(change(template, "changed", what));
            }
            Some(_) => {}
        }
    }
    found.extend(new.values().filter(|one| !old.contains_key(&one.uuid)).map(|one| change(one, "new", Vec::new())));
    found.sort_by(|a, b| (&a.title, &a.uuid).cmp(&(&b.title, &b.uuid)));
    found
}

impl Change {
    /// `Order paid: R407: its category is …`.
    pub(super) fn sentence(&self) -> String {
        let one = |(code, what): &(&str, String)| match *code {
            "" => what.clone(),
            code => format!("{code}: {what}"),
        };
        let what: Vec<String> = self.what.iter().map(one).collect();
        match self.kind {
            "new" => format!("`{}` is new", self.title),
            _ => format!("`{}`: {}", self.title, what.join("; ")),
        }
    }

    pub(super) fn json(&self) -> Value {
        let what: Vec<Value> = self.what.iter().map(|(code, what)| json!({ "code": code, "message": what })).collect();
        json!({ "uuid": self.uuid, "title": self.title, "change": self.kind, "differences": what })
    }
}

fn tell(global: &Global, changes: &[Change], count: usize, check: bool) -> anyhow::Result<()> {
    let mut out = global.out();
    if global.json {
        let changes: Vec<Value> = changes.iter().map(Change::json).collect();
        return Ok(writeln!(out, "{}", json!({ "version": 1, "templates": count, "changes": changes }))?);
    }
    changes.iter().try_for_each(|change| writeln!(out, "{}", change.sentence()))?;
    if !global.quiet {
        let verb = if check { "compared" } else { "written to `templates.lock.json`" };
        eprintln!("{count} templates {verb}, {} changed", changes.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::wire::read_template;

    fn template(uuid: &str, text: &str) -> LockedTemplate {
        let row = json!({"uuid": uuid, "title": format!("T {uuid}"), "text": text, "status": "approved"});
        read_template(&row).unwrap()
    }

    #[test]
    fn garbage_is_refused_and_a_first_list_is_not() {
        let some = [template("a", "Hi {{1}}")];
        assert!(refuse_garbage(&some, &[]).is_err());
        assert!(refuse_garbage(&[], &[]).is_ok());
        assert!(refuse_garbage(&[], &[template("a", "x"), template("a", "y")]).is_err());
        assert!(refuse_garbage(&some, &[template("a", "")]).is_err());
        assert!(refuse_garbage(&some, &some).is_ok());
    }

    #[test]
    fn what_changed_is_told_by_title() {
        let before = [template("b", "Hi {{1}}"), template("a", "Hello"), template("c", "Same")];
        let now = [template("b", "Hi {{1}} {{2}}"), template("c", "Same"), template("d", "New")];
        let told: Vec<String> = changes(&before, &now).iter().map(Change::sentence).collect();
        assert_eq!(
            told,
            [
                "`T a`: R404: the account does not have it any more",
                "`T b`: R404: it has 2 placeholders, not 1",
                "`T d` is new"
            ]
        );
        assert!(changes(&now, &now).is_empty());
    }
}
