//! `tokens`: who may use the API and the gateway, and for what. The tokens themselves come from the environment.

use super::fields::{Fields, Shape};
use super::project::named;
use super::report::Report;
use super::sources::variable;
use super::values::{check_name, word_list, word_place};
use super::words::{listed, meant};
use crate::config::{Scope, Token};
use crate::workflow::yaml::Entry;
use std::collections::{BTreeMap, BTreeSet};

const TOKEN: Shape = Shape { what: "a token", keys: &["secret", "scopes"], later: &[], elsewhere: &[] };

pub(super) fn read(report: &mut Report, entry: &Entry) -> BTreeMap<String, Token> {
    let mut tokens = BTreeMap::new();
    for line in named(report, entry, "till: { secret: TILL_TOKEN, scopes: [send] }") {
        check_name(report, &line.key_span, "token name", &line.key);
        tokens.insert(line.key.clone(), read_token(report, line));
    }
    tokens
}

fn read_token(report: &mut Report, line: &Entry) -> Token {
    let mut token = Token { secret: None, scopes: BTreeSet::new() };
    let Some(fields) = Fields::open(report, &line.value, Some(line), &TOKEN) else { return token };
    let hint = "name the variable that holds the token: `secret: TILL_TOKEN`";
    token.secret = fields.required(report, "secret", hint).and_then(|entry| {
        let example = format!("{}_TOKEN", line.key.to_uppercase());
        variable(report, entry, &example)
    });
    let hint = "say what it is good for: `scopes: [read, send, operate]`, or some of them";
    if let Some(entry) = fields.required(report, "scopes", hint) {
        token.scopes = word_list(report, entry).iter().filter_map(|word| scope(report, entry, word)).collect();
    }
    token
}

fn scope(report: &mut Report, entry: &Entry, word: &str) -> Option<Scope> {
    let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
    if found.is_none() {
        let names = Scope::ALL.map(Scope::as_str);
        let hint = match meant(word, &names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the scopes are {}", listed(&names)),
        };
        report.error("R205", word_place(entry, word), format!("there is no scope `{word}`"), hint);
    }
    found
}
