//! Watch: files that were saved are read again, and what is good in them serves.
//!
//! A broken workflow is left out and told with its place; a broken `relance.yaml` leaves what served before in place.
//! Invariant: reading again never ends `dev`.

use super::people;
use crate::cli::counted::counted;
use crate::cli::marks::{LOOK_EVERY, Marks, marks};
use crate::cli::project;
use crate::config::{Files, Loaded, Project};
use crate::connector::Callbell;
use crate::connector::sandbox::Sandbox;
use crate::contact::Phone;
use crate::engine::Engine;
use crate::http::dashboard::ProjectFiles;
use crate::rehearsal;
use crate::workflow;
use crate::workflow::diagnostic::Diagnostic;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// What a person of the samples says at the start, so that the window is open.
const GREETING: &str = "👋";

/// The project's files, their mistakes and the people of the samples, as they were last read.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    files: Files,
    diagnostics: Vec<Diagnostic>,
    stale: bool,
    people: BTreeMap<Phone, Option<String>>,
}

impl Shown {
    pub(super) fn new(files: Files, loaded: &Loaded) -> Self {
        let people = loaded.project.as_ref().map(|project| people::of_project(project, 0)).unwrap_or_default();
        Self { files, diagnostics: loaded.diagnostics.clone(), stale: loaded.project.is_none(), people }
    }

    /// As the page wants it.
    pub(super) fn for_page(&self) -> Arc<ProjectFiles> {
        let event = |path: &str| path.strip_prefix("workflows/samples/")?.strip_suffix(".json").map(str::to_owned);
        let samples = self.files.iter().filter_map(|(path, text)| Some((event(path)?, text.trim().to_owned())));
        let names = self.people.iter().filter_map(|(phone, name)| Some((phone.digits().to_owned(), name.clone()?)));
        Arc::new(ProjectFiles {
            samples: samples.collect(),
            names: names.collect(),
            files: self.files.clone(),
            diagnostics: self.diagnostics.clone(),
            stale: self.stale,
        })
    }

    /// Each person of the samples who never wrote writes.
    pub(super) fn greet(&self, sandbox: &Sandbox) {
        let known: Vec<String> = sandbox.people().into_iter().map(|person| person.phone).collect();
        for phone in self.people.keys().map(Phone::e164).filter(|phone| !known.contains(phone)) {
            if let Err(error) = sandbox.reply(&phone, GREETING, None) {
                tracing::warn!(error = format!("{error:#}"), "a person of the samples could not write");
            }
        }
    }
}

pub(super) struct Watch {
    pub(super) root: PathBuf,
    pub(super) engine: Engine,
    pub(super) callbell: Callbell,
    pub(super) sandbox: Sandbox,
    pub(super) files: watch::Sender<Arc<ProjectFiles>>,
    pub(super) changed: Arc<watch::Sender<u64>>,
    pub(super) shown: Shown,
}

impl Watch {
    /// Looks at the files until it is dropped.
    pub(super) async fn run(mut self) {
        let mut seen = self.look().await;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.look().await;
            if now != seen {
                seen = now;
                self.read_again().await;
            }
        }
    }

    async fn look(&self) -> Marks {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || marks(&root)).await.unwrap_or_default()
    }

    async fn read_again(&mut self) {
        let root = self.root.clone();
        let read = tokio::task::spawn_blocking(move || {
            let files = project::read_files(&root)?;
            let loaded = workflow::load(&files);
            anyhow::Ok((files, loaded))
        });
        match read.await {
            Ok(Ok((files, loaded))) => self.take(files, loaded).await,
            Ok(Err(error)) => eprintln!("error: the files could not be read: {error:#}"),
            Err(error) => tracing::error!(%error, "reading the files failed"),
        }
    }

    async fn take(&mut self, files: Files, loaded: Loaded) {
        if files == self.shown.files {
            return;
        }
        super::tell(&files, &loaded);
        let former = std::mem::take(&mut self.shown.people);
        self.shown = Shown::new(files, &loaded);
        match loaded.project {
            Some(project) => self.deploy(project).await,
            None => {
                self.shown.people = former;
                eprintln!("`relance.yaml` cannot be used: what served before serves on");
            }
        }
        self.files.send_replace(self.shown.for_page());
        self.changed.send_modify(|version| *version += 1);
    }

    async fn deploy(&self, project: Project) {
        let project = rehearsal::furnished(project);
        self.sandbox.set_templates(project.catalogue.lock.values().cloned().collect());
        self.sandbox.add_to_office(&rehearsal::office(&project));
        if let Err(error) = rehearsal::learn_lines(&self.engine, &self.callbell).await {
            tracing::warn!(error = format!("{error:#}"), "new teams are not known yet");
        }
        let workflows = project.workflows.len();
        match self.engine.deploy(project).await {
            Ok(()) => eprintln!("read again: {}", counted(workflows, "workflow")),
            Err(error) => eprintln!("error: the new version does not serve: {error:#}"),
        }
        self.shown.greet(&self.sandbox);
    }
}
