//! Nodes: a question after parsing, in the form that is evaluated. Made once by `lower`, walked by `eval`.

use super::Kind;
use super::functions::{Function, Prepared};
use crate::expr::number::{Arithmetic, Number};
use crate::expr::path::Path;
use std::cmp::Ordering;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) expr: Expr,
    /// Byte offsets in the source, end excluded.
    pub(super) span: (usize, usize),
    /// What it gives, as far as can be told without an event.
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Expr {
    Null,
    Bool(bool),
    Number(Number),
    Text(Box<str>),
    List(Vec<Node>),
    Path(Path),
    /// A field of something that is no path: `event.items.filter(i, i.ok)[0].name`.
    Field(Box<Node>, Box<str>),
    Index(Box<Node>, Box<Node>),
    Has(Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// `&&`, decided by a no; `||`, decided by a yes.
    Logic {
        decided_by: bool,
        left: Box<Node>,
        right: Box<Node>,
    },
    Equal {
        negated: bool,
        left: Box<Node>,
        right: Box<Node>,
    },
    Order {
        order: Order,
        left: Box<Node>,
        right: Box<Node>,
    },
    Calculate {
        operator: Arithmetic,
        left: Box<Node>,
        right: Box<Node>,
    },
    In(Box<Node>, Box<Node>),
    Choose {
        condition: Box<Node>,
        yes: Box<Node>,
        no: Box<Node>,
    },
    Call {
        function: Function,
        args: Vec<Node>,
        prepared: Prepared,
    },
    Walk {
        walk: Walk,
        list: Box<Node>,
        /// The condition on an item, or for `map` what it becomes.
        body: Box<Node>,
    },
}

/// `< <= > >=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Order {
    pub(super) fn holds(self, found: Ordering) -> bool {
        match self {
            Self::Less => found.is_lt(),
            Self::AtMost => found.is_le(),
            Self::More => found.is_gt(),
            Self::AtLeast => found.is_ge(),
        }
    }

    /// The same question with its sides changed: `1 < a` is `a > 1`.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::More => Self::Less,
            Self::AtLeast => Self::AtMost,
        }
    }

    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// The functions that walk a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

impl Walk {
    pub(super) const NAMES: [&'static str; 5] = ["all", "exists", "exists_one", "filter", "map"];

    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Self::All,
            "exists" => Self::Exists,
            "exists_one" => Self::ExistsOne,
            "filter" => Self::Filter,
            "map" => Self::Map,
            _ => return None,
        })
    }
}

impl Node {
    /// Calls `see` for every part of the expression, outer parts first.
    pub(super) fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Node)) {
        see(self);
        match &self.expr {
            Expr::Null | Expr::Bool(_) | Expr::Number(_) | Expr::Text(_) | Expr::Path(_) => {}
            Expr::List(nodes) | Expr::Call { args: nodes, .. } => nodes.iter().for_each(|node| node.visit(see)),
            Expr::Field(node, _) | Expr::Has(node) | Expr::Not(node) | Expr::Negate(node) => node.visit(see),
            Expr::Index(left, right)
            | Expr::In(left, right)
            | Expr::Logic { left, right, .. }
            | Expr::Equal { left, right, .. }
            | Expr::Order { left, right, .. }
            | Expr::Calculate { left, right, .. }
            | Expr::Walk { list: left, body: right, .. } => {
                left.visit(see);
                right.visit(see);
            }
            Expr::Choose { condition, yes, no } => [condition, yes, no].into_iter().for_each(|node| node.visit(see)),
        }
    }
}
