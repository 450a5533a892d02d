//! Numbers: one kind, whole and decimal mixed everywhere (`language.md` §7).
//!
//! Whole numbers stay exact, so that two long order numbers never compare equal by rounding. Invariant: a decimal is finite.

use std::cmp::Ordering;
use std::fmt;

/// A number of a question or a text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(i128),
    Decimal(f64),
}

use Number::{Decimal, Whole};

impl Number {
    pub(super) fn decimal(value: f64) -> Option<Self> {
        value.is_finite().then_some(Decimal(value))
    }

    pub(super) fn from_json(number: &serde_json::Number) -> Option<Self> {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.map(Whole).or_else(|| number.as_f64().and_then(Self::decimal))
    }

    /// Reads `-12.5`: digits, one full stop, nothing else.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(a, b)| (a, Some(b)));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !fraction.is_none_or(all_digits) {
            return None;
        }
        match fraction {
            None => text.parse().ok().map(Whole).or_else(|| Self::decimal(text.parse().ok()?)),
            Some(_) => Self::decimal(text.parse().ok()?),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Whole(number) => number as f64,
            Decimal(number) => number,
        }
    }

    pub(super) fn is_zero(self) -> bool {
        self.as_f64() == 0.0
    }

    pub(super) fn to_json(self) -> serde_json::Value {
        match self {
            Whole(number) => i64::try_from(number)
                .map(serde_json::Value::from)
                .or_else(|_| u64::try_from(number).map(serde_json::Value::from))
                .unwrap_or_else(|_| self.as_f64().into()),
            Decimal(number) => number.into(),
        }
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Whole(a), Whole(b)) => a.cmp(&b),
            (Decimal(a), Decimal(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Whole(a), Decimal(b)) => compare_mixed(a, b),
            (Decimal(a), Whole(b)) => compare_mixed(b, a).reverse(),
        }
    }

    pub(super) fn negate(self) -> Option<Self> {
        match self {
            Whole(number) => number.checked_neg().map(Whole),
            Decimal(number) => Some(Decimal(-number)),
        }
    }

    /// `None` when the result is beyond what a number can hold, or a division by zero.
    pub(super) fn calculate(self, operator: Arithmetic, other: Self) -> Option<Self> {
        if let (Whole(a), Whole(b)) = (self, other) {
            match operator {
                Arithmetic::Add => return a.checked_add(b).map(Whole),
                Arithmetic::Subtract => return a.checked_sub(b).map(Whole),
                Arithmetic::Multiply => return a.checked_mul(b).map(Whole),
                Arithmetic::Remainder => return a.checked_rem(b).map(Whole),
                Arithmetic::Divide => {}
            }
        }
        let (a, b) = (self.as_f64(), other.as_f64());
        Self::decimal(match operator {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide => a / b,
            Arithmetic::Remainder => a % b,
        })
    }
}

/// `+ - * / %`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// As JSON prints it: `129.9`, `120`, `1e21`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whole(number) => number.fmt(f),
            Decimal(_) => self.to_json().fmt(f),
        }
    }
}

/// Exact also where a decimal cannot tell neighbouring whole numbers apart.
#[allow(clippy::cast_possible_truncation)]
fn compare_mixed(whole: i128, decimal: f64) -> Ordering {
    const EDGE: f64 = 1.7e38;
    if decimal.abs() >= EDGE {
        return if decimal > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    let floor = decimal.floor();
    whole.cmp(&(floor as i128)).then(if decimal > floor { Ordering::Less } else { Ordering::Equal })
}
