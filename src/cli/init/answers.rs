//! Answers: what a new project needs to know of its owner, asked at a terminal and guessed everywhere else.
//!
//! Invariant: three questions at most, each with a guess that an empty line takes.

use super::usage;
use crate::clock;
use crate::contact::Phone;
use crate::outbox::zones;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

/// How often a question is asked again.
const TRIES: usize = 3;

/// What is known of the owner.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) name: String,
    pub(super) zone: String,
    /// The country of national numbers, as two letters.
    pub(super) region: Option<String>,
}

/// Asks at a terminal; guesses where there is none, or nothing is to be asked.
pub(super) fn of(root: &Path, yes: bool) -> anyhow::Result<Answers> {
    let guess = guessed(root, clock::machine_zone());
    if yes || !std::io::stdin().is_terminal() {
        return Ok(guess);
    }
    let mut lines = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|read| (read > 0).then(|| line.trim().to_owned()))
    };
    asked(guess, &mut lines)
}

fn guessed(root: &Path, zone: Option<String>) -> Answers {
    let full = std::path::absolute(root).unwrap_or_default();
    let folder = full.file_name().and_then(|name| name.to_str()).unwrap_or_default().replace(['_', '-'], " ");
    let name = if folder.trim().is_empty() { "My shop".to_owned() } else { folder };
    let zone = zone.filter(|zone| is_zone(zone)).unwrap_or_else(|| "UTC".to_owned());
    let region = zones::country_of(&zone).map(str::to_owned);
    Answers { name, zone, region }
}

/// The three questions; the end of the input takes the guesses that are left.
fn asked(guess: Answers, lines: &mut dyn FnMut() -> std::io::Result<Option<String>>) -> anyhow::Result<Answers> {
    let name = ask("What is the project called?", &guess.name, |name| !name.is_empty(), lines)?;
    let zone = ask("Which time zone is it in?", &guess.zone, is_zone, lines)?;
    let region = zones::country_of(&zone).map_or(guess.region.unwrap_or_default(), str::to_owned);
    let known = |code: &str| code == "none" || Phone::is_region(&code.to_uppercase());
    let usual = if region.is_empty() { "none" } else { region.as_str() };
    let region =
        ask("Which country are numbers from that have no country code? (two letters, or none)", usual, known, lines)?;
    Ok(Answers { name, zone, region: (region != "none").then(|| region.to_uppercase()) })
}

fn ask(
    question: &str,
    usual: &str,
    fits: impl Fn(&str) -> bool,
    lines: &mut dyn FnMut() -> std::io::Result<Option<String>>,
) -> anyhow::Result<String> {
    for _ in 0..TRIES {
        eprint!("{question} [{usual}] ");
        std::io::stderr().flush()?;
        match lines()? {
            None => return Ok(usual.to_owned()),
            Some(line) if line.is_empty() => return Ok(usual.to_owned()),
            Some(line) if fits(&line) => return Ok(line),
            Some(line) => eprintln!("`{line}` is not known; an answer looks like `{usual}`"),
        }
    }
    Err(usage(
        "no answer that can be used".to_owned(),
        "`relance init --yes` asks nothing; edit `relance.yaml` afterwards",
    ))
}

fn is_zone(name: &str) -> bool {
    // What a machine says that has none.
    name != "Etc/Unknown" && jiff::tz::db().get(name).is_ok()
}

/// A text as YAML reads it back, in quotes when it must be.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '\'' | '&' | '+');
    let word = matches!(text.to_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    let safe = text.starts_with(char::is_alphabetic) && text.chars().all(plain) && !text.ends_with(' ') && !word;
    if safe { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(lines: &[&str]) -> anyhow::Result<Answers> {
        let mut lines = lines.iter().map(|line| (*line).to_owned());
        asked(guessed(Path::new("my_shop"), Some("Europe/Madrid".into())), &mut || Ok(lines.next()))
    }

    fn answers(name: &str, zone: &str, region: Option<&str>) -> Answers {
        Answers { name: name.into(), zone: zone.into(), region: region.map(str::to_owned) }
    }

    #[test]
    fn an_empty_line_takes_the_guess_and_the_country_follows_from_the_zone() {
        assert_eq!(answered(&[]).unwrap(), answers("my shop", "Europe/Madrid", Some("ES")));
        assert_eq!(answered(&["", "", ""]).unwrap(), answers("my shop", "Europe/Madrid", Some("ES")));
        assert_eq!(answered(&["Zapatos", "Europe/Paris"]).unwrap(), answers("Zapatos", "Europe/Paris", Some("FR")));
        assert_eq!(answered(&["A", "UTC", "gb"]).unwrap(), answers("A", "UTC", Some("GB")));
        assert_eq!(answered(&["A", "Paris", "Europe/Paris", "none"]).unwrap(), answers("A", "Europe/Paris", None));
        assert!(answered(&["A", "x", "y", "z"]).is_err());
    }

    #[test]
    fn a_machine_without_a_zone_is_no_reason_to_stop() {
        assert_eq!(guessed(Path::new("/"), Some("Etc/Unknown".into())), answers("My shop", "UTC", None));
    }

    #[test]
    fn names_are_quoted_only_when_yaml_would_read_something_else() {
        for (text, written) in
            [("My shop", "My shop"), ("Zoë & Co", "Zoë & Co"), ("yes", "\"yes\""), ("A: b", "\"A: b\""), ("7", "\"7\"")]
        {
            assert_eq!(scalar(text), written);
        }
    }
}
