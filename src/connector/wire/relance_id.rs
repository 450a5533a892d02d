//! `relance_id`: the mark in a message's metadata that proves which of our attempts it belongs to.
//!
//! Pure. Invariant: without the installation's key nobody can make one, so an event's body alone proves nothing.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Hex characters kept of the MAC.
const MAC_CHARS: usize = 16;

/// `<ulid>.<16 hex>`: the attempt's id and the first half of HMAC-SHA256(key, `relance_id|<ulid>`).
pub fn sign_id(key: &[u8], ulid: &str) -> String {
    format!("{ulid}.{}", mac(key, ulid))
}

/// The attempt's id when `text` was signed with one of `keys` (the present one, and old ones for 30 days).
/// Takes the same time whatever is wrong with the MAC.
pub fn verify_id<K: AsRef<[u8]>>(keys: &[K], text: &str) -> Option<String> {
    let (id, given) = text.split_once('.')?;
    if given.len() != MAC_CHARS || ulid::Ulid::from_string(id).is_err() {
        return None;
    }
    let genuine = |key: &K| bool::from(mac(key.as_ref(), id).as_bytes().ct_eq(given.as_bytes()));
    keys.iter().any(genuine).then(|| id.to_owned())
}

fn mac(key: &[u8], ulid: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(b"relance_id|");
    mac.update(ulid.as_bytes());
    let mut text = hex::encode(mac.finalize().into_bytes());
    text.truncate(MAC_CHARS);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ULID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    #[test]
    fn an_id_signed_with_an_old_key_still_verifies() {
        let text = sign_id(b"old", ULID);
        assert_eq!(text.len(), 26 + 1 + 16);
        assert_eq!(verify_id(&[b"new".as_slice(), b"old".as_slice()], &text).as_deref(), Some(ULID));
    }

    #[test]
    fn a_foreign_or_damaged_id_proves_nothing() {
        let text = sign_id(b"key", ULID);
        let other = text.replace("01ARZ", "01ARY");
        let short = &text[..text.len() - 1];
        for wrong in [other.as_str(), short, ULID, "", ".", "x.0123456789abcdef", "é.0123456789abcdef"] {
            assert_eq!(verify_id(&[b"key"], wrong), None, "{wrong}");
        }
        assert_eq!(verify_id(&[b"other"], &text), None);
        assert_eq!(verify_id::<&[u8]>(&[], &text), None);
    }
}
