//! Calling: how a run stands at a step that calls out, and goes on with what came of it.
//!
//! Pure, a part of `advance`; who makes the call and when is decided in `calls`. Invariant: a result moves only the run
//! that stands at its step.

use super::advance::{Effect, Flow, Moving};
use crate::call::{Ask, Called};
use crate::expr::Hole;
use crate::run::{RunState, Sentence, WaitingFor};
use crate::workflow::Step;
use serde_json::json;

/// Bytes that the results of a run's steps may have together.
const MOST_RESULTS: usize = 1024 * 1024;

impl Moving<'_> {
    pub(super) fn call_out(&mut self, step: &Step, planned: Result<Ask, Hole>) -> Flow {
        let ask = match planned {
            Ok(Ask::UpdateContact(change)) if change.parts().is_empty() => {
                self.leave_result(json!({"outcome": "done"}));
                return Flow::Next;
            }
            Ok(ask) => ask,
            Err(hole) => {
                self.leave_result(json!({"outcome": "failed", "reason": hole.0}));
                return Flow::End(RunState::NeedsAttention, hole.0);
            }
        };
        let retry_limit = step.retry.unwrap_or(self.facts.workflow.settings.retry);
        self.effects.push(Effect::Call { step: step.path.clone(), retry_limit, ask: Box::new(ask) });
        self.pause(WaitingFor::Call, None);
        self.run.state = RunState::Queued;
        Flow::Pause
    }

    pub(super) fn called(&mut self, called: &Called) {
        let (left, failed) = match called {
            Called::Done(left) => (left, None),
            Called::Failed { reason, left } => (left, Some(reason)),
            Called::Again { reason } => {
                self.trace(Sentence::CalledAgain, &[reason]);
                (self.run.state, self.run.reason) = (RunState::Waiting, "backoff".into());
                return;
            }
            Called::Released => {
                (self.run.state, self.run.reason) = (RunState::Queued, String::new());
                return;
            }
            Called::Uncertain { reason } => {
                self.trace(Sentence::CallInDoubt, &[reason]);
                (self.run.state, self.run.reason) = (RunState::NeedsAttention, "uncertain".into());
                return;
            }
        };
        self.leave_pause();
        self.leave_result(left.clone());
        match (failed, left["status"].as_u64()) {
            (Some(reason), _) => self.trace(Sentence::CallFailed, &[reason]),
            (None, Some(status)) => self.trace(Sentence::Answered, &[&status.to_string()]),
            (None, None) => self.trace(Sentence::ContactChanged, &[]),
        }
        if serde_json::to_string(&self.run.progress.steps).is_ok_and(|steps| steps.len() > MOST_RESULTS) {
            return self.end(RunState::NeedsAttention, "the results of its steps are too large to be kept".into());
        }
        match failed {
            Some(reason) => self.end(RunState::NeedsAttention, reason.clone()),
            None => {
                let next = self.next();
                self.go(next);
            }
        }
    }
}
