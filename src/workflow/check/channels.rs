//! `channels`: the lines of the account, and how fast they may send.

use super::duration::parse_pace;
use super::fields::{Fields, Shape};
use super::project::named;
use super::report::Report;
use super::values::{boolean, check_name, choice, plain_text, scalar};
use crate::config::{Channel, ChannelKind, Pace};
use crate::workflow::yaml::Entry;

const CHANNEL: Shape =
    Shape { what: "a channel", keys: &["title", "uuid", "default", "pace", "kind"], later: &[], elsewhere: &[] };

/// The account's main line, when the project lists none.
pub(super) fn main_line() -> Channel {
    Channel {
        name: "main".into(),
        uuid: None,
        title: None,
        default: true,
        kind: ChannelKind::Official,
        pace: Channel::PACE,
        listed: false,
    }
}

pub(super) fn read_channels(report: &mut Report, entry: &Entry) -> Vec<Channel> {
    let mut channels: Vec<Channel> = Vec::new();
    for line in named(report, entry, "shop: { title: \"+34 600 000 000\" }") {
        check_name(report, &line.key_span, "channel name", &line.key);
        let channel = read_channel(report, line);
        if channel.default && channels.iter().any(|other| other.default) {
            let hint = "keep `default: true` on one of them";
            report.error("R205", &line.key_span, "a second channel is the default", hint);
        }
        channels.push(channel);
    }
    match channels.len() {
        0 => return vec![main_line()],
        1 => channels[0].default = true,
        _ if channels.iter().any(|channel| channel.default) => {}
        _ => {
            let hint = "write `default: true` on the line that sends when nothing else is said";
            report.error("R202", &entry.key_span, "no channel is the default", hint);
        }
    }
    channels
}

fn read_channel(report: &mut Report, line: &Entry) -> Channel {
    let mut channel = Channel { name: line.key.clone(), default: false, listed: true, ..main_line() };
    let Some(fields) = Fields::open(report, &line.value, Some(line), &CHANNEL) else { return channel };
    channel.title = fields.get("title").and_then(|entry| plain_text(report, entry));
    channel.uuid = fields.get("uuid").and_then(|entry| plain_text(report, entry));
    let told = fields.get("title").is_some() || fields.get("uuid").is_some() || !fields.meant.is_empty();
    if !told {
        let message = format!("channel `{}` says neither `title` nor `uuid`", line.key);
        report.error("R202", &line.key_span, message, "write the line's title or uuid in the account");
    }
    channel.default = fields.get("default").and_then(|entry| boolean(report, entry)).unwrap_or(false);
    let kinds = [("official", ChannelKind::Official), ("qr", ChannelKind::Qr)];
    channel.kind = fields.get("kind").and_then(|entry| choice(report, entry, &kinds)).unwrap_or_default();
    channel.pace = fields.get("pace").and_then(|entry| read_pace(report, entry)).unwrap_or(Channel::PACE);
    report.check_channel(line, &channel);
    channel
}

pub(super) fn read_pace(report: &mut Report, entry: &Entry) -> Option<Pace> {
    let text = scalar(report, entry, "a pace such as `80 per second`")?;
    let pace = parse_pace(text);
    if pace.is_none() {
        let hint = "write a number `per second`, `per minute` or `per hour`";
        report.error("R205", &entry.value.span, format!("`{text}` is not a pace"), hint);
    }
    pace
}
