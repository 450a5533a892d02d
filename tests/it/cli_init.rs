//! `relance init` as somebody meets it who has nothing yet: an empty folder, and a minute later a run.

use crate::editor::Desk;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `relance dev` of a folder, ended by its id.
struct Dev(Child);

impl Dev {
    /// It, and the address of its page.
    fn of(desk: &Desk) -> (Self, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
        command.current_dir(desk.0.path()).args(["dev", "--no-open", "--port", "0"]);
        let mut child = command.env_clear().stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.by_ref().find_map(|line| line.strip_prefix("page: ").map(str::to_owned)).unwrap();
        // Somebody has to read on, else it waits to be heard.
        std::thread::spawn(move || lines.for_each(drop));
        (Self(child), address)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every file below a folder, hidden ones as well.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn an_empty_folder_becomes_a_project_without_a_mistake_that_sends_in_dev() {
    let desk = Desk::empty();
    let said = desk.run(&["init", "my_shop"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
    assert!(
        said.stderr.contains("written: workflows/order_paid.yaml") && said.stderr.contains("-C my_shop dev"),
        "{said:?}"
    );
    let project = desk.read("my_shop/relance.yaml");
    for line in ["name: my shop", "  timezone: Europe/Paris", "phone_region: FR"] {
        assert!(project.lines().any(|written| written.starts_with(line)), "{line}:\n{project}");
    }
    assert_eq!(desk.read("my_shop/.gitignore"), ".relance/\n.env\n");
    assert!(!said.stderr.contains(".gitignore` should") && !said.stderr.contains("time zone"), "{}", said.stderr);
    let bare = desk.run_in("UTC", &["init", "bare"]);
    assert!(bare.stderr.contains("hint: the time zone is `"), "dates would be an hour or two off: {bare:?}");
    let check = desk.run(&["-C", "my_shop", "check", "--strict"]);
    assert!(check.code == 0 && check.stdout.ends_with(" files, no mistakes\n"), "{check:?}");

    let desk = Desk::empty();
    assert_eq!(desk.run(&["init"]).code, 0);
    let (_dev, address) = Dev::of(&desk);
    let run = desk.run(&[
        "trigger",
        "order.paid",
        "--sample",
        "--with",
        "total=12.5",
        "--wait",
        "--json",
        "--url",
        address.trim_end_matches('/'),
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(told["run"]["state"], "done", "{told}");
    assert_eq!(told["deliveries"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["deliveries"][0]["state"], "accepted", "{told}");
}

#[test]
fn a_first_workflow_in_french_sends_in_dev_as_well() {
    let desk = Desk::empty();
    let said = desk.run(&["init", "--yes", "--language", "fr"]);
    assert!(said.code == 0 && said.stderr.contains("written: workflows/commande_payee.yaml"), "{said:?}");
    assert!(desk.read("relance.yaml").contains("\nlanguage: fr "), "{}", desk.read("relance.yaml"));
    let check = desk.run(&["check", "--strict"]);
    assert!(check.code == 0 && check.stdout.ends_with(" files, no mistakes\n"), "{check:?}");
    let (_dev, address) = Dev::of(&desk);
    let url = ["--url", address.trim_end_matches('/')];
    let typo = ["trigger", "order.paid", "--sample", "--with", "customer.phon=1", "--with", "total=12.5", "--wait"];
    let said = desk.run(&[&typo[..], &url].concat());
    assert!(said.code == 0 && said.stdout.contains("  done\n"), "{said:?}");
    let warned = "warning: the sample has no `customer.phon`: did you mean `customer.phone`?";
    assert!(said.stderr.contains(warned) && !said.stderr.contains("`total`"), "{said:?}");
    // The same order once more, and one that is not for it, are answers like any other.
    for with in ["total=12.5", "total=0"] {
        let again = desk.run(&[&["trigger", "order.paid", "--sample", "--with", with, "--wait"][..], &url].concat());
        assert!(again.code == 0 && again.stdout.contains("skipped"), "{again:?}");
    }
    let runs: Value =
        serde_json::from_str(&desk.run(&[&["runs", "list", "--json"][..], &url].concat()).stdout).unwrap();
    let run = runs["runs"][0]["id"].as_str().unwrap();
    let shown = desk.run(&[&["runs", "show", run, "--language", "fr"][..], &url].concat());
    for part in ["  terminée\n", "  envoyé comme texte  [étape 1]\n", "  accepté  texte"] {
        assert!(shown.stdout.contains(part), "`{part}` is missing: {shown:?}");
    }
    // Times are the project's, without a fraction of a second.
    assert_eq!(runs["zone"], "Europe/Paris");
    let json = desk.run(&[&["runs", "show", run, "--json"][..], &url].concat());
    let sent = &serde_json::from_str::<Value>(&json.stdout).unwrap()["trace"][0];
    let at: jiff::Timestamp = sent["at"].as_str().unwrap().parse().unwrap();
    let line = at.in_tz("Europe/Paris").unwrap().strftime("  %Y-%m-%d %H:%M:%S  envoyé comme texte  [étape 1]\n");
    assert!(sent["step"] == "0" && shown.stdout.contains(&line.to_string()), "{line}: {shown:?}");
}

/// What dev's account has is what the project names: templates by uuid without a lock file, and teams and tags that come
/// while it runs.
#[test]
fn what_a_project_names_is_in_the_account_of_dev_at_once_and_after_each_change() {
    let desk = Desk::empty();
    assert_eq!(desk.run(&["init", "--yes"]).code, 0);
    fs::write(desk.path("templates.yaml"), "hello: { uuid: u-1, category: utility, values: [first_name] }\n").unwrap();
    let (_dev, address) = Dev::of(&desk);
    let url = ["--url", address.trim_end_matches('/')];
    let send = ["send", "+33612340001", "--template", "hello", "--value", "first_name=Ana", "--opted-in", "--wait"];
    let sent = desk.run(&[&send[..], &url].concat());
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(desk.run(&[&["contacts", "withdraw", "+33612340009"][..], &url].concat()).code, 0);
    let shown = desk.run(&[&["contacts", "show", "+33612340009"][..], &url].concat());
    assert!(shown.stdout.contains("said by an operator (dev)"), "{shown:?}");

    let later = "name: Later\npurpose: utility\nwhen: { webhook: later }\n\
                 contact: { phone: '{{event.phone}}', consent: event.ok == true }\ndo:\n  \
                 - update_contact: { add_tags: [brand_new], team: Night shift }\n  \
                 - send_message: { template: bye, values: { first_name: Ana }, team: Night shift }\n";
    fs::write(desk.path("workflows/later.yaml"), later).unwrap();
    let both = "hello: { uuid: u-1, category: utility, values: [first_name] }\n\
                bye: { uuid: u-2, category: utility, values: [first_name], text: 'Bye {{1}}' }\n";
    fs::write(desk.path("templates.yaml"), both).unwrap();
    let data = r#"{ "phone": "+33612340001", "ok": true }"#;
    let ask = || desk.run(&[&["trigger", "later", "--data", data, "--wait"][..], &url].concat());
    // Until the files are read again nobody listens to it.
    let end = std::time::Instant::now() + crate::process::PATIENCE;
    let said = std::iter::repeat_with(ask).find(|said| said.stdout.contains("run ") || end < std::time::Instant::now());
    let said = said.unwrap();
    assert!(said.code == 0 && said.stdout.contains("sent as template  [step 2]"), "{said:?}");
    assert!(said.stdout.contains("update_contact") && said.stdout.contains("  [step 1]"), "{said:?}");
}

#[test]
fn hints_name_what_the_project_has() {
    let desk = Desk::empty();
    assert_eq!(desk.run(&["init", "--yes"]).code, 0);
    let quote = "name: Quote\npurpose: utility\nwhen: { webhook: quote.sent }\ncontact: { phone: '{{event.phone}}' }\ndo:\n  \
                 - wait: 3d\n  - send_message: { template: quote_reminder }\n";
    fs::write(desk.path("workflows/quote.yaml"), quote).unwrap();
    let sample = r#"{ "phone": "+33612340001", "valid": "2026-06-03", "quote_id": "Q-1", "number": 3 }"#;
    fs::write(desk.path("workflows/samples/quote.sent.json"), sample).unwrap();
    let said = desk.run(&["check"]);
    for hint in ["such as `once_per: event.quote_id`", "`quote_reminder: { uuid: …, values: […] }`"] {
        assert!(said.stdout.contains(hint), "`{hint}` is missing: {said:?}");
    }
}

#[test]
fn nothing_that_is_there_is_written_over() {
    let desk = Desk::empty();
    fs::write(desk.path(".gitignore"), "mine\n").unwrap();
    assert_eq!(desk.run(&["init", "--yes"]).code, 0);
    assert_eq!(desk.read(".gitignore"), "mine\n");
    fs::write(desk.path("workflows/order_paid.yaml"), "name: Mine\n").unwrap();
    let before = files(desk.0.path());
    let again = desk.run(&["init", "--yes"]);
    assert_eq!(files(desk.0.path()), before);
    for path in ["templates.yaml", ".env.example", ".vscode/settings.json"] {
        assert!(again.stderr.contains(&format!("left as it is: {path}")), "{again:?}");
    }
    assert!(again.stderr.contains("`.gitignore` should hold") && again.code == 1, "its mistakes are told: {again:?}");
}

/// A shop's own sample and template have the names of the blueprint's, and other contents.
#[test]
fn what_a_blueprint_finds_in_its_place_is_kept_and_told_with_what_differs() {
    let desk = Desk::empty();
    assert_eq!(desk.run(&["init", "--yes"]).code, 0);
    assert_eq!(desk.run(&["init", "fresh", "--yes", "--from", "order"]).code, 0);
    let theirs: Value = serde_json::from_str(&desk.read("fresh/workflows/samples/order.paid.json")).unwrap();
    let sample = |change: &dyn Fn(&mut Value)| {
        let mut sample = theirs.clone();
        change(&mut sample);
        fs::write(desk.path("workflows/samples/order.paid.json"), sample.to_string()).unwrap();
        for file in ["workflows/order.yaml", "workflows/order.test.yaml"] {
            let _ = fs::remove_file(desk.path(file));
        }
        let said = desk.run(&["init", "--from", "order"]);
        assert_eq!(desk.read("workflows/samples/order.paid.json"), sample.to_string(), "it is the user's");
        said
    };
    // The same, written in another way.
    let same = sample(&|_| {});
    assert!(same.code == 0 && !same.stderr.contains("was there before"), "{same:?}");
    let other = sample(&|sample| sample["order_number"] = "7".into());
    assert!(other.stderr.contains("was there before and has another value for `order_number`\n"), "{other:?}");
    let played = desk.run(&["test", "order"]);
    let failed = played.stdout.lines().find(|line| line.ends_with(" failed")).unwrap();
    let (failed, all) = failed.strip_suffix(" tests failed").and_then(|line| line.split_once(" of ")).unwrap();
    let told = format!("warning: of {all} tests of the blueprint {failed} fail with what was kept\n");
    assert!(other.stderr.contains(&told), "{told}{other:?}");

    let catalogue =
        desk.read("templates.yaml").replacen("values: [first_name, order_number, total]", "values: [name]", 1);
    fs::write(desk.path("templates.yaml"), &catalogue).unwrap();
    let less = sample(&|sample| drop(sample.as_object_mut().unwrap().remove("delivery")));
    assert_eq!(desk.read("templates.yaml"), catalogue);
    for told in [
        "`workflows/samples/order.paid.json` was there before and lacks `delivery`\n",
        "`templates.yaml` was there before and has another `order_confirmed`: its values are `name`, the blueprint's `first_name`, `order_number`, `total`\n",
        "warning: its tests cannot be played before the mistakes below are mended\n",
    ] {
        assert!(less.code == 1 && less.stderr.contains(told), "{told}: {less:?}");
    }
}

const CALLS_OUT: &str = "name: Booked
purpose: utility
when: { webhook: booked }
contact: { phone: '+33600000001' }
do:
  - http_request: { method: POST, url: 'http://HERE/seats', json: { seat: 7 } }
  - http_request:
      method: PUT
      url: 'https://crm.example.com/people/{{event.id}}'
      query: { key: '{{secret.CRM_KEY}}' }
      headers: { Authorization: 'Bearer {{secret.CRM_KEY}}' }
  - send_message: { text: 'Booked', outside_window: skip }
";

#[test]
fn dev_calls_what_stands_on_this_machine_and_answers_in_the_place_of_every_other_system() {
    let desk = Desk::empty();
    assert_eq!(desk.run(&["init"]).code, 0);
    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    let hosts = "\nallow_hosts: ['127.0.0.1', crm.example.com]\n";
    fs::write(desk.path("relance.yaml"), desk.read("relance.yaml") + hosts).unwrap();
    let workflow = CALLS_OUT.replace("HERE", &here.local_addr().unwrap().to_string());
    fs::write(desk.path("workflows/booked.yaml"), workflow).unwrap();
    let taken = std::thread::spawn(move || {
        let mut caller = here.accept().unwrap().0;
        let (mut asked, mut part) = (String::new(), [0; 1024]);
        while !asked.ends_with("{\"seat\":7}") {
            let read = caller.read(&mut part).unwrap();
            assert!(read > 0, "{asked}");
            asked.push_str(std::str::from_utf8(&part[..read]).unwrap());
        }
        caller.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        asked
    });
    let (_dev, address) = Dev::of(&desk);
    let url = address.trim_end_matches('/');
    let run = desk.run(&["trigger", "booked", "--with", "id=ana", "--wait", "--json", "--url", url]);
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, told["run"]["state"].as_str()), (0, Some("done")), "{told:#}");
    assert!(taken.join().unwrap().starts_with("POST /seats "));
    let (_, port) = url.rsplit_once(':').unwrap();
    let mut page = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    write!(page, "GET /live?lang=en HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n").unwrap();
    let mut shown = String::new();
    page.read_to_string(&mut shown).unwrap();
    let called = "PUT https://crm.example.com/people/ana?key=[secret CRM_KEY]: answered 200 here";
    assert!(shown.contains(called), "{shown}");
    assert!(shown.contains("/seats: HTTP 201"), "{shown}");
}
