//! Lowering: the CEL parser's tree becomes our nodes, once, and every mistake of meaning is found on the way.
//!
//! Neighbours: `functions` holds the table, `path` the roots. Invariant: a node made here can be evaluated whatever the event holds.

use super::Kind;
use super::node::{Expr, Node, Order};
use super::syntax::{bracket_end, unreadable};
use super::token::Token;
use crate::expr::number::{Arithmetic, Number};
use crate::expr::path::{Path, Root, unknown_field, unknown_root};
use crate::expr::{Mistake, bound};
use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, LiteralValue, SourceInfo, operators};

pub(super) struct Lowering<'s> {
    pub(super) source: &'s str,
    pub(super) tokens: &'s [Token<'s>],
    pub(super) places: &'s SourceInfo,
    pub(super) mistakes: Vec<Mistake>,
    /// The variable of the list function around.
    pub(super) item: Option<String>,
    pub(super) depth: usize,
}

pub(super) type Span = (usize, usize);

pub(super) fn node(expr: Expr, span: Span, kind: Kind) -> Node {
    Node { expr, span, kind }
}

impl Lowering<'_> {
    pub(super) fn lower(&mut self, cel: &IdedExpr) -> Node {
        self.depth += 1;
        let made = match self.depth > bound::DEPTH {
            true => {
                self.depth = 0; // said once: what lies deeper is not read
                let whole = (0, self.source.len());
                self.wrong(whole, "the question is nested too deeply", "split it with `all:` or `any:`")
            }
            false => self.lower_kind(cel),
        };
        self.depth = self.depth.saturating_sub(1);
        made
    }

    fn lower_kind(&mut self, cel: &IdedExpr) -> Node {
        let at = self.place(cel);
        match &cel.expr {
            Cel::Literal(literal) => self.literal(literal, at),
            Cel::Ident(name) => self.root(name, at),
            Cel::Select(select) => {
                let operand = self.lower(&select.operand);
                self.select(operand, &select.field, at)
            }
            Cel::Call(call) => self.call(call, at),
            Cel::List(list) => {
                let items = list.elements.iter().map(|item| self.lower(item)).collect();
                node(Expr::List(items), (at, self.bracket(at)), Kind::List)
            }
            Cel::Map(_) | Cel::Struct(_) => {
                self.wrong((at, self.bracket(at)), "a question makes no objects", "compare the fields one by one")
            }
            Cel::Comprehension(_) | Cel::Unspecified => {
                self.wrong((at, at), "this part cannot be read", "write it in a simpler way")
            }
        }
    }

    fn place(&self, cel: &IdedExpr) -> usize {
        self.places.offset_for(cel.id).map_or(0, |(start, _)| (start as usize).min(self.source.len()))
    }

    pub(super) fn bracket(&self, open: usize) -> usize {
        bracket_end(self.tokens, open).unwrap_or(self.source.len())
    }

    fn token(&self, at: usize) -> Span {
        self.tokens.iter().find(|token| token.offset == at).map_or((at, at), |token| (at, token.end()))
    }

    pub(super) fn mistake(&mut self, code: &'static str, span: Span, message: String, hint: String) -> Node {
        let len = span.1.saturating_sub(span.0);
        self.mistakes.push(Mistake { code, offset: span.0, len, message, hint, fix: None });
        node(Expr::Null, span, Kind::Unknown)
    }

    pub(super) fn wrong(&mut self, span: Span, message: &str, hint: &str) -> Node {
        self.mistake("R310", span, message.to_owned(), hint.to_owned())
    }

    /// Reports a part whose kind is known and is none of those that make sense there.
    pub(super) fn expect(&mut self, part: &Node, wanted: &[Kind]) {
        if part.kind == Kind::Unknown || wanted.contains(&part.kind) {
            return;
        }
        let written = self.source.get(part.span.0..part.span.1).unwrap_or_default().to_owned();
        let wanted: Vec<&str> = wanted.iter().map(|kind| kind.shown()).collect();
        let message = format!("`{written}` is {}, not {}", part.kind.shown(), wanted.join(" or "));
        let len = part.span.1.saturating_sub(part.span.0);
        let hint = match (part.kind, wanted.first()) {
            (Kind::Text, Some(&"a number")) => format!("write `number({written})`, or a number without quotes"),
            (_, Some(&"yes or no")) => "compare it, as in `event.total > 0`".to_owned(),
            (Kind::Time, _) => {
                "count with `hours_since(t)`, `hours_until(t)`, `days_since(t)` or `days_until(t)`".to_owned()
            }
            _ => "compare or convert it first".to_owned(),
        };
        self.mistakes.push(unreadable(part.span.0, len, message, hint));
    }

    fn literal(&mut self, literal: &LiteralValue, at: usize) -> Node {
        let span = self.token(at);
        match literal {
            LiteralValue::Null => node(Expr::Null, span, Kind::Unknown),
            LiteralValue::Boolean(answer) => node(Expr::Bool(**answer), span, Kind::Bool),
            LiteralValue::Int(number) => node(Expr::Number(Number::Whole((**number).into())), span, Kind::Number),
            LiteralValue::UInt(number) => node(Expr::Number(Number::Whole((**number).into())), span, Kind::Number),
            LiteralValue::Double(number) => match Number::decimal(**number) {
                Some(number) => node(Expr::Number(number), span, Kind::Number),
                None => self.wrong(span, "the number is too large", "write a smaller one"),
            },
            LiteralValue::String(text) => node(Expr::Text((**text).into()), span, Kind::Text),
            LiteralValue::Bytes(_) => self.wrong(span, "`b` before a text makes bytes", "remove the `b`"),
        }
    }

    fn root(&mut self, name: &str, at: usize) -> Node {
        let span = (at, (at + name.len()).min(self.source.len()));
        if self.item.as_deref() == Some(name) {
            return node(Expr::Path(Path::new(Root::Item, name)), span, Kind::Unknown);
        }
        if let Some(root) = Root::named(name) {
            let kind = if root == Root::Now { Kind::Time } else { Kind::Unknown };
            return node(Expr::Path(Path::new(root, name)), span, kind);
        }
        let (code, message, hint) = self.hyphen(name, at).unwrap_or_else(|| match name.to_lowercase().as_str() {
            literal @ ("true" | "false" | "null") => {
                ("R310", format!("`{name}` is not known here"), format!("write `{literal}`"))
            }
            "yes" | "on" => ("R310", format!("`{name}` is not known here"), "write `true`".to_owned()),
            "no" | "off" => ("R310", format!("`{name}` is not known here"), "write `false`".to_owned()),
            "none" | "nil" | "undefined" => ("R310", format!("`{name}` is not known here"), "write `null`".to_owned()),
            _ => unknown_root(name),
        });
        self.mistake(code, span, message, hint)
    }

    /// `event.first-name`: the hyphen was meant as part of the name.
    fn hyphen(&self, name: &str, at: usize) -> Option<(&'static str, String, String)> {
        let here = self.tokens.iter().position(|token| token.offset == at)?;
        let (field, minus) = (self.tokens.get(here.checked_sub(2)?)?, &self.tokens[here - 1]);
        let glued = minus.is("-") && field.end() == minus.offset && minus.end() == at;
        let message = "a hyphen is *minus* in a question".to_owned();
        (glued && here >= 3 && self.tokens[here - 3].is("."))
            .then(|| ("R310", message, format!("write `{}_{name}`: a hyphen of a key is reached as `_`", field.text)))
    }

    fn select(&mut self, operand: Node, field: &str, dot: usize) -> Node {
        let after = self.tokens.iter().find(|token| token.offset > dot).map_or(self.source.len(), Token::end);
        let span = (operand.span.0, after);
        self.member(operand, field, span)
    }

    fn member(&mut self, operand: Node, field: &str, span: Span) -> Node {
        match operand.expr {
            Expr::Path(mut path) => {
                path.push(field);
                let only_one = path.fields.len() == 1;
                if let Some((message, hint)) = only_one.then(|| unknown_field(&path)).flatten() {
                    return self.mistake("R307", span, message, hint);
                }
                node(Expr::Path(path), span, Kind::Unknown)
            }
            // A mistake was said already.
            Expr::Null => node(Expr::Null, span, Kind::Unknown),
            _ => node(Expr::Field(Box::new(operand), field.into()), span, Kind::Unknown),
        }
    }

    fn call(&mut self, call: &CallExpr, at: usize) -> Node {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [value]) => {
                let value = self.lower(value);
                self.expect(&value, &[Kind::Bool]);
                let span = (at, value.span.1);
                node(Expr::Not(Box::new(value)), span, Kind::Bool)
            }
            (operators::NEGATE, [value]) => {
                let value = self.lower(value);
                self.expect(&value, &[Kind::Number]);
                let span = (at, value.span.1);
                node(Expr::Negate(Box::new(value)), span, Kind::Number)
            }
            (operators::CONDITIONAL, [condition, yes, no]) => self.choose(condition, yes, no),
            (operators::INDEX, [list, index]) => self.index(list, index, at),
            (operator, [left, right]) if call.target.is_none() && is_operator(operator) => {
                let before = self.mistakes.len();
                let (left, right) = (self.lower(left), self.lower(right));
                // What a part at fault gives is not known: nothing follows from it.
                let sound = self.mistakes.len() == before;
                self.operator(operator, left, right, sound)
            }
            (name, args) => self.function(name, call.target.as_deref(), args, at),
        }
    }

    fn choose(&mut self, condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr) -> Node {
        let (condition, yes, no) = (self.lower(condition), self.lower(yes), self.lower(no));
        self.expect(&condition, &[Kind::Bool]);
        let kind = if yes.kind == no.kind { yes.kind } else { Kind::Unknown };
        let span = (condition.span.0, no.span.1);
        let [condition, yes, no] = [condition, yes, no].map(Box::new);
        node(Expr::Choose { condition, yes, no }, span, kind)
    }

    /// A constant index is part of the path, so that the sample can be checked.
    fn index(&mut self, list: &IdedExpr, index: &IdedExpr, at: usize) -> Node {
        let (list, index) = (self.lower(list), self.lower(index));
        let span = (list.span.0, self.bracket(at));
        let constant = match &index.expr {
            Expr::Text(name) => Some(name.to_string()),
            Expr::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match (&list.expr, constant) {
            (Expr::Path(_), Some(name)) => self.member(list, &name, span),
            _ => node(Expr::Index(Box::new(list), Box::new(index)), span, Kind::Unknown),
        }
    }

    fn operator(&mut self, operator: &str, left: Node, right: Node, sound: bool) -> Node {
        let span = (left.span.0, right.span.1);
        let order = match operator {
            operators::LESS => Some(Order::Less),
            operators::LESS_EQUALS => Some(Order::AtMost),
            operators::GREATER => Some(Order::More),
            operators::GREATER_EQUALS => Some(Order::AtLeast),
            _ => None,
        };
        let calculation = arithmetic(operator);
        match operator {
            _ if !sound => [(); 2],
            operators::LOGICAL_AND | operators::LOGICAL_OR => {
                [&left, &right].map(|side| self.expect(side, &[Kind::Bool]))
            }
            operators::IN => [(), self.expect(&right, &[Kind::List])],
            _ if calculation.is_some() => self.check_calculation(operator, &left, &right),
            _ => self.check_comparison(order.is_some(), &left, &right, span),
        };
        let kind = match calculation {
            Some(_) if !sound => Kind::Unknown,
            Some(_) if left.kind == Kind::Text || right.kind == Kind::Text => Kind::Text,
            Some(Arithmetic::Add) if left.kind == Kind::Unknown && right.kind == Kind::Unknown => Kind::Unknown,
            Some(_) => Kind::Number,
            None => Kind::Bool,
        };
        let (left, right) = (Box::new(left), Box::new(right));
        let expr = match (operator, order, calculation) {
            (_, Some(order), _) => Expr::Order { order, left, right },
            (_, _, Some(operator)) => Expr::Calculate { operator, left, right },
            (operators::IN, _, _) => Expr::In(left, right),
            (operators::LOGICAL_AND | operators::LOGICAL_OR, _, _) => {
                Expr::Logic { decided_by: operator == operators::LOGICAL_OR, left, right }
            }
            _ => Expr::Equal { negated: operator == operators::NOT_EQUALS, left, right },
        };
        node(expr, span, kind)
    }

    fn check_calculation(&mut self, operator: &str, left: &Node, right: &Node) -> [(); 2] {
        let texts = operator == operators::ADD
            && [left.kind, right.kind].iter().all(|kind| matches!(kind, Kind::Text | Kind::Unknown));
        let wanted: &[Kind] = if texts { &[Kind::Text] } else { &[Kind::Number] };
        [left, right].map(|side| self.expect(side, wanted))
    }

    fn check_comparison(&mut self, ordered: bool, left: &Node, right: &Node, span: Span) -> [(); 2] {
        match (left.kind, right.kind) {
            (Kind::Text, Kind::Number) | (Kind::Number, Kind::Text) => {
                let hint = "write the number without quotes, or `number(…)` around the text".to_owned();
                self.mistake("R303", span, "text compared with a number".into(), hint);
                [(); 2]
            }
            (Kind::Time, other) | (other, Kind::Time) if ordered && other != Kind::Unknown => {
                [left, right].map(|side| self.expect(side, &[Kind::Time, Kind::Text]))
            }
            _ if ordered => [left, right].map(|side| self.expect(side, &[Kind::Number, Kind::Text, Kind::Time])),
            _ => [(); 2],
        }
    }
}

fn is_operator(name: &str) -> bool {
    let comparisons = [
        operators::EQUALS,
        operators::NOT_EQUALS,
        operators::LESS,
        operators::LESS_EQUALS,
        operators::GREATER,
        operators::GREATER_EQUALS,
        operators::LOGICAL_AND,
        operators::LOGICAL_OR,
        operators::IN,
    ];
    comparisons.contains(&name) || arithmetic(name).is_some()
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}
