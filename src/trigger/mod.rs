//! Triggers: what starts a run. An enum with one file per variant that has rules of its own.

pub mod contact;
pub mod message;
pub mod message_status;
pub mod opt_out;
pub mod schedule;
pub mod webhook;

use crate::condition::Condition;
use contact::Change;
use message::Matcher;
use message_status::Watched;
use schedule::{Missed, Schedule};

/// One entry of `when`.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its stable name, independent of versions: key and value, `webhook:order.paid`, `schedule:every day at 09:30`.
    pub name: String,
    pub kind: TriggerKind,
    /// Judged for this trigger only, before the workflow's own.
    pub condition: Condition,
}

#[derive(Debug, Clone)]
pub enum TriggerKind {
    /// `source`: entry of `sources`; `None` = any of them.
    Webhook {
        event: String,
        source: Option<String>,
    },
    /// `schedule` and `cron` alike. `catch_up_ms`: instants older than this after downtime are skipped, `missed`.
    Schedule {
        schedule: Schedule,
        missed: Missed,
        catch_up_ms: i64,
    },
    /// `channel`: name of a channel; `None` = any.
    Message {
        matcher: Matcher,
        channel: Option<String>,
    },
    /// `of`: the workflow whose message it is about; `None` = any message, the gateway's included.
    MessageStatus {
        status: Watched,
        of: Option<String>,
    },
    Contact {
        change: Change,
    },
}
