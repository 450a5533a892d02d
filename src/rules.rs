//! Rules: what a workflow's settings ask of the gate for one message, as its run began with them.
//!
//! They are planned with the delivery, so that the gate needs no definition, and a workflow that is deployed anew changes
//! nothing for what is under way. Invariant: a rule that is not there asks for nothing.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};

/// Empty for messages of the gateway and of workflows without such settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// Every one of them must hold before the run's first message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limit: Vec<RunLimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<Rate>,
    /// The workflow's zone, IANA name; empty where no rule asks for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// The recipient's zone as the event gave it for this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_zone: Option<String>,
    /// To one of the project's colleagues, who may get as many a day as there are things to tell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub colleague: bool,
}

/// Clock times of the recipient: start included, end excluded; may cross midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    pub from: Time,
    pub to: Time,
}

/// So many runs that reach one contact in a moving period of calendar days and elapsed milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimit {
    pub count: u32,
    pub days: i32,
    pub ms: i64,
}

/// Top speed of the workflow: `count` per `per_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub count: u32,
    pub per_ms: i64,
}

impl Rules {
    /// Whether nothing is asked for: then nothing is kept.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where messages of a channel wait for their turn: each in the channel's own lane, or, with a pace of their workflow, in a
/// lane of that workflow on the channel. One that may not go faster stands in nobody's way.
pub fn lane(channel: &str, paced_workflow: Option<&str>) -> String {
    match paced_workflow {
        None => channel.to_owned(),
        Some(workflow) => format!("{channel} {workflow}"),
    }
}

/// Channel, and the workflow whose pace holds, of a lane.
pub fn read_lane(lane: &str) -> (&str, Option<&str>) {
    match lane.split_once(' ') {
        Some((channel, workflow)) => (channel, Some(workflow)),
        None => (lane, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_says_its_channel_and_its_workflow() {
        assert_eq!(read_lane(&lane("main", None)), ("main", None));
        assert_eq!(read_lane(&lane("main", Some("birthday"))), ("main", Some("birthday")));
    }

    #[test]
    fn rules_that_ask_for_nothing_are_written_as_nothing() {
        assert_eq!(serde_json::to_string(&Rules::default()).unwrap(), "{}");
        assert!(Rules::default().is_empty() && !Rules { colleague: true, ..Rules::default() }.is_empty());
    }
}
