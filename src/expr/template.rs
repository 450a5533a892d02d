//! Templates: a text after parsing, in the form that is filled. The handlebars crate reads the text, this lowers its elements once.
//!
//! Neighbours: `notation` has looked for foreign notation before, `render` fills. Invariant: every path here starts at a root of
//! ours, or at the item of the `#each` around it.

use super::helpers::{HELPERS, Helper, Prepared, Row};
use super::notation::BLOCKS;
use super::path::{Path, Root, unknown_field, unknown_root};
use super::suggest::nearest;
use super::tag::{Piece, Tag, TagKind, Word, pieces};
use super::{Mistake, PathUse, Wants};
use handlebars::Path as HandlebarsPath;
use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};
use serde_json::Value as Json;

#[derive(Debug)]
pub(super) enum Part {
    Raw(Box<str>),
    Print(Arg),
    If { negated: bool, test: Arg, then: Vec<Part>, otherwise: Vec<Part> },
    Each { list: Arg, body: Vec<Part>, empty: Vec<Part> },
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

/// Lowers a text whose notation was checked; the mistakes are those of meaning.
pub(super) fn lower(source: &str) -> (Vec<Part>, Vec<PathUse>, Vec<Mistake>) {
    let pieces = pieces(source);
    let tags = pieces.iter().filter_map(|piece| match piece {
        Piece::Tag(tag) if matches!(tag.kind, TagKind::Print | TagKind::Open) => Some(*tag),
        _ => None,
    });
    let template = match Template::compile(source) {
        Ok(template) => template,
        Err(error) => return (Vec::new(), Vec::new(), vec![unreadable(source, &error, &pieces)]),
    };
    let mut lowering = Lowering {
        tags: Box::new(tags),
        uses: Vec::new(),
        mistakes: Vec::new(),
        lists: Vec::new(),
        guards: Vec::new(),
    };
    let parts = lowering.template(&template);
    (parts, lowering.uses, lowering.mistakes)
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
    Mistake { code: "R302", offset, len, message: format!("`{text}` cannot be read"), hint }
}

/// What an `#each` walks, as root and fields, when that is a path.
type List = Option<(Root, Vec<String>)>;

struct Lowering<'s> {
    /// Printing and opening tags, in the order in which the crate tells their elements.
    tags: Box<dyn Iterator<Item = Tag<'s>> + 's>,
    uses: Vec<PathUse>,
    mistakes: Vec<Mistake>,
    lists: Vec<List>,
    /// Paths that an `#if` around has found to be there.
    guards: Vec<(String, Vec<String>)>,
}

/// The tag that is lowered, and its words that no part has claimed yet.
struct Here<'s> {
    place: (usize, usize),
    words: Vec<Word<'s>>,
}

impl Here<'_> {
    /// The place of a word, each used once; the whole tag when it is not found.
    fn claim(&mut self, text: &str) -> (usize, usize) {
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
                Some(Part::Print(self.printed(expression, &mut here)))
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

    fn mistake(&mut self, code: &'static str, (offset, len): (usize, usize), message: String, hint: String) -> Arg {
        self.mistakes.push(Mistake { code, offset, len, message, hint });
        Arg::Literal(Json::Null)
    }

    fn printed(&mut self, expression: &HelperTemplate, here: &mut Here) -> Arg {
        self.expression(expression, here, Wants::Scalar, false)
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

    fn arg(&mut self, param: &Parameter, here: &mut Here, wants: Wants, optional: bool) -> Arg {
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

    fn call(&mut self, name: &str, expression: &HelperTemplate, here: &mut Here, optional: bool) -> Arg {
        let place = here.claim(name);
        let Some(row) = HELPERS.iter().find(|row| row.name == name) else {
            return self.unknown_helper(name, place);
        };
        let (fewest, most) = row.values;
        let count = expression.params.len();
        let first = match expression.params.first() {
            Some(Parameter::Path(path)) => raw(path).to_owned(),
            _ => "…".to_owned(),
        };
        let values: Vec<Arg> = expression
            .params
            .iter()
            .enumerate()
            .map(|(at, param)| self.value(row, at, param, here, optional))
            .collect();
        let mut options: Vec<_> = expression.hash.iter().collect();
        options.sort_by_key(|(option, _)| option.as_str());
        let options: Vec<(Box<str>, Arg)> = options
            .into_iter()
            .map(|(option, param)| {
                self.check_option(row, option, place);
                (option.as_str().into(), self.arg(param, here, Wants::Scalar, optional))
            })
            .collect();
        if !(fewest..=most).contains(&count) {
            let message = format!("`{name}` does not take {count} {}", if count == 1 { "value" } else { "values" });
            return self.mistake("R302", place, message, format!("write it like `{}`", row.example));
        }
        self.check_literals(row, &values, &options, place);
        let prepared = self.prepared(row.helper, &values, &options, here);
        Arg::Call(Box::new(Call {
            helper: row.helper,
            values,
            options,
            prepared,
            shown: format!("{name} {first}").into(),
        }))
    }

    fn value(&mut self, row: &Row, at: usize, param: &Parameter, here: &mut Here, optional: bool) -> Arg {
        let list = at == 0 && matches!(row.helper, Helper::Join | Helper::Count | Helper::Find);
        let wants = if list { Wants::List } else { Wants::Scalar };
        self.arg(param, here, wants, optional || row.helper == Helper::Default)
    }

    fn check_option(&mut self, row: &Row, option: &str, place: (usize, usize)) {
        if row.options.contains(&option) {
            return;
        }
        let hint = match (nearest(option, row.options.iter().copied()), row.options.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}=`?"),
            (None, true) => format!("write it like `{}`", row.example),
            (None, false) => {
                format!("it has {}", row.options.iter().map(|name| format!("`{name}=`")).collect::<Vec<_>>().join(", "))
            }
        };
        self.mistake("R302", place, format!("`{}` has no option `{option}`", row.name), hint);
    }

    /// Literals that can never do what they stand for.
    fn check_literals(&mut self, row: &Row, values: &[Arg], options: &[(Box<str>, Arg)], place: (usize, usize)) {
        let blank = |arg: &Arg| matches!(arg, Arg::Literal(Json::String(text)) if text.trim().is_empty());
        if row.helper == Helper::Default && values.iter().any(blank) {
            let hint = "to print nothing, write `{{#if path}}{{path}}{{/if}}`".to_owned();
            self.mistake("R302", place, "`default` never gives a blank text".into(), hint);
        }
        let yes_or_no = |arg: &Arg| !matches!(arg, Arg::Literal(json) if !json.is_boolean());
        if row.helper == Helper::Money && !options.iter().all(|(_, arg)| yes_or_no(arg)) {
            self.mistake("R302", place, "`cents` is `true` or `false`".into(), "write `cents=true`".into());
        }
    }

    fn prepared(&mut self, helper: Helper, values: &[Arg], options: &[(Box<str>, Arg)], here: &mut Here) -> Prepared {
        let text = |arg: &'_ Arg| match arg {
            Arg::Literal(Json::String(text)) => Some(text.clone()),
            _ => None,
        };
        let literals: Vec<Option<String>> = values.iter().map(text).collect();
        let named: Vec<(&str, Option<String>)> = options.iter().map(|(name, arg)| (name.as_ref(), text(arg))).collect();
        let literal = |at: usize| literals.get(at)?.as_deref();
        let option = |name: &str| named.iter().find(|(option, _)| *option == name)?.1.as_deref();
        Prepared::read(helper, values.len(), literal, option).unwrap_or_else(|(written, code, message, hint)| {
            let quoted = [format!("'{written}'"), format!("\"{written}\"")];
            let found = quoted.iter().find(|text| here.words.iter().any(|word| word.text == **text));
            let place = found.map_or(here.place, |text| here.claim(text));
            self.mistake(code, place, message, hint);
            Prepared::default()
        })
    }

    fn unknown_helper(&mut self, name: &str, place: (usize, usize)) -> Arg {
        let known = HELPERS.iter().map(|row| row.name);
        let meant = match name.to_lowercase().as_str() {
            "uppercase" | "upcase" | "toupper" | "touppercase" => Some("upper"),
            "lowercase" | "downcase" | "tolower" | "tolowercase" => Some("lower"),
            "formatdate" | "dateformat" | "format_date" | "date_format" => Some("date"),
            "formatnumber" | "round" | "tofixed" | "format_number" => Some("number"),
            "currency" | "price" | "formatmoney" | "format_money" => Some("money"),
            "length" | "len" | "size" => Some("count"),
            "or" | "fallback" | "coalesce" => Some("default"),
            "firstname" | "first" | "firstword" => Some("first_word"),
            "encode" | "urlencode" | "encodeuricomponent" | "encodeuri" => Some("url"),
            "pluralize" => Some("plural"),
            "ellipsis" => Some("truncate"),
            _ => nearest(name, known.clone()),
        };
        let hint = match meant.and_then(|meant| HELPERS.iter().find(|row| row.name == meant)) {
            Some(row) => format!("did you mean `{}`? Write it like `{}`", row.name, row.example),
            None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.mistake("R302", place, format!("there is no helper `{name}`"), hint)
    }
}

fn here<'t>(tag: Option<&'t Tag<'_>>) -> Here<'t> {
    match tag {
        Some(tag) => Here { place: (tag.offset, tag.len()), words: tag.words() },
        None => Here { place: (0, 0), words: Vec::new() },
    }
}

fn raw(path: &HandlebarsPath) -> &str {
    match path {
        HandlebarsPath::Relative((_, raw)) | HandlebarsPath::Local((_, _, raw)) => raw,
    }
}
