//! Evaluation of questions: our own walk, because the null rules are ours (`language.md` §7).
//!
//! Neighbours: `functions` answers calls, `lists` walks lists. Invariant: what cannot be decided is an [`Undecidable`] with its
//! sentence, never a yes and never a panic; only a deciding side of `&&` and `||` absorbs it.

use super::Undecidable;
use super::functions::Call;
use super::lists;
use super::node::{Expr, Node, Order};
use crate::expr::number::{Arithmetic, Number};
use crate::expr::value::Value;
use crate::expr::{Scope, bound, path, time};
use std::borrow::Cow;
use std::cmp::Ordering;

/// What an evaluation sees.
pub(super) struct Env<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) source: &'a str,
    /// The item that a list function is at.
    pub(super) item: Option<Value<'a>>,
}

type Answer<'a> = Result<Value<'a>, Undecidable>;

impl<'a> Env<'a> {
    pub(super) fn eval(&self, node: &'a Node) -> Answer<'a> {
        match &node.expr {
            Expr::Null => Ok(Value::Null),
            Expr::Bool(answer) => Ok(Value::Bool(*answer)),
            Expr::Number(number) => Ok(Value::Number(*number)),
            Expr::Text(text) => Ok(Value::text(text.as_ref())),
            Expr::Path(path) => Ok(path.resolve(&self.scope, self.item.as_ref())),
            Expr::List(nodes) => nodes.iter().map(|node| self.eval(node)).collect::<Result<_, _>>().map(Value::List),
            Expr::Field(node, field) => Ok(path::walk(self.eval(node)?, &[field])),
            Expr::Index(list, index) => self.index(list, index),
            Expr::Has(node) => Ok(Value::Bool(self.eval(node).is_ok_and(|value| !value.is_null()))),
            Expr::Not(node) => self.yes_or_no(node).map(|answer| Value::Bool(!answer)),
            Expr::Negate(node) => self.number(node)?.negate().map(Value::Number).ok_or_else(|| too_large("-")),
            Expr::Logic { decided_by, left, right } => self.logic(*decided_by, left, right),
            Expr::Equal { negated, left, right } => self.equal(left, right).map(|same| Value::Bool(same != *negated)),
            Expr::Order { order, left, right } => self.order(*order, left, right),
            Expr::Calculate { operator, left, right } => self.calculate(*operator, left, right),
            Expr::In(item, list) => self.contains(item, list),
            Expr::Choose { condition, yes, no } => self.eval(if self.yes_or_no(condition)? { yes } else { no }),
            Expr::Call { function, args, prepared } => {
                let values = args.iter().map(|node| self.eval(node)).collect::<Result<_, _>>()?;
                Call { env: self, nodes: args, prepared, values }.answer(*function)
            }
            Expr::Walk { walk, list, body } => lists::walk(self, *walk, list, body),
        }
    }

    pub(super) fn yes_or_no(&self, node: &'a Node) -> Result<bool, Undecidable> {
        match self.eval(node)? {
            Value::Bool(answer) => Ok(answer),
            Value::Null => Err(missing(self, node)),
            other => Err(wrong(self, node, &other, "yes or no")),
        }
    }

    fn number(&self, node: &'a Node) -> Result<Number, Undecidable> {
        match self.eval(node)? {
            Value::Number(number) => Ok(number),
            Value::Null => Err(missing(self, node)),
            other => Err(wrong(self, node, &other, "a number")),
        }
    }

    /// An undecidable side is absorbed when the other one decides.
    fn logic(&self, decided_by: bool, left: &'a Node, right: &'a Node) -> Answer<'a> {
        let first = self.yes_or_no(left);
        if first == Ok(decided_by) {
            return Ok(Value::Bool(decided_by));
        }
        match self.yes_or_no(right) {
            Ok(answer) if answer == decided_by => Ok(Value::Bool(decided_by)),
            second => first.and(second).map(Value::Bool),
        }
    }

    fn equal(&self, left: &'a Node, right: &'a Node) -> Result<bool, Undecidable> {
        let (a, b) = (self.eval(left)?, self.eval(right)?);
        Ok(match (&a, &b) {
            (Value::Time(at), text @ Value::Text(_)) | (text @ Value::Text(_), Value::Time(at)) => {
                time::read(text, self.scope.zone).is_some_and(|moment| moment.at == *at)
            }
            _ => a.same(&b),
        })
    }

    fn order(&self, order: Order, left: &'a Node, right: &'a Node) -> Answer<'a> {
        let (a, b) = (self.eval(left)?, self.eval(right)?);
        self.present(left, &a)?;
        self.present(right, &b)?;
        let found = match (&a, &b) {
            (Value::Number(a), Value::Number(b)) => a.compare(*b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Time(_), Value::Time(_) | Value::Text(_)) | (Value::Text(_), Value::Time(_)) => {
                self.order_times((left, &a), (right, &b))?
            }
            (Value::Text(_) | Value::Bool(_) | Value::Json(_) | Value::List(_) | Value::Null, _) => {
                return Err(wrong(self, left, &a, if matches!(b, Value::Time(_)) { "a time" } else { "a number" }));
            }
            (Value::Number(_), _) => return Err(wrong(self, right, &b, "a number")),
            (Value::Time(_), _) => return Err(wrong(self, right, &b, "a time")),
        };
        Ok(Value::Bool(order.holds(found)))
    }

    fn order_times(&self, left: (&Node, &Value), right: (&Node, &Value)) -> Result<Ordering, Undecidable> {
        let read = |(node, value): (&Node, &Value)| {
            time::read(value, self.scope.zone).map(|moment| moment.at).ok_or_else(|| wrong(self, node, value, "a time"))
        };
        Ok(read(left)?.cmp(&read(right)?))
    }

    fn calculate(&self, operator: Arithmetic, left: &'a Node, right: &'a Node) -> Answer<'a> {
        let (a, b) = (self.eval(left)?, self.eval(right)?);
        self.present(left, &a)?;
        self.present(right, &b)?;
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => number(operator, a, b),
            (Value::Text(a), Value::Text(b)) if operator == Arithmetic::Add => joined(a, &b),
            (Value::Number(_), other) => Err(wrong(self, right, &other, "a number")),
            (Value::Text(text), other) if operator == Arithmetic::Add && Number::from_text(&text).is_none() => {
                Err(wrong(self, right, &other, "text"))
            }
            (other, _) => Err(wrong(self, left, &other, "a number")),
        }
    }

    fn present(&self, node: &Node, value: &Value) -> Result<(), Undecidable> {
        if value.is_null() { Err(missing(self, node)) } else { Ok(()) }
    }

    fn contains(&self, item: &'a Node, list: &'a Node) -> Answer<'a> {
        let (item, list_value) = (self.eval(item)?, self.eval(list)?);
        self.present(list, &list_value)?;
        if let (Value::Text(key), Value::Json(object @ serde_json::Value::Object(_))) = (&item, &list_value) {
            return Ok(Value::Bool(path::field(object, key).is_some()));
        }
        let mut items = list_value.items().ok_or_else(|| wrong(self, list, &list_value, "a list"))?;
        Ok(Value::Bool(items.any(|other| other.same(&item))))
    }

    /// Beyond the end of a list is null, as an absent field is.
    fn index(&self, list: &'a Node, index: &'a Node) -> Answer<'a> {
        let (value, at) = (self.eval(list)?, self.eval(index)?);
        self.present(index, &at)?;
        let name = match &at {
            Value::Text(name) => name.clone(),
            Value::Number(number) => Cow::Owned(number.to_string()),
            other => return Err(wrong(self, index, other, "a number or a name")),
        };
        Ok(path::walk(value, &[name]))
    }
}

fn number<'a>(operator: Arithmetic, a: Number, b: Number) -> Answer<'a> {
    let divides = matches!(operator, Arithmetic::Divide | Arithmetic::Remainder);
    if divides && b.is_zero() {
        return Err(Undecidable("division by zero".into()));
    }
    a.calculate(operator, b).map(Value::Number).ok_or_else(|| too_large(operator.symbol()))
}

fn joined<'a>(a: Cow<'a, str>, b: &str) -> Answer<'a> {
    if a.len() + b.len() > bound::OUTPUT {
        return Err(Undecidable("the text is longer than 256 KiB".into()));
    }
    Ok(Value::text(a.into_owned() + b))
}

fn too_large(operator: &str) -> Undecidable {
    Undecidable(format!("the result of `{operator}` is too large"))
}

/// `event.total is missing`.
pub(super) fn missing(env: &Env, node: &Node) -> Undecidable {
    Undecidable(format!("{} is missing", name(env, node)))
}

/// `event.total is text, not a number`.
pub(super) fn wrong(env: &Env, node: &Node, value: &Value, wanted: &str) -> Undecidable {
    let name = name(env, node);
    let numeric = matches!(value, Value::Text(text) if Number::from_text(text).is_some());
    let hint = if wanted == "a number" && numeric { format!(": write number({name})") } else { String::new() };
    let is = match value {
        Value::Text(_) if !matches!(wanted, "a number" | "a list" | "yes or no") => String::new(),
        other => format!("{}, ", other.kind()),
    };
    let sentence =
        if is.is_empty() { format!("{name} is not {wanted}") } else { format!("{name} is {is}not {wanted}{hint}") };
    Undecidable(sentence)
}

/// How a sentence names a part of the question: the path, else as it is written.
pub(super) fn name<'a>(env: &Env<'a>, node: &'a Node) -> &'a str {
    match &node.expr {
        Expr::Path(path) => &path.shown,
        _ => env.source.get(node.span.0..node.span.1).map_or("it", str::trim),
    }
}
