//! Account: what the account holds, as it last told, laid over what the project says. Pure.
//!
//! A template's state today is the account's word, else the lock file's; a line named by its title is found here, and a
//! team by its name. Invariant: what the account was never asked for is unknown, which is not the same as not there.

use crate::config::{Channel, LockedTemplate, ProjectSettings};
use crate::connector::account::{AccountChannel, AccountTeam};
use crate::message::TemplateKind;
use crate::store::account::{Holding, HoldingRow};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// What the account was asked and told. A part that could not be asked is `None` and stays as it was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountFacts {
    pub templates: Option<Vec<LockedTemplate>>,
    pub channels: Option<Vec<AccountChannel>>,
    pub teams: Option<Vec<AccountTeam>>,
    /// When the asking began, Unix milliseconds.
    pub asked_at_ms: i64,
}

/// What the account holds. `None` = never told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    pub(super) templates: Option<BTreeMap<String, LockedTemplate>>,
    pub(super) channels: Option<Vec<AccountChannel>>,
    pub(super) teams: Option<Vec<AccountTeam>>,
}

/// Stands for a template that the account holds no more.
static GONE: LazyLock<LockedTemplate> = LazyLock::new(|| LockedTemplate {
    uuid: String::new(),
    title: String::new(),
    text: String::new(),
    kind: TemplateKind::Text,
    category: None,
    status: "deleted".into(),
    placeholders: 0,
});

impl Account {
    /// Reads what is stored. A row that a former release wrote differently is left out: the account is asked again soon.
    pub(super) fn read(rows: &[HoldingRow]) -> Self {
        let templates = told::<LockedTemplate>(rows, Holding::Template);
        Self {
            templates: templates.map(by_uuid),
            channels: told(rows, Holding::Channel),
            teams: told(rows, Holding::Team),
        }
    }

    /// The account after it told more.
    pub(super) fn learn(&self, facts: &AccountFacts) -> Self {
        Self {
            templates: facts.templates.clone().map(by_uuid).or_else(|| self.templates.clone()),
            channels: facts.channels.clone().or_else(|| self.channels.clone()),
            teams: facts.teams.clone().or_else(|| self.teams.clone()),
        }
    }

    /// A template as the account last told of it; one of status `deleted` when it holds it no more; `None` when it was
    /// never asked.
    pub fn template(&self, uuid: &str) -> Option<&LockedTemplate> {
        self.templates.as_ref().map(|all| all.get(uuid).unwrap_or(&GONE))
    }

    /// The uuid of the team of this name, or of this uuid. `None`: there is none, or nobody knows.
    pub fn team(&self, written: &str) -> Option<&str> {
        let teams = self.teams.as_deref().unwrap_or_default();
        let same = |team: &&AccountTeam| team.uuid == written || same_words(&team.name, written);
        teams.iter().find(same).map(|team| team.uuid.as_str())
    }

    /// Whether it has no live line of this uuid; one that was never asked may have it.
    pub fn lacks_channel(&self, uuid: &str) -> bool {
        let live = |line: &AccountChannel| line.uuid == uuid && !line.discarded;
        self.channels.as_ref().is_some_and(|lines| !lines.iter().any(live))
    }

    /// Whether it has no team of this uuid; one that was never asked may have it.
    pub fn lacks_team(&self, uuid: &str) -> bool {
        self.teams.as_ref().is_some_and(|teams| !teams.iter().any(|team| team.uuid == uuid))
    }

    /// The uuid of a line of the project: the one written, or the one of its title. `None`: the account has no such
    /// line, several, or, for a title, was never asked.
    fn channel_uuid(&self, channel: &Channel) -> Option<String> {
        let Some(lines) = &self.channels else { return channel.uuid.clone() };
        let usable = |line: &&AccountChannel| !line.discarded && matches!(line.kind.as_str(), "" | "whatsapp");
        let mut fitting = lines.iter().filter(usable).filter(|line| match (&channel.uuid, &channel.title) {
            (Some(uuid), _) => line.uuid == *uuid,
            (None, Some(title)) => same_words(&line.title, title),
            (None, None) => false,
        });
        match (fitting.next(), fitting.next()) {
            (Some(line), None) => Some(line.uuid.clone()),
            _ => None,
        }
    }
}

/// The project's settings with the uuids that the account has for its lines.
pub(super) fn resolve(written: &Arc<ProjectSettings>, account: &Account) -> Arc<ProjectSettings> {
    let uuid = |channel: &Channel| if channel.listed { account.channel_uuid(channel) } else { channel.uuid.clone() };
    if written.channels.iter().all(|channel| uuid(channel) == channel.uuid) {
        return written.clone();
    }
    let mut settings = ProjectSettings::clone(written);
    for channel in &mut settings.channels {
        channel.uuid = uuid(channel);
    }
    Arc::new(settings)
}

/// Titles and names as people write them: case and spaces do not matter.
fn same_words(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
    plain(one) == plain(other)
}

fn by_uuid(templates: Vec<LockedTemplate>) -> BTreeMap<String, LockedTemplate> {
    templates.into_iter().map(|template| (template.uuid.clone(), template)).collect()
}

fn told<T: DeserializeOwned>(rows: &[HoldingRow], kind: Holding) -> Option<Vec<T>> {
    let mut of_kind = rows.iter().filter(|row| row.kind == kind).peekable();
    of_kind.peek()?;
    let read = |row: &HoldingRow| serde_json::from_str(&row.data).ok();
    Some(of_kind.filter(|row| !row.uuid.is_empty()).filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ChannelKind, Pace};

    fn line(uuid: &str, title: &str, kind: &str, discarded: bool) -> AccountChannel {
        AccountChannel { uuid: uuid.into(), title: title.into(), kind: kind.into(), main: false, discarded }
    }

    fn channel(uuid: Option<&str>, title: Option<&str>) -> Channel {
        Channel {
            name: "shop".into(),
            uuid: uuid.map(str::to_owned),
            title: title.map(str::to_owned),
            default: true,
            kind: ChannelKind::Official,
            pace: Pace { count: 80, per_ms: 1000 },
            listed: true,
        }
    }

    #[test]
    fn a_line_is_found_by_its_title_only_when_there_is_one_live_line_of_it() {
        let lines = vec![
            line("a", "+34 600 000 000", "whatsapp", false),
            line("b", "Twice", "whatsapp", false),
            line("c", "Twice", "whatsapp", false),
            line("d", "Gone", "whatsapp", true),
            line("e", "Page", "facebook", false),
        ];
        let account = Account { channels: Some(lines), ..Account::default() };
        let found = |uuid, title| account.channel_uuid(&channel(uuid, title));
        assert_eq!(found(None, Some("+34600000000")).as_deref(), Some("a"));
        assert_eq!(found(Some("a"), None).as_deref(), Some("a"));
        for title in ["Twice", "Gone", "Page", "Nobody"] {
            assert_eq!(found(None, Some(title)), None, "{title}");
        }
        assert_eq!((found(Some("d"), None), found(Some("z"), None)), (None, None));
        let never = Account::default();
        assert_eq!(never.channel_uuid(&channel(Some("z"), None)).as_deref(), Some("z"));
        assert_eq!(never.channel_uuid(&channel(None, Some("Shop"))), None);
    }

    #[test]
    fn a_team_is_found_by_name_or_uuid() {
        let teams = Some(vec![AccountTeam { uuid: "t1".into(), name: "After sales".into() }]);
        let account = Account { teams, ..Account::default() };
        assert_eq!(
            (account.team("after  Sales"), account.team("t1"), account.team("x")),
            (Some("t1"), Some("t1"), None)
        );
    }

    #[test]
    fn a_template_that_is_not_listed_any_more_is_deleted_and_one_never_asked_for_is_unknown() {
        let account = Account::default();
        assert_eq!(account.template("t"), None);
        let told = account.learn(&AccountFacts { templates: Some(Vec::new()), ..AccountFacts::default() });
        assert_eq!(told.template("t").unwrap().status, "deleted");
        let again = told.learn(&AccountFacts::default());
        assert_eq!(again, told, "what was not asked stays");
    }
}
