//! Rendering: a text filled from the scope, or the hole that stops it (`language.md` §8).
//!
//! Neighbours: `template` made the parts, `helpers` answers calls. Invariant: work and output are bounded; nothing is escaped,
//! and no result is read as a template again.

use super::Hole;
use super::fill::{self, Given, scalar};
use super::helpers::Helper;
use super::secret::{mark, without_marks};
use super::template::{Arg, Call, Local, Part};
use crate::expr::number::Number;
use crate::expr::path::{Path, Root};
use crate::expr::value::Value;
use crate::expr::{Scope, bound};
use std::borrow::Cow;

/// Parts filled in one rendering: nested `#each` must end however long the lists are.
const STEPS: usize = 200_000;

pub(super) fn render(parts: &[Part], scope: &Scope) -> Result<String, Hole> {
    let mut rendering = Rendering { scope: *scope, out: String::new(), steps: 0, items: Vec::new() };
    rendering.parts(parts)?;
    Ok(rendering.out)
}

struct Rendering<'a> {
    scope: Scope<'a>,
    out: String,
    steps: usize,
    items: Vec<Item<'a>>,
}

/// Where an `#each` is.
struct Item<'a> {
    value: Value<'a>,
    index: usize,
    last: bool,
}

impl<'a> Rendering<'a> {
    fn parts(&mut self, parts: &'a [Part]) -> Result<(), Hole> {
        for part in parts {
            self.steps += 1;
            if self.steps > STEPS {
                return Err(Hole("the lists in the text are too long".into()));
            }
            match part {
                Part::Raw(text) => self.write(text)?,
                Part::Secret(name) => self.write(&mark(name))?,
                Part::Print(arg) => {
                    let given = self.given(arg)?;
                    let text = without_marks(scalar(&given)?);
                    if text.trim().is_empty() && !given.literal {
                        return Err(Hole(format!("{} is empty", given.name)));
                    }
                    self.write(&text)?;
                }
                Part::If { negated, test, then, otherwise } => {
                    let holds = self.given(test).is_ok_and(|given| is_there(&given.value));
                    self.parts(if holds == *negated { otherwise } else { then })?;
                }
                Part::Each { list, body, empty } => self.each(list, body, empty)?,
            }
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), Hole> {
        if self.out.len() + text.len() > bound::OUTPUT {
            return Err(Hole("the text is longer than 256 KiB".into()));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn each(&mut self, list: &'a Arg, body: &'a [Part], empty: &'a [Part]) -> Result<(), Hole> {
        let given = self.given(list)?;
        if given.value.is_null() {
            return Err(Hole(format!("{} is missing", given.name)));
        }
        let items = given.value.items().ok_or_else(|| Hole(format!("{} is not a list", given.name)))?;
        let count = items.len();
        if count > bound::ITEMS {
            return Err(Hole(format!("{} has more than 1,000 items", given.name)));
        }
        if count == 0 {
            return self.parts(empty);
        }
        for (index, value) in items.enumerate() {
            self.items.push(Item { value, index, last: index + 1 == count });
            let filled = self.parts(body);
            self.items.pop();
            filled?;
        }
        Ok(())
    }

    fn given(&self, arg: &'a Arg) -> Result<Given<'a>, Hole> {
        let literal = matches!(arg, Arg::Literal(_));
        let (name, value) = match arg {
            Arg::Literal(json) => (Cow::Owned(json.to_string()), Value::from(json)),
            Arg::Path(path) => {
                let item = self.items.last();
                (self.name(path, item), path.resolve(&self.scope, item.map(|item| &item.value)))
            }
            Arg::Local(local) => (Cow::Borrowed("@index"), self.local(*local)),
            Arg::Call(call) => (Cow::Borrowed(call.shown.as_ref()), self.call(call)?),
        };
        Ok(Given { name, value, literal })
    }

    /// The item is named by its number, so that the one without a name is found.
    fn name(&self, path: &'a Path, item: Option<&Item>) -> Cow<'a, str> {
        match (path.root, item) {
            (Root::Item, Some(item)) => Cow::Owned(format!("{} of item {}", path.shown, item.index + 1)),
            _ => Cow::Borrowed(&path.shown),
        }
    }

    fn local(&self, local: Local) -> Value<'a> {
        let Some(item) = self.items.last() else { return Value::Null };
        match local {
            Local::Index => Value::Number(Number::Whole(item.index as i128)),
            Local::First => Value::Bool(item.index == 0),
            Local::Last => Value::Bool(item.last),
        }
    }

    fn call(&self, call: &'a Call) -> Result<Value<'a>, Hole> {
        if call.helper == Helper::Default {
            return self.default(call);
        }
        let given = call.values.iter().map(|arg| self.given(arg)).collect::<Result<_, _>>()?;
        let option = |(name, arg): &'a (Box<str>, Arg)| self.given(arg).map(|given| (name.as_ref(), given));
        let options = call.options.iter().map(option).collect::<Result<_, _>>()?;
        fill::Call { scope: &self.scope, given, options, prepared: &call.prepared }.fill(call.helper)
    }

    /// The first value that is there and not blank; a helper that has none counts as missing.
    fn default(&self, call: &'a Call) -> Result<Value<'a>, Hole> {
        let mut hole = None;
        for arg in &call.values {
            match self.given(arg) {
                Ok(given) if !given.value.is_null() && !is_blank(&given.value) => return Ok(given.value),
                Ok(given) => {
                    hole.get_or_insert_with(|| Hole(format!("{} is missing", given.name)));
                }
                Err(why) => {
                    hole.get_or_insert(why);
                }
            }
        }
        Err(hole.unwrap_or_else(|| Hole("nothing is given".into())))
    }
}

fn is_blank(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.trim().is_empty())
}

/// The yes side of `#if`: not missing, false, 0 or empty.
fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(answer) => *answer,
        Value::Number(number) => !number.is_zero(),
        Value::Text(_) => !is_blank(value),
        Value::Time(_) => true,
        Value::Json(serde_json::Value::Object(fields)) => !fields.is_empty(),
        Value::Json(_) | Value::List(_) => value.items().is_some_and(|items| items.len() > 0),
    }
}
