//! Make: one errand beside the loop. Secrets are put in here, just before the wire.
//!
//! Invariant: whatever happens, there is an end, and it holds no secret.

use super::{Ended, Errand};
use crate::call::{Ask, Body, HttpCall, Outcome};
use crate::config::Secret;
use crate::connector::Callbell;
use crate::connector::outgoing::Outgoing;
use crate::engine::SecretLookup;
use crate::expr::text::{MARK_END, MARK_START};
use serde_json::Value;

/// What relance is itself trusted with goes to nobody else.
const OWN: [&str; 2] = ["CALLBELL_", "RELANCE_"];

/// What errands are made with. Cloning shares it.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) outgoing: Option<Outgoing>,
    pub(super) callbell: Option<Callbell>,
    pub(super) secrets: SecretLookup,
}

impl Means {
    pub(super) async fn make(&self, errand: Errand) -> Ended {
        let Errand { call, whom } = &errand;
        let mut ended = Ended::of(call, Outcome::NotBegun);
        match &call.ask {
            Ask::HttpRequest(http) => {
                ended.outcome = match &self.outgoing {
                    Some(outgoing) => self.call_out(outgoing, http, &call.id).await,
                    None => Outcome::Failed { reason: "this server cannot make HTTP calls".into(), left: Value::Null },
                };
            }
            Ask::UpdateContact(change) => {
                if let (Some(callbell), Some(part)) = (&self.callbell, call.part()) {
                    let said = callbell.change_person(change, part, whom).await;
                    (ended.outcome, ended.facts, ended.refuses) = (said.outcome, said.facts, said.refuses);
                }
            }
        }
        ended
    }

    async fn call_out(&self, outgoing: &Outgoing, call: &HttpCall, key: &str) -> Outcome {
        let mut filling = Filling { lookup: &self.secrets, used: Vec::new(), missing: None };
        let filled = filling.call(call);
        match filling.missing {
            Some(reason) => Outcome::Failed { reason, left: Value::Null },
            None => outgoing.call(&filled, key, &filling.used).await,
        }
    }
}

/// Puts the values of secrets in the place of their marks.
struct Filling<'a> {
    lookup: &'a SecretLookup,
    used: Vec<(String, Secret)>,
    /// Why one cannot be filled in.
    missing: Option<String>,
}

impl Filling<'_> {
    fn call(&mut self, call: &HttpCall) -> HttpCall {
        let mut pairs = |pairs: &[(String, String)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, text)| (name.clone(), self.text(text))).collect()
        };
        let (headers, query) = (pairs(&call.headers), pairs(&call.query));
        let body = match &call.body {
            Body::None => Body::None,
            Body::Form(form) => Body::Form(pairs(form)),
            Body::Json(tree) => Body::Json(self.json(tree)),
            Body::Raw(text) => Body::Raw(self.text(text)),
        };
        HttpCall { url: self.text(&call.url), headers, query, body, ..call.clone() }
    }

    fn json(&mut self, tree: &Value) -> Value {
        match tree {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), self.json(value))).collect(),
            other => other.clone(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let mut parts = text.split(MARK_START);
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once(MARK_END).unwrap_or((part, ""));
            filled.push_str(&self.secret(name));
            filled.push_str(rest);
        }
        filled
    }

    fn secret(&mut self, name: &str) -> String {
        if OWN.iter().any(|own| name.to_ascii_uppercase().starts_with(own)) {
            self.missing
                .get_or_insert_with(|| format!("the secret `{name}` is relance's own, and goes to nobody else"));
            return String::new();
        }
        let Some(secret) = (self.lookup)(name) else {
            self.missing.get_or_insert_with(|| format!("the secret `{name}` is not set"));
            return String::new();
        };
        let value = secret.expose().to_owned();
        if !self.used.iter().any(|(known, _)| known == name) {
            self.used.push((name.to_owned(), secret));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn mark(name: &str) -> String {
        format!("{MARK_START}{name}{MARK_END}")
    }

    #[test]
    fn marks_become_secrets_wherever_a_text_may_stand_and_an_unset_one_is_told_by_its_name() {
        let lookup: SecretLookup = Arc::new(|name| (name == "KEY").then(|| Secret::new("k&y")));
        let call = HttpCall {
            method: "POST".into(),
            url: format!("https://x.example/{}/{}", mark("KEY"), mark("KEY")),
            headers: vec![("Authorization".into(), format!("Bearer {}", mark("KEY")))],
            query: vec![("k".into(), mark("KEY"))],
            body: Body::Json(json!({"a": [mark("KEY"), 1]})),
            timeout_ms: 1,
            expect: Vec::new(),
        };
        let mut filling = Filling { lookup: &lookup, used: Vec::new(), missing: None };
        let filled = filling.call(&call);
        assert_eq!(filled.url, "https://x.example/k&y/k&y");
        assert_eq!((&filled.headers[0].1, &filled.query[0].1), (&"Bearer k&y".to_owned(), &"k&y".to_owned()));
        assert_eq!((filled.body, filling.used.len()), (Body::Json(json!({"a": ["k&y", 1]})), 1));
        assert_eq!(filling.missing, None);
        filling.text(&mark("NONE"));
        assert_eq!(filling.missing.as_deref(), Some("the secret `NONE` is not set"));
        let mut filling = Filling { lookup: &lookup, used: Vec::new(), missing: None };
        filling.text(&mark("Callbell_TOKEN"));
        assert!(filling.missing.unwrap().contains("relance's own"));
    }
}
