//! Stage: where stories are played, one after the other; a scene is one of them.
//!
//! A stage belongs to one thread, and does the waiting itself: a life of the engine is a runtime of its own, with which all
//! that it began goes. Invariant: when a scene begins, nothing is left of the one before.

use super::catalogue::furnished;
use super::office::office;
use super::passage::{learn_lines, settle, travel};
use super::people;
use super::systems::{Called, Systems};
use crate::clock::Clock;
use crate::config::{Project, Secret};
use crate::connector::Callbell;
use crate::connector::sandbox::{Inbound, Sandbox, SandboxConfig, SandboxMessage, Way};
use crate::connector::transport::Transport;
use crate::connector::webhook;
use crate::contact::Phone;
use crate::engine::{Engine, Lists, Manner, Outside, Setup};
use crate::event::{Dedupe, NewEvent};
use crate::store::Store;
use crate::store::memory::Memory;
use crate::workflow::test_file::{HttpReply, Person, Rows, StatusWord};
use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Builder, Runtime};

/// The project serves this long before the story begins, so that what is due at its first instant happens.
const HEAD_START_MS: i64 = 1_000;
/// Events of the sandbox are posted one by one, so that their order is the same each time.
const POSTS_AT_ONCE: usize = 1;

/// A worker's place to play: a project, and a database that is emptied before each scene.
pub struct Stage {
    project: Project,
    root: PathBuf,
    memory: Memory,
    /// What a scene has in the place of files.
    lists: Lists,
    clock: Clock,
    /// The account, and the way to it.
    sandbox: Sandbox,
    callbell: Callbell,
    door: Door,
    systems: Systems,
    http: Transport,
}

/// How a scene begins.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// Unix milliseconds.
    pub start_ms: i64,
    /// Ids of the workflows that serve; empty = all of the project.
    pub workflows: Vec<String>,
    pub people: Vec<Person>,
    /// What other systems answer.
    pub replies: Vec<HttpReply>,
    /// Read in the place of a file.
    pub audience: Option<Rows>,
}

/// One story under way.
pub struct Scene<'s> {
    stage: &'s mut Stage,
    /// What serves in this scene.
    project: Project,
    life: Option<Life>,
    /// Number of the last message of the account that was looked at, and of the last call.
    seen: (u64, usize),
    /// Events so far: each has an id of its own.
    posted: u32,
}

/// One life of the engine.
struct Life {
    runtime: Runtime,
    engine: Engine,
}

impl Stage {
    /// `root`: the project's folder, where lists of people lie.
    ///
    /// # Errors
    /// When the database in memory cannot be made.
    pub fn new(project: Project, root: PathBuf) -> anyhow::Result<Self> {
        let memory = runtime()?.block_on(Memory::new())?;
        let project = furnished(without_tests(project));
        let (clock, door, systems, token) =
            (Clock::still(0), Door::default(), Systems::default(), Secret::new("rehearsal"));
        let sandbox = Sandbox::new(SandboxConfig {
            token: Some(token.clone()),
            templates: project.catalogue.lock.values().cloned().collect(),
            channels: project.settings.channels.iter().filter(|channel| channel.listed).cloned().collect(),
            office: office(&project),
            webhook_url: Some("http://localhost/callbell".into()),
            posts: Transport::here(door.router(&clock)),
            posts_at_once: POSTS_AT_ONCE,
            ..SandboxConfig::new(clock.clone())
        })?;
        let callbell = Callbell::here(sandbox.router(), &token)?;
        let (lists, http) = (Lists::default(), systems.transport());
        Ok(Self { project, root, memory, lists, clock, sandbox, callbell, door, systems, http })
    }

    pub fn project(&self) -> &Project {
        &self.project
    }

    /// Begins a scene: the people are known to the account, and wrote when they did; then the project serves.
    ///
    /// # Errors
    /// When the engine does not start, or does not come to rest.
    pub fn begin(&mut self, opening: &Opening) -> anyhow::Result<Scene<'_>> {
        self.memory.empty()?;
        self.lists.set(people::list(opening.audience.as_ref())?);
        let serves_ms = opening.start_ms - HEAD_START_MS;
        let zone = self.project.settings.zone().clone();
        let wrote_ms = |person: &Person| people::wrote_ms(person, opening.start_ms, &zone).map(|at| at.min(serves_ms));
        let first_ms = opening.people.iter().filter_map(wrote_ms).min().unwrap_or(serves_ms) - HEAD_START_MS;
        self.clock.begin_at(first_ms);
        self.sandbox.reset();
        self.systems.set(opening.replies.clone());
        let project = match opening.workflows.is_empty() {
            true => self.project.clone(),
            false => serving(&self.project, &opening.workflows),
        };
        let mut scene = Scene { stage: self, project, life: None, seen: (0, 0), posted: 0 };
        scene.remember(opening, wrote_ms)?;
        scene.stage.clock.move_to(serves_ms);
        scene.introduce(opening)?;
        let project = scene.project.clone();
        scene.ask(async move |engine| engine.deploy(project).await)??;
        scene.advance(opening.start_ms)?;
        scene.look_away();
        Ok(scene)
    }
}

/// What serves is written down with each scene: its tests have no part in it.
fn without_tests(mut project: Project) -> Project {
    project.files.retain(|path, _| !path.ends_with(".test.yaml"));
    project
}

/// The project with these workflows only, in its texts too: what serves is known by them.
fn serving(project: &Project, ids: &[String]) -> Project {
    let mut project = project.clone();
    project.workflows.retain(|id, _| ids.contains(id));
    let id = |path: &str| path.strip_prefix("workflows/")?.strip_suffix(".yaml").map(str::to_owned);
    project.files.retain(|path, _| id(path).is_none_or(|id| ids.contains(&id)));
    project
}

impl Scene<'_> {
    /// The account knows the people, who wrote as long ago as they did. Nobody is told yet.
    fn remember(&self, opening: &Opening, wrote_ms: impl Fn(&Person) -> Option<i64>) -> anyhow::Result<()> {
        for person in &opening.people {
            people::introduce(&self.stage.sandbox, person)?;
        }
        let mut writers: Vec<(i64, &Person)> =
            opening.people.iter().filter_map(|person| Some((wrote_ms(person)?, person))).collect();
        writers.sort_by_key(|(at_ms, _)| *at_ms);
        for (at_ms, person) in writers {
            self.stage.clock.move_to(at_ms);
            self.stage.sandbox.reply(&person.phone.e164(), people::SAID, None)?;
        }
        Ok(())
    }

    /// The store comes to know the people, as the account tells of them, while no workflow hears it.
    fn introduce(&mut self, opening: &Opening) -> anyhow::Result<()> {
        // Without workflows nothing starts.
        self.start_life(&serving(&self.project, &[]))?;
        let callbell = self.stage.callbell.clone();
        self.ask(async move |engine| learn_lines(&engine, &callbell).await)??;
        self.settle()?;
        if let Some(import) = people::import(&opening.people, self.stage.project.settings.phone_region.as_deref()) {
            let written = self.ask(async move |engine| engine.import(import).await)?;
            written.map_err(|_| anyhow::anyhow!("the engine does not take the people"))?;
            self.settle()?;
        }
        Ok(())
    }

    // --- what happens ---------------------------------------------------------------------------------------------

    /// Something happens outside, and everything it causes now.
    ///
    /// # Errors
    /// When the engine does not take it, or does not come to rest.
    pub fn event(&mut self, name: &str, data: Value) -> anyhow::Result<()> {
        self.posted += 1;
        let dedupe =
            Dedupe { key: format!("{name} {}", self.posted), keep_ms: Dedupe::ID_MS, body_hash: String::new() };
        // Of the form of `dev`: it stands in for any source, whichever a workflow names.
        let source = "local".to_owned();
        let event = NewEvent { source, name: name.to_owned(), data, at_ms: self.stage.clock.now_ms(), dedupe };
        let accepted = self.ask(async move |engine| engine.accept(event).await)?;
        accepted.map_err(|_| anyhow::anyhow!("the engine does not take the event"))?;
        self.settle()
    }

    /// A person writes, and everything that follows from it now. `media`: the address of a file.
    ///
    /// # Errors
    /// When the engine does not come to rest.
    pub fn says(&mut self, from: &Phone, text: &str, media: Option<&str>) -> anyhow::Result<()> {
        self.stage.sandbox.reply(&from.e164(), text, media)?;
        self.settle()
    }

    /// A person taps a button of the newest template.
    ///
    /// # Errors
    /// When there is no such template, or the engine does not come to rest.
    pub fn taps(&mut self, from: &Phone, button: &str) -> anyhow::Result<()> {
        let (phone, button) = (Some(from.e164()), Some(button.to_owned()));
        self.stage.sandbox.receive(&Inbound { phone, button, ..Inbound::default() })?;
        self.settle()
    }

    /// The newest message of ours gets a status.
    ///
    /// # Errors
    /// When nothing was sent yet, or the engine does not come to rest.
    pub fn status(&mut self, is: StatusWord, code: Option<i64>) -> anyhow::Result<()> {
        self.stage.sandbox.tell_status_of_last(is.as_str(), code)?;
        self.settle()
    }

    /// Somebody gives the person tags in the account.
    ///
    /// # Errors
    /// When the engine does not come to rest.
    pub fn tagged(&mut self, of: &Phone, tags: &[String]) -> anyhow::Result<()> {
        people::tag(&self.stage.sandbox, of, tags)?;
        self.settle()
    }

    /// Time passes until `at_ms`: every due instant is reached, in order.
    ///
    /// # Errors
    /// When the engine does not come to rest.
    pub fn advance(&mut self, at_ms: i64) -> anyhow::Result<()> {
        let sandbox = self.stage.sandbox.clone();
        Ok(self.ask(async move |engine| travel(&engine, &sandbox, at_ms, 1, || {}).await)??)
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        let sandbox = self.stage.sandbox.clone();
        let settled = self.ask(async move |engine| settle(&engine, &sandbox).await)?;
        Ok(settled.map(drop)?)
    }

    // --- lives of the engine --------------------------------------------------------------------------------------

    /// The engine is killed, and started again on the same rows.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.end_life();
        let project = self.project.clone();
        self.start_life(&project)?;
        self.settle()
    }

    fn start_life(&mut self, project: &Project) -> anyhow::Result<()> {
        let runtime = runtime()?;
        let http = self.stage.http.clone();
        // Whatever a workflow calls with them stays here.
        let secrets = Arc::new(|name: &str| Some(Secret::new(format!("secret {name}"))));
        let setup = Setup {
            clock: self.stage.clock.clone(),
            store: self.stage.memory.store().clone(),
            callbell: Some(self.stage.callbell.clone()),
            root: self.stage.root.clone(),
            outside: Outside {
                secrets,
                http,
                lists: self.stage.lists.clone(),
                own_thread: false,
                ..Outside::default()
            },
            manner: Manner::default(),
        };
        let engine = runtime.block_on(Engine::start(setup, project)).context("the engine did not start")?;
        self.stage.door.open(&engine);
        self.life = Some(Life { runtime, engine });
        Ok(())
    }

    /// The loop ends between two groups, wherever the story stands; comes back when nothing of the life is left.
    fn end_life(&mut self) {
        self.stage.door.close();
        let Some(Life { runtime, engine }) = self.life.take() else { return };
        // What runs beside the loop holds the engine, and goes with the runtime.
        runtime.block_on(engine.end());
    }

    /// Does something in the life of the engine.
    fn ask<T>(&self, question: impl AsyncFnOnce(Engine) -> T) -> anyhow::Result<T> {
        let life = self.life.as_ref().context("the engine does not live")?;
        Ok(life.runtime.block_on(question(life.engine.clone())))
    }

    // --- what came of it ------------------------------------------------------------------------------------------

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.stage.clock.now_ms()
    }

    /// What was sent, and what was called, since the last look.
    pub fn look(&mut self) -> (Vec<SandboxMessage>, Vec<Called>) {
        let sent = self.stage.sandbox.messages().into_iter().filter(|message| message.direction == Way::Sent);
        let fresh: Vec<SandboxMessage> = sent.filter(|message| message.n > self.seen.0).collect();
        let calls: Vec<Called> = self.stage.systems.calls().split_off(self.seen.1);
        self.seen = (fresh.last().map_or(self.seen.0, |message| message.n), self.seen.1 + calls.len());
        (fresh, calls)
    }

    fn look_away(&mut self) {
        drop(self.look());
    }

    pub fn project(&self) -> &Project {
        &self.project
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.stage.sandbox
    }

    /// The name of a team of the account.
    pub fn team(&self, uuid: &str) -> Option<String> {
        let office = office(&self.stage.project);
        office.teams.into_iter().find(|team| team.uuid == uuid).map(|team| team.name)
    }

    /// Asks the store.
    ///
    /// # Errors
    /// What the database said.
    pub fn read<T>(&self, question: impl AsyncFnOnce(&Store) -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.ask(async move |engine| question(engine.store()).await)?
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        self.end_life();
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("no runtime")
}

/// The address that the account tells its events to: the engine that lives at that moment, if one does.
#[derive(Clone, Default)]
struct Door(Arc<Mutex<Option<Engine>>>);

impl Door {
    fn open(&self, engine: &Engine) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine.clone());
    }

    fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn engine(&self) -> Option<Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn router(&self, clock: &Clock) -> Router {
        Router::new().route("/callbell", post(receive)).with_state((self.clone(), clock.clone()))
    }
}

async fn receive(State((door, clock)): State<(Door, Clock)>, body: Bytes) -> StatusCode {
    let (Some(engine), Ok(incoming)) = (door.engine(), webhook::read(&body, clock.now_ms())) else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    match engine.told(incoming, body).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
