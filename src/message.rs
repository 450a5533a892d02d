//! Message: what a person is to read, before any vendor. Both forms are rendered when the step is reached;
//! the gate chooses one of them at the instant of sending.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind of channel whose rules relance keeps.
pub const WHATSAPP: &str = "whatsapp";

/// The kinds of channel of other platforms.
pub const FOREIGN: [&str; 3] = ["facebook", "instagram", "telegram"];

/// One message, in the forms in which it may leave. At least one of `plain` and `template` is there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Message {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<Plain>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// E-mail of the colleague who gets the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign_to: Option<String>,
    /// Team that gets the conversation: the name as written, the vendor's uuid when the project knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<Bot>,
    /// At most 8 pairs of a workflow, 10 of a caller; `relance_id` and `relance_run` are added on the wire.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// How a caller of the gateway put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbatim: Option<Verbatim>,
}

/// What a caller of the gateway wrote and the forms alone do not tell: the account gets the body that the caller meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verbatim {
    /// Kind of channel: `whatsapp`, `facebook`, `instagram`, `telegram`.
    pub from: String,
    /// The platform's id of the person, for every kind of channel but WhatsApp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The `type` as given.
    pub kind: String,
    /// `content.text`, be it empty; `None` = not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The values as given, which the template may not take; empty = none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// `optin_contact` was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optin: bool,
    /// The line that was named, when the project does not list it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_uuid: Option<String>,
    /// Extra parts of the answer: `contact`, `conversation`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

impl Message {
    /// Whether it goes to another platform than WhatsApp: neither its window nor its templates exist there.
    pub fn is_foreign(&self) -> bool {
        self.verbatim.as_ref().is_some_and(|verbatim| verbatim.from != WHATSAPP)
    }
}

/// The free form, allowed while the window is open.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Plain {
    /// The text, or the caption of `media`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
}

/// An approved WhatsApp template with its values, one line each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Name in `templates.yaml`; the uuid for one given in place.
    pub name: String,
    /// The template's id at Callbell.
    pub uuid: String,
    pub kind: TemplateKind,
    pub category: Option<Category>,
    /// In the order of `{{1}}`, `{{2}}` …
    pub values: Vec<String>,
    /// Address of the header's file; needed by media templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    pub kind: MediaKind,
    /// Absolute http(s) address.
    pub url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Image,
    Document,
    Audio,
    Video,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateKind {
    Text,
    Image,
    Video,
    Document,
}

impl TemplateKind {
    /// Of a template whose header holds this.
    pub fn of_header(media: Option<MediaKind>) -> Self {
        match media {
            Some(MediaKind::Image) => Self::Image,
            Some(MediaKind::Video) => Self::Video,
            Some(MediaKind::Document) => Self::Document,
            Some(MediaKind::Audio) | None => Self::Text,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Marketing,
    Utility,
    Authentication,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bot {
    Start,
    Stop,
}

/// Which of the two forms leaves, or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    Text,
    Template,
}

impl Form {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Template => "template",
        }
    }
}
