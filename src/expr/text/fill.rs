//! Filling: what each helper of the table gives for its values.
//!
//! Neighbours: `helpers` holds the table, `render` calls. Invariant: a value that is missing, blank or of the wrong kind gives a
//! [`Hole`], never a guess; only `default` looks further.

use super::Hole;
use super::helpers::{Helper, Prepared};
use super::locale::{Language, language};
use super::money::{Currency, money};
use super::pattern::Pattern;
use crate::expr::Scope;
use crate::expr::number::Number;
use crate::expr::path::walk;
use crate::expr::time::{self, Layout, Moment};
use crate::expr::value::{Items, Value};
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;
use std::rc::Rc;

/// A value given to a helper, with the name a sentence gives it.
pub(super) struct Given<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) value: Value<'a>,
    /// Written in the text itself: a blank one is meant, such as the space of `join`.
    pub(super) literal: bool,
}

pub(super) struct Call<'a, 'c> {
    pub(super) scope: &'c Scope<'a>,
    pub(super) given: Vec<Given<'a>>,
    pub(super) options: Vec<(&'a str, Given<'a>)>,
    pub(super) prepared: &'a Prepared,
}

type Filled<'a> = Result<Value<'a>, Hole>;

impl<'a> Call<'a, '_> {
    pub(super) fn fill(&self, helper: Helper) -> Filled<'a> {
        let text = |text: String| Ok(Value::text(text));
        match helper {
            // `render` tries its values one by one.
            Helper::Default => Ok(Value::Null),
            Helper::Capitalize => text(capitalize(&self.text(0)?)),
            Helper::Upper => text(self.text(0)?.to_uppercase()),
            Helper::Lower => text(self.text(0)?.to_lowercase()),
            Helper::FirstWord => text(self.text(0)?.split_whitespace().next().unwrap_or_default().to_owned()),
            Helper::Truncate => text(truncate(&self.text(0)?, self.whole(1, 4096)?)),
            Helper::Number => self.decimal(),
            Helper::Money => self.money(),
            Helper::Date | Helper::Time => self.date(),
            Helper::Join => self.join(),
            Helper::Count => Ok(Value::Number(Number::Whole(self.items(0)?.len() as i128))),
            Helper::Plural => self.plural(),
            Helper::Find => self.find(),
            Helper::Url => text(percent_encoded(&self.text(0)?)),
            Helper::OneLine => text(self.text(0)?.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }

    fn language(&self) -> Rc<Language> {
        language(self.scope.language)
    }

    fn not(&self, at: usize, wanted: &str) -> Hole {
        Hole(format!("{} is not {wanted}", self.given[at].name))
    }

    fn text(&self, at: usize) -> Result<Cow<'a, str>, Hole> {
        scalar(&self.given[at])
    }

    fn number(&self, at: usize) -> Result<Number, Hole> {
        match &self.given[at].value {
            Value::Number(number) => Ok(*number),
            _ => Number::from_text(&self.text(at)?).ok_or_else(|| self.not(at, "a number")),
        }
    }

    fn whole(&self, at: usize, most: usize) -> Result<usize, Hole> {
        let number = self.number(at)?;
        let whole = match number {
            Number::Whole(number) => usize::try_from(number).ok(),
            Number::Decimal(_) => None,
        };
        whole.filter(|number| *number <= most).ok_or_else(|| self.not(at, &format!("a whole number up to {most}")))
    }

    fn items(&self, at: usize) -> Result<Items<'_, 'a>, Hole> {
        let given = &self.given[at];
        if given.value.is_null() {
            return Err(Hole(format!("{} is missing", given.name)));
        }
        given.value.items().ok_or_else(|| self.not(at, "a list"))
    }

    fn decimal(&self) -> Filled<'a> {
        const MOST_DECIMALS: usize = 20;
        let decimals = match self.given.len() {
            1 => None,
            _ => u8::try_from(self.whole(1, MOST_DECIMALS)?).ok(),
        };
        let written = self.language().number(self.number(0)?, decimals);
        written.map(Value::text).ok_or_else(|| self.not(0, "a number that can be written"))
    }

    fn money(&self) -> Filled<'a> {
        let amount = self.number(0)?;
        let currency = match &self.prepared.currency {
            Some(currency) => currency.clone(),
            None => Currency::parse(&self.text(1)?).ok_or_else(|| self.not(1, "a currency such as `EUR`"))?,
        };
        let cents = match self.option("cents") {
            None => false,
            Some(Given { value: Value::Bool(cents), .. }) => *cents,
            Some(given) => return Err(Hole(format!("{} is not `true` or `false`", given.name))),
        };
        let written = money(amount, &currency, cents, &self.language());
        written.map(Value::text).ok_or_else(|| self.not(0, "a number that can be written"))
    }

    fn option(&self, name: &str) -> Option<&Given<'a>> {
        self.options.iter().find(|(option, _)| *option == name).map(|(_, given)| given)
    }

    fn date(&self) -> Filled<'a> {
        let moment = self.moment()?;
        let own = match (&self.prepared.zone, self.option("zone")) {
            (Some(zone), _) => Some(zone.clone()),
            (None, Some(given)) => {
                let name = scalar(given)?;
                Some(TimeZone::get(&name).map_err(|_| Hole(format!("{} is not a time zone", given.name)))?)
            }
            (None, None) => None,
        };
        let civil = moment.civil(own.as_ref().unwrap_or(self.scope.zone));
        let written = match (&self.prepared.pattern, self.given.len()) {
            (Some(pattern), _) => pattern.write(civil, &self.language()),
            (None, 1) => return Err(self.not(0, "a time")),
            (None, _) => {
                let pattern = Pattern::parse(&self.text(1)?).ok_or_else(|| self.not(1, "a way to write a date"))?;
                pattern.write(civil, &self.language())
            }
        };
        Ok(Value::text(written))
    }

    fn moment(&self) -> Result<Moment, Hole> {
        let given = &self.given[0];
        let text = self.text(0)?;
        let read = match (&self.prepared.layout, self.option("from")) {
            (Some(layout), _) => layout.read(&text, self.scope.zone),
            (None, Some(from)) => Layout::parse(&scalar(from)?).and_then(|layout| layout.read(&text, self.scope.zone)),
            (None, None) => time::read(&given.value, self.scope.zone),
        };
        read.ok_or_else(|| self.not(0, "a time"))
    }

    fn join(&self) -> Filled<'a> {
        let separator = self.text(1)?;
        let mut written = Vec::new();
        for item in self.items(0)? {
            match item.printed() {
                Some(text) if !text.trim().is_empty() => written.push(text),
                Some(_) => {}
                None if item.is_null() => {}
                None => return Err(Hole(format!("{} holds {}", self.given[0].name, item.kind()))),
            }
        }
        Ok(Value::text(written.join(&*separator)))
    }

    fn plural(&self) -> Filled<'a> {
        let (number, language) = (self.number(0)?, self.language());
        let word = self.text(if language.is_singular(number) { 1 } else { 2 })?;
        let digits = language.number(number, None).ok_or_else(|| self.not(0, "a number that can be written"))?;
        Ok(Value::text(format!("{digits} {word}")))
    }

    /// In the first item whose first path equals the text, the second path.
    fn find(&self) -> Filled<'a> {
        let (key, wanted, result) = (self.text(1)?, self.text(2)?, self.text(3)?);
        let fields = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let (key_fields, result_fields) = (fields(&key), fields(&result));
        let found =
            self.items(0)?.find(|item| walk(item.clone(), &key_fields).printed().is_some_and(|text| text == wanted));
        let found = found.ok_or_else(|| Hole(format!("no item of {} has {key} {wanted}", self.given[0].name)))?;
        Ok(walk(found, &result_fields))
    }
}

/// The text of a value: missing, blank, a list or an object is a hole.
pub(super) fn scalar<'a>(given: &Given<'a>) -> Result<Cow<'a, str>, Hole> {
    match given.value.printed() {
        Some(text) if !given.literal && text.trim().is_empty() => Err(Hole(format!("{} is empty", given.name))),
        Some(text) => Ok(text),
        None if given.value.is_null() => Err(Hole(format!("{} is missing", given.name))),
        None => Err(Hole(format!("{} is {}", given.name, given.value.kind()))),
    }
}

/// Everything but the unreserved characters of RFC 3986.
fn percent_encoded(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// At most `most` characters, the last one `…` when something was cut; never between a character and what belongs to it.
fn truncate(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().take(most).collect();
    let belongs = |c: char| {
        unicode_normalization::char::is_combining_mark(c)
            || matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}')
    };
    let mut kept = most.saturating_sub(1);
    while kept > 0 && (letters.get(kept).is_some_and(|c| belongs(*c)) || letters[kept - 1] == '\u{200d}') {
        kept -= 1;
    }
    let cut: String = letters[..kept].iter().collect();
    if most == 0 { String::new() } else { format!("{}…", cut.trim_end()) }
}
