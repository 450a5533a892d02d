//! Uses: which paths a question mentions and how, for the checks against samples.

use super::Comparison;
use super::functions::Function;
use super::node::{Expr, Node};
use crate::expr::path::{Path, Root};
use crate::expr::{PathUse, Wants};

pub(super) fn paths(node: &Node) -> Vec<PathUse> {
    let mut seen = Seen { uses: Vec::new(), list: None };
    seen.see(node, Wants::Any, false);
    seen.guarded()
}

struct Seen<'a> {
    uses: Vec<PathUse>,
    /// What the loop variable walks.
    list: Option<&'a Path>,
}

impl<'a> Seen<'a> {
    fn see(&mut self, node: &'a Node, wants: Wants, optional: bool) {
        match &node.expr {
            Expr::Path(path) => self.uses.extend(path_use(path, node.span, self.list, wants, optional)),
            Expr::Null | Expr::Bool(_) | Expr::Number(_) | Expr::Text(_) => {}
            Expr::List(nodes) => nodes.iter().for_each(|node| self.see(node, Wants::Any, optional)),
            Expr::Has(node) => self.see(node, Wants::Any, true),
            Expr::Field(node, _) => self.see(node, Wants::Any, optional),
            Expr::Not(node) | Expr::Negate(node) => self.see(node, Wants::Scalar, optional),
            Expr::Index(list, index) => {
                self.see(list, Wants::Any, optional);
                self.see(index, Wants::Scalar, optional);
            }
            Expr::Equal { left, right, .. } => {
                let null = |node: &Node| matches!(node.expr, Expr::Null);
                self.see(left, Wants::Any, optional || null(right));
                self.see(right, Wants::Any, optional || null(left));
            }
            Expr::In(item, list) => {
                self.see(item, Wants::Any, optional);
                self.see(list, Wants::Any, optional);
            }
            Expr::Logic { left, right, .. } | Expr::Order { left, right, .. } | Expr::Calculate { left, right, .. } => {
                self.see(left, Wants::Scalar, optional);
                self.see(right, Wants::Scalar, optional);
            }
            Expr::Choose { condition, yes, no } => {
                self.see(condition, Wants::Scalar, optional);
                self.see(yes, wants, optional);
                self.see(no, wants, optional);
            }
            Expr::Call { function, args, .. } => {
                for (at, arg) in args.iter().enumerate() {
                    self.see(arg, wanted(*function, at), optional);
                }
            }
            Expr::Walk { list, body, .. } => {
                self.see(list, Wants::List, optional);
                self.list = match &list.expr {
                    Expr::Path(path) => Some(path),
                    _ => None,
                };
                self.see(body, Wants::Any, optional);
                self.list = None;
            }
        }
    }

    /// A path that the question also asks for with `has` may be absent wherever it stands: `has(event.a) && event.a.b > 0`.
    fn guarded(self) -> Vec<PathUse> {
        let guards: Vec<PathUse> = self.uses.iter().filter(|used| used.optional).cloned().collect();
        let covers =
            |guard: &PathUse, used: &PathUse| guard.root == used.root && used.fields.starts_with(&guard.fields);
        let mut uses = self.uses;
        for used in &mut uses {
            used.optional |= guards.iter().any(|guard| covers(guard, used));
        }
        uses
    }
}

fn wanted(function: Function, at: usize) -> Wants {
    match (function, at) {
        (Function::Size | Function::HasTag, 0) | (Function::Includes, 1) => Wants::Any,
        (Function::Includes, 0) => Wants::List,
        _ => Wants::Scalar,
    }
}

/// `None` for the item of a list that is no path: nothing can be said of its fields.
pub(super) fn path_use(
    path: &Path,
    span: (usize, usize),
    list: Option<&Path>,
    wants: Wants,
    optional: bool,
) -> Option<PathUse> {
    let (root, mut fields) = match (path.root, list) {
        (Root::Item, Some(list)) if list.root != Root::Item => {
            (list.root, list.fields.iter().map(ToString::to_string).chain(["0".to_owned()]).collect())
        }
        (Root::Item, _) => return None,
        (root, _) => (root, Vec::new()),
    };
    fields.extend(path.fields.iter().map(ToString::to_string));
    Some(PathUse { root: root.name().to_owned(), fields, offset: span.0, len: span.1 - span.0, optional, wants })
}

pub(super) fn comparisons(node: &Node) -> Vec<Comparison> {
    let mut found = Vec::new();
    node.visit(&mut |node| match &node.expr {
        Expr::Equal { negated, left, right } => {
            let operator = if *negated { "!=" } else { "==" };
            found.extend(compared(left, operator, right).or_else(|| compared(right, operator, left)));
        }
        Expr::Order { order, left, right } => {
            let mirrored = order.mirrored().symbol();
            found.extend(compared(left, order.symbol(), right).or_else(|| compared(right, mirrored, left)));
        }
        Expr::In(item, list) => {
            if let Expr::List(literals) = &list.expr {
                found.extend(literals.iter().filter_map(|literal| compared(item, "in", literal)));
            }
        }
        _ => {}
    });
    found
}

fn compared(path: &Node, operator: &'static str, literal: &Node) -> Option<Comparison> {
    let literal = match &literal.expr {
        Expr::Bool(answer) => (*answer).into(),
        Expr::Number(number) => number.to_json(),
        Expr::Text(text) => text.as_ref().into(),
        _ => return None,
    };
    let Expr::Path(found) = &path.expr else { return None };
    let path = path_use(found, path.span, None, Wants::Any, false)?;
    Some(Comparison { path, operator, literal })
}
