//! Anywhere: what the steps of a workflow may leave, wherever a run stands: `stop_when` is asked while it lives.

use super::lowering::Lowering;
use super::seen::Seen;
use super::steps::{ACTIONS, leaves};
use crate::workflow::yaml::{Entry, Kind, Node};
use std::ops::Range;

impl Lowering<'_> {
    /// Why a step with this id, which the file has, is not in reach at `place`: the sentence and the way out.
    pub(super) fn not_passed(&self, id: &str, place: &Range<usize>) -> Option<(String, String)> {
        let step = named(self.report.document.root.as_ref()?, id)?;
        let (line, _) = self.report.document.place(step.span.start);
        let told = if step.span.start > place.start {
            let message = format!("the step `{id}` comes after this one, at line {line}");
            (message, "move this step below it, or ask about a step above".to_owned())
        } else if step.span.end >= place.end {
            let message = format!("the step `{id}`, at line {line}, is not over yet here");
            (message, "ask about a step above".to_owned())
        } else {
            let message = format!(
                "the step `{id}` is not on the way to this one: it stands under another answer or case, at line {line}"
            );
            (message, format!("ask about a step that every run passes before this one, or move this step below `{id}`"))
        };
        Some(told)
    }
}

/// The first step with this id.
fn named<'n>(node: &'n Node, id: &str) -> Option<&'n Node> {
    match &node.kind {
        Kind::List(items) => items.iter().find_map(|item| named(item, id)),
        Kind::Map(lines) => {
            let is_id =
                |line: &Entry| line.key == "id" && matches!(&line.value.kind, Kind::Scalar { text, .. } if text == id);
            let step = lines.iter().any(is_id) && lines.iter().any(|line| ACTIONS.contains(&line.key.as_str()));
            if step { Some(node) } else { lines.iter().find_map(|line| named(&line.value, id)) }
        }
        _ => None,
    }
}

impl Seen<'_> {
    /// Every step with an id, and every variable that a step writes, is in reach from now on. A step that did not run has
    /// left nothing, which is no mistake.
    pub(super) fn steps_anywhere(&mut self, steps: &Node) {
        self.anywhere = true;
        self.walk(steps);
    }

    fn walk(&mut self, node: &Node) {
        match &node.kind {
            Kind::List(items) => items.iter().for_each(|item| self.walk(item)),
            Kind::Map(lines) => {
                let action = lines.iter().find(|line| ACTIONS.contains(&line.key.as_str()));
                action.into_iter().for_each(|action| self.step_anywhere(lines, action));
                lines.iter().for_each(|line| self.walk(&line.value));
            }
            _ => {}
        }
    }

    fn step_anywhere(&mut self, lines: &[Entry], action: &Entry) {
        if let Some(Kind::Scalar { text, .. }) = lines.iter().find(|line| line.key == "id").map(|id| &id.value.kind) {
            self.steps.insert(text.clone(), leaves(&action.key));
        }
        if let (true, Kind::Map(written)) = (action.key == "set", &action.value.kind) {
            self.vars.extend(written.iter().map(|line| line.key.clone()));
        }
    }
}
