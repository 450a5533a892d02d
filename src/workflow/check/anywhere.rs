//! Anywhere: what the steps of a workflow may leave, wherever a run stands: `stop_when` is asked while it lives.

use super::seen::Seen;
use super::steps::{ACTIONS, leaves};
use crate::workflow::yaml::{Entry, Kind, Node};

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
