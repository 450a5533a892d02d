//! `relay`: who gets the account's events handed on. Secrets are names of variables, never values.

use super::fields::{Fields, Shape};
use super::project::is_http;
use super::report::Report;
use super::sources::variable;
use super::values::{choice, scalar};
use crate::relay::{Signature, Target};
use crate::workflow::yaml::{Entry, Kind, Node};
use core::net::IpAddr;

const TARGET: Shape = Shape {
    what: "a target of `relay`",
    keys: &["url", "signature", "secret"],
    later: &[],
    elsewhere: &[("events", "a target gets every event of the account"), ("name", "a target is known by its address")],
};
const KINDS: [(&str, Signature); 2] =
    [("callbell", Signature::Callbell), ("standard_webhooks", Signature::StandardWebhooks)];
const EXAMPLE: &str = "- { url: https://crm.example.com/callbell, signature: callbell, secret: CRM_RELAY_SECRET }";
/// One worker each; more are a mistake.
const MOST: usize = 32;

pub(super) fn read(report: &mut Report, entry: &Entry) -> Vec<Target> {
    let hint = format!("write a list, such as `{EXAMPLE}`");
    let Kind::List(items) = &entry.value.kind else {
        report.error("R205", &entry.value.span, "`relay` must be a list of targets", hint);
        return Vec::new();
    };
    if items.is_empty() || items.len() > MOST {
        let message = format!("`relay` takes 1 to {MOST} targets");
        report.error("R205", &entry.key_span, message, hint);
    }
    let mut targets: Vec<Target> = Vec::new();
    for item in items {
        let Some((target, url)) = read_target(report, item) else { continue };
        match targets.iter().any(|known| known.url == target.url) {
            true => {
                let hint = "remove one of them: a target gets each event once";
                report.error("R202", &url.value.span, "the same address twice", hint);
            }
            false => targets.push(target),
        }
    }
    targets
}

fn read_target<'a>(report: &mut Report, item: &'a Node) -> Option<(Target, &'a Entry)> {
    let fields = Fields::open(report, item, None, &TARGET)?;
    let url = fields.required(report, "url", "write where events are posted: `url: https://crm.example.com/callbell`");
    let hint = "write `signature: callbell` for whoever expects the account itself, else `standard_webhooks`";
    let signature = fields.required(report, "signature", hint).and_then(|entry| choice(report, entry, &KINDS));
    let hint = "name the variable that holds the secret: `secret: CRM_RELAY_SECRET`";
    let secret = fields.required(report, "secret", hint).and_then(|entry| variable(report, entry, "CRM_RELAY_SECRET"));
    let entry = url?;
    let url = address(report, entry)?;
    Some((Target { url, signature: signature?, secret: secret? }, entry))
}

fn address(report: &mut Report, entry: &Entry) -> Option<String> {
    let url = scalar(report, entry, "an address")?;
    // The address itself is not repeated: it may hold a secret.
    if !is_http(url) {
        let hint = "write the whole address: `https://crm.example.com/callbell`";
        report.error("R205", &entry.value.span, "this is not an address", hint);
        return None;
    }
    if !url.to_lowercase().starts_with("https:") && !names_this_machine(url) {
        let hint =
            "write `https://`: what people write would go out in the clear; only this machine is posted to by http";
        report.error("R205", &entry.value.span, "a target of `relay` must be an https address", hint);
        return None;
    }
    Some(url.to_owned())
}

/// `localhost`, `127.…` or `[::1]`, with or without a port.
fn names_this_machine(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let host = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((inner, _)) => inner,
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_posted_to_in_the_clear() {
        for local in ["http://localhost/x", "HTTP://127.0.0.1:90?x", "http://[::1]:90/x"] {
            assert!(names_this_machine(local), "{local}");
        }
        for other in ["http://crm.example/127.0.0.1", "http://127.0.0.1:1@crm.example/", "http://localhost.example"] {
            assert!(!names_this_machine(other), "{other}");
        }
    }
}
