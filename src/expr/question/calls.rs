//! Calls of a question: `has`, the list functions and the closed table of functions, checked as they are lowered.

use super::Kind;
use super::functions::{FUNCTIONS, Function, Prepared, Signature};
use super::lower::{Lowering, Span, node};
use super::node::{Expr, Node, Walk};
use crate::expr::path::ROOTS;
use crate::expr::suggest::nearest;
use cel::common::ast::{Expr as Cel, IdedExpr};

impl Lowering<'_> {
    pub(super) fn function(&mut self, name: &str, target: Option<&IdedExpr>, args: &[IdedExpr], open: usize) -> Node {
        let before =
            self.tokens.iter().rev().find(|token| token.end() <= open).map_or((open, open), |t| (t.offset, t.end()));
        let end = self.bracket(open);
        if name == "has" && target.is_none() {
            return self.has(args, (before.0, end));
        }
        if let (Some(walk), Some(target)) = (Walk::named(name), target) {
            return self.walk(walk, target, args, before, end);
        }
        let Some(signature) = FUNCTIONS.iter().find(|row| row.name == name) else {
            target.into_iter().chain(args).for_each(|part| drop(self.lower(part)));
            return self.unknown_function(name, before);
        };
        let args: Vec<Node> = target.into_iter().chain(args).map(|part| self.lower(part)).collect();
        let start = if target.is_some() { args.first().map_or(before.0, |node| node.span.0) } else { before.0 };
        self.known_function(signature, args, before, (start, end))
    }

    fn known_function(&mut self, signature: &Signature, args: Vec<Node>, name: Span, span: Span) -> Node {
        let (fewest, most) = signature.values;
        if !(fewest..=most).contains(&args.len()) {
            let takes = if fewest == most { fewest.to_string() } else { format!("{fewest} or {most}") };
            let values = if most == 1 { "value" } else { "values" };
            let message = format!("`{}` takes {takes} {values}, not {}", signature.name, args.len());
            return self.mistake("R310", name, message, format!("write it like `{}`", signature.example));
        }
        let prepared = signature.function.prepare(&args).unwrap_or_else(|(at, message, hint)| {
            let code = if signature.function == Function::Time { "R310" } else { "R205" };
            self.mistake(code, args[at].span, message, hint.to_owned());
            Prepared::Nothing
        });
        node(Expr::Call { function: signature.function, args, prepared }, span, signature.gives)
    }

    fn has(&mut self, args: &[IdedExpr], span: Span) -> Node {
        let args: Vec<Node> = args.iter().map(|arg| self.lower(arg)).collect();
        match <[Node; 1]>::try_from(args) {
            Ok([path]) if matches!(path.expr, Expr::Path(_) | Expr::Field(..) | Expr::Index(..) | Expr::Null) => {
                node(Expr::Has(Box::new(path)), span, Kind::Bool)
            }
            _ => self.wrong(span, "`has` takes one path", "write it like `has(event.coupon)`"),
        }
    }

    fn walk(&mut self, walk: Walk, list: &IdedExpr, args: &[IdedExpr], name: Span, end: usize) -> Node {
        let shown = self.source.get(name.0..name.1).unwrap_or_default().to_owned();
        let list = self.lower(list);
        self.expect(&list, &[Kind::List]);
        if self.item.is_some() {
            let message = format!("`{shown}` stands inside another list function");
            let hint = "list functions are not nested: ask in two questions, or let the event carry the answer";
            return self.wrong(name, &message, hint);
        }
        let [IdedExpr { expr: Cel::Ident(item), .. }, body] = args else {
            let message = format!("`{shown}` takes a name for the item and what to ask of it");
            return self.wrong(
                name,
                &message,
                &format!("write it like `event.items.{shown}(item, item.quantity > 1)`"),
            );
        };
        if ROOTS.contains(&item.as_str()) {
            let message = format!("the item of a list cannot be called `{item}`");
            return self.wrong(name, &message, "that name is taken: choose another, such as `item`");
        }
        self.item = Some(item.clone());
        let body = self.lower(body);
        self.item = None;
        if walk != Walk::Map {
            self.expect(&body, &[Kind::Bool]);
        }
        let kind = if matches!(walk, Walk::Filter | Walk::Map) { Kind::List } else { Kind::Bool };
        let span = (list.span.0, end);
        node(Expr::Walk { walk, list: Box::new(list), body: Box::new(body) }, span, kind)
    }

    fn unknown_function(&mut self, name: &str, span: Span) -> Node {
        let names = FUNCTIONS.iter().map(|row| row.name).chain(Walk::NAMES).chain(["has"]);
        let meant = match name.to_lowercase().replace('_', "").as_str() {
            "len" | "length" | "count" => Some("size(event.items)"),
            "lower" | "tolower" | "lowerascii" | "tolowercase" | "upper" | "equalsignorecase" => {
                Some("is_like(event.text, \"yes\")")
            }
            "startswith" => Some("event.text.startsWith(\"x\")"),
            "endswith" => Some("event.text.endsWith(\"x\")"),
            "timestamp" | "date" | "datetime" | "parse" => Some("time(event.date)"),
            "float" | "num" | "tonumber" | "parsefloat" => Some("number(event.total)"),
            "str" | "tostring" => Some("string(event.id)"),
            "now" | "today" => Some("now"),
            // The nearest name is its opposite.
            "isweekday" | "weekday" | "isworkday" | "isworkingday" | "isbusinessday" => {
                let hint = "write `!is_weekend(now)`, in quotes when it stands first";
                return self.mistake("R310", span, format!("there is no function `{name}`"), hint.to_owned());
            }
            "exists" | "isset" | "defined" => Some("has(event.coupon)"),
            "any" | "some" => Some("event.items.exists(item, item.quantity > 1)"),
            "every" | "all" => Some("event.items.all(item, item.quantity > 1)"),
            _ => None,
        };
        let hint = match (nearest(name, names.clone()), meant) {
            (_, Some(example)) => format!("write it like `{example}`"),
            (Some(near), None) => format!("did you mean `{near}`?"),
            (None, None) => format!("known functions: {}", names.collect::<Vec<_>>().join(", ")),
        };
        self.mistake("R310", span, format!("there is no function `{name}`"), hint)
    }
}
