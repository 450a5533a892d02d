//! Lint: what WhatsApp's review would refuse in a template's text, and what the account changed since the lock file.
//!
//! The rules are those of the platform (positional variables, numbered 1..n; none at either end, none side by side;
//! at most 1,024 characters). Findings about templates that are approved all the same are warnings.

use super::super::account::Account;
use super::super::{Exit, Global};
use super::lock;
use crate::config::LockedTemplate;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;

/// Characters of a body at most.
const BODY: usize = 1024;
/// More variables than this for so few words each are refused as spam.
const WORDS_PER_VARIABLE: usize = 3;
const MOST_VARIABLES: usize = 100;

struct Finding {
    uuid: String,
    title: String,
    code: &'static str,
    error: bool,
    what: String,
}

pub(super) fn run(global: &Global, account: &Account, templates: &[LockedTemplate]) -> anyhow::Result<Exit> {
    let mut findings: Vec<Finding> = templates.iter().flat_map(review).collect();
    if let Some(locked) = lock::read(account)? {
        findings.extend(lock::changes(&locked, templates).into_iter().flat_map(drift));
    }
    let mut out = global.out();
    if global.json {
        let row = |one: &Finding| json!({ "uuid": one.uuid, "title": one.title, "code": one.code, "severity": severity(one), "message": one.what });
        let rows: Vec<Value> = findings.iter().map(row).collect();
        writeln!(out, "{}", json!({ "version": 1, "findings": rows }))?;
    } else {
        for one in &findings {
            let code = if one.code.is_empty() { String::new() } else { format!("[{}]", one.code) };
            writeln!(out, "{}{code}: `{}`: {}", severity(one), one.title, one.what)?;
        }
        eprintln!("{} templates, {} findings", templates.len(), findings.len());
    }
    Ok(if findings.iter().any(|one| one.error) { Exit::Problems } else { Exit::Fine })
}

fn severity(one: &Finding) -> &'static str {
    if one.error { "error" } else { "warning" }
}

fn drift(change: lock::Change) -> Vec<Finding> {
    let lock::Change { title, uuid, what, .. } = change;
    let coded = what.into_iter().filter(|(code, _)| !code.is_empty());
    let finding = |(code, what)| Finding { uuid: uuid.clone(), title: title.clone(), code, error: true, what };
    coded.map(finding).collect()
}

fn review(template: &LockedTemplate) -> Vec<Finding> {
    let error = template.status != "approved";
    let finding = |what| Finding { uuid: template.uuid.clone(), title: template.title.clone(), code: "", error, what };
    mistakes(&template.text).into_iter().map(finding).collect()
}

/// What the review refuses in a body.
fn mistakes(body: &str) -> Vec<String> {
    let mut found = Vec::new();
    let body = body.trim();
    let (texts, variables) = parts(body);
    let says = |text: &str| text.chars().any(char::is_alphanumeric);
    if variables.is_empty() {
        return if body.chars().count() > BODY { vec![too_long(body)] } else { found };
    }
    if texts.first().is_some_and(|text| text.trim().is_empty()) {
        found.push("it starts with a variable: write a word before it".into());
    }
    // A full stop alone is no text to the review.
    if texts.last().is_some_and(|text| !says(text)) {
        found.push("it ends with a variable: write a word after it".into());
    }
    if texts[1..texts.len() - 1].iter().any(|text| text.trim().is_empty()) {
        found.push("two variables stand side by side: write a word between them".into());
    }
    found.extend(numbering(&variables));
    let words = texts.iter().flat_map(|text| text.split_whitespace()).filter(|word| says(word)).count();
    if words < variables.len() * WORDS_PER_VARIABLE && variables.len() > 1 {
        found.push(format!("{words} words are few for {} variables", variables.len()));
    }
    if body.chars().count() > BODY {
        found.push(too_long(body));
    }
    found
}

fn too_long(body: &str) -> String {
    format!("its text has {} characters, {BODY} are the most", body.chars().count())
}

/// The texts around the variables, and what stands in the braces: one more text than variables.
fn parts(body: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut texts, mut variables, mut rest) = (Vec::new(), Vec::new(), body);
    while let Some((before, after)) = rest.split_once("{{")
        && let Some((inside, after)) = after.split_once("}}")
    {
        texts.push(before);
        variables.push(inside.trim());
        rest = after;
    }
    texts.push(rest);
    (texts, variables)
}

/// Positional variables are numbered 1..n without gaps; the API knows no named ones.
fn numbering(variables: &[&str]) -> Option<String> {
    let odd = variables.iter().find(|inside| inside.parse::<u32>().is_err() || inside.starts_with(['+', '0']));
    if let Some(odd) = odd {
        return Some(format!("`{{{{{odd}}}}}` is no numbered variable: write {{{{1}}}}, {{{{2}}}} …"));
    }
    let numbers: BTreeSet<u32> = variables.iter().filter_map(|inside| inside.parse().ok()).collect();
    let highest = numbers.last().copied().unwrap_or(0);
    if let Some(missing) = (1..=highest).find(|n| !numbers.contains(n)) {
        return Some(format!("{{{{{missing}}}}} is missing: variables are numbered without gaps"));
    }
    (numbers.len() > MOST_VARIABLES).then(|| format!("{} variables, {MOST_VARIABLES} are the most", numbers.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_review_refuses_is_found_and_nothing_else() {
        let long = "word ".repeat(300);
        let cases = [
            ("Hi {{1}}, your order {{2}} leaves our shop today.", ""),
            ("Hello, welcome to our shop.", ""),
            ("{{1}}, your order has left our shop.", "starts with a variable"),
            ("Your order is {{1}}", "ends with a variable"),
            ("Your order has left our shop: {{1}}.", "ends with a variable"),
            ("Dear customer, your order {{1}} {{2}} has left our shop.", "side by side"),
            ("Dear customer, your order {{1}} has left, it arrives at {{3}} today.", "{{2}} is missing"),
            ("Dear {{name}}, your order has left our shop.", "`{{name}}` is no numbered variable"),
            ("Hi {{1}} and {{2}} bye", "are few for 2 variables"),
            (long.as_str(), "1,024"),
        ];
        for (text, expected) in cases {
            let found = mistakes(text);
            match expected {
                "" => assert!(found.is_empty(), "{text}: {found:?}"),
                "1,024" => assert!(found[0].contains("1024 are the most"), "{found:?}"),
                words => assert!(found.len() == 1 && found[0].contains(words), "{text}: {found:?}"),
            }
        }
    }
}
