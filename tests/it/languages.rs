//! Languages at the terminal: `relance test` and `relance preview` show each person what they read.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A shop that speaks three languages, and has a template in two of them.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/languages")
}

/// Exit code, stdout, stderr.
fn relance(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relance"));
    let out = command.arg("-C").arg(folder).args(args).env_clear().output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn tests_of_a_project_see_what_each_person_reads() {
    let folder = project();
    let (exit, shown, told) = relance(&folder, &["test"]);
    assert_eq!(exit, 0, "{shown}{told}");
}

#[test]
fn a_language_that_the_template_lacks_is_told_where_the_template_stands() {
    let folder = project();
    let (exit, shown, told) = relance(&folder, &["check", "--offline"]);
    assert_eq!(exit, 0, "{shown}{told}");
    assert!(shown.contains("R411") && shown.contains("templates.yaml:1:1"), "{shown}");
    assert!(shown.contains("the template `ready` does not speak `es`, which `workflows/ready.yaml` does"), "{shown}");
    assert_eq!(shown.matches("R411").count(), 1, "{shown}");
}

#[test]
fn a_preview_shows_the_language_of_the_person_another_one_or_all() {
    let folder = project();
    let (exit, shown, told) = relance(&folder, &["preview", "ready", "--at", "2026-03-02 10:00", "--contact", "luc"]);
    assert_eq!(exit, 0, "{shown}{told}");
    assert!(shown.contains("written in `en`, `es`, `fr`: `--language all` shows each"), "{shown}");
    assert!(shown.contains("text in `fr`: Votre commande est disponible le 4 mars 2026"), "{shown}");
    assert!(shown.contains("template `ready` in `fr`: Disponible le 4 mars 2026, à bientôt"), "{shown}");
    let (_, shown, _) = relance(&folder, &["preview", "ready", "--at", "2026-03-02 10:00", "--language", "es"]);
    assert!(shown.contains("(Europe/Madrid), to people who speak `es`"), "{shown}");
    assert!(shown.contains("text in `es`: Su pedido está listo el 4 de marzo de 2026"), "{shown}");
    assert!(shown.contains("template `ready` in `en`: Ready on 4 March 2026, see you"), "{shown}");
    let all = ["preview", "ready", "--at", "2026-03-02 10:00", "--window", "closed", "--language", "all", "--json"];
    let all: Value = serde_json::from_str(&relance(&folder, &all).1).unwrap();
    let read = |one: &Value| {
        let message = &one["messages"][0];
        [&one["language"], &message["language"], &message["reads"]].map(|part| part.as_str().unwrap().to_owned())
    };
    assert_eq!(
        all["previews"].as_array().unwrap().iter().map(read).collect::<Vec<_>>(),
        [
            ["en", "en", "Ready on 4 March 2026, see you"],
            ["es", "en", "Ready on 4 March 2026, see you"],
            ["fr", "fr", "Disponible le 4 mars 2026, à bientôt"]
        ]
    );
    // Somebody who writes speaks it as well.
    let (_, shown, _) = relance(&folder, &["preview", "wifi", "--contact", "tom", "--language", "es"]);
    assert!(shown.contains("text in `es`: El wifi se llama shop"), "{shown}");
    let (exit, _, told) = relance(&folder, &["preview", "ready", "--language", "french"]);
    assert!(exit == 2 && told.contains("did you mean `fr`?"), "{told}");
}
