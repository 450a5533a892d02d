//! What `relance preview` says is what the account then gets: workflows made by chance are foretold, then served over HTTP
//! with the same clock, and every message, instant, value and reason is compared.
//!
//! `RELANCE_TEST_PREVIEWS` says how many workflows; the seed of a project is its number.

use crate::database::Database;
use crate::harness::{Plan, World, ms};
use crate::preview_made::{Dice, Made, Start};
use relance::connector::sandbox::SandboxMessage;
use relance::contact::Phone;
use relance::delivery::DeliveryState;
use relance::message::Form;
use relance::rehearsal::{Ahead, Asked, Cause, Foreseen, Stage, preview};
use relance::run::Run;
use relance::workflow::Duration as Ago;
use relance::workflow::test_file::Person;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Workflows of one project: they are served together.
const OF_A_PROJECT: u64 = 12;
const BEGIN: &str = "2026-03-02T11:00:00Z";
/// Reasons to be kept back that last for moments.
const MOMENTS: [&str; 2] = ["contact_unknown", "rate_person"];

/// A message as the account got it, or as it was foretold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    at_ms: i64,
    phone: String,
    form: &'static str,
    reads: String,
    /// Uuid and values.
    template: Option<(String, Vec<String>)>,
}

/// A message that did not leave: number, step, state, reason.
type Unsent = (String, String, String, String);

#[test]
fn what_preview_says_is_what_the_account_then_gets() {
    let wanted = std::env::var("RELANCE_TEST_PREVIEWS").ok().and_then(|text| text.parse().ok()).unwrap_or(204_u64);
    let (next, seen) = (AtomicU64::new(0), Mutex::new(BTreeMap::<String, usize>::new()));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let project = next.fetch_add(1, Ordering::Relaxed);
                        if project * OF_A_PROJECT >= wanted {
                            return;
                        }
                        for (what, count) in prove(project) {
                            *seen.lock().unwrap().entry(what).or_default() += count;
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
    });
    let seen = seen.into_inner().unwrap();
    if wanted < 100 {
        return;
    }
    // Whatever can become of a message has become of some: else nothing was shown.
    for what in [
        "text",
        "template",
        "skipped: no_consent",
        "skipped: window_closed",
        "skipped: expired",
        "held: quiet_hours",
        "held: window_closed",
        "not started",
        "bad rows",
        "duplicates",
    ] {
        assert!(seen.contains_key(what), "no workflow came to `{what}`: {seen:?}");
    }
}

/// One project: what it came to, by kind.
fn prove(project: u64) -> BTreeMap<String, usize> {
    let mut dice = Dice(project);
    let first = project * OF_A_PROJECT;
    let made: Vec<Made> = (first..first + OF_A_PROJECT).map(|n| Made::make(&mut dice, n)).collect();
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&made);
    write_project(folder.path(), &plan, &made);
    let foretold = foretell(&plan, &folder, &made);
    said_by_the_binary(folder.path(), &made[0], &foretold[0]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(serve(plan, &made, &foretold));
    counted(&foretold)
}

fn plan(made: &[Made]) -> Plan {
    let mut plan = World::on(Database::sqlite()).spaced().consent("{ tag: opted_in }").at(BEGIN);
    plan = plan.template("one", "Dear customer, {{1}} is ready", &["mark"]);
    plan = plan.template("two", "Hi {{1}}, {{2}} is ready", &["name", "mark"]);
    for one in made {
        plan = plan.workflow(&one.id, &one.text);
        if let Start::Fires(list) = &one.start {
            plan = plan.audience(&format!("{}.csv", one.id), list.as_str());
        }
    }
    plan
}

fn write_project(folder: &Path, plan: &Plan, made: &[Made]) {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    plan.files().iter().for_each(|(path, text)| write(path, text));
    for one in made {
        match &one.start {
            Start::Webhook(data) => write(&format!("workflows/samples/{}.json", one.event()), &data.to_string()),
            Start::Fires(list) => write(&format!("workflows/audiences/{}.csv", one.id), list),
            Start::Says(_) => {}
        }
    }
    let one = &made[0];
    let mut test = format!("workflow: {}\ncontacts:\n", one.id);
    for (index, (phone, agreed)) in one.people.iter().enumerate() {
        let tags = if *agreed { "[opted_in]" } else { "[]" };
        test.push_str(&format!("  p{index}: {{ phone: \"{phone}\", tags: {tags} }}\n"));
    }
    test.push_str(
        "tests:\n  - name: nothing\n    start: 2026-03-02 10:00\n    timeline: [{ at: 0m, expect: nothing }]\n",
    );
    write(&format!("workflows/{}.test.yaml", one.id), &test);
}

// --- foretold --------------------------------------------------------------------------------------------------------

fn foretell(plan: &Plan, folder: &TempDir, made: &[Made]) -> Vec<Ahead> {
    let project = relance::workflow::load(&plan.files()).project.unwrap();
    let mut stage = Stage::new(project, folder.path().to_owned()).unwrap();
    made.iter().map(|one| preview(&mut stage, &asked(one)).unwrap()).collect()
}

fn asked(one: &Made) -> Asked {
    let phone = |written: &str| Phone::parse(written, None).unwrap();
    let cause = match &one.start {
        Start::Webhook(data) => Cause::Webhook { event: one.event(), data: data.clone() },
        Start::Says(word) => Cause::Says { from: phone(one.phone()), text: word.clone(), media: None },
        Start::Fires(_) => Cause::Fires,
    };
    let people = one.people.iter().map(|(written, agreed)| Person {
        tags: tags(*agreed),
        last_message: one.open.then_some(Ago { days: 0, ms: 3_600_000 }),
        ..Person::of(phone(written))
    });
    Asked { workflow: one.id.clone(), cause, people: people.collect(), at_ms: one.at_ms }
}

fn tags(agreed: bool) -> Vec<String> {
    if agreed { vec!["opted_in".to_owned()] } else { Vec::new() }
}

fn phone_of(foreseen: &Foreseen) -> String {
    foreseen.contact.phone.as_ref().map(Phone::e164).unwrap_or_default()
}

fn foretold_messages(ahead: &Ahead) -> Vec<Seen> {
    let sent = ahead.messages.iter().filter_map(|foreseen| {
        let sent = foreseen.sent.as_ref()?;
        let template = foreseen.delivery.message.template.as_ref().filter(|_| sent.form == Form::Template);
        Some(Seen {
            at_ms: foreseen.at_ms(),
            phone: phone_of(foreseen),
            form: sent.form.as_str(),
            reads: foreseen.reads.clone(),
            template: template.map(|template| (template.uuid.clone(), template.values.clone())),
        })
    });
    sorted(sent)
}

fn foretold_unsent(ahead: &Ahead) -> Vec<Unsent> {
    let unsent = ahead.messages.iter().filter(|foreseen| foreseen.sent.is_none());
    sorted(unsent.map(|foreseen| {
        let delivery = &foreseen.delivery;
        (phone_of(foreseen), delivery.step.clone(), delivery.state.as_str().to_owned(), delivery.reason.clone())
    }))
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all
}

/// The command says what the engine foretold.
fn said_by_the_binary(folder: &Path, one: &Made, ahead: &Ahead) {
    let before_ms = if matches!(one.start, Start::Fires(_)) { 600_000 } else { 0 };
    let at = jiff::Timestamp::from_millisecond(one.at_ms - before_ms).unwrap().to_string();
    let window = if one.open { "open" } else { "closed" };
    let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
    command.arg("-C").arg(folder).args(["preview", &one.id, "--json", "--show-pii", "--at", &at, "--window", window]);
    let out = command.env_clear().output().unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{}{}\n{}", told(&out.stdout), told(&out.stderr), one.text);
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = told["previews"][0]["messages"].as_array().unwrap();
    let told = messages.iter().map(|one| {
        let values: Vec<String> = one["values"].as_array().unwrap().iter().map(text).collect();
        let told = ["to", "state", "reason", "form", "reads"].map(|key| text(&one[key]));
        (ms(&text(&one["at"])), told, values)
    });
    let foretold = ahead.messages.iter().map(|foreseen| {
        let delivery = &foreseen.delivery;
        let sent = foreseen.sent.as_ref().map(|sent| sent.form);
        let form = sent.or(delivery.form).unwrap_or_else(|| form_of_unsent(one, foreseen));
        let template = delivery.message.template.as_ref().filter(|_| form == Form::Template);
        let values = template.map(|template| template.values.clone()).unwrap_or_default();
        let state = if sent.is_some() { "sent" } else { delivery.state.as_str() };
        let reads = if sent.is_none() && form == Form::Template { &foreseen.as_template } else { &foreseen.reads };
        let told = [&phone_of(foreseen), state, &delivery.reason, form.as_str(), reads].map(str::to_owned);
        (foreseen.at_ms(), told, values)
    });
    assert_eq!(sorted(told), sorted(foretold), "{}\n{}", one.id, one.text);
}

/// What the person would have read: the template where no text may go, or where its consent was asked for.
fn form_of_unsent(one: &Made, foreseen: &Foreseen) -> Form {
    let (message, reason) = (&foreseen.delivery.message, foreseen.delivery.reason.as_str());
    match (&message.plain, &message.template) {
        (None, _) => Form::Template,
        (Some(_), Some(_)) if !one.open || reason == "no_consent" => Form::Template,
        (Some(_), _) => Form::Text,
    }
}

// --- served ----------------------------------------------------------------------------------------------------------

/// What is done to the world at an instant, in this order.
enum Act<'m> {
    Writes(&'m Made),
    Happens(&'m Made),
    /// Messages that are kept back just then: number, step, reason.
    Kept(&'m Made, BTreeSet<(String, String, String)>),
}

async fn serve(plan: Plan, made: &[Made], foretold: &[Ahead]) {
    let world = plan.start().await;
    world.may_leave_work();
    for (phone, agreed) in made.iter().flat_map(|one| &one.people) {
        world.sandbox.put_person(phone, None, Some(tags(*agreed)), Map::new()).unwrap();
    }
    world.settle().await;
    for (at_ms, act) in acts(made, foretold) {
        go_to(&world, at_ms).await;
        match act {
            Act::Writes(one) => {
                for (phone, _) in &one.people {
                    world.says(phone, "Hello").await;
                }
            }
            Act::Happens(one) => match &one.start {
                Start::Webhook(data) => drop(world.event(&one.event(), data.clone()).await),
                Start::Says(word) => world.says(one.phone(), word).await,
                Start::Fires(_) => {}
            },
            Act::Kept(one, kept) => {
                let now = kept_back(&world, one).await;
                let missing: Vec<_> = kept.difference(&now).collect();
                assert!(missing.is_empty(), "{}: not kept back: {missing:?}, but {now:?}\n{}", one.id, one.text);
            }
        }
    }
    let last_ms = foretold.iter().map(|ahead| ahead.until_ms).max().unwrap();
    go_to(&world, last_ms + 60_000).await;
    compare(&world, made, foretold).await;
}

fn acts<'m>(made: &'m [Made], foretold: &[Ahead]) -> Vec<(i64, Act<'m>)> {
    let mut acts = Vec::new();
    for (one, ahead) in made.iter().zip(foretold) {
        if one.open {
            acts.push((one.wrote_ms(), Act::Writes(one)));
        }
        acts.push((one.at_ms, Act::Happens(one)));
        let mut kept: BTreeMap<i64, BTreeSet<_>> = BTreeMap::new();
        for foreseen in &ahead.messages {
            for hold in foreseen.holds.iter().filter(|hold| !MOMENTS.contains(&hold.reason.as_str())) {
                let row = (phone_of(foreseen), foreseen.delivery.step.clone(), hold.reason.clone());
                kept.entry(hold.seen_ms).or_default().insert(row);
            }
        }
        acts.extend(kept.into_iter().map(|(at_ms, rows)| (at_ms, Act::Kept(one, rows))));
    }
    let rank = |act: &Act<'_>| match act {
        Act::Writes(_) => 0,
        Act::Happens(_) => 1,
        Act::Kept(..) => 2,
    };
    acts.sort_by_key(|(at_ms, act)| (*at_ms, rank(act)));
    acts
}

async fn go_to(world: &World, at_ms: i64) {
    let ahead_ms = u64::try_from(at_ms - world.clock.now_ms()).expect("time goes forward");
    world.advance(Duration::from_millis(ahead_ms)).await;
}

/// The number of each person by their id.
async fn phones(world: &World) -> BTreeMap<String, String> {
    let contacts = world.store(|store| async move { store.contacts(10_000).await }).await;
    contacts.into_iter().filter_map(|one| Some((one.id, one.phone?.e164()))).collect()
}

async fn kept_back(world: &World, one: &Made) -> BTreeSet<(String, String, String)> {
    let phones = phones(world).await;
    let mine = world.deliveries().await.into_iter().map(|row| row.delivery).filter(|row| row.workflow == one.id);
    mine.filter(|row| row.state == DeliveryState::Held)
        .map(|row| (phones[&row.contact].clone(), row.step, row.reason))
        .collect()
}

async fn compare(world: &World, made: &[Made], foretold: &[Ahead]) {
    let (runs, phones, deliveries) = (world.runs().await, phones(world).await, world.deliveries().await);
    let firings = world.store(|store| async move { store.firings(true, 10_000).await }).await;
    let messages = world.messages();
    for (one, ahead) in made.iter().zip(foretold) {
        let firing = firings.iter().find(|firing| firing.workflow == one.id && firing.scheduled_at_ms == one.at_ms);
        let of_it = |run: &&Run| run.workflow == one.id && run.firing.as_ref() == firing.map(|firing| &firing.id);
        let mine: BTreeSet<&str> = runs.iter().filter(of_it).map(|run| run.id.as_str()).collect();
        let states =
            |runs: &mut dyn Iterator<Item = &Run>| sorted(runs.map(|run| (run.state.as_str(), run.reason.clone())));
        let story = format!("{} at {} (open: {})\n{}", one.id, one.at_ms, one.open, one.text);
        assert_eq!(states(&mut ahead.runs.iter()), states(&mut runs.iter().filter(of_it)), "runs of {story}");
        let sent = messages.iter().filter(|message| mine.contains(message.metadata["relance_run"].as_str()));
        assert_eq!(foretold_messages(ahead), sorted(sent.map(got)), "messages of {story}");
        let unsent = deliveries.iter().map(|row| &row.delivery).filter(|row| mine.contains(row.run.as_str()));
        let unsent = unsent.filter(|row| row.state != DeliveryState::Accepted).map(|row| {
            (phones[&row.contact].clone(), row.step.clone(), row.state.as_str().to_owned(), row.reason.clone())
        });
        assert_eq!(foretold_unsent(ahead), sorted(unsent), "what did not leave of {story}");
        let list = |firing: Option<&relance::store::schedules::FiringRow>| {
            let rows = |firing: &relance::store::schedules::FiringRow| {
                sorted(firing.bad_rows.iter().map(|row| (row.line, row.reason.clone())))
            };
            firing.map(|firing| (firing.state.clone(), firing.counts, rows(firing)))
        };
        assert_eq!(list(ahead.campaign.as_ref()), list(firing), "the list of {story}");
    }
}

/// What the account got, read from the request's body.
fn got(message: &SandboxMessage) -> Seen {
    let body: Value = serde_json::from_str(message.body.as_ref().unwrap().get()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let values = match body["template_values"].as_array() {
        Some(values) => values.iter().map(text).collect(),
        None => Some(text(&body["content"]["text"])).filter(|text| !text.is_empty()).into_iter().collect(),
    };
    Seen {
        at_ms: message.at_ms,
        phone: message.phone.clone(),
        form: message.form.as_str(),
        reads: message.text.clone(),
        template: body["template_uuid"].as_str().map(|uuid| (uuid.to_owned(), values)),
    }
}

fn counted(foretold: &[Ahead]) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    let mut count = |what: String, by: usize| {
        if by > 0 {
            *seen.entry(what).or_default() += by;
        }
    };
    for ahead in foretold {
        for foreseen in &ahead.messages {
            match &foreseen.sent {
                Some(sent) => count(sent.form.as_str().to_owned(), 1),
                None => count(format!("{}: {}", foreseen.delivery.state.as_str(), foreseen.delivery.reason), 1),
            }
            foreseen.holds.iter().for_each(|hold| count(format!("held: {}", hold.reason), 1));
        }
        count("not started".into(), ahead.refused.values().sum());
        if let Some(campaign) = &ahead.campaign {
            count("bad rows".into(), usize::try_from(campaign.counts.bad).unwrap());
            count("duplicates".into(), usize::try_from(campaign.counts.duplicates).unwrap());
        }
    }
    seen
}
