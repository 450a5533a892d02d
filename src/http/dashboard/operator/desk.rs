//! Desk: what every page of `serve` shows around its own, and how each of its forms is read.
//!
//! Invariant: a handler that takes [`Filled`] runs only for a form of this very session, whose token may change something.

use super::{SignedIn, key, project, read_form, session};
use crate::contact::{Contact, Phone};
use crate::http::App;
use crate::http::dashboard::Asked;
use crate::http::dashboard::moment::Moments;
use crate::http::dashboard::words::Words;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The frame of a page.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) project: String,
    pub(super) clock: String,
    pub(super) zone: String,
    pub(super) form_token: String,
    pub(super) operates: bool,
    pub(super) said: Option<String>,
    /// Of this page, without what follows `?`.
    pub(super) address: String,
}

impl Desk {
    pub(super) fn new(app: &App, signed_in: &SignedIn, moments: &Moments, said: Option<String>, address: &str) -> Self {
        Self {
            project: project(app),
            clock: moments.clock(),
            zone: moments.zone(),
            form_token: signed_in.form_token.clone(),
            operates: signed_in.session.operates,
            said,
            address: address.to_owned(),
        }
    }

    /// Whether this page is that one, or one of its rows.
    pub(super) fn is_below(&self, place: &str) -> bool {
        self.address.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

pub(super) fn moments(app: &App, words: &'static Words) -> Moments {
    let zone = app.engine().deployed().settings.zone().clone();
    Moments::new(zone, words, app.engine().clock().now_ms())
}

/// The sentence behind a code that the answer of a form has left in the address.
pub(super) fn sentence(code: &str, words: &'static Words) -> Option<String> {
    let operator = words.operator;
    let known = operator.said.iter().chain(&operator.repair.said).find(|(known, _)| *known == code);
    known.map(|(_, sentence)| (*sentence).to_owned())
}

/// The name, and enough of the number to recognise it.
pub(super) fn called(contact: &Contact) -> String {
    let name = contact.name.as_deref().or(contact.first_name.as_deref()).unwrap_or_default();
    let number = contact.phone.as_ref().map(Phone::masked).unwrap_or_default();
    format!("{name} {number}").trim().to_owned()
}

/// The fields of a form.
#[derive(Debug)]
pub(super) struct Filled<T>(pub(super) T);

#[derive(Deserialize)]
struct Sent<T> {
    form_token: String,
    #[serde(flatten)]
    fields: T,
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

impl<T: DeserializeOwned> FromRequest<App> for Filled<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(asked) = Asked::from_request_parts(&mut parts, app).await;
        let Some(signed_in) = parts.extensions.get::<SignedIn>() else {
            return Err(StatusCode::FORBIDDEN.into_response());
        };
        let operates = signed_in.session.operates;
        let sent: Sent<T> = read_form(app, &parts, body).await.map_err(|refusal| refusal.into_response())?;
        let (words, cookie) = (asked.words.operator, super::cookie(&parts.headers).unwrap_or_default());
        match session::fits(&key(app), cookie, &sent.form_token) {
            false => Err((StatusCode::FORBIDDEN, format!("{}\n", words.expired_form)).into_response()),
            true if !operates => Err((StatusCode::FORBIDDEN, format!("{}\n", words.read_only)).into_response()),
            true => Ok(Self(sent.fields)),
        }
    }
}
