//! Words of messages about templates and media.

use crate::message::{Category, MediaKind, TemplateKind};

/// A text short enough for a hint.
pub(super) fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(100) {
        Some((at, _)) => format!("`{} …`", &line[..at]),
        None => format!("`{line}`"),
    }
}

pub(super) fn media_of(kind: TemplateKind) -> Option<MediaKind> {
    match kind {
        TemplateKind::Text => None,
        TemplateKind::Image => Some(MediaKind::Image),
        TemplateKind::Video => Some(MediaKind::Video),
        TemplateKind::Document => Some(MediaKind::Document),
    }
}

pub(super) fn media_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Document => "document",
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}

/// `an image`.
pub(super) fn with_article(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "an image",
        MediaKind::Document => "a document",
        MediaKind::Audio => "an audio",
        MediaKind::Video => "a video",
    }
}

/// `1 name`, `2 names`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

pub(super) fn kind_name(kind: TemplateKind) -> &'static str {
    media_of(kind).map_or("text", media_name)
}

pub(super) fn category_name(category: Category) -> &'static str {
    match category {
        Category::Marketing => "marketing",
        Category::Utility => "utility",
        Category::Authentication => "authentication",
    }
}
