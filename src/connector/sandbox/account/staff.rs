//! Colleagues and teams as they change: what the dashboard's users do, and the events that tell of it.
//!
//! Pure. Invariant: agent events are told only for what is different afterwards.

use super::super::office::{Office, User};
use super::super::payload;
use super::{Account, shown_team, shown_user};
use serde::Deserialize;
use serde_json::json;

/// A colleague comes or goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Session {
    /// E-mail.
    pub(in super::super) user: String,
    /// `user_logged_in`, `user_logged_out`, `system_logged_out`.
    pub(in super::super) action: String,
}

impl Session {
    /// Whether the action is one that the reference names.
    pub(in super::super) fn is_known(&self) -> bool {
        ["user_logged_in", "user_logged_out", "system_logged_out"].contains(&self.action.as_str())
    }
}

impl Account {
    /// Another office from now on; who is busy, gone or in another team now is told.
    pub(in super::super) fn set_office(&mut self, office: Office, now_ms: i64) {
        let before = std::mem::replace(&mut self.office, office);
        let changed = |user: &&User| {
            let old = before.user(&user.email);
            old.is_some_and(|old| (old.available, &old.custom_status) != (user.available, &user.custom_status))
        };
        let emails: Vec<String> = self.office.users.iter().filter(changed).map(|user| user.email.clone()).collect();
        for email in emails {
            self.touch_user(&email, now_ms);
        }
        self.tell_memberships(&before, now_ms);
    }

    /// The colleague's status is another one since `now_ms`.
    pub(in super::super) fn touch_user(&mut self, email: &str, now_ms: i64) {
        let user = self.office.users.iter_mut().find(|user| user.email == email);
        let Some(user) = user else { return };
        user.updated_ms = now_ms;
        let user = user.clone();
        let payload = shown_user(&user, self);
        self.tell(&agent_key(email), "agent_status_updated", &payload, now_ms);
    }

    /// A colleague logs in or out; nothing happens for one whom nobody knows.
    pub(in super::super) fn log_session(&mut self, session: &Session, now_ms: i64) {
        let Some(user) = self.office.user(&session.user) else { return };
        let payload = json!({ "action": session.action, "user": shown_user(user, self) });
        self.tell(&agent_key(&session.user), "agent_session_updated", &payload, now_ms);
    }

    fn tell_memberships(&mut self, before: &Office, now_ms: i64) {
        let mut changes = Vec::new();
        for team in &self.office.teams {
            let old: &[String] = before.team(&team.uuid).map(|team| team.members.as_slice()).unwrap_or_default();
            let added = team.members.iter().filter(|email| !old.contains(email)).map(|email| (email, "agent_added"));
            let removed =
                old.iter().filter(|email| !team.members.contains(email)).map(|email| (email, "agent_removed"));
            for (email, reason) in added.chain(removed) {
                let user = self.office.user(email).or_else(|| before.user(email));
                let user = user.map(|user| shown_user(user, self));
                let at = payload::iso(now_ms);
                let payload = json!({ "team": shown_team(team), "user": user, "reason": reason, "lastUpdateAt": at });
                changes.push((agent_key(email), payload));
            }
        }
        for (key, payload) in changes {
            self.tell(&key, "team_membership_updated", &payload, now_ms);
        }
    }
}

fn agent_key(email: &str) -> String {
    format!("agent:{email}")
}
