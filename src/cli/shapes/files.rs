//! Shapes of what is told of a project's files. Pure.

use super::Printed;
use super::notation::{Shape, document, either, flag, instant, list, object, text, whole};
use super::rows::{bad_rows, diagnostics};

pub(super) const PRINTED: &[Printed] = &[
    Printed::new("error", "The last line of stderr when a command fails", error),
    Printed::new("check", "Mistakes of the project's files", check),
    Printed::new("test", "What came of the tests; the mistakes that keep them from being played", test),
    Printed::new("preview", "Who would get what and when; the mistakes that keep it from being played", preview),
    Printed::new("explain", "A workflow, a code of `check`, or a reason, in plain words", explain),
    Printed::new("schedule", "The next firings of each schedule", schedule),
    Printed::new("schema", "A JSON Schema as it is; what there is, or what was written", schema),
    Printed::new("init", "What was written; with `--from` alone, the blueprints", init),
    Printed::new("fmt", "The files whose layout changed, or would", fmt),
    Printed::new("diff", "The folder against what serves", diff),
];

fn error() -> Shape {
    let exit = whole().about("exit code: 1 problems found, 2 usage, 3 nobody answers, 4 refused, 78 configuration");
    document(1, [("error", text()), ("hint", text().about("the way out; may be empty")), ("exit", exit)])
}

/// What `check` prints, and every command that cannot work for the mistakes of the files.
fn check() -> Shape {
    document(
        1,
        [
            ("diagnostics", diagnostics()),
            ("errors", whole()),
            ("warnings", whole()),
            ("mended?", diagnostics().about("with `--fix`")),
            ("left_out?", diagnostics().about("with `--fix`: mended, the line would have another mistake")),
            ("not_checked?", text().or_null().about("what only the account knows, and why it was not asked")),
        ],
    )
}

fn test() -> Shape {
    let failure =
        object([("line", whole()), ("column", whole()), ("message", text()), ("why", list(text())), ("hint", text())]);
    let test = object([
        ("file", text()),
        ("line", whole()),
        ("name", text()),
        ("passed", flag()),
        ("failures", list(failure)),
    ]);
    let branches = object([("all", whole()), ("untaken", list(text()))]);
    either([document(1, [("tests", list(test)), ("failed", whole()), ("branches", branches)]), check()])
}

fn preview() -> Shape {
    let message = object([
        ("to", text().about("masked unless `--show-pii`")),
        ("name", text().or_null()),
        ("at", instant().or_null()),
        ("local", text().about("in the person's zone")),
        ("zone", text().or_null().about("of the person, when it is not the workflow's")),
        ("step", text()),
        ("state", text().about("sent, held, skipped, rejected, cancelled")),
        ("reason", text()),
        ("until", text().or_null()),
        ("form", text().about("text, template")),
        ("template", text().or_null()),
        ("language", text().or_null().about("of that form, where there were several to choose from")),
        ("values", list(text())),
        ("media", text().or_null()),
        ("reads", text().about("what the person reads")),
        ("held", list(object([("reason", text()), ("until", text())]))),
    ]);
    let people = object([("file", text().or_null()), ("state", text()), ("reason", text())]);
    let window = object([
        ("window", text().about("open, closed")),
        ("language", text().or_null().about("that everybody speaks in it, with `--language`")),
        ("messages", list(message).about("a thousand at most")),
        ("all", whole().about("how many messages there are")),
        ("counts", list(object([("what", text()), ("count", whole())]))),
        ("bad_rows", bad_rows()),
        ("list", people.or_null()),
        ("calls", list(object([("method", text()), ("url", text())]))),
        ("until", instant().or_null()),
    ]);
    let fields = [
        ("workflow", text()),
        ("cause", text()),
        ("at", instant().or_null()),
        ("zone", text().or_null()),
        ("note", text().or_null()),
        ("languages", list(text()).about("that the workflow speaks")),
        ("previews", list(window)),
    ];
    either([document(1, fields), check()])
}

fn fmt() -> Shape {
    document(
        1,
        [
            ("diagnostics", diagnostics()),
            ("errors", whole()),
            ("warnings", whole()),
            ("changed", list(text()).about("files by their paths")),
            ("left_alone", list(text()).about("files written in a way that has no layout here")),
        ],
    )
}

fn explain() -> Shape {
    let told = |what| document(1, [(what, text()), ("language", text()), ("text", text())]);
    either([told("workflow"), told("code"), told("reason"), check()])
}

fn schedule() -> Shape {
    let one =
        object([("workflow", text()), ("trigger", text()), ("zone", text().or_null()), ("next", list(instant()))]);
    either([document(1, [("schedules", list(one))]), check()])
}

fn schema() -> Shape {
    let schema = object([("$schema", text())]).about("a JSON Schema, draft-07").open();
    let commands = list(object([("command", text()), ("about", text())]));
    either([schema, document(1, [("outputs", commands)]), document(1, [("written", list(text()))])])
}

fn init() -> Shape {
    let blueprint = object([("name", text()), ("language", text()), ("title", text()), ("about", text())]);
    either([
        document(
            1,
            [
                ("written", list(text())),
                ("kept", list(text()).about("was there already")),
                (
                    "differs",
                    list(object([("path", text()), ("what", text()), ("hint", text())]))
                        .about("kept, and not the blueprint's"),
                ),
                ("failing", whole().or_null().about("tests of the blueprint that fail with what was kept")),
            ],
        ),
        document(1, [("blueprints", list(blueprint))]),
    ])
}

fn diff() -> Shape {
    let file = object([
        ("path", text()),
        ("workflow", text().or_null()),
        ("change", text().about("added, removed, changed")),
        ("diff", text()),
    ]);
    let deploy = object([("number", whole()), ("hash", text()), ("at_ms", whole())]);
    document(1, [("same", flag()), ("deploy", deploy), ("files", list(file))])
}
