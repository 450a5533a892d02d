//! Shapes of what is told of the account and of this machine. Pure.

use super::Printed;
use super::notation::{Shape, document, flag, instant, list, map, object, text, whole};

pub(super) const PRINTED: &[Printed] = &[
    Printed::new("templates list", "The templates of the account", templates),
    Printed::new("templates show", "The templates that fit", templates),
    Printed::new("templates pull", "What differs from the lock file", pull),
    Printed::new("templates lint", "What is wrong with the templates", lint),
    Printed::new("channels list", "The lines of the account", channels),
    Printed::new("webhooks connect", "The account's webhook as it is now", connect),
    Printed::new("webhooks list", "The newest posts of the account to its webhook", posts),
    Printed::new("webhooks test", "Whether the server took a sample event", webhook_test),
    Printed::new("webhooks record", "The sample that was written", record),
    Printed::new("doctor", "What is wrong with this installation", doctor),
    Printed::new("backup", "The file that was made", backup),
    Printed::new("migrate", "What was carried over to PostgreSQL", migrate),
];

fn templates() -> Shape {
    let template = object([
        ("uuid", text()),
        ("title", text()),
        ("text", text()),
        ("type", text().about("text, image, video, document")),
        ("category", text().or_null()),
        ("status", text()),
        ("placeholders", whole()),
        ("names", list(text()).about("what `templates.yaml` calls it")),
        ("languages?", map(list(text())).about("by the names that have several: the languages it is sent for")),
    ]);
    document(1, [("templates", list(template))])
}

fn pull() -> Shape {
    let difference = object([("code", text()), ("message", text())]);
    let change = object([
        ("uuid", text()),
        ("title", text()),
        ("change", text().about("new, gone, changed")),
        ("differences", list(difference)),
    ]);
    document(1, [("templates", whole()), ("changes", list(change))])
}

fn lint() -> Shape {
    let finding = object([
        ("uuid", text()),
        ("title", text()),
        ("code", text().about("may be empty")),
        ("severity", text().about("error, warning")),
        ("message", text()),
    ]);
    document(1, [("findings", list(finding))])
}

fn channels() -> Shape {
    let line = object([
        ("uuid", text()),
        ("title", text()),
        ("type", text()),
        ("main", flag()),
        ("discarded", flag()),
        ("channel", text().or_null().about("what `relance.yaml` calls it")),
    ]);
    document(1, [("channels", list(line))])
}

fn connect() -> Shape {
    document(
        1,
        [
            ("url", text().about("without its secret")),
            ("events", list(text())),
            ("enabled", flag().or_null()),
            ("remembered", flag().about("a running server was told")),
        ],
    )
}

fn posts() -> Shape {
    let post =
        object([("at", instant().or_null()), ("event", text()), ("success", flag()), ("code", whole().or_null())]);
    document(1, [("events", list(post))])
}

fn webhook_test() -> Shape {
    let check = object([("what", text()), ("status", whole().about("HTTP status")), ("taken", flag())]);
    document(1, [("checks", list(check))])
}

fn record() -> Shape {
    document(1, [("event", text()), ("file", text())])
}

fn doctor() -> Shape {
    let check = object([
        ("check", text().about("what was looked at")),
        ("verdict", text().about("ok, warn, error")),
        ("message", text()),
        ("hint", text()),
    ]);
    document(1, [("checks", list(check)), ("errors", whole()), ("warnings", whole())])
}

fn backup() -> Shape {
    document(
        1,
        [("file", text()), ("bytes", whole()), ("schema", whole().about("number of its newest migration").or_null())],
    )
}

fn migrate() -> Shape {
    document(1, [("tables", whole()), ("rows", whole())])
}
