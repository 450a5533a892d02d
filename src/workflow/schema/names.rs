//! Names of a project that an editor can offer: read from the files as they are, whatever mistakes they hold.
//!
//! Invariant: a file that cannot be read to its end gives the names above that place and takes away none of others.

use crate::config::Files;
use crate::workflow::yaml::{Document, Entry, Kind, Node};
use std::collections::BTreeSet;

/// What a project calls its things.
#[derive(Debug, Default)]
pub struct Names {
    /// Of `templates.yaml`.
    pub templates: BTreeSet<String>,
    pub channels: BTreeSet<String>,
    pub sources: BTreeSet<String>,
    pub colleagues: BTreeSet<String>,
    /// Ids of the workflows.
    pub workflows: BTreeSet<String>,
    /// Of webhooks, as workflows and samples name them.
    pub events: BTreeSet<String>,
    /// As workflows and the rule of consent name them: the account may have more.
    pub tags: BTreeSet<String>,
}

impl Names {
    /// Gathers them from the files of a project.
    pub fn of(files: &Files) -> Self {
        let mut names = Self::default();
        for (path, text) in files {
            names.file(path, text);
        }
        names
    }

    fn file(&mut self, path: &str, text: &str) {
        if let Some(event) = path.strip_prefix("workflows/samples/").and_then(|name| name.strip_suffix(".json")) {
            self.events.insert(event.to_owned());
        } else if path == "templates.yaml" {
            let (document, _) = Document::read(text);
            self.templates.extend(keys(document.root.as_ref()));
        } else if path == "relance.yaml" {
            let (document, _) = Document::read(text);
            self.project(document.root.as_ref());
        } else if let Some(name) = path.strip_prefix("workflows/").and_then(|name| name.strip_suffix(".yaml"))
            && !name.ends_with(".test")
            && !name.contains('/')
        {
            self.workflows.insert(name.to_owned());
            let (document, _) = Document::read(text);
            document.root.iter().for_each(|root| self.walk(root));
        }
    }

    fn project(&mut self, root: Option<&Node>) {
        let value = |key: &str| entries(root).iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        self.channels.extend(keys(value("channels")));
        self.sources.extend(keys(value("sources")));
        self.colleagues.extend(keys(value("colleagues")));
        value("consent").iter().for_each(|consent| self.walk(consent));
    }

    /// Events and tags, wherever they stand. The tree is as deep as the reader allows.
    fn walk(&mut self, node: &Node) {
        match &node.kind {
            Kind::List(items) => items.iter().for_each(|item| self.walk(item)),
            Kind::Map(lines) => {
                for line in lines {
                    match line.key.as_str() {
                        "webhook" => self.events.extend(words(&line.value)),
                        "tag" | "add_tags" | "remove_tags" => self.tags.extend(words(&line.value)),
                        _ => self.walk(&line.value),
                    }
                }
            }
            Kind::Null | Kind::Scalar { .. } => {}
        }
    }
}

fn entries(node: Option<&Node>) -> &[Entry] {
    match node.map(|node| &node.kind) {
        Some(Kind::Map(entries)) => entries,
        _ => &[],
    }
}

fn keys(node: Option<&Node>) -> impl Iterator<Item = String> {
    entries(node).iter().map(|entry| entry.key.clone())
}

/// A word, or those of a list.
fn words(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Scalar { text, .. } if !text.trim().is_empty() => vec![text.clone()],
        Kind::List(items) => items.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}
