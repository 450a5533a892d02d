//! What the account has, for `check`: its lines, its teams and their members, and the tags that the workflows use.
//!
//! Asked only with a token, never with `--offline`. Invariant: what was not asked, or got no answer, is said, and
//! nothing is told as missing because of it.

use crate::cli::account::{Account, read_environment, told};
use crate::cli::exit::Failure;
use crate::cli::{Exit, Global};
use crate::config::{Files, Project};
use crate::connector::Callbell;
use crate::connector::account::Next;
use crate::workflow::{self, AccountNames, Action, Audience, Step};
use std::collections::BTreeSet;

/// Tags that are asked for at most, a call for each.
const MOST_TAGS: usize = 50;

pub(super) struct Asked {
    pub(super) names: AccountNames,
    /// What of the account was not checked, and why.
    pub(super) left_out: Option<String>,
    /// How it ends when it was to be asked, and did not answer or refused.
    pub(super) failed: Option<Exit>,
}

pub(super) async fn ask(global: &Global, offline: bool, files: &Files) -> Asked {
    let project = workflow::load(files).project;
    let left_out = |why: &str| Asked {
        names: AccountNames::default(),
        left_out: Some(format!("not checked against the account (R405): {why}")),
        failed: None,
    };
    let names_any = project.as_ref().is_some_and(names_any);
    match (offline, names_any) {
        (true, true) => return left_out("`--offline`"),
        // Nothing to look up, so nothing is left out.
        (_, false) => return Asked { names: AccountNames::default(), left_out: None, failed: None },
        (false, true) => {}
    }
    if read_environment().is_ok_and(|environment| environment.callbell_token.is_none()) {
        return left_out("CALLBELL_TOKEN is not set");
    }
    let tags = tags(project.as_ref());
    let asked = match Account::of(global) {
        Ok(account) => told(names(&account.callbell, &tags).await),
        Err(error) => Err(error),
    };
    match asked {
        Ok(names) => Asked { names, left_out: beyond(tags.len()), failed: None },
        Err(error) => {
            let exit = error.downcast_ref::<Failure>().map_or(Exit::NoConnection, |failure| failure.exit);
            Asked { failed: Some(exit), ..left_out(&format!("{error:#}; `--offline` leaves it out")) }
        }
    }
}

/// Tags that are not asked for, since there are so many.
fn beyond(tags: usize) -> Option<String> {
    let left = tags.checked_sub(MOST_TAGS).filter(|left| *left > 0)?;
    Some(format!("not checked against the account (R405): {left} of {tags} tags: {MOST_TAGS} are asked for at most"))
}

async fn names(callbell: &Callbell, tags: &BTreeSet<String>) -> anyhow::Result<AccountNames> {
    let lines = callbell.channels().await?;
    let live = lines.into_iter().filter(|line| line.kind == "whatsapp" && !line.discarded);
    let teams = callbell.teams().await?;
    let mut members = BTreeSet::new();
    for team in &teams {
        members.extend(callbell.members(&team.uuid).await?);
    }
    let mut unworn_tags = BTreeSet::new();
    for tag in tags.iter().take(MOST_TAGS) {
        let (people, _) = callbell.tagged(tag, &Next::Page(1), true).await?;
        if people.is_empty() {
            unworn_tags.insert(tag.clone());
        }
    }
    Ok(AccountNames {
        lines: Some(live.map(|line| (line.uuid, line.title)).collect()),
        teams: Some(teams.into_iter().map(|team| (team.uuid, team.name)).collect()),
        members: Some(members),
        unworn_tags,
    })
}

/// Tags that the workflows add, remove or choose people by.
fn tags(project: Option<&Project>) -> BTreeSet<String> {
    let mut tags = BTreeSet::new();
    for workflow in project.iter().flat_map(|project| project.workflows.values()) {
        if let Some(Audience::Tag(chosen)) = &workflow.audience {
            tags.extend(chosen.iter().cloned());
        }
        each_step(&workflow.steps, &mut |step| {
            if let Action::UpdateContact(update) = &step.action {
                tags.extend(update.add_tags.iter().chain(&update.remove_tags).cloned());
            }
        });
    }
    tags
}

/// Whether anything of the project is the account's to know.
fn names_any(project: &Project) -> bool {
    let mut any = project.settings.channels.iter().any(|channel| channel.listed) || !tags(Some(project)).is_empty();
    for workflow in project.workflows.values() {
        each_step(&workflow.steps, &mut |step| {
            any |= match &step.action {
                Action::UpdateContact(update) => update.team.is_some() || update.assign_to.is_some(),
                Action::SendMessage(message) => message.team.is_some() || message.assign_to.is_some(),
                _ => false,
            }
        });
    }
    any
}

fn each_step<'a>(steps: &'a [Step], see: &mut impl FnMut(&'a Step)) {
    for step in steps {
        see(step);
        step.inner().into_iter().for_each(|steps| each_step(steps, see));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_are_too_many_to_be_asked_are_counted() {
        assert_eq!(beyond(MOST_TAGS), None);
        assert!(beyond(MOST_TAGS + 3).unwrap().contains("3 of 53 tags"));
    }
}
