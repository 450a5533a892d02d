//! Tidy: the rules of the code that no compiler knows. Layers, purity, sizes, the clock, what the repository may hold.
//!
//! What is read is the source as text, without comments and tests. An exception stands in a list here, with its reason.

use relance::workflow::diagnostic::{Diagnostic, Severity};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom, from the bottom to the top. `nouns` stands for all of them.
const NOUNS: &[&str] = &[
    "attachment",
    "call",
    "consent",
    "contact",
    "language",
    "message",
    "delivery",
    "personal",
    "relay",
    "rules",
    "run",
    "event",
    "clock",
];
const LAYERS: &[(&str, &[&str])] = &[
    ("attachment", &["nouns"]),
    ("call", &["nouns"]),
    ("consent", &["nouns"]),
    ("contact", &["nouns"]),
    ("language", &[]),
    ("message", &["nouns"]),
    ("delivery", &["nouns"]),
    ("personal", &[]),
    ("relay", &["nouns"]),
    ("rules", &[]),
    ("run", &["nouns"]),
    ("event", &["nouns"]),
    ("clock", &[]),
    ("config", &["nouns"]),
    ("expr", &["nouns"]),
    ("condition", &["expr", "nouns"]),
    ("trigger", &["condition", "expr", "config", "nouns"]),
    ("action", &["expr", "config", "nouns"]),
    ("workflow", &["trigger", "condition", "action", "expr", "config", "nouns"]),
    ("connector", &["config", "nouns"]),
    ("store", &["nouns"]),
    ("outbox", &["connector", "store", "config", "nouns"]),
    (
        "engine",
        &["outbox", "connector", "store", "workflow", "trigger", "condition", "action", "expr", "config", "nouns"],
    ),
    ("rehearsal", &["engine", "connector", "store", "workflow", "trigger", "condition", "expr", "config", "nouns"]),
    ("http", &["engine", "store", "connector", "workflow", "trigger", "expr", "config", "nouns"]),
    (
        "cli",
        &[
            "http",
            "rehearsal",
            "engine",
            "outbox",
            "connector",
            "store",
            "workflow",
            "trigger",
            "condition",
            "action",
            "expr",
            "config",
            "nouns",
        ],
    ),
];
/// Arrows against the layers, each with its reason.
const ARROWS: &[(&str, &str, &str)] = &[
    ("config", "workflow", "a project is its settings together with its checked workflows, and is handed over as one"),
    ("action", "workflow", "a step's texts are part of the checked model; its plan is made beside it, not inside"),
];

/// Files and folders where nothing happens but computing.
const PURE: &[&str] = &[
    "attachment.rs",
    "call.rs",
    "consent.rs",
    "contact.rs",
    "language.rs",
    "message.rs",
    "delivery.rs",
    "relay.rs",
    "rules.rs",
    "run",
    "event.rs",
    "condition.rs",
    "expr",
    "workflow",
    "trigger",
    "action",
    "outbox",
    "connector/wire",
    "connector/webhook",
    "connector/verdicts.rs",
    "connector/guard.rs",
    "engine/advance.rs",
    "engine/asking.rs",
    "engine/calendar.rs",
    "engine/calling.rs",
    "engine/evaluate.rs",
    "engine/person.rs",
    "engine/inbound.rs",
    "engine/unit",
    "engine/deployed.rs",
];
const IMPURE_WORDS: &[&str] = &[
    "async",
    "await",
    "tokio",
    "sqlx",
    "rusqlite",
    "reqwest",
    "axum",
    "SystemTime",
    "Instant",
    "std::fs",
    "std::net",
    "std::env",
    "rand",
];

/// Who asks a machine's clock or dice beside `clock.rs`, and why.
const CLOCK_ASKERS: &[(&str, &str)] = &[
    ("cli/dev/driver.rs", "how fast the movable clock runs ahead is measured in the machine's own time"),
    ("cli/send.rs", "a person's patience at the terminal, not the time of the project"),
    ("cli/trigger.rs", "a person's patience at the terminal, not the time of the project"),
];
const CLOCK_WORDS: &[&str] =
    &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "rand::", "Ulid::new", "TimeZone::system"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder, by its path relative to the project.
fn files(folder: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.insert(relative(&path), text);
            }
        }
    }
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/")
}

/// A file of `src` without its comments and its tests.
struct Source {
    /// Below `src/`.
    path: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/suite/");
    let rust = files("src").into_iter().filter(|(path, _)| path.ends_with(".rs") && !is_test(path));
    rust.map(|(path, text)| Source { path: path["src/".len()..].to_owned(), code: without_tests(&text) }).collect()
}

fn without_tests(text: &str) -> String {
    let kept = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    kept.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

impl Source {
    /// `engine` for `engine/mod.rs` and `engine/fire.rs`, `contact` for `contact.rs`.
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// The modules of this crate that it names.
    fn imports(&self) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        for after in self.code.split("crate::").skip(1) {
            match after.strip_prefix('{') {
                Some(group) => named.extend(heads_of(group)),
                None => named.extend(word_at(after)),
            }
        }
        named
    }

    /// Words of the code that are not part of a longer name.
    fn says(&self, word: &str) -> bool {
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        self.code.match_indices(word).any(|(at, _)| {
            let (before, after) = (&self.code[..at], &self.code[at + word.len()..]);
            !part(before.chars().next_back()) && (word.ends_with("::") || !part(after.chars().next()))
        })
    }
}

fn word_at(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// The first names of `use crate::{a::b, c::{d, e}}`.
fn heads_of(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut fresh) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && !c.is_whitespace() => {
                heads.extend(word_at(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn arrows_point_one_way() {
    let allowed = |from: &str, to: &str| {
        let layer = LAYERS.iter().find(|(name, _)| *name == from);
        let (_, below) = layer.unwrap_or_else(|| panic!("`{from}` has no layer: give it one"));
        let exception = ARROWS.iter().any(|(one, other, _)| (*one, *other) == (from, to));
        below.contains(&to) || (below.contains(&"nouns") && NOUNS.contains(&to)) || exception
    };
    let modules: BTreeSet<String> = sources().iter().map(|source| source.module().to_owned()).collect();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources() {
        let from = source.module();
        if matches!(from, "lib" | "main") {
            continue;
        }
        for to in source.imports().into_iter().filter(|to| to != from && modules.contains(to)) {
            if !allowed(from, &to) {
                wrong.push(format!("{} → {to}", source.path));
            }
            used.insert((from.to_owned(), to));
        }
    }
    assert!(wrong.is_empty(), "arrows against the layers: {wrong:#?}");
    let needless: Vec<_> =
        ARROWS.iter().filter(|(from, to, _)| !used.contains(&((*from).into(), (*to).into()))).collect();
    assert!(needless.is_empty(), "exceptions nobody needs any more: {needless:?}");
}

#[test]
fn the_core_only_computes() {
    let is_pure = |source: &&Source| {
        let inside = |place: &&&str| source.path == **place || source.path.starts_with(&format!("{place}/"));
        PURE.iter().find(inside).is_some()
    };
    let mut wrong = Vec::new();
    for source in sources().iter().filter(is_pure) {
        // Headers of a request are values.
        let source = Source { path: source.path.clone(), code: source.code.replace("axum::http::", "") };
        wrong.extend(
            IMPURE_WORDS.iter().filter(|word| source.says(word)).map(|word| format!("{}: {word}", source.path)),
        );
    }
    assert!(wrong.is_empty(), "not pure: {wrong:#?}");
    for place in PURE {
        assert!(root().join("src").join(place).exists(), "`{place}` is gone");
    }
}

#[test]
fn only_the_clock_asks_what_time_it_is() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.path != "clock.rs") {
        if CLOCK_ASKERS.iter().any(|(path, _)| *path == source.path) {
            continue;
        }
        wrong
            .extend(CLOCK_WORDS.iter().filter(|word| source.says(word)).map(|word| format!("{}: {word}", source.path)));
    }
    assert!(wrong.is_empty(), "asks a clock or dice: {wrong:#?}");
}

#[test]
fn what_commands_print_goes_one_way() {
    // `mod.rs` asks whether a terminal is there.
    let others =
        |source: &&Source| source.path.starts_with("cli/") && !["cli/out.rs", "cli/mod.rs"].contains(&&*source.path);
    let wrong: Vec<_> = sources()
        .iter()
        .filter(others)
        .filter(|source| source.says("stdout()"))
        .map(|source| source.path.clone())
        .collect();
    assert!(wrong.is_empty(), "not by `global.out()`: {wrong:#?}");
}

#[test]
fn every_file_says_first_what_it_is_for() {
    // A `tests.rs` belongs to the module beside it.
    let rust = files("src").into_iter().chain(files("tests/it"));
    let rust = rust.filter(|(path, _)| path.ends_with(".rs") && !path.ends_with("/tests.rs"));
    let silent: Vec<_> = rust.filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "without a module doc: {silent:#?}");
}

#[test]
fn files_stay_small() {
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/suite/");
    let (mut above, mut near) = (Vec::new(), Vec::new());
    for (path, text) in files("src").into_iter().filter(|(path, _)| path.ends_with(".rs") && !is_test(path)) {
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count();
        match lines {
            501.. => above.push(format!("{path}: {lines}")),
            301.. => near.push(format!("{path}: {lines}")),
            _ => {}
        }
    }
    eprintln!("above 300 lines, to be split by noun when they grow: {near:#?}");
    assert!(above.is_empty(), "above 500 lines: {above:#?}");
}

#[test]
fn nothing_unwraps_outside_tests() {
    let words = [".unwrap()", "todo!(", "unimplemented!(", "dbg!("];
    let found = |source: Source| {
        words
            .iter()
            .filter(|word| source.code.contains(**word))
            .map(|word| format!("{}: {word}", source.path))
            .collect::<Vec<_>>()
    };
    let found: Vec<_> = sources().into_iter().flat_map(found).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_test_file_is_part_of_the_binary() {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).unwrap();
    let names = files("tests/it").into_keys().filter_map(|path| {
        let name = path.strip_prefix("tests/it/")?.strip_suffix(".rs")?.to_owned();
        (name != "main" && !name.contains('/')).then_some(name)
    });
    let forgotten: Vec<_> = names.filter(|name| !main.contains(&format!("mod {name};"))).collect();
    assert!(forgotten.is_empty(), "never run: {forgotten:?}");
}

#[test]
fn statements_are_lower_case_and_live_in_the_store() {
    let shouting = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "CREATE TABLE"];
    let libraries = ["sqlx::", "rusqlite::"];
    let speaks = |source: &Source| libraries.iter().any(|library| source.code.contains(library));
    let outside = sources().into_iter().filter(|source| source.module() != "store" && speaks(source));
    assert_eq!(outside.map(|source| source.path).collect::<Vec<_>>(), [""; 0]);
    let texts = files("src/store").into_iter().chain(files("migrations"));
    let loud: Vec<_> = texts.filter(|(_, text)| shouting.iter().any(|word| text.contains(word))).collect();
    assert!(loud.is_empty(), "{:?}", loud.iter().map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn migrations_are_numbered_without_a_gap() {
    let names: Vec<String> = files("migrations").into_keys().collect();
    assert!(!names.is_empty());
    for (index, name) in names.iter().enumerate() {
        let name = name.strip_prefix("migrations/").unwrap();
        let (number, what) = name.strip_suffix(".sql").unwrap().split_once('_').unwrap();
        assert_eq!(number, format!("{:04}", index + 1), "{name}");
        assert!(what.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
    }
}

#[test]
fn the_example_projects_have_no_mistakes() {
    let projects = fs::read_dir(root().join("tests/projects")).unwrap().map(|entry| entry.unwrap().path());
    for project in projects.chain([root()]) {
        let files = relance::cli::project::read_files(&project).unwrap();
        let loaded = relance::workflow::load(&files);
        let grave = |one: &&Diagnostic| one.severity == Severity::Error || project == root();
        let mistakes: Vec<_> = loaded.diagnostics.iter().filter(grave).collect();
        assert!(mistakes.is_empty(), "{}: {mistakes:#?}", project.display());
        assert!(!loaded.project.unwrap().workflows.is_empty(), "{}", project.display());
    }
}

/// Every text that is handed on with the project.
fn everything() -> BTreeMap<String, String> {
    let folders = ["src", "tests", "workflows", "migrations", "benches", "deploy", "docs"];
    let mut all: BTreeMap<String, String> =
        folders.iter().filter(|folder| root().join(folder).is_dir()).flat_map(|folder| files(folder)).collect();
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        // In a worktree `.git` is a file that says where the repository is.
        if path.ends_with(".git") {
            continue;
        }
        if let Some(text) = path.is_file().then(|| fs::read_to_string(&path).ok()).flatten() {
            all.insert(relative(&path), text);
        }
    }
    all
}

#[test]
fn no_file_knows_where_it_was_written() {
    // In pieces, so that this file does not name them itself.
    let places =
        [["/wo", "rk/"], ["/ho", "me/"], ["/Us", "ers/"], ["/ro", "ot/"], ["C:", "\\"]].map(|parts| parts.concat());
    let mut wrong = Vec::new();
    for (path, text) in everything() {
        wrong.extend(
            places.iter().filter(|place| text.contains(place.as_str())).map(|place| format!("{path}: {place}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for file in ["rust-toolchain.toml", ".env"] {
        assert!(!root().join(file).exists(), "`{file}` belongs to one machine");
    }
    // How SQLite is compiled belongs to the project; registries, mirrors and linkers do not.
    let cargo: toml::Table = fs::read_to_string(root().join(".cargo/config.toml")).unwrap().parse().unwrap();
    assert_eq!(cargo.keys().collect::<Vec<_>>(), ["env"], "the rest of `.cargo/config.toml` belongs to one machine");
    assert_eq!(cargo["env"].as_table().unwrap().keys().collect::<Vec<_>>(), ["LIBSQLITE3_FLAGS"]);
}

#[test]
fn dependencies_are_the_ones_that_were_chosen() {
    let lock: toml::Table = fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let versions = |name: &str| -> Vec<String> {
        let named = packages.iter().filter(|package| text(package, "name").as_deref() == Some(name));
        named.filter_map(|package| text(package, "version")).collect()
    };
    // SQLite before 3.51.3 can lose commits.
    assert_eq!(versions("libsqlite3-sys"), ["0.37.0"]);
    assert_eq!(versions("ring").len(), 1, "one library of cryptography for TLS");
    for other in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"] {
        assert_eq!(versions(other), [""; 0], "{other}");
    }
    let sources: BTreeSet<String> = packages.iter().filter_map(|package| text(package, "source")).collect();
    let index = "registry+https://github.com/rust-lang/crates.io-index".to_owned();
    assert_eq!(sources, BTreeSet::from([index]), "every package comes from crates.io");
}
