//! Phones: the people of the sandbox with their conversations, as a customer sees them. Pure.
//!
//! Invariant: the phone where something of ours arrived last comes first; replies of the customer move nothing.

use super::moment::Moments;
use super::words::Words;
use crate::connector::sandbox::{SandboxMessage, SandboxPerson, Way};
use crate::message::Form;
use std::collections::{BTreeMap, HashMap};

/// Phones shown at most.
const PHONES: usize = 12;
/// Bubbles of one phone at most.
const BUBBLES: usize = 30;

#[derive(Debug)]
pub(super) struct PhoneView {
    /// Digits only: part of element ids.
    pub(super) id: String,
    pub(super) phone: String,
    pub(super) name: String,
    pub(super) initial: String,
    /// 0 to 5: which of the colours.
    pub(super) tint: u32,
    pub(super) open: bool,
    /// Nothing of ours arrived yet: shown small.
    pub(super) quiet: bool,
    pub(super) window: String,
    pub(super) conversation: String,
    pub(super) reply_as: String,
    /// Earlier messages that are not shown, in words.
    pub(super) older: Option<String>,
    pub(super) bubbles: Vec<BubbleView>,
}

#[derive(Debug)]
pub(super) struct BubbleView {
    /// Number of the message in the sandbox.
    pub(super) n: u64,
    /// The day, when it is another than that of the bubble before.
    pub(super) day: Option<String>,
    pub(super) ours: bool,
    pub(super) template: Option<String>,
    pub(super) media: Option<MediaView>,
    pub(super) text: String,
    pub(super) at: String,
    pub(super) tick: Option<Tick>,
    /// Why it did not arrive.
    pub(super) failed: Option<String>,
}

#[derive(Debug)]
pub(super) struct MediaView {
    pub(super) picture: bool,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) address: String,
}

/// The marks of a message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) label: &'static str,
}

/// What the page knows besides the sandbox: names by digits.
pub(super) type Names = BTreeMap<String, String>;

/// The phones to show, and how many are left out.
pub(super) fn views(
    people: &[SandboxPerson],
    newest_first: &[SandboxMessage],
    names: &Names,
    now_ms: i64,
    moments: &Moments,
    words: &'static Words,
) -> (Vec<PhoneView>, usize) {
    let mut of: HashMap<&str, Vec<&SandboxMessage>> = HashMap::new();
    newest_first.iter().for_each(|message| of.entry(&message.phone).or_default().push(message));
    let with_phone: Vec<&SandboxPerson> = people.iter().filter(|person| !person.phone.is_empty()).collect();
    let mut ordered: Vec<(u64, &SandboxPerson)> = with_phone
        .iter()
        .map(|person| (last_of_ours(of.get(person.phone.as_str()).map(Vec::as_slice)), *person))
        .collect();
    ordered.sort_by_key(|(last, _)| std::cmp::Reverse(*last));
    let left_out = ordered.len().saturating_sub(PHONES);
    let view = |(_, person): (u64, &SandboxPerson)| {
        let messages = of.remove(person.phone.as_str()).unwrap_or_default();
        phone(person, &messages, names, now_ms, moments, words)
    };
    (ordered.into_iter().take(PHONES).map(view).collect(), left_out)
}

fn last_of_ours(messages: Option<&[&SandboxMessage]>) -> u64 {
    messages.into_iter().flatten().find(|message| message.direction == Way::Sent).map_or(0, |message| message.n)
}

fn phone(
    person: &SandboxPerson,
    newest_first: &[&SandboxMessage],
    names: &Names,
    now_ms: i64,
    moments: &Moments,
    words: &'static Words,
) -> PhoneView {
    let id: String = person.phone.chars().filter(char::is_ascii_digit).collect();
    let name = person.name.as_ref().or_else(|| names.get(&id)).unwrap_or(&person.phone).clone();
    let until = person.window_until_ms.filter(|until_ms| *until_ms > now_ms);
    let older = newest_first.len().saturating_sub(BUBBLES);
    PhoneView {
        phone: person.phone.clone(),
        initial: name.chars().find(|c| c.is_alphanumeric()).map_or_else(|| "☺".into(), |c| c.to_uppercase().collect()),
        tint: id.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 6,
        open: until.is_some(),
        quiet: newest_first.len() < 2 && last_of_ours(Some(newest_first)) == 0,
        window: match until {
            Some(until_ms) => words.window_open.replace("{}", &moments.until(until_ms)),
            None => words.window_closed.to_owned(),
        },
        conversation: words.conversation.replace("{}", &name),
        reply_as: words.reply_as.replace("{}", &name),
        older: (older > 0).then(|| words.older_messages[usize::from(older != 1)].replace("{}", &older.to_string())),
        bubbles: bubbles(newest_first, moments, words),
        name,
        id,
    }
}

fn bubbles(newest_first: &[&SandboxMessage], moments: &Moments, words: &'static Words) -> Vec<BubbleView> {
    let mut last_day = String::new();
    let oldest_first = newest_first.iter().take(BUBBLES).rev();
    oldest_first
        .map(|message| {
            let day = moments.day(message.at_ms);
            let new_day = (day != last_day).then(|| day.clone());
            last_day = day;
            BubbleView { day: new_day, ..bubble(message, moments, words) }
        })
        .collect()
}

fn bubble(message: &SandboxMessage, moments: &Moments, words: &'static Words) -> BubbleView {
    let ours = message.direction == Way::Sent;
    let failure = message.history.iter().rev().find(|step| step.status == "failed");
    BubbleView {
        n: message.n,
        day: None,
        ours,
        template: (message.form == Form::Template).then(|| message.template.clone().unwrap_or_default()),
        media: message.media.as_deref().map(|address| media(&message.kind, address, words)),
        text: message.text.clone(),
        at: moments.time(message.at_ms),
        tick: ours.then(|| tick(message.status(), words)),
        failed: failure.map(|step| words.failure(step.code, step.reason.as_deref().unwrap_or_default())),
    }
}

/// The mark of a vendor's status.
fn tick(status: &str, words: &Words) -> Tick {
    let (class, sign, label) = match status {
        "sent" => ("sent", "✓", words.sent),
        "delivered" => ("delivered", "✓✓", words.delivered),
        "read" => ("read", "✓✓", words.read),
        "failed" | "mismatch" => ("failed", "!", words.failed),
        _ => ("waiting", "◷", words.on_its_way),
    };
    Tick { class, sign, label }
}

fn media(kind: &str, address: &str, words: &Words) -> MediaView {
    let word = match kind {
        "image" => words.image,
        "video" => words.video,
        "audio" => words.audio,
        _ => words.document,
    };
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(address);
    MediaView {
        picture: matches!(kind, "image" | "video"),
        kind: word,
        name: name.to_owned(),
        address: address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::connector::sandbox::{Sandbox, SandboxConfig};
    use jiff::tz::TimeZone;

    const NOON_MS: i64 = 1_772_452_800_000;

    fn shown(sandbox: &Sandbox, now_ms: i64) -> Vec<PhoneView> {
        let words = Words::of("en");
        let moments = Moments::new(TimeZone::UTC, words, now_ms);
        let mut messages = sandbox.messages();
        messages.reverse();
        let names = Names::from([("34600000001".to_owned(), "Ana".to_owned())]);
        views(&sandbox.people(), &messages, &names, now_ms, &moments, words).0
    }

    #[test]
    fn a_phone_shows_who_wrote_what_and_until_when_the_window_is_open() {
        let sandbox = Sandbox::new(SandboxConfig::new(Clock::still(NOON_MS))).unwrap();
        sandbox.reply("+34600000001", "hello", Some("https://cdn.example.com/a/photo.jpg?x=1")).unwrap();
        let phones = shown(&sandbox, NOON_MS);
        let [phone] = &phones[..] else { panic!("one phone") };
        assert_eq!((phone.name.as_str(), phone.initial.as_str(), phone.id.as_str()), ("Ana", "A", "34600000001"));
        assert!(phone.open);
        assert_eq!(phone.window, "window open until Tue 3 Mar 12:00");
        let [bubble] = &phone.bubbles[..] else { panic!("one bubble") };
        assert_eq!((bubble.text.as_str(), bubble.ours, bubble.tick), ("hello", false, None));
        assert_eq!(bubble.day.as_deref(), Some("Mon 2 Mar"));
        assert_eq!(bubble.media.as_ref().map(|media| media.name.as_str()), Some("photo.jpg"));
        let later = shown(&sandbox, NOON_MS + 25 * 3_600_000);
        assert_eq!((later[0].open, later[0].window.as_str()), (false, "window closed: only templates"));
    }

    #[test]
    fn long_conversations_and_many_people_are_cut() {
        let sandbox = Sandbox::new(SandboxConfig::new(Clock::still(NOON_MS))).unwrap();
        for n in 0..20 {
            sandbox.reply(&format!("+346000001{n:02}"), "👋", None).unwrap();
        }
        (0..40).for_each(|n| drop(sandbox.reply("+34600000100", &n.to_string(), None).unwrap()));
        let phones = shown(&sandbox, NOON_MS);
        assert_eq!(phones.len(), PHONES);
        assert_eq!(phones[0].bubbles.len(), BUBBLES);
        assert_eq!(phones[0].bubbles.last().unwrap().text, "39");
        assert_eq!(phones[0].older.as_deref(), Some("11 older messages"));
    }

    #[test]
    fn the_marks_are_those_people_know() {
        let marks =
            ["enqueued", "sent", "delivered", "read", "failed"].map(|status| tick(status, Words::of("en")).sign);
        assert_eq!(marks, ["◷", "✓", "✓✓", "✓✓", "!"]);
    }
}
