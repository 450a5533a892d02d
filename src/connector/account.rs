//! What an account answers about itself: its token, lines, teams, templates, people, and its only webhook.
//!
//! Typed readers over [`Callbell::ask`]; whoever passes an answer on unread uses `ask`. Nothing is asked twice by
//! itself. Invariant: what a row lacks is `None` or empty, and a row without a uuid is left out, never guessed.

use super::webhook::read_time;
use super::{Callbell, LAST_PAGE, wire};
use crate::config::LockedTemplate;
use anyhow::Context as _;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Every event that the account can post (reference §13.6).
pub const EVENTS: [&str; 10] = [
    "message_created",
    "message_status_updated",
    "contact_created",
    "contact_updated",
    "contact_deleted",
    "conversation_opened",
    "conversation_closed",
    "agent_status_updated",
    "agent_session_updated",
    "team_membership_updated",
];

/// Rows of a page of webhook events.
const EVENTS_PER_PAGE: &str = "100";

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    pub name: Option<String>,
    pub email: Option<String>,
    /// The account's time as its answer told it, Unix milliseconds; for the skew of clocks.
    pub at_ms: Option<i64>,
}

/// A line of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChannel {
    pub uuid: String,
    pub title: String,
    /// `whatsapp`, `facebook` …
    #[serde(rename = "type")]
    pub kind: String,
    /// The one that sends when no line is named.
    pub main: bool,
    /// Removed from the account: nothing leaves by it.
    pub discarded: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountTeam {
    pub uuid: String,
    pub name: String,
}

/// The account's webhook, as it stands after a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub url: String,
    pub events: Vec<String>,
    /// `None`: the answer does not say.
    pub enabled: Option<bool>,
}

/// One post of an event to the webhook, as the account's log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    pub event: String,
    pub payload: Value,
    pub success: bool,
    /// HTTP status of our answer; `None` = there was none.
    pub code: Option<i64>,
    /// When, Unix milliseconds; `None` when it cannot be read.
    pub at_ms: Option<i64>,
}

/// Which posts are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posts {
    All,
    /// Those that the webhook took.
    Taken,
    Failed,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub pages: u64,
}

/// Where a walk over all people goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Page(u64),
    /// Pages end at 500; the cursor goes beyond.
    After(String),
}

impl Callbell {
    /// Whose token it is: the connection test.
    ///
    /// # Errors
    /// When no answer came, or the account refuses (`Refused` in the chain).
    pub async fn auth_me(&self) -> anyhow::Result<Me> {
        let reply = self.ask(Method::GET, &["auth", "me"], &[], None).await?;
        let at_ms = reply.date.as_deref().and_then(wire::read_http_date);
        let answer = reply.json()?;
        let text = |key: &str| answer[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Me { name: text("user_name"), email: text("user_email"), at_ms })
    }

    /// All templates of the account. Entries that cannot be read are left out.
    ///
    /// # Errors
    /// When a page cannot be fetched or is no list of templates.
    pub async fn templates(&self) -> anyhow::Result<Vec<LockedTemplate>> {
        self.all("templates", wire::read_template).await
    }

    /// All lines of the account, removed ones included.
    ///
    /// # Errors
    /// As [`Callbell::templates`].
    pub async fn channels(&self) -> anyhow::Result<Vec<AccountChannel>> {
        self.all("channels", read_channel).await
    }

    /// All teams of the account.
    ///
    /// # Errors
    /// As [`Callbell::templates`].
    pub async fn teams(&self) -> anyhow::Result<Vec<AccountTeam>> {
        self.all("teams", read_team).await
    }

    /// E-mail addresses of a team's members.
    ///
    /// # Errors
    /// As [`Callbell::templates`].
    pub async fn members(&self, team_uuid: &str) -> anyhow::Result<Vec<String>> {
        let mut emails = Vec::new();
        for page in 1..=LAST_PAGE {
            let query = [("page", page.to_string())];
            let query = query.each_ref().map(|(key, value)| (*key, value.as_str()));
            let answer = self.ask(Method::GET, &["teams", team_uuid, "members"], &query, None).await?.json()?;
            let rows = answer["users"].as_array().context("the answer holds no `users`")?;
            emails.extend(rows.iter().filter_map(|row| row["email"].as_str().map(str::to_owned)));
            if page >= pages(&answer) {
                break;
            }
        }
        Ok(emails)
    }

    /// The contact with this number, in international form; `None` when the account has none.
    ///
    /// # Errors
    /// When no answer came, or the account refuses for another reason than that there is none.
    pub async fn contact_by_phone(&self, number: &str) -> anyhow::Result<Option<Value>> {
        self.one_contact(&["contacts", "phone", number]).await
    }

    /// The contact with this WhatsApp id.
    ///
    /// # Errors
    /// As [`Callbell::contact_by_phone`].
    pub async fn contact_by_bsuid(&self, bsuid: &str) -> anyhow::Result<Option<Value>> {
        self.one_contact(&["contacts", "bsuid", bsuid]).await
    }

    /// The contact with this uuid.
    ///
    /// # Errors
    /// As [`Callbell::contact_by_phone`].
    pub async fn contact_by_uuid(&self, uuid: &str) -> anyhow::Result<Option<Value>> {
        self.one_contact(&["contacts", uuid]).await
    }

    /// One page of all people, and where the next one is. Begin with [`Next::Page`] 1.
    ///
    /// # Errors
    /// As [`Callbell::templates`].
    pub async fn contacts(&self, from: &Next) -> anyhow::Result<(Vec<Value>, Option<Next>)> {
        let (rows, meta) = self.contact_page(from, None).await?;
        Ok((rows, after(from, &meta)))
    }

    /// One page of the people with a tag, in any case, and where the next one is: by the cursor where the account gives one, as
    /// pages shift while people write; with `by_page` only where pages end.
    ///
    /// # Errors
    /// As [`Callbell::templates`].
    pub async fn tagged(&self, tag: &str, from: &Next, by_page: bool) -> anyhow::Result<(Vec<Value>, Option<Next>)> {
        let (rows, meta) = self.contact_page(from, Some(tag)).await?;
        let next = cursor(&meta).filter(|_| !by_page).or_else(|| after(from, &meta));
        Ok((rows, next))
    }

    async fn contact_page(&self, from: &Next, tag: Option<&str>) -> anyhow::Result<(Vec<Value>, Value)> {
        let number = match from {
            Next::Page(page) => page.to_string(),
            Next::After(cursor) => cursor.clone(),
        };
        let key = if matches!(from, Next::Page(_)) { "page" } else { "after" };
        // A filter is no part of the cursor.
        let query: Vec<(&str, &str)> =
            [(key, number.as_str())].into_iter().chain(tag.map(|tag| ("tags[]", tag))).collect();
        let mut answer = self.ask(Method::GET, &["contacts"], &query, None).await?.json()?;
        let rows = answer["contacts"].as_array().context("the answer holds no `contacts`")?.clone();
        Ok((rows, answer["meta"].take()))
    }

    /// Posts of the account's only webhook, newest first.
    ///
    /// # Errors
    /// As [`Callbell::templates`].
    pub async fn posted(&self, which: Posts, page: u64) -> anyhow::Result<Page<Posted>> {
        let page = page.to_string();
        let mut query = vec![("page", page.as_str()), ("items", EVENTS_PER_PAGE)];
        match which {
            Posts::All => {}
            Posts::Taken => query.push(("status", "success")),
            Posts::Failed => query.push(("status", "failed")),
        }
        let answer = self.ask(Method::GET, &["webhooks", "events"], &query, None).await?.json()?;
        let rows = answer["webhook_events"].as_array().context("the answer holds no `webhook_events`")?;
        Ok(Page { rows: rows.iter().map(read_posted).collect(), pages: pages(&answer) })
    }

    /// Makes `url` the account's only webhook, for every event.
    ///
    /// # Errors
    /// As [`Callbell::auth_me`].
    pub async fn subscribe(&self, url: &str) -> anyhow::Result<Subscription> {
        let body = json!({ "url": url, "subscriptions": EVENTS });
        let answer = self.ask(Method::POST, &["webhooks", "subscribe"], &[], Some(&body)).await?.json()?;
        read_subscription(&answer["webhook"]).context("the answer holds no `webhook`")
    }

    /// Removes the account's only webhook.
    ///
    /// # Errors
    /// As [`Callbell::auth_me`].
    pub async fn unsubscribe(&self) -> anyhow::Result<()> {
        self.ask(Method::DELETE, &["webhooks", "unsubscribe"], &[], None).await?.json().map(drop)
    }

    async fn one_contact(&self, path: &[&str]) -> anyhow::Result<Option<Value>> {
        let reply = self.ask(Method::GET, path, &[], None).await?;
        if reply.status == 404 {
            return Ok(None);
        }
        Ok(only(reply.json()?["contact"].take()))
    }

    /// Every page of a list.
    async fn all<T>(&self, list: &str, read: fn(&Value) -> Option<T>) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::new();
        for page in 1..=LAST_PAGE {
            let asked = self.ask(Method::GET, &[list], &[("page", &page.to_string())], None).await;
            let answer = asked.and_then(|reply| reply.json()).with_context(|| format!("{list}, page {page}"))?;
            let rows = answer[list].as_array().with_context(|| format!("the answer holds no `{list}`"))?;
            all.extend(rows.iter().filter_map(read));
            if page >= pages(&answer) {
                break;
            }
        }
        Ok(all)
    }
}

/// The object itself, or the only one of a list: the vendor shows a contact either way.
fn only(value: Value) -> Option<Value> {
    match value {
        Value::Array(items) => items.into_iter().next(),
        Value::Null => None,
        one => Some(one),
    }
}

fn pages(answer: &Value) -> u64 {
    answer["meta"]["pages"].as_u64().unwrap_or(1)
}

fn cursor(meta: &Value) -> Option<Next> {
    meta["next"].as_str().filter(|cursor| !cursor.is_empty()).map(|cursor| Next::After(cursor.into()))
}

fn after(from: &Next, meta: &Value) -> Option<Next> {
    match from {
        Next::After(_) => cursor(meta),
        Next::Page(page) if *page >= LAST_PAGE => cursor(meta),
        Next::Page(page) => (*page < meta["pages"].as_u64().unwrap_or(1)).then(|| Next::Page(page + 1)),
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn uuid(value: &Value) -> Option<String> {
    Some(text(value, "uuid")).filter(|uuid| !uuid.is_empty())
}

/// `discardedAt` is a time, a boolean or null: anything but null and false means that it is gone.
fn read_channel(value: &Value) -> Option<AccountChannel> {
    let discarded = &value["discardedAt"];
    Some(AccountChannel {
        uuid: uuid(value)?,
        title: text(value, "title"),
        kind: text(value, "type").to_lowercase(),
        main: value["main"].as_bool().unwrap_or(false),
        discarded: !(discarded.is_null() || *discarded == Value::Bool(false)),
    })
}

fn read_team(value: &Value) -> Option<AccountTeam> {
    Some(AccountTeam { uuid: uuid(value)?, name: text(value, "name") })
}

fn read_posted(value: &Value) -> Posted {
    Posted {
        event: text(value, "event"),
        payload: value["payload"].clone(),
        success: value["success"].as_bool().unwrap_or(false),
        code: value["response"]["code"].as_i64().or_else(|| value["response"]["code"].as_str()?.parse().ok()),
        at_ms: read_time(&value["createdAt"]),
    }
}

fn read_subscription(value: &Value) -> Option<Subscription> {
    let events = match &value["subscriptions"] {
        Value::String(list) => list.split(',').map(|name| name.trim().to_owned()).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let url = value["url"].as_str()?.to_owned();
    Some(Subscription { url, events, enabled: value["enabled"].as_bool() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_gone_when_discarded_says_anything_but_null_and_false() {
        let gone = |value: Value| read_channel(&json!({"uuid": "c", "discardedAt": value})).unwrap().discarded;
        assert!(!gone(Value::Null) && !gone(json!(false)));
        assert!(gone(json!(true)) && gone(json!("2026-03-01T09:30:00Z")));
        assert_eq!(read_channel(&json!({"title": "no uuid"})), None);
    }

    #[test]
    fn people_are_walked_by_pages_and_beyond_the_last_one_by_cursor() {
        let meta = json!({"page": 1, "pages": 900, "next": "abc"});
        assert_eq!(after(&Next::Page(1), &meta), Some(Next::Page(2)));
        assert_eq!(after(&Next::Page(500), &meta), Some(Next::After("abc".into())));
        assert_eq!(after(&Next::After("abc".into()), &json!({"next": null})), None);
        assert_eq!(after(&Next::Page(2), &json!({"page": 2, "pages": 2, "next": null})), None);
        assert_eq!(after(&Next::Page(1), &Value::Null), None);
    }

    #[test]
    fn a_post_of_the_log_is_read_in_whatever_spelling_its_parts_are() {
        let row = json!({"event": "message_created", "payload": {"uuid": "m"}, "success": false,
            "response": {"code": "503"}, "createdAt": "2026-03-01 10:30:00 +0100"});
        let posted = read_posted(&row);
        assert_eq!((posted.code, posted.at_ms), (Some(503), Some(1_772_357_400_000)));
        assert_eq!(read_posted(&json!({})).code, None);
    }

    #[test]
    fn a_subscription_lists_its_events_as_a_list_or_as_text() {
        for events in [json!(["a", "b"]), json!("a, b")] {
            let read = read_subscription(&json!({"url": "https://x", "subscriptions": events})).unwrap();
            assert_eq!((read.events, read.enabled), (vec!["a".to_owned(), "b".into()], None));
        }
        assert_eq!(read_subscription(&json!({"status": "ok"})), None);
    }
}
