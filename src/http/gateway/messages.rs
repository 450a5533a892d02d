//! Where a message is, and how it is taken back. What the gateway took is answered from relance's own knowledge; what it
//! did not take, the account knows.
//!
//! Invariant: a status never says more than what happened: `enqueued` until the vendor told more, `failed` only when
//! nothing will be sent any more, or the platform said so.

use super::Asked;
use super::answer::Answer;
use super::pass;
use crate::config::Scope;
use crate::connector::verdicts;
use crate::delivery::{DeliveryState, VendorStatus, code_of_reason, inside_id};
use crate::engine::TakenBack;
use crate::http::hooks::some_seconds;
use crate::http::mask::{masked, masked_text};
use crate::store::attempts::AttemptRow;
use crate::store::deliveries::DeliveryRow;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) async fn status(asked: &Asked) -> Result<Answer, Answer> {
    let uuid = asked.path.last().ok_or_else(Answer::not_found)?;
    let Some((row, attempts)) = own(asked, uuid).await? else {
        let told = pass::on(asked).await?;
        // The account's answer holds the person, whose number `read` does not show.
        return Ok(if asked.may(Scope::Operate) { told } else { told.masked() });
    };
    let status = shown_status(&row);
    let mut message = json!({ "uuid": uuid, "status": status.as_str() });
    if status == VendorStatus::Failed {
        let (code, reason) = why(&row, attempts.last());
        let payload = json!({ "code": code, "reason": reason });
        message["messageStatusPayload"] = json!({ "id": uuid, "gsId": uuid, "type": "failed", "payload": payload });
    }
    if !row.delivery.message.metadata.is_empty() {
        let metadata = json!(row.delivery.message.metadata);
        // It may be another token's message, and name a person: `read` shows no number.
        message["metadata"] = if asked.may(Scope::Operate) { metadata } else { masked(metadata) };
    }
    Ok(Answer::json(200, &json!({ "message": message })))
}

/// A message of the gateway by the uuid its caller got, with its calls in order.
async fn own(asked: &Asked, uuid: &str) -> Result<Option<(DeliveryRow, Vec<AttemptRow>)>, Answer> {
    let Some(id) = inside_id(uuid) else { return Ok(None) };
    let store = asked.app.engine().store();
    let row = store.delivery(&id).await.map_err(|error| Answer::store(&error))?;
    let Some(row) = row.filter(|row| row.delivery.caller.is_some()) else { return Ok(None) };
    let attempts = store.attempts(&[&id]).await.map_err(|error| Answer::store(&error))?;
    Ok(Some((row, attempts)))
}

fn shown_status(row: &DeliveryRow) -> VendorStatus {
    match row.delivery.state {
        DeliveryState::Queued | DeliveryState::Held | DeliveryState::Sending | DeliveryState::Uncertain => {
            VendorStatus::Enqueued
        }
        DeliveryState::Accepted => row.status.unwrap_or(VendorStatus::Enqueued),
        DeliveryState::Rejected | DeliveryState::Skipped | DeliveryState::Cancelled => VendorStatus::Failed,
    }
}

/// The platform's code, when there is one, and the reason in words.
fn why(row: &DeliveryRow, last: Option<&AttemptRow>) -> (Option<i64>, String) {
    let reason = &row.delivery.reason;
    let code = match (row.delivery.state, last) {
        (DeliveryState::Accepted, Some(attempt)) => attempt.code,
        (DeliveryState::Rejected, Some(attempt)) => attempt.code,
        _ => code_of_reason(reason),
    };
    let meaning = code.map(|code| verdicts::verdict(code).meaning.as_str()).unwrap_or_default();
    let said = last.and_then(|attempt| attempt.error.as_deref()).unwrap_or_default();
    let words = [meaning, said, reason].into_iter().find(|words| !words.is_empty()).unwrap_or("failed");
    (code, masked_text(words).into_owned())
}

pub(super) async fn delete(asked: &Asked) -> Result<Answer, Answer> {
    let named = asked.object()?.and_then(|body| body["uuid"].as_str().map(str::to_owned));
    let uuid = match asked.endpoint.has_body() {
        true => named.filter(|uuid| !uuid.is_empty()).ok_or_else(|| Answer::faulty(400, "uuid", "can't be blank"))?,
        false => asked.path.last().ok_or_else(Answer::not_found)?.clone(),
    };
    let Some((row, attempts)) = own(asked, &uuid).await? else { return delete_there(asked, &uuid).await };
    let taken_back = asked.app.engine().take_back(&row.delivery.id).await;
    match taken_back.map_err(|_| Answer::busy(some_seconds()))? {
        TakenBack::Cancelled => Ok(Answer::empty()),
        TakenBack::Stands(Some(DeliveryState::Accepted)) => {
            let there = attempts.iter().rev().find_map(|attempt| attempt.message_uuid.as_deref());
            match there {
                Some(there) => delete_there(asked, there).await,
                None => Err(Answer::error(409, "Callbell took the message and told no uuid of it: delete it there")),
            }
        }
        TakenBack::Stands(Some(DeliveryState::Sending | DeliveryState::Uncertain)) => {
            Err(Answer::error(409, "the message is on its way, or nobody knows whether it left: ask again"))
        }
        // Nothing of it is in the account.
        TakenBack::Stands(_) => Ok(Answer::empty()),
    }
}

async fn delete_there(asked: &Asked, uuid: &str) -> Result<Answer, Answer> {
    pass::ask(asked, Method::DELETE, &["messages", uuid], &[], None::<&Value>).await
}
