//! `opt_out`: the words by which people say that they want no more, and that they want again.

use super::fields::{Fields, Shape};
use super::languages::check_codes;
use super::report::Report;
use super::values::{plain_text, word_list, word_place};
use crate::config::OptOut;
use crate::expr::fold_or_keep;
use crate::workflow::yaml::{Entry, Kind};

const OPT_OUT: Shape = Shape {
    what: "`opt_out`",
    keys: &["words", "reply", "back_words"],
    later: &[],
    elsewhere: &[("text", "what answers a withdrawal is `reply:`")],
};

/// `usual`: the project's language.
pub(super) fn read(report: &mut Report, entry: &Entry, usual: &str) -> OptOut {
    let Some(fields) = Fields::open(report, &entry.value, Some(entry), &OPT_OUT) else { return OptOut::default() };
    let words = fields.get("words").map(|entry| word_list(report, entry));
    let back_words = fields.get("back_words").map(|entry| word_list(report, entry));
    let reply = fields.get("reply").map(|entry| read_replies(report, entry, usual)).unwrap_or_default();
    let same = |back: &String| words.iter().flatten().find(|word| fold_or_keep(word) == fold_or_keep(back));
    let both = back_words.iter().flatten().find_map(|back| Some((back, same(back)?)));
    if let (Some((back, word)), Some(entry)) = (both, fields.get("back_words")) {
        let message = match back == word {
            true => format!("`{back}` stands in `words` and in `back_words`"),
            false => format!("`{back}` stands in `back_words` and, as `{word}`, in `words`"),
        };
        let hint = "remove it from one of them: capitals and punctuation make no difference";
        report.error("R204", word_place(entry, back), message, hint);
    }
    OptOut { words, back_words, reply }
}

/// One answer, or one per language.
fn read_replies(report: &mut Report, entry: &Entry, usual: &str) -> Vec<(String, String)> {
    let Kind::Map(lines) = &entry.value.kind else {
        return read_reply(report, entry).map(|reply| (String::new(), reply)).into_iter().collect();
    };
    check_codes(report, entry, lines, Some(usual));
    lines.iter().filter_map(|line| Some((line.key.clone(), read_reply(report, line)?))).collect()
}

fn read_reply(report: &mut Report, entry: &Entry) -> Option<String> {
    let reply = plain_text(report, entry)?;
    if reply.contains("{{") {
        let hint = "write the same words for everybody";
        report.error("R204", &entry.value.span, "the answer to a withdrawal is not filled in", hint);
    }
    Some(reply)
}
