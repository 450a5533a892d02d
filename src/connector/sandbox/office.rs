//! What the account's owner set up: teams, colleagues, funnels, tags, custom fields, agent statuses, a bot, a plan.
//!
//! Pure. Written by `SandboxConfig` and by the control API, changed by the vendor's API.
//! Invariant: a contact only ever has tags, fields, colleagues, teams and funnels that stand here.

use super::people::hash_uuid;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// When everything that was there from the beginning was made: 2026-01-01.
pub(super) const FOUNDED_MS: i64 = 1_767_225_600_000;

/// Everything about the account that is neither a line, a template, a person nor a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Office {
    /// E-mail and name of the owner, the label of the token: what `GET /auth/me` shows.
    pub owner: Owner,
    pub teams: Vec<Team>,
    pub users: Vec<User>,
    pub funnels: Vec<Funnel>,
    pub tags: Vec<String>,
    pub custom_fields: Vec<CustomField>,
    pub custom_statuses: Vec<CustomStatus>,
    /// Without one, `bot_status` has no effect and there is nothing to read.
    pub bot: Option<Bot>,
    pub plan: Plan,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Owner {
    pub email: String,
    pub name: String,
    pub api_key: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    pub uuid: String,
    pub name: String,
    #[serde(default)]
    pub default: bool,
    /// E-mails of colleagues.
    #[serde(default)]
    pub members: Vec<String>,
    #[serde(default = "founded_ms")]
    pub created_ms: i64,
}

/// A colleague.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub uuid: String,
    pub email: String,
    pub name: String,
    #[serde(default)]
    pub available: bool,
    /// Id of a custom status.
    #[serde(default)]
    pub custom_status: Option<String>,
    #[serde(default = "founded_ms")]
    pub updated_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Funnel {
    pub uuid: String,
    pub name: String,
    #[serde(default)]
    pub emoji: String,
    #[serde(default)]
    pub position: u64,
    #[serde(default = "founded_ms")]
    pub created_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomField {
    pub name: String,
    #[serde(rename = "type", default)]
    pub kind: FieldKind,
    /// Of a dropdown or checkboxes.
    #[serde(default)]
    pub options: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    #[default]
    Text,
    Email,
    Number,
    Date,
    Dropdown,
    Checkbox,
}

/// What a colleague may be busy with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomStatus {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub emoji: String,
    #[serde(default = "founded_ms")]
    pub created_ms: i64,
    #[serde(default = "founded_ms")]
    pub updated_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bot {
    pub uuid: String,
    pub name: String,
    #[serde(default)]
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    pub plan: String,
    pub included_channels: u64,
    pub licenses: u64,
}

fn founded_ms() -> i64 {
    FOUNDED_MS
}

impl Default for Owner {
    fn default() -> Self {
        Self { email: "sandbox@example.org".into(), name: "Sandbox".into(), api_key: "sandbox".into() }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self { plan: "business_plus".into(), included_channels: 3, licenses: 5 }
    }
}

impl Default for Office {
    fn default() -> Self {
        let user = |email: &str, name: &str, available| User {
            uuid: hash_uuid(&format!("user|{email}")),
            email: email.into(),
            name: name.into(),
            available,
            custom_status: None,
            updated_ms: FOUNDED_MS,
        };
        let team = |name: &str, default, members: &[&str]| Team {
            uuid: hash_uuid(&format!("team|{name}")),
            name: name.into(),
            default,
            members: members.iter().map(|email| (*email).into()).collect(),
            created_ms: FOUNDED_MS,
        };
        let funnel = |position, name: &str, emoji: &str| Funnel {
            uuid: dashed(&hash_uuid(&format!("funnel|{name}"))),
            name: name.into(),
            emoji: emoji.into(),
            position,
            created_ms: FOUNDED_MS,
        };
        let field = |name: &str, kind, options: &[&str]| CustomField {
            name: name.into(),
            kind,
            options: options.iter().map(|option| (*option).into()).collect(),
        };
        Self {
            owner: Owner::default(),
            teams: vec![
                team("General", true, &["lea@example.org", "marc@example.org"]),
                team("Sales", false, &["marc@example.org"]),
            ],
            users: vec![user("lea@example.org", "Léa Martin", true), user("marc@example.org", "Marc Petit", false)],
            funnels: vec![funnel(0, "New", "🌱"), funnel(1, "In progress", "🔧"), funnel(2, "Won", "🏁")],
            tags: ["vip", "opted_in", "client"].map(str::to_owned).into(),
            custom_fields: vec![
                field("City", FieldKind::Text, &[]),
                field("Work Email", FieldKind::Email, &[]),
                field("Points", FieldKind::Number, &[]),
                field("Birthday", FieldKind::Date, &[]),
                field("Plan", FieldKind::Dropdown, &["Basic", "Gold"]),
                field("Days", FieldKind::Checkbox, &["Monday", "Thursday"]),
            ],
            custom_statuses: vec![CustomStatus {
                id: dashed(&hash_uuid("status|Lunch")),
                name: "Lunch".into(),
                emoji: "🥗".into(),
                created_ms: FOUNDED_MS,
                updated_ms: FOUNDED_MS,
            }],
            bot: Some(Bot { uuid: hash_uuid("bot"), name: "My bot".into(), version: 5 }),
            plan: Plan::default(),
        }
    }
}

/// The form with dashes that funnels and custom statuses have.
pub(super) fn dashed(hex: &str) -> String {
    let cut = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", cut(0, 8), cut(8, 12), cut(12, 16), cut(16, 20), cut(20, 32))
}

impl Office {
    pub(super) fn team(&self, uuid: &str) -> Option<&Team> {
        self.teams.iter().find(|team| team.uuid == uuid)
    }

    pub(super) fn user(&self, email: &str) -> Option<&User> {
        self.users.iter().find(|user| user.email.eq_ignore_ascii_case(email))
    }

    pub(super) fn funnel(&self, uuid: &str) -> Option<&Funnel> {
        self.funnels.iter().find(|funnel| funnel.uuid == uuid)
    }

    /// The tag as it is spelt here.
    pub(super) fn tag(&self, written: &str) -> Option<&String> {
        let written = written.trim().to_lowercase();
        self.tags.iter().find(|tag| tag.to_lowercase() == written)
    }

    pub(super) fn field(&self, name: &str) -> Option<&CustomField> {
        self.custom_fields.iter().find(|field| field.name == name)
    }

    /// Whether a colleague may get a conversation of this team; without a team, any colleague may.
    pub(super) fn may_have(&self, email: &str, team: Option<&str>) -> bool {
        let member = |team: &Team| team.members.iter().any(|member| member.eq_ignore_ascii_case(email));
        self.user(email).is_some() && team.and_then(|uuid| self.team(uuid)).is_none_or(member)
    }

    /// Takes in what another one has besides, each by its name.
    pub(super) fn add(&mut self, more: &Self) {
        let team = |team: &&Team| !self.teams.iter().any(|known| known.name == team.name);
        let teams: Vec<Team> = more.teams.iter().filter(team).cloned().collect();
        let users: Vec<User> = more.users.iter().filter(|user| self.user(&user.email).is_none()).cloned().collect();
        let fields = more.custom_fields.iter().filter(|field| self.field(&field.name).is_none());
        let fields: Vec<CustomField> = fields.cloned().collect();
        self.teams.extend(teams);
        self.users.extend(users);
        self.custom_fields.extend(fields);
        self.learn(&more.tags, &Map::new());
    }

    /// Makes tags and fields that somebody used in the dashboard.
    pub fn learn(&mut self, tags: &[String], custom: &Map<String, Value>) {
        for tag in tags {
            if self.tag(tag).is_none() {
                self.tags.push(tag.clone());
            }
        }
        for name in custom.keys() {
            if self.field(name).is_none() {
                self.custom_fields.push(CustomField { name: name.clone(), kind: FieldKind::Text, options: Vec::new() });
            }
        }
    }
}

impl CustomField {
    /// What is wrong with a value of this field (reference §10); `null` empties it.
    pub(super) fn complaint(&self, value: &Value) -> Option<&'static str> {
        let text = value.as_str();
        let option = |text: &str| self.options.iter().any(|option| option == text);
        let fits = match self.kind {
            _ if value.is_null() => true,
            FieldKind::Text => text.is_some(),
            FieldKind::Email => text.is_some_and(is_email),
            FieldKind::Number => text.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())),
            FieldKind::Date => text.is_some_and(|text| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()),
            FieldKind::Dropdown => text.is_some_and(option),
            FieldKind::Checkbox => {
                value.as_array().is_some_and(|list| list.iter().all(|item| item.as_str().is_some_and(option)))
            }
        };
        let words = match self.kind {
            FieldKind::Text => "must be string",
            FieldKind::Email => "is not a valid email",
            FieldKind::Number => "is not a valid number",
            FieldKind::Date => "is not a valid date",
            FieldKind::Dropdown => "is not one of the options",
            FieldKind::Checkbox => "must be a list of options",
        };
        (!fits).then_some(words)
    }
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !text.contains(char::is_whitespace) && !host.contains('@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_custom_fields_are_checked_by_their_type() {
        let office = Office::default();
        let cases = [
            ("City", json!("Lyon"), true),
            ("City", json!(3), false),
            ("Work Email", json!("a@example.org"), true),
            ("Work Email", json!("a@b"), false),
            ("Points", json!("42"), true),
            ("Points", json!(42), false),
            ("Points", json!("4.2"), false),
            ("Birthday", json!("2026-03-03"), true),
            ("Birthday", json!("03/03/2026"), false),
            ("Plan", json!("Gold"), true),
            ("Plan", json!("gold"), false),
            ("Days", json!(["Monday"]), true),
            ("Days", json!("Monday"), false),
            ("Days", json!(["Sunday"]), false),
            ("Days", Value::Null, true),
        ];
        for (name, value, fits) in cases {
            assert_eq!(office.field(name).unwrap().complaint(&value).is_none(), fits, "{name}: {value}");
        }
    }

    #[test]
    fn an_office_is_read_as_it_is_shown_and_missing_parts_are_the_usual_ones() {
        let office = Office::default();
        assert_eq!(serde_json::from_value::<Office>(json!(office)).unwrap(), office);
        let one: Office = serde_json::from_value(json!({"teams": [{"uuid": "t", "name": "One"}]})).unwrap();
        assert_eq!((one.teams[0].created_ms, one.users), (FOUNDED_MS, office.users));
        assert_eq!(dashed(&hash_uuid("x")).len(), 36);
    }
}
