//! Languages of a preview: what a workflow speaks, in which of them a message is, and people who are made to speak one. Pure.

use super::super::exit::{Exit, Failure};
use crate::config::Project;
use crate::expr::Text;
use crate::language;
use crate::message::Form;
use crate::workflow::{Action, Step, Workflow};
use std::sync::Arc;

/// What `--language` takes for each of them.
const ALL: &str = "all";

/// The languages that are played, one after the other; `None` = each person in their own.
///
/// # Errors
/// When there is no such language, or the workflow gives everybody another one.
pub(super) fn asked(
    written: Option<&str>,
    spoken: &[String],
    workflow: &Workflow,
) -> anyhow::Result<Vec<Option<String>>> {
    let fixed = workflow.contact.language.as_ref().and_then(Text::literal);
    match (written, fixed) {
        (Some(code), Some(fixed)) if code == ALL || language::is_known(code) && !language::same(code, fixed) => {
            let message = format!("this workflow speaks `{fixed}` to everybody");
            let hint = "leave `--language` out, or change `language` under `contact` in the workflow";
            Err(Failure::error(Exit::Usage, message, hint))
        }
        _ => known(written, spoken),
    }
}

fn known(written: Option<&str>, spoken: &[String]) -> anyhow::Result<Vec<Option<String>>> {
    match written {
        None => Ok(vec![None]),
        Some(ALL) => Ok(spoken.iter().cloned().map(Some).collect()),
        Some(code) if language::is_known(code) => Ok(vec![Some(code.to_owned())]),
        Some(code) => {
            let hint = match language::meant(code) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("write a code such as `{}`, or `{ALL}`", spoken.first().map_or("en", String::as_str)),
            };
            Err(Failure::error(Exit::Usage, format!("`{code}` is not a language code"), hint))
        }
    }
}

/// What its texts and templates speak, the project's language first; one alone when nothing is written by language.
pub(super) fn spoken(workflow: &Workflow, usual: &str) -> Vec<String> {
    let mut spoken = vec![usual.to_owned()];
    let mut steps: Vec<&Step> = workflow.steps.iter().collect();
    while let Some(step) = steps.pop() {
        steps.extend(step.inner().into_iter().flatten());
        let Action::SendMessage(message) = &step.action else { continue };
        let texts = message.text.iter().map(|(code, _)| code);
        let variants = message.template.iter().flat_map(|choice| &choice.variants).map(|(code, _)| code);
        for code in texts.chain(variants).filter(|code| !code.is_empty()) {
            if !spoken.iter().any(|known| known == code || (known == usual && language::same(known, code))) {
                spoken.push(code.clone());
            }
        }
    }
    spoken[1..].sort();
    spoken
}

/// Everybody whom the workflow is about speaks this language, whatever its events say.
pub(super) fn speaking(project: &mut Project, workflow: &str, code: &str) {
    let (Some(known), Ok(text)) = (project.workflows.get_mut(workflow), Text::parse(code)) else { return };
    let mut changed = Workflow::clone(known);
    changed.contact.language = Some(text);
    *known = Arc::new(changed);
}

/// The language of a step's message in one of its forms, for a person; `None` when it has one only.
pub(super) fn chosen<'w>(step: &'w Step, form: Form, person: Option<&str>, usual: &'w str) -> Option<&'w str> {
    let Action::SendMessage(message) = &step.action else { return None };
    // Somebody else reads the project's language.
    let person = person.filter(|_| message.to.is_none());
    let code = match form {
        Form::Text => language::choose(&message.text, person, usual).filter(|_| message.text.len() > 1)?.code,
        Form::Template => {
            let variants = &message.template.as_ref()?.variants;
            language::choose(variants, person, usual).filter(|_| variants.len() > 1)?.code
        }
    };
    Some(if code.is_empty() { usual } else { code })
}
