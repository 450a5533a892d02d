//! What `--json` prints is what `relance schema --output` says: every command is run, and what it printed is held against
//! its schema by the validator of editors, with no key allowed that the schema does not name.

use crate::database::Database;
use crate::editor::{Desk, validate};
use crate::process::{Said, Site, eventually, list};
use jiff::{ToSpan as _, Unit, Zoned};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

const ANA: &str = "+34600000001";

/// What was printed so far.
#[derive(Default)]
struct Ledger {
    printed: Vec<(String, Value)>,
}

impl Ledger {
    /// What a command printed, an object or several; the first of them.
    fn keep(&mut self, args: &[&str], said: &Said) -> Value {
        let words = if args.len() > 1 && !args[1].starts_with("--") && shape(&args[..2]).is_some() {
            &args[..2]
        } else {
            &args[..1]
        };
        let printed: Vec<Value> = serde_json::Deserializer::from_str(&said.stdout)
            .into_iter()
            .map(|value| value.unwrap_or_else(|error| panic!("{args:?}: {error}: {said:?}")))
            .collect();
        assert!(!printed.is_empty(), "{args:?} printed nothing: {said:?}");
        self.printed.extend(printed.iter().map(|value| (words.join(" "), value.clone())));
        printed[0].clone()
    }

    /// Of a command that fails: nothing but an error as the last line of stderr.
    fn keep_error(&mut self, args: &[&str], said: &Said, exit: i32) {
        assert_eq!((said.code, said.stdout.as_str()), (exit, ""), "{args:?}: {said:?}");
        let last = said.stderr.lines().last().unwrap();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{args:?}: {said:?}"));
        assert_eq!(error["exit"], exit);
        self.printed.push(("error".to_owned(), error));
    }

    async fn on(&mut self, site: &Site, args: &[&str]) -> Value {
        let said = site.run(&[args, &["--json"]].concat()).await;
        self.keep(args, &said)
    }

    fn at(&mut self, desk: &Desk, args: &[&str]) -> Value {
        self.keep(args, &desk.run(&[args, &["--json"]].concat()))
    }

    /// What is wrong with what was printed, and the commands that printed something.
    fn judged(&self) -> (Vec<String>, BTreeSet<String>) {
        let commands: BTreeSet<String> = self.printed.iter().map(|(command, _)| command.clone()).collect();
        let schemas = commands.iter().map(|command| {
            let words: Vec<&str> = command.split(' ').collect();
            let mut schema = shape(&words).unwrap_or_else(|| panic!("no schema of {command}"));
            close(&mut schema);
            (command.clone(), schema)
        });
        let schemas: serde_json::Map<String, Value> = schemas.collect();
        let file = |(at, (command, value)): (usize, &(String, Value))| json!({ "schema": command, "path": format!("{command} {at}"), "text": value.to_string() });
        let files: Vec<Value> = self.printed.iter().enumerate().map(file).collect();
        let wrong = validate(&json!({ "schemas": schemas, "files": files }));
        (
            wrong
                .into_iter()
                .flat_map(|(path, wrong)| wrong.into_iter().map(move |one| format!("{path}: {one}")))
                .collect(),
            commands,
        )
    }
}

/// The schema of what a command prints, if it has one.
fn shape(words: &[&str]) -> Option<Value> {
    let said = Desk::empty().run(&[&["schema", "--output"], words].concat());
    (said.code == 0).then(|| serde_json::from_str(&said.stdout).unwrap())
}

/// Objects take no key that they do not name, unless their keys are data.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(part) => {
            if part.contains_key("properties") {
                part.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            part.values_mut().for_each(close);
        }
        Value::Array(parts) => parts.iter_mut().for_each(close),
        _ => {}
    }
}

fn order(n: u32, first_name: Value) -> String {
    json!({ "order_id": format!("A-{n}"), "order_number": n, "total": 129.9, "currency": "EUR", "accepts_whatsapp": true,
        "customer": { "first_name": first_name, "phone": ANA } })
    .to_string()
}

/// A folder without a server: what is told of files.
fn files(ledger: &mut Ledger) {
    let desk = Desk::empty();
    ledger.at(&desk, &["init", "--from"]);
    ledger.at(&desk, &["init", "--from", "order"]);
    ledger.at(&desk, &["schema"]);
    ledger.at(&desk, &["schema", "--write"]);
    ledger.at(&desk, &["schema", "--output"]);
    ledger.at(&desk, &["check", "--offline"]);
    ledger.at(&desk, &["test"]);
    ledger.at(&desk, &["fmt", "--check"]);
    ledger.at(&desk, &["explain", "R102"]);
    let workflow = fs::read_dir(desk.path("workflows")).unwrap().find_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".yaml").filter(|name| !name.contains('.')).map(str::to_owned)
    });
    let workflow = workflow.unwrap();
    ledger.at(&desk, &["explain", &workflow]);
    let previews = ledger.at(&desk, &["preview", &workflow]);
    assert!(!list(&previews["previews"][0]["messages"]).is_empty(), "{previews}");
    let birthday = "name: Birthday\npurpose: service\nwhen: { schedule: every day at 09:00 }\n\
        contact: { phone: \"+34600000001\" }\ndo:\n  - send_message: { text: Hello }\n";
    fs::write(desk.path("workflows/birthday.yaml"), birthday).unwrap();
    assert_eq!(list(&ledger.at(&desk, &["schedule"])["schedules"]).len(), 1);
    let test = fs::read_dir(desk.path("workflows")).unwrap().map(|entry| entry.unwrap().path());
    let test = test.into_iter().find(|path| path.to_string_lossy().ends_with(".test.yaml")).unwrap();
    let text = fs::read_to_string(&test).unwrap();
    fs::write(&test, text.replacen("text:", "text: never in it #", 1).replacen("template:", "template: # ", 1))
        .unwrap();
    ledger.at(&desk, &["test"]);
    fs::write(&test, text).unwrap();

    // Mistakes keep commands from their work: they print what `check` prints.
    let broken =
        fs::read_to_string(desk.path(&format!("workflows/{workflow}.yaml"))).unwrap().replacen("do:", "doo:", 1);
    fs::write(desk.path(&format!("workflows/{workflow}.yaml")), broken).unwrap();
    for args in [
        &["check", "--offline"][..],
        &["check", "--offline", "--fix", "--diff"],
        &["test"],
        &["preview", &workflow],
        &["explain", &workflow],
    ] {
        let told = ledger.at(&desk, args);
        assert!(told["diagnostics"].is_array(), "{args:?}: {told}");
    }
    fs::write(desk.path("relance.yaml"), "version: [\n").unwrap();
    assert!(ledger.at(&desk, &["schedule"])["diagnostics"].is_array());
    for (args, exit) in [
        (&["explain", "R000", "--json"][..], 2),
        (&["runs", "lst", "--json"], 2),
        (&["trigger", "--json"], 2),
        (&["serve", "--json"], 2),
        (&["man", "x", "--json"], 2),
        (&["doctor", "--json", "--url"], 2),
        (&["schema", "--json", "-C", "nowhere"], 2),
    ] {
        ledger.keep_error(args, &desk.run(args), exit);
    }
}

/// A long list, fired in the minute that is now when the server's clock is moved; a run that waits.
fn set_up(site: &Site) {
    let at = Zoned::now().in_tz("Europe/Madrid").unwrap().checked_add(15.minutes()).unwrap();
    let at = at.round(Unit::Minute).unwrap().strftime("%H:%M").to_string();
    let workflow = format!(
        "name: Weekly class\npurpose: utility\nwhen: {{ schedule: every day at {at} }}\n\
         audience: {{ file: audiences/members.csv }}\nif: event.first_name == 'nobody'\ndo:\n  - stop: 'no'\n"
    );
    site.write("workflows/weekly_class.yaml", &workflow);
    let rows = (0..60_000).fold(String::from("phone,first_name\n12,Bad\n"), |mut text, row| {
        writeln!(text, "+346{row:08},Nora").unwrap();
        text
    });
    site.write("workflows/audiences/members.csv", &rows);
    let slow = "name: Slow\npurpose: service\nwhen: { webhook: order.slow }\ncontact: { phone: \"{{event.phone}}\" }\n\
        do:\n  - wait: 1d\n";
    site.write("workflows/slow.yaml", slow);
    site.write("people.csv", "phone,first_name,consent\n+34600000003,Bea,yes\n12,Bad,\n");
}

async fn campaigns(ledger: &mut Ledger, site: &Site) {
    let campaign = eventually("the campaign", async || {
        site.api("campaigns").await["campaigns"].as_array()?.first()?["id"].as_str().map(str::to_owned)
    })
    .await;
    ledger.on(site, &["campaigns", "pause", &campaign]).await;
    assert_eq!(list(&ledger.on(site, &["campaigns", "list"]).await["campaigns"]).len(), 1);
    ledger.on(site, &["campaigns", "show", &campaign]).await;
    ledger.on(site, &["campaigns", "resume", &campaign]).await;
    ledger.on(site, &["campaigns", "cancel", &campaign]).await;
}

async fn runs(ledger: &mut Ledger, site: &Site) {
    let paid = ["trigger", "order.paid", "--wait", "--data", &order(1, json!("Ana"))];
    let run = ledger.on(site, &paid).await["run"]["id"].as_str().unwrap().to_owned();
    ledger.on(site, &["trigger", "order.paid", "--data", &order(1, json!("Ana"))]).await;
    ledger.on(site, &["runs", "list"]).await;
    let shown = ledger.on(site, &["runs", "show", &run]).await;
    assert!(!list(&shown["deliveries"][0]["attempts"]).is_empty(), "{shown}");
    ledger.on(site, &["runs", "replay", &run]).await;
    ledger.on(site, &["why", ANA]).await;
    let slow = ledger.on(site, &["trigger", "order.slow", "--with", "phone=+34600000001"]).await;
    let slow = slow["evaluations"][0]["run"].as_str().unwrap().to_owned();
    ledger.on(site, &["runs", "pause", &slow]).await;
    ledger.on(site, &["runs", "resume", &slow]).await;
    let mut failed = Vec::new();
    for n in 2..=4 {
        let told = ledger.on(site, &["trigger", "order.paid", "--data", &order(n, Value::Null)]).await;
        failed.push(told["evaluations"][0]["run"].as_str().unwrap().to_owned());
    }
    let causes = ledger.on(site, &["runs", "attention"]).await;
    ledger.on(site, &["runs", "retry", &failed[0]]).await;
    ledger.on(site, &["runs", "skip", &failed[1]]).await;
    let key = causes["causes"][0]["key"].as_str().unwrap();
    assert_eq!(ledger.on(site, &["runs", "cancel", "--cause", key]).await["done"], 2);
    ledger.on(site, &["runs", "redrive", &failed[0]]).await;
    let nobody = ["runs", "show", "nobody", "--json"];
    ledger.keep_error(&nobody, &site.run(&nobody).await, 4);
}

async fn people(ledger: &mut Ledger, site: &Site) {
    let file = site.path().join("people.csv");
    ledger.on(site, &["contacts", "import", file.to_str().unwrap()]).await;
    ledger.on(site, &["contacts", "withdraw", ANA, "--marketing"]).await;
    ledger.on(site, &["contacts", "show", ANA]).await;
    ledger.on(site, &["contacts", "withdraw", "+34600000077"]).await;
    ledger.on(site, &["contacts", "show", "+34600000077"]).await;
    let late = ["send", "+34600000077", "--template", "weekly_class", "--opted-in", "--wait"];
    let values = ["--value", "first_name=Ana", "--value", "class=Yoga"];
    let refused = ledger.on(site, &[&late[..], &values].concat()).await;
    assert_eq!(refused["message"]["reason"], "opted_out", "{refused}");
    ledger.on(site, &["contacts", "allow", ANA]).await;
    let held = ledger.on(site, &["contacts", "export", ANA]).await;
    for part in ["runs", "messages", "events", "consents"] {
        assert!(!list(&held[part]).is_empty(), "{part}: {held:#}");
    }
    ledger.on(site, &["contacts", "forget", "--yes", ANA]).await;
}

async fn account(ledger: &mut Ledger, site: &Site) {
    ledger.on(site, &["webhooks", "connect", "--yes"]).await;
    site.customer_writes("+34600000009", "hello").await;
    assert!(!list(&ledger.on(site, &["webhooks", "list"]).await["events"]).is_empty());
    ledger.on(site, &["webhooks", "test"]).await;
    ledger.on(site, &["webhooks", "record", "order.paid", "--as", "recorded"]).await;
    ledger.on(site, &["send", "+34600000009", "--text", "Hi"]).await;
    let lock = fs::read_to_string(site.path().join("templates.lock.json")).unwrap();
    site.write("templates.lock.json", &lock.replacen("\"utility\"", "\"marketing\"", 1));
    assert!(!list(&ledger.on(site, &["templates", "lint"]).await["findings"]).is_empty());
    assert!(!list(&ledger.on(site, &["templates", "pull"]).await["changes"]).is_empty());
    ledger.on(site, &["templates", "list"]).await;
    ledger.on(site, &["templates", "show", "order_paid"]).await;
    ledger.on(site, &["channels", "list"]).await;
    ledger.on(site, &["doctor"]).await;
    let workflow = fs::read_to_string(site.path().join("workflows/slow.yaml")).unwrap();
    site.write("workflows/slow.yaml", &workflow.replace("1d", "2d"));
    assert!(!list(&ledger.on(site, &["diff"]).await["files"]).is_empty());
    let copy = site.path().join("copy.db");
    ledger.on(site, &["backup", copy.to_str().unwrap()]).await;
}

#[tokio::test]
async fn what_each_command_prints_as_json_is_what_its_schema_says_and_no_more() {
    let mut ledger = Ledger::default();
    files(&mut ledger);
    let mut site = Site::of("shop");
    set_up(&site);
    let mut first = site.serve().await;
    first.signal("TERM");
    assert_eq!(first.ended().await, 0);
    site.set("RELANCE_CLOCK_OFFSET", "+16m");
    let port = site.port;
    site.set("RELANCE_PUBLIC_URL", format!("http://127.0.0.1:{port}"));
    let (_sandbox, mut serve) = (site.sandbox().await, site.serve().await);
    campaigns(&mut ledger, &site).await;
    runs(&mut ledger, &site).await;
    account(&mut ledger, &site).await;
    people(&mut ledger, &site).await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    let database = Database::postgres();
    site.set("RELANCE_DATABASE_URL", &database.url);
    assert!(ledger.on(&site, &["migrate"]).await["rows"].as_i64().unwrap() > 10);
    let (wrong, commands) = ledger.judged();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let listed: Value = serde_json::from_str(&Desk::empty().run(&["schema", "--output", "--json"]).stdout).unwrap();
    let listed: BTreeSet<String> =
        list(&listed["outputs"]).iter().map(|one| one["command"].as_str().unwrap().to_owned()).collect();
    assert_eq!(commands, listed, "each was run");
    // What is not written down is found, wherever it stands.
    let mut more = ledger.printed.iter().find(|(command, _)| command == "runs show").unwrap().1.clone();
    more["deliveries"][0]["attempts"][0]["more"] = json!(1);
    let (wrong, _) = Ledger { printed: vec![("runs show".to_owned(), more)] }.judged();
    assert!(wrong.iter().any(|one| one.contains("attempts/0") && one.contains("more")), "{wrong:?}");
}
