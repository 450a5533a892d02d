//! Promise: every row of the security checklist has its tests, named in `tests/README.md`; here are those that belong to
//! no other file: secrets from files, links, licences, and what is handed out for deployment.

use crate::database::Database;
use crate::harness::{World, minutes};
use crate::process::{CALLBELL_TOKEN, RELANCE_TOKEN, Site, TILL_TOKEN};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

// --- the list --------------------------------------------------------------------------------------------------------

/// Row → names of its tests, as the table of `tests/README.md` says them: `it::pages::name`, `http::auth::name`.
fn listed() -> BTreeMap<String, Vec<String>> {
    let readme = read("tests/README.md");
    let rows = readme.lines().filter(|line| line.starts_with("| S"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let names = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cells[1].to_owned(), names)
    };
    rows.map(row).collect()
}

/// Files in which a test of this name may stand.
fn places(name: &str) -> [PathBuf; 3] {
    let (module, _) = name.rsplit_once("::").unwrap_or_else(|| panic!("`{name}` names no module"));
    let (top, module) = match module.strip_prefix("it::") {
        Some(module) => ("tests/it", module),
        None => ("src", module),
    };
    let path = root().join(top).join(module.replace("::", "/"));
    [path.with_extension("rs"), path.join("mod.rs"), path.join("tests.rs")]
}

#[test]
fn every_row_of_the_checklist_names_tests_that_exist() {
    let listed = listed();
    let rows: BTreeSet<String> = (1..=15).map(|n| format!("S{n}")).collect();
    assert_eq!(listed.keys().cloned().collect::<BTreeSet<_>>(), rows);
    let mut missing = Vec::new();
    for (row, names) in &listed {
        assert!(!names.is_empty(), "{row} names no test");
        for name in names {
            let definition = format!("fn {}(", name.rsplit("::").next().unwrap());
            let stands = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains(&definition));
            if !places(name).iter().any(stands) {
                missing.push(format!("{row}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "named, and not there: {missing:#?}");
}

// --- S4: secrets -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_server_takes_its_secrets_from_files_and_credentials_alone() {
    let mut site = Site::of("shop");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), format!("{text}\n")).unwrap();
    write("callbell", CALLBELL_TOKEN);
    write("RELANCE_TOKEN", RELANCE_TOKEN);
    write("relance_TILL_TOKEN", TILL_TOKEN);
    let _sandbox = site.sandbox().await;
    for name in ["CALLBELL_TOKEN", "RELANCE_TOKEN", "TILL_TOKEN"] {
        site.env.remove(name);
    }
    site.set("CALLBELL_TOKEN_FILE", folder.path().join("callbell").to_str().unwrap());
    site.set("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap());
    let state = site.path().join("elsewhere");
    site.set("RELANCE_STATE", state.to_str().unwrap());
    let _serve = site.serve().await;
    let order = json!({
        "order_id": "A-1", "order_number": "1", "total": 12, "currency": "EUR", "accepts_whatsapp": true,
        "customer": { "first_name": "Ana", "phone": "+34600000001" },
    });
    assert_eq!(site.post_order(&order).await.unwrap(), 200);
    site.drained().await;
    assert_eq!(site.messages().await.len(), 1, "the account's own token was shown");
    let log = site.serve_log();
    for secret in [CALLBELL_TOKEN, RELANCE_TOKEN, TILL_TOKEN] {
        assert!(!log.contains(secret));
    }
    assert!(state.join("relance.db").is_file() && !site.path().join(".relance").exists());
}

// --- S8, S10: nothing but constants is a statement, nothing but the project is read ----------------------------------

/// The library takes a `&'static str` as a statement, or this word of honour.
#[test]
fn only_the_dialect_vouches_for_a_statement() {
    let mut vouching = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Its tests fill tables and ask for plans.
                folders.extend(Some(path).filter(|path| !path.ends_with("suite")));
            } else if fs::read_to_string(&path).is_ok_and(|text| text.contains("AssertSqlSafe")) {
                vouching.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    assert_eq!(vouching, ["src/store/dialect.rs"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_list_of_people_that_became_a_link_out_of_the_project_is_not_read() {
    let workflow = "
        name: Weekly
        purpose: utility
        when: { schedule: every day at 13:00 }
        audience: { file: audiences/members.csv }
        contact: { phone: '{{event.phone}}' }
        do:
          - send_message: { text: Hello, template: hello }
    ";
    let mut world = World::on(Database::sqlite())
        .template("hello", "Hello", &[])
        .workflow("weekly", workflow)
        .audience("members.csv", "phone\n+33612340001\n")
        .start()
        .await;
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), "phone\n+33612340002\n").unwrap();
    let place = world.media_folder().parent().unwrap().join("workflows/audiences/members.csv");
    fs::remove_file(&place).unwrap();
    std::os::unix::fs::symlink(outside.path(), &place).unwrap();
    world.advance(minutes(90)).await;
    assert!(world.messages().is_empty(), "nobody of a foreign file is written to");
    let firings =
        world.execute("update firing set reason = reason where reason like '%leads out of the project'").await;
    assert_eq!(firings, 1, "a person is asked");
    world.restart().await;
}

// --- S12: workflow → workflow ----------------------------------------------------------------------------------------

#[test]
fn a_workflow_cannot_start_another_one() {
    let workflow = "\
name: Chain
when: { webhook: order.paid }
contact: { phone: \"{{event.phone}}\" }
do:
  - start_workflow: { workflow: chain }
";
    let files = [
        ("relance.yaml", "version: 1\nname: Shop\nsettings: { timezone: Europe/Paris }\n"),
        ("workflows/chain.yaml", workflow),
        ("workflows/samples/order.paid.json", r#"{"phone":"+33612340001"}"#),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    let loaded = relance::workflow::load(&files);
    let told = loaded.diagnostics.iter().find(|one| one.code == "R206").expect("the key of a later release is refused");
    assert!(told.message.contains("start_workflow"), "{}", told.message);
}

// --- S14: the process, its image, its crates -------------------------------------------------------------------------

/// `Key=value` lines of a unit, by key.
fn unit(path: &str) -> BTreeMap<String, Vec<String>> {
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in read(path).lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='))
    {
        settings.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    settings
}

#[test]
fn the_units_leave_a_server_nothing_that_it_does_not_need() {
    for path in ["deploy/relance.service", "deploy/relance@.service"] {
        let settings = unit(path);
        let is = |key: &str, value: &str| {
            assert_eq!(settings.get(key).map(Vec::as_slice), Some(&[value.to_owned()][..]), "{path}: {key}");
        };
        let yes = "DynamicUser NoNewPrivileges ProtectHome PrivateTmp PrivateDevices ProtectKernelTunables \
            ProtectKernelModules ProtectControlGroups RestrictNamespaces RestrictSUIDSGID LockPersonality \
            MemoryDenyWriteExecute";
        yes.split_whitespace().for_each(|key| is(key, "yes"));
        is("ProtectSystem", "strict");
        is("LimitCORE", "0");
        is("CapabilityBoundingSet", "");
        assert!(settings.contains_key("LoadCredential") && settings.contains_key("SystemCallFilter"), "{path}");
        let variables = &settings["Environment"];
        for secret in ["CALLBELL_TOKEN", "RELANCE_TOKEN", "RELANCE_DATABASE_URL"] {
            assert!(!variables.iter().any(|variable| variable.contains(secret)), "{path}: {secret}");
        }
    }
}

#[test]
fn the_image_has_no_root_and_the_set_up_of_several_servers_gives_none_away() {
    let image = read("deploy/Dockerfile");
    assert!(image.contains("\nFROM scratch\n") && image.contains("\nUSER 65532:65532\n"), "{image}");
    assert!(image.contains("--locked"), "what was tested is what is built");
    let set_up = read("deploy/compose.yaml");
    let server = set_up.split("\nservices:").next().unwrap();
    for line in ["read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "core: 0", "user: \"65532:65532\""] {
        assert!(server.contains(line), "{line}");
    }
    assert!(!set_up.contains("privileged") && !set_up.contains("docker.sock"));
    // What the files speak of is there, and known to the server by these names.
    for file in ["deploy/balancer.conf", "deploy/Dockerfile"] {
        assert!(root().join(file).is_file(), "{file}");
        assert!(set_up.contains(Path::new(file).file_name().unwrap().to_str().unwrap()), "{file}");
    }
}

/// The crates that are built on this machine, with their licences.
fn crates() -> Vec<(String, String)> {
    let run = |command: &mut Command| {
        let said = command.current_dir(root()).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    };
    let about = run(Command::new(env::var_os("RUSTC").unwrap_or("rustc".into())).arg("-vV"));
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--locked", "--format-version=1", "--filter-platform", &host]);
    let metadata: serde_json::Value = serde_json::from_str(&run(&mut metadata)).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (text(&package["name"]), text(&package["license"]))).collect()
}

/// `(A OR B) AND C`, with `/` as the old way to write `OR`.
fn is_allowed(license: &str, allowed: &BTreeSet<&str>) -> bool {
    let one = |part: &str| part.split(" OR ").any(|name| allowed.contains(name.trim_matches(['(', ')', ' '])));
    license.replace('/', " OR ").split(" AND ").all(one)
}

#[test]
fn every_crate_has_a_licence_of_the_list_and_none_is_banned() {
    let rules: toml::Table = read("deny.toml").parse().unwrap();
    let allowed = rules["licenses"]["allow"].as_array().unwrap();
    let allowed: BTreeSet<&str> = allowed.iter().filter_map(toml::Value::as_str).collect();
    let denied = rules["bans"]["deny"].as_array().unwrap();
    let denied: BTreeSet<&str> = denied.iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0", &allowed) && is_allowed("GPL-3.0/MIT", &allowed));
    assert!(!is_allowed("MIT AND GPL-3.0", &allowed) && !is_allowed("", &allowed));
    let crates = crates();
    assert!(crates.len() > 100, "{}", crates.len());
    let foreign: Vec<_> = crates.iter().filter(|(_, license)| !is_allowed(license, &allowed)).collect();
    assert!(foreign.is_empty(), "licences not on the list: {foreign:?}");
    let banned: Vec<_> = crates.iter().filter(|(name, _)| denied.contains(name.as_str())).collect();
    assert!(banned.is_empty(), "{banned:?}");
}

// --- S15: the trail --------------------------------------------------------------------------------------------------

#[test]
fn what_people_did_and_allowed_is_only_ever_added_to() {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("src/store")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        for table in ["audit", "consent"] {
            for verb in ["update", "delete from"] {
                let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
                if words.contains(&format!("{verb} {table} ")) {
                    wrong.push(format!("{}: {verb} {table}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
