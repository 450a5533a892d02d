//! `POST /v1/messages/send`: read as the vendor reads it, handed to the engine, answered once it is on disk.
//!
//! Invariant: a plain message into a window that is not known to be open is refused, unless the caller wants the vendor's
//! way: taken now, failed later.

use super::Asked;
use super::answer::Answer;
use crate::connector::request;
use crate::engine::{Submission, Submitted};
use crate::http::hooks::some_seconds;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A caller's own name of a message.
const KEY_HEADER: &str = "idempotency-key";
const MOST_KEY_CHARS: usize = 255;
const CLOSED: &str = "the person wrote more than 24 hours ago, or never: send an approved template (`template_uuid` with \
     `optin_contact: true`), or ask with `?window=late` to have it taken and failed as Callbell does";

pub(super) async fn take(asked: &Asked) -> Result<Answer, Answer> {
    let fields = asked.query("fields").unwrap_or_default();
    let (late, key, request) = match (late(asked), key_of(asked), request::read(&asked.body, fields)) {
        (Ok(late), Ok(key), Ok(request)) => (late, key, request),
        // What is wrong is said all at once.
        (late, key, request) => {
            let none = request::Refusal { status: 400, body: json!({ "error": {} }) };
            let faults = late.err().into_iter().chain(key.err());
            let all = faults.fold(request.err().unwrap_or(none), |all, (field, text)| all.and(field, text));
            return Err(all.into());
        }
    };
    if request.translated {
        tracing::warn!(
            caller = asked.caller,
            "a request names its content `contenu` or `texte`: the API's names are `content` and `text`"
        );
    }
    let body: Value = serde_json::from_slice(&asked.body).map_err(|_| Answer::faulty(400, "base", "invalid JSON"))?;
    let hash = hex::encode(Sha256::digest(json!([body, fields, late]).to_string()));
    let submission = Submission { caller: asked.caller.clone(), key, hash, late, request, body };
    let submitted = asked.app.engine().submit(submission, asked.body.len()).await;
    match submitted.map_err(|_| Answer::busy(some_seconds()))? {
        Submitted::Taken { answer } => Ok(Answer::json(200, &answer)),
        Submitted::Before { event } => first_answer(asked, &event).await,
        Submitted::OtherBody => {
            Err(Answer::faulty(422, "Idempotency-Key", "stands for another message of the last 30 days: use a new one"))
        }
        Submitted::WindowClosed | Submitted::WindowUnknown { .. } => Err(Answer::faulty(422, "window", CLOSED)),
        Submitted::Refused(refusal) => Err(refusal.into()),
    }
}

/// A field, and what is wrong with it.
type Fault = (&'static str, &'static str);

fn late(asked: &Asked) -> Result<bool, Fault> {
    match asked.query("window") {
        None | Some("") => Ok(false),
        Some("late") => Ok(true),
        Some(_) => Err(("window", "is not included in the list")),
    }
}

fn key_of(asked: &Asked) -> Result<Option<String>, Fault> {
    let Some(value) = asked.parts.headers.get(KEY_HEADER) else { return Ok(None) };
    let key = value.to_str().ok().map(str::trim).filter(|key| !key.is_empty() && key.len() <= MOST_KEY_CHARS);
    key.map(|key| Some(key.to_owned())).ok_or(("Idempotency-Key", "must be 1 to 255 characters of ASCII"))
}

/// The answer that the same message got the first time.
async fn first_answer(asked: &Asked, event: &str) -> Result<Answer, Answer> {
    let found = asked.app.engine().store().event(event).await.map_err(|error| Answer::store(&error))?;
    let kept = found.and_then(|event| serde_json::from_str::<Value>(&event.data).ok());
    let answer = kept.map(|mut data| data["answer"].take()).filter(Value::is_object);
    Ok(Answer::json(200, &answer.unwrap_or_else(|| Submitted::bare_answer(event))))
}
