//! `sources`: who may post events. Secrets are names of variables, never values.

use super::fields::{Fields, Shape};
use super::project::named;
use super::report::Report;
use super::values::{check_name, choice, plain_text, scalar};
use crate::config::{Encoding, Signature, Source};
use crate::workflow::yaml::Entry;
use std::collections::BTreeMap;

const SOURCE: Shape = Shape {
    what: "a source",
    keys: &["signature", "secret", "path_token", "id", "header", "prefix", "encoding"],
    later: &[],
    elsewhere: &[],
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    StandardWebhooks,
    Shopify,
    Stripe,
    Github,
    Hmac,
    None,
}

const KINDS: [(&str, Kind); 6] = [
    ("standard_webhooks", Kind::StandardWebhooks),
    ("shopify", Kind::Shopify),
    ("stripe", Kind::Stripe),
    ("github", Kind::Github),
    ("hmac", Kind::Hmac),
    ("none", Kind::None),
];

pub(super) fn read(report: &mut Report, entry: &Entry) -> BTreeMap<String, Source> {
    let example = "shop: { signature: standard_webhooks, secret: SHOP_WEBHOOK_SECRET }";
    let mut sources = BTreeMap::new();
    for line in named(report, entry, example) {
        check_name(report, &line.key_span, "source name", &line.key);
        sources.insert(line.key.clone(), read_source(report, line));
    }
    sources
}

/// A source with mistakes is kept by name: workflows may speak of it, and the project is not used anyway.
fn read_source(report: &mut Report, line: &Entry) -> Source {
    let mut source = Source { signature: Signature::None, secret: None, path_token: None, id: None };
    let Some(fields) = Fields::open(report, &line.value, Some(line), &SOURCE) else { return source };
    let hint = "write `signature: none` with a `path_token`, or how the sender signs";
    let kind = fields.required(report, "signature", hint).and_then(|entry| choice(report, entry, &KINDS));
    let example = |what: &str| format!("{}_{what}", line.key.to_uppercase());
    source.secret = fields.get("secret").and_then(|entry| variable(report, entry, &example("WEBHOOK_SECRET")));
    source.path_token = fields.get("path_token").and_then(|entry| variable(report, entry, &example("HOOK_TOKEN")));
    source.id = fields.get("id").and_then(|entry| id_path(report, entry));
    let Some(kind) = kind else { return source };
    needs(report, &fields, kind);
    source.signature = signature(report, &fields, kind);
    source
}

fn needs(report: &mut Report, fields: &Fields, kind: Kind) {
    match kind {
        Kind::None => {
            let hint = "without a signature a token is needed: `path_token: SHOP_HOOK_TOKEN`, a variable's name";
            fields.required(report, "path_token", hint);
            if let Some(entry) = fields.get("secret") {
                report.error("R204", &entry.key_span, "`secret` is not used with `signature: none`", "remove it");
            }
        }
        _ => {
            let hint = "name the variable that holds the sender's secret: `secret: SHOP_WEBHOOK_SECRET`";
            fields.required(report, "secret", hint);
        }
    }
    for key in ["header", "prefix", "encoding"] {
        if let Some(entry) = fields.get(key).filter(|_| kind != Kind::Hmac) {
            let message = format!("`{key}` is for `signature: hmac` only");
            report.error("R204", &entry.key_span, message, "remove it: this signature has its own header");
        }
    }
}

fn signature(report: &mut Report, fields: &Fields, kind: Kind) -> Signature {
    match kind {
        Kind::StandardWebhooks => Signature::StandardWebhooks,
        Kind::Shopify => Signature::Shopify,
        Kind::Stripe => Signature::Stripe,
        Kind::Github => Signature::Github,
        Kind::None => Signature::None,
        Kind::Hmac => {
            let hint = "name the header that carries the signature: `header: X-Signature`";
            let header = fields.required(report, "header", hint).and_then(|entry| header_name(report, entry));
            let prefix = fields.get("prefix").and_then(|entry| scalar(report, entry, "a text"));
            let encodings = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
            let encoding = fields.get("encoding").and_then(|entry| choice(report, entry, &encodings));
            Signature::Hmac {
                header: header.unwrap_or_default(),
                prefix: prefix.unwrap_or_default().to_owned(),
                encoding: encoding.unwrap_or_default(),
            }
        }
    }
}

fn header_name(report: &mut Report, entry: &Entry) -> Option<String> {
    let name = plain_text(report, entry)?;
    let formed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !formed {
        let hint = "write the name alone, such as `X-Signature`";
        report.error("R205", &entry.value.span, format!("`{name}` is not a header's name"), hint);
    }
    formed.then_some(name)
}

fn id_path(report: &mut Report, entry: &Entry) -> Option<String> {
    let path = plain_text(report, entry)?;
    let path = path.strip_prefix("event.").map(str::to_owned).unwrap_or(path);
    let formed = path.split('.').all(|part| !part.is_empty() && !part.contains(['{', '}', ' ']));
    if !formed {
        let hint = "write the path in the body, such as `id` or `data.id`";
        report.error("R205", &entry.value.span, format!("`{path}` is not a field path"), hint);
    }
    formed.then_some(path)
}

/// The name of an environment variable; `example` is one that would do.
pub(super) fn variable(report: &mut Report, entry: &Entry, example: &str) -> Option<String> {
    let name = plain_text(report, entry)?;
    let formed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let lower = name.bytes().any(|byte| byte.is_ascii_lowercase());
    if formed && !(lower && name.len() >= 20 && name.bytes().any(|byte| byte.is_ascii_digit())) {
        return Some(name);
    }
    let hint = format!(
        "write a name, such as `{}: {example}`, and keep the value on the server under it; \
                 renew a token that was already shared",
        entry.key
    );
    report.error("R601", &entry.value.span, "the secret itself stands here, where only its name belongs", hint);
    None
}
