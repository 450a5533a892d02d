//! `relance dev`: the project against a sandbox on this machine, with a page of phones and a clock that can be moved.
//!
//! ```text
//! files ─► watch ─► engine ◄──── http ◄──── page
//!                     │  ▲                   │
//!              Callbell  webhooks            └─► driver: the clock, step by step
//!                     ▼  │
//!                    sandbox
//! ```
//! Both directions between engine and sandbox are real HTTP, as between `serve` and the real service. Calls of
//! `http_request` are answered 200 within this process, unless they go to this machine.
//! Invariant: nothing leaves the machine, and nobody else reaches it: both listeners are on loopback.

mod browser;
mod database;
mod driver;
mod people;
mod watch;

use super::counted::counted;
use super::exit::Failure;
use super::preview::read_instant;
use super::{Exit, Global, check, environment, project, state};
use crate::clock::{self, Clock};
use crate::config::{Environment, Files, Loaded, Project, Proxies, Secret};
use crate::connector::Callbell;
use crate::connector::sandbox::{Sandbox, SandboxConfig, Timing};
use crate::connector::transport::Transport;
use crate::engine::{Engine, Manner, Outside, SecretLookup, Setup};
use crate::http::dashboard::{self, Dev};
use crate::http::{self, App, Mode};
use crate::rehearsal;
use crate::store::Store;
use crate::workflow;
use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use driver::Driver;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch as tokio_watch};
use tokio::task::JoinSet;

/// The sandbox's customers read what arrives after this long.
const READ_AFTER_MS: i64 = 5_000;
/// How long calls in flight may take to end.
const DRAIN: Duration = Duration::from_secs(3);
/// Wishes to move the clock that may wait.
const MOVES: usize = 8;

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Port of the page, on this machine only; 0 = any free one
    #[arg(long, value_name = "PORT", default_value_t = 4000)]
    pub port: u16,
    /// What the clock shows at the start, in the project's zone, like `2026-03-02T10:00`
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// How many times as fast as real time the clock runs
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub speed: u32,
    /// Do not open the page in a browser
    #[arg(long)]
    pub no_open: bool,
}

/// Serves the page until interrupted.
///
/// # Errors
/// Without a project that can be read, with an unreadable `--at`, when the port is taken, or another `dev` runs on the
/// same project.
pub async fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let (files, loaded) = read(&global.project)?;
    let project = rehearsal::furnished(usable(&files, &loaded)?);
    let start_ms = args.at.as_deref().map(|at| read_instant(at, project.settings.zone())).transpose()?;
    let listener = listen(args.port).await?;
    let address = listener.local_addr()?;
    let _lock = database::lock(&global.project)?;
    let (parts, tasks) = start(global, &project, Clock::movable(start_ms), address).await?;
    let shown = watch::Shown::new(files, &loaded);
    let (page, tasks) = attend(global, &args, &parts, shown, tasks);
    eprintln!("relance dev: {} of `{}`", counted(project.workflows.len(), "workflow"), project.settings.name);
    eprintln!("page: http://{address}/");
    if !args.no_open {
        browser::open(&format!("http://{address}/"));
    }
    serve(listener, page, parts, tasks).await
}

/// What runs, as handles.
#[derive(Clone)]
struct Parts {
    engine: Engine,
    callbell: Callbell,
    sandbox: Sandbox,
    app: App,
}

fn read(root: &Path) -> anyhow::Result<(Files, Loaded)> {
    let hint = "go to a project's folder, or name it: `relance -C path/to/project dev`";
    let refused = |message: String| Failure::error(Exit::Usage, message, hint);
    let files = project::read_files(root).map_err(|error| refused(format!("{error:#}")))?;
    if !files.contains_key("relance.yaml") {
        return Err(refused(format!("no project here: there is no `relance.yaml` in {}", root.display())));
    }
    let loaded = workflow::load(&files);
    Ok((files, loaded))
}

/// The project, its mistakes told. Without a usable `relance.yaml` there is nothing to serve.
fn usable(files: &Files, loaded: &Loaded) -> anyhow::Result<Project> {
    tell(files, loaded);
    loaded.project.clone().ok_or_else(|| {
        Failure::error(
            Exit::Problems,
            "`relance.yaml` cannot be used",
            "mend it, then start again; `relance check` shows the same",
        )
    })
}

fn tell(files: &Files, loaded: &Loaded) {
    if !loaded.diagnostics.is_empty() {
        eprintln!("{}{}", check::render_human(&loaded.diagnostics, files), check::summary(&loaded.diagnostics, files));
    }
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map_err(|error| {
        let hint = "another program listens there, or another `relance dev`: choose one with `--port`";
        Failure::error(Exit::NoConnection, format!("cannot listen on port {port}: {error}"), hint)
    })
}

/// Sandbox, store and engine, connected over HTTP in both directions.
async fn start(
    global: &Global,
    project: &Project,
    clock: Clock,
    address: SocketAddr,
) -> anyhow::Result<(Parts, JoinSet<()>)> {
    let webhook_secret = hex::encode(clock::new_secret());
    let token = Secret::new(hex::encode(clock::new_secret()));
    let sandbox_listener = listen(0).await?;
    let sandbox_address = sandbox_listener.local_addr()?;
    let sandbox = Sandbox::new(SandboxConfig {
        token: Some(token.clone()),
        templates: project.catalogue.lock.values().cloned().collect(),
        channels: project.settings.channels.iter().filter(|channel| channel.listed).cloned().collect(),
        office: rehearsal::office(project),
        webhook_url: Some(format!("http://{address}/callbell/{webhook_secret}")),
        timing: Timing { read_ms: Some(READ_AFTER_MS), ..Timing::default() },
        ..SandboxConfig::new(clock.clone())
    })?;
    let mut tasks = JoinSet::new();
    tasks.spawn(serve_sandbox(sandbox_listener, sandbox.router()));
    let store = Store::open(&database::make_empty(&global.project)?).await?;
    let callbell = Callbell::new(&format!("http://{sandbox_address}/v1"), Some(token))?;
    let media = Some(state::folder(&global.project)?.join("media"));
    let outside = Outside { media, secrets: stand_ins(), http: other_systems(), ..Outside::default() };
    let (root, manner) = (global.project.clone(), Manner::default());
    let setup = Setup { clock, store, callbell: Some(callbell.clone()), root, outside, manner };
    let engine = Engine::start(setup, project).await.context("the engine did not start")?;
    rehearsal::learn_lines(&engine, &callbell).await?;
    let environment = Arc::new(own_environment(address, webhook_secret));
    let admin = Secret::new(hex::encode(clock::new_secret()));
    // Secrets of the project's own sources, so that a shop's test system can post to `dev` too.
    let secrets = environment::DotEnv::read(&global.project)?;
    let secret = move |name: &str| secrets.lookup(name).map(Secret::new);
    let app = App::new(engine.clone(), environment, admin, Arc::new(secret), Mode::Dev);
    Ok((Parts { engine, callbell, sandbox, app }, tasks))
}

/// Other systems take whatever they are told, and answer nothing that could be read; one of this machine is really called.
fn other_systems() -> Transport {
    Transport::this_machine(Router::new().fallback(async || StatusCode::OK))
}

/// Every secret that a step names has a value, and none is a real one.
fn stand_ins() -> SecretLookup {
    Arc::new(|name| Some(Secret::new(format!("secret {name}"))))
}

async fn serve_sandbox(listener: TcpListener, router: Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the sandbox stopped listening");
    }
}

/// The environment of `dev` is its own: a real token that lies around is never used.
fn own_environment(address: SocketAddr, webhook_secret: String) -> Environment {
    Environment {
        callbell_token: None,
        callbell_base_url: None,
        callbell_webhook_secret: Some(Secret::new(webhook_secret)),
        callbell_signing_secrets: Vec::new(),
        token: None,
        listen: address.to_string(),
        public_url: None,
        proxies: Proxies::default(),
        database_url: None,
        clock_offset_ms: 0,
    }
}

/// The page, and the tasks that move the clock and watch the files.
fn attend(
    global: &Global,
    args: &Args,
    parts: &Parts,
    shown: watch::Shown,
    mut tasks: JoinSet<()>,
) -> (Router, JoinSet<()>) {
    let (changed, changes) = tokio_watch::channel(0);
    let changed = Arc::new(changed);
    let (mover, moves) = mpsc::channel(MOVES);
    let (files, page_files) = tokio_watch::channel(shown.for_page());
    let token = hex::encode(clock::new_secret());
    let Parts { engine, callbell, sandbox, app } = parts;
    let dev = Dev::new(engine.clone(), sandbox.clone(), page_files, changes, mover, token);
    shown.greet(sandbox);
    tasks.spawn(Driver::new(engine.clone(), sandbox.clone(), changed.clone(), args.speed).run(moves));
    let root = global.project.clone();
    let (engine, callbell, sandbox) = (engine.clone(), callbell.clone(), sandbox.clone());
    tasks.spawn(watch::Watch { root, engine, callbell, sandbox, files, changed, shown }.run());
    (http::router(app.clone()).merge(dashboard::router(dev)), tasks)
}

/// Serves until Ctrl-C or SIGTERM; calls in flight end first.
async fn serve(listener: TcpListener, page: Router, parts: Parts, mut tasks: JoinSet<()>) -> anyhow::Result<Exit> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (engine, app) = (parts.engine.clone(), parts.app.clone());
    let asked = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        app.start_draining();
        let _ = tokio::time::timeout(DRAIN, engine.drain()).await;
        // Lets go of the open pages: what told them of changes is dropped.
        tasks.shutdown().await;
    };
    http::serve(listener, page, asked).await?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[tokio::test]
    async fn only_this_machine_reaches_it() {
        assert!(listen(0).await.unwrap().local_addr().unwrap().ip().is_loopback());
    }

    #[test]
    fn the_start_is_a_clock_time_of_the_projects_zone_or_has_an_offset() {
        let madrid = TimeZone::get("Europe/Madrid").unwrap();
        let at = |written: &str| read_instant(written, &madrid).ok();
        assert_eq!(at("2026-03-02T10:00"), Some(1_772_442_000_000));
        assert_eq!(at("2026-03-02 10:00"), at("2026-03-02T09:00Z"));
        assert_eq!(at("tomorrow"), None);
    }

    #[test]
    fn a_folder_without_a_project_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("no `relance.yaml`"), "{error}");
        assert!(error.downcast_ref::<Failure>().unwrap().hint.contains("-C"));
        assert!(read(&folder.path().join("nowhere")).is_err());
    }
}
