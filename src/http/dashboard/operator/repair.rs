//! Repair on the pages: what needs a person, by cause; a run with its trace and the orders that its state allows; messages
//! sent again.
//!
//! Invariant: the page offers what the engine would obey as far as the row tells; the engine alone decides.

use super::calls::{CallView, call_view};
use super::deliveries::{form_word, marks, text_of};
use super::desk::{Desk, Filled, Nothing, called, moments, sentence};
use super::{SignedIn, to};
use crate::contact::Contact;
use crate::delivery::DeliveryState;
use crate::engine::Busy;
use crate::engine::repair::{Act, Cause, Kind, Refused, Tally};
use crate::http::App;
use crate::http::dashboard::moment::Moments;
use crate::http::dashboard::words::{Words, word};
use crate::http::dashboard::{Asked, broken, show};
use crate::http::mask::masked_text;
use crate::run::{Run, RunState};
use crate::store::deliveries::DeliveryRow;
use crate::store::runs::RunFilter;
use crate::workflow::place::place;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Runs of one page.
const LISTED: u32 = 50;

// --- what needs a person ----------------------------------------------------------------------------------------------

#[derive(Template)]
#[template(path = "attention.html", config = "src/http/pages/askama.toml")]
struct Attention {
    words: &'static Words,
    desk: Desk,
    causes: Vec<CauseView>,
}

#[derive(Debug)]
struct CauseView {
    key: String,
    kind: String,
    count: i64,
    workflow: String,
    step: String,
    reason: String,
    times: String,
    /// Address of its page, if it has one, and id.
    examples: Vec<(Option<String>, String)>,
    acts: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    said: String,
    done: Option<u64>,
    refused: Option<u64>,
    #[serde(default)]
    more: bool,
}

impl Told {
    fn sentence(&self, words: &'static Words) -> Option<String> {
        let (Some(done), Some(refused)) = (self.done, self.refused) else { return sentence(&self.said, words) };
        let repair = words.operator.repair;
        let tally = repair.tally.replacen("{}", &done.to_string(), 1).replacen("{}", &refused.to_string(), 1);
        Some(if self.more { format!("{tally} {}", repair.tally_more) } else { tally })
    }
}

pub(super) async fn attention(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Query(told): Query<Told>,
) -> Response {
    let words = asked.words;
    let causes = match app.engine().attention().await {
        Ok(causes) => causes,
        Err(error) => return broken(&error),
    };
    let moments = moments(&app, words);
    let view = |cause: &Cause| cause_view(cause, &app, &moments, words);
    let page = Attention {
        words,
        causes: causes.iter().map(view).collect(),
        desk: Desk::new(&app, &signed_in, &moments, told.sentence(words), "/attention"),
    };
    show(StatusCode::OK, &page)
}

fn cause_view(cause: &Cause, app: &App, moments: &Moments, words: &'static Words) -> CauseView {
    let operator = words.operator;
    let address = |id: &String| match cause.kind {
        Kind::Run => Some(format!("/runs/{id}")),
        Kind::Campaign => Some("/campaigns".to_owned()),
        Kind::Delivery => Some("/deliveries".to_owned()),
        // An event has no page: its id is for `GET /api/events/<id>`, which wants a token.
        Kind::Evaluation => None,
    };
    let (oldest, newest) = (moments.short(cause.oldest_ms), moments.short(cause.newest_ms));
    let deployed = app.engine().deployed();
    let named = deployed.definitions.get(&cause.workflow).map(|known| known.workflow.name.clone());
    CauseView {
        key: cause.key.clone(),
        kind: word(&operator.repair.kinds, cause.kind.as_str()).to_owned(),
        count: cause.count,
        workflow: named.unwrap_or_else(|| match cause.workflow.as_str() {
            "" => operator.gateway.to_owned(),
            id => id.to_owned(),
        }),
        step: place(&cause.step, words.lang),
        reason: masked_text(&words.reason(&cause.reason)).into_owned(),
        times: if oldest == newest { oldest } else { format!("{oldest} – {newest}") },
        examples: cause.examples.iter().map(|id| (address(id), id.clone())).collect(),
        acts: labels(cause.kind.acts(), &operator.repair.acts_on_all),
    }
}

fn labels(acts: &[Act], words: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    acts.iter().map(|act| (act.as_str(), word(words, act.as_str()))).collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct Ordered {
    act: Act,
}

pub(super) async fn act_on_cause(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Path(key): Path<String>,
    Filled(Ordered { act }): Filled<Ordered>,
) -> Response {
    let lang = asked.words.lang;
    match app.engine().order_key(&key, act, &signed_in.session.who).await {
        Ok(Ok(Tally { obeyed, refused, more, .. })) => {
            to(&format!("/attention?lang={lang}&done={obeyed}&refused={refused}&more={more}"))
        }
        Ok(Err(refused)) => to(&format!("/attention?lang={lang}&said={}", code(&refused))),
        Err(Busy) => to(&format!("/attention?lang={lang}&said=busy")),
    }
}

/// The word of a refusal in an address.
pub(super) fn code(refused: &Refused) -> &'static str {
    match refused {
        Refused::Unknown => "unknown",
        Refused::Run(_) | Refused::NoStep | Refused::NotFailed | Refused::Campaign(_) => "moved",
        Refused::Message { state: DeliveryState::Uncertain, .. } => "in_doubt",
        Refused::Message { .. } | Refused::Arrived(_) => "arrived",
        Refused::Redriven(_) => "redriven",
        Refused::Gone => "gone",
        Refused::Forgotten => "forgotten",
        Refused::Rules(_) => "rules",
        Refused::NoAct(_) => "no_act",
    }
}

// --- runs -------------------------------------------------------------------------------------------------------------

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    state: String,
    #[serde(default)]
    workflow: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    said: String,
}

#[derive(Template)]
#[template(path = "runs.html", config = "src/http/pages/askama.toml")]
struct Runs {
    words: &'static Words,
    desk: Desk,
    state: &'static str,
    /// `&workflow=…` for addresses of the same filter.
    of_workflow: String,
    /// Address, name, whether it is the one shown.
    workflows: Vec<(String, String, bool)>,
    rows: Vec<RunView>,
    older: Option<String>,
    paged: bool,
}

#[derive(Debug)]
struct RunView {
    id: String,
    started: String,
    workflow: String,
    workflow_id: String,
    contact: String,
    person: String,
    class: &'static str,
    state: String,
    reason: String,
    last: String,
}

pub(super) async fn runs(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Query(wanted): Query<Wanted>,
) -> Response {
    match read_runs(&app, asked.words, &signed_in, &wanted).await {
        Ok(page) => show(StatusCode::OK, &page),
        Err(error) => broken(&error),
    }
}

async fn read_runs(app: &App, words: &'static Words, signed_in: &SignedIn, wanted: &Wanted) -> anyhow::Result<Runs> {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let deployed = app.engine().deployed();
    // Only a name of ours gets into an address of the page.
    let workflow = given(&wanted.workflow).filter(|id| deployed.definitions.contains_key(id));
    let state = RunState::parse(&wanted.state);
    let filter = RunFilter {
        workflow: workflow.clone(),
        state,
        before: given(&wanted.before),
        limit: LISTED + 1,
        ..RunFilter::default()
    };
    let mut runs = app.engine().store().list_runs(&filter).await?;
    let more = runs.len() > LISTED as usize;
    runs.truncate(LISTED as usize);
    let people = people(app, runs.iter()).await?;
    let moments = moments(app, words);
    let view = |run: &Run| run_view(run, app, people.get(&run.contact), &moments, words);
    let listed = |(id, name): (&String, &String)| {
        (format!("/runs?lang={}&workflow={id}", words.lang), name.clone(), Some(id) == workflow.as_ref())
    };
    Ok(Runs {
        words,
        state: state.map_or("", RunState::as_str),
        of_workflow: workflow.as_ref().map(|id| format!("&workflow={id}")).unwrap_or_default(),
        workflows: deployed.definitions.iter().map(|(id, known)| listed((id, &known.workflow.name))).collect(),
        rows: runs.iter().map(view).collect(),
        older: runs.last().filter(|_| more).map(|run| run.id.clone()),
        paged: !wanted.before.is_empty(),
        desk: Desk::new(app, signed_in, &moments, sentence(&wanted.said, words), "/runs"),
    })
}

async fn people(app: &App, runs: impl Iterator<Item = &Run>) -> anyhow::Result<HashMap<String, Contact>> {
    let ids: BTreeSet<&str> = runs.map(|run| run.contact.as_str()).collect();
    let found = app.engine().store().contacts_of(&ids.into_iter().collect::<Vec<_>>()).await?;
    Ok(found.into_iter().map(|contact| (contact.id.clone(), contact)).collect())
}

fn run_view(run: &Run, app: &App, person: Option<&Contact>, moments: &Moments, words: &'static Words) -> RunView {
    let deployed = app.engine().deployed();
    let named = deployed.definitions.get(&run.workflow).map(|known| known.workflow.name.clone());
    let last = run.progress.trace.last().map(|entry| masked_text(&words.told(&entry.what)).into_owned());
    RunView {
        id: run.id.clone(),
        started: moments.exact(run.started_at_ms),
        workflow: named.unwrap_or_else(|| run.workflow.clone()),
        workflow_id: run.workflow.clone(),
        contact: run.contact.clone(),
        person: person.map(called).unwrap_or_default(),
        class: run.state.as_str(),
        state: word(&words.run_states, run.state.as_str()).to_owned(),
        reason: masked_text(&words.reason(&run.reason)).into_owned(),
        last: last.unwrap_or_default(),
    }
}

// --- one run ----------------------------------------------------------------------------------------------------------

#[derive(Template)]
#[template(path = "trace.html", config = "src/http/pages/askama.toml")]
struct Trace {
    words: &'static Words,
    desk: Desk,
    run: RunView,
    goes_on: Option<String>,
    redrive_of: Option<String>,
    acts: Vec<(&'static str, &'static str)>,
    /// Instant, step, what happened.
    trace: Vec<(String, String, String)>,
    messages: Vec<MessageView>,
    calls: Vec<CallView>,
}

#[derive(Debug)]
struct MessageView {
    id: String,
    planned: String,
    step: String,
    class: &'static str,
    state: String,
    status: Option<&'static str>,
    form: &'static str,
    text: String,
    reason: String,
    marks: Vec<String>,
    /// It was sent again as another one.
    again: bool,
    unsent: bool,
    uncertain: bool,
}

pub(super) async fn run(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    match read_run(&app, asked.words, &signed_in, &id, &wanted).await {
        Ok(Some(page)) => show(StatusCode::OK, &page),
        Ok(None) => to(&format!("/runs?lang={}&said=unknown", asked.words.lang)),
        Err(error) => broken(&error),
    }
}

async fn read_run(
    app: &App,
    words: &'static Words,
    signed_in: &SignedIn,
    id: &str,
    wanted: &Wanted,
) -> anyhow::Result<Option<Trace>> {
    let store = app.engine().store();
    let Some(run) = store.run(id).await?.map(|row| row.run) else { return Ok(None) };
    let deliveries = store.deliveries_of_runs(&[id]).await?;
    let calls = store.calls_of_run(id).await?;
    let people = people(app, std::iter::once(&run)).await?;
    let moments = moments(app, words);
    let again: HashSet<&str> = deliveries.iter().filter_map(|row| row.delivery.redrive_of.as_deref()).collect();
    let told = |entry: &crate::run::TraceEntry| {
        (moments.exact(entry.at_ms), place(&entry.step, words.lang), masked_text(&words.told(&entry.what)).into_owned())
    };
    Ok(Some(Trace {
        words,
        goes_on: run.wake_at_ms.map(|at_ms| words.goes_on.replace("{}", &moments.at(at_ms))),
        redrive_of: run.redrive_of.clone(),
        acts: acts(run.state, words),
        trace: run.progress.trace.iter().map(told).collect(),
        messages: deliveries.iter().map(|row| message_view(row, &again, &moments, words)).collect(),
        calls: calls.iter().map(|call| call_view(call, &moments, words)).collect(),
        desk: Desk::new(app, signed_in, &moments, sentence(&wanted.said, words), &format!("/runs/{}", run.id)),
        run: run_view(&run, app, people.get(&run.contact), &moments, words),
    }))
}

fn acts(state: RunState, words: &'static Words) -> Vec<(&'static str, &'static str)> {
    let acts: &[&str] = match state {
        RunState::NeedsAttention => &["retry", "skip", "cancel"],
        RunState::Paused => &["resume", "cancel"],
        RunState::Queued | RunState::Running | RunState::Waiting => &["pause", "cancel"],
        RunState::Done | RunState::Stopped | RunState::Skipped => &["replay"],
    };
    let known = words.operator.repair.acts.iter();
    known.filter(|(act, _)| acts.contains(act)).copied().collect()
}

fn message_view(row: &DeliveryRow, redriven: &HashSet<&str>, moments: &Moments, words: &'static Words) -> MessageView {
    let delivery = &row.delivery;
    let again = redriven.contains(delivery.id.as_str());
    MessageView {
        id: delivery.id.clone(),
        planned: moments.exact(delivery.planned_at_ms),
        step: place(&delivery.step, words.lang),
        class: delivery.state.as_str(),
        state: word(&words.delivery_states, delivery.state.as_str()).to_owned(),
        status: row.status.map(|status| words.status(status)),
        form: form_word(delivery.form, words),
        text: masked_text(&text_of(&delivery.message, delivery.form)).into_owned(),
        reason: masked_text(&words.reason(&delivery.reason)).into_owned(),
        marks: marks(delivery, words),
        again,
        unsent: is_unsent(delivery.state) && !again,
        uncertain: delivery.state == DeliveryState::Uncertain,
    }
}

/// Whether a message that ended so may be sent again.
pub(super) fn is_unsent(state: DeliveryState) -> bool {
    matches!(state, DeliveryState::Rejected | DeliveryState::Skipped | DeliveryState::Cancelled)
}

#[derive(Debug, Deserialize)]
pub(super) struct RunOrdered {
    act: OfRun,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OfRun {
    Order(Act),
    Anew(Anew),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Anew {
    Replay,
}

pub(super) async fn act_on_run(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Filled(RunOrdered { act }): Filled<RunOrdered>,
) -> Response {
    let (engine, who) = (app.engine(), &signed_in.session.who);
    let (run, said) = match act {
        OfRun::Order(act) => (None, engine.order(&id, act, who).await.map(|obeyed| obeyed.map(drop))),
        OfRun::Anew(Anew::Replay) => match engine.redrive_run(&id, who).await {
            Ok(Ok(new)) => (Some(new), Ok(Ok(()))),
            Ok(Err(refused)) => (None, Ok(Err(refused))),
            Err(Busy) => (None, Err(Busy)),
        },
    };
    let said = match &said {
        Ok(Ok(())) => "ordered",
        Ok(Err(refused)) => code(refused),
        Err(Busy) => "busy",
    };
    let Some(run) = run.or_else(|| ulid::Ulid::from_string(&id).ok().map(|_| id)) else {
        return to(&format!("/runs?lang={}&said=unknown", asked.words.lang));
    };
    to(&format!("/runs/{run}?lang={}&said={said}", asked.words.lang))
}

pub(super) async fn send_again(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Filled(Nothing {}): Filled<Nothing>,
) -> Response {
    let said = match app.engine().redrive_delivery(&id, &signed_in.session.who).await {
        Ok(Ok(_)) => "sent_again",
        Ok(Err(refused)) => code(&refused),
        Err(Busy) => "busy",
    };
    to(&format!("/deliveries?lang={}&said={said}", asked.words.lang))
}
