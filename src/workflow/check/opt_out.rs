//! `opt_out`: the words by which people say that they want no more, and that they want again.

use super::fields::{Fields, Shape};
use super::report::Report;
use super::values::{plain_text, word_list};
use crate::config::OptOut;
use crate::expr::fold;
use crate::workflow::yaml::Entry;

const OPT_OUT: Shape = Shape {
    what: "`opt_out`",
    keys: &["words", "reply", "back_words"],
    later: &[],
    elsewhere: &[("text", "what answers a withdrawal is `reply:`")],
};

pub(super) fn read(report: &mut Report, entry: &Entry) -> OptOut {
    let Some(fields) = Fields::open(report, &entry.value, Some(entry), &OPT_OUT) else { return OptOut::default() };
    let words = fields.get("words").map(|entry| word_list(report, entry));
    let back_words = fields.get("back_words").map(|entry| word_list(report, entry));
    let reply = fields.get("reply").and_then(|entry| read_reply(report, entry));
    let out: Vec<String> = words.iter().flatten().map(|word| fold(word)).collect();
    let both = back_words.iter().flatten().find(|word| out.contains(&fold(word)));
    if let (Some(word), Some(entry)) = (both, fields.get("back_words")) {
        let message = format!("`{word}` stands in `words` and in `back_words`");
        report.error("R204", &entry.key_span, message, "keep it in one of them");
    }
    OptOut { words, back_words, reply }
}

fn read_reply(report: &mut Report, entry: &Entry) -> Option<String> {
    let reply = plain_text(report, entry)?;
    if reply.contains("{{") {
        let hint = "write the same words for everybody";
        report.error("R204", &entry.value.span, "the answer to a withdrawal is not filled in", hint);
    }
    Some(reply)
}
