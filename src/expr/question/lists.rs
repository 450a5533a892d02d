//! List functions: `all exists exists_one filter map`, three-valued and bounded.

use super::Undecidable;
use super::eval::{Env, missing, name, wrong};
use super::node::{Node, Walk};
use crate::expr::bound;
use crate::expr::value::Value;
use std::borrow::Cow;

/// Walks a list. A longer one than [`bound::ITEMS`] is undecidable, whatever its items are.
pub(super) fn walk<'a>(env: &Env<'a>, walk: Walk, list: &'a Node, body: &'a Node) -> Result<Value<'a>, Undecidable> {
    let value = env.eval(list)?;
    if value.is_null() {
        return Err(missing(env, list));
    }
    let items = value.items().ok_or_else(|| wrong(env, list, &value, "a list"))?;
    if items.len() > bound::ITEMS {
        return Err(Undecidable(format!("{} has more than 1,000 items", name(env, list))));
    }
    let at = |item: Value<'a>| Env { scope: env.scope, source: env.source, item: Some(item) };
    match walk {
        Walk::All => quantify(items.map(|item| at(item).yes_or_no(body)), false),
        Walk::Exists => quantify(items.map(|item| at(item).yes_or_no(body)), true),
        Walk::ExistsOne => exists_one(items.map(|item| at(item).yes_or_no(body))),
        Walk::Filter => items
            .filter_map(|item| match at(item.clone()).yes_or_no(body) {
                Ok(true) => Some(Ok(item)),
                Ok(false) => None,
                Err(why) => Some(Err(why)),
            })
            .collect::<Result<_, _>>()
            .map(Value::List),
        Walk::Map => map(items.map(|item| at(item).eval(body))),
    }
}

/// `all` is decided by a no, `exists` by a yes; else one undecidable item leaves the whole undecidable.
fn quantify<'a>(
    answers: impl Iterator<Item = Result<bool, Undecidable>>,
    decided_by: bool,
) -> Result<Value<'a>, Undecidable> {
    let mut doubt = None;
    for answer in answers {
        match answer {
            Ok(answer) if answer == decided_by => return Ok(Value::Bool(decided_by)),
            Ok(_) => {}
            Err(why) => {
                doubt.get_or_insert(why);
            }
        }
    }
    doubt.map_or(Ok(Value::Bool(!decided_by)), Err)
}

/// Two that hold decide; otherwise every item must be decided.
fn exists_one<'a>(answers: impl Iterator<Item = Result<bool, Undecidable>>) -> Result<Value<'a>, Undecidable> {
    let (mut found, mut doubt) = (0_usize, None);
    for answer in answers {
        match answer {
            Ok(holds) => found += usize::from(holds),
            Err(why) => {
                doubt.get_or_insert(why);
            }
        }
        if found > 1 {
            return Ok(Value::Bool(false));
        }
    }
    doubt.map_or(Ok(Value::Bool(found == 1)), Err)
}

/// What the items became; the texts made on the way are bounded together.
fn map<'a>(items: impl Iterator<Item = Result<Value<'a>, Undecidable>>) -> Result<Value<'a>, Undecidable> {
    let (mut made, mut bytes) = (Vec::new(), 0_usize);
    for item in items {
        let item = item?;
        if let Value::Text(Cow::Owned(text)) = &item {
            bytes += text.len();
        }
        if bytes > bound::OUTPUT {
            return Err(Undecidable("the text is longer than 256 KiB".into()));
        }
        made.push(item);
    }
    Ok(Value::List(made))
}
