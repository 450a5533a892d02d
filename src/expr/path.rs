//! Paths: `event.customer.phone`. Where a name leads in the scope.
//!
//! Shared by questions and texts, so that both reach the same fields. Invariant: a missing field, or null on the way, is null.

use super::Scope;
use super::suggest::nearest;
use super::value::Value;
use jiff::Timestamp;
use serde_json::Value as Json;
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The roots somebody may write.
pub(super) const ROOTS: [&str; 6] = ["event", "contact", "steps", "vars", "now", "workflow"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Event,
    Contact,
    Steps,
    Vars,
    Workflow,
    Now,
    /// The item of the list that is walked: a loop variable, `this`.
    Item,
}

impl Root {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "event" => Self::Event,
            "contact" => Self::Contact,
            "steps" => Self::Steps,
            "vars" => Self::Vars,
            "workflow" => Self::Workflow,
            "now" => Self::Now,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Contact => "contact",
            Self::Steps => "steps",
            Self::Vars => "vars",
            Self::Workflow => "workflow",
            Self::Now => "now",
            Self::Item => "this",
        }
    }
}

const CONTACT: [&str; 16] = [
    "id",
    "uuid",
    "phone",
    "name",
    "first_name",
    "email",
    "language",
    "timezone",
    "tags",
    "custom",
    "assigned_to",
    "team",
    "last_message_at",
    "window_open",
    "opted_in",
    "opted_out",
];
const WORKFLOW: [&str; 4] = ["id", "version", "run_id", "started_at"];

/// Why a name is no root: the code, the sentence and the way out.
pub(super) fn unknown_root(name: &str) -> (&'static str, String, String) {
    match name {
        "secret" => {
            let hint = "remove it here; a secret is written alone in its braces, and only in `http_request`, \
                 such as `headers: { Authorization: \"Bearer {{secret.NAME}}\" }`"
                .to_owned();
            ("R601", "a secret is filled into `http_request` only, and nothing is asked about it".to_owned(), hint)
        }
        "error" => {
            let hint = "remove it: `on_error` is not there yet".to_owned();
            ("R206", "`error` comes with `on_error`, in a later release".to_owned(), hint)
        }
        _ => {
            let hint = match nearest(name, ROOTS) {
                Some(root) => format!("did you mean `{root}`?"),
                None => format!("did you mean `event.{}`? A path starts with {}", plain_name(name), roots()),
            };
            ("R307", format!("`{name}` is not known here"), hint)
        }
    }
}

fn roots() -> String {
    ROOTS.map(|root| format!("`{root}`")).join(", ")
}

/// Why a path of a closed root leads nowhere: the sentence and the way out.
pub(super) fn unknown_field(path: &Path) -> Option<(String, String)> {
    let field = path.fields.first()?;
    let known: &[&str] = match path.root {
        Root::Contact => &CONTACT,
        Root::Workflow => &WORKFLOW,
        Root::Now => {
            return Some(("`now` is a time and has no fields".into(), "write `now`".into()));
        }
        _ => return None,
    };
    if known.contains(&field.as_ref()) {
        return None;
    }
    let root = path.root.name();
    let hint = match nearest(field, known.iter().copied()) {
        Some(name) => format!("did you mean `{root}.{name}`?"),
        None if path.root == Root::Contact => format!("a custom field is `contact.custom.{field}`"),
        None => format!("it has {}", known.join(", ")),
    };
    Some((format!("`{root}` has no `{field}`"), hint))
}

#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) fields: Vec<Box<str>>,
    /// As it is shown in sentences: `event.items.0.name`.
    pub(super) shown: Box<str>,
}

impl Path {
    pub(super) fn new(root: Root, name: &str) -> Self {
        Self { root, fields: Vec::new(), shown: name.into() }
    }

    pub(super) fn push(&mut self, field: &str) {
        self.shown = format!("{}.{field}", self.shown).into();
        self.fields.push(field.into());
    }

    /// The value there; `item` is what a loop variable stands for.
    pub(super) fn resolve<'a>(&self, scope: &Scope<'a>, item: Option<&Value<'a>>) -> Value<'a> {
        let start = match self.root {
            Root::Event => Value::from(scope.event),
            Root::Contact => scope.contact.into(),
            Root::Steps => scope.steps.into(),
            Root::Vars => scope.vars.into(),
            Root::Workflow => scope.workflow.into(),
            Root::Now => now(scope),
            Root::Item => item.cloned().unwrap_or(Value::Null),
        };
        walk(start, &self.fields)
    }
}

pub(super) fn now<'a>(scope: &Scope) -> Value<'a> {
    Timestamp::from_millisecond(scope.now_ms).map_or(Value::Null, Value::Time)
}

/// Follows fields from a value.
pub(super) fn walk<'a, S: AsRef<str>>(start: Value<'a>, fields: &[S]) -> Value<'a> {
    let Some((first, rest)) = fields.split_first() else { return start };
    match start {
        Value::Json(json) => {
            let end = fields.iter().try_fold(json, |json, name| field(json, name.as_ref()));
            end.map_or(Value::Null, Value::from)
        }
        Value::List(items) => {
            let item = first.as_ref().parse::<usize>().ok().and_then(|index| items.into_iter().nth(index));
            item.map_or(Value::Null, |item| walk(item, rest))
        }
        _ => Value::Null,
    }
}

/// The field of an object by its name, else by its plain name; the item of a list by its number.
pub fn field<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    match json {
        Json::Object(fields) => fields.get(name).or_else(|| {
            let found =
                is_plain(name).then(|| fields.iter().find(|(key, _)| !is_plain(key) && plain_name(key) == name));
            found.flatten().map(|(_, value)| value)
        }),
        Json::Array(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    }
}

/// What stands at a dotted path below a value, as a text prints it; `None` for what is missing or blank, for lists and objects.
pub fn printed(json: &Json, path: &str) -> Option<String> {
    let found = path.split('.').try_fold(json, field)?;
    let text = Value::from(found).printed()?;
    (!text.trim().is_empty()).then(|| text.into_owned())
}

fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// How a key is written in a path: its accents dropped, every other character that no plain name has as `_`.
pub fn plain_name(key: &str) -> Cow<'_, str> {
    if is_plain(key) {
        return Cow::Borrowed(key);
    }
    let letters = key.nfd().filter(|c| !is_combining_mark(*c));
    Cow::Owned(letters.map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect())
}
