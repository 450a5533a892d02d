//! `relance preview`: what it shows of a sample, a person, a list and a message; what it says to what cannot be played.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const PROJECT: &str =
    "version: 1\nname: Shop\nsettings: { timezone: Europe/Madrid }\nphone_region: ES\nconsent: { tag: opted_in }\n";
const PAID: &str = "
name: Order paid
purpose: utility
when: { webhook: order.paid }
contact: { phone: \"{{event.customer.phone}}\" }
settings: { quiet_hours: 21:00-09:00 }
do:
  - send_message:
      text: \"Order {{event.order_id}} of {{event.customer.name}} is paid\"
      template: ready
      values: { order: \"{{event.order_id}}\" }
";
const MENU: &str = "
name: Menu
purpose: service
when: { message: { is: [menu, start] } }
do:
  - send_message: { text: \"You wrote {{event.text}}\", outside_window: skip }
";
const LIST: &str = "
name: List
purpose: utility
when: { schedule: every tuesday at 10:00 }
audience: { file: audiences/people.csv }
if: event.left != 'yes'
do:
  - send_message: { template: ready, values: { order: \"{{event.order}}\" } }
";
const TESTS: &str = "
workflow: order_paid
contacts:
  ana: { phone: \"+34600000001\", tags: [opted_in] }
  luis: { phone: \"+34600000002\" }
tests:
  - { name: nothing yet, start: 2026-03-02 10:00, timeline: [{ at: 0m, expect: nothing }] }
";
const READY: &str = "00000000000000000000000000000001";

fn project() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.trim_start_matches('\n')).unwrap();
    };
    let lock = format!(
        "[{{\"uuid\":\"{READY}\",\"title\":\"ready\",\"text\":\"Your order {{{{1}}}} is ready\",\"type\":\"text\",\
         \"category\":\"utility\",\"status\":\"approved\",\"placeholders\":1}}]"
    );
    write("relance.yaml", PROJECT);
    write("templates.yaml", &format!("ready: {{ uuid: \"{READY}\", values: [order] }}\n"));
    write("templates.lock.json", &lock);
    write("workflows/order_paid.yaml", PAID);
    write("workflows/menu.yaml", MENU);
    write("workflows/list.yaml", LIST);
    write("workflows/order_paid.test.yaml", TESTS);
    write(
        "workflows/samples/order.paid.json",
        r#"{ "order_id": "A1", "customer": { "phone": "600 000 001", "name": "Ana" } }"#,
    );
    write(
        "workflows/audiences/people.csv",
        "phone,order,left\n+34600000001,A1,no\n12,A2,no\n+34600000003,A3,yes\n+34600000001,A4,no\nx,y\n",
    );
    folder
}

/// Exit code, stdout, stderr.
fn preview(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
    let out = command.arg("-C").arg(folder).arg("preview").args(args).env_clear().output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn both_windows_stand_side_by_side_with_what_is_held_and_why_something_is_left_out() {
    let folder = project();
    let (exit, shown, told) = preview(folder.path(), &["order_paid", "--at", "2026-03-02 22:30"]);
    assert_eq!((exit, told.as_str()), (0, ""), "{shown}");
    assert_eq!(
        shown,
        "order_paid: `order.paid` happens at Mon 2026-03-02 22:30 (Europe/Madrid)\n\n\
         Tue 2026-03-03 09:00  ana +346…01  step 1\n\
         \x20 window open    held until Tue 2026-03-03 09:00: quiet_hours\n\
         \x20                text: Order A1 of Ana is paid\n\
         \x20 window closed  held until Tue 2026-03-03 09:00: quiet_hours\n\
         \x20                template `ready`: Your order A1 is ready\n\n\
         window open\n\x20      1  sent as text\n\x20      1  sent late, as it was held\n\
         window closed\n\x20      1  sent as template\n\x20      1  sent late, as it was held\n"
    );
    let closed = ["order_paid", "--contact", "luis", "--window", "closed", "--at", "2026-03-02 10:00"];
    let (_, shown, _) = preview(folder.path(), &closed);
    let skipped =
        "luis +346…02  step 1\n  skipped: no_consent\n  would read, as template `ready`: Your order A1 is ready\n";
    assert!(shown.contains(skipped), "{shown}");
    assert!(!shown.contains("window"), "{shown}");
    let (_, shown, _) = preview(folder.path(), &["order_paid", "--contact", "+34600000009", "--show-pii"]);
    assert!(shown.contains("+34600000009"), "{shown}");
}

#[test]
fn a_list_is_read_at_its_next_firing_and_a_row_that_cannot_be_used_is_told_with_its_line() {
    let folder = project();
    let args = ["list", "--window", "closed", "--at", "2026-03-02 10:00", "--json"];
    let (exit, shown, told) = preview(folder.path(), &args);
    assert_eq!((exit, told.as_str()), (0, ""), "{shown}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["version"], 1);
    assert_eq!(shown["at"], "2026-03-03T09:00:00Z");
    let only = &shown["previews"][0];
    assert_eq!((&only["all"], &only["messages"][0]["to"]), (&1.into(), &"+346…01".into()), "{only}");
    assert_eq!(only["messages"][0]["values"], serde_json::json!(["A1"]));
    let lines: Vec<u64> = only["bad_rows"].as_array().unwrap().iter().filter_map(|row| row["line"].as_u64()).collect();
    assert_eq!(lines, [3, 6], "{only}");
    let counts = only["counts"].to_string();
    for what in ["sent as template", "rows cannot be used", "rows name a person again", "not started: event.left"] {
        assert!(counts.contains(what), "{counts}");
    }
    let (_, shown, _) = preview(folder.path(), &args[..args.len() - 1]);
    assert!(shown.contains("workflows/audiences/people.csv:3: the row cannot be used: bad_number\n"), "{shown}");
}

#[test]
fn a_long_list_is_shown_in_part_and_counted_whole() {
    let folder = project();
    let rows: String = (0..90).map(|n| format!("+346000010{n:02},B{n},no\n")).collect();
    fs::write(folder.path().join("workflows/audiences/people.csv"), format!("phone,order,left\n{rows}")).unwrap();
    let (_, shown, _) = preview(folder.path(), &["list", "--window", "closed", "--at", "2026-03-02 10:00"]);
    assert!(shown.contains("… and 50 more messages, counted below\n"), "{shown}");
    assert!(shown.contains("    90  skipped: no_consent\n"), "{shown}");
}

#[test]
fn a_message_is_what_the_trigger_waits_for_or_what_was_said() {
    let folder = project();
    let (exit, shown, told) = preview(folder.path(), &["menu", "--contact", "ana"]);
    assert_eq!((exit, told.as_str()), (0, ""), "{shown}");
    assert!(shown.contains("text: You wrote menu\n") && !shown.contains("window open"), "{shown}");
    let (_, shown, _) = preview(folder.path(), &["menu", "--contact", "ana", "--sample", "Hola"]);
    assert!(!shown.contains("You wrote") && shown.contains("     0  messages\n"), "{shown}");
}

#[test]
fn only_its_own_calls_are_told_and_no_number_in_the_address_of_a_file() {
    let folder = project();
    let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
    write("relance.yaml", &format!("{PROJECT}allow_hosts: [own.example.com, other.example.com]\n"));
    let head =
        "purpose: utility\nwhen: { webhook: order.paid }\ncontact: { phone: \"{{event.customer.phone}}\" }\ndo:\n";
    let call = "  - http_request: { method: POST, url: \"https://HOST/orders/{{event.order_id}}\", \
        query: { key: \"{{secret.KEY}}\" } }\n";
    let file = "  - send_message: { text: Here, media: { image: \"https://own.example.com/{{contact.phone}}.png\" }, outside_window: skip }\n";
    let own = format!("name: Own\n{head}{}{file}", call.replace("HOST", "own.example.com"));
    write("workflows/own.yaml", &own);
    write("workflows/other.yaml", &format!("name: Other\n{head}{}", call.replace("HOST", "other.example.com")));
    for options in [&["own", "--window", "open"][..], &["own", "--window", "open", "--json"]] {
        let (exit, shown, told) = preview(folder.path(), options);
        assert_eq!((exit, told.as_str()), (0, ""), "{shown}");
        assert!(shown.contains("https://own.example.com/orders/A1?key=[secret KEY]"), "{shown}");
        assert!(!shown.contains("other.example.com"), "{shown}");
        assert!(shown.contains("https://own.example.com/+346…01.png") && !shown.contains("600000001"), "{shown}");
    }
    let (_, open, _) = preview(folder.path(), &["own", "--window", "open", "--show-pii"]);
    assert!(open.contains("https://own.example.com/+34600000001.png"), "{open}");
}

#[test]
fn what_cannot_be_played_is_told_with_the_nearest_name() {
    let folder = project();
    for (args, message, hint) in [
        (vec!["order_payd"], "no workflow `order_payd`", "did you mean `order_paid`?"),
        (vec!["order_paid", "--sample", "order.payd"], "no sample `order.payd`", "did you mean `order.paid`?"),
        (vec!["order_paid", "--contact", "anna"], "no contact `anna`", "did you mean `ana`?"),
        (vec!["order_paid", "--at", "tomorrow"], "cannot read the time", "2026-03-02T10:00"),
        (vec!["list", "--contact", "ana"], "`--contact` says nothing to it", "leave the option out"),
    ] {
        let (exit, shown, told) = preview(folder.path(), &args);
        assert_eq!((exit, shown.as_str()), (2, ""), "{args:?}");
        assert!(told.contains(message) && told.contains(hint), "{told}");
    }
    fs::write(folder.path().join("workflows/menu.yaml"), "name: Menu\nwen: x\n").unwrap();
    let (exit, shown, told) = preview(folder.path(), &["menu"]);
    assert!(exit == 1 && shown.contains("workflows/menu.yaml:2:1: error"), "{shown}{told}");
    // What the workflow rests on is at fault, and not its name; the contact is in a file that cannot be read.
    fs::write(folder.path().join("workflows/order_paid.test.yaml"), TESTS.replace("name: nothing", "nam: nothing"))
        .unwrap();
    let (exit, _, told) = preview(folder.path(), &["order_paid", "--contact", "luis"]);
    assert!(exit == 2 && told.contains("`workflows/order_paid.test.yaml` has mistakes"), "{told}");
    fs::write(folder.path().join("templates.yaml"), "ready: { uid: x, values: [order] }\n").unwrap();
    let (exit, shown, told) = preview(folder.path(), &["order_paid"]);
    assert!(exit == 1 && shown.contains("templates.yaml:1:") && !shown.contains("test.yaml"), "{shown}{told}");
}

#[test]
fn without_a_lock_file_the_account_has_the_templates_that_are_named_by_uuid() {
    let folder = project();
    fs::remove_file(folder.path().join("templates.lock.json")).unwrap();
    let closed = ["order_paid", "--contact", "ana", "--window", "closed", "--at", "2026-03-02 10:00"];
    let (exit, shown, told) = preview(folder.path(), &closed);
    assert_eq!((exit, told.as_str()), (0, ""), "{shown}");
    assert!(shown.contains("template `ready`: (its text is not known here) order: A1\n"), "{shown}");
    let with_text = format!("ready: {{ uuid: \"{READY}\", values: [order], text: \"Ready: {{{{1}}}}\" }}\n");
    fs::write(folder.path().join("templates.yaml"), with_text).unwrap();
    let (_, shown, _) = preview(folder.path(), &closed);
    assert!(shown.contains("template `ready`: Ready: A1\n") && shown.contains("     1  sent as template\n"), "{shown}");
}

/// What nobody wrote down of a language is not what another one reads.
#[test]
fn without_a_lock_file_each_language_reads_its_own_text_or_none_that_is_known() {
    let folder = project();
    fs::remove_file(folder.path().join("templates.lock.json")).unwrap();
    let ready = |french: &str| {
        let english = format!("uuid: \"{READY}\", values: [order], text: \"Ready: {{{{1}}}}\"");
        let text = format!("ready: {{ {english}, languages: {{ fr: {{ uuid: \"00f2\"{french} }} }} }}\n");
        fs::write(folder.path().join("templates.yaml"), text).unwrap();
    };
    let french =
        ["order_paid", "--contact", "ana", "--window", "closed", "--language", "fr", "--at", "2026-03-02 10:00"];
    ready("");
    let (exit, shown, told) = preview(folder.path(), &french);
    assert_eq!((exit, told.as_str()), (0, ""), "{shown}");
    assert!(shown.contains("template `ready` in `fr`: (its text is not known here) order: A1\n"), "{shown}");
    ready(", text: \"Prête : {{1}}\"");
    let (_, shown, _) = preview(folder.path(), &french);
    assert!(shown.contains("template `ready` in `fr`: Prête : A1\n"), "{shown}");
}

/// A reminder on the day of the sample, of somebody whom the sample calls by a name of its own.
const VISIT: &str = "
name: Visit
purpose: utility
when: { webhook: visit }
contact: { phone: \"{{event.phone}}\", first_name: \"{{event.name}}\" }
settings: { once_per: event.at }
do:
  - wait: { until: event.at, before: 1h }
  - send_message:
      text: \"See you, {{contact.first_name}}\"
      template: ready
      values: { order: \"{{contact.first_name}}\" }
";

#[test]
fn dates_speak_the_language_that_the_text_names_and_who_is_given_one_is_not_shown_another() {
    let folder = project();
    let workflow = |text: &str, contact: &str| {
        let visit = VISIT.replace("\"See you, {{contact.first_name}}\"", text);
        let visit = visit
            .replace("contact: { phone", &format!("vars: {{ day: \"{{{{event.at}}}}\" }}\ncontact: {{ {contact}phone"));
        fs::write(folder.path().join("workflows/visit.yaml"), visit.trim_start()).unwrap();
    };
    let sample = r#"{ "phone": "600 000 001", "name": "Camille", "at": "2026-03-05T10:00" }"#;
    fs::write(folder.path().join("workflows/samples/visit.json"), sample).unwrap();
    let german = ["visit", "--at", "2026-03-05 08:30", "--window", "open", "--language", "de"];
    for (text, said) in [
        ("\"On {{date vars.day 'day'}}\"", "On Donnerstag, 5. März"),
        ("{ en: \"On {{date vars.day 'day'}}\" }", "On Thursday 5 March"),
    ] {
        workflow(text, "");
        let (code, out, err) = preview(folder.path(), &german);
        assert!(code == 0 && out.contains(said), "{out}{err}");
    }
    workflow("Hello", "language: en, ");
    let (code, out, err) = preview(folder.path(), &german);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("this workflow speaks `en` to everybody"), "{err}");
}

#[test]
fn a_reminder_days_ahead_says_that_the_window_has_closed_and_one_of_the_past_how_to_see_it() {
    let folder = project();
    let write = |path: &str, text: &str| fs::write(folder.path().join(path), text.trim_start()).unwrap();
    write("workflows/visit.yaml", VISIT);
    write("workflows/samples/visit.json", r#"{ "phone": "600 000 001", "name": "Camille", "at": "2026-03-05T10:00" }"#);
    for window in [&[][..], &["--window", "open"]] {
        let (code, out, err) = preview(folder.path(), &[&["visit", "--at", "2026-03-02 10:00"], window].concat());
        let told = "  the window has closed by then\n  template `ready`: Your order Camille is ready\n";
        assert!(code == 0 && out.contains(told) && err.is_empty(), "{window:?}: {out}{err}");
    }
    for (at, window) in [("2026-03-05 08:00", "open"), ("2026-03-02 10:00", "closed")] {
        let (_, out, _) = preview(folder.path(), &["visit", "--at", at, "--window", window]);
        assert!(!out.contains("has closed") && out.contains("Camille"), "{window}: {out}");
    }
    let (_, out, err) = preview(folder.path(), &["visit"]);
    assert!(out.contains("run stopped: past") && err.contains("hint: ") && err.contains("`--at "), "{out}{err}");
    let (_, _, err) = preview(folder.path(), &["visit", "--at", "2026-04-02 10:00"]);
    assert_eq!(err, "", "who names a moment means it");
    let (_, out, _) = preview(folder.path(), &["visit", "--at", "2026-03-02 10:00", "--contact", "luis"]);
    assert!(out.contains("as the sample says, not the contact: `first_name` is `Camille`"), "{out}");
}
