//! What a send says of the conversation besides the message: who gets it, which team, whether the bot answers.
//!
//! Pure. `request` has refused values of a wrong type already. Invariant: an empty text counts as absent.

use serde_json::Value;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extras {
    /// E-mail of a colleague.
    pub(super) assigned_user: Option<String>,
    pub(super) team_uuid: Option<String>,
    /// `bot_start` or `bot_end`.
    pub(super) bot_status: Option<String>,
}

impl Extras {
    /// Reads the body of a send.
    pub(super) fn read(raw: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(raw).unwrap_or_default();
        let text = |key: &str| body[key].as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        Self { assigned_user: text("assigned_user"), team_uuid: text("team_uuid"), bot_status: text("bot_status") }
    }
}
