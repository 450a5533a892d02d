//! Why: what concerned a person, a line per occurrence, with the reason of each. The same account as `relance why` gives.
//!
//! Invariant: numbers are masked, whoever looks.

use super::SignedIn;
use super::desk::{Desk, called, moments};
use crate::engine::why::Question;
use crate::http::App;
use crate::http::dashboard::why::{Line, tell};
use crate::http::dashboard::words::Words;
use crate::http::dashboard::{Asked, broken, show};
use crate::store::contacts::ContactKey;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

/// How far back the page looks.
const BACK_MS: i64 = 30 * 24 * 3_600_000;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    workflow: String,
}

#[derive(Template)]
#[template(path = "why.html", config = "src/http/pages/askama.toml")]
struct Page {
    words: &'static Words,
    desk: Desk,
    id: String,
    name: String,
    /// Instead of everything else.
    notice: Option<&'static str>,
    lines: Vec<Line>,
    conclusion: Vec<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    match read(&app, asked.words, &id, wanted.workflow, &signed_in).await {
        Ok(page) if page.notice.is_some() => show(StatusCode::NOT_FOUND, &page),
        Ok(page) => show(StatusCode::OK, &page),
        Err(error) => broken(&error),
    }
}

async fn read(
    app: &App,
    words: &'static Words,
    id: &str,
    workflow: String,
    signed_in: &SignedIn,
) -> anyhow::Result<Page> {
    let engine = app.engine();
    let now_ms = engine.clock().now_ms();
    let question = Question {
        keys: vec![ContactKey::Id(id.to_owned())],
        from_ms: now_ms - BACK_MS,
        to_ms: now_ms + 1,
        workflow: Some(workflow).filter(|workflow| !workflow.is_empty()),
    };
    let kept = engine.why(&question).await?;
    let told = tell(&kept, &question, &engine.deployed(), now_ms, words.lang, false);
    let notice = kept.contact.is_none().then_some(words.person_page().nobody);
    Ok(Page {
        words,
        desk: Desk::new(
            app,
            signed_in,
            &moments(app, words),
            notice.map(str::to_owned),
            &format!("/contacts/{id}/why"),
        ),
        id: id.to_owned(),
        name: kept.contact.as_ref().map(called).unwrap_or_default(),
        notice,
        lines: told.lines,
        conclusion: told.conclusion,
    })
}
