//! Session: who signed in, in a cookie that only this installation can make. Pure.
//!
//! Nothing is kept on the server, so any node takes up any session. Invariant: a cookie that was changed, has ended, was
//! made with another key, or by a token that is gone opens nothing.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How long a session lasts.
pub(super) const LASTS_MS: i64 = 12 * 3_600_000;

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// Name of the token.
    pub(super) who: String,
    /// Whether it may change something.
    pub(super) operates: bool,
    /// Unix milliseconds.
    pub(super) ends_at_ms: i64,
}

impl Session {
    /// The cookie's value: what is told, and the proof of it, which holds for the token of this stamp only.
    pub(super) fn seal(&self, key: &[u8], stamp: &str) -> String {
        let told = format!("{}.{}.{}", self.ends_at_ms, u8::from(self.operates), hex::encode(&self.who));
        let proof = proof(key, "session", &format!("{told}|{stamp}"));
        format!("{told}.{proof}")
    }

    /// Reads a cookie; `None` unless it is genuine, has not ended, and `stamp` tells the same of the token as at sign-in.
    pub(super) fn open(
        key: &[u8],
        cookie: &str,
        now_ms: i64,
        stamp: impl FnOnce(&Self) -> Option<String>,
    ) -> Option<Self> {
        let (told, given) = cookie.rsplit_once('.')?;
        let mut parts = told.split('.');
        let ends_at_ms: i64 = parts.next()?.parse().ok()?;
        let operates = parts.next()? == "1";
        let who = String::from_utf8(hex::decode(parts.next()?).ok()?).ok()?;
        let session = Self { who, operates, ends_at_ms };
        let proof = proof(key, "session", &format!("{told}|{}", stamp(&session)?));
        let genuine = bool::from(proof.as_bytes().ct_eq(given.as_bytes()));
        (genuine && now_ms < ends_at_ms).then_some(session)
    }
}

/// What a form of this session carries, so that no other site can send it.
pub(super) fn form_token(key: &[u8], cookie: &str) -> String {
    proof(key, "form", cookie)
}

/// Whether a form carries it.
pub(super) fn fits(key: &[u8], cookie: &str, given: &str) -> bool {
    form_token(key, cookie).as_bytes().ct_eq(given.as_bytes()).into()
}

fn proof(key: &[u8], use_of_it: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(use_of_it.as_bytes());
    mac.update(b"|");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session { who: "Ops é.1".into(), operates: true, ends_at_ms: 1000 }
    }

    fn open(key: &[u8], cookie: &str, now_ms: i64) -> Option<Session> {
        Session::open(key, cookie, now_ms, |_| Some("stamp".into()))
    }

    #[test]
    fn a_session_opens_until_it_ends_and_for_its_own_key_only() {
        let cookie = session().seal(b"key", "stamp");
        assert_eq!(open(b"key", &cookie, 999), Some(session()));
        assert_eq!(open(b"key", &cookie, 1000), None);
        assert_eq!(open(b"other", &cookie, 0), None);
    }

    #[test]
    fn a_token_that_is_gone_or_another_one_of_its_name_ends_its_sessions() {
        let cookie = session().seal(b"key", "stamp");
        assert_eq!(Session::open(b"key", &cookie, 0, |_| None), None);
        assert_eq!(Session::open(b"key", &cookie, 0, |_| Some("rotated".into())), None);
    }

    #[test]
    fn a_changed_cookie_opens_nothing() {
        let weak = Session { operates: false, ..session() }.seal(b"key", "stamp");
        let stronger = weak.replacen(".0.", ".1.", 1);
        let longer = weak.replacen("1000", "9000", 1);
        for wrong in [stronger.as_str(), &longer, "", ".", "1000.1..", &weak[..weak.len() - 1]] {
            assert_eq!(open(b"key", wrong, 0), None, "{wrong}");
        }
    }

    #[test]
    fn a_form_belongs_to_one_session_and_its_token_is_no_session() {
        let (one, other) =
            (session().seal(b"key", "stamp"), Session { ends_at_ms: 2000, ..session() }.seal(b"key", "stamp"));
        let token = form_token(b"key", &one);
        assert!(fits(b"key", &one, &token) && !fits(b"key", &other, &token) && !fits(b"key", &one, ""));
    }
}
