//! Reading of `POST /messages/send` as the vendor reads it (reference §3–§6.1): every faulty field at once. Both servers
//! read with it, the gateway and the sandbox.
//!
//! Pure, and written from the reference alone: nothing here comes from the client's side.
//! Invariant: a request valid under the seed's page or the vendor's current one is accepted.

use crate::message::Bot;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A request that passed all checks of its fields. Its references are not looked up yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SendRequest {
    pub(crate) to: Recipient,
    pub(crate) from: String,
    pub(crate) kind: String,
    /// Empty when there is none.
    pub(crate) text: String,
    /// Whether `content` has a text, be it an empty one.
    pub(crate) has_text: bool,
    pub(crate) url: Option<String>,
    pub(crate) channel_uuid: Option<String>,
    pub(crate) template_uuid: Option<String>,
    pub(crate) template_values: Vec<String>,
    /// The caller states that the person agreed to receive messages.
    pub(crate) optin: bool,
    /// E-mail of a colleague.
    pub(crate) assigned_user: Option<String>,
    pub(crate) team_uuid: Option<String>,
    pub(crate) bot: Option<Bot>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) wants_contact: bool,
    pub(crate) wants_conversation: bool,
    /// The seed's names `contenu` and `texte` were used.
    pub(crate) translated: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Recipient {
    /// Digits only; for other kinds of channel than WhatsApp the platform's id as written.
    Phone(String),
    Bsuid(String),
}

/// The API's no: a status and the body that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Refusal {
    /// `{"error": "<text>"}`.
    pub(crate) fn plain(status: u16, text: &str) -> Self {
        Self { status, body: json!({ "error": text }) }
    }

    /// `{"error": {"<field>": ["<text>"]}}`.
    pub(crate) fn field(status: u16, field: &str, text: &str) -> Self {
        Self { status, body: json!({ "error": { field: [text] } }) }
    }

    /// The same with one more faulty field.
    pub(crate) fn and(mut self, field: &str, text: &str) -> Self {
        if let Some(fields) = self.body["error"].as_object_mut() {
            fields.insert(field.to_owned(), json!([text]));
        }
        self
    }
}

/// Reads a body; `fields` of the query string count as well as those of the body.
pub(crate) fn read(raw: &[u8], query_fields: &str) -> Result<SendRequest, Refusal> {
    let body: Value = serde_json::from_slice(raw).unwrap_or_default();
    let Value::Object(body) = body else { return Err(Refusal::field(400, "base", "invalid JSON")) };
    let mut reader = Reader { body: &body, errors: Map::new() };
    let request = reader.request(query_fields);
    match reader.errors.is_empty() {
        true => Ok(request),
        false => Err(Refusal { status: 400, body: json!({ "error": reader.errors }) }),
    }
}

#[derive(Default)]
struct Content {
    text: Option<String>,
    url: Option<String>,
    translated: bool,
}

/// A field that is there; `null` counts as absent.
fn own<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

struct Reader<'a> {
    body: &'a Map<String, Value>,
    /// Field → list of what is wrong with it.
    errors: Map<String, Value>,
}

impl Reader<'_> {
    fn request(&mut self, query_fields: &str) -> SendRequest {
        let from = self.one_of("from", &["whatsapp", "facebook", "instagram", "telegram"]);
        let kind = self.one_of("type", &["text", "image", "document", "audio", "video"]);
        let template_uuid = self.string("template_uuid");
        let optin = self.optin(template_uuid.is_some());
        let Content { text, url, translated } = self.content(&kind, template_uuid.is_some());
        let fields = format!("{},{query_fields}", self.string("fields").unwrap_or_default());
        let wants = |name: &str| fields.split(',').any(|field| field.trim() == name);
        SendRequest {
            to: self.recipient(&from),
            has_text: text.is_some(),
            text: text.unwrap_or_default(),
            url,
            channel_uuid: self.string("channel_uuid"),
            template_values: self.template_values(),
            optin,
            assigned_user: self.string("assigned_user"),
            team_uuid: self.string("team_uuid"),
            bot: self.bot(),
            metadata: self.metadata(),
            wants_contact: wants("contact"),
            wants_conversation: wants("conversation"),
            translated,
            from,
            kind,
            template_uuid,
        }
    }

    fn wrong(&mut self, field: &str, what: &str) {
        let list = self.errors.entry(field).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(what.into());
        }
    }

    /// A text that is there and not empty. `null` counts as absent.
    fn string(&mut self, field: &str) -> Option<String> {
        match self.body.get(field).unwrap_or(&Value::Null) {
            Value::Null => None,
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            _ => {
                self.wrong(field, "must be string");
                None
            }
        }
    }

    fn one_of(&mut self, field: &str, words: &[&str]) -> String {
        let known = self.errors.len();
        let word = self.string(field);
        match word {
            Some(word) if words.contains(&word.as_str()) => return word,
            Some(_) => self.wrong(field, "is not included in the list"),
            None if self.errors.len() == known => self.wrong(field, "can't be blank"),
            None => {}
        }
        String::new()
    }

    /// `to` wins over `bsuid`. Numbers are checked for WhatsApp only.
    fn recipient(&mut self, from: &str) -> Recipient {
        let (to, bsuid) = (self.string("to"), self.string("bsuid"));
        match (to, bsuid) {
            (Some(to), _) if from != "whatsapp" => Recipient::Phone(to),
            (Some(to), _) => match digits(&to) {
                Some(digits) => Recipient::Phone(digits),
                None => {
                    self.wrong("to", "is invalid");
                    Recipient::Phone(String::new())
                }
            },
            (None, Some(bsuid)) => Recipient::Bsuid(bsuid),
            (None, None) => {
                if !self.errors.contains_key("to") {
                    self.wrong("to", "can't be blank");
                }
                Recipient::Phone(String::new())
            }
        }
    }

    /// Text and address. `contenu` and `texte` are the names the seed's table and prose give; the vendor's own win.
    fn content(&mut self, kind: &str, is_template: bool) -> Content {
        let body = self.body;
        let content = own(body, "content").or_else(|| body.get("contenu")).and_then(Value::as_object);
        let Some(content) = content else {
            self.wrong("content", "must be object");
            return Content::default();
        };
        let text = self.inside("text", own(content, "text").or_else(|| content.get("texte")));
        let url = self.inside("url", content.get("url")).filter(|url| !url.is_empty());
        if kind == "text" && !is_template && text.as_deref().is_none_or(|text| text.trim().is_empty()) {
            self.wrong("content.text", "can't be blank");
        }
        let absolute = url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
        let fetched = absolute.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !kind.is_empty() && kind != "text" && !fetched {
            self.wrong("content.url", if url.is_some() { "is invalid" } else { "can't be blank" });
        }
        Content { text, url, translated: own(body, "content").is_none() || content.contains_key("texte") }
    }

    fn inside(&mut self, key: &str, value: Option<&Value>) -> Option<String> {
        match value? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            _ => {
                self.wrong(&format!("content.{key}"), "must be string");
                None
            }
        }
    }

    fn optin(&mut self, is_template: bool) -> bool {
        match self.body.get("optin_contact").unwrap_or(&Value::Null) {
            Value::Bool(true) => return true,
            Value::Null | Value::Bool(false) if !is_template => {}
            Value::Null => self.wrong("optin_contact", "can't be blank"),
            Value::Bool(false) => self.wrong("optin_contact", "must be true"),
            _ => self.wrong("optin_contact", "must be boolean"),
        }
        false
    }

    fn bot(&mut self) -> Option<Bot> {
        match self.string("bot_status")?.as_str() {
            "bot_start" => Some(Bot::Start),
            "bot_end" => Some(Bot::Stop),
            other => {
                self.wrong("bot_status", &format!("{other} is not included in the list"));
                None
            }
        }
    }

    fn template_values(&mut self) -> Vec<String> {
        match self.body.get("template_values").unwrap_or(&Value::Null) {
            Value::Null => Vec::new(),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Value::Array(_) => {
                self.wrong("template_values", "must be string");
                Vec::new()
            }
            _ => {
                self.wrong("template_values", "must be array");
                Vec::new()
            }
        }
    }

    fn metadata(&mut self) -> BTreeMap<String, String> {
        let body = self.body;
        let pairs = match body.get("metadata").unwrap_or(&Value::Null) {
            Value::Null => return BTreeMap::new(),
            Value::Object(pairs) => pairs,
            _ => {
                self.wrong("metadata", "must be object");
                return BTreeMap::new();
            }
        };
        if pairs.values().any(|value| !value.is_string()) {
            self.wrong("metadata", "must be string");
        }
        if pairs.len() > 10 {
            self.wrong("metadata", "has more than 10 entries");
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pairs: BTreeMap<String, String> = pairs.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        if pairs.iter().any(|(key, value)| key.chars().count() > 50 || value.chars().count() > 500) {
            self.wrong("metadata", "is too long");
        }
        pairs
    }
}

/// 7 to 15 digits; spaces, dots, dashes and parentheses between them, `+` or `00` before them.
pub(crate) fn digits(written: &str) -> Option<String> {
    let bare: String = written.trim().chars().filter(|c| !" .-()\u{a0}".contains(*c)).collect();
    let number = bare.strip_prefix('+').or_else(|| bare.strip_prefix("00")).unwrap_or(&bare);
    let fits = (7..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/fixtures/callbell/send/{name}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    }

    fn refused(body: Value) -> Value {
        let refusal = read(body.to_string().as_bytes(), "").unwrap_err();
        assert_eq!(refusal.status, 400);
        refusal.body
    }

    #[test]
    fn every_body_of_the_reference_is_accepted() {
        let folder = format!("{}/tests/fixtures/callbell/send", env!("CARGO_MANIFEST_DIR"));
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 16);
        for file in files {
            assert!(read(&std::fs::read(&file).unwrap(), "").is_ok(), "{}", file.display());
        }
    }

    #[test]
    fn the_parts_of_a_body_are_read_as_the_reference_names_them() {
        let read_one = |name: &str| read(&sent(name), "").unwrap();
        let request = read_one("v15_template_image_values");
        assert_eq!(request.to, Recipient::Phone("33600000001".into()));
        assert_eq!((request.kind.as_str(), request.text.as_str()), ("image", "Aïcha"));
        assert_eq!(request.template_values, ["Aïcha", "devis 118", "vendredi"]);
        assert_eq!(request.template_uuid.as_deref(), Some("10000000000000000000000000000015"));
        let request = read_one("v13_text_metadata");
        assert!(request.wants_contact && !request.wants_conversation);
        assert_eq!(request.metadata.len(), 4);
        assert_eq!(read_one("v14_text_bsuid").to, Recipient::Bsuid("FR.abcdef0123456789".into()));
        assert!(read(&sent("v01_text"), " conversation , contact,x").unwrap().wants_conversation);
    }

    #[test]
    fn the_seed_s_translated_names_are_understood() {
        let body =
            json!({"to": "00 33 6 00-00.00(01)", "from": "whatsapp", "type": "text", "contenu": {"texte": "Bonjour"}});
        let request = read(body.to_string().as_bytes(), "").unwrap();
        assert_eq!((&request.to, request.text.as_str()), (&Recipient::Phone("33600000001".into()), "Bonjour"));
        assert!(request.translated && !read(&sent("v01_text"), "").unwrap().translated);
        let both = json!({"to": "+33600000001", "from": "whatsapp", "type": "text", "contenu": {"text": "no"},
            "content": {"text": "Bonjour", "texte": "no"}});
        assert_eq!(read(both.to_string().as_bytes(), "").unwrap().text, "Bonjour");
    }

    #[test]
    fn an_id_of_another_platform_is_left_as_written() {
        let body = json!({"to": "12-ab.34", "from": "telegram", "type": "text", "content": {"text": "Bonjour"}});
        let request = read(body.to_string().as_bytes(), "").unwrap();
        assert_eq!((request.to, request.from.as_str()), (Recipient::Phone("12-ab.34".into()), "telegram"));
    }

    #[test]
    fn the_captured_error_about_metadata_is_given_back_verbatim() {
        let mut body: Value = serde_json::from_slice(&sent("v01_text")).unwrap();
        body["metadata"]["n"] = json!(7);
        assert_eq!(refused(body).to_string(), r#"{"error":{"metadata":["must be string"]}}"#);
    }

    #[test]
    fn all_faulty_fields_are_reported_together() {
        let body = json!({"from": "+33900000000", "type": "template", "content": {"text": 1},
            "template_uuid": "t", "template_values": ["a", 2], "metadata": {"k": {}}, "bot_status": "stop"});
        let error = refused(body)["error"].clone();
        let fields: Vec<&String> = error.as_object().unwrap().keys().collect();
        let expected =
            ["bot_status", "content.text", "from", "metadata", "optin_contact", "template_values", "to", "type"];
        assert_eq!(fields, expected);
    }

    #[test]
    fn each_fault_is_refused_on_its_field() {
        let with = |key: &str, value: Value| {
            let mut body: Value = serde_json::from_slice(&sent("v01_text")).unwrap();
            body[key] = value;
            refused(body)["error"].clone()
        };
        assert_eq!(with("to", json!("06 12")), json!({"to": ["is invalid"]}));
        assert_eq!(with("to", json!(33_600_000_001_u64)), json!({"to": ["must be string"]}));
        assert_eq!(with("content", json!({"text": " "})), json!({"content.text": ["can't be blank"]}));
        assert_eq!(with("content", json!("x")), json!({"content": ["must be object"]}));
        assert_eq!(with("type", json!("image")), json!({"content.url": ["can't be blank"]}));
        assert_eq!(with("template_uuid", json!("t")), json!({"optin_contact": ["can't be blank"]}));
        let many: Map<String, Value> = (0..11).map(|n| (n.to_string(), json!("x"))).collect();
        assert_eq!(with("metadata", json!(many)), json!({"metadata": ["has more than 10 entries"]}));
        assert_eq!(read(b"[]", "").unwrap_err().body, json!({"error": {"base": ["invalid JSON"]}}));
        assert_eq!(read(b"{", "").unwrap_err().body, json!({"error": {"base": ["invalid JSON"]}}));
    }
}
