//! Signatures: is this body from somebody who knows the secret? One function per scheme, all HMAC-SHA256.
//!
//! Invariant: compared in constant time, on the bytes as they came; a header may hold several signatures (rotation),
//! one that fits suffices; what cannot be decoded fits nothing.

use super::{Refusal, Request, SourceSecrets, unauthenticated};
use crate::config::{Encoding, Secret, Signature, Source};
use axum::http::HeaderMap;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// A signature that carries its time is good for this long, to both sides.
const MOST_AGE_S: i64 = 300;

/// Signatures looked at in one header.
const MOST_SIGNATURES: usize = 16;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether the source's signature fits; a source with `none` has nothing to say here.
pub(super) fn verify(source: &Source, secrets: &SourceSecrets, request: &Request, wall_ms: i64) -> Result<(), Refusal> {
    if source.signature == Signature::None {
        return Ok(());
    }
    let Some(secret) = &secrets.secret else {
        return Err(unauthenticated("the server cannot check signatures of this source: its secret is not set"));
    };
    let (headers, body) = (request.headers, request.body);
    let key = secret.expose().as_bytes();
    let of_body = |header: &str, prefix: &str, encoding| check_body(headers, header, prefix, encoding, key, body);
    match &source.signature {
        Signature::StandardWebhooks => check_standard(headers, secret, body, wall_ms),
        Signature::Stripe => check_timed(headers, "Stripe-Signature", &[key], body, wall_ms),
        Signature::Shopify => of_body("X-Shopify-Hmac-Sha256", "", Encoding::Base64),
        Signature::Github => of_body("X-Hub-Signature-256", "sha256=", Encoding::Hex),
        Signature::Hmac { header, prefix, encoding } => of_body(header, prefix, *encoding),
        Signature::None => Ok(()),
    }
}

/// Checks Callbell's own `X-Callbell-Signature` (API reference §13.2) against each secret: two while rotating.
/// `wall_ms` as in [`super::authenticate`].
///
/// # Errors
/// [`Refusal::Unauthenticated`]; always without any secret.
pub fn verify_callbell(secrets: &[Secret], headers: &HeaderMap, body: &[u8], wall_ms: i64) -> Result<(), Refusal> {
    if secrets.is_empty() {
        return Err(unauthenticated(
            "the server cannot check signatures of Callbell: `CALLBELL_SIGNING_SECRET` is not set",
        ));
    }
    let keys: Vec<&[u8]> = secrets.iter().map(|secret| secret.expose().as_bytes()).collect();
    check_timed(headers, "X-Callbell-Signature", &keys, body, wall_ms)
}

/// The header `X-Callbell-Signature` for a body, as Callbell makes it. `at_s`: Unix seconds.
pub fn sign_callbell(secret: &Secret, body: &[u8], at_s: i64) -> String {
    let signature = sign(secret.expose().as_bytes(), &[at_s.to_string().as_bytes(), b".", body]);
    format!("t={at_s},v1={}", hex::encode(signature))
}

/// The key inside `whsec_<base64>`.
pub(super) fn standard_key(secret: &Secret) -> Option<Vec<u8>> {
    let written = secret.expose();
    BASE64.decode(written.strip_prefix("whsec_").unwrap_or(written)).ok().filter(|key| !key.is_empty())
}

/// A signature over the body alone.
fn check_body(
    headers: &HeaderMap,
    header: &str,
    prefix: &str,
    encoding: Encoding,
    key: &[u8],
    body: &[u8],
) -> Result<(), Refusal> {
    let expected = sign(key, &[body]);
    let given = signatures(headers, header)?;
    let decode = |text: &str| {
        let text = text.strip_prefix(prefix)?;
        match encoding {
            Encoding::Hex => hex::decode(text).ok(),
            Encoding::Base64 => BASE64.decode(text).ok(),
        }
    };
    fits(&[expected], given.into_iter().filter_map(decode))
}

/// Standard Webhooks: id, time and body are signed; `svix-` is its older name for the same headers.
fn check_standard(headers: &HeaderMap, secret: &Secret, body: &[u8], wall_ms: i64) -> Result<(), Refusal> {
    let Some(key) = standard_key(secret) else {
        return Err(unauthenticated(
            "the server cannot check signatures of this source: its secret is not `whsec_` and base64",
        ));
    };
    let family = if headers.contains_key("webhook-signature") { "webhook" } else { "svix" };
    let given = match signatures(headers, &format!("{family}-signature")) {
        Ok(given) => given,
        Err(_) => return Err(unauthenticated("the header `webhook-signature` is missing")),
    };
    let (id, time) = (text(headers, &format!("{family}-id"))?, text(headers, &format!("{family}-timestamp"))?);
    check_age(time, wall_ms)?;
    let expected = sign(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
    let decode = |signature: &str| BASE64.decode(signature.strip_prefix("v1,")?).ok();
    fits(&[expected], given.into_iter().filter_map(decode))
}

/// `t=<seconds>,v1=<hex>`: time and body are signed with the whole secret as written (Stripe, Callbell).
fn check_timed(headers: &HeaderMap, header: &str, keys: &[&[u8]], body: &[u8], wall_ms: i64) -> Result<(), Refusal> {
    let parts: Vec<(&str, &str)> = text(headers, header)?
        .split(',')
        .take(MOST_SIGNATURES)
        .filter_map(|part| part.trim().split_once('='))
        .collect();
    let time = parts.iter().find(|(name, _)| *name == "t").map(|(_, time)| *time);
    let time = time.ok_or_else(|| unauthenticated(&format!("the header `{header}` carries no time `t=`")))?;
    check_age(time, wall_ms)?;
    let expected: Vec<[u8; 32]> = keys.iter().map(|key| sign(key, &[time.as_bytes(), b".", body])).collect();
    let given = parts.iter().filter(|(name, _)| *name == "v1").filter_map(|(_, signature)| hex::decode(signature).ok());
    fits(&expected, given)
}

fn check_age(time: &str, wall_ms: i64) -> Result<(), Refusal> {
    let signed_s: i64 =
        time.parse().map_err(|_| unauthenticated("the time of the signature is no Unix time in seconds"))?;
    match (wall_ms.div_euclid(1000)).checked_sub(signed_s).and_then(i64::checked_abs) {
        Some(age) if age <= MOST_AGE_S => Ok(()),
        _ => {
            Err(unauthenticated("the signature is more than 5 minutes from now: is a clock wrong, or the request old?"))
        }
    }
}

/// One header as text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let value = headers.get(name).ok_or_else(|| unauthenticated(&format!("the header `{name}` is missing")))?;
    value.to_str().map_err(|_| unauthenticated(&format!("the header `{name}` is not plain text")))
}

/// The signatures in all headers of that name. A space divides them; a comma does where it is not `v1,<base64>`.
fn signatures<'a>(headers: &'a HeaderMap, name: &str) -> Result<Vec<&'a str>, Refusal> {
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let found: Vec<&str> =
        texts.flat_map(|text| text.split_whitespace()).flat_map(divide).take(MOST_SIGNATURES).collect();
    match found.is_empty() {
        true => Err(unauthenticated(&format!("the header `{name}` is missing"))),
        false => Ok(found),
    }
}

fn divide(text: &str) -> Vec<&str> {
    match text.starts_with("v1,") {
        true => vec![text],
        false => text.split(',').filter(|part| !part.is_empty()).collect(),
    }
}

fn sign(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Every pair is compared, whatever the earlier ones gave.
fn fits(expected: &[[u8; 32]], given: impl Iterator<Item = Vec<u8>>) -> Result<(), Refusal> {
    let mut fitting = Choice::from(0);
    for signature in given {
        for wanted in expected {
            fitting |= wanted.as_slice().ct_eq(&signature);
        }
    }
    match bool::from(fitting) {
        true => Ok(()),
        false => Err(unauthenticated("the signature does not fit the body: is the secret the same on both sides?")),
    }
}
