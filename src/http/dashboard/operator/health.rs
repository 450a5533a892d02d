//! Health of the server on its first page: what to look at, since when the oldest work has been due, and what the project
//! lets go on that the safe side would not.

use crate::config::{ConsentRule, PLAIN, ProjectSettings};
use crate::engine::Engine;
use crate::http::dashboard::moment::Moments;
use crate::http::dashboard::words::Words;
use crate::http::mask::masked_text;
use crate::store::alerts::Alert;

#[derive(Debug)]
pub(super) struct Health {
    /// What to look at, and since when.
    pub(super) alerts: Vec<(String, String)>,
    pub(super) due: String,
    pub(super) loosened: Vec<String>,
}

impl Health {
    pub(super) async fn read(engine: &Engine, moments: &Moments, words: &'static Words) -> anyhow::Result<Self> {
        let oldest = engine.oldest_due().await?;
        let oldest = [oldest.run_ms, oldest.call_ms, oldest.message_ms].into_iter().flatten().min();
        Ok(Self {
            alerts: engine.alerts().await?.into_iter().map(|alert| alert_view(alert, moments, words)).collect(),
            due: match oldest {
                Some(due_ms) => words.operator.due.replace("{}", &moments.exactly_after(due_ms)),
                None => words.operator.nothing_due.to_owned(),
            },
            loosened: loosened(&engine.deployed().settings, words),
        })
    }
}

fn alert_view(alert: Alert, moments: &Moments, words: &'static Words) -> (String, String) {
    let since = words.operator.since.replace("{}", &moments.after(alert.since_ms));
    (masked_text(&alert.what).into_owned(), since)
}

fn loosened(settings: &ProjectSettings, words: &'static Words) -> Vec<String> {
    let everyone = matches!(settings.consent, ConsentRule::Everyone).then(|| words.operator.everyone.to_owned());
    let plain = settings.allow_hosts.iter().filter(|host| host.starts_with(PLAIN));
    everyone.into_iter().chain(plain.map(|host| words.operator.plain_host.replace("{}", host))).collect()
}
