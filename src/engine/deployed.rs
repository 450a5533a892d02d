//! Deployed: what serves now, indexed by what may start it; and definitions, to which runs are pinned.

use super::account::{self, Account};
use crate::config::{Catalogue, ConsentRule, Files, LockedTemplate, Project, ProjectSettings};
use crate::contact::{Contact, WithdrawalScope};
use crate::delivery::Purpose;
use crate::store::runs::DefinitionRow;
use crate::trigger::{Trigger, TriggerKind};
use crate::workflow::{Action, Step, StopWhen, Workflow};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// One immutable version of a workflow, with the project that gives it its meaning.
#[derive(Debug)]
pub struct Definition {
    /// SHA-256 of its texts, hex.
    pub hash: String,
    pub workflow: Workflow,
    pub settings: Arc<ProjectSettings>,
    /// The texts it was read from, JSON.
    pub files: String,
    /// Whether its questions ask for the window, so that the line has to be read.
    pub asks_window: bool,
    /// Whether it asks people something: their messages may be answers.
    pub asks: bool,
    /// Whether a step of it may call out.
    pub calls_out: bool,
}

/// The project that serves.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// `relance.yaml`, its lines with the uuids that the account has for them.
    pub settings: Arc<ProjectSettings>,
    /// As it is written.
    written: Arc<ProjectSettings>,
    /// What the account holds, as it last told.
    pub account: Arc<Account>,
    pub catalogue: Catalogue,
    /// Whether a step of any workflow may call out.
    pub calls_out: bool,
    /// By workflow id.
    pub definitions: BTreeMap<String, Arc<Definition>>,
    /// Event name → who listens: workflow id and index of the trigger, by id.
    webhooks: HashMap<String, Vec<(String, usize)>>,
    messages: Vec<(String, usize)>,
    statuses: Vec<(String, usize)>,
    contacts: Vec<(String, usize)>,
}

/// Definitions beside those that serve: of live runs that began with another version, on this node or on another.
#[derive(Debug, Default)]
pub struct Pinned {
    /// By hash.
    definitions: HashMap<String, Arc<Definition>>,
    /// Hashes of definitions that are not stored, or that this release cannot read.
    missing: HashSet<String>,
}

impl Pinned {
    /// What live runs need beside what serves.
    pub(super) fn of(open: Vec<DefinitionRow>, deployed: &Deployed) -> Self {
        let current: HashSet<&str> = deployed.definitions.values().map(|definition| definition.hash.as_str()).collect();
        let mut pinned = Self::default();
        for row in open.into_iter().filter(|row| !current.contains(row.hash.as_str())) {
            pinned.put(row.hash.clone(), Definition::stored(row));
        }
        pinned
    }

    pub fn get(&self, hash: &str) -> Option<&Arc<Definition>> {
        self.definitions.get(hash)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.definitions.values()
    }

    /// Whether a step of any of them may call out.
    pub fn calls_out(&self) -> bool {
        self.definitions.values().any(|definition| definition.calls_out)
    }

    /// Keeps what served before this.
    pub(super) fn keep(&mut self, before: &Deployed, now: &Deployed) {
        let current =
            |one: &&Arc<Definition>| now.definitions.get(&one.workflow.id).is_some_and(|now| now.hash == one.hash);
        for definition in before.definitions.values().filter(|one| !current(one)) {
            self.definitions.entry(definition.hash.clone()).or_insert_with(|| definition.clone());
        }
    }

    /// Whether it was asked for: it is here, or nowhere.
    pub fn knows(&self, hash: &str) -> bool {
        self.definitions.contains_key(hash) || self.missing.contains(hash)
    }

    /// Takes in what was found under a hash.
    pub fn put(&mut self, hash: String, found: Option<Definition>) {
        match found {
            Some(definition) => drop(self.definitions.insert(hash, Arc::new(definition))),
            None => drop(self.missing.insert(hash)),
        }
    }
}

impl Deployed {
    /// Indexes a checked project.
    pub fn new(project: &Project) -> Self {
        let settings = Arc::new(project.settings.clone());
        let definition = |(id, workflow): (&String, &Arc<Workflow>)| {
            (id.clone(), Arc::new(Definition::new(workflow, &settings, &project.files)))
        };
        let definitions: BTreeMap<_, _> = project.workflows.iter().map(definition).collect();
        let mut webhooks = HashMap::<String, Vec<_>>::new();
        let (mut messages, mut statuses, mut contacts) = (Vec::new(), Vec::new(), Vec::new());
        for (id, definition) in &definitions {
            for (index, trigger) in definition.enabled_triggers() {
                match &trigger.kind {
                    TriggerKind::Webhook { event, .. } => {
                        webhooks.entry(event.clone()).or_default().push((id.clone(), index));
                    }
                    TriggerKind::Message { .. } => messages.push((id.clone(), index)),
                    TriggerKind::MessageStatus { .. } => statuses.push((id.clone(), index)),
                    TriggerKind::Contact { .. } => contacts.push((id.clone(), index)),
                    TriggerKind::Schedule { .. } => {}
                }
            }
        }
        let (written, account) = (settings.clone(), Arc::default());
        let catalogue = project.catalogue.clone();
        let calls_out = definitions.values().any(|definition| definition.calls_out);
        Self { calls_out, settings, written, account, catalogue, definitions, webhooks, messages, statuses, contacts }
    }

    /// The same project over what the account holds.
    pub(super) fn with_account(&self, account: Arc<Account>) -> Self {
        Self { settings: account::resolve(&self.written, &account), account, ..self.clone() }
    }

    /// What is known of a template today: the account's last word, else the lock file's.
    pub fn template(&self, uuid: &str) -> Option<&LockedTemplate> {
        self.account.template(uuid).or_else(|| self.catalogue.lock.get(uuid))
    }

    /// Triggers on a webhook event of this name from this source.
    pub fn webhooks(&self, event: &str, source: &str) -> impl Iterator<Item = (&Arc<Definition>, &Trigger)> {
        let listed = self.webhooks.get(event).map_or(&[][..], Vec::as_slice);
        self.resolve(listed).filter(move |(_, trigger)| match &trigger.kind {
            // `relance trigger` and the local source of `dev` stand in for any source.
            TriggerKind::Webhook { source: Some(wanted), .. } => wanted == source || matches!(source, "api" | "local"),
            _ => true,
        })
    }

    /// Triggers on messages of customers.
    pub fn messages(&self) -> impl Iterator<Item = (&Arc<Definition>, &Trigger)> {
        self.resolve(&self.messages)
    }

    /// Triggers on what becomes of our messages.
    pub fn statuses(&self) -> impl Iterator<Item = (&Arc<Definition>, &Trigger)> {
        self.resolve(&self.statuses)
    }

    /// Triggers on changes of people in the account.
    pub fn contacts(&self) -> impl Iterator<Item = (&Arc<Definition>, &Trigger)> {
        self.resolve(&self.contacts)
    }

    /// Whether a webhook event of this name may stop live runs.
    pub fn stops_on(&self, event: &str) -> bool {
        let listens =
            |entry: &StopWhen| matches!(&entry.trigger.kind, TriggerKind::Webhook { event: name, .. } if name == event);
        self.definitions.values().any(|definition| definition.workflow.stop_when.iter().any(listens))
    }

    /// Every schedule that may fire.
    pub fn schedules(&self) -> impl Iterator<Item = (&Arc<Definition>, &Trigger)> {
        self.definitions
            .values()
            .flat_map(|definition| definition.enabled_triggers().map(move |(_, trigger)| (definition, trigger)))
            .filter(|(_, trigger)| matches!(trigger.kind, TriggerKind::Schedule { .. }))
    }

    fn resolve<'a>(
        &'a self,
        listed: &'a [(String, usize)],
    ) -> impl Iterator<Item = (&'a Arc<Definition>, &'a Trigger)> + 'a {
        listed.iter().filter_map(|(id, index)| {
            let definition = self.definitions.get(id)?;
            Some((definition, definition.workflow.triggers.get(*index)?))
        })
    }
}

impl Definition {
    fn new(workflow: &Workflow, settings: &Arc<ProjectSettings>, files: &Files) -> Self {
        let files = definition_files(files, &workflow.id);
        Self {
            hash: hex::encode(Sha256::digest(files.as_bytes())),
            asks_window: files.contains("window_open") || files.contains("last_message_at"),
            asks: asks(&workflow.steps),
            calls_out: files.contains("http_request") || files.contains("update_contact"),
            workflow: workflow.clone(),
            settings: settings.clone(),
            files,
        }
    }

    /// Reads a stored definition again.
    ///
    /// # Errors
    /// When this release cannot read it any more.
    pub fn restore(workflow: &str, files: &str) -> anyhow::Result<Self> {
        let files: Files = serde_json::from_str(files)?;
        let loaded = crate::workflow::load_accepted(&files);
        let project = loaded.project.ok_or_else(|| anyhow::anyhow!("its project file cannot be read any more"))?;
        let found = project.workflows.get(workflow);
        let found = found.ok_or_else(|| anyhow::anyhow!("workflow `{workflow}` cannot be read any more"))?;
        Ok(Self::new(found, &Arc::new(project.settings.clone()), &files))
    }

    /// As [`Definition::restore`]; one that cannot be read is told of in the log.
    pub fn stored(row: DefinitionRow) -> Option<Self> {
        match Self::restore(&row.workflow, &row.files) {
            Ok(definition) => Some(Self { hash: row.hash, ..definition }),
            Err(error) => {
                let workflow = row.workflow;
                tracing::error!(workflow, %error, "the definition of live runs cannot be read: they need attention");
                None
            }
        }
    }

    fn enabled_triggers(&self) -> impl Iterator<Item = (usize, &Trigger)> {
        let enabled = self.workflow.enabled;
        self.workflow.triggers.iter().enumerate().filter(move |_| enabled)
    }
}

/// The texts that decide what a workflow does: its own, the project's, the templates'. JSON, in the order of paths.
fn definition_files(files: &Files, workflow: &str) -> String {
    let own = format!("workflows/{workflow}.yaml");
    let needed = |path: &str| path == own || matches!(path, "relance.yaml" | "templates.yaml" | "templates.lock.json");
    let kept: BTreeMap<_, _> = files.iter().filter(|(path, _)| needed(path)).collect();
    serde_json::to_string(&kept).unwrap_or_default()
}

/// Whether consent is on record or given by the project's rule.
pub fn opted_in(contact: &Contact, rule: &ConsentRule) -> bool {
    contact.consent.is_some()
        || match rule {
            ConsentRule::Nothing => false,
            ConsentRule::Everyone => true,
            ConsentRule::Tag(tag) => contact.tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase()),
            ConsentRule::Field(field) => contact.custom.get(field).is_some_and(is_yes),
        }
}

/// Whether the rule asks the account, and the account told nothing of this person yet.
pub fn may_consent(contact: &Contact, rule: &ConsentRule) -> bool {
    !contact.told && matches!(rule, ConsentRule::Tag(_) | ConsentRule::Field(_))
}

/// Whether the person wants no messages of this purpose.
pub fn opted_out(contact: &Contact, purpose: Purpose) -> bool {
    contact.opted_out(match purpose {
        Purpose::Marketing => WithdrawalScope::Marketing,
        Purpose::Utility | Purpose::Service => WithdrawalScope::All,
    })
}

fn asks(steps: &[Step]) -> bool {
    let of_step = |step: &Step| match &step.action {
        Action::WaitForReply(_) => true,
        _ => step.inner().into_iter().any(asks),
    };
    steps.iter().any(of_step)
}

fn is_yes(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() == Some(1.0),
        Value::String(text) => {
            matches!(text.trim().to_lowercase().as_str(), "yes" | "true" | "1" | "oui" | "sí" | "si")
        }
        _ => false,
    }
}
