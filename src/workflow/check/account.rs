//! Account: what the files name of the account, against what it has (R405). Only where somebody asked the account.
//!
//! The API lists lines and teams; of collaborators only the members of teams are seen, of tags only whether somebody
//! wears them, so these are warnings. Invariant: what could not be asked is never told as missing.

use super::report::Report;
use super::words::{listed, nearest};
use crate::config::Channel;
use crate::expr::Text;
use crate::workflow::yaml::Entry;
use std::collections::BTreeSet;

/// What the account told; `None` = not asked, or no answer.
#[derive(Debug, Clone, Default)]
pub struct AccountNames {
    /// Uuid and title of each live WhatsApp line.
    pub lines: Option<Vec<(String, String)>>,
    /// Uuid and name.
    pub teams: Option<Vec<(String, String)>>,
    /// E-mail addresses of the members of all teams.
    pub members: Option<BTreeSet<String>>,
    /// Tags that were asked for, and that nobody wears.
    pub unworn_tags: BTreeSet<String>,
}

impl Report<'_> {
    /// `team`, of a message or a step.
    pub(super) fn check_team(&mut self, entry: &Entry, text: &Text) {
        let Some(teams) = self.account.and_then(|account| account.teams.as_deref()) else { return };
        let Some(written) = text.literal() else { return };
        let plain = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
        if teams.iter().any(|(uuid, name)| uuid == written || plain(name) == plain(written)) {
            return;
        }
        let names: Vec<&str> = teams.iter().map(|(_, name)| name.as_str()).collect();
        let hint = hint(written, &names, "add the team in Callbell");
        self.error("R405", &entry.value.span, format!("the account has no team `{written}`"), hint);
    }

    /// `assign_to`, of a message or a step.
    pub(super) fn check_collaborator(&mut self, entry: &Entry, text: &Text) {
        let Some(members) = self.account.and_then(|account| account.members.as_ref()) else { return };
        let Some(written) = text.literal().filter(|written| *written != "nobody") else { return };
        if members.iter().any(|email| email.eq_ignore_ascii_case(written)) {
            return;
        }
        let names: Vec<&str> = members.iter().map(String::as_str).collect();
        let hint = match nearest(written, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "add the person to a team in Callbell, or correct the address".to_owned(),
        };
        self.warn("R405", &entry.value.span, format!("`{written}` is in no team of the account"), hint);
    }

    /// Tags that a step adds or removes, or that choose people.
    pub(super) fn check_tags(&mut self, entry: &Entry, tags: &[String]) {
        let Some(account) = self.account else { return };
        for tag in tags.iter().filter(|tag| account.unworn_tags.contains(*tag)) {
            let span = super::values::word_place(entry, tag).clone();
            let hint = "a tag has to exist in the account before it can be added: look at its spelling in Callbell";
            self.warn("R405", &span, format!("nobody in the account has the tag `{tag}`"), hint);
        }
    }

    /// A channel of `relance.yaml`.
    pub(super) fn check_channel(&mut self, line: &Entry, channel: &Channel) {
        let Some(lines) = self.account.and_then(|account| account.lines.as_deref()) else { return };
        let is_it = |(uuid, title): &&(String, String)| match (&channel.uuid, &channel.title) {
            (Some(wanted), _) => uuid == wanted,
            (None, Some(wanted)) => title == wanted,
            (None, None) => true,
        };
        let found = lines.iter().filter(is_it).count();
        let titles: Vec<&str> = lines.iter().map(|(_, title)| title.as_str()).collect();
        let (message, hint) = match found {
            1 => return,
            0 => {
                let message = format!("the account has no live WhatsApp line for the channel `{}`", channel.name);
                let written = channel.title.as_deref().unwrap_or_default();
                (message, hint(written, &titles, "`relance channels list` shows its lines"))
            }
            _ if channel.uuid.is_none() && channel.title.is_none() => return,
            _ => {
                let message = format!("the account has {found} lines for the channel `{}`", channel.name);
                (message, "write the line's `uuid`: `relance channels list` shows it".to_owned())
            }
        };
        self.error("R405", &line.key_span, message, hint);
    }
}

fn hint(written: &str, names: &[&str], otherwise: &str) -> String {
    match nearest(written, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() || names.len() > 12 => otherwise.to_owned(),
        None => format!("it has {}; or {otherwise}", listed(names)),
    }
}
