//! Harness: one engine, one fake vendor over loopback and a clock that stands still until a test moves it.
//!
//! ```text
//! World::on(database).workflow("paid", "…").start().await      the project, read and checked
//! world.event("order.paid", json!({…})).await                  something happens, and everything it causes now
//! world.advance(hours(25)).await                               time passes through every due instant, in order
//! world.restart().await                                        the process dies, and is started again
//! world.start_peer().await                                     a second process on the same rows (PostgreSQL)
//! ```
//! Nothing sleeps. A world that is dropped with work left over fails its test.

use crate::database::Database;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::future::join_all;
use relance::clock::Clock;
use relance::config::{Channel, Files, LockedTemplate, Project, Secret};
use relance::connector::Callbell;
use relance::connector::sandbox::{Sandbox, SandboxConfig, SandboxMessage, Way};
use relance::connector::webhook;
use relance::delivery::DeliveryState;
use relance::engine::{Accepted, Engine, Manner, Outside, Setup};
use relance::event::{Dedupe, Evaluation, NewEvent};
use relance::run::{Run, RunState};
use relance::store::Store;
use relance::store::attempts::AttemptRow;
use relance::store::deliveries::{DeliveryFilter, DeliveryRow};
use relance::store::runs::RunFilter;
use relance::workflow::diagnostic::Severity;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use std::cell::Cell;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// 2026-03-02 12:00 in Paris, a Monday.
pub(crate) const NOON: i64 = 1_772_449_200_000;
/// The person of most tests.
pub(crate) const ANA: &str = "+33612340001";
pub(crate) const BOB: &str = "+33612340002";
/// Secrets of two targets of the relay, of either kind.
pub(crate) const CRM_SECRET: &str = "whsec_crm";
pub(crate) const TOOL_SECRET: &str = "whsec_dG9vbC1zZWNyZXQ=";
/// Secret of a system that workflows call.
pub(crate) const BOOKING_SECRET: &str = "canary-of-the-booking-system";
/// Instants and posts that one move of the clock may pass.
const MOST_TURNS: usize = 50_000;
/// Real time after which a world that does not come to rest is broken.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

pub(crate) fn hours(count: u64) -> Duration {
    minutes(60 * count)
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A project on its way to a [`World`].
pub(crate) struct Plan {
    database: Database,
    start_ms: i64,
    consent: &'static str,
    project: String,
    templates: Vec<(String, String)>,
    lock: Vec<LockedTemplate>,
    files: Files,
    audiences: Vec<(String, Vec<u8>)>,
    /// The project comes from a folder, as it lies there.
    whole: bool,
    /// The platform's limit of one person holds; else a person gets whatever is due at once.
    spaced: bool,
    /// Processes on one database call out to each other.
    hints: bool,
}

impl Plan {
    /// As in production, processes tell each other at once what there is to do. Else they find it when they look: then
    /// nothing depends on when a notification comes.
    pub(crate) fn calling_out(mut self) -> Self {
        self.hints = true;
        self
    }

    /// As in production, one person gets messages only so fast.
    pub(crate) fn spaced(mut self) -> Self {
        self.spaced = true;
        self
    }

    /// `workflows/<id>.yaml`.
    pub(crate) fn workflow(mut self, id: &str, text: &str) -> Self {
        self.files.insert(format!("workflows/{id}.yaml"), unindent(text));
        self
    }

    /// More of `relance.yaml`.
    pub(crate) fn project(mut self, text: &str) -> Self {
        self.project.push_str(&unindent(text));
        self
    }

    /// `consent:` of the project, instead of `everyone`; empty = none.
    pub(crate) fn consent(mut self, rule: &'static str) -> Self {
        self.consent = rule;
        self
    }

    /// An approved template and its entry in the catalogue.
    pub(crate) fn template(self, name: &str, text: &str, values: &[&str]) -> Self {
        self.template_as("approved", name, text, values)
    }

    /// A template of another status than approved.
    pub(crate) fn template_as(mut self, status: &str, name: &str, text: &str, values: &[&str]) -> Self {
        let uuid = format!("{:032x}", self.lock.len() + 1);
        self.templates.push((name.to_owned(), format!("{name}: {{ uuid: \"{uuid}\", values: {values:?} }}\n")));
        let locked = json!({
            "uuid": uuid, "title": name, "text": text, "type": "text", "category": "utility", "status": status,
            "placeholders": values.len(),
        });
        self.lock.push(serde_json::from_value(locked).unwrap());
        self
    }

    /// An approved template that the catalogue does not name: of callers of the gateway.
    pub(crate) fn locked(mut self, uuid: &str, kind: &str, text: &str) -> Self {
        let placeholders = (1..=9).filter(|n| text.contains(&format!("{{{{{n}}}}}"))).count();
        let locked = json!({
            "uuid": uuid, "title": uuid, "text": text, "type": kind, "category": "utility", "status": "approved",
            "placeholders": placeholders,
        });
        self.lock.push(serde_json::from_value(locked).unwrap());
        self
    }

    /// A file of `workflows/audiences`.
    pub(crate) fn audience(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.audiences.push((name.to_owned(), content.into()));
        self
    }

    /// The whole project of `tests/projects/<name>`, lists of people included; what stands for other systems is replaced.
    pub(crate) fn folder(mut self, name: &str, replaced: &[(&str, &str)]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects").join(name);
        self.files = relance::cli::project::read_files(&folder).unwrap();
        for text in self.files.values_mut() {
            for (from, to) in replaced {
                *text = text.replace(from, to);
            }
        }
        self.lock = serde_json::from_str(&self.files["templates.lock.json"]).unwrap();
        let lists = self.files.keys().filter_map(|path| path.strip_prefix("workflows/audiences/"));
        let content = |list: &str| std::fs::read(folder.join("workflows/audiences").join(list)).unwrap();
        self.audiences = lists.map(|list| (list.to_owned(), content(list))).collect();
        self.whole = true;
        self
    }

    /// When the story begins, ISO 8601.
    pub(crate) fn at(mut self, instant: &str) -> Self {
        self.start_ms = ms(instant);
        self
    }

    pub(crate) fn files(&self) -> Files {
        let mut files = self.files.clone();
        if self.whole {
            return files;
        }
        let consent = match self.consent {
            "" => String::new(),
            rule => format!("consent: {rule}\n"),
        };
        let head = "version: 1\nname: Shop\nsettings: { timezone: Europe/Paris }\nphone_region: FR\n";
        files.insert("relance.yaml".into(), format!("{head}{consent}{}", self.project));
        files.insert("templates.yaml".into(), self.templates.iter().map(|(_, entry)| entry.as_str()).collect());
        files.insert("templates.lock.json".into(), serde_json::to_string(&self.lock).unwrap());
        for (name, content) in &self.audiences {
            let header = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
            files.insert(format!("workflows/audiences/{name}"), header_line(header));
        }
        files
    }

    /// Reads the project, and starts the engine and the fake vendor.
    pub(crate) async fn start(self) -> World {
        // `RUST_LOG=relance=debug` shows what the engine says.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("workflows/audiences")).unwrap();
        let files = self.files();
        let project = read(&files);
        let clock = Clock::still(self.start_ms);
        let (door, gate) = (Door::default(), Gate::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listed: Vec<Channel> = project.settings.channels.iter().filter(|channel| channel.listed).cloned().collect();
        let sandbox = Sandbox::new(SandboxConfig {
            templates: self.lock.clone(),
            channels: listed,
            webhook_url: Some(format!("http://{address}/callbell")),
            token: Some(Secret::new("token")),
            posts_at_once: 1,
            ..SandboxConfig::new(clock.clone())
        })
        .unwrap();
        let webhook = Router::new().route("/callbell", post(receive)).with_state((door.clone(), clock.clone()));
        let vendor = sandbox.router().layer(from_fn_with_state(gate.clone(), hold));
        tokio::spawn(axum::serve(listener, vendor.merge(webhook)).into_future());
        let mut world = World {
            clock,
            sandbox,
            gate,
            door,
            vendor: format!("http://{address}/v1"),
            root,
            files,
            spaced: self.spaced,
            hints: self.hints,
            token: "token",
            manner: Manner::default(),
            life: None,
            peer: None,
            lives: Cell::new(0),
            posted: Cell::new(0),
            left_over: Cell::new(false),
            database: self.database,
        };
        for (name, content) in self.audiences {
            world.write_audience(&name, content);
        }
        world.start_again().await;
        world
    }
}

/// As the project's reader shows it to the checks: UTF-8, else Windows-1252.
fn header_line(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// A checked project; a mistake fails the test.
fn read(files: &Files) -> Project {
    let loaded = relance::workflow::load(files);
    let errors: Vec<_> = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "the project has mistakes: {errors:#?}");
    loaded.project.unwrap()
}

/// What the environment of the engine holds: `CRM_SECRET`, `TOOL_SECRET`, `BOOKING_SECRET`.
fn secret(name: &str) -> Option<Secret> {
    match name {
        "CRM_SECRET" => Some(Secret::new(CRM_SECRET)),
        "TOOL_SECRET" => Some(Secret::new(TOOL_SECRET)),
        "BOOKING_SECRET" => Some(Secret::new(BOOKING_SECRET)),
        _ => None,
    }
}

/// Everything of one story. See the top of this file.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) sandbox: Sandbox,
    pub(crate) gate: Gate,
    door: Door,
    vendor: String,
    root: TempDir,
    files: Files,
    spaced: bool,
    hints: bool,
    /// What the engine shows the vendor; anything but `token` is refused with 401.
    pub(crate) token: &'static str,
    /// How processes that are started from now on deploy.
    pub(crate) manner: Manner,
    life: Option<Life>,
    /// Another process on the same rows. The vendor tells it nothing.
    peer: Option<Life>,
    lives: Cell<u32>,
    posted: Cell<u32>,
    left_over: Cell<bool>,
    /// Dropped last.
    database: Database,
}

/// One life of the process.
struct Life {
    /// Under which the database knows it.
    name: String,
    runtime: Runtime,
    engine: Engine,
}

impl Life {
    async fn within<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.spawn(task).await.unwrap()
    }

    /// Everything that is due for it now happens; when something is due next.
    async fn settle(&self) -> Result<Option<i64>, tokio::time::error::Elapsed> {
        let engine = self.engine.clone();
        let quiet = async move {
            engine.look().await;
            engine.quiet().await
        };
        tokio::time::timeout(PATIENCE, self.within(quiet)).await
    }

    /// It dies as by `kill -9`; comes back when it is gone. The id of its node.
    async fn kill(self, database: &Database) -> String {
        let Self { name, runtime, engine } = self;
        let node = engine.node().to_owned();
        drop(engine);
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
        // The engine's thread ends a moment later; the clock may not be moved before.
        database.wait_until_free(&name).await;
        node
    }
}

impl World {
    pub(crate) fn on(database: Database) -> Plan {
        Plan {
            database,
            start_ms: NOON,
            consent: "everyone",
            project: String::new(),
            templates: Vec::new(),
            lock: Vec::new(),
            files: Files::new(),
            audiences: Vec::new(),
            whole: false,
            spaced: false,
            hints: false,
        }
    }

    // --- what happens ---------------------------------------------------------------------------------------------

    /// An event with an id of its own, and everything that follows from it now.
    pub(crate) async fn event(&self, name: &str, data: Value) -> Accepted {
        let accepted = self.post(self.new_event(name, data)).await;
        self.settle().await;
        accepted
    }

    /// As [`World::event`], with this id.
    pub(crate) async fn event_with_id(&self, id: &str, name: &str, data: Value) -> Accepted {
        let event = self.new_event(name, data);
        let accepted = self.post(NewEvent { dedupe: Dedupe { key: id.into(), ..event.dedupe }, ..event }).await;
        self.settle().await;
        accepted
    }

    /// Events that come at the same time: most of them are decided in one group.
    pub(crate) async fn events(&self, name: &str, all: impl IntoIterator<Item = Value>) -> Vec<Accepted> {
        let events: Vec<NewEvent> = all.into_iter().map(|data| self.new_event(name, data)).collect();
        let engine = self.engine().clone();
        let offered = async move { join_all(events.into_iter().map(|event| engine.accept(event))).await };
        let accepted = self.within(offered).await.into_iter().map(|one| one.unwrap()).collect();
        self.settle().await;
        accepted
    }

    /// An event of which only the commit is awaited, not what follows.
    pub(crate) async fn post(&self, event: NewEvent) -> Accepted {
        let engine = self.engine().clone();
        self.within(async move { engine.accept(event).await }).await.unwrap()
    }

    /// An event of which the second process is told, and only its commit is awaited.
    pub(crate) async fn post_to_peer(&self, event: NewEvent) -> Accepted {
        let peer = self.peer.as_ref().expect("the second process lives");
        let engine = peer.engine.clone();
        peer.within(async move { engine.accept(event).await }).await.unwrap()
    }

    pub(crate) fn peer(&self) -> &Engine {
        &self.peer.as_ref().expect("the second process lives").engine
    }

    /// The second process ends as by SIGTERM.
    pub(crate) async fn drain_peer(&mut self) {
        let engine = self.peer().clone();
        self.peer.as_ref().expect("the second process lives").within(async move { engine.drain().await }).await;
        self.crash_peer().await;
    }

    /// Somebody else's connection to the same database.
    pub(crate) async fn stranger(&self) -> PgConnection {
        PgConnection::connect(&self.database.url).await.unwrap()
    }

    /// Does something to the rows from outside; how many were concerned.
    pub(crate) async fn execute(&self, statement: &str) -> u64 {
        self.database.execute(statement).await
    }

    /// Every row of every table, as text.
    pub(crate) async fn dump(&self) -> String {
        self.database.dump().await
    }

    /// It is as if the second process had not been heard of for long, although it lives.
    pub(crate) async fn silence_peer(&self) {
        self.database.silence(self.peer().node()).await;
    }

    pub(crate) fn new_event(&self, name: &str, data: Value) -> NewEvent {
        self.posted.set(self.posted.get() + 1);
        let key = format!("event {}", self.posted.get());
        let dedupe = Dedupe { key, keep_ms: Dedupe::ID_MS, body_hash: String::new() };
        NewEvent { source: "api".into(), name: name.into(), data, at_ms: self.clock.now_ms(), dedupe }
    }

    /// The person writes, and everything that follows from it now.
    pub(crate) async fn says(&self, phone: &str, text: &str) {
        self.sandbox.reply(phone, text, None).unwrap();
        self.settle().await;
    }

    /// The account tells something that the fake vendor does not say by itself.
    pub(crate) async fn told(&self, body: Value) {
        self.told_raw(&body.to_string()).await;
    }

    /// As [`World::told`], byte for byte.
    pub(crate) async fn told_raw(&self, raw: &str) {
        let raw = Bytes::copy_from_slice(raw.as_bytes());
        let incoming = webhook::read(&raw, self.clock.now_ms()).unwrap();
        let engine = self.engine().clone();
        self.within(async move { engine.told(incoming, raw).await }).await.unwrap();
        self.settle().await;
    }

    // --- time -----------------------------------------------------------------------------------------------------

    /// Time passes: every due instant of the engine and of the vendor is reached, in order.
    pub(crate) async fn advance(&self, by: Duration) {
        self.move_to(self.clock.now_ms() + i64::try_from(by.as_millis()).unwrap()).await;
    }

    async fn move_to(&self, at_ms: i64) {
        for _ in 0..MOST_TURNS {
            let due_ms = self.settle().await;
            let now_ms = self.clock.now_ms();
            if now_ms >= at_ms {
                return;
            }
            // Two processes that live hear of each other all the time.
            let most_ms = if self.peer.is_some() { at_ms.min(now_ms + 5_000) } else { at_ms };
            self.clock.move_to(due_ms.map_or(most_ms, |due_ms| due_ms.min(most_ms)));
        }
        panic!("the clock cannot be moved: something is due again and again at {}", self.clock.now_ms());
    }

    /// Everything that is due now happens; when something is due next.
    pub(crate) async fn settle(&self) -> Option<i64> {
        for _ in 0..MOST_TURNS {
            let mut of_engines = Vec::new();
            // What one does now may be work for the other: the first is asked again.
            for life in self.life.iter().chain(&self.peer).chain(self.life.iter().filter(|_| self.peer.is_some())) {
                let rest = life.settle().await;
                of_engines.extend(
                    rest.unwrap_or_else(|_| panic!("the engine does not come to rest: {:?}", self.sandbox.calls())),
                );
            }
            let of_vendor = self.sandbox.next_due_ms();
            if of_vendor.is_none_or(|due_ms| due_ms > self.clock.now_ms()) {
                return of_engines.into_iter().chain(of_vendor).min();
            }
            self.sandbox.settle().await;
        }
        panic!("the world does not come to rest");
    }

    // --- lives of the process -------------------------------------------------------------------------------------

    /// The process dies as by `kill -9`, and is started again on the same rows.
    pub(crate) async fn restart(&mut self) {
        self.crash().await;
        self.start_again().await;
        self.settle().await;
    }

    /// The process dies: open calls are cut off and their answers are lost, nothing is drained. Only the group that is
    /// being committed at that moment is still committed; a kill inside it is for the tests with a real process.
    pub(crate) async fn crash(&mut self) {
        self.door.close();
        let node = self.life.take().expect("the process lives").kill(&self.database).await;
        self.database.silence(&node).await;
    }

    /// The second process dies, and the first has not noticed yet.
    pub(crate) async fn crash_peer(&mut self) {
        self.peer.take().expect("the second process lives").kill(&self.database).await;
    }

    pub(crate) async fn start_again(&mut self) {
        let life = self.begin_life().await;
        self.door.open(&life.engine);
        self.life = Some(life);
    }

    pub(crate) async fn start_peer(&mut self) {
        self.peer = Some(self.begin_life().await);
    }

    /// Both processes start at the same moment.
    pub(crate) async fn start_both(&mut self) {
        let (life, peer) = tokio::join!(self.begin_life(), self.begin_life());
        self.door.open(&life.engine);
        (self.life, self.peer) = (Some(life), Some(peer));
    }

    async fn begin_life(&self) -> Life {
        self.lives.set(self.lives.get() + 1);
        let name = format!("life_{}", self.lives.get());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (url, project) = (self.database.url_as(&name), self.lifted(read(&self.files)));
        let (clock, root, manner, hints) = (self.clock.clone(), self.root.path().to_owned(), self.manner, self.hints);
        let callbell = Callbell::new(&self.vendor, Some(Secret::new(self.token))).unwrap();
        let begin = move || {
            let engine = runtime.block_on(async {
                let store = Store::open(&url).await.unwrap();
                let outside = Outside {
                    secrets: Arc::new(secret),
                    relays: true,
                    media: Some(root.join("media")),
                    hints,
                    ..Outside::default()
                };
                let setup = Setup { clock, store, callbell: Some(callbell), root, outside, manner };
                Engine::start(setup, &project).await.unwrap()
            });
            Life { name, runtime, engine }
        };
        tokio::task::spawn_blocking(begin).await.unwrap()
    }

    /// A client of the account, as `serve` has one.
    pub(crate) fn callbell(&self) -> Callbell {
        Callbell::new(&self.vendor, Some(Secret::new(self.token))).unwrap()
    }

    /// Where the account posts its events.
    pub(crate) fn webhook_address(&self) -> String {
        self.vendor.replace("/v1", "/callbell")
    }

    /// From now on whatever the account posts is answered 503.
    pub(crate) fn stop_hearing(&self) {
        self.door.close();
    }

    pub(crate) fn hear_again(&self) {
        self.door.open(self.engine());
    }

    /// Other files from now on; they serve when they are deployed or the process is started again.
    pub(crate) fn change(&mut self, id: &str, text: &str) {
        self.files.insert(format!("workflows/{id}.yaml"), unindent(text));
    }

    /// Changes a file in place.
    pub(crate) fn edit(&mut self, path: &str, from: &str, to: &str) {
        let file = self.files.get_mut(path).unwrap();
        assert!(file.contains(from), "{file}");
        *file = file.replace(from, to);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.files.remove(&format!("workflows/{id}.yaml"));
    }

    pub(crate) async fn deploy(&self) {
        self.deploy_project(self.lifted(read(&self.files))).await;
    }

    /// As [`World::deploy`], for what the checks would complain of: the account changed its mind after them.
    pub(crate) async fn deploy_unchecked(&self) {
        self.deploy_project(self.lifted(relance::workflow::load(&self.files).project.unwrap())).await;
    }

    /// The project without the limit of one person, unless the test is about it.
    fn lifted(&self, mut project: Project) -> Project {
        if !self.spaced {
            project.settings.callbell.person = None;
        }
        project
    }

    async fn deploy_project(&self, project: Project) {
        let engine = self.engine().clone();
        self.within(async move { engine.deploy(project).await }).await.unwrap();
    }

    pub(crate) fn write_audience(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.root.path().join("workflows/audiences").join(name), content).unwrap();
    }

    /// Where files of customers are kept.
    pub(crate) fn media_folder(&self) -> std::path::PathBuf {
        self.root.path().join("media")
    }

    pub(crate) fn remove_audience(&self, name: &str) {
        std::fs::remove_file(self.root.path().join("workflows/audiences").join(name)).unwrap();
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.life.as_ref().expect("the process lives").engine
    }

    /// Runs something in the process of the engine.
    pub(crate) async fn within<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        self.life.as_ref().expect("the process lives").within(task).await
    }

    async fn ask<T, F>(&self, question: impl FnOnce(Store) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = anyhow::Result<T>> + Send + 'static,
    {
        self.within(question(self.engine().store().clone())).await.unwrap()
    }

    /// Turns a switch of the fake vendor.
    pub(crate) async fn turn(&self, switch: &str, body: Value) {
        self.turn_often(switch, [body]).await;
    }

    /// As [`World::turn`], many times.
    pub(crate) async fn turn_often(&self, switch: &str, bodies: impl IntoIterator<Item = Value>) {
        let url = format!("{}/sandbox/{switch}", self.vendor.trim_end_matches("/v1"));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for body in bodies {
            let answer = client.post(&url).json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        }
    }

    // --- what came of it ------------------------------------------------------------------------------------------

    /// How often the vendor was called to send something.
    pub(crate) fn sends(&self) -> usize {
        self.sandbox.calls().iter().filter(|(_, call)| call.path == "/v1/messages/send").count()
    }

    /// What the vendor took of us, oldest first.
    pub(crate) fn messages(&self) -> Vec<SandboxMessage> {
        self.sandbox.messages().into_iter().filter(|message| message.direction == Way::Sent).collect()
    }

    /// Our messages as the people read them: `text: Hello`, `template: Hello Ana`.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.messages().iter().map(|message| format!("{}: {}", message.form.as_str(), message.text)).collect()
    }

    /// Oldest first.
    pub(crate) async fn runs(&self) -> Vec<Run> {
        let filter = RunFilter { limit: 100_000, ..RunFilter::default() };
        let mut runs = self.ask(|store| async move { store.list_runs(&filter).await }).await;
        runs.reverse();
        runs
    }

    /// `done`, `stopped: restarted`, oldest first.
    pub(crate) async fn run_states(&self) -> Vec<String> {
        self.runs().await.iter().map(|run| with_reason(run.state.as_str(), &run.reason)).collect()
    }

    /// Oldest first.
    pub(crate) async fn deliveries(&self) -> Vec<DeliveryRow> {
        let filter = DeliveryFilter { limit: 10_000, ..DeliveryFilter::default() };
        let mut rows = self.ask(|store| async move { store.list_deliveries(&filter).await }).await;
        rows.reverse();
        rows
    }

    /// `accepted text`, `skipped: no_consent`, oldest first.
    pub(crate) async fn delivery_states(&self) -> Vec<String> {
        let words = |row: &DeliveryRow| match (row.delivery.state, row.delivery.form) {
            (DeliveryState::Accepted, Some(form)) => format!("accepted {}", form.as_str()),
            (state, _) => with_reason(state.as_str(), &row.delivery.reason),
        };
        self.deliveries().await.iter().map(words).collect()
    }

    /// Every call for these deliveries.
    pub(crate) async fn attempts(&self) -> Vec<AttemptRow> {
        let ids: Vec<String> = self.deliveries().await.into_iter().map(|row| row.delivery.id).collect();
        self.ask(|store| async move { store.attempts(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await }).await
    }

    /// Asks the store directly.
    pub(crate) async fn store<T, F>(&self, question: impl FnOnce(Store) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = anyhow::Result<T>> + Send + 'static,
    {
        self.ask(question).await
    }

    /// Work may be left over at the end of this test.
    pub(crate) fn may_leave_work(&self) {
        self.left_over.set(true);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(Life { runtime, engine, .. }) = self.peer.take() {
            drop(engine);
            runtime.shutdown_background();
        }
        let Some(Life { runtime, engine, .. }) = self.life.take() else { return };
        let store = engine.store().clone();
        let now_ms = self.clock.now_ms();
        // On a thread of its own: this one may belong to a runtime, which may not wait.
        let checked = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(left_over(&store, now_ms))).join());
        self.door.close();
        drop((engine, store));
        runtime.shutdown_background();
        if std::thread::panicking() || self.left_over.get() {
            return;
        }
        let left = checked.expect("the store says what is left over");
        assert!(left.is_empty(), "work is left over at the end of the test: {left:#?}");
    }
}

/// Deliveries and steps that are under way, or due although nothing happens any more.
async fn left_over(store: &Store, now_ms: i64) -> Vec<String> {
    let calling = RunFilter { state: Some(RunState::Running), limit: 10_000, ..RunFilter::default() };
    let calling = store.list_runs(&calling).await.unwrap_or_default();
    let calling = calling.iter().map(|run| format!("{} calls out", run.progress.cursor));
    let filter = DeliveryFilter { limit: 10_000, ..DeliveryFilter::default() };
    let rows = store.list_deliveries(&filter).await.unwrap_or_default();
    let left = |row: &&DeliveryRow| match row.delivery.state {
        DeliveryState::Sending => true,
        DeliveryState::Queued | DeliveryState::Held => row.delivery.due_at_ms <= now_ms,
        _ => false,
    };
    let words = |row: &DeliveryRow| {
        format!("{} {}", row.delivery.step, with_reason(row.delivery.state.as_str(), &row.delivery.reason))
    };
    rows.iter().filter(left).map(words).chain(calling).collect()
}

// --- words -----------------------------------------------------------------------------------------------------------

fn with_reason(state: &str, reason: &str) -> String {
    if reason.is_empty() { state.to_owned() } else { format!("{state}: {reason}") }
}

/// `paid started`, `paid skipped: bad_number`.
pub(crate) fn words(evaluations: &[Evaluation]) -> Vec<String> {
    let one = |evaluation: &Evaluation| {
        let mut words = format!("{} ", evaluation.workflow);
        let result = serde_json::to_value(evaluation.result).unwrap();
        let _ = write!(words, "{}", with_reason(result.as_str().unwrap(), &evaluation.reason));
        words
    };
    evaluations.iter().map(one).collect()
}

/// Unix milliseconds of an ISO 8601 instant.
pub(crate) fn ms(instant: &str) -> i64 {
    instant.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// A text as written in a test, without the indentation of its first line.
pub(crate) fn unindent(text: &str) -> String {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let indent = text.len() - text.trim_start_matches(' ').len();
    let lines = text.lines().map(|line| line.get(indent..).unwrap_or(line.trim_start()));
    lines.map(|line| format!("{line}\n")).collect()
}

// --- the vendor's way to the engine ----------------------------------------------------------------------------------

/// The address that the account tells its events to: the engine that lives at that moment, if one does.
#[derive(Clone, Default)]
struct Door(Arc<RwLock<Option<Engine>>>);

impl Door {
    fn open(&self, engine: &Engine) {
        *self.0.write().unwrap() = Some(engine.clone());
    }

    fn close(&self) {
        *self.0.write().unwrap() = None;
    }

    fn engine(&self) -> Option<Engine> {
        self.0.read().unwrap().clone()
    }
}

async fn receive(State((door, clock)): State<(Door, Clock)>, body: Bytes) -> Response {
    let Some(engine) = door.engine() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let incoming = webhook::read(&body, clock.now_ms()).unwrap();
    match engine.told(incoming, body.clone()).await {
        Ok(()) => Json(json!({"status": "ok"})).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Keeps the vendor's answers back, so that a test can kill the process while a call is open.
#[derive(Clone)]
pub(crate) struct Gate(Arc<watch::Sender<Held>>);

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    closed: bool,
    /// Answers that wait.
    waiting: usize,
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Held::default())))
    }
}

impl Gate {
    /// From now on the vendor takes what it gets and answers nothing.
    pub(crate) fn close(&self) {
        self.0.send_modify(|held| *held = Held { closed: true, waiting: 0 });
    }

    pub(crate) fn open(&self) {
        self.0.send_modify(|held| *held = Held::default());
    }

    /// Waits until so many calls were taken and are not answered.
    pub(crate) async fn holds(&self, calls: usize) {
        let mut seen = self.0.subscribe();
        let reached = seen.wait_for(|held| held.waiting >= calls);
        tokio::time::timeout(PATIENCE, reached).await.expect("the calls come").unwrap();
    }
}

async fn hold(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let changes = request.method() != Method::GET && request.uri().path().starts_with("/v1/");
    let response = next.run(request).await;
    if changes && gate.0.borrow().closed {
        gate.0.send_modify(|held| held.waiting += 1);
        let _ = gate.0.subscribe().wait_for(|held| !held.closed).await;
    }
    response
}
