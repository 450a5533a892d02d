//! Templates: a text after parsing, in the form that is filled. The handlebars crate reads the text, this lowers its elements once.
//!
//! Neighbours: `notation` has looked for foreign notation before, `render` fills. Invariant: every path here starts at a root of
//! ours, or at the item of the `#each` around it.

use super::blocks::BLOCKS;
use super::helpers::{HELPERS, Helper, Prepared};
use super::tag::{Piece, Tag, TagKind, Word, pieces};
use crate::expr::path::{Path, Root, unknown_field, unknown_root};
use crate::expr::suggest::nearest;
use crate::expr::{Mistake, PathUse, Wants};
use handlebars::Path as HandlebarsPath;
use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};
use serde_json::Value as Json;

#[derive(Debug)]
pub(super) enum Part {
    Raw(Box<str>),
    Print(Arg),
    /// The name of a secret: printed as its mark.
    Secret(Box<str>),
    If {
        negated: bool,
        test: Arg,
        then: Vec<Part>,
        otherwise: Vec<Part>,
    },
    Each {
        list: Arg,
        body: Vec<Part>,
        empty: Vec<Part>,
    },
}

/// What is printed, asked for, or given to a helper.
#[derive(Debug)]
pub(super) enum Arg {
    Literal(Json),
    Path(Path),
    /// `@index`, `@first`, `@last`.
    Local(Local),
    Call(Box<Call>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Local {
    Index,
    First,
    Last,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) helper: Helper,
    pub(super) values: Vec<Arg>,
    pub(super) options: Vec<(Box<str>, Arg)>,
    pub(super) prepared: Prepared,
    /// As a sentence names it: `money event.total`.
    pub(super) shown: Box<str>,
}

/// A text whose notation was checked: what it is made of, and what is wrong with its meaning.
#[derive(Default)]
pub(super) struct Lowered {
    pub(super) parts: Vec<Part>,
    pub(super) paths: Vec<PathUse>,
    pub(super) mistakes: Vec<Mistake>,
    /// What can be filled, and is hardly what was meant.
    pub(super) doubts: Vec<Mistake>,
}

pub(super) fn lower(source: &str) -> Lowered {
    let pieces = pieces(source);
    let tags = pieces.iter().filter_map(|piece| match piece {
        Piece::Tag(tag) if matches!(tag.kind, TagKind::Print | TagKind::Open) => Some(*tag),
        _ => None,
    });
    let template = match Template::compile(source) {
        Ok(template) => template,
        Err(error) => return Lowered { mistakes: vec![unreadable(source, &error, &pieces)], ..Lowered::default() },
    };
    let mut lowering = Lowering {
        tags: Box::new(tags),
        uses: Vec::new(),
        mistakes: Vec::new(),
        doubts: Vec::new(),
        lists: Vec::new(),
        guards: Vec::new(),
    };
    let parts = lowering.template(&template);
    Lowered { parts, paths: lowering.uses, mistakes: lowering.mistakes, doubts: lowering.doubts }
}

/// The crate's complaint names a place, its words are not for authors.
fn unreadable(source: &str, error: &handlebars::TemplateError, pieces: &[Piece]) -> Mistake {
    let (line, column) = error.pos().unwrap_or((1, 1));
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = source.get(start..).unwrap_or_default();
    let at = start + rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>();
    let before = |piece: &&Piece| matches!(piece, Piece::Tag(tag) if tag.offset <= at);
    let tag =
        pieces.iter().rev().find(before).and_then(|piece| if let Piece::Tag(tag) = piece { Some(tag) } else { None });
    let (offset, len, text) = tag.map_or((at, 0, ""), |tag| (tag.offset, tag.len(), tag.text));
    let hint = "a placeholder is `{{path}}` or `{{helper path 'text'}}`; a block is `{{#if path}}…{{/if}}`".to_owned();
    Mistake { code: "R302", offset, len, message: format!("`{text}` cannot be read"), hint, fix: None }
}

/// What an `#each` walks, as root and fields, when that is a path.
type List = Option<(Root, Vec<String>)>;

pub(super) struct Lowering<'s> {
    /// Printing and opening tags, in the order in which the crate tells their elements.
    tags: Box<dyn Iterator<Item = Tag<'s>> + 's>,
    uses: Vec<PathUse>,
    mistakes: Vec<Mistake>,
    pub(super) doubts: Vec<Mistake>,
    lists: Vec<List>,
    /// Paths that an `#if` around has found to be there.
    guards: Vec<(String, Vec<String>)>,
}

/// The tag that is lowered, and its words that no part has claimed yet.
pub(super) struct Here<'s> {
    pub(super) place: (usize, usize),
    pub(super) words: Vec<Word<'s>>,
}

impl Here<'_> {
    /// The place of a word, each used once; the whole tag when it is not found.
    pub(super) fn claim(&mut self, text: &str) -> (usize, usize) {
        let found = self.words.iter().position(|word| word.text == text);
        found.map_or(self.place, |at| {
            let word = self.words.remove(at);
            (word.offset, word.text.len())
        })
    }
}

impl<'s> Lowering<'s> {
    fn template(&mut self, template: &Template) -> Vec<Part> {
        template.elements.iter().filter_map(|element| self.element(element)).collect()
    }

    fn element(&mut self, element: &TemplateElement) -> Option<Part> {
        match element {
            TemplateElement::RawString(text) => (!text.is_empty()).then(|| Part::Raw(text.as_str().into())),
            TemplateElement::Comment(_) => None,
            TemplateElement::Expression(expression) => {
                let tag = self.tags.next();
                let mut here = here(tag.as_ref());
                Some(self.printed(expression, &mut here))
            }
            TemplateElement::HelperBlock(block) => {
                let tag = self.tags.next();
                let mut here = here(tag.as_ref());
                self.block(block, &mut here)
            }
            _ => {
                let tag = self.tags.next();
                let place = here(tag.as_ref()).place;
                self.mistake(
                    "R302",
                    place,
                    "this notation is not ours".into(),
                    "write `{{path}}` or `{{helper path}}`".into(),
                );
                None
            }
        }
    }

    pub(super) fn mistake(
        &mut self,
        code: &'static str,
        (offset, len): (usize, usize),
        message: String,
        hint: String,
    ) -> Arg {
        self.mistakes.push(Mistake { code, offset, len, message, hint, fix: None });
        Arg::Literal(Json::Null)
    }

    fn printed(&mut self, expression: &HelperTemplate, here: &mut Here) -> Part {
        let bare = expression.params.is_empty() && expression.hash.is_empty();
        let written = match &expression.name {
            Parameter::Name(name) => name.as_str(),
            Parameter::Path(path) => raw(path),
            _ => "",
        };
        let secret = if bare { self.secret(written, here) } else { None };
        secret.unwrap_or_else(|| Part::Print(self.expression(expression, here, Wants::Scalar, false)))
    }

    /// A path, or a helper with its values.
    fn expression(&mut self, expression: &HelperTemplate, here: &mut Here, wants: Wants, optional: bool) -> Arg {
        let bare = expression.params.is_empty() && expression.hash.is_empty();
        match &expression.name {
            Parameter::Name(name) if !bare => self.call(name, expression, here, optional),
            Parameter::Name(name) => self.path(name, here, wants, optional),
            Parameter::Path(path) if bare => self.path(raw(path), here, wants, optional),
            Parameter::Path(path) => self.call(raw(path), expression, here, optional),
            name => self.arg(name, here, wants, optional),
        }
    }

    fn block(&mut self, block: &HelperTemplate, here: &mut Here) -> Option<Part> {
        let name = match &block.name {
            Parameter::Name(name) => name.as_str(),
            Parameter::Path(path) => raw(path),
            _ => "",
        };
        here.claim(name);
        if block.params.len() != 1 || !block.hash.is_empty() || block.block_param.is_some() {
            let hint = format!("write `{{{{#{name} event.items}}}}`");
            self.mistake("R302", here.place, format!("`{{{{#{name}}}}}` takes one path"), hint);
            return None;
        }
        let param = &block.params[0];
        match name {
            "if" | "unless" => Some(self.test(name == "unless", param, block, here)),
            "each" => Some(self.each(param, block, here)),
            _ => {
                let hint = nearest(name, BLOCKS)
                    .map_or("there are `if`, `unless`, `each`".into(), |near| format!("did you mean `{near}`?"));
                self.mistake("R302", here.place, format!("there is no block `{name}`"), hint);
                None
            }
        }
    }

    /// What the test found to be there may be printed in that branch without a `default`.
    fn test(&mut self, negated: bool, param: &Parameter, block: &HelperTemplate, here: &mut Here) -> Part {
        let before = self.uses.len();
        let test = self.arg(param, here, Wants::Any, true);
        let guard = match &test {
            Arg::Path(_) => self.uses.get(before).map(|used| (used.root.clone(), used.fields.clone())),
            _ => None,
        };
        let mut branch = |template: &Option<Template>, guarded: bool| {
            let guard = guard.clone().filter(|_| guarded);
            let pushed = guard.is_some();
            self.guards.extend(guard);
            let parts = template.as_ref().map(|template| self.template(template)).unwrap_or_default();
            if pushed {
                self.guards.pop();
            }
            parts
        };
        let then = branch(&block.template, !negated);
        let otherwise = branch(&block.inverse, negated);
        Part::If { negated, test, then, otherwise }
    }

    fn each(&mut self, param: &Parameter, block: &HelperTemplate, here: &mut Here) -> Part {
        let list = self.arg(param, here, Wants::List, false);
        let walked = match &list {
            Arg::Path(path) => self.resolved(path),
            _ => None,
        };
        self.lists.push(walked);
        let body = block.template.as_ref().map(|template| self.template(template)).unwrap_or_default();
        self.lists.pop();
        let empty = block.inverse.as_ref().map(|template| self.template(template)).unwrap_or_default();
        Part::Each { list, body, empty }
    }

    /// A path from its root; the item of a list is its first one.
    fn resolved(&self, path: &Path) -> List {
        let (root, mut fields) = match path.root {
            Root::Item => {
                let (root, mut fields) = self.lists.last().cloned().flatten()?;
                fields.push("0".to_owned());
                (root, fields)
            }
            root => (root, Vec::new()),
        };
        fields.extend(path.fields.iter().map(ToString::to_string));
        Some((root, fields))
    }

    pub(super) fn arg(&mut self, param: &Parameter, here: &mut Here, wants: Wants, optional: bool) -> Arg {
        match param {
            Parameter::Name(name) => self.path(name, here, wants, optional),
            Parameter::Path(path) => self.path(raw(path), here, wants, optional),
            Parameter::Literal(json @ (Json::Array(_) | Json::Object(_))) => {
                let hint = "write a path, a text between apostrophes, or a number".to_owned();
                self.mistake("R302", here.place, format!("`{json}` cannot be written in a text"), hint)
            }
            Parameter::Literal(json) => Arg::Literal(json.clone()),
            Parameter::Subexpression(inner) => match inner.as_element() {
                TemplateElement::Expression(expression) => self.expression(expression, here, wants, optional),
                _ => Arg::Literal(Json::Null),
            },
            _ => Arg::Literal(Json::Null),
        }
    }

    /// A field that is there whenever the text is.
    pub(super) fn used(&mut self, root: String, fields: Vec<String>, (offset, len): (usize, usize)) {
        self.uses.push(PathUse { root, fields, offset, len, optional: true, wants: Wants::Scalar });
    }

    fn path(&mut self, written: &str, here: &mut Here, wants: Wants, optional: bool) -> Arg {
        let place = here.claim(written);
        let in_each = !self.lists.is_empty();
        let local = match written {
            "@index" => Some(Local::Index),
            "@first" => Some(Local::First),
            "@last" => Some(Local::Last),
            _ => None,
        };
        let mut names = written.split('.');
        let first = names.next().unwrap_or_default();
        let item = first == "this";
        if (local.is_some() || item) && !in_each {
            let hint = "write it between `{{#each list}}` and `{{/each}}`".to_owned();
            return self.mistake("R302", place, format!("`{written}` stands in no `{{{{#each}}}}`"), hint);
        }
        if let Some(local) = local {
            return Arg::Local(local);
        }
        let root = if item { Some(Root::Item) } else { Root::named(first) };
        let Some(root) = root else {
            return self.unknown(first, written, place, in_each);
        };
        let mut path = Path::new(root, first);
        names.for_each(|name| path.push(name));
        if let Some((message, hint)) = unknown_field(&path) {
            return self.mistake("R307", place, message, hint);
        }
        if let Some((root, fields)) = self.resolved(&path) {
            let root = root.name().to_owned();
            let guarded = self.guards.iter().any(|(guard, known)| *guard == root && fields.starts_with(known));
            let optional = optional || guarded;
            self.uses.push(PathUse { root, fields, offset: place.0, len: place.1, optional, wants });
        }
        Arg::Path(path)
    }

    fn unknown(&mut self, first: &str, written: &str, place: (usize, usize), in_each: bool) -> Arg {
        if let Some(row) = HELPERS.iter().find(|row| row.name == written) {
            return self.mistake(
                "R302",
                place,
                format!("`{written}` needs a value"),
                format!("write it like `{}`", row.example),
            );
        }
        let (code, message, hint) = unknown_root(first);
        let hint = match in_each && code == "R307" {
            true => format!("a field of the item is `{{{{this.{written}}}}}`"),
            false => hint,
        };
        self.mistake(code, place, message, hint)
    }
}

fn here<'t>(tag: Option<&'t Tag<'_>>) -> Here<'t> {
    match tag {
        Some(tag) => Here { place: (tag.offset, tag.len()), words: tag.words() },
        None => Here { place: (0, 0), words: Vec::new() },
    }
}

pub(super) fn raw(path: &HandlebarsPath) -> &str {
    match path {
        HandlebarsPath::Relative((_, raw)) | HandlebarsPath::Local((_, _, raw)) => raw,
    }
}
