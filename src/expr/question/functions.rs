//! Functions of questions: the closed table, and what each gives. Every one takes its first value as a method too.
//!
//! Invariant: nothing, or a value of the wrong kind, is undecidable; no function guesses.

use super::eval::{Env, missing, name, wrong};
use super::node::{Expr, Node};
use super::{Kind, Undecidable};
use crate::expr::fold::fold_or_keep;
use crate::expr::number::Number;
use crate::expr::path::walk;
use crate::expr::time::{self, Layout, Moment};
use crate::expr::value::Value;
use jiff::civil::Time;
use regex::{Regex, RegexBuilder};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    String,
    Int,
    Double,
    HasTag,
    Includes,
    IsLike,
    Number,
    Time,
    HoursSince,
    HoursUntil,
    DaysSince,
    DaysUntil,
    IsBirthday,
    IsWeekend,
    IsBetween,
}

/// A row of the table.
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    /// Fewest and most values, the one before the full stop included.
    pub(super) values: (usize, usize),
    pub(super) gives: Kind,
    pub(super) example: &'static str,
}

const fn row(
    name: &'static str,
    function: Function,
    values: (usize, usize),
    gives: Kind,
    example: &'static str,
) -> Signature {
    Signature { name, function, values, gives, example }
}

pub(super) const FUNCTIONS: [Signature; 20] = [
    row("size", Function::Size, (1, 1), Kind::Number, "size(event.items)"),
    row("contains", Function::Contains, (2, 2), Kind::Bool, "event.text.contains(\"x\")"),
    row("startsWith", Function::StartsWith, (2, 2), Kind::Bool, "event.text.startsWith(\"x\")"),
    row("endsWith", Function::EndsWith, (2, 2), Kind::Bool, "event.text.endsWith(\"x\")"),
    row("matches", Function::Matches, (2, 2), Kind::Bool, "event.text.matches(\"^[0-9]+$\")"),
    row("string", Function::String, (1, 1), Kind::Text, "string(event.id)"),
    row("int", Function::Int, (1, 1), Kind::Number, "int(event.total)"),
    row("double", Function::Double, (1, 1), Kind::Number, "double(event.total)"),
    row("has_tag", Function::HasTag, (2, 2), Kind::Bool, "contact.has_tag(\"vip\")"),
    row("includes", Function::Includes, (2, 2), Kind::Bool, "includes(event.list, \"x\")"),
    row("is_like", Function::IsLike, (2, 2), Kind::Bool, "is_like(event.text, \"yes\")"),
    row("number", Function::Number, (1, 1), Kind::Number, "number(event.total)"),
    row("time", Function::Time, (1, 2), Kind::Time, "time(event.date, \"dd/MM/yyyy\")"),
    row("hours_since", Function::HoursSince, (1, 1), Kind::Number, "hours_since(event.at)"),
    row("hours_until", Function::HoursUntil, (1, 1), Kind::Number, "hours_until(event.at)"),
    row("days_since", Function::DaysSince, (1, 1), Kind::Number, "days_since(event.at)"),
    row("days_until", Function::DaysUntil, (1, 1), Kind::Number, "days_until(event.at)"),
    row("is_birthday", Function::IsBirthday, (1, 1), Kind::Bool, "is_birthday(contact.custom.birthday)"),
    row("is_weekend", Function::IsWeekend, (1, 1), Kind::Bool, "is_weekend(now)"),
    row("is_between", Function::IsBetween, (3, 3), Kind::Bool, "is_between(now, \"09:00\", \"20:00\")"),
];

/// What a literal argument is turned into once, at parse.
#[derive(Debug, Default)]
pub(super) enum Prepared {
    #[default]
    Nothing,
    Regex(Regex),
    Folded(String),
    Layout(Layout),
    Clocks(Time, Time),
}

impl Function {
    /// Prepares literal arguments, or says which one is unreadable: its position, what is wrong, and what to write.
    pub(super) fn prepare(self, args: &[Node]) -> Result<Prepared, (usize, String, &'static str)> {
        let literal = |at: usize| match args.get(at).map(|node| &node.expr) {
            Some(Expr::Text(text)) => Some(text.as_ref()),
            _ => None,
        };
        let clock = |at: usize| match literal(at).map(|text| (text, time::clock(text))) {
            Some((text, None)) => Err((at, format!("`{text}` is not a clock time"), "write `09:00`, two digits each")),
            Some((_, found)) => Ok(found),
            None => Ok(None),
        };
        Ok(match (self, literal(1)) {
            (Self::Matches, Some(pattern)) => Prepared::Regex(regex(pattern).ok_or_else(|| {
                (
                    1,
                    format!("`{pattern}` is not a regular expression"),
                    "escape `( ) [ ] . * + ? |` with `\\\\` to mean themselves",
                )
            })?),
            (Self::IsLike, Some(text)) => Prepared::Folded(fold_or_keep(text)),
            (Self::Time, Some(layout)) => Prepared::Layout(Layout::parse(layout).ok_or_else(|| {
                (
                    1,
                    format!("`{layout}` is not a way to write a date"),
                    "it is made of `d dd M MM yy yyyy H HH mm ss`, day, month and year needed",
                )
            })?),
            (Self::IsBetween, _) => match (clock(1)?, clock(2)?) {
                (Some(start), Some(end)) => Prepared::Clocks(start, end),
                _ => Prepared::Nothing,
            },
            _ => Prepared::Nothing,
        })
    }
}

/// Linear-time engine, at most 1 MiB compiled.
fn regex(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).size_limit(1 << 20).dfa_size_limit(1 << 20).build().ok()
}

/// One call under way.
pub(super) struct Call<'a, 'e> {
    pub(super) env: &'e Env<'a>,
    pub(super) nodes: &'a [Node],
    pub(super) prepared: &'a Prepared,
    pub(super) values: Vec<Value<'a>>,
}

type Answer<'a> = Result<Value<'a>, Undecidable>;

impl<'a> Call<'a, '_> {
    pub(super) fn answer(&self, function: Function) -> Answer<'a> {
        if let Some(at) = self.values.iter().position(Value::is_null) {
            return Err(missing(self.env, &self.nodes[at]));
        }
        let text = |test: fn(&str, &str) -> bool| Ok(Value::Bool(test(self.text(0)?, self.text(1)?)));
        match function {
            Function::Size => self.size(),
            Function::Contains => text(|text, part| text.contains(part)),
            Function::StartsWith => text(|text, part| text.starts_with(part)),
            Function::EndsWith => text(|text, part| text.ends_with(part)),
            Function::Matches => self.matches(),
            Function::String => self.values[0].printed().map(Value::Text).ok_or_else(|| self.wrong(0, "text")),
            Function::Int => self.int(),
            Function::Number | Function::Double => self.number().map(Value::Number),
            Function::HasTag => self.has_tag(),
            Function::Includes => self.includes(),
            Function::IsLike => self.is_like(),
            Function::Time => self.time(),
            Function::HoursSince => self.amount(time::hours_between(self.moment(0)?.at, self.now()?.at)),
            Function::HoursUntil => self.amount(time::hours_between(self.now()?.at, self.moment(0)?.at)),
            Function::DaysSince => self.amount(time::days_between(self.date(0)?, self.today()?)),
            Function::DaysUntil => self.amount(time::days_between(self.today()?, self.date(0)?)),
            Function::IsBirthday => Ok(Value::Bool(time::is_birthday(self.date(0)?, self.today()?))),
            Function::IsWeekend => Ok(Value::Bool(time::is_weekend(self.date(0)?))),
            Function::IsBetween => self.is_between(),
        }
    }

    fn wrong(&self, at: usize, wanted: &str) -> Undecidable {
        wrong(self.env, &self.nodes[at], &self.values[at], wanted)
    }

    fn text(&self, at: usize) -> Result<&str, Undecidable> {
        match &self.values[at] {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong(at, "text")),
        }
    }

    fn amount(&self, number: Option<Number>) -> Answer<'a> {
        number.map(Value::Number).ok_or_else(|| self.wrong(0, "a time near enough to count from"))
    }

    fn size(&self) -> Answer<'a> {
        let size = match &self.values[0] {
            Value::Text(text) => text.chars().count(),
            Value::Json(serde_json::Value::Object(fields)) => fields.len(),
            list => list.items().ok_or_else(|| self.wrong(0, "a list or text"))?.len(),
        };
        Ok(Value::Number(Number::Whole(size as i128)))
    }

    fn matches(&self) -> Answer<'a> {
        let (text, pattern) = (self.text(0)?, self.text(1)?);
        let found = match self.prepared {
            Prepared::Regex(regex) => regex.is_match(text),
            _ => regex(pattern).ok_or_else(|| self.wrong(1, "a regular expression"))?.is_match(text),
        };
        Ok(Value::Bool(found))
    }

    fn number(&self) -> Result<Number, Undecidable> {
        let number = match &self.values[0] {
            Value::Number(number) => Some(*number),
            Value::Text(text) => Number::from_text(text),
            _ => None,
        };
        number.ok_or_else(|| self.wrong(0, "a number"))
    }

    #[allow(clippy::cast_possible_truncation)]
    fn int(&self) -> Answer<'a> {
        if let Value::Time(at) = self.values[0] {
            return Ok(Value::Number(Number::Whole(at.as_second().into())));
        }
        Ok(Value::Number(match self.number()? {
            Number::Decimal(number) if number.abs() < 1e18 => Number::Whole(number.trunc() as i128),
            number => number,
        }))
    }

    fn has_tag(&self) -> Answer<'a> {
        let list = match &self.values[0] {
            contact @ Value::Json(serde_json::Value::Object(_)) => walk(contact.clone(), &["tags"]),
            other => other.clone(),
        };
        let tag = self.text(1)?.trim().to_lowercase();
        if list.is_null() {
            return Err(Undecidable(format!("{}.tags is missing", name(self.env, &self.nodes[0]))));
        }
        let tags = list.items().ok_or_else(|| self.wrong(0, "a contact"))?;
        let is_it = |item: Value| matches!(item, Value::Text(text) if text.trim().to_lowercase() == tag);
        Ok(Value::Bool(tags.into_iter().any(is_it)))
    }

    fn includes(&self) -> Answer<'a> {
        let mut items = self.values[0].items().ok_or_else(|| self.wrong(0, "a list"))?;
        Ok(Value::Bool(items.any(|item| item.same(&self.values[1]))))
    }

    fn is_like(&self) -> Answer<'a> {
        let (text, other) = (self.text(0)?, self.text(1)?);
        let text = fold_or_keep(text);
        Ok(Value::Bool(match self.prepared {
            Prepared::Folded(other) => text == *other,
            _ => text == fold_or_keep(other),
        }))
    }

    fn time(&self) -> Answer<'a> {
        if self.values.len() == 1 {
            return Ok(Value::Time(self.moment(0)?.at));
        }
        let (text, written) = (self.text(0)?, self.text(1)?);
        let zone = self.env.scope.zone;
        let read = match self.prepared {
            Prepared::Layout(layout) => layout.read(text, zone),
            _ => Layout::parse(written).and_then(|layout| layout.read(text, zone)),
        };
        let read = read.ok_or_else(|| self.wrong(0, &format!("a time written as `{written}`")))?;
        Ok(Value::Time(read.at))
    }

    fn moment(&self, at: usize) -> Result<Moment, Undecidable> {
        time::read(&self.values[at], self.env.scope.zone).ok_or_else(|| self.wrong(at, "a time"))
    }

    fn date(&self, at: usize) -> Result<jiff::civil::Date, Undecidable> {
        Ok(self.moment(at)?.date(self.env.scope.zone))
    }

    fn now(&self) -> Result<Moment, Undecidable> {
        let now = crate::expr::path::now(&self.env.scope);
        time::read(&now, self.env.scope.zone).ok_or_else(|| Undecidable("`now` is out of range".into()))
    }

    fn today(&self) -> Result<jiff::civil::Date, Undecidable> {
        Ok(self.now()?.date(self.env.scope.zone))
    }

    fn is_between(&self) -> Answer<'a> {
        let clock = |at: usize| time::clock(self.text(at)?).ok_or_else(|| self.wrong(at, "a clock time like `09:00`"));
        let (start, end) = match self.prepared {
            Prepared::Clocks(start, end) => (*start, *end),
            _ => (clock(1)?, clock(2)?),
        };
        let at = self.moment(0)?.at.to_zoned(self.env.scope.zone.clone());
        Ok(Value::Bool(time::is_between(&at, start, end)))
    }
}
