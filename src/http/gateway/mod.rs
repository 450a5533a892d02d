//! Gateway: the vendor's API below `/v1`, for programs that were written against it.
//!
//! ```text
//! request ─► token, scope ─► body ─► own:  send ──► engine (a message like any other)
//!                                    │     status, take back ◄── what relance knows
//!                                    └─ pass ──► the account, with relance's own token
//! ```
//! `endpoints` is the table of what is served; each file beside it serves a kind of it. Invariant: every answer below
//! `/v1` has the vendor's shape, refusals included, and no credential of a caller or of the account leaves by it.

mod answer;
mod endpoints;
mod messages;
mod openapi;
mod pass;
mod send;
mod webhooks;

use super::error::Refusal;
use super::front::Caller;
use super::room::Sender;
use super::{App, auth, hooks, limits};
use crate::config::Scope;
use answer::Answer;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, get, on};
use endpoints::{Act, ENDPOINTS, Endpoint};
use percent_encoding::percent_decode_str;

/// Below it lies everything that the vendor has.
const BELOW: &str = "/v1";
/// What describes it.
pub(super) const DOCUMENT: &str = "/openapi.json";

/// Whether an address is the gateway's: its callers show a token, and reach it by whatever name they were given.
pub(super) fn is_below(path: &str) -> bool {
    path.strip_prefix(BELOW).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn router() -> Router<App> {
    let add = |router: Router<App>, endpoint: &'static Endpoint| {
        let filter = MethodFilter::try_from(endpoint.verb.method()).unwrap_or(MethodFilter::GET);
        let serve = move |State(app): State<App>, request: Request| serve(app, endpoint, request);
        router.route(&format!("{BELOW}{}", endpoint.path), on(filter, serve))
    };
    let served = ENDPOINTS.iter().fold(Router::new(), add);
    let served = served.method_not_allowed_fallback(wrong_method);
    served.route(DOCUMENT, get(openapi::show))
}

/// A request that was let in.
struct Asked {
    app: App,
    endpoint: &'static Endpoint,
    /// Name of the token.
    caller: String,
    parts: Parts,
    body: Bytes,
    /// The parts of the path below `/v1`, decoded.
    path: Vec<String>,
    query: Vec<(String, String)>,
}

async fn serve(app: App, endpoint: &'static Endpoint, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        let caller = admit(&app, &parts, endpoint.scope)?;
        let body = limits::read_body(&parts, body, &app.0, Sender::Known).await?;
        let path = path_of(parts.uri.path()).ok_or_else(Answer::not_found)?;
        let query = query_of(&parts)?;
        answer(Asked { app, endpoint, caller, parts, body, path, query }).await
    };
    answer.await.unwrap_or_else(|refused| refused).into_response()
}

async fn answer(asked: Asked) -> Result<Answer, Answer> {
    match asked.endpoint.act {
        Act::Send => send::take(&asked).await,
        Act::Status => messages::status(&asked).await,
        Act::Delete => messages::delete(&asked).await,
        Act::Subscribe => webhooks::subscribe(&asked).await,
        Act::Unsubscribe => webhooks::unsubscribe(&asked).await,
        Act::Events => webhooks::events(&asked).await,
        Act::Me => pass::me(&asked).await,
        Act::Funnel => pass::funnel(&asked).await,
        Act::Pass => pass::on(&asked).await,
    }
}

/// Lets a caller in. In `dev` nobody needs a token, so there only this machine's own names are answered.
fn admit(app: &App, parts: &Parts, scope: Scope) -> Result<String, Refusal> {
    if hooks::is_open(app, parts)
        && let Some(caller) = parts.extensions.get::<Caller>()
    {
        caller.check_names(&parts.method, &parts.headers)?;
    }
    auth::admit(app, parts, scope)
}

/// `None` for a path that says something else to the account than it does here: an empty part, a dot.
fn path_of(path: &str) -> Option<Vec<String>> {
    let below = path.strip_prefix(BELOW)?.strip_prefix('/')?;
    let decoded =
        below.split('/').map(|part| percent_decode_str(part).decode_utf8().map(|part| part.into_owned()).ok());
    let path: Vec<String> = decoded.collect::<Option<_>>()?;
    let sound = |part: &String| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
    path.iter().all(sound).then_some(path)
}

fn query_of(parts: &Parts) -> Result<Vec<(String, String)>, Answer> {
    let read = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    read.map(|Query(pairs)| pairs).map_err(|_| Answer::faulty(400, "base", "invalid query"))
}

/// Below `/v1`, where nothing is.
pub(super) async fn nowhere(app: &App, parts: &Parts) -> Response {
    let answer = match admit(app, parts, Scope::Read) {
        Err(refusal) if refusal.status != StatusCode::FORBIDDEN => refusal.into(),
        _ => Answer::not_found(),
    };
    answer.into_response()
}

async fn wrong_method(State(app): State<App>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    match admit(&app, &parts, Scope::Read) {
        Err(refusal) if refusal.status != StatusCode::FORBIDDEN => refusal.into(),
        _ => Answer::error(405, "method not allowed"),
    }
}

impl Asked {
    /// The first value of that name behind `?`.
    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the caller's token has this scope as well.
    fn may(&self, scope: Scope) -> bool {
        auth::admit(&self.app, &self.parts, scope).is_ok()
    }

    /// The body as an object; `None` without one.
    fn object(&self) -> Result<Option<serde_json::Value>, Answer> {
        if self.body.is_empty() {
            return Ok(None);
        }
        let read = serde_json::from_slice::<serde_json::Value>(&self.body).ok().filter(serde_json::Value::is_object);
        read.map(Some).ok_or_else(|| Answer::faulty(400, "base", "invalid JSON"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_the_same_to_the_account_as_here() {
        let read = |path: &str| path_of(path).map(|path| path.join("|"));
        assert_eq!(read("/v1/contacts/phone/%2B33600000001").as_deref(), Some("contacts|phone|+33600000001"));
        assert_eq!(read("/v1/contacts/a%2Fb").as_deref(), Some("contacts|a/b"));
        for path in ["/v1/contacts/%2e%2e", "/v1/contacts/.%2E/x", "/v1/contacts//bot", "/v1/contacts/%0A", "/v1/x/%ff"]
        {
            assert_eq!(read(path), None, "{path}");
        }
    }
}
