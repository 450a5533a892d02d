//! Width: lines that are longer than a terminal is wide go on below where they began to say something. Pure, but for one
//! look at the terminal.
//!
//! Invariant: a folded text has the words of the text, in their order; a line that fits stays as it is.

use super::Global;
use regex::Regex;
use std::borrow::Cow;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::sync::LazyLock;
use unicode_width::UnicodeWidthStr as _;

/// Narrower than this no line can be read, and longer ones are hard to follow.
pub(super) const BOUNDS: (usize, usize) = (40, 120);
/// Of a terminal that does not say.
const USUAL: usize = 80;

/// Quoted lines of a file keep their form: carets stand below characters.
static QUOTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^ *(?:[0-9]+ \\| |\\| *(?:\u{1b}\\[[0-9;]*m)?\\^)")
        .expect("the beginning of a quoted line is a valid pattern")
});
/// What stands between columns.
static GAP: LazyLock<Regex> = LazyLock::new(|| Regex::new(" {2,}").expect("two spaces are a valid pattern"));
static COLOURS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("\u{1b}\\[[0-9;]*m").expect("the codes of colours are a valid pattern"));

impl Global {
    /// Columns of what is written to this stream; `None` = as long as it is, because a program reads it.
    pub(super) fn width(&self, stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
        let said = || terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0));
        match self.json {
            true => None,
            false => decide(stream.is_terminal(), std::env::var("COLUMNS").ok().as_deref(), said),
        }
    }
}

fn decide(terminal: bool, columns: Option<&str>, said: impl FnOnce() -> Option<usize>) -> Option<usize> {
    let written = columns.and_then(|columns| columns.parse().ok());
    let width = || written.or_else(said).filter(|width| *width > 0).unwrap_or(USUAL);
    terminal.then(|| width().clamp(BOUNDS.0, BOUNDS.1))
}

/// A line, without its end, as one or more that fit.
pub(super) fn folded(line: &str, width: usize) -> Cow<'_, str> {
    if cells(line) <= width || QUOTED.is_match(line) {
        return Cow::Borrowed(line);
    }
    let indent = " ".repeat(indent(line, width));
    let (mut out, mut filled) = (String::new(), 0);
    for piece in line.split_inclusive(' ') {
        let (bare, room) = (cells(piece.trim_end()), width.saturating_sub(filled));
        if bare > room && filled > indent.len() {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(&indent);
            filled = indent.len();
        }
        out.push_str(piece);
        filled += cells(piece);
    }
    Cow::Owned(out)
}

/// Below the last column that begins in the first half; else below the text of a list's item or of a quotation, or a little
/// behind a label as `hint:`; else where the line begins.
fn indent(line: &str, width: usize) -> usize {
    let bare = COLOURS.replace_all(line, "");
    let text = bare.trim_start();
    let leading = bare.len() - text.len();
    let columns = GAP.find_iter(&bare).filter(|gap| gap.start() >= leading).map(|gap| bare[..gap.end()].width());
    if let Some(column) = columns.filter(|column| *column <= width / 2).last() {
        return column;
    }
    let first = text.split(' ').next().unwrap_or_default();
    let number = first.strip_suffix('.').is_some_and(|number| number.parse::<u32>().is_ok());
    let further = match first {
        "-" | "|" => 2,
        _ if number => first.len() + 1,
        _ if first.ends_with(':') => 2,
        _ => 0,
    };
    leading.min(width / 2) + further
}

/// Columns of a terminal.
fn cells(text: &str) -> usize {
    match text.contains('\u{1b}') {
        true => COLOURS.replace_all(text, "").width(),
        false => text.width(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_the_terminals_within_bounds_and_nobodys_elsewhere() {
        let at = |columns, said| decide(true, columns, || said);
        assert_eq!(decide(false, Some("60"), || Some(60)), None);
        assert_eq!((at(Some("100"), Some(60)), at(None, Some(60)), at(None, None)), (Some(100), Some(60), Some(80)));
        assert_eq!((at(None, Some(300)), at(None, Some(3)), at(None, Some(0))), (Some(120), Some(40), Some(80)));
        assert_eq!(at(Some("wide"), Some(90)), Some(90));
    }

    #[test]
    fn a_long_line_goes_on_below_its_last_column_with_all_its_words() {
        let words = "ein zwei drei vier fünf sechs sieben acht neun zehn";
        let cases = [
            (format!("ok     token   {words}"), 15),
            (format!("warn   server    {words}"), 17),
            (format!("   {words}"), 3),
            (format!("- {words}"), 2),
            (format!("12. {words}"), 4),
            (format!("     | {words}"), 7),
            (format!("  hint: {words}"), 4),
            (words.to_owned(), 0),
            (format!("{}  {words}", "x".repeat(30)), 0),
            (format!("\u{1b}[1mok\u{1b}[0m  {words}"), 4),
        ];
        for (line, indent) in cases {
            let folded = folded(&line, 40);
            let below: Vec<&str> = folded.lines().skip(1).collect();
            assert!(!below.is_empty(), "{folded}");
            for line in &below {
                assert_eq!(line.len() - line.trim_start().len(), indent, "{folded}");
            }
            assert!(folded.lines().all(|line| cells(line) <= 40), "{folded}");
            let bare = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(bare(&folded), bare(&line));
        }
    }

    #[test]
    fn what_fits_is_quoted_or_has_no_space_stays_as_it_is() {
        let address = "https://shop.example.com/a/very/long/address/that/nobody/breaks";
        for line in
            ["short", "", &format!(" 12 | {}", "word ".repeat(20)), &format!("    | {}", "^ ".repeat(40)), address]
        {
            assert_eq!(folded(line, 40), line);
        }
        assert_eq!(folded(&format!("see: {address}"), 40), format!("see:\n  {address}"));
    }
}
