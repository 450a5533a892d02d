//! Hands: what somebody does to the account from within this process: people who are put into it, statuses that are told.
//!
//! As the switches of `control`, without HTTP. Invariant: whatever is changed is told as the account tells it.

use super::Sandbox;
use super::account::{ContactChange, read_person};
use super::message::{Status, Way};
use serde_json::{Map, Value};

impl Sandbox {
    /// Creates or changes a person on the main line; `None`, and fields that are not named, stay as they are.
    ///
    /// # Errors
    /// When `phone` is no international number.
    pub fn put_person(
        &self,
        phone: &str,
        name: Option<String>,
        tags: Option<Vec<String>>,
        custom: Map<String, Value>,
    ) -> anyhow::Result<()> {
        let put = self.with(|account, now_ms| {
            let line = account.line(None).ok_or("no such channel")?;
            let to = read_person([&Some(phone.to_owned()), &None, &None], line)?;
            let line = line.uuid.clone();
            account.office.learn(tags.as_deref().unwrap_or_default(), &custom);
            account.add_contact(&to, &line, ContactChange { name, tags, custom, ..ContactChange::default() }, now_ms);
            Ok(())
        });
        self.wake();
        put.map_err(|error: String| anyhow::anyhow!(error))
    }

    /// The newest message of the account gets a further status: `delivered`, `read`, or `failed` with a code of the platform.
    ///
    /// # Errors
    /// When nothing was sent, or there is no such status.
    pub fn tell_status_of_last(&self, status: &str, code: Option<i64>) -> anyhow::Result<()> {
        let known = ["delivered", "read", "failed"];
        let Some(status) = known.into_iter().find(|known| *known == status) else {
            anyhow::bail!("the account tells no status `{status}`");
        };
        let told = self.with(|account, at_ms| {
            let sent = account.messages.iter().rev().find(|(_, message)| message.direction == Way::Sent);
            let number = sent.map(|(number, _)| number);
            let reason = code.map(|code| format!("failed with {code}"));
            number.map(|number| account.move_on(number, Status { status, at_ms, code, reason }))
        });
        self.wake();
        told.ok_or_else(|| anyhow::anyhow!("nothing was sent yet"))
    }
}
