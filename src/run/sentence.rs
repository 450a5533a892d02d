//! Sentence: what a run's story is told in. The store keeps it in English, which programs and older releases read; a page
//! reads it back into the sentence and its parts, and shows it in the language of its reader.
//!
//! Invariant: what a sentence is written as is read back as that sentence with those parts.

use super::RunState;

/// What stands for each part of a sentence.
const HOLE: &str = "{}";

macro_rules! sentences {
    ($($(#[$doc:meta])* $name:ident = $english:literal,)+) => {
        /// What happens to a run. Parts are instants, names, numbers and reasons, in the order of the sentence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Sentence {
            $($(#[$doc])* $name,)+
        }

        impl Sentence {
            /// In the order in which they are read: of two that fit, the first.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// In English, `{}` for each part.
            pub fn english(self) -> &'static str {
                match self {
                    $(Self::$name => $english,)+
                }
            }
        }
    };
}

sentences! {
    WaitOver = "the wait is over",
    WaitsUntil = "waits until {}",
    WaitsForReply = "waits for a reply until {}",
    NotAsked = "no message was sent: nothing is asked",
    Reply = "reply {} came",
    OtherAnswer = "another answer came: otherwise",
    NoReply = "no reply came",
    NoCase = "no case taken: otherwise",
    /// Number of the case, and why.
    CaseNotTaken = "case {} not taken: {}",
    CaseTaken = "case {} taken",
    /// By whom.
    LeftOutBy = "step left out by {}",
    LeftOut = "step left out: {}",
    /// Code of the language.
    TextInTheirs = "text in `{}`: the person's language",
    TextInUsual = "text in `{}`: the person's language is not known",
    /// What it is in, and what the person speaks.
    TextInstead = "text in `{}`: it is not written in `{}`",
    /// Title of the template, and code of the language.
    TemplateInTheirs = "template `{}`, in `{}`: the person's language",
    TemplateInUsual = "template `{}`: the person's language is not known",
    TemplateInstead = "template `{}`: there is none in `{}`",
    SentAsText = "sent as text",
    SentAsTemplate = "sent as template",
    NotSent = "not sent: {}",
    MessageFailed = "the message failed: {}",
    MessageInDoubt = "nobody can tell whether the message was taken; it is not sent again by itself",
    /// By whom, and so for the ones that follow.
    SentAgain = "its message is sent again by {}",
    SentAgainInDoubt = "sent again by {}, although it may have arrived",
    TriedAgain = "tried again by {}",
    Paused = "paused by {}",
    Resumed = "resumed by {}",
    CallInDoubt = "nobody can tell whether it was done, and it is not done again by itself: {}",
    CallFailed = "the call failed: {}",
    ContactChanged = "the contact is changed",
    WaitsForTurn = "waits for its turn: another run about the same is under way",
    TurnCame = "its turn came",
    /// Number of the entry of `stop_when`, and the name of its trigger.
    StopWhen = "`stop_when` entry {} applies: {}",
    Done = "done",
    Stopped = "stopped",
    StoppedFor = "stopped: {}",
    Skipped = "skipped",
    SkippedFor = "skipped: {}",
    NeedsAttention = "needs attention",
    NeedsAttentionFor = "needs attention: {}",
    Answered = "answered {}",
    // Last: what stands before is anything.
    Passed = "{} has already passed",
    CalledAgain = "{}; it is tried again",
}

impl Sentence {
    /// As it is kept.
    pub fn with(self, parts: &[&str]) -> String {
        fill(self.english(), parts)
    }

    /// What is told of a run that comes to this state.
    pub fn ending(state: RunState, reason: &str) -> String {
        let sentence = match (state, reason) {
            (RunState::Done, "") => Self::Done,
            (RunState::Stopped, "") => Self::Stopped,
            (RunState::Stopped, _) => Self::StoppedFor,
            (RunState::Skipped, "") => Self::Skipped,
            (RunState::Skipped, _) => Self::SkippedFor,
            (RunState::NeedsAttention, "") => Self::NeedsAttention,
            (RunState::NeedsAttention, _) => Self::NeedsAttentionFor,
            (state, _) => return state.as_str().replace('_', " "),
        };
        sentence.with(&[reason])
    }

    /// Reads a kept sentence; `None` = another release wrote it.
    pub fn read(what: &str) -> Option<(Self, Vec<&str>)> {
        Self::ALL.iter().find_map(|one| Some((*one, parts_of(one.english(), what)?)))
    }
}

/// A sentence with its parts in it; what is left over is left out.
pub fn fill(sentence: &str, parts: &[&str]) -> String {
    let mut parts = parts.iter();
    let mut pieces = sentence.split(HOLE);
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        filled.push_str(parts.next().copied().unwrap_or_default());
        filled.push_str(piece);
    }
    filled
}

/// What stands in the holes of a sentence; `None` = something else was written.
pub fn parts_of<'a>(sentence: &str, what: &'a str) -> Option<Vec<&'a str>> {
    let mut pieces = sentence.split(HOLE).peekable();
    let mut rest = what.strip_prefix(pieces.next()?)?;
    let mut parts = Vec::new();
    while let Some(piece) = pieces.next() {
        let end = match pieces.peek() {
            None => rest.len().checked_sub(piece.len()).filter(|end| rest.get(*end..) == Some(piece))?,
            Some(_) => rest.find(piece)?,
        };
        parts.push(&rest[..end]);
        rest = &rest[end + piece.len()..];
    }
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_read_back_with_its_parts() {
        for one in Sentence::ALL {
            let holes = one.english().matches(HOLE).count();
            let all = ["2026-03-02 12:00", "a reason: with \"quotes\"; and é"];
            let parts = &all[..holes];
            assert_eq!(Sentence::read(&one.with(parts)), Some((*one, parts.to_vec())), "{one:?}");
        }
        for reason in ["the offer has already passed", "it broke; it is tried again", "answered 422"] {
            let told = Sentence::ending(RunState::Stopped, reason);
            assert_eq!(Sentence::read(&told), Some((Sentence::StoppedFor, vec![reason])));
        }
        assert_eq!(Sentence::read("case 2 not taken: event.case taken is no").unwrap().0, Sentence::CaseNotTaken);
        assert_eq!(
            Sentence::read(&Sentence::ending(RunState::NeedsAttention, "x")),
            Some((Sentence::NeedsAttentionFor, vec!["x"]))
        );
    }

    #[test]
    fn what_another_release_wrote_is_no_sentence() {
        for what in ["", "é", "waits", "sent as text ", "case 1", "it is tried again", "\u{0}"] {
            assert_eq!(Sentence::read(what), None, "{what}");
        }
    }
}
