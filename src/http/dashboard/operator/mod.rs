//! Operator: the pages of `relance serve`. What became of every message and why; an uncertain one is settled here.
//!
//! ```text
//! GET  /login       asks for the token    POST /login                      a cookie for twelve hours
//! GET  /attention   what needs a person   POST /attention/{key}            an order for all of a cause
//! GET  /runs        runs, newest
//! GET  /runs/{id}   one with its trace    POST /runs/{id}/act              an order for it
//! GET  /deliveries  messages, newest      POST /deliveries/{id}/settle     one of the three answers
//! GET  /contacts/{id}  a person
//! GET  /contacts/{id}/why  what concerned them, and why
//!                                         POST /deliveries/{id}/redrive    sends it again
//! GET  /campaigns   how far each is       POST /campaigns/{id}/act         an order for it
//! POST /logout                            POST /resume                     ends a pause
//! ```
//! Plain forms, no script. Invariant: nothing is shown without a session, and nothing is changed without a form of that
//! session. Signing out asks for none: it only takes the browser's own cookie, and `front` refuses pages of other sites.

mod calls;
mod campaigns;
mod deliveries;
mod desk;
mod health;
mod person;
mod repair;
mod session;
mod why;

use super::words::Words;
use super::{Asked, assets, show};
use crate::config::Scope;
use crate::http::error::Refusal;
use crate::http::front::{self, Caller};
use crate::http::room::Sender;
use crate::http::{App, Mode, auth, hooks, limits};
use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Form, FromRequest as _, Request, State};
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use session::Session;

/// Bytes of a form at most.
const FORM_BYTES: usize = 16 * 1024;
const COOKIE_NAME: &str = "relance_session";

/// The pages. In `dev` the page of the phones keeps `/` and the assets.
pub(in crate::http) fn router(app: App) -> Router<App> {
    let pages = Router::new()
        .route("/deliveries", get(deliveries::page))
        .route("/contacts/{id}", get(person::page))
        .route("/contacts/{id}/why", get(why::page))
        .route("/deliveries/{id}/settle", post(deliveries::settle))
        .route("/deliveries/{id}/redrive", post(repair::send_again))
        .route("/resume", post(deliveries::resume))
        .route("/attention", get(repair::attention))
        .route("/attention/{key}", post(repair::act_on_cause))
        .route("/runs", get(repair::runs))
        .route("/runs/{id}", get(repair::run))
        .route("/runs/{id}/act", post(repair::act_on_run))
        .route("/campaigns", get(campaigns::page))
        .route("/campaigns/{id}/act", post(campaigns::act))
        .route("/logout", post(logout))
        .route_layer(from_fn_with_state(app.clone(), admitted))
        .route("/login", get(login_page).post(login))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(from_fn(own_page));
    match app.mode() {
        Mode::Dev => pages,
        Mode::Serve => pages.route("/", get(async || to("/deliveries"))).route("/assets/{name}", get(assets::serve)),
    }
}

/// The session of a request, and what its forms carry.
#[derive(Debug, Clone)]
struct SignedIn {
    session: Session,
    form_token: String,
}

fn key(app: &App) -> Vec<u8> {
    app.engine().derived_key("sessions of the pages")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// Whoever has no session is asked for the token; in `dev`, on this machine, everybody is the owner.
fn signed_in(app: &App, parts: &Parts) -> Option<SignedIn> {
    let (key, cookie) = (key(app), cookie(&parts.headers).unwrap_or_default());
    let form_token = session::form_token(&key, cookie);
    if hooks::is_open(app, parts) {
        let session = Session { who: "dev".into(), operates: true, ends_at_ms: i64::MAX };
        return Some(SignedIn { session, form_token });
    }
    // A token that is gone, is another by now, or lost a scope ends its sessions.
    let stamp = |session: &Session| {
        let bearer = auth::bearer_named(app, &session.who)?;
        let may = bearer.may(Scope::Read) && (!session.operates || bearer.may(Scope::Operate));
        may.then_some(bearer.stamp)
    };
    let session = Session::open(&key, cookie, app.wall_ms(), stamp)?;
    Some(SignedIn { session, form_token })
}

async fn own_page(request: Request, next: Next) -> Result<Response, Refusal> {
    front::check_page(request.method(), request.headers())?;
    Ok(next.run(request).await)
}

async fn admitted(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match signed_in(&app, &parts) {
        None => to("/login"),
        Some(signed_in) => {
            parts.extensions.insert(signed_in);
            next.run(Request::from_parts(parts, body)).await
        }
    }
}

fn to(address: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, address.to_owned())]).into_response()
}

/// Asks for the token.
#[derive(Template)]
#[template(path = "login.html", config = "src/http/pages/askama.toml")]
struct Login {
    words: &'static Words,
    project: String,
    error: Option<&'static str>,
}

async fn login_page(State(app): State<App>, asked: Asked) -> Response {
    show(StatusCode::OK, &Login { words: asked.words, project: project(&app), error: None })
}

fn project(app: &App) -> String {
    app.engine().deployed().settings.name.clone()
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

async fn login(State(app): State<App>, asked: Asked, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let words = asked.words.operator;
    let Token { token: given } = match read_form(&app, &parts, body).await {
        Ok(form) => form,
        Err(refusal) => return refused(&app, &asked, refusal.status, words.wrong_token),
    };
    match auth::recognise(&app, &parts, Some(given.trim().as_bytes())) {
        Ok(bearer) if bearer.may(Scope::Read) => {
            let ends_at_ms = app.wall_ms() + session::LASTS_MS;
            let (operates, stamp) = (bearer.may(Scope::Operate), bearer.stamp);
            let session = Session { operates, who: bearer.name, ends_at_ms };
            (
                [(SET_COOKIE, set_cookie(&session.seal(&key(&app), &stamp), &parts))],
                to(&format!("/deliveries?lang={}", asked.words.lang)),
            )
                .into_response()
        }
        Ok(_) => refused(&app, &asked, StatusCode::FORBIDDEN, words.wrong_token),
        Err(refusal) if refusal.status == StatusCode::TOO_MANY_REQUESTS => {
            refused(&app, &asked, refusal.status, words.locked_out)
        }
        Err(refusal) => refused(&app, &asked, refusal.status, words.wrong_token),
    }
}

/// Reads a form, as bounded in size and time as any other body.
async fn read_form<T: DeserializeOwned>(app: &App, parts: &Parts, body: Body) -> Result<T, Refusal> {
    let body = limits::read_body(parts, body, &app.0, Sender::Nobody).await?;
    let request = Request::from_parts(parts.clone(), Body::from(body));
    let read = Form::<T>::from_request(request, &()).await;
    read.map(|Form(form)| form).map_err(|_| Refusal::unreadable("the form cannot be read", "reload the page"))
}

/// Over plain HTTP only this machine can ask; everywhere else the browser keeps the cookie to HTTPS.
fn set_cookie(value: &str, parts: &Parts) -> String {
    let local = parts.extensions.get::<Caller>().is_some_and(Caller::is_local);
    let secure = if local { "" } else { "; Secure" };
    let lasts_s = session::LASTS_MS / 1000;
    format!("{COOKIE_NAME}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{secure}")
}

fn refused(app: &App, asked: &Asked, status: StatusCode, error: &'static str) -> Response {
    show(status, &Login { words: asked.words, project: project(app), error: Some(error) })
}

async fn logout(asked: Asked) -> Response {
    let gone = format!("{COOKIE_NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    ([(SET_COOKIE, gone)], to(&format!("/login?lang={}", asked.words.lang))).into_response()
}
