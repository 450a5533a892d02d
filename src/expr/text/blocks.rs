//! Blocks of a text: `{{#if}}`, `{{#unless}}`, `{{#each}}`, and whether each is closed.

use super::notation::wrong;
use super::tag::{Piece, Tag, TagKind};
use crate::expr::suggest::nearest;
use crate::expr::{Mistake, bound};

pub(super) const BLOCKS: [&str; 3] = ["if", "unless", "each"];

/// An opening tag by itself.
pub(super) fn block_words(tag: &Tag) -> Option<Mistake> {
    let words = tag.words();
    let whole = (tag.offset, tag.len());
    let Some(first) = words.first() else {
        return Some(wrong(
            whole,
            "the block has no name",
            "write `{{#if path}}`, `{{#unless path}}` or `{{#each list}}`",
        ));
    };
    if !BLOCKS.contains(&first.text) {
        let hint = match nearest(first.text, BLOCKS) {
            Some(block) => format!("did you mean `{{{{#{block}}}}}`?"),
            None => "there are `{{#if}}`, `{{#unless}}` and `{{#each}}`".to_owned(),
        };
        return Some(wrong(whole, format!("there is no block `{{{{#{}}}}}`", first.text), hint));
    }
    if words.iter().any(|word| word.text == "as") && words.iter().any(|word| word.text == "|") {
        return Some(wrong(whole, "a block names nothing with `as`", "write `{{#each list}}` and `{{this.name}}`"));
    }
    let example = format!("write `{{{{#{} event.items}}}}`", first.text);
    (words.len() == 1).then(|| wrong(whole, format!("`{{{{#{}}}}}` needs a path", first.text), example))
}

/// Blocks that are not closed, or close nothing.
pub(super) fn unfitting_blocks(pieces: &[Piece]) -> Vec<Mistake> {
    let mut open: Vec<(&Tag, bool)> = Vec::new();
    let mut mistakes = Vec::new();
    let tags = pieces.iter().filter_map(|piece| if let Piece::Tag(tag) = piece { Some(tag) } else { None });
    for tag in tags {
        let place = (tag.offset, tag.len());
        match tag.kind {
            TagKind::Open => open.push((tag, false)),
            TagKind::Else => match open.last_mut() {
                Some((_, had_else)) if !*had_else => *had_else = true,
                Some(_) => mistakes.push(wrong(place, "a second `{{else}}`", "keep one")),
                None => mistakes.push(wrong(place, "`{{else}}` stands in no block", "open it with `{{#if path}}`")),
            },
            TagKind::Close => match open.pop() {
                Some((opening, _)) if name(opening) == tag.inner => {}
                Some((opening, _)) => {
                    let message = format!("`{}` closes `{}`", tag.text, opening.text);
                    mistakes.push(wrong(place, message, format!("write `{{{{/{}}}}}`", name(opening))));
                }
                None => mistakes.push(wrong(
                    place,
                    format!("`{}` closes nothing", tag.text),
                    "remove it, or open the block",
                )),
            },
            _ => {}
        }
        if open.len() > bound::DEPTH / 2 {
            return vec![wrong(place, "blocks are nested too deeply", "split the text")];
        }
    }
    mistakes.extend(open.into_iter().map(|(tag, _)| {
        let hint = format!("close it with `{{{{/{}}}}}`", name(tag));
        wrong((tag.offset, tag.len()), format!("`{}` is not closed", tag.text), hint)
    }));
    mistakes
}

fn name<'s>(tag: &Tag<'s>) -> &'s str {
    tag.inner.split_whitespace().next().unwrap_or_default()
}
