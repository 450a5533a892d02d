//! Workflow: the checked model of one file. What is here can run: `check` refused everything else.
//!
//! `yaml` reads files into a tree with positions, `check` lowers that tree to this model and reports every mistake.
//! Invariant: the same sources give the same model, so a stored definition can be read again years later.

mod check;
pub mod codes;
pub mod diagnostic;
mod explain;
pub mod fix;
pub mod format;
pub mod place;
pub mod schema;
pub mod test_file;
mod yaml;

pub use check::{AccountNames, check, check_with, load, load_accepted};
pub use explain::explain;

use crate::condition::Condition;
use crate::config::Pace;
use crate::delivery::{OutsideWindow, Purpose};
use crate::expr::{Question, Text};
use crate::message::{Bot, Category, MediaKind, TemplateKind};
use crate::trigger::Trigger;
use crate::trigger::message::Pattern;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use std::fmt;

/// One workflow, from one file; the file's name is its id.
#[derive(Debug, Clone)]
pub struct Workflow {
    pub id: String,
    pub name: String,
    pub description: String,
    /// False: nothing starts; live runs finish.
    pub enabled: bool,
    pub purpose: Purpose,
    /// What starts it: any of them.
    pub triggers: Vec<Trigger>,
    /// Whom a schedule goes through: one run per person; with schedule triggers only.
    pub audience: Option<Audience>,
    pub contact: ContactMap,
    pub condition: Condition,
    /// In the order of the file: a later one sees the earlier ones.
    pub vars: Vec<(String, Value)>,
    /// What ends a live run at any moment.
    pub stop_when: Vec<StopWhen>,
    pub settings: Settings,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// CSV file, relative to `workflows/`.
    File(String),
    /// Everybody in the account with one of these tags.
    Tag(Vec<String>),
}

/// As it is kept with a firing: the path of the file, or `tag:` and the tags.
impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Tag(tags) => write!(f, "tag:{}", tags.join(",")),
        }
    }
}

/// One entry of `stop_when`. Without `same` it is about the run's contact.
#[derive(Debug, Clone)]
pub struct StopWhen {
    /// `webhook`, `message`, `message_status` or `contact`.
    pub trigger: Trigger,
    /// Dotted paths, without root, whose values must be equal as text: of the arriving event, and of the run's event.
    pub same: Vec<(String, String)>,
}

/// A value of `vars` or `set`: a text to fill, or a number as written.
#[derive(Debug, Clone)]
pub enum Value {
    Text(Text),
    Number(serde_json::Number),
}

/// Who the run is about: each part of `contact:` as a text to fill. All empty = known otherwise (message sender).
#[derive(Debug, Clone, Default)]
pub struct ContactMap {
    pub phone: Option<Text>,
    pub bsuid: Option<Text>,
    pub uuid: Option<Text>,
    pub name: Option<Text>,
    pub first_name: Option<Text>,
    pub email: Option<Text>,
    pub language: Option<Text>,
    pub timezone: Option<Text>,
    /// Yes = this event itself proves that the person agreed to receive messages.
    pub consent: Option<Question>,
}

impl ContactMap {
    /// What says who the person is, as far as it is there, by key; any of them will do.
    pub fn ways(&self) -> impl Iterator<Item = (&'static str, &Text)> {
        let ways = [("phone", &self.phone), ("bsuid", &self.bsuid), ("uuid", &self.uuid)];
        ways.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)))
    }

    /// What it says of the person beside that, as far as it is there, by key.
    pub fn details(&self) -> impl Iterator<Item = (&'static str, &Text)> {
        let details = [
            ("name", &self.name),
            ("first_name", &self.first_name),
            ("email", &self.email),
            ("language", &self.language),
            ("timezone", &self.timezone),
        ];
        details.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)))
    }
}

/// `settings`, the project's defaults already merged in.
#[derive(Debug, Clone)]
pub struct Settings {
    pub timezone: TimeZone,
    /// Identity of what the run is about; `None` = the event's own id.
    pub once_per: Option<Question>,
    pub again: Again,
    /// Further attempts after a refusal of the transient class.
    pub retry: u32,
    /// A message not sent this long after its step was reached is skipped.
    pub expires: Duration,
    /// Runs that reach one contact in a moving period: every one of them must hold.
    pub limit: Vec<Limit>,
    /// Top sending speed of the workflow; the lowest of all paces rules.
    pub pace: Option<Pace>,
    /// Messages are held until its end, in the recipient's zone.
    pub quiet_hours: Option<QuietHours>,
}

/// `N per contact per DURATION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub count: u32,
    pub per: Duration,
}

/// Start included, end excluded; may cross midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    pub from: Time,
    pub to: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Again {
    #[default]
    Never,
    Restart,
    Skip,
    /// It starts after the live one, in order of arrival.
    Queue,
}

/// A duration as authors write it: `1d` is a calendar day in the workflow's zone, `24h` is 24 elapsed hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duration {
    pub days: i32,
    /// Elapsed part, milliseconds.
    pub ms: i64,
}

/// One step of `do`, with its place in the tree.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its address: `0`, `2.cases.0.do.1`, `2.otherwise.0`.
    pub path: String,
    /// To refer to it as `steps.<id>`.
    pub id: Option<String>,
    /// For people.
    pub name: Option<String>,
    pub condition: Condition,
    /// Overrides `settings.retry`.
    pub retry: Option<u32>,
    pub action: Action,
}

#[derive(Debug, Clone)]
pub enum Action {
    SendMessage(Box<SendMessage>),
    Wait(Wait),
    WaitForReply(Box<WaitForReply>),
    Branch {
        cases: Vec<Case>,
        otherwise: Vec<Step>,
    },
    HttpRequest(Box<HttpRequest>),
    UpdateContact(Box<UpdateContact>),
    Set(Vec<(String, Value)>),
    /// Ends the run, *stopped*, with this reason.
    Stop(Text),
}

#[derive(Debug, Clone)]
pub struct Case {
    pub condition: Condition,
    pub steps: Vec<Step>,
}

/// A question to the person. Addresses inside: `3.replies.0.do.1`, `3.otherwise.0`, `3.no_reply.0`.
#[derive(Debug, Clone)]
pub struct WaitForReply {
    /// How long (`for`).
    pub lasts: Duration,
    /// First match wins.
    pub replies: Vec<Reply>,
    /// A message that none of them matches; `None` = keep waiting.
    pub otherwise: Option<Vec<Step>>,
    /// Time is up.
    pub no_reply: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub pattern: Pattern,
    pub steps: Vec<Step>,
}

/// `http_request`: a call to a host of `allow_hosts`.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    pub url: Text,
    /// `GET`, `POST` …; by default `POST` with a body, else `GET`.
    pub method: String,
    pub headers: Vec<(String, Text)>,
    pub query: Vec<(String, Text)>,
    pub body: HttpBody,
    /// At most 15 s.
    pub timeout_ms: i64,
    /// Status codes that are no failure; empty = any 2xx.
    pub expect: Vec<u16>,
}

#[derive(Debug, Clone)]
pub enum HttpBody {
    None,
    Json(JsonText),
    Form(Vec<(String, Text)>),
    Raw(Text),
}

/// A tree of JSON whose texts are filled.
#[derive(Debug, Clone)]
pub enum JsonText {
    Text(Text),
    /// A number, yes/no or null, as written.
    Literal(serde_json::Value),
    List(Vec<JsonText>),
    Map(Vec<(String, JsonText)>),
}

/// `update_contact`: what changes of the person in the account.
#[derive(Debug, Clone, Default)]
pub struct UpdateContact {
    pub name: Option<Text>,
    pub add_tags: Vec<String>,
    pub remove_tags: Vec<String>,
    /// Custom fields of the account, by name.
    pub fields: Vec<(String, Text)>,
    /// For colleagues, in the conversation.
    pub note: Option<Text>,
    /// E-mail of a collaborator; `nobody` takes the assignment away.
    pub assign_to: Option<Text>,
    pub team: Option<Text>,
    pub bot: Option<Bot>,
    /// Done last.
    pub close_conversation: bool,
}

#[derive(Debug, Clone)]
pub enum Wait {
    For(Duration),
    Until {
        time: Question,
        /// Added to the time; negative for `before`.
        shift: Shift,
        if_past: IfPast,
    },
    /// `{next: monday at 09:00}`: the next instant of the phrase, in the workflow's zone.
    Next(crate::trigger::schedule::Schedule),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shift {
    #[default]
    None,
    Before(Duration),
    After(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfPast {
    #[default]
    Stop,
    Continue,
}

/// `send_message`: the texts to fill for both forms.
#[derive(Debug, Clone, Default)]
pub struct SendMessage {
    /// Plain text by language; the empty key is a text without languages. Empty = no text.
    pub text: Vec<(String, Text)>,
    pub template: Option<TemplateChoice>,
    pub media: Option<(MediaKind, Text)>,
    /// A colleague's or other phone; `None` = the run's contact.
    pub to: Option<Text>,
    /// Name of a channel of the project.
    pub channel: Option<String>,
    pub outside_window: OutsideWindow,
    /// Overrides `settings.expires`.
    pub expires: Option<Duration>,
    pub assign_to: Option<Text>,
    pub team: Option<Text>,
    pub bot: Option<Bot>,
    pub metadata: Vec<(String, Text)>,
}

/// An approved template, resolved through `templates.yaml` and the lock; values in the order of the placeholders.
#[derive(Debug, Clone)]
pub struct TemplateChoice {
    /// Name in the catalogue; the uuid for one given in place.
    pub name: String,
    /// By language of the contact; the empty key is the default and always there, last.
    pub variants: Vec<(String, TemplateVariant)>,
    pub values: Vec<Text>,
}

impl TemplateChoice {
    /// Whether the message's media goes into its header: media alone is then no plain form.
    pub fn carries_media(&self) -> bool {
        self.variants.iter().any(|(_, variant)| variant.kind != TemplateKind::Text)
    }

    /// What people call a variant: its title in the account; without a lock file nobody knows that, then its name here.
    pub fn called<'c>(&'c self, variant: &'c TemplateVariant) -> &'c str {
        if variant.title.is_empty() { &self.name } else { &variant.title }
    }
}

/// What the account approved, in one language.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateVariant {
    pub uuid: String,
    /// Empty when there is no lock: [`TemplateChoice::called`].
    pub title: String,
    pub kind: TemplateKind,
    pub category: Option<Category>,
    /// The approved body, with `{{1}}` …; empty when the lock does not hold it.
    pub text: String,
}

impl Workflow {
    /// The step at an address of [`Step::path`].
    pub fn step(&self, path: &str) -> Option<&Step> {
        find_step(&self.steps, path)
    }

    /// Address of the step that follows `path` when that step is done: the next in its list, else what follows the
    /// branch around it; `None` at the end of the workflow.
    pub fn next_after(&self, path: &str) -> Option<String> {
        let mut address = path;
        loop {
            let (list, index) = address.rsplit_once('.').map_or(("", address), |(list, index)| (list, index));
            let index: usize = index.parse().ok()?;
            let sibling = match list {
                "" => (index + 1).to_string(),
                list => format!("{list}.{}", index + 1),
            };
            if self.step(&sibling).is_some() {
                return Some(sibling);
            }
            address = enclosing_step(list)?;
        }
    }
}

/// `2.cases.0.do`, `2.replies.0.do`, `2.otherwise` and `2.no_reply` belong to the step `2`.
fn enclosing_step(list: &str) -> Option<&str> {
    let alone = list.strip_suffix(".otherwise").or_else(|| list.strip_suffix(".no_reply"));
    alone.or_else(|| {
        let (cases, _) = list.strip_suffix(".do")?.rsplit_once('.')?;
        cases.strip_suffix(".cases").or_else(|| cases.strip_suffix(".replies"))
    })
}

impl Step {
    /// The lists of steps inside it.
    pub fn inner(&self) -> Vec<&[Step]> {
        match &self.action {
            Action::Branch { cases, otherwise } => {
                cases.iter().map(|case| case.steps.as_slice()).chain([otherwise.as_slice()]).collect()
            }
            Action::WaitForReply(question) => {
                let replies = question.replies.iter().map(|reply| reply.steps.as_slice());
                let otherwise = question.otherwise.as_deref().unwrap_or_default();
                replies.chain([otherwise, question.no_reply.as_slice()]).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn find_step<'a>(steps: &'a [Step], path: &str) -> Option<&'a Step> {
    steps.iter().find_map(|step| {
        if step.path == path {
            return Some(step);
        }
        let inside = path.strip_prefix(step.path.as_str()).is_some_and(|rest| rest.starts_with('.'));
        step.inner().into_iter().filter(|_| inside).find_map(|list| find_step(list, path))
    })
}
