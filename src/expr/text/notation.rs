//! Notation: what people write in a text that is no Handlebars, or not ours, and the exact replacement (R302, R305, R306).
//!
//! Found tag by tag, so that one mistake hides no other. Invariant: a tag without a mistake here can be given to the crate.

use super::blocks::{BLOCKS, block_words, unfitting_blocks};
use super::helpers::{HELPERS, Row};
use super::tag::{Piece, Tag, TagKind, Word, WordKind, pieces};
use crate::expr::path::ROOTS;
use crate::expr::suggest::nearest;
use crate::expr::{Instead, Mistake, bound};
use regex::Regex;
use std::sync::LazyLock;

/// The mistakes of a text, and the text without the tags at fault, each blanked to its own length; `None` when its blocks do not fit.
pub(super) struct Checked {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) rest: Option<String>,
}

pub(super) fn check(source: &str) -> Checked {
    let refuse =
        |message: &str| Checked { mistakes: vec![wrong((0, source.len()), message, "shorten it")], rest: None };
    if source.len() > bound::TEXT {
        return refuse("the text is longer than 64 KiB");
    }
    let pieces = pieces(source);
    if pieces.iter().filter(|piece| matches!(piece, Piece::Tag(_))).count() > bound::TAGS {
        return refuse("the text has more than 500 placeholders");
    }
    let mut mistakes = Vec::new();
    let mut rest = source.to_owned();
    let mut fits = true;
    for piece in &pieces {
        match piece {
            Piece::Raw { offset, text } => mistakes.extend(raw(*offset, text)),
            Piece::Tag(tag) => {
                if let Some(mistake) = tag_mistake(tag) {
                    mistakes.push(mistake);
                    match tag.kind {
                        TagKind::Open | TagKind::Close | TagKind::Else => fits = false,
                        _ => rest.replace_range(tag.offset..tag.offset + tag.len(), &" ".repeat(tag.len())),
                    }
                }
            }
        }
    }
    let blocks = unfitting_blocks(&pieces);
    fits &= blocks.is_empty();
    mistakes.extend(blocks);
    mistakes.sort_by_key(|mistake| mistake.offset);
    mistakes.dedup_by_key(|mistake| mistake.offset);
    Checked { mistakes, rest: fits.then_some(rest) }
}

pub(super) fn wrong((offset, len): (usize, usize), message: impl Into<String>, hint: impl Into<String>) -> Mistake {
    Mistake { code: "R302", offset, len, message: message.into(), hint: hint.into(), fix: None }
}

/// `{ {path} }`, `{contact.name}`, `${contact.name}`.
static BRACES: LazyLock<Regex> = LazyLock::new(|| {
    let roots = ROOTS.join("|");
    let path = format!(r"(?:{roots})\.[\w.\-]+");
    let patterns = format!(r"\{{[ \t]+\{{[ \t]*([^{{}}\n]+?)[ \t]*\}}[ \t]*\}}|\$?\{{[ \t]*({path})[ \t]*\}}\}}?");
    Regex::new(&patterns).expect("the pattern is a constant")
});

/// Tags of other template languages.
static PERCENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{%-?\s*(?:if|elsif|else|endif|for|endfor|set|assign)\b").expect("a constant pattern")
});

fn raw(offset: usize, text: &str) -> Vec<Mistake> {
    let braces = BRACES.captures_iter(text).filter_map(|found| {
        let whole = found.get(0)?;
        let path = found.get(1).or_else(|| found.get(2))?.as_str();
        // `\\{{path}}` is meant as it stands.
        if text[..whole.start()].ends_with('{') {
            return None;
        }
        let message = format!("`{}` is not filled in: a placeholder has two braces on each side", whole.as_str());
        let (offset, len, with) = (offset + whole.start(), whole.len(), format!("{{{{{path}}}}}"));
        let hint = format!("write `{with}`");
        Some(Mistake { code: "R305", offset, len, message, hint, fix: Some(Instead { offset, len, with }) })
    });
    let percent = PERCENT.find_iter(text).map(|found| {
        let hint = "write `{{#if path}}…{{else}}…{{/if}}` or `{{#each list}}…{{/each}}`";
        wrong((offset + found.start(), found.len()), "`{% %}` is another template language", hint)
    });
    braces.chain(percent).collect()
}

fn tag_mistake(tag: &Tag) -> Option<Mistake> {
    let whole = (tag.offset, tag.len());
    match tag.kind {
        TagKind::Comment | TagKind::Else => None,
        TagKind::Unclosed if tag.inner.is_empty() => Some(wrong(whole, "`{{` is not closed", "close it with `}}`")),
        TagKind::Unclosed => {
            let path = tag
                .inner
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .trim_matches(['{', '}', '.', ',', ';', ':', '!']);
            Some(wrong(whole, "`{{` is not closed", format!("write `{{{{{path}}}}}`")))
        }
        TagKind::Close => None,
        TagKind::Open => block_words(tag).or_else(|| inside(tag)),
        TagKind::Print => sigil(tag).or_else(|| keyword(tag)).or_else(|| inside(tag)),
    }
}

/// `{{{x}}}`, `{{> x}}`, `{{& x}}`, `{{}}`, `{{1}}`.
fn sigil(tag: &Tag) -> Option<Mistake> {
    let whole = (tag.offset, tag.len());
    let bare = tag.inner.trim_matches(['{', '}', ' ', '&', '*', '>', '^', '=']);
    if tag.text.starts_with("{{{") || tag.inner.starts_with(['{', '&']) {
        let hint = format!("write `{{{{{bare}}}}}`: two braces are enough");
        return Some(wrong(whole, "`{{{ }}}` and `{{& }}` are not needed here", hint));
    }
    match tag.inner.chars().next() {
        None => Some(wrong(whole, "the braces are empty", "name what to print: `{{contact.first_name}}`")),
        Some('>') => Some(wrong(whole, "one text cannot include another", {
            format!(
                "write the words here, or keep them in `vars` and write `{{{{vars.{}}}}}`",
                crate::expr::plain_name(bare)
            )
        })),
        Some('*' | '=') => Some(wrong(whole, format!("`{{{{{}` is not known here", &tag.inner[..1]), "remove it")),
        Some('^') => Some(wrong(whole, "`{{^}}` is not known here", "write `{{else}}`, or `{{#unless path}}`")),
        Some(_) if tag.inner.bytes().all(|byte| byte.is_ascii_digit()) => Some(Mistake {
            code: "R306",
            offset: tag.offset,
            len: tag.len(),
            message: format!("`{}` only shows a place in the template: write here what fills it", tag.text),
            hint: "name the field, such as `{{contact.first_name}}`; numbers belong to templates".into(),
            fix: None,
        }),
        Some(_) => None,
    }
}

/// `{{else if x}}`, `{{if x}}`, `{{endif}}`.
fn keyword(tag: &Tag) -> Option<Mistake> {
    let whole = (tag.offset, tag.len());
    let (first, rest) = tag.inner.split_once(char::is_whitespace).unwrap_or((tag.inner, ""));
    match first {
        "else" | "elseif" | "elsif" | "elif" => {
            let path = rest.trim().trim_start_matches("if ").trim();
            let hint = format!("write `{{{{else}}}}{{{{#if {path}}}}}…{{{{/if}}}}`, or ask in `branch`");
            Some(wrong(whole, format!("`{first}` takes nothing after it"), hint))
        }
        "endif" | "endfor" | "endeach" | "end" | "endunless" => {
            let block = match first {
                "endfor" | "endeach" => "each",
                "endunless" => "unless",
                _ => "if",
            };
            Some(wrong(whole, format!("`{first}` is another template language"), format!("write `{{{{/{block}}}}}`")))
        }
        "for" | "foreach" => {
            Some(wrong(whole, "`for` is another template language", "write `{{#each event.items}}…{{/each}}`"))
        }
        _ if BLOCKS.contains(&first) && !rest.is_empty() => Some(wrong(
            whole,
            format!("`{first}` opens a block"),
            format!("write `{{{{#{first} {}}}}}…{{{{/{first}}}}}`", rest.trim()),
        )),
        _ => None,
    }
}

/// What may be wrong between any braces.
fn inside(tag: &Tag) -> Option<Mistake> {
    let words = tag.words();
    let symbol = |text: &str| words.iter().find(|word| word.kind == WordKind::Symbol && word.text == text);
    if let Some(quote) = ["“", "”", "‘", "’"].iter().find_map(|quote| symbol(quote)) {
        let straight = tag.text.replace(['“', '”'], "\"").replace(['‘', '’'], "'");
        return Some(wrong((quote.offset, quote.text.len()), "typographic quotes", format!("write `{straight}`")));
    }
    if let Some(pipe) = symbol("|").or_else(|| symbol("||")).or_else(|| symbol("?")) {
        return Some(filter(&words, pipe));
    }
    if let Some(bracket) = symbol("[") {
        return Some(wrong((bracket.offset, 1), "`[ ]` is not how a text reaches an item", index_hint(tag.text)));
    }
    let comparisons = ["==", "!=", "<=", ">=", "<", ">", "!", "&&", "&", "="];
    let compared = comparisons.iter().find_map(|sign| symbol(sign)).filter(|sign| !is_option(&words, sign));
    if let Some(sign) = compared {
        let message = format!("a text compares nothing: `{}`", sign.text);
        return Some(wrong((sign.offset, sign.text.len()), message, "ask in a `branch`, or with `if:` on the step"));
    }
    if let Some(sign) = [",", ";", "%", "+", "*", "{", "}"].iter().find_map(|sign| symbol(sign)) {
        let hint = format!("values are separated by spaces, as in `{}`", HELPERS[0].example);
        return Some(wrong((sign.offset, sign.text.len()), format!("`{}` means nothing here", sign.text), hint));
    }
    words
        .iter()
        .find_map(upward)
        .or_else(|| called(tag, &words))
        .or_else(|| depth(tag, &words))
        .or_else(|| spaced(tag, &words))
}

fn upward(word: &Word) -> Option<Mistake> {
    let place = (word.offset, word.text.len());
    let (kind, text) = (word.kind, word.text);
    if kind != WordKind::Word {
        return None;
    }
    if text.starts_with("../") || text.starts_with("./") || text.starts_with("@root") || text.contains('/') {
        let bare =
            text.trim_start_matches("../").trim_start_matches("./").trim_start_matches("@root.").replace('/', ".");
        return Some(wrong(
            place,
            format!("`{text}` is not needed"),
            format!("write the whole path wherever you are: `{bare}`"),
        ));
    }
    let known = ["@index", "@first", "@last"];
    (text.starts_with('@') && !known.contains(&text)).then(|| {
        let hint = nearest(text, known)
            .map_or("there are `@index`, `@first`, `@last`".into(), |near| format!("did you mean `{near}`?"));
        wrong(place, format!("`{text}` is not known here"), hint)
    })
}

/// `name=` is an option of a helper.
fn is_option(words: &[Word], sign: &Word) -> bool {
    let at = words.iter().position(|word| word.offset == sign.offset).unwrap_or_default();
    let before = at.checked_sub(1).map(|before| &words[before]);
    sign.text == "="
        && at > 1
        && before.is_some_and(|word| word.offset + word.text.len() == sign.offset && !word.text.contains('.'))
}

/// `{{contact.name | upper}}`, `{{contact.name || 'friend'}}`.
fn filter(words: &[Word], pipe: &Word) -> Mistake {
    let place = (pipe.offset, pipe.text.len());
    let path = words.first().map_or("contact.name", |word| word.text);
    let after: Vec<&str> = words.iter().skip_while(|word| word.offset <= pipe.offset).map(|word| word.text).collect();
    let name = after.first().copied().unwrap_or_default();
    let rest: Vec<&str> =
        after.iter().skip(1).copied().filter(|word| !matches!(*word, ":" | "(" | ")" | "|" | ",")).collect();
    let known = HELPERS.iter().find(|row| row.name == name.trim_end_matches(':'));
    let hint = match known {
        Some(row) => format!("write `{{{{{}}}}}`", [&[row.name, path], rest.as_slice()].concat().join(" ")),
        None if pipe.text == "||" && !name.is_empty() => format!("write `{{{{default {path} {name}}}}}`"),
        None => format!("a helper stands first: `{}`", HELPERS[1].example),
    };
    let message = if pipe.text == "|" { "there are no filters" } else { "a text asks nothing" };
    wrong(place, format!("{message}: `{}`", pipe.text), hint)
}

fn index_hint(text: &str) -> String {
    static INDEX: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"\.?\[\s*["']?([^\]"']*)["']?\s*\]"#).expect("a constant pattern"));
    format!(
        "write `{}`",
        INDEX.replace_all(text, |found: &regex::Captures| format!(".{}", crate::expr::path::plain_name(&found[1])))
    )
}

/// `{{upper(contact.name)}}`.
fn called(tag: &Tag, words: &[Word]) -> Option<Mistake> {
    let pair = words.windows(2).find(|pair| {
        pair[0].kind == WordKind::Word && pair[1].text == "(" && pair[0].offset + pair[0].text.len() == pair[1].offset
    })?;
    let inner: Vec<&str> =
        words.iter().map(|word| word.text).filter(|text| !matches!(*text, "(" | ")" | ",")).collect();
    let hash = if tag.kind == TagKind::Open { "#" } else { "" };
    let message = format!("`{}` takes its values without brackets", pair[0].text);
    Some(wrong((pair[0].offset, pair[0].text.len()), message, format!("write `{{{{{hash}{}}}}}`", inner.join(" "))))
}

fn depth(tag: &Tag, words: &[Word]) -> Option<Mistake> {
    const DEEPEST: usize = 8;
    let (mut open, mut deepest) = (0_usize, 0);
    for word in words.iter().filter(|word| word.kind == WordKind::Symbol) {
        match word.text {
            "(" => open += 1,
            ")" if open == 0 => {
                return Some(wrong((word.offset, 1), "`)` closes nothing", "remove it, or open it with `(`"));
            }
            ")" => open -= 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    let place = (tag.offset, tag.len());
    match (open, deepest) {
        (0, 0..=DEEPEST) => None,
        (0, _) => Some(wrong(place, "helpers are nested too deeply", "compute parts in `vars`")),
        _ => Some(wrong(place, "`(` is not closed", "close it with `)`")),
    }
}

/// `{{contact.first name}}`, `{{contact.name upper}}`.
fn spaced(tag: &Tag, words: &[Word]) -> Option<Mistake> {
    let [first, second, ..] = words else { return None };
    if tag.kind != TagKind::Print || first.kind != WordKind::Word || !first.text.contains('.') {
        return None;
    }
    let helper = HELPERS.iter().find(|row: &&Row| row.name == second.text);
    let hint = match helper {
        Some(row) => format!("the helper stands first: `{{{{{} {}}}}}`", row.name, first.text),
        None => format!(
            "a space of a key is reached as `_`: `{{{{{}}}}}`",
            words.iter().map(|word| word.text).collect::<Vec<_>>().join("_")
        ),
    };
    Some(wrong((tag.offset, tag.len()), format!("`{}` is no helper", first.text), hint))
}
