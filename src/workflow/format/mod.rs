//! Format: one layout for all files of a project. Only blanks and line ends outside of texts change: `plan` says which,
//! by the places of the tree; `write` makes them. Quotes, braces and every comment stay as written.
//! Then `order` puts the keys of a workflow and of its steps into the order of the language, where no comment stands in the way.
//!
//! Pure: text in, text out; who calls writes it. Invariants: the tree read from the result is the tree read from the
//! file, with every comment beside the value it was beside (`unchanged` compares both, or nothing is given out), and a
//! result formatted again is itself.

mod order;
mod plan;
#[cfg(test)]
mod tests;
mod unchanged;
mod write;

use super::diagnostic::{Diagnostic, Severity};
use super::yaml::{Document, Found};

/// Why a file is left as it is.
#[derive(Debug)]
pub enum Left {
    /// It has mistakes of the notation: nobody knows what was meant.
    Mistakes(Vec<Diagnostic>),
    /// It is written in a way for which there is no layout, such as `...` at its end.
    Unusual,
}

/// The text as it should stand in the file. `file` is the name for the mistakes.
///
/// # Errors
/// When it cannot be formatted without a doubt of what it says.
pub fn format(file: &str, text: &str) -> Result<String, Left> {
    // What some editors of Windows write first stays.
    if let Some(text) = text.strip_prefix('\u{feff}') {
        return Ok(format!("\u{feff}{}", format(file, text)?));
    }
    let (document, found) = Document::read(text);
    if !found.is_empty() {
        return Err(Left::Mistakes(found.into_iter().map(|found| told(file, &document, found)).collect()));
    }
    let plan = plan::plan(&document).ok_or(Left::Unusual)?;
    let formatted = write::write(text, &plan);
    if formatted != text && !unchanged::says_the_same(&document, &plan, &formatted) {
        return Err(Left::Unusual);
    }
    Ok(order::ordered(formatted))
}

fn told(file: &str, document: &Document, found: Found) -> Diagnostic {
    let (line, column) = document.place(found.span.start);
    Diagnostic {
        code: found.code,
        severity: Severity::Error,
        file: file.to_owned(),
        line,
        column,
        width: document.width(&found.span),
        message: found.message,
        hint: found.hint,
        fix: found.fix,
    }
}
