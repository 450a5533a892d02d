//! Orders that go in without a pause, and what the vendor must have seen of them in the end, counted there and not here.
//!
//! Most people are written to for the first time: by template, their order proves their consent. Some wrote just before
//! (text), some withdrew (nothing, whatever their order says), and of some there is news as well, in quiet hours (nothing).

use crate::crash::{all_deliveries, judge, uncertain, what_arrived_becomes_known};
use crate::fleet::Fleet;
use crate::process::{PATIENCE, Site, eventually, post_event};
use jiff::{ToSpan as _, Zoned};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CLIENTS: usize = 12;
/// Between the answer to an order and the next one of the same client.
const PAUSE: Duration = Duration::from_millis(60);
/// A sender does not wait for ever on a server that stands still.
const GIVEN_UP: Duration = Duration::from_secs(5);
const WITHDRAWN: usize = 4;
const CONFIRMATION: &str = "Done, no more messages.";
/// Why news wait.
pub(crate) const HELD: &str = "quiet_hours";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Person {
    New,
    JustWrote,
    Withdrew,
    GetsNews,
}

fn person(order: usize) -> Person {
    match order % 100 {
        5 | 25 | 45 | 65 | 85 => Person::JustWrote,
        15 | 35 | 55 | 75 | 95 => Person::Withdrew,
        // No more than one page of a list.
        10 if order < 50_000 => Person::GetsNews,
        _ => Person::New,
    }
}

/// Each has a number of its own: nobody's line holds another up. The withdrawn are a few.
fn phone(order: usize) -> String {
    match person(order) {
        Person::Withdrew => withdrawn(order / 100 % WITHDRAWN),
        _ => format!("+346{order:08}"),
    }
}

fn withdrawn(n: usize) -> String {
    format!("+3469999999{n}")
}

fn event(order: usize) -> Value {
    json!({ "order_id": order.to_string(), "order_number": order, "total": 5, "currency": "EUR",
        "accepts_whatsapp": true, "news": person(order) == Person::GetsNews,
        "customer": { "first_name": "Ana", "phone": phone(order) } })
}

/// The shop, with a word that withdraws, and news that are quiet from an hour ago on for long enough.
pub(crate) fn prepare(site: &Site) {
    let project = fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    site.write("relance.yaml", &format!("{project}opt_out: {{ words: [stop], reply: \"{CONFIRMATION}\" }}\n"));
    let sample = fs::read_to_string(site.path().join("workflows/samples/order.paid.json")).unwrap();
    site.write("workflows/samples/order.paid.json", &sample.replacen('{', "{ \"news\": true,", 1));
    let now = Zoned::now().in_tz("Europe/Madrid").unwrap();
    let hour = |hours: i64| now.checked_add(hours.hours()).unwrap().strftime("%H:%M").to_string();
    let order = fs::read_to_string(site.path().join("workflows/order_paid.yaml")).unwrap();
    let news = order.replace("settings:\n", &format!("settings:\n  quiet_hours: {}-{}\n", hour(-1), hour(9)));
    let news = news.replace("event.total > 0", "event.news == true").replace("metadata: { order:", "metadata: { news:");
    site.write("workflows/news.yaml", &news);
}

/// Some people withdraw, and are told so.
pub(crate) async fn some_withdraw(site: &Site) {
    for n in 0..WITHDRAWN {
        site.turn("reply", &json!({ "phone": withdrawn(n), "text": "stop" })).await;
    }
    eventually("withdrawals are confirmed", async || (site.messages().await.len() == WITHDRAWN).then_some(())).await;
}

/// Orders on their way in, until somebody ends them.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    next: Arc<AtomicUsize>,
    /// Each gives back the longest time that an order of its took to be acknowledged.
    clients: JoinSet<Duration>,
}

struct Client {
    http: reqwest::Client,
    port: u16,
    vendor: u16,
}

impl Load {
    pub(crate) fn begin(fleet: &Fleet) -> Self {
        let mut load = Self { over: Arc::default(), next: Arc::default(), clients: JoinSet::new() };
        let http = reqwest::Client::builder().no_proxy().timeout(GIVEN_UP).build().unwrap();
        for _ in 0..CLIENTS {
            let client = Client { http: http.clone(), port: fleet.port(), vendor: fleet.vendor_port() };
            let (over, next) = (load.over.clone(), load.next.clone());
            load.clients.spawn(async move {
                let mut slowest = Duration::ZERO;
                while !over.load(Ordering::Relaxed) {
                    slowest = slowest.max(client.order(next.fetch_add(1, Ordering::Relaxed)).await);
                    tokio::time::sleep(PAUSE).await;
                }
                slowest
            });
        }
        load
    }

    /// How many orders were begun so far.
    pub(crate) fn begun(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    /// Every order that was begun is acknowledged when this returns: how many they are.
    pub(crate) async fn end(mut self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        let mut slowest = Duration::ZERO;
        while let Some(ended) = self.clients.join_next().await {
            slowest = slowest.max(ended.unwrap());
        }
        eprintln!("the slowest order was acknowledged after {slowest:?}");
        self.begun()
    }
}

impl Client {
    /// Posts an order until somebody acknowledges it, as a till does: how long that took.
    async fn order(&self, order: usize) -> Duration {
        if person(order) == Person::JustWrote {
            let url = format!("http://127.0.0.1:{}/sandbox/reply", self.vendor);
            let said = json!({ "phone": phone(order), "text": "Hello" });
            self.http.post(url).json(&said).send().await.unwrap().error_for_status().unwrap();
        }
        let (event, begun) = (event(order), Instant::now());
        loop {
            match post_event(&self.http, self.port, "order.paid", &event).await {
                Ok((200, _)) => return begun.elapsed(),
                Ok((503, _)) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok((other, _)) => panic!("order {order} was answered {other}"),
            }
            assert!(begun.elapsed() < PATIENCE, "order {order} is taken by nobody");
        }
    }
}

/// What the vendor saw, looked at for what it must never see. Comes back: how often of each pair of the metadata, and the
/// forms in which they came.
pub(crate) async fn seen(site: &Site, pair: &str) -> (BTreeMap<usize, usize>, BTreeMap<usize, String>) {
    let (mut count, mut forms, mut confirmed) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for message in site.messages().await {
        let history = message["history"].as_array().unwrap();
        assert!(history.iter().all(|step| step["status"] != "failed"), "the platform refused it: {message}");
        let Some(value) = message["metadata"][pair].as_str() else {
            assert_eq!(message["text"], CONFIRMATION, "nobody asked for it: {message}");
            assert!(confirmed.insert(message["phone"].to_string()), "told twice: {message}");
            continue;
        };
        assert!(!confirmed.contains(&message["phone"].to_string()), "this person withdrew: {message}");
        let value = value.parse().unwrap();
        *count.entry(value).or_insert(0) += 1;
        forms.insert(value, message["form"].as_str().unwrap().to_owned());
    }
    let calls = site.vendor("/sandbox/calls/count").await;
    assert_eq!(calls["rate_limited"], 0, "{calls}");
    for refused in ["400", "401", "403", "422", "429"] {
        assert_eq!(calls["by_status"][refused], Value::Null, "{calls}");
    }
    (count, forms)
}

/// Every acknowledged order is one message at the vendor, or is shown as uncertain; nobody got what they must not get. Comes
/// back: how many calls were cut off.
pub(crate) async fn judge_orders(site: &Site, orders: usize) -> usize {
    let (counted, forms) = seen(site, "order").await;
    let doubtful = uncertain(site, "order_id").await;
    let expected = (0..orders).filter(|order| person(*order) != Person::Withdrew);
    judge(expected, &doubtful, counted.clone());
    for (order, form) in &forms {
        assert!(form == "template" || person(*order) == Person::JustWrote, "{order}: plain text into a closed window");
    }
    assert!(forms.values().any(|form| form == "text"), "some windows were open");
    what_arrived_becomes_known(site, &doubtful, &counted).await;
    account_for(site, orders, orders - counted.len()).await
}

/// Every delivery is accounted for. `silent`: of so many orders the vendor saw nothing. Comes back: calls without an answer.
async fn account_for(site: &Site, orders: usize, silent: usize) -> usize {
    let all = all_deliveries(site, "").await;
    let mut states: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for one in &all {
        assert!(one["possible_duplicate"] == false && one["duplicate_confirmed"] == false, "sent again: {one}");
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let reason = if text("state") == "uncertain" { "" } else { text("reason") };
        *states.entry((text("workflow"), text("state"), reason)).or_default() += 1;
    }
    let shown = format!("{states:?}");
    let mut take = |workflow, state, reason| states.remove(&(workflow, state, reason)).unwrap_or(0);
    let (accepted, doubtful) = (take("order_paid", "accepted", ""), take("order_paid", "uncertain", ""));
    let withdrew = take("order_paid", "skipped", "opted_out");
    let news = take("news", "held", HELD);
    let of = |kind| (0..orders).filter(|order| person(*order) == kind).count();
    assert_eq!((withdrew, news), (of(Person::Withdrew), of(Person::GetsNews)), "{shown}");
    assert_eq!((accepted + doubtful + withdrew, doubtful + withdrew), (orders, silent), "{shown}");
    states.retain(|(workflow, state, _), _| !(workflow.is_empty() && *state == "accepted"));
    assert!(states.is_empty(), "{states:?}");
    let unanswered =
        |one: &&Value| one["attempts"].as_array().unwrap().iter().any(|attempt| attempt["http_status"].is_null());
    let cut = all.iter().filter(unanswered).count();
    eprintln!("{orders} orders: {accepted} accepted, {cut} of all were cut off, {doubtful} are shown as uncertain");
    eprintln!("{withdrew} orders of people who withdrew and {news} news in quiet hours: nothing was sent");
    cut
}
