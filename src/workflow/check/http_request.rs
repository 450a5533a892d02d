//! `http_request`: a call to a host of `allow_hosts`. Secrets may stand here, and nowhere else.

use super::expression::Holes;
use super::fields::{Fields, Shape};
use super::hosts::{host_of, may_call};
use super::lowering::Lowering;
use super::project::named;
use super::secrets::names_a_credential;
use super::values::{choice, duration, word_list, word_place};
use crate::expr::Text;
use crate::workflow::yaml::{Entry, Kind};
use crate::workflow::{HttpBody, HttpRequest};

const REQUEST: Shape = Shape {
    what: "`http_request`",
    keys: &["url", "method", "headers", "query", "json", "form", "body", "timeout", "expect"],
    later: &[],
    elsewhere: &[
        ("retry", "write it beside `http_request:`, not below it"),
        ("id", "write it beside `http_request:`, not below it"),
        ("if", "write it beside `http_request:`, not below it"),
        ("auth", "write a header: `headers: { Authorization: \"Bearer {{secret.NAME}}\" }`"),
    ],
};
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
const BODIES: [&str; 3] = ["json", "form", "body"];
/// What the connection itself says, or relance.
const OWN_HEADERS: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "idempotency-key", "accept-encoding"];
const LONGEST_MS: i64 = 15_000;
const USUAL_MS: i64 = 10_000;

impl<'a> Lowering<'a> {
    pub(super) fn http_request(&mut self, key: &'a Entry) -> Option<HttpRequest> {
        if let Kind::Scalar { text, .. } = &key.value.kind {
            let hint = format!("write `http_request: {{ url: {text} }}`");
            self.report.error("R205", &key.value.span, "`http_request` must be a map", hint);
            return None;
        }
        let fields = Fields::open(&mut self.report, &key.value, Some(key), &REQUEST)?;
        self.in_request = true;
        let hint = "write whom to call: `url: https://api.example.com/orders`";
        let url = fields.required(&mut self.report, "url", hint).and_then(|entry| self.request_url(entry));
        let headers = fields.get("headers").map(|entry| self.headers(entry)).unwrap_or_default();
        let query = fields.get("query").map(|entry| self.pairs(entry)).unwrap_or_default();
        let body = self.request_body(&fields);
        self.in_request = false;
        let method = self.method(&fields);
        let timeout_ms = fields.get("timeout").map_or(Some(USUAL_MS), |entry| self.timeout(entry));
        let expect = fields.get("expect").map(|entry| self.expected_codes(entry)).unwrap_or_default();
        Some(HttpRequest { url: url?, method: method?, headers, query, body: body?, timeout_ms: timeout_ms?, expect })
    }

    fn request_url(&mut self, entry: &'a Entry) -> Option<Text> {
        let url = self.required_text(entry)?;
        match host_of(&url) {
            Err((code, message, hint)) => self.report.error(code, &entry.value.span, message, hint),
            Ok((scheme, host)) if self.world.usable => {
                if let Err((code, message, hint)) = may_call(&self.world.settings.allow_hosts, &scheme, &host) {
                    self.report.error(code, &entry.value.span, message, hint);
                }
            }
            Ok(_) => {}
        }
        Some(url)
    }

    fn headers(&mut self, entry: &'a Entry) -> Vec<(String, Text)> {
        let mut names: Vec<String> = Vec::new();
        for line in named(&mut self.report, entry, "Authorization: \"Bearer {{secret.NAME}}\"") {
            let name = line.key.to_ascii_lowercase();
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
                let message = format!("`{}` is not a header's name", line.key);
                self.report.error("R205", &line.key_span, message, "write the name alone, such as `X-Api-Key`");
            } else if OWN_HEADERS.contains(&name.as_str()) {
                let message = format!("`{}` is written by relance itself", line.key);
                self.report.error("R204", &line.key_span, message, "remove it");
            } else if names.contains(&name) {
                let message = format!("the header `{}` stands here twice", line.key);
                self.report.error("R107", &line.key_span, message, "keep one of them");
            }
            names.push(name);
        }
        self.pairs(entry)
    }

    fn pairs(&mut self, entry: &'a Entry) -> Vec<(String, Text)> {
        let mut pairs = Vec::new();
        for line in named(&mut self.report, entry, "order: \"{{event.order_id}}\"") {
            if entry.key != "headers" {
                self.name_of(&entry.key, line);
            }
            let Some(text) = self.text(&line.value, Holes::Fail) else { continue };
            if entry.key == "headers" && text.source().contains(['\n', '\r']) {
                let hint = "write the value on one line";
                self.report.error("R205", &line.value.span, "a header has one line", hint);
            }
            if names_a_credential(&line.key) {
                self.no_credential(&line.value, &text);
            }
            pairs.push((line.key.clone(), text));
        }
        pairs
    }

    fn request_body(&mut self, fields: &Fields<'a>) -> Option<HttpBody> {
        let mut written = BODIES.iter().filter_map(|key| fields.get(key));
        let Some(first) = written.next() else { return Some(HttpBody::None) };
        if let Some(second) = written.next() {
            let message = format!("`{}` is not allowed beside `{}`", second.key, first.key);
            self.report.error("R204", &second.key_span, message, "keep one of `json`, `form` and `body`");
        }
        match first.key.as_str() {
            "json" => self.json(&first.value).map(HttpBody::Json),
            "form" => Some(HttpBody::Form(self.pairs(first))),
            _ => self.required_text(first).map(HttpBody::Raw),
        }
    }

    fn method(&mut self, fields: &Fields) -> Option<String> {
        let body = BODIES.iter().find_map(|key| fields.get(key));
        let Some(entry) = fields.get("method") else {
            return Some(if body.is_some() { "POST" } else { "GET" }.to_owned());
        };
        let method = choice(&mut self.report, entry, &METHODS.map(|method| (method, method)))?;
        if let Some(body) = body.filter(|_| matches!(method, "GET" | "HEAD")) {
            let message = format!("`{}` is not allowed with `method: {method}`", body.key);
            self.report.error("R204", &body.key_span, message, "write `query:`, or another method");
        }
        Some(method.to_owned())
    }

    fn timeout(&mut self, entry: &Entry) -> Option<i64> {
        let timeout = duration(&mut self.report, entry)?;
        let in_range = timeout.days == 0 && (1..=LONGEST_MS).contains(&timeout.ms);
        if !in_range {
            let hint = "write a duration up to `15s`; who answers later can post a webhook";
            self.report.error("R205", &entry.value.span, "`timeout` is out of range", hint);
        }
        in_range.then_some(timeout.ms)
    }

    /// Codes that are no failure; empty = any 2xx.
    fn expected_codes(&mut self, entry: &Entry) -> Vec<u16> {
        let words = word_list(&mut self.report, entry);
        if words.iter().map(String::as_str).eq(["2xx"]) {
            return Vec::new();
        }
        let mut codes = Vec::new();
        for word in &words {
            match word.parse() {
                Ok(code) if (200..=599).contains(&code) => codes.push(code),
                _ if word == "2xx" => codes.extend(200..=299),
                _ => {
                    let hint = "write `2xx`, or codes: `expect: [200, 404]`";
                    self.report.error("R205", word_place(entry, word), format!("`{word}` is no status code"), hint);
                }
            }
        }
        codes
    }
}
