//! Personal: which fields of an event say who somebody is, by their names. Pure.
//!
//! Neighbours: `http::mask` hides numbers, `engine::record` gives people stand-ins in tests and samples. Invariant:
//! what one of them takes for a number, a name or a place is that to all of them.

use regex::Regex;
use std::sync::LazyLock;

/// Parts of the names of fields that hold a number, lower case.
const NUMBERS: [&str; 9] =
    ["phone", "mobile", "movil", "móvil", "telefon", "teléfono", "téléphone", "whatsapp", "msisdn"];
/// Whole names of such fields.
const WHOLE_NUMBERS: [&str; 7] = ["tel", "wa_id", "from", "to", "destination", "recipient_id", "identifier"];
/// Parts of the names of fields with people's names.
const NAMES: [&str; 7] = ["name", "nombre", "apellido", "prenom", "prénom", "cognome", "nachname"];
/// Parts of the names of fields with addresses.
const PLACES: [&str; 6] = ["address", "adresse", "direccion", "dirección", "street", "indirizzo"];
/// Parts of the names of fields with what people write.
const TEXTS: [&str; 6] = ["text", "body", "message", "caption", "comment", "note"];

/// An e-mail address within a text.
pub static MAIL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[^\s<>,;:]+@[^\s<>,;:]+").expect("the form of an e-mail address is a valid pattern"));

/// Whether a field of this name holds a phone number.
pub fn is_number(field: &str) -> bool {
    let lower = field.to_lowercase();
    NUMBERS.iter().any(|part| lower.contains(part)) || WHOLE_NUMBERS.contains(&lower.as_str())
}

/// Whether a field of this name holds the name of a person, or of anything else: a product has one too.
pub fn is_name(field: &str) -> bool {
    let lower = field.to_lowercase();
    lower == "nom" || NAMES.iter().any(|part| lower.contains(part))
}

/// Whether a field of this name holds where somebody lives.
pub fn is_place(field: &str) -> bool {
    let lower = field.to_lowercase();
    PLACES.iter().any(|part| lower.contains(part))
}

/// Whether a field of this name holds what somebody wrote.
pub fn is_text(field: &str) -> bool {
    let lower = field.to_lowercase();
    TEXTS.iter().any(|part| lower.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_by_their_names_in_the_languages_of_those_who_send_them() {
        for field in ["phone", "customer_phone", "Teléfono", "wa_id", "from"] {
            assert!(is_number(field) && !is_name(field) && !is_place(field), "{field}");
        }
        for field in ["name", "lastName", "nom", "Apellidos", "prénom"] {
            assert!(is_name(field) && !is_number(field), "{field}");
        }
        assert!(is_text("customer_note") && is_text("Text") && !is_text("order_id"));
        assert!(is_place("shipping_address") && is_place("direccion") && !is_place("total"));
        assert!(!is_number("fromage") && !is_name("economy"));
    }
}
