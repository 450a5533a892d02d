//! The account's templates as the API lists them (reference §11).
//!
//! Pure. Invariant: an entry without uuid, or of a kind we cannot send, is left out, never guessed.

use crate::config::LockedTemplate;
use crate::message::{Category, TemplateKind};
use serde_json::Value;
use std::collections::BTreeSet;

/// One template of the account; `None` when it has no uuid or is of an unknown kind.
pub fn read_template(value: &Value) -> Option<LockedTemplate> {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let uuid = Some(text("uuid")).filter(|uuid| !uuid.is_empty())?;
    let kind = match text("templateType").to_lowercase().as_str() {
        "text" | "" => TemplateKind::Text,
        "image" => TemplateKind::Image,
        "video" => TemplateKind::Video,
        "document" => TemplateKind::Document,
        _ => return None,
    };
    let category = match text("category").to_lowercase().as_str() {
        "marketing" => Some(Category::Marketing),
        "utility" => Some(Category::Utility),
        "authentication" => Some(Category::Authentication),
        _ => None,
    };
    let body = text("text");
    let placeholders = count_placeholders(&body);
    Some(LockedTemplate {
        uuid,
        title: text("title"),
        text: body,
        kind,
        category,
        status: text("status").to_lowercase(),
        placeholders,
    })
}

/// Number of distinct `{{n}}` in an approved text; spaces inside the braces count for nothing.
pub fn count_placeholders(text: &str) -> usize {
    let mut numbers = BTreeSet::new();
    for part in text.split("{{").skip(1) {
        let inside = part.split_once("}}").map(|(inside, _)| inside.trim());
        numbers.extend(inside.and_then(|inside| inside.parse::<u32>().ok()).filter(|n| *n > 0));
    }
    numbers.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_are_counted_once_each() {
        let cases =
            [("", 0), ("Bonjour {{1}}", 1), ("{{ 2 }} {{1}} {{2}}", 2), ("{{10}} {{1}}", 2), ("{{name}} {{0}} {{", 0)];
        for (text, count) in cases {
            assert_eq!(count_placeholders(text), count, "{text}");
        }
    }

    #[test]
    fn a_listed_template_is_read_whatever_the_case_of_its_words() {
        let row = json!({"uuid": "t", "title": "T", "templateType": "image", "category": "MARKETING",
            "status": "APPROVED", "text": "{{1}} {{2}}"});
        let read = read_template(&row).unwrap();
        assert_eq!((read.kind, read.category), (TemplateKind::Image, Some(Category::Marketing)));
        assert_eq!((read.status.as_str(), read.placeholders), ("approved", 2));
        assert_eq!(read_template(&json!({"title": "no uuid"})), None);
        assert_eq!(read_template(&json!({"uuid": "t", "templateType": "carousel"})), None);
    }
}
