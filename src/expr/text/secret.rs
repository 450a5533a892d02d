//! Secrets: `{{secret.NAME}}` is filled with a mark that says which one, never with its value.
//!
//! Whoever makes the call puts the values in, just before the wire: what is rendered may be stored and shown. Invariant: a mark
//! comes from the author's own text only, because every value that is filled in loses the characters a mark is made of.

use super::template::{Here, Lowering, Part};
use std::borrow::Cow;

/// What a mark begins with; the secret's name follows.
pub const MARK_START: &str = "\u{E000}secret:";
/// What a mark ends with.
pub const MARK_END: char = '\u{E001}';
/// No text of a person has them: they are for private use.
const MARKS: [char; 2] = ['\u{E000}', MARK_END];

/// What stands for a secret in a rendered text.
pub(super) fn mark(name: &str) -> String {
    format!("{MARK_START}{name}{MARK_END}")
}

/// A rendered text for people: each mark as the name of its secret.
pub fn readable_marks(text: &str) -> String {
    text.replace(MARK_START, "[secret ").replace(MARK_END, "]")
}

/// A value as it may be filled in.
pub(super) fn without_marks(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.contains(MARKS) {
        true => Cow::Owned(text.replace(MARKS, "")),
        false => text,
    }
}

impl Lowering<'_> {
    /// The path of a tag that prints it, when that is a secret's.
    pub(super) fn secret(&mut self, written: &str, here: &mut Here) -> Option<Part> {
        let name = match written.split_once('.') {
            None if written == "secret" => "",
            Some(("secret", name)) => name,
            _ => return None,
        };
        let place = here.claim(written);
        if !is_variable(name) {
            let hint = "write the name of a variable of the environment: `{{secret.BOOKING_TOKEN}}`".to_owned();
            let nothing = self.mistake("R307", place, "this names no secret".to_owned(), hint);
            return Some(Part::Print(nothing));
        }
        self.used("secret".to_owned(), vec![name.to_owned()], place);
        Some(Part::Secret(name.into()))
    }
}

fn is_variable(name: &str) -> bool {
    let formed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    formed && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}
