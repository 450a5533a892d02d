//! JUnit XML, as build servers read it. Pure.

use super::{Played, Results};
use crate::rehearsal::Failure;
use std::fmt::Write as _;

/// The whole file.
pub(super) fn render(results: &Results) -> String {
    let (all, failed) = (results.played.len(), results.failed());
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"relance\" tests=\"{all}\" failures=\"{failed}\">\n"
    );
    for one in &results.played {
        render_one(&mut out, one);
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

fn render_one(out: &mut String, one: &Played) {
    let (file, line) = (escaped(&one.file.path), one.test.place.line);
    let class = escaped(&one.file.workflows.join(" "));
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<testcase classname=\"{class}\" name=\"{}\" file=\"{file}\" line=\"{line}\"",
        escaped(&one.test.name)
    );
    if one.outcome.failures.is_empty() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for failure in &one.outcome.failures {
        let (message, told) = (escaped(&failure.message), escaped(&told(&one.file.path, failure)));
        let _ = writeln!(out, "<failure message=\"{message}\">{told}</failure>");
    }
    out.push_str("</testcase>\n");
}

fn told(file: &str, failure: &Failure) -> String {
    let mut lines = vec![format!("{file}:{}:{}", failure.place.line, failure.place.column)];
    lines.extend(failure.why.iter().cloned());
    lines.push(format!("hint: {}", failure.hint));
    lines.join("\n")
}

/// As XML writes it; what XML cannot hold becomes the replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_is_written_can_be_read_as_xml() {
        assert_eq!(escaped("a <b> & \"c\"\u{1}\nd"), "a &lt;b&gt; &amp; &quot;c&quot;\u{fffd}\nd");
    }
}
