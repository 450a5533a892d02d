//! The calls of a run, on its page: what each step that calls out asked of whom, and what came of it.
//!
//! Invariant: of an address only the host is shown; what fills the rest of it may be a secret, or about a person.

use crate::call::StepCall;
use crate::http::dashboard::moment::Moments;
use crate::http::dashboard::words::{Words, word};
use crate::http::mask::masked_text;
use crate::workflow::place::place;

#[derive(Debug)]
pub(super) struct CallView {
    pub(super) id: String,
    pub(super) planned: String,
    pub(super) step: String,
    /// `POST api.example.com`; of the contact in the account, what that is.
    pub(super) what: String,
    pub(super) class: &'static str,
    pub(super) state: String,
    /// HTTP status and number of attempts, where there are any.
    pub(super) told: Vec<String>,
    pub(super) reason: String,
    pub(super) ended: Option<String>,
}

pub(super) fn call_view(call: &StepCall, moments: &Moments, words: &'static Words) -> CallView {
    let said = &words.operator.repair;
    let attempts = (call.claims > 0).then(|| format!("{}{}{}", words.operator.attempts, words.colon, call.claims));
    let status = call.http_status().map(|status| format!("HTTP {status}"));
    CallView {
        id: call.id.clone(),
        planned: moments.exact(call.planned_at_ms),
        step: place(&call.step, words.lang),
        what: match call.ask.http() {
            Some(http) => format!("{} {}", http.method, http.host()),
            None => said.contact_call.to_owned(),
        },
        class: call.state.as_str(),
        state: word(&said.call_states, call.state.as_str()).to_owned(),
        told: status.into_iter().chain(attempts).collect(),
        reason: masked_text(&words.reason(call.reason().unwrap_or_default())).into_owned(),
        ended: call.ended_at_ms.map(|at_ms| moments.exact(at_ms)),
    }
}
