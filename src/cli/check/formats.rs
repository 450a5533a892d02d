//! Mistakes for programs that show them: GitHub's annotations and SARIF 2.1.0.
//!
//! Paths are relative to the folder where the command runs, as these programs look from the repository's root.
//! Invariant: whatever a file's name or text holds, it stays inside its field.

use crate::workflow::codes;
use crate::workflow::diagnostic::{Diagnostic, Severity};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Component, Path};

/// One annotation per mistake, one line each.
pub fn github(diagnostics: &[Diagnostic], project: &Path) -> String {
    diagnostics.iter().fold(String::new(), |mut out, one| {
        let command = match one.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let file = property(&path(project, &one.file));
        let (line, column, end) = (one.line, one.column, one.column + one.width);
        let text =
            if one.hint.is_empty() { one.message.clone() } else { format!("{}\nhint: {}", one.message, one.hint) };
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "::{command} file={file},line={line},col={column},endColumn={end},title={}::{}",
            one.code,
            data(&text)
        );
        out
    })
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// What cannot stand in the path of an address.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'[')
    .add(b']')
    .add(b'\\')
    .add(b'^')
    .add(b'|')
    .add(b':');

/// A log of one run. Columns count characters.
pub fn sarif(diagnostics: &[Diagnostic], project: &Path) -> Value {
    let told: BTreeSet<&str> = diagnostics.iter().map(|one| one.code).collect();
    let told: Vec<&str> = told.into_iter().collect();
    let rules: Vec<Value> = told.iter().map(|code| rule(code)).collect();
    let results: Vec<Value> = diagnostics.iter().map(|one| result(one, &told, project)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "relance",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let title = codes::title(code, "en").unwrap_or(code);
    let level = match codes::severity(code) {
        Some("warning") => "warning",
        _ => "error",
    };
    json!({
        "id": code,
        "shortDescription": { "text": title },
        "help": { "text": codes::explain(code, "en").unwrap_or_default() },
        "defaultConfiguration": { "level": level },
    })
}

fn result(one: &Diagnostic, told: &[&str], project: &Path) -> Value {
    let level = match one.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let text = if one.hint.is_empty() { one.message.clone() } else { format!("{}. Hint: {}", one.message, one.hint) };
    let file = path(project, &one.file);
    let uri = utf8_percent_encode(&file, PATH).to_string();
    json!({
        "ruleId": one.code,
        "ruleIndex": told.iter().position(|code| *code == one.code),
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri },
            "region": {
                "startLine": one.line,
                "startColumn": one.column,
                "endLine": one.line,
                "endColumn": one.column + one.width,
            },
        } }],
    })
}

/// The path of a project's file as it is seen from where the command runs.
fn path(project: &Path, file: &str) -> String {
    let parts = project.components().filter(|part| !matches!(part, Component::CurDir));
    let folder: Vec<String> = parts.map(|part| part.as_os_str().to_string_lossy().replace('\\', "/")).collect();
    match folder.join("/").replace("//", "/") {
        folder if folder.is_empty() => file.to_owned(),
        folder => format!("{folder}/{file}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(severity: Severity, file: &str, message: &str, hint: &str) -> Diagnostic {
        Diagnostic {
            code: "R102",
            severity,
            file: file.into(),
            line: 7,
            column: 3,
            width: 4,
            message: message.into(),
            hint: hint.into(),
            fix: Vec::new(),
        }
    }

    #[test]
    fn an_annotation_stays_on_its_line_whatever_is_in_it() {
        let told = [
            one(Severity::Error, "workflows/a,b:c.yaml", "100 % cut\r\n::error::no", "write `a`"),
            one(Severity::Warning, "relance.yaml", "plain", ""),
        ];
        assert_eq!(
            github(&told, Path::new("./shop")),
            "::error file=shop/workflows/a%2Cb%3Ac.yaml,line=7,col=3,endColumn=7,title=R102::\
             100 %25 cut%0D%0A::error::no%0Ahint: write `a`\n\
             ::warning file=shop/relance.yaml,line=7,col=3,endColumn=7,title=R102::plain\n"
        );
    }

    #[test]
    fn a_sarif_log_names_the_rule_and_the_place_of_each_result() {
        let told = [one(Severity::Warning, "workflows/é #1.yaml", "cut", "quote it")];
        let log = sarif(&told, Path::new("."));
        let run = &log["runs"][0];
        let result = &run["results"][0];
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "R102");
        assert!(run["tool"]["driver"]["rules"][index]["help"]["text"].as_str().unwrap().contains("Right:"));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "workflows/%C3%A9%20%231.yaml");
        assert_eq!(place["region"], json!({"startLine": 7, "startColumn": 3, "endLine": 7, "endColumn": 7}));
        assert_eq!((&result["level"], &log["version"]), (&json!("warning"), &json!("2.1.0")));
        assert_eq!(sarif(&[], Path::new("."))["runs"][0]["results"], json!([]), "nothing found is a result too");
    }
}
