//! Paint: colours for people at a terminal, and only there unless `--color` or `CLICOLOR_FORCE` says otherwise.
//!
//! Invariant: without its colours a painted text is the text, character by character.

use super::Global;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::LazyLock;

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// At a terminal; `NO_COLOR` and `CLICOLOR=0` forbid it, `CLICOLOR_FORCE` wants it everywhere
    #[default]
    Auto,
    Always,
    Never,
}

const PLAIN: &str = "\u{1b}[0m";
const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const CYAN: &str = "\u{1b}[36m";

/// What is set apart in a report: the place of a mistake with its kind, the carets below it, the way out.
static PARTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^(?P<place>\S.*?:\d+:\d+: )(?P<kind>error|warning|failed)(?:\[|: )|^ +\| *(?P<caret>\^+)$|^(?:  )?(?P<hint>hint:)|^(?P<bare>error|warning):")
        .expect("the parts of a report are a valid pattern")
});

impl Global {
    /// What is written to this stream is coloured.
    pub(super) fn paints(&self, stream: &impl IsTerminal) -> bool {
        decide(self.color, stream.is_terminal(), |name| std::env::var(name).ok())
    }
}

fn decide(color: Color, terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let set = |name| variable(name).filter(|value| !value.is_empty());
            match (set("NO_COLOR"), set("CLICOLOR_FORCE"), set("CLICOLOR")) {
                (Some(_), _, _) => false,
                (None, Some(force), _) if force != "0" => true,
                (None, _, Some(wanted)) if wanted == "0" => false,
                _ => terminal && variable("TERM").as_deref() != Some("dumb"),
            }
        }
    }
}

/// Whether help is coloured, which is printed before the options are read: `--color` is looked for in the words.
pub(super) fn of_help() -> clap::ColorChoice {
    let words: Vec<String> = std::env::args_os().filter_map(|word| word.into_string().ok()).collect();
    let value = |at: usize| words[at].strip_prefix("--color=").or(words.get(at + 1).map(String::as_str));
    let asked = words.iter().position(|word| word == "--color" || word.starts_with("--color="));
    match asked.and_then(value) {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}

/// A report of mistakes, coloured or as it is.
pub(super) fn report(text: &str, on: bool) -> Cow<'_, str> {
    if !on {
        return Cow::Borrowed(text);
    }
    PARTS.replace_all(text, |found: &Captures| {
        let whole = &found[0];
        let kind = found.name("kind").or(found.name("bare"));
        let (part, colour) = match (kind, found.name("caret"), found.name("hint")) {
            (Some(kind), _, _) => (kind, if kind.as_str() == "warning" { YELLOW } else { RED }),
            (None, Some(caret), _) => (caret, RED),
            (None, None, Some(hint)) => (hint, CYAN),
            (None, None, None) => return whole.to_owned(),
        };
        let from = part.start() - found.get(0).map_or(0, |all| all.start());
        let (before, after) = (&whole[..from], &whole[from + part.len()..]);
        let before = match found.name("place") {
            Some(_) => format!("{BOLD}{before}{PLAIN}"),
            None => before.to_owned(),
        };
        format!("{before}{colour}{}{PLAIN}{after}", part.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let set =
            |name: &'static str, value: &'static str| move |asked: &str| (asked == name).then(|| value.to_owned());
        assert!(decide(Color::Auto, true, set("TERM", "xterm")));
        assert!(decide(Color::Auto, true, set("NO_COLOR", "")));
        assert!(!decide(Color::Auto, true, set("NO_COLOR", "1")));
        assert!(!decide(Color::Auto, true, set("TERM", "dumb")));
        assert!(!decide(Color::Auto, false, set("TERM", "xterm")));
        assert!(decide(Color::Auto, false, set("CLICOLOR_FORCE", "1")));
        assert!(!decide(Color::Auto, false, set("CLICOLOR_FORCE", "0")));
        assert!(!decide(Color::Auto, true, set("CLICOLOR", "0")));
        assert!(!decide(Color::Never, true, set("CLICOLOR_FORCE", "1")));
        let both = |asked: &str| ["NO_COLOR", "CLICOLOR_FORCE"].contains(&asked).then(|| "1".to_owned());
        assert!(!decide(Color::Auto, true, both));
        assert!(decide(Color::Always, false, set("NO_COLOR", "1")));
        assert!(!decide(Color::Never, true, set("TERM", "xterm")));
    }

    #[test]
    fn a_painted_report_is_the_report() {
        let text = "a.yaml:3:7: error[R201]: unknown key\n  3 | a: error[\n    |    ^^^\n  hint: did you mean `b`?\n\n\
            b.yaml:1:1: warning[R401]: x\nc.yaml:2:3: failed: y\nerror: z\nhint: w\n";
        let painted = report(text, true);
        let parts = [
            format!("{BOLD}a.yaml:3:7: {PLAIN}{RED}error{PLAIN}[R201]"),
            format!("{RED}^^^{PLAIN}"),
            format!("  {CYAN}hint:{PLAIN}"),
            format!("{YELLOW}warning{PLAIN}["),
            format!("{RED}failed{PLAIN}: y"),
            format!("\n{RED}error{PLAIN}: z\n{CYAN}hint:{PLAIN} w"),
        ];
        for part in parts {
            assert!(painted.contains(&part), "{painted:?}");
        }
        let bare = Regex::new("\u{1b}\\[[0-9;]*m").unwrap().replace_all(&painted, "").into_owned();
        assert_eq!(bare, text);
        assert_eq!(report(text, false), text);
    }
}
