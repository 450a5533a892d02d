//! Replacing a part of a scalar in the file: what is written fits the quotes around it, or brings its own.
//!
//! Invariant: read again, the scalar holds what it held with that part replaced (a plain one without the blanks around it),
//! and nothing around it moved.

use super::repair::in_quotes;
use super::{Document, Kind, Node, Style};
use crate::workflow::diagnostic::Edit;

impl Document {
    /// The edit that writes `with` in place of a part of a scalar's text; `None` when it cannot be written there.
    pub(crate) fn replace(&self, node: &Node, offset: usize, len: usize, with: &str) -> Option<Edit> {
        let Kind::Scalar { text, .. } = &node.kind else { return None };
        let mut whole = text.clone();
        whole.get(offset..offset + len)?;
        whole.replace_range(offset..offset + len, with);
        let with = match self.style(node)? {
            Style::Plain if !is_plain(&whole, text) => {
                return Some(Edit { span: node.span.clone(), with: in_quotes(whole.trim()) });
            }
            Style::Literal | Style::Folded if with.contains('\n') => return None,
            Style::Plain | Style::Literal | Style::Folded => with.to_owned(),
            Style::Single => with.replace('\'', "''"),
            Style::Double => with.replace('\\', "\\\\").replace('"', "\\\""),
        };
        Some(Edit { span: self.part_of(node, offset, len), with })
    }

    /// The edit that writes a scalar anew, as one line; `None` when more than the scalar would go.
    pub(crate) fn rewrite(&self, node: &Node, text: &str) -> Option<Edit> {
        let mut span = node.span.clone();
        let style = self.style(node)?;
        if matches!(style, Style::Literal | Style::Folded) {
            // The sign stands at the end of the line above; a comment beside it would be lost.
            let header = self.lines.get(self.header_line(node)? - 1)?;
            let line = self.line_of(*header).trim_end();
            let sign = line.trim_end_matches(['+', '-', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
            let sign = sign.strip_suffix(['|', '>'])?;
            let end = span.start + self.written(&span).trim_end().len();
            span = header + sign.len()..end;
        }
        Some(Edit { span, with: in_quotes(text) })
    }

    /// How the scalar is written in the file; in memory it may have got quotes. `None` when both differ otherwise.
    fn style(&self, node: &Node) -> Option<Style> {
        let Kind::Scalar { style, .. } = node.kind else { return None };
        let written = self.written(&node.span);
        match style {
            Style::Double if !written.starts_with('"') => Some(Style::Plain).filter(|_| !written.starts_with('\'')),
            style => Some(style),
        }
    }
}

/// Whether YAML reads a text without quotes as it stands, where it read `before`.
fn is_plain(text: &str, before: &str) -> bool {
    let text = text.trim();
    let starts = text.starts_with(|c: char| "\"'{}[]&*!|>%@`#,?:-~".contains(c));
    let signs = [",", "[", "]", "{", "}", "\n"].iter().any(|sign| text.contains(sign) && !before.contains(sign));
    !text.is_empty() && !starts && !signs && !text.contains(": ") && !text.contains(" #") && !text.ends_with(':')
}
