//! What the parser's complaints mean to an author.

use granit_parser::ErrorKind;

/// The sentence, and the way out.
pub(super) fn explain(kind: &ErrorKind) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::UnclosedQuotedScalar => ("these quotes are never closed", "put a quote at the end of the text"),
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape
        | ErrorKind::InvalidLowSurrogate
        | ErrorKind::InvalidLowSurrogateHexEscape
        | ErrorKind::MissingLowSurrogate
        | ErrorKind::UnpairedLowSurrogate => {
            ("`\\` starts something YAML does not know", "use single quotes, where `\\` is a plain character")
        }
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::MisplacedFlowCollectionEnd => (
            "`{` and `[` must be closed, with a comma between their parts",
            "add the missing `}`, `]` or `,`, or write one key per line",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
            "this line is neither `key: value` nor part of a text",
            "write `key: value`, or indent it below the text it belongs to, which starts with `|`",
        ),
        ErrorKind::MappingValueNotAllowed | ErrorKind::MappingKeyNotAllowed => (
            "a key cannot stand here",
            "give it the same indentation as its neighbours; a text with `: ` inside needs quotes",
        ),
        ErrorKind::InputDecoding { .. } | ErrorKind::UnexpectedCharacter { .. } => {
            ("YAML cannot read this", "put the text in quotes")
        }
        ErrorKind::DirectiveDisallowed => ("`%` starts a YAML directive", "remove the line, or put the text in quotes"),
        _ => (
            "the indentation of this line fits no line above it",
            "indent with two spaces below its key, and give neighbours the same indentation",
        ),
    }
}
