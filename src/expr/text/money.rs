//! Money: an amount with its currency, as the reader's language writes it.
//!
//! Separators come from the language's data; where the symbol stands follows Unicode's patterns for the languages named here,
//! else it follows the amount. Between amount and symbol stands a non-breaking space, so that a line never parts them.

use super::locale::Language;
use crate::expr::number::Number;

/// An ISO 4217 code in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Currency(String);

impl Currency {
    pub(super) fn parse(code: &str) -> Option<Self> {
        let code = code.trim();
        (code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic()))
            .then(|| Self(code.to_ascii_uppercase()))
    }

    /// Decimals of the currency; all others have two.
    fn decimals(&self) -> u8 {
        match self.0.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
    }

    /// The symbol where it is not taken for another currency's, else the code.
    fn symbol(&self, language: &Language) -> &str {
        let at_home = |region: &str| language.region.as_deref() == Some(region);
        match self.0.as_str() {
            "EUR" => "€",
            "USD" => "$",
            "GBP" => "£",
            "JPY" => "¥",
            "BRL" => "R$",
            "INR" => "₹",
            "KRW" => "₩",
            "TRY" => "₺",
            "UAH" => "₴",
            "ILS" => "₪",
            "VND" => "₫",
            "PHP" => "₱",
            "NGN" => "₦",
            "PLN" => "zł",
            "CZK" => "Kč",
            "MXN" if at_home("MX") => "$",
            "ARS" if at_home("AR") => "$",
            "CLP" if at_home("CL") => "$",
            "COP" if at_home("CO") => "$",
            "CAD" if at_home("CA") => "$",
            "AUD" if at_home("AU") => "$",
            "PEN" if at_home("PE") => "S/",
            code => code,
        }
    }
}

enum Place {
    /// `€129.90`.
    Before,
    /// `R$ 129,90`.
    BeforeWithSpace,
    /// `129,90 €`.
    After,
}

/// `cents`: the amount counts the currency's smallest unit. `None` when it cannot be written as digits.
pub(super) fn money(amount: Number, currency: &Currency, cents: bool, language: &Language) -> Option<String> {
    const SPACE: char = '\u{a0}';
    let decimals = currency.decimals();
    let shift = if cents { -i16::from(decimals) } else { 0 };
    let (digits, negative) = language.unsigned(amount, decimals, shift)?;
    let symbol = currency.symbol(language);
    let minus = if negative { "-" } else { "" };
    Some(match place(language, currency, symbol) {
        Place::Before => format!("{minus}{symbol}{digits}"),
        Place::BeforeWithSpace => format!("{minus}{symbol}{SPACE}{digits}"),
        Place::After => format!("{minus}{digits}{SPACE}{symbol}"),
    })
}

fn place(language: &Language, currency: &Currency, symbol: &str) -> Place {
    let code_is_shown = symbol.len() == 3 && symbol.is_ascii();
    let before = match (language.code.as_str(), language.region.as_deref()) {
        ("en" | "ja" | "zh" | "ko" | "he" | "th", _) => Place::Before,
        ("es", None | Some("ES" | "GQ")) => Place::After,
        ("es", Some("AR" | "BO" | "CO" | "EC" | "PY" | "UY" | "VE")) => Place::BeforeWithSpace,
        ("es", Some(_)) => Place::Before,
        ("pt", Some("BR")) => Place::BeforeWithSpace,
        ("pt", None) if currency.0 == "BRL" => Place::BeforeWithSpace,
        ("de", Some("AT" | "CH" | "LI")) | ("it", Some("CH")) | ("nl" | "tr", _) => Place::BeforeWithSpace,
        _ => Place::After,
    };
    match before {
        Place::Before if code_is_shown => Place::BeforeWithSpace,
        place => place,
    }
}
