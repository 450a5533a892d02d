//! Who may use the API, the gateway and the pages: bearers of the admin token, or of a token of `relance.yaml` for what
//! its scopes allow; anyone on this machine in `dev`.
//!
//! Invariant: tokens are compared as hashes in constant time, and an address that guesses is locked out; what is
//! remembered of guesses is bounded.

use super::error::Refusal;
use super::front::Caller;
use super::{App, hooks};
use crate::config::{Proxies, Scope, Secret};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq as _;

/// Wrong tokens from one address before it is locked out, and for how long after the last one.
const MOST_FAILURES: u32 = 10;
const LOCKED_MS: i64 = 60_000;
/// Addresses remembered; beyond, the one that failed longest ago is forgotten.
const MOST_ADDRESSES: usize = 1024;

/// What the bearer of the admin token is called. No token of `relance.yaml` has such a name.
pub(super) const ADMIN: &str = "RELANCE_TOKEN";
/// What whoever needs no token in `dev` is called.
const LOCAL: &str = "dev";

/// Knows the hash of the admin token, and who guessed wrong.
#[derive(Debug)]
pub(super) struct Gatekeeper {
    token: [u8; 32],
    proxies: Proxies,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

/// A token of `relance.yaml`, looked up.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    hash: [u8; 32],
    scopes: BTreeSet<Scope>,
}

impl Key {
    pub(super) fn new(name: &str, secret: &Secret, scopes: &BTreeSet<Scope>) -> Self {
        let token = without_bearer(secret.expose().as_bytes());
        Self { name: name.to_owned(), hash: hash(token), scopes: scopes.clone() }
    }

    fn bearer(&self) -> Bearer {
        Bearer { name: self.name.clone(), scopes: Some(self.scopes.clone()), stamp: stamp(&self.hash) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last_ms: i64,
}

/// Lets a request in, or says why not. For the API and the gateway; the pages of `serve` ask for a session. Comes back: the
/// name of the token.
///
/// # Errors
/// 401 without a token, 403 when it lacks the scope, 429 after too many wrong ones.
pub fn admit(app: &App, parts: &Parts, scope: Scope) -> Result<String, Refusal> {
    if hooks::is_open(app, parts) {
        return Ok(LOCAL.to_owned());
    }
    let bearer = recognise(app, parts, bearer(parts))?;
    if bearer.may(scope) {
        return Ok(bearer.name);
    }
    let error = format!("the token `{}` lacks the scope `{}`", bearer.name, scope.as_str());
    Err(Refusal::new(StatusCode::FORBIDDEN, error, "add the scope under `tokens` in relance.yaml, or use another"))
}

/// Who shows a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) name: String,
    /// `None` = everything.
    scopes: Option<BTreeSet<Scope>>,
    /// Another for another token of the same name. What a session is bound to; told to nobody.
    pub(super) stamp: String,
}

impl Bearer {
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&scope))
    }
}

/// Whose token that is, shown from the address of this request.
///
/// # Errors
/// 401 without a token or with a wrong one, 429 after too many of them.
pub(super) fn recognise(app: &App, parts: &Parts, token: Option<&[u8]>) -> Result<Bearer, Refusal> {
    let peer = parts.extensions.get::<Caller>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.peer.ip());
    let keys = &app.sources().keys;
    Ok(match app.0.gatekeeper.check(peer, token, keys, app.0.wall.now_ms())? {
        Some(key) => key.bearer(),
        None => app.0.gatekeeper.admin(),
    })
}

/// Who would show the token of this name now; `None` when there is no such token any more.
pub(super) fn bearer_named(app: &App, name: &str) -> Option<Bearer> {
    match name == ADMIN {
        true => Some(app.0.gatekeeper.admin()),
        false => app.sources().keys.iter().find(|key| key.name == name).map(Key::bearer),
    }
}

/// Compared as hashes, so that neither the length nor the first differing byte shows in the time taken.
pub(super) fn is_same(expected: &Secret, given: &[u8]) -> bool {
    hash(expected.expose().as_bytes()).ct_eq(&hash(given)).into()
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The hash of a token's hash.
fn stamp(hashed: &[u8; 32]) -> String {
    hex::encode(hash(hashed))
}

fn bearer(parts: &Parts) -> Option<&[u8]> {
    let value = parts.headers.get(header::AUTHORIZATION)?.as_bytes();
    let token = without_bearer(value);
    (token.len() < value.len()).then_some(token)
}

/// Dashboards show tokens with `Bearer ` in front, so people paste it whole, and their clients write it once more.
fn without_bearer(value: &[u8]) -> &[u8] {
    match value.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => without_bearer(rest.trim_ascii()),
        _ => value,
    }
}

impl Gatekeeper {
    pub(super) fn new(token: &Secret, proxies: Proxies) -> Self {
        Self { token: hash(token.expose().as_bytes()), proxies, failures: Mutex::default() }
    }

    fn admin(&self) -> Bearer {
        Bearer { name: ADMIN.to_owned(), scopes: None, stamp: stamp(&self.token) }
    }

    /// The token that was shown, `None` for the admin's.
    fn check<'k>(
        &self,
        peer: IpAddr,
        given: Option<&[u8]>,
        keys: &'k [Key],
        now_ms: i64,
    ) -> Result<Option<&'k Key>, Refusal> {
        let hint = "send `Authorization: Bearer <token>`: RELANCE_TOKEN, or the content of `.relance/token`";
        let found = given.map(|given| self.fitting(hash(given), keys));
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        // Behind a proxy everybody has one address: there a guesser locks out wrong tokens only.
        let passes = self.proxies.stand_at(peer) && matches!(found, Some(Some(_)));
        let peer = network(peer);
        if let Some(wait_s) = locked_for_s(&failures, peer, now_ms).filter(|_| !passes) {
            let error = "too many wrong tokens came from this address";
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, error, hint).retry_after(wait_s));
        }
        match found {
            None => Err(Refusal::unauthenticated("the token is missing", hint)),
            Some(Some(key)) => {
                failures.remove(&peer);
                Ok(key)
            }
            Some(None) => {
                note_failure(&mut failures, peer, now_ms);
                Err(Refusal::unauthenticated("the token is wrong", hint))
            }
        }
    }

    /// Whose token has this hash: `Some(None)` is the admin's. Each is compared, whichever fits: the time taken tells
    /// nothing.
    fn fitting<'k>(&self, given: [u8; 32], keys: &'k [Key]) -> Option<Option<&'k Key>> {
        let is_admin = bool::from(given.ct_eq(&self.token));
        let fitting = keys.iter().fold(None, |found, key| match bool::from(given.ct_eq(&key.hash)) {
            true => Some(key),
            false => found,
        });
        (is_admin || fitting.is_some()).then(|| fitting.filter(|_| !is_admin))
    }
}

/// Who owns an IPv6 address owns the /64 around it.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        one => one,
    }
}

fn locked_for_s(failures: &HashMap<IpAddr, Failures>, peer: IpAddr, now_ms: i64) -> Option<u32> {
    let known = failures.get(&peer).filter(|known| known.count >= MOST_FAILURES)?;
    let left_ms = known.last_ms + LOCKED_MS - now_ms;
    // A machine clock that went back locks nobody out for longer.
    (1..=LOCKED_MS).contains(&left_ms).then(|| u32::try_from((left_ms + 999) / 1000).unwrap_or(60))
}

fn note_failure(failures: &mut HashMap<IpAddr, Failures>, peer: IpAddr, now_ms: i64) {
    failures.retain(|_, known| (0..LOCKED_MS).contains(&(now_ms - known.last_ms)));
    if failures.len() >= MOST_ADDRESSES && !failures.contains_key(&peer) {
        let oldest = failures.iter().min_by_key(|(_, known)| known.last_ms).map(|(peer, _)| *peer);
        oldest.and_then(|oldest| failures.remove(&oldest));
    }
    let known = failures.entry(peer).or_insert(Failures { count: 0, last_ms: now_ms });
    *known = Failures { count: known.count + 1, last_ms: now_ms };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn peer(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    fn status(keeper: &Gatekeeper, peer: IpAddr, token: &[u8], now_ms: i64) -> u16 {
        keeper.check(peer, Some(token), &[], now_ms).map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
    }

    #[test]
    fn an_address_that_guesses_is_locked_out_for_a_minute_and_others_are_not() {
        let keeper = Gatekeeper::new(&Secret::new("right"), Proxies::default());
        for _ in 0..MOST_FAILURES {
            assert_eq!(status(&keeper, peer(1), b"wrong", 0), 401);
        }
        let locked = keeper.check(peer(1), Some(b"right"), &[], 1).unwrap_err();
        assert_eq!((locked.status.as_u16(), locked.retry_after_s), (429, Some(60)));
        assert_eq!(status(&keeper, peer(2), b"right", 1), 200);
        assert_eq!(status(&keeper, peer(1), b"right", LOCKED_MS), 200);
        assert_eq!(status(&keeper, peer(1), b"wrong", LOCKED_MS), 401, "it starts from zero again");
    }

    #[test]
    fn a_guesser_behind_a_proxy_locks_out_no_right_token() {
        let listed = |name: &str| (name == "RELANCE_PROXIES").then(|| "192.0.2.0/29".to_owned());
        let proxies = Environment::read(&listed).unwrap().proxies;
        for proxy in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST), peer(1)] {
            let keeper = Gatekeeper::new(&Secret::new("right"), proxies.clone());
            for _ in 0..MOST_FAILURES {
                assert_eq!(status(&keeper, proxy, b"wrong", 0), 401);
            }
            assert_eq!(status(&keeper, proxy, b"wrong", 1), 429, "{proxy}");
            assert_eq!(status(&keeper, proxy, b"right", 1), 200, "{proxy}");
        }
    }

    #[test]
    fn a_token_of_the_project_is_known_by_its_name_however_often_bearer_was_pasted() {
        let keeper = Gatekeeper::new(&Secret::new("right"), Proxies::default());
        let keys = [Key::new("till", &Secret::new("Bearer one"), &BTreeSet::from([Scope::Send]))];
        let name =
            |token: &[u8]| keeper.check(peer(1), Some(token), &keys, 0).map(|key| key.map(|key| key.name.as_str()));
        assert_eq!(name(without_bearer(b"bearer Bearer  one")), Ok(Some("till")));
        assert_eq!(name(b"right"), Ok(None));
        assert_eq!(name(b"two").map_err(|refusal| refusal.status.as_u16()), Err(401));
    }

    #[test]
    fn a_missing_token_is_no_guess_and_the_right_one_forgives() {
        let keeper = Gatekeeper::new(&Secret::new("right"), Proxies::default());
        for _ in 0..100 {
            assert_eq!(keeper.check(peer(1), None, &[], 0).unwrap_err().status.as_u16(), 401);
        }
        for _ in 0..5 {
            (1..MOST_FAILURES).for_each(|_| assert_eq!(status(&keeper, peer(1), b"wrong", 0), 401));
            assert_eq!(status(&keeper, peer(1), b"right", 0), 200);
        }
    }

    #[test]
    fn what_is_remembered_of_guesses_is_bounded_and_a_network_counts_as_one() {
        let keeper = Gatekeeper::new(&Secret::new("right"), Proxies::default());
        for n in 0..5_000u32 {
            let _ = keeper.check(IpAddr::V4(Ipv4Addr::from_bits(n)), Some(b"wrong"), &[], i64::from(n));
        }
        assert_eq!(keeper.failures.lock().unwrap().len(), MOST_ADDRESSES);
        for n in 0..=u128::from(MOST_FAILURES) {
            let in_one_network = Ipv6Addr::from_bits((0x2001_0db8 << 96) + n);
            let expected = if n < u128::from(MOST_FAILURES) { 401 } else { 429 };
            assert_eq!(status(&keeper, IpAddr::V6(in_one_network), b"wrong", 5_000), expected);
        }
    }
}
