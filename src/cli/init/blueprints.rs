//! Blueprints: ready workflows with samples, tests and templates, inside the binary (`blueprints/<language>/<name>/`).
//!
//! Invariant: whatever a blueprint's folder holds ends up below `workflows/`, but for its templates and their lock, whose
//! entries are added to the project's.

use super::{Planned, usage};
use crate::config::Files;
use crate::expr::nearest;
use anyhow::Context as _;
use rust_embed::Embed;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Embed)]
#[folder = "blueprints/"]
struct Embedded;

/// The languages that each of them has.
pub(super) const LANGUAGES: [&str; 2] = ["en", "fr"];
/// Files that are no file of a workflow.
const TEMPLATES: &str = "templates.yaml";
const LOCK: &str = "templates.lock.json";

/// One of them, in one language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Blueprint {
    pub(super) language: String,
    /// The id of its workflow.
    pub(super) name: String,
}

/// Those of a language, or all, by language and name.
pub(super) fn all(language: Option<&str>) -> Vec<Blueprint> {
    let found: BTreeSet<Blueprint> = Embedded::iter()
        .filter_map(|path| {
            let mut parts = path.split('/');
            let (language, name) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            parts.next()?;
            Some(Blueprint { language, name })
        })
        .filter(|one| language.is_none_or(|language| one.language == language))
        .collect();
    found.into_iter().collect()
}

/// The one of that name in the language; in English when it has no other.
pub(super) fn find(name: &str, language: &str) -> anyhow::Result<Blueprint> {
    let named: Vec<Blueprint> = all(None).into_iter().filter(|one| one.name == name).collect();
    let in_language = |wanted: &str| named.iter().find(|one| one.language == wanted);
    in_language(spoken(language)).cloned().ok_or_else(|| {
        let names: BTreeSet<String> = all(None).into_iter().map(|one| one.name).collect();
        if let Some(meant) = nearest(name, names.iter().map(String::as_str)) {
            return usage(format!("there is no blueprint `{name}`"), format!("did you mean `{meant}`?"));
        }
        let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        usage(format!("there is no blueprint `{name}`"), format!("the blueprints are {listed}"))
    })
}

/// The language of blueprints that is nearest to one.
pub(super) fn spoken(language: &str) -> &'static str {
    let short = language.split('-').next().unwrap_or(language);
    LANGUAGES.into_iter().find(|known| *known == short).unwrap_or(LANGUAGES[0])
}

impl Blueprint {
    /// Its files as they are written into a project, without its templates.
    pub(super) fn files(&self) -> Vec<Planned> {
        let folder = format!("{}/{}/", self.language, self.name);
        let paths = Embedded::iter().filter_map(|path| path.strip_prefix(&folder).map(str::to_owned));
        let files = paths.filter(|path| path != TEMPLATES && path != LOCK).filter_map(|path| {
            let text = self.read(&path)?;
            Some((format!("workflows/{path}"), with_modeline(&path, text)))
        });
        files.collect()
    }

    /// Where its workflow is written.
    pub(super) fn workflow(&self) -> String {
        format!("workflows/{}.yaml", self.name)
    }

    /// Where its tests are written.
    pub(super) fn tests(&self) -> String {
        format!("workflows/{}.test.yaml", self.name)
    }

    /// The catalogue of a project and its lock with the entries that this one needs, each where something is added.
    /// `by_uuid`: the project does without a lock, and one with examples only would not know its templates.
    ///
    /// # Errors
    /// When the lock that is there cannot be read.
    pub(super) fn with_templates(
        &self,
        catalogue: &str,
        lock: Option<&str>,
        by_uuid: bool,
    ) -> anyhow::Result<(Option<String>, Option<String>)> {
        let added = missing_entries(catalogue, &self.read(TEMPLATES).unwrap_or_default());
        let ours = self.read(LOCK);
        let added = if by_uuid { named_by_uuid(&added, ours.as_deref().unwrap_or("[]"))? } else { added };
        let end = if catalogue.is_empty() || catalogue.ends_with('\n') { "" } else { "\n" };
        let catalogue = (!added.is_empty()).then(|| format!("{catalogue}{end}{added}"));
        let lock = ours.filter(|_| !by_uuid).map(|ours| with_locked(lock, &ours)).transpose()?.flatten();
        Ok((catalogue, lock))
    }

    /// A project of its templates alone.
    pub(super) fn alone(&self) -> Files {
        let project = "version: 1\nname: Blueprint\nsettings: { timezone: UTC }\n".to_owned();
        let read = |path: &str| Some((path.to_owned(), self.read(path)?));
        [TEMPLATES, LOCK].into_iter().filter_map(read).chain([("relance.yaml".to_owned(), project)]).collect()
    }

    /// The `name` of its workflow.
    pub(super) fn title(&self) -> String {
        self.line_with("name: ")
    }

    /// What it is for.
    pub(super) fn about(&self) -> String {
        self.line_with("# ")
    }

    fn line_with(&self, prefix: &str) -> String {
        let text = self.read(&format!("{}.yaml", self.name)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(prefix)).unwrap_or_default().trim().to_owned()
    }

    pub(super) fn shown(&self) -> Value {
        json!({ "name": self.name, "language": self.language, "title": self.title(), "about": self.about() })
    }

    fn read(&self, path: &str) -> Option<String> {
        let file = Embedded::get(&format!("{}/{}/{path}", self.language, self.name))?;
        String::from_utf8(file.data.into_owned()).ok()
    }
}

/// The line that tells editors which schema a file has.
fn with_modeline(path: &str, text: String) -> String {
    let schema = match path {
        _ if path.ends_with(".test.yaml") => "test",
        _ if path.ends_with(".yaml") => "workflow",
        _ => return text,
    };
    format!("# yaml-language-server: $schema=../.schema/{schema}.json\n{text}")
}

/// The entries of a catalogue whose names another one lacks, as they are written there.
fn missing_entries(there: &str, wanted: &str) -> String {
    let known: BTreeSet<&str> = there.lines().filter_map(name_of).collect();
    let (mut text, mut wanted_here) = (String::new(), false);
    for line in wanted.lines() {
        if let Some(name) = name_of(line) {
            wanted_here = !known.contains(name);
        }
        if wanted_here && !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The name that an entry begins with: entries stand at the beginning of a line.
fn name_of(line: &str) -> Option<&str> {
    line.split_once(':').map(|(name, _)| name).filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
}

/// Entries with the uuid in the place of the title, for which one needs a lock.
fn named_by_uuid(entries: &str, lock: &str) -> anyhow::Result<String> {
    let lock: Vec<Value> = serde_json::from_str(lock)?;
    let mut text = String::new();
    for line in entries.lines() {
        let title = line.strip_prefix("  title: ").map(str::trim);
        let locked = title.and_then(|title| lock.iter().find(|one| one["title"] == title));
        match (title, locked.and_then(|one| one["uuid"].as_str())) {
            (Some(title), Some(uuid)) => {
                text.push_str(&format!("  uuid: {uuid}   # an example: put the one of your `{title}` here\n"));
            }
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    Ok(text)
}

/// A lock with the entries of another whose titles it lacks, sorted as `relance templates pull` does; `None` = it has all.
fn with_locked(there: Option<&str>, ours: &str) -> anyhow::Result<Option<String>> {
    let unread = "cannot read `templates.lock.json`: run `relance templates pull`, or remove it";
    let mut list: Vec<Value> = serde_json::from_str(there.unwrap_or("[]")).context(unread)?;
    let ours: Vec<Value> = serde_json::from_str(ours)?;
    let missing: Vec<Value> =
        ours.into_iter().filter(|one| !list.iter().any(|other| other["title"] == one["title"])).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    list.extend(missing);
    list.sort_by(|one, other| one["title"].as_str().cmp(&other["title"].as_str()));
    Ok(Some(format!("{:#}\n", Value::from(list))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_added_once_and_keep_their_lines() {
        let there = "# ours\nreceipt: { title: A }\n";
        let wanted = "# theirs\nreceipt: { title: B }\nreminder:\n  title: C\n  values: [name]\n";
        assert_eq!(missing_entries(there, wanted), "reminder:\n  title: C\n  values: [name]\n");
        assert_eq!(missing_entries(&format!("{there}{wanted}"), wanted), "");
    }

    #[test]
    fn a_lock_gets_what_it_lacks_in_the_order_of_titles() {
        let lock = |titles: &[&str]| json!(titles.iter().map(|title| json!({ "title": title })).collect::<Vec<_>>());
        let (there, ours) = (lock(&["B"]).to_string(), lock(&["C", "A", "B"]).to_string());
        let joined = with_locked(Some(&there), &ours).unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&joined).unwrap(), lock(&["A", "B", "C"]));
        assert_eq!(with_locked(Some(&joined), &ours).unwrap(), None);
        assert!(with_locked(None, &ours).unwrap().is_some() && with_locked(Some("{"), &ours).is_err());
    }

    #[test]
    fn each_stands_in_every_language_and_says_what_it_is_for() {
        let names = |language| all(Some(language)).into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names("en").len(), 10);
        for language in LANGUAGES {
            assert_eq!(names(language), names("en"));
        }
        assert!(all(None).iter().all(|one| !one.title().is_empty() && one.about().ends_with('.')));
        assert_eq!((spoken("fr-CA"), spoken("de")), ("fr", "en"));
    }

    /// A sample that is there already is left as it is.
    #[test]
    fn those_of_a_language_and_the_first_workflow_have_one_sample_per_event() {
        for language in LANGUAGES {
            let mut samples = std::collections::BTreeMap::new();
            let first = super::super::first_workflow(language).into_iter();
            let files = first.chain(all(Some(language)).into_iter().flat_map(|one| one.files()));
            for (path, text) in files.filter(|(path, _)| path.contains("/samples/")) {
                assert_eq!(samples.entry(path.clone()).or_insert_with(|| text.clone()), &text, "{language} {path}");
            }
        }
    }
}
