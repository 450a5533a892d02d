//! Told: the sentences of a run's story. The store keeps a line as its English sentence, which programs and older releases
//! read; a page reads it back into its line and parts, and shows it in the language of its reader.
//!
//! Invariant: what a line is written as is read back as that line with those parts.

use super::RunState;

/// What stands for each part of a line.
const HOLE: &str = "{}";

macro_rules! lines {
    ($($(#[$doc:meta])* $line:ident = $sentence:literal,)+) => {
        /// What happens to a run. Parts are instants, names, numbers and reasons, in the order of the sentence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Told {
            $($(#[$doc])* $line,)+
        }

        impl Told {
            /// In the order in which a sentence is read: of two that fit, the first.
            pub const ALL: &[Self] = &[$(Self::$line,)+];

            /// In English, `{}` for each part.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$line => $sentence,)+
                }
            }
        }
    };
}

lines! {
    WaitOver = "the wait is over",
    WaitsUntil = "waits until {}",
    Passed = "{} has already passed",
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
    // Last: what stands before is anything.
    CalledAgain = "{}; it is tried again",
    Answered = "answered {}",
}

impl Told {
    /// The sentence that is kept.
    pub fn with(self, parts: &[&str]) -> String {
        fill(self.sentence(), parts)
    }

    /// The line of a run that comes to this state, and its parts.
    pub fn ending(state: RunState, reason: &str) -> String {
        let line = match (state, reason) {
            (RunState::Done, "") => Self::Done,
            (RunState::Stopped, "") => Self::Stopped,
            (RunState::Stopped, _) => Self::StoppedFor,
            (RunState::Skipped, "") => Self::Skipped,
            (RunState::Skipped, _) => Self::SkippedFor,
            (RunState::NeedsAttention, "") => Self::NeedsAttention,
            (RunState::NeedsAttention, _) => Self::NeedsAttentionFor,
            (state, _) => return state.as_str().replace('_', " "),
        };
        line.with(&[reason])
    }

    /// Reads a kept sentence; `None` = another release wrote it.
    pub fn read(what: &str) -> Option<(Self, Vec<&str>)> {
        Self::ALL.iter().find_map(|line| Some((*line, parts_of(line.sentence(), what)?)))
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
    fn every_line_is_read_back_with_its_parts() {
        for line in Told::ALL {
            let holes = line.sentence().matches(HOLE).count();
            let all = ["2026-03-02 12:00", "a reason: with \"quotes\"; and é"];
            let parts = &all[..holes];
            assert_eq!(Told::read(&line.with(parts)), Some((*line, parts.to_vec())), "{line:?}");
        }
        assert_eq!(Told::read("case 2 not taken: event.case taken is no").unwrap().0, Told::CaseNotTaken);
        assert_eq!(
            Told::read(&Told::ending(RunState::NeedsAttention, "x")),
            Some((Told::NeedsAttentionFor, vec!["x"]))
        );
    }

    #[test]
    fn what_another_release_wrote_is_no_line() {
        for what in ["", "é", "waits", "sent as text ", "case 1", "it is tried again", "\u{0}"] {
            assert_eq!(Told::read(what), None, "{what}");
        }
    }
}
