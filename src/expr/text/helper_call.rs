//! Calls of helpers in a text: names, values, options and literals, checked as they are lowered.

use super::helpers::{HELPERS, Helper, Prepared, Row, not_a_date};
use super::pattern::meant;
use super::template::{Arg, Call, Here, Lowering, raw};
use crate::expr::suggest::nearest;
use crate::expr::{Mistake, Wants};
use handlebars::template::{HelperTemplate, Parameter};
use serde_json::Value as Json;

/// The place of a literal, in whichever quotes it is written.
fn claim_literal(here: &mut Here, written: &str) -> (usize, usize) {
    let quoted = [format!("'{written}'"), format!("\"{written}\"")];
    let found = quoted.iter().find(|text| here.words.iter().any(|word| word.text == **text));
    found.map_or(here.place, |text| here.claim(text))
}

impl Lowering<'_> {
    pub(super) fn call(&mut self, name: &str, expression: &HelperTemplate, here: &mut Here, optional: bool) -> Arg {
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
        match Prepared::read(helper, values.len(), literal, option) {
            Ok(prepared) => {
                let written = literal(1).filter(|_| prepared.pattern.is_some());
                if let Some((written, word)) = written.and_then(|written| Some((written, meant(written)?))) {
                    let (offset, len) = claim_literal(here, written);
                    let (message, hint) = (not_a_date(written), format!("did you mean `{word}`?"));
                    self.doubts.push(Mistake { code: "R302", offset, len, message, hint, fix: None });
                }
                prepared
            }
            Err((written, code, message, hint)) => {
                let place = claim_literal(here, written);
                self.mistake(code, place, message, hint);
                Prepared::default()
            }
        }
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
