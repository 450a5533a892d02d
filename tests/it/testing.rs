//! `relance test`: the tests of a project, played on the engine that serves; what is told of those that fail.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

const PROJECT: &str = "version: 1\nname: Shop\nsettings: { timezone: Europe/Madrid }\nconsent: { tag: opted_in }\n\
    allow_hosts: [shop.example.com]\n";
const WORKFLOW: &str = "
name: Order paid
purpose: utility
when: { webhook: order.paid }
contact: { phone: \"{{event.phone}}\" }
stop_when: { webhook: order.cancelled }
settings: { once_per: event.order_id }
do:
  - wait: 2h
  - send_message: { text: \"Order {{event.order_id}} is on its way\", outside_window: skip }
  - wait_for_reply:
      for: 1d
      replies:
        - is: thanks
          do:
            - http_request: { method: POST, url: \"https://shop.example.com/thanks/{{event.order_id}}\", json: { ok: true } }
      no_reply:
        - update_contact: { add_tags: [silent] }
";
const CONTACTS: &str = "
workflow: order_paid
contacts:
  ana: { phone: \"+34600000001\", first_name: Ana, tags: [opted_in], last_message: 1h ago }
tests:
";

/// A project with one workflow and one test file of these tests.
fn project(tests: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.trim_start_matches('\n')).unwrap();
    };
    write("relance.yaml", PROJECT);
    write("workflows/order_paid.yaml", WORKFLOW);
    write("workflows/samples/order.paid.json", "{ \"order_id\": \"A1\", \"phone\": \"+34600000001\" }");
    write("workflows/samples/order.cancelled.json", "{ \"order_id\": \"A1\", \"phone\": \"+34600000001\" }");
    write("workflows/order_paid.test.yaml", &format!("{CONTACTS}{tests}"));
    folder
}

/// Exit code, stdout, stderr.
fn test(folder: &Path, further: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
    let out = command.arg("-C").arg(folder).arg("test").args(further).env_clear().output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

const PASSING: &str = "
  - name: thanks are passed on
    start: 2026-03-02 10:00
    http: [{ match: POST https://shop.example.com/*, reply: [503, 200] }]
    timeline:
      - { at: 0m, webhook: order.paid, sample: order.paid, with: { order_id: B7 } }
      - { at: 1h59m, expect: nothing }
      - { at: 119m, restart: true }
      - { at: 2h, expect: [{ message: { to: ana, text: { matches: \"^Order B[0-9] is\" } } }, { run: waiting }] }
      - { at: 3h, message: { from: ana, text: Thanks } }
      - at: 4h
        expect:
          - http: { method: POST, url: https://shop.example.com/thanks/B7, json: { ok: true } }
          - http: { method: POST }
          - run: done
  - name: silence is noted
    start: 2026-03-02 10:00
    timeline:
      - { at: 0m, webhook: order.paid, sample: order.paid }
      - { at: 2026-03-02 12:00, expect: [{ messages: 1 }] }
      - { at: 2d, expect: [{ contact: { of: ana, tags: [silent, opted_in] } }] }
  - name: a cancelled order is not announced
    start: 2026-03-02 10:00
    timeline:
      - { at: 0m, webhook: order.paid, sample: order.paid }
      - { at: 1h, webhook: order.cancelled, sample: order.cancelled }
      - { at: 1d, expect: [{ run: stopped, because: order.cancelled }, { messages: 0 }] }
";

#[test]
fn a_project_whose_tests_pass_says_so_and_names_what_no_test_took() {
    let folder = project(PASSING);
    let (code, out, err) = test(folder.path(), &[]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "3 tests passed\n", ""), "the result is data, not talk");
    let (code, out, err) = test(folder.path(), &["silence"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("1 test passed") && out.contains("order_paid: step 3: reply 1"), "{out}");
    assert_eq!(test(folder.path(), &["silence", "-q"]), (0, String::new(), String::new()));
}

#[test]
fn a_failure_names_its_line_what_was_expected_and_why_it_did_not_come() {
    let folder = project(
        "
  - name: at once
    start: 2026-03-02 10:00
    timeline:
      - { at: 0m, webhook: order.paid, sample: order.paid }
      - { at: 1m, expect: [{ message: { to: ana } }] }
  - name: nobody agreed, and the window is closed
    start: 2026-03-02 10:00
    given: { ana: { tags: [], last_message: 3d ago } }
    timeline:
      - { at: 0m, webhook: order.paid, sample: order.paid }
      - { at: 2h, expect: [{ message: { to: ana } }] }
  - name: another text
    start: 2026-03-02 10:00
    timeline:
      - { at: 0m, webhook: order.paid, sample: order.paid }
      - { at: 2h, expect: [{ message: { to: ana, text: Order A2 is on its way } }] }
  - name: unexpected
    start: 2026-03-02 10:00
    timeline:
      - { at: 0m, webhook: order.paid, sample: order.paid }
      - { at: 3h, expect: nothing }
  - name: nothing answers
    start: 2026-03-02 10:00
    timeline:
      - { at: 0m, webhook: order.paid, sample: order.paid }
      - { at: 2h, expect: [{ messages: 1 }] }
      - { at: 3h, message: { from: ana, text: thanks } }
      - { at: 4h, expect: nothing }
",
    );
    let (code, out, err) = test(folder.path(), &[]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("5 of 5 tests failed"), "{out}{err}");
    let told = |line: usize| {
        let from =
            out.find(&format!("workflows/order_paid.test.yaml:{line}:")).unwrap_or_else(|| panic!("{line}: {out}"));
        out[from..].split("\n\n").next().unwrap().to_owned()
    };
    let at_once = told(10);
    assert!(
        at_once.contains("no message was sent: to `ana`") && at_once.contains("waits until 2026-03-02 12:00"),
        "{at_once}"
    );
    let closed = told(16);
    assert!(closed.contains("step 2, is skipped: ") && closed.contains("hint: "), "{closed}");
    let other = told(21);
    assert!(other.contains("the text is not `Order A2 is on its way`"), "{other}");
    assert!(other.contains("to `ana` at 2026-03-02 12:00, text: Order A1 is on its way"), "{other}");
    assert!(told(26).contains("a message nobody expected"), "{out}");
    assert!(told(33).contains("nothing answers this call: POST https://shop.example.com/thanks/A1"), "{out}");
}

#[test]
fn people_of_the_projects_own_lists_are_told_without_their_numbers() {
    let folder = project("");
    let list = "name: List\npurpose: utility\nwhen: { schedule: every tuesday at 10:00 }\n\
        audience: { file: audiences/people.csv }\ndo:\n  \
        - http_request: { url: \"https://shop.example.com/people/{{event.phone}}\", method: POST, json: { of: \"{{event.phone}}\" } }\n";
    let played = "workflow: list\ntests:\n  - name: nobody is told of\n    start: 2026-03-02 10:00\n    \
        timeline: [{ at: 2d, expect: nothing }]\n";
    fs::create_dir_all(folder.path().join("workflows/audiences")).unwrap();
    for (path, text) in [
        ("list.yaml", list),
        ("list.test.yaml", played),
        ("audiences/people.csv", "phone\n+34600000077\n"),
        ("order_paid.test.yaml", &format!("{CONTACTS}{PASSING}")),
    ] {
        fs::write(folder.path().join("workflows").join(path), text).unwrap();
    }
    for options in [&["nobody"][..], &["nobody", "--json"], &["nobody", "--junit", "/dev/stdout"]] {
        let (code, out, err) = test(folder.path(), options);
        assert!(code == 1 && format!("{out}{err}").contains("+346…77"), "{out}{err}");
        assert!(!out.contains("600000077") && !err.contains("600000077"), "{out}{err}");
    }
}

#[test]
fn an_event_is_heard_by_every_workflow_whichever_source_it_names() {
    let folder = project(PASSING);
    let sources =
        "sources:\n  shop: { signature: none, path_token: SHOP }\n  till: { signature: none, path_token: TILL }\n";
    fs::write(folder.path().join("relance.yaml"), format!("{PROJECT}{sources}")).unwrap();
    for source in ["shop", "till"] {
        let workflow = format!(
            "name: Of {source}\npurpose: utility\nwhen: {{ webhook: order.seen, source: {source} }}\n\
             contact: {{ phone: \"{{{{event.phone}}}}\" }}\ndo:\n  - send_message: {{ text: of {source}, outside_window: skip }}\n"
        );
        fs::write(folder.path().join(format!("workflows/of_{source}.yaml")), workflow).unwrap();
    }
    let played = "workflow: [of_shop, of_till]\ncontacts:\n  \
        ana: { phone: \"+34600000001\", last_message: 1h ago }\ntests:\n  - name: seen by both\n    \
        start: 2026-03-02 10:00\n    timeline:\n      \
        - { at: 0m, webhook: order.seen, sample: order.paid }\n      \
        - { at: 1m, expect: [{ message: { to: ana, text: of shop } }, { message: { to: ana, text: of till } }] }\n";
    fs::write(folder.path().join("workflows/of_both.test.yaml"), played).unwrap();
    let (code, out, err) = test(folder.path(), &["seen by both"]);
    assert!(code == 0 && out.contains("1 test passed"), "{out}{err}");
}

#[test]
fn what_came_of_it_is_written_for_programs_the_same_each_time() {
    let folder = project(PASSING);
    let junit = folder.path().join("out.xml");
    let (code, first, _) = test(folder.path(), &["--json", "--junit", junit.to_str().unwrap()]);
    assert_eq!(code, 0, "{first}");
    let told: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&told["version"], &told["failed"], told["tests"].as_array().unwrap().len()), (&1.into(), &0.into(), 3));
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(xml.contains("tests=\"3\" failures=\"0\"") && xml.contains("name=\"silence is noted\""), "{xml}");
    assert_eq!(test(folder.path(), &["--json"]).1, first);
}

/// Whatever such a test expects, nothing happens: it would pass for ever.
#[test]
fn an_event_that_nothing_hears_fails_its_test_when_another_one_was_meant() {
    let sends = |event: &str| {
        format!(
            "\n  - name: quiet\n    start: 2026-03-02 10:00\n    timeline:\n      - {{ at: 0m, webhook: {event} }}\n      - {{ at: 1m, expect: nothing }}\n"
        )
    };
    for (event, meant) in [("order.payd", "order.paid"), ("Order.cancelled", "order.cancelled")] {
        let folder = project(&sends(event));
        let (code, out, _) = test(folder.path(), &[]);
        assert_eq!(code, 1, "{out}");
        assert!(out.contains(&format!("  no workflow listens to `{event}`\n  hint: did you mean `{meant}`?")), "{out}");
        assert!(out.contains("workflows/order_paid.test.yaml:9:9: failed: quiet"), "{out}");
        // It is another event indeed: there is an example of it.
        fs::write(folder.path().join(format!("workflows/samples/{event}.json")), "{}").unwrap();
        assert_eq!(test(folder.path(), &[]).0, 0);
    }
    // Far from everything, or allowed there.
    for event in ["parcel.lost", "order.payd }  # allow R307\n      - { at: 30s, restart: true"] {
        let (code, out, err) = test(project(&sends(event)).path(), &[]);
        assert_eq!(code, 0, "{out}{err}");
    }
}

#[test]
fn nothing_is_played_of_a_project_with_mistakes_and_a_filter_that_fits_nothing_is_told() {
    let folder =
        project("\n  - name: wrong\n    start: 2026-03-02 10:00\n    timeline: [{ at: 0m, webhok: order.paid }]\n");
    let (code, out, err) = test(folder.path(), &[]);
    assert_eq!(code, 1);
    assert!(
        out.contains("R701") && out.contains("did you mean `webhook`?") && out.contains("nothing was played: 1 error"),
        "{out}{err}"
    );
    assert_eq!(err, "", "the result is data");
    let (_, out, err) = test(project(&"  - a: {\n".repeat(60_000)).path(), &[]);
    assert!(out.contains("the file is too large") && out.contains("1 error in"), "{out}{err}");
    let (code, _, err) = test(project(PASSING).path(), &["no such test"]);
    assert_eq!(code, 2);
    assert!(err.contains("no test holds `no such test`"), "{err}");
}

#[test]
fn the_tests_of_the_example_project_pass() {
    let (code, out, err) = test(Path::new(env!("CARGO_MANIFEST_DIR")), &[]);
    assert_eq!(code, 0, "{out}{err}");
}

/// A command that goes on, ended by its id.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn watching_goes_on_when_files_cannot_be_read_and_sees_a_row_of_a_list_change() {
    let folder = project(PASSING);
    let path = |name: &str| folder.path().join("workflows").join(name);
    fs::create_dir(path("audiences")).unwrap();
    fs::write(path("audiences/people.csv"), "phone\n+34600000001\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
    command.arg("-C").arg(folder.path()).args(["test", "--watch", "silence"]).env_clear();
    let mut watching = Watching(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let (stdout, stderr) = (watching.0.stdout.take().unwrap(), watching.0.stderr.take().unwrap());
    let (tell, told) = mpsc::channel();
    let tell_too = tell.clone();
    let lines = |stream: Box<dyn std::io::Read + Send>| BufReader::new(stream).lines().map_while(Result::ok);
    let (mut stdout, mut stderr) = (lines(Box::new(stdout)), lines(Box::new(stderr)));
    std::thread::spawn(move || stderr.try_for_each(|line| tell.send(line)));
    std::thread::spawn(move || stdout.try_for_each(|line| tell_too.send(line)));
    let until = |wanted: &str| loop {
        let line = told.recv_timeout(Duration::from_secs(90)).unwrap_or_else(|_| panic!("never told: {wanted}"));
        if line.contains(wanted) {
            return;
        }
    };
    until("1 test passed");
    fs::write(path("audiences/people.csv"), "phone\n+34600000001\n+34600000002\n").unwrap();
    until("1 test passed");
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), path("away.yaml")).unwrap();
    until("leads out of the project");
    fs::remove_file(path("away.yaml")).unwrap();
    until("1 test passed");
}

const CLASSES: &str = "
name: Classes
purpose: utility
when: { schedule: every monday at 10:00 }
audience: { file: audiences/members.csv }
if: event.status == \"active\"
do:
  - send_message: { text: \"{{event.class}}, {{event.first_name}}\", outside_window: skip }
";
const ROWS: &str = "
workflow: classes
contacts:
  ana: { phone: \"+34600000001\", tags: [opted_in], last_message: 1h ago }
tests:
  - name: only who is active, by the rows of the test
    start: 2026-03-02 09:00
    given:
      audience:
        - { phone: \"+34600000001\", first_name: Ana, class: \"yoga, late\", status: active }
        - { phone: \"+34600000002\", status: paused }
    timeline:
      - { at: 2h, expect: [{ message: { to: ana, text: \"yoga, late, Ana\" } }] }
  - name: those of the file, where a test gives none
    start: 2026-03-02 09:00
    timeline:
      - { at: 2h, expect: [{ message: { to: ana, text: \"boxing, Ana\" } }] }
  - name: an empty list
    start: 2026-03-02 09:00
    given: { audience: [] }
    timeline:
      - { at: 2h, expect: nothing }
";

#[test]
fn a_test_gives_the_rows_of_an_audience_in_the_place_of_the_file() {
    let folder = project(PASSING);
    let write =
        |path: &str, text: &str| fs::write(folder.path().join("workflows").join(path), text.trim_start()).unwrap();
    fs::create_dir(folder.path().join("workflows/audiences")).unwrap();
    write("audiences/members.csv", "phone;first_name;class;status\n+34600000001;Ana;boxing;active\n");
    write("classes.yaml", CLASSES);
    write("classes.test.yaml", ROWS);
    let (code, out, err) = test(folder.path(), &["classes"]);
    assert_eq!((code, out.as_str()), (0, "3 tests passed\n"), "{err}");
    write("classes.test.yaml", &ROWS.replace("class:", "klass:"));
    let (code, out, _) = test(folder.path(), &["classes"]);
    assert!(code == 1 && out.contains("no column `klass`") && out.contains("did you mean `class`?"), "{out}");
}
