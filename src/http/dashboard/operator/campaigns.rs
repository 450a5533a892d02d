//! Campaigns on the pages: how far each is, what its messages came to, and pause, resume and cancel.
//!
//! Invariant: what is counted message by message is counted only for campaigns that are not over.

use super::desk::{Desk, Filled, moments, sentence};
use super::repair::code;
use super::{SignedIn, to};
use crate::engine::Busy;
use crate::engine::repair::CampaignAct;
use crate::http::App;
use crate::http::dashboard::phones::Names;
use crate::http::dashboard::story::{self, CampaignView};
use crate::http::dashboard::words::{Words, word};
use crate::http::dashboard::{Asked, broken, show};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// Campaigns of the page.
const LISTED: u32 = 20;

#[derive(Template)]
#[template(path = "campaigns.html", config = "src/http/pages/askama.toml")]
struct Page {
    words: &'static Words,
    desk: Desk,
    campaigns: Vec<Row>,
}

struct Row {
    view: CampaignView,
    /// How many messages stand in each state.
    messages: Vec<(i64, String)>,
    acts: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    said: String,
}

pub(super) async fn page(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Query(told): Query<Told>,
) -> Response {
    match read(&app, asked.words, &signed_in, &told).await {
        Ok(page) => show(StatusCode::OK, &page),
        Err(error) => broken(&error),
    }
}

async fn read(app: &App, words: &'static Words, signed_in: &SignedIn, told: &Told) -> anyhow::Result<Page> {
    let store = app.engine().store();
    let firings = store.firings(true, LISTED).await?;
    let ids: Vec<&str> = firings.iter().map(|firing| firing.id.as_str()).collect();
    let lives: HashSet<String> = store.live_campaigns(&ids).await?.into_iter().collect();
    let (deployed, moments, names) = (app.engine().deployed(), moments(app, words), Names::new());
    let known = story::Known { deployed: &deployed, contacts: HashMap::new(), names: &names };
    let mut campaigns = Vec::with_capacity(firings.len());
    for (firing, view) in firings.iter().zip(story::campaigns(&firings, &known, &moments, words)) {
        let live = lives.contains(&firing.id) || !matches!(firing.state.as_str(), "done" | "cancelled" | "skipped");
        let counts = if live { store.campaign_states(&firing.id).await?.1 } else { Vec::new() };
        let messages =
            counts.into_iter().map(|(state, count)| (count, word(&words.delivery_states, &state).to_owned()));
        campaigns.push(Row { view, messages: messages.collect(), acts: acts(&firing.state, live, words) });
    }
    let desk = Desk::new(app, signed_in, &moments, sentence(&told.said, words), "/campaigns");
    Ok(Page { words, desk, campaigns })
}

fn acts(state: &str, live: bool, words: &'static Words) -> Vec<(&'static str, &'static str)> {
    let acts: &[&str] = match state {
        "running" | "pausing" => &["pause", "cancel"],
        "done" if live => &["pause", "cancel"],
        "paused" | "resuming" | "needs_attention" => &["resume", "cancel"],
        "cancelling" => &["cancel"],
        _ => &[],
    };
    let known = words.operator.repair.acts.iter();
    known.filter(|(act, _)| acts.contains(act)).copied().collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct Ordered {
    act: CampaignAct,
}

pub(super) async fn act(
    State(app): State<App>,
    asked: Asked,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Filled(Ordered { act }): Filled<Ordered>,
) -> Response {
    let said = match app.engine().order_campaign(&id, act, &signed_in.session.who).await {
        Ok(Ok(_)) => "ordered",
        Ok(Err(refused)) => code(&refused),
        Err(Busy) => "busy",
    };
    to(&format!("/campaigns?lang={}&said={said}", asked.words.lang))
}
