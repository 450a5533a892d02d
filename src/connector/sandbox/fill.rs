//! Filling of templates and what the platform refuses afterwards (reference §6.3–§6.5, `whatsapp-rules.md` §4).
//!
//! Pure. Invariant: substitution is literal and one pass; braces inside a value are never expanded.

use super::message::Failure;
use crate::config::LockedTemplate;
use crate::message::TemplateKind;

/// The text as the person reads it, or the platform's failure.
pub(super) fn fill(template: &LockedTemplate, kind: &str, text: &str, values: &[String]) -> Result<String, Failure> {
    check_status(&template.status)?;
    if kind != kind_word(template.kind) {
        return Err(Failure::code(132_012, "header of the template does not match"));
    }
    let values = choose(count(&template.text), text, values)?;
    for value in &values {
        check_value(value)?;
    }
    let filled = fill_template(&template.text, &values);
    match filled.chars().count() > 1024 {
        true => Err(Failure::code(132_005, "translated text too long")),
        false => Ok(filled),
    }
}

fn check_status(status: &str) -> Result<(), Failure> {
    match status {
        "approved" => Ok(()),
        "paused" => Err(Failure::code(132_015, "template is paused")),
        "disabled" | "deactivated" => Err(Failure::code(132_016, "template is disabled")),
        _ => Err(Failure::code(132_001, "template does not exist or is not approved")),
    }
}

fn kind_word(kind: TemplateKind) -> &'static str {
    match kind {
        TemplateKind::Text => "text",
        TemplateKind::Image => "image",
        TemplateKind::Video => "video",
        TemplateKind::Document => "document",
    }
}

/// Valid `template_values` fill the template; else `content.text` fills the only placeholder.
fn choose(wanted: usize, text: &str, values: &[String]) -> Result<Vec<String>, Failure> {
    let valid = values.len() == wanted && values.iter().all(|value| !value.is_empty());
    match wanted {
        _ if !values.is_empty() && valid => Ok(values.to_vec()),
        0 if values.is_empty() => Ok(Vec::new()),
        1 if !text.trim().is_empty() => Ok(vec![text.to_owned()]),
        1 if values.len() <= 1 => Err(Failure::code(131_008, "a value of the template is missing")),
        _ => Err(Failure::code(132_000, "number of values does not match the template")),
    }
}

fn check_value(value: &str) -> Result<(), Failure> {
    match value.contains(['\n', '\r', '\t']) || value.contains("     ") {
        true => Err(Failure::code(132_018, "param text cannot have new-line/tab characters or more than 4 spaces")),
        false => Ok(()),
    }
}

/// Number of distinct placeholders.
fn count(text: &str) -> usize {
    let mut numbers: Vec<usize> = pieces(text).into_iter().filter_map(|(_, number)| number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len()
}

/// The text of a template as the person reads it: every `{{n}}` is value *n−1*; one without a value stays as it is.
pub fn fill_template(text: &str, values: &[String]) -> String {
    let fill = |(piece, number): (&str, Option<usize>)| {
        number.and_then(|n| values.get(n - 1)).map_or(piece, String::as_str).to_owned()
    };
    pieces(text).into_iter().map(fill).collect()
}

/// The text cut into literal pieces and placeholders, with the number of each placeholder (from 1).
fn pieces(text: &str) -> Vec<(&str, Option<usize>)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start..].find("}}") else { break };
        let (open, close) = (start + 2, start + length);
        let number = rest.get(open..close).and_then(|inside| inside.trim().parse().ok()).filter(|n| *n > 0);
        let end = if number.is_some() { close + 2 } else { open };
        match number {
            Some(_) => pieces.extend([(&rest[..start], None), (&rest[start..end], number)]),
            None => pieces.push((&rest[..end], None)),
        }
        rest = &rest[end..];
    }
    pieces.push((rest, None));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> LockedTemplate {
        LockedTemplate {
            uuid: "t".into(),
            title: "T".into(),
            text: text.into(),
            kind: TemplateKind::Text,
            category: None,
            status: "approved".into(),
            placeholders: 0,
        }
    }

    fn filled(text: &str, content: &str, values: &[&str]) -> Result<String, Option<i64>> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        fill(&template(text), "text", content, &values).map_err(|failure| failure.code)
    }

    #[test]
    fn the_seed_s_two_templates_are_filled_literally() {
        let one = "Bonjour {{1}}, ceci est un exemple de message de modèle";
        assert_eq!(filled(one, "Aïcha", &[]).unwrap(), "Bonjour Aïcha, ceci est un exemple de message de modèle");
        let three = "Bonjour {{1}}, ceci est un exemple de modèle {{2}}. {{3}}!";
        assert_eq!(
            filled(three, "Aïcha", &["Aïcha", "multiple", "Merci"]).unwrap(),
            "Bonjour Aïcha, ceci est un exemple de modèle multiple. Merci!"
        );
    }

    #[test]
    fn values_are_put_in_once_and_everywhere() {
        assert_eq!(filled("{{ 2 }} {{1}} {{2}}", "", &["{{2}}", "b"]).unwrap(), "b {{2}} b");
        assert_eq!(filled("plain", "ignored", &[]).unwrap(), "plain");
        assert_eq!(filled("{{name}} {{1}} {{", "x", &[]).unwrap(), "{{name}} x {{");
        assert_eq!(filled("{{1}}", "text", &["value"]).unwrap(), "value");
        assert_eq!(filled("{{1}}", "text", &["a", "b"]).unwrap(), "text");
        assert_eq!(filled("{{}}}} {{1", "", &[]).unwrap(), "{{}}}} {{1");
    }

    #[test]
    fn what_the_platform_refuses_fails_with_its_code() {
        let cases = [
            ("{{1}} {{2}}", "x", vec![], 132_000),
            ("{{1}} {{2}}", "x", vec!["a"], 132_000),
            ("{{1}} {{2}}", "x", vec!["a", ""], 132_000),
            ("none", "", vec!["a"], 132_000),
            ("{{1}}", "", vec![], 131_008),
            ("{{1}}", "a\nb", vec![], 132_018),
            ("{{1}}", "a     b", vec![], 132_018),
        ];
        for (text, content, values, code) in cases {
            assert_eq!(filled(text, content, &values), Err(Some(code)), "{text} {values:?}");
        }
        assert_eq!(filled("{{1}}", &"x".repeat(1025), &[]), Err(Some(132_005)));
        for (status, code) in
            [("paused", 132_015), ("disabled", 132_016), ("deactivated", 132_016), ("pending", 132_001)]
        {
            let template = LockedTemplate { status: status.into(), ..template("x") };
            assert_eq!(fill(&template, "text", "", &[]).unwrap_err().code, Some(code), "{status}");
        }
        assert_eq!(fill(&template("x"), "image", "", &[]).unwrap_err().code, Some(132_012));
    }
}
