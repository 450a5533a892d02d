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
/// Parts of the names of fields with a name, of a person or of a thing.
const NAMES: [&str; 2] = ["name", "nombre"];
/// Parts of the names of fields with a name that only people have.
const NAMES_OF_PEOPLE: [&str; 5] = ["apellido", "prenom", "prénom", "cognome", "nachname"];
/// Words beside which a name is a person's.
const PERSONS: [&str; 10] =
    ["first", "last", "full", "given", "family", "customer", "client", "contact", "person", "user"];
/// Names of fields that are a name and nothing else.
const BARE_NAMES: [&str; 3] = ["name", "nombre", "nom"];
/// Parts of the names of fields with addresses.
const PLACES: [&str; 6] = ["address", "adresse", "direccion", "dirección", "street", "indirizzo"];
/// Words in the names of fields with what people write.
const TEXTS: [&str; 6] = ["text", "body", "message", "caption", "comment", "note"];
/// Last words of the names of fields that say something about a text.
const ABOUT: [&str; 7] = ["id", "type", "kind", "status", "count", "at", "language"];

/// An e-mail address within a text.
pub static MAIL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[^\s<>,;:]+@[^\s<>,;:]+").expect("the form of an e-mail address is a valid pattern"));

/// A word in the name of a field.
static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\p{Lu}?\p{Ll}+|\p{Lu}+").expect("the form of a word is a valid pattern"));

/// Whether a field of this name holds a phone number.
pub fn is_number(field: &str) -> bool {
    let lower = field.to_lowercase();
    NUMBERS.iter().any(|part| lower.contains(part)) || WHOLE_NUMBERS.contains(&lower.as_str())
}

/// Whether a field of this name holds the name of a person, or of anything else: a product has one too.
pub fn is_name(field: &str) -> bool {
    let lower = field.to_lowercase();
    lower == "nom" || NAMES.iter().chain(&NAMES_OF_PEOPLE).any(|part| lower.contains(part))
}

/// Whether a field of this name holds the name of a person, and not of a thing. `beside`: the names of the fields that
/// stand beside it; whose number or mail is told is told by name.
pub fn is_persons_name<'f>(field: &str, mut beside: impl Iterator<Item = &'f String>) -> bool {
    let lower = field.to_lowercase();
    let says_person = || words(field).any(|word| PERSONS.contains(&word.as_str()));
    let is_of_people = NAMES_OF_PEOPLE.iter().any(|part| lower.contains(part));
    let reaches = |other: &String| is_number(other) || other.to_lowercase().contains("mail");
    is_name(field) && (is_of_people || says_person() || BARE_NAMES.contains(&lower.as_str()) && beside.any(reaches))
}

/// Whether a field of this name holds where somebody lives.
pub fn is_place(field: &str) -> bool {
    let lower = field.to_lowercase();
    PLACES.iter().any(|part| lower.contains(part))
}

/// Whether a field of this name holds what somebody wrote.
pub fn is_text(field: &str) -> bool {
    let is_about = words(field).last().is_some_and(|last| ABOUT.contains(&last.as_str()));
    !is_about && words(field).any(|word| TEXTS.contains(&word.trim_end_matches('s')))
}

/// `messageBody`, `message_body` and `Message-Body` are made of `message` and `body`.
fn words(field: &str) -> impl Iterator<Item = String> + '_ {
    WORD.find_iter(field).map(|word| word.as_str().to_lowercase())
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
        for field in ["customer_note", "Text", "messageBody", "comments", "last-message"] {
            assert!(is_text(field), "{field}");
        }
        for field in ["order_id", "context", "message_id", "messageType", "notebook"] {
            assert!(!is_text(field), "{field}");
        }
        let beside = |field: &str, other: &str| is_persons_name(field, [field.to_owned(), other.to_owned()].iter());
        assert!(beside("first_name", "total") && beside("customerName", "total") && beside("name", "email"));
        assert!(!beside("name", "price") && !beside("product_name", "phone"));
        assert!(is_place("shipping_address") && is_place("direccion") && !is_place("total"));
        assert!(!is_number("fromage") && !is_name("economy"));
    }
}
