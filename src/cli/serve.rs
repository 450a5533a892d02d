//! `relance serve`: the project against the real service (or a sandbox in another process).
//!
//! Starts in this order: files, environment, database, listener, engine; ends in the opposite one. What is wrong with
//! the configuration is told whole, with exit 78, before anything is opened. The engine comes last because it sends:
//! a start that fails must not cut its first calls off.

use super::counted::counted;
use super::exit::{Exit, Failure};
use super::progress::Progress;
use super::{Global, check, environment, process, project, state, token};
use crate::clock::Clock;
use crate::config::{Environment, Files, Project, Secret};
use crate::connector::{self, Callbell};
use crate::engine::care::Care;
use crate::engine::retention::Retention;
use crate::engine::{Engine, InFlight, Manner, Outside, Setup};
use crate::http::{self, limits::Limits};
use crate::store::disk::Elsewhere;
use crate::store::migrate::Left;
use crate::store::{NewerSchema, Store, Unsound};
use crate::workflow;
use crate::workflow::diagnostic::Severity;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long a drain may take in all, from the signal on: calls in flight and open requests end within it.
const DRAIN: Duration = Duration::from_secs(22);
/// How long the database may take to be closed after it.
const CLOSE: Duration = Duration::from_secs(3);
/// How long events are still taken in after SIGTERM, so that a load balancer notices.
const GOODBYE: Duration = Duration::from_secs(3);

/// What is off without a public address.
const NOT_LOOKED_AFTER: &str = "the account's webhook is not looked after, and not subscribed again when Callbell \
    disables it: set RELANCE_PUBLIC_URL and a secret of Callbell, then run `relance webhooks connect`";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// End at once on SIGTERM instead of taking in events for three more seconds
    #[arg(long)]
    no_goodbye: bool,
    /// What becomes of live runs of a workflow that a deploy changes: they end on the version they began with, begin anew
    /// unless they have sent something, or are stopped
    #[arg(long, value_enum, default_value_t)]
    in_flight: Live,
    /// Serve this folder even if it served before and another does since, on every server
    #[arg(long)]
    deploy: bool,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Live {
    #[default]
    Pin,
    Restart,
    Cancel,
}

impl Args {
    fn manner(&self) -> Manner {
        let in_flight = match self.in_flight {
            Live::Pin => InFlight::Pin,
            Live::Restart => InFlight::Restart,
            Live::Cancel => InFlight::Cancel,
        };
        Manner { in_flight, goes_back: self.deploy }
    }
}

pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let (project, files) = read_project(global)?;
    let environment = read_environment(&project)?;
    let listen = listen_address(&environment)?;
    let database = database_url(&environment, &global.project).map_err(|error| no_state(&error))?;
    // Steps of the schema that a new version brings may rewrite every row.
    let progress = Progress::of(global, "opening the database");
    let store = Store::open(&database).await.map_err(|error| no_database(&error))?;
    drop(progress);
    let admin = token::read_or_make(&global.project, environment.token.clone()).map_err(|error| no_state(&error))?;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::error(
            Exit::Configuration,
            format!("cannot listen on {listen}: {error}"),
            "set RELANCE_LISTEN to a free address",
        )
    })?;
    let callbell = callbell(&environment, &project)?;
    let setup = Setup {
        clock: Clock::machine(environment.clock_offset_ms),
        store,
        callbell: Some(callbell.clone()),
        root: global.project.clone(),
        outside: outside(&global.project).map_err(|error| no_state(&error))?,
        manner: args.manner(),
    };
    let engine = Engine::start(setup, &project).await.map_err(|error| no_database(&error))?;
    let address = environment.public_url.as_deref().and_then(|public| environment.webhook_address(public));
    if address.is_none() {
        tracing::warn!("{}", NOT_LOOKED_AFTER);
    }
    let care = tokio::spawn(Care::new(engine.clone(), callbell, address).run());
    let retention = tokio::spawn(Retention::new(engine.clone()).run());
    let app = http::App::new(engine.clone(), Arc::new(environment), admin, Arc::new(lookup_secret), http::Mode::Serve);
    for warning in http::warnings(&app).into_iter().chain(process::warnings()) {
        tracing::warn!("{warning}");
    }
    eprintln!(
        "relance: {}, listening on http://{}",
        counted(engine.deployed().definitions.len(), "workflow"),
        listener.local_addr()?
    );
    drop(files);
    let served = serve_until_told(global, &args, engine, app, listener).await;
    care.abort();
    retention.abort();
    served.map(|()| Exit::Fine)
}

fn read_project(global: &Global) -> anyhow::Result<(Project, Files)> {
    let refused = |message: String| Failure::error(Exit::Configuration, message, "`relance check` shows the same");
    let files = project::read_files(&global.project).map_err(|error| refused(format!("{error:#}")))?;
    let loaded = workflow::load(&files);
    let errors = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    if errors > 0 {
        check::show(global.err(), &loaded.diagnostics, &files)?;
        return Err(refused(check::summary(&loaded.diagnostics, &files)));
    }
    let project = loaded.project.ok_or_else(|| refused("no project here: `relance.yaml` is missing".into()))?;
    Ok((project, files))
}

/// The environment, or everything that is wrong with it.
fn read_environment(project: &Project) -> anyhow::Result<Environment> {
    let mut mistakes = Vec::new();
    let environment = Environment::read(&environment::lookup).map_err(|found| mistakes.extend(found));
    if let Ok(environment) = &environment {
        if environment.callbell_token.is_none() {
            mistakes.push("CALLBELL_TOKEN is not set: it is the API token of the Callbell account".into());
        }
        if environment.clock_offset_ms != 0 && !is_loopback(base_url(environment, project)) {
            mistakes.push(
                "RELANCE_CLOCK_OFFSET is for tests: it is refused unless CALLBELL_BASE_URL is on this machine".into(),
            );
        }
    }
    match environment {
        Ok(environment) if mistakes.is_empty() => Ok(environment),
        _ => Err(Failure::error(
            Exit::Configuration,
            mistakes.join("\nerror: "),
            "mend the environment, then start again",
        )),
    }
}

pub(super) fn base_url<'a>(environment: &'a Environment, project: &'a Project) -> &'a str {
    environment.callbell_base_url.as_deref().unwrap_or(&project.settings.callbell.base_url)
}

pub(super) fn is_loopback(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| connector::is_loopback(&url))
}

/// A public address is refused without an admin token of one's own.
fn listen_address(environment: &Environment) -> anyhow::Result<SocketAddr> {
    let refused = |message: String, hint: &str| Failure::error(Exit::Configuration, message, hint);
    let address: SocketAddr = environment.listen.replace("localhost", "127.0.0.1").parse().map_err(|_| {
        refused(format!("RELANCE_LISTEN is no address: `{}`", environment.listen), "write it as `127.0.0.1:4000`")
    })?;
    if !address.ip().is_loopback() && environment.token.is_none() {
        let message = format!("RELANCE_LISTEN={address} can be reached by others, and RELANCE_TOKEN is not set");
        return Err(refused(message, "set RELANCE_TOKEN to a long random text, or listen on 127.0.0.1"));
    }
    Ok(address)
}

/// `RELANCE_DATABASE_URL`, else a SQLite file in the project.
pub(super) fn database_url(environment: &Environment, root: &Path) -> anyhow::Result<String> {
    match &environment.database_url {
        Some(url) => Ok(url.clone()),
        None => state::sqlite_url(root, "relance.db"),
    }
}

/// The client of the project's account.
pub(super) fn callbell(environment: &Environment, project: &Project) -> anyhow::Result<Callbell> {
    Callbell::new(base_url(environment, project), environment.callbell_token.clone())
        .map_err(|error| Failure::error(Exit::Configuration, format!("{error:#}"), "check CALLBELL_BASE_URL"))
}

/// What the engine needs for what it does beside the account.
fn outside(project: &Path) -> anyhow::Result<Outside> {
    let media = Some(state::folder(project)?.join("media"));
    Ok(Outside {
        secrets: Arc::new(lookup_secret),
        relays: true,
        media,
        ballast: true,
        hints: true,
        ..Outside::default()
    })
}

/// What serves cannot be kept where it should be.
fn no_state(error: &anyhow::Error) -> anyhow::Error {
    let hint = "set RELANCE_STATE to a folder that this user may write";
    Failure::error(Exit::Configuration, format!("{error:#}"), hint)
}

fn no_database(error: &anyhow::Error) -> anyhow::Error {
    if error.is::<NewerSchema>() {
        let hint = "update relance, or restore the backup that was made before the update";
        return Failure::error(Exit::Configuration, format!("{error:#}"), hint);
    }
    if error.is::<Elsewhere>() {
        return Failure::error(Exit::Configuration, format!("{error:#}"), Elsewhere::HINT);
    }
    if let Some(left) = error.downcast_ref::<Left>() {
        return Failure::error(Exit::Configuration, format!("{error:#}"), left.hint());
    }
    if let Some(unsound) = error.downcast_ref::<Unsound>() {
        return Failure::error(Exit::Configuration, format!("{error:#}"), unsound.hint());
    }
    let hint = "check RELANCE_DATABASE_URL, that the database runs and has room, and that no other server uses its SQLite file";
    Failure::error(Exit::NoConnection, format!("{error:#}"), hint)
}

fn lookup_secret(name: &str) -> Option<Secret> {
    environment::lookup(name).map(Secret::new)
}

/// SIGHUP reads the folder again; SIGTERM and Ctrl-C drain (`semantics.md` §6.2); a second signal ends at once.
async fn serve_until_told(
    global: &Global,
    args: &Args,
    engine: Engine,
    app: http::App,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let mut server = tokio::spawn(http::serve_behind(
        listener,
        http::router(app.clone()),
        app.proxies(),
        Limits::default(),
        shutdown,
    ));
    loop {
        tokio::select! {
            ended = &mut server => return ended?,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(global, &engine).await,
        }
    }
    tracing::info!("stopping: calls in flight end first");
    app.start_draining();
    let ended = async {
        if !args.no_goodbye {
            tokio::time::sleep(GOODBYE).await;
        }
        let _ = stop.send(());
        tokio::join!(engine.drain(), &mut server)
    };
    let drained = async {
        let _ = tokio::time::timeout(DRAIN, ended).await;
        if tokio::time::timeout(CLOSE, engine.end()).await.is_err() {
            tracing::warn!("the database was not closed in time: the next start looks through it");
        }
    };
    tokio::select! {
        () = drained => {}
        _ = terminate.recv() => tracing::warn!("second signal: ending at once"),
        _ = interrupt.recv() => tracing::warn!("second signal: ending at once"),
    }
    Ok(())
}

/// Deploys the folder as it is now; with a mistake in it, what serves stays.
async fn reload(global: &Global, engine: &Engine) {
    let outcome = match read_project(global) {
        Ok((project, _)) => engine.deploy(project).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => tracing::info!("the project was read again"),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the project was not read again; what served serves on")
        }
    }
}
