//! Passed on: what only the account knows. Its answer comes back as it is, status, body and `Retry-After`;
//! only a contact that comes as a list is made the documented object.
//!
//! Invariant: the account is asked with relance's own token, at its rate; nothing of the caller's headers goes there, and
//! no token comes back.

use super::Asked;
use super::answer::Answer;
use crate::connector::Reply;
use crate::http::hooks::some_seconds;
use axum::http::Method;
use serde_json::{Value, json};

/// The same call, of the account.
pub(super) async fn on(asked: &Asked) -> Result<Answer, Answer> {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let body = asked.object()?;
    ask(asked, asked.endpoint.verb.method(), &path, &query(asked), body.as_ref()).await
}

/// The vendor's page has one spelling, its sample another: the account is asked by the page's.
pub(super) async fn funnel(asked: &Asked) -> Result<Answer, Answer> {
    let uuid = asked.path.get(1).ok_or_else(Answer::not_found)?;
    let body = asked.object()?;
    ask(asked, Method::PUT, &["contacts", uuid, "conversation", "update_funnel"], &query(asked), body.as_ref()).await
}

/// The connection test. The account's answer holds its token: the caller gets the name of its own instead.
pub(super) async fn me(asked: &Asked) -> Result<Answer, Answer> {
    let reply = reply(asked, Method::GET, &["auth", "me"], &[], None).await?;
    if !reply.is_success() {
        return Ok(reply.into());
    }
    let mut told = reply.json().map_err(|_| Answer::error(502, "Callbell's answer could not be read"))?;
    if let Some(fields) = told.as_object_mut() {
        fields.insert("api_key".to_owned(), json!(asked.caller));
    }
    Ok(Answer::json(200, &told))
}

/// One call of the account.
pub(super) async fn ask(
    asked: &Asked,
    method: Method,
    path: &[&str],
    query: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Answer, Answer> {
    let mut reply = reply(asked, method, path, query, body).await?;
    if path.first() == Some(&"contacts")
        && let Some(plain) = plain_contact(&reply)
    {
        reply.body = plain;
    }
    Ok(reply.into())
}

/// The account may answer `contact` as a list of one (reference §10); the documented shape is the object itself. `None`
/// = the answer is to be passed on as it is.
fn plain_contact(reply: &Reply) -> Option<Vec<u8>> {
    let mut told = reply.json().ok().filter(|_| reply.is_success())?;
    let contact = told.get_mut("contact")?;
    let [only] = contact.as_array_mut()?.as_mut_slice() else { return None };
    let only = only.take();
    *contact = only;
    Some(told.to_string().into_bytes())
}

async fn reply(
    asked: &Asked,
    method: Method,
    path: &[&str],
    query: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Reply, Answer> {
    let engine = asked.app.engine();
    let Some(callbell) = engine.callbell() else {
        return Err(Answer::error(503, "relance has no token of the account"));
    };
    let token = engine.take_token().await.map_err(|_| Answer::busy(some_seconds()))?;
    if let Err(due_ms) = token {
        let wait_ms = (due_ms - engine.clock().now_ms()).max(0).unsigned_abs();
        return Err(Answer::slow_down(wait_ms.div_ceil(1000)));
    }
    let reply = callbell.ask(method, path, query, body).await.map_err(|error| {
        tracing::warn!(error = format!("{error:#}"), "a call could not be passed on to the account");
        Answer::error(502, "the account could not be reached, or did not answer whole")
    })?;
    match reply.status {
        // The caller's own token is fine.
        401 => Err(Answer::error(502, "the account refuses relance's own token")),
        _ => Ok(reply),
    }
}

fn query(asked: &Asked) -> Vec<(&str, &str)> {
    asked.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
