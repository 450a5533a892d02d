//! Events on their way to the webhook: one queue per contact, in order, retried with growing pauses (reference §13.1).
//!
//! Pure: who posts takes an event with [`Mailbox::take`] and says with [`Mailbox::done`] what came back.
//! Invariant: of one contact's events at most one is on its way, and the next one waits until it is settled.

use super::faults::{Fault, Faults};
use super::log::Log;
use super::office::FOUNDED_MS;
use axum::body::Bytes;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// After so many posts an event is given up.
const MOST_TRIES: u32 = 12;
const FIRST_PAUSE_MS: i64 = 1000;
const LONGEST_PAUSE_MS: i64 = 300_000;
/// How long a reordered event waits for another one to overtake it.
const OVERTAKE_MS: i64 = 5000;
/// Rows of the event log.
const LOGGED: usize = 5000;
/// After so long without a success the subscription is disabled.
const SILENCE_MS: i64 = 6 * 3_600_000;

/// The webhook of the account and everything on its way there.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) url: Option<String>,
    /// `None` = every event.
    pub(super) subscriptions: Option<BTreeSet<String>>,
    /// False: events are written down as failed, and nobody is called.
    pub(super) enabled: bool,
    /// When the webhook was subscribed.
    pub(super) since_ms: i64,
    /// The first failure since the last success.
    failing_since_ms: Option<i64>,
    pub(super) log: Log<Logged>,
    /// By contact.
    queues: HashMap<String, Queue>,
    /// When each queue is looked at next.
    due: BTreeMap<(i64, u64), String>,
    drawn: u64,
    waiting: usize,
    most_waiting: usize,
}

#[derive(Debug, Default)]
struct Queue {
    posts: VecDeque<Post>,
    /// An event that lets the next one overtake it.
    held: Option<Post>,
    due: Option<(i64, u64)>,
    busy: bool,
}

#[derive(Debug)]
struct Post {
    event: &'static str,
    body: Bytes,
    tries: u32,
    not_before_ms: i64,
}

/// An event to post now.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) key: String,
    pub(super) url: String,
    pub(super) body: Bytes,
}

/// What the receiver answered; `None` = nothing.
pub(super) type Answer = Option<Answered>;

#[derive(Debug, Clone, Default)]
pub(super) struct Answered {
    pub(super) status: u16,
    /// Its beginning.
    pub(super) body: String,
    pub(super) headers: Map<String, Value>,
}

/// A row of `GET /webhooks/events`.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub(super) event: &'static str,
    pub(super) body: Bytes,
    pub(super) answer: Answer,
    pub(super) success: bool,
    pub(super) at_ms: i64,
}

impl Mailbox {
    pub(super) fn new(url: Option<String>, most_waiting: usize) -> Self {
        Self {
            url,
            subscriptions: None,
            enabled: true,
            since_ms: FOUNDED_MS,
            failing_since_ms: None,
            log: Log::new(LOGGED),
            queues: HashMap::new(),
            due: BTreeMap::new(),
            drawn: 0,
            waiting: 0,
            most_waiting,
        }
    }

    /// Creates or replaces the only webhook; a disabled one is enabled again.
    pub(super) fn subscribe(&mut self, url: String, names: Option<BTreeSet<String>>, now_ms: i64) {
        (self.url, self.subscriptions) = (Some(url), names);
        (self.enabled, self.since_ms, self.failing_since_ms) = (true, now_ms, None);
    }

    /// Whether an event of that kind goes anywhere.
    pub(super) fn wants(&self, event: &str) -> bool {
        self.url.is_some() && self.subscriptions.as_ref().is_none_or(|names| names.contains(event))
    }

    /// Takes an event of the contact `key`. Without a webhook it goes nowhere; when too many wait it is given up.
    pub(super) fn push(&mut self, key: &str, event: &'static str, payload: &Value, faults: &mut Faults, now_ms: i64) {
        if !self.wants(event) {
            return;
        }
        let body = written(event, payload, faults);
        let late_ms = if faults.take(Fault::WebhookSlow) { faults.settings.webhook_delay } else { 0 };
        let post = || Post { event, body: body.clone().into(), tries: 0, not_before_ms: now_ms + late_ms };
        if faults.take(Fault::WebhookOff) || !self.enabled || self.waiting >= self.most_waiting {
            self.write_down(&post(), None, false, now_ms);
            return;
        }
        let copies = if faults.take(Fault::Duplicate) { 2 } else { 1 };
        let queue = self.queues.entry(key.to_owned()).or_default();
        self.waiting += copies;
        match queue.held.take() {
            Some(overtaken) => {
                queue.posts.extend((0..copies).map(|_| post()));
                queue.posts.push_back(overtaken);
            }
            None if faults.take(Fault::Reordered) => {
                queue.posts.extend((1..copies).map(|_| post()));
                queue.held = Some(post());
            }
            None => queue.posts.extend((0..copies).map(|_| post())),
        }
        self.schedule(key, now_ms);
    }

    /// An event that is due, if any; the contact's next one waits until [`Mailbox::done`].
    pub(super) fn take(&mut self, now_ms: i64) -> Option<Outgoing> {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            let key = entry.remove();
            let Some(queue) = self.queues.get_mut(&key) else { continue };
            queue.due = None;
            if queue.posts.is_empty() {
                queue.posts.extend(queue.held.take());
            }
            if let (Some(post), Some(url), true) = (queue.posts.front(), &self.url, self.enabled) {
                queue.busy = true;
                return Some(Outgoing { url: url.clone(), body: post.body.clone(), key });
            }
            queue.posts.extend(queue.held.take());
            self.waiting -= queue.posts.len();
            let lost = self.queues.remove(&key).map(|queue| queue.posts).unwrap_or_default();
            if self.url.is_some() {
                lost.iter().for_each(|post| self.write_down(post, None, false, now_ms));
            }
        }
        None
    }

    /// Disables the subscription when nothing arrived for six hours although something was posted.
    pub(super) fn mind_the_silence(&mut self, now_ms: i64) {
        if self.failing_since_ms.is_some_and(|since_ms| now_ms >= since_ms + SILENCE_MS) {
            self.enabled = false;
        }
    }

    /// Settles the event taken from `key`. Exactly 200 is success, as in the vendor's log.
    pub(super) fn done(&mut self, key: &str, answer: Answer, now_ms: i64) {
        let Some(queue) = self.queues.get_mut(key).filter(|queue| queue.busy) else { return };
        queue.busy = false;
        let success = answer.as_ref().is_some_and(|answer| answer.status == 200);
        self.failing_since_ms = if success { None } else { self.failing_since_ms.or(Some(now_ms)) };
        let Some(post) = queue.posts.front_mut() else { return };
        post.tries += 1;
        post.not_before_ms = now_ms + pause_ms(post.tries);
        if (success || post.tries >= MOST_TRIES)
            && let Some(post) = queue.posts.pop_front()
        {
            self.waiting -= 1;
            self.write_down(&post, answer, success, now_ms);
        }
        self.schedule(key, now_ms);
    }

    /// When something is to be posted next.
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.due.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Sets when the queue is looked at next; forgets an empty one.
    fn schedule(&mut self, key: &str, now_ms: i64) {
        let Some(queue) = self.queues.get_mut(key).filter(|queue| !queue.busy) else { return };
        if let Some(old) = queue.due.take() {
            self.due.remove(&old);
        }
        let at_ms = match (queue.posts.front(), &queue.held) {
            (Some(post), _) => post.not_before_ms.max(now_ms),
            (None, Some(held)) => held.not_before_ms + OVERTAKE_MS,
            (None, None) => {
                self.queues.remove(key);
                return;
            }
        };
        self.drawn += 1;
        queue.due = Some((at_ms, self.drawn));
        self.due.insert((at_ms, self.drawn), key.to_owned());
    }

    fn write_down(&mut self, post: &Post, answer: Answer, success: bool, at_ms: i64) {
        self.log.push(Logged { event: post.event, body: post.body.clone(), answer, success, at_ms });
    }
}

/// The body of an event, in one of the forms that receivers have met.
fn written(event: &str, payload: &Value, faults: &mut Faults) -> String {
    let (bare, listed) = (faults.take(Fault::Bare), faults.take(Fault::Listed));
    let body = if bare { payload.clone() } else { json!({ "event": event, "payload": payload }) };
    if listed { json!([body]).to_string() } else { body.to_string() }
}

fn pause_ms(tries: u32) -> i64 {
    (FIRST_PAUSE_MS << (tries - 1).min(20)).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests {
    use super::super::faults::Rate;
    use super::*;

    const OK: fn() -> Answer = || answered(200);

    fn answered(status: u16) -> Answer {
        Some(Answered { status, ..Answered::default() })
    }

    fn mailbox() -> Mailbox {
        Mailbox::new(Some("http://127.0.0.1/".into()), 100)
    }

    fn push(mailbox: &mut Mailbox, faults: &mut Faults, key: &str, n: i64, now_ms: i64) {
        mailbox.push(key, "message_created", &json!(n), faults, now_ms);
    }

    fn number(post: &Outgoing) -> i64 {
        serde_json::from_slice::<Value>(&post.body).unwrap()["payload"].as_i64().unwrap()
    }

    /// Everything posted by `now_ms` when the receiver always says yes.
    fn drain(mailbox: &mut Mailbox, now_ms: i64) -> Vec<i64> {
        let mut numbers = Vec::new();
        while let Some(post) = mailbox.take(now_ms) {
            numbers.push(number(&post));
            mailbox.done(&post.key, OK(), now_ms);
        }
        numbers
    }

    #[test]
    fn events_of_a_contact_wait_for_each_other_and_for_nobody_else() {
        let (mut mailbox, mut faults) = (mailbox(), Faults::default());
        for (key, n) in [("a", 1), ("a", 2), ("b", 3)] {
            push(&mut mailbox, &mut faults, key, n, 0);
        }
        let (first, other) = (mailbox.take(0).unwrap(), mailbox.take(0).unwrap());
        assert_eq!((number(&first), number(&other)), (1, 3));
        assert!(mailbox.take(0).is_none());
        mailbox.done("a", OK(), 0);
        assert_eq!(number(&mailbox.take(0).unwrap()), 2);
    }

    #[test]
    fn an_event_is_posted_again_with_growing_pauses_then_given_up() {
        let (mut mailbox, mut faults) = (mailbox(), Faults::default());
        push(&mut mailbox, &mut faults, "a", 1, 0);
        push(&mut mailbox, &mut faults, "a", 2, 0);
        let mut instants = Vec::new();
        let mut now = 0;
        for _ in 0..MOST_TRIES {
            now = mailbox.next_due_ms().unwrap();
            instants.push(now);
            let post = mailbox.take(now).unwrap();
            assert_eq!(number(&post), 1);
            mailbox.done(&post.key, if instants.len() % 2 == 0 { None } else { answered(503) }, now);
        }
        assert_eq!(instants[..5], [0, 1000, 3000, 7000, 15_000]);
        assert_eq!(drain(&mut mailbox, now), [2]);
        let results: Vec<bool> = mailbox.log.iter().map(|(_, row)| row.success).collect();
        assert_eq!((results, mailbox.waiting, mailbox.next_due_ms()), (vec![false, true], 0, None));
        assert!(mailbox.queues.is_empty());
    }

    #[test]
    fn events_are_doubled_overtaken_and_lost_as_the_switches_say() {
        let (mut mailbox, mut faults) = (mailbox(), Faults::default());
        faults.set(Fault::Duplicate, Rate::Count(1));
        push(&mut mailbox, &mut faults, "a", 1, 0);
        assert_eq!(drain(&mut mailbox, 0), [1, 1]);
        faults.set(Fault::Reordered, Rate::Count(1));
        push(&mut mailbox, &mut faults, "a", 1, 0);
        assert_eq!(drain(&mut mailbox, 0), Vec::<i64>::new());
        push(&mut mailbox, &mut faults, "a", 2, 0);
        push(&mut mailbox, &mut faults, "a", 3, 0);
        assert_eq!(drain(&mut mailbox, 0), [2, 1, 3]);
        faults.set(Fault::Reordered, Rate::Count(1));
        push(&mut mailbox, &mut faults, "a", 4, 0);
        assert_eq!((drain(&mut mailbox, 4999).len(), drain(&mut mailbox, 5000)), (0, vec![4]));
        faults.set(Fault::WebhookOff, Rate::Count(1));
        push(&mut mailbox, &mut faults, "a", 5, 0);
        push(&mut mailbox, &mut faults, "a", 6, 0);
        assert_eq!(drain(&mut mailbox, 0), [6]);
        assert_eq!((mailbox.waiting, mailbox.queues.len()), (0, 0));
    }

    #[test]
    fn nothing_piles_up_without_a_webhook_or_beyond_the_bound() {
        let mut faults = Faults::default();
        let mut nowhere = Mailbox::new(None, 100);
        push(&mut nowhere, &mut faults, "a", 1, 0);
        assert_eq!((nowhere.waiting, nowhere.next_due_ms()), (0, None));
        let mut full = mailbox();
        (0..150).for_each(|n| push(&mut full, &mut faults, "a", n, 0));
        assert_eq!(full.waiting, 100);
        full.url = None;
        assert!(full.take(0).is_none());
        assert_eq!((full.waiting, full.queues.len()), (0, 0));
    }
}
