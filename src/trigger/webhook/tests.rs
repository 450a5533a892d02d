use super::{Refusal, Request, SourceSecrets, authenticate, check_limits, read_event, verify_callbell};
use crate::config::{Encoding, Secret, Signature, Source};
use crate::event::{Dedupe, NewEvent};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).fold(HeaderMap::new(), |mut map, (name, value)| {
        map.append(name, value);
        map
    })
}

fn source(signature: Signature) -> Source {
    Source { signature, secret: Some("SHOP_SECRET".into()), path_token: None, id: None }
}

fn secret(value: &str) -> SourceSecrets {
    SourceSecrets { secret: Some(Secret::new(value)), path_token: None }
}

fn is_taken(source: &Source, secrets: &SourceSecrets, pairs: &[(&str, &str)], body: &[u8], wall_s: i64) -> bool {
    let headers = headers(pairs);
    let request = Request { headers: &headers, address: "/order.paid", body };
    match authenticate(source, secrets, &request, wall_s * 1000) {
        Ok(event) => event == Some("order.paid"),
        Err(refusal) => {
            assert_eq!(refusal.status(), 401);
            false
        }
    }
}

#[test]
fn standard_webhooks_are_verified_with_their_published_example() {
    let shop = source(Signature::StandardWebhooks);
    let key = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let body = br#"{"test": 2432232314}"#;
    let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let signed = |family: &str, signature: &str, body: &[u8], wall_s| {
        let names = ["id", "timestamp", "signature"].map(|part| format!("{family}-{part}"));
        let values = ["msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signature];
        let pairs: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values).collect();
        is_taken(&shop, &key, &pairs, body, wall_s)
    };
    assert!(signed("webhook", good, body, 1_614_265_330));
    assert!(signed("svix", good, body, 1_614_265_330 + 300));
    assert!(signed("webhook", &format!("v1,AAAA v2,x {good} v1,!"), body, 1_614_265_330 - 300));
    assert!(!signed("webhook", good, body, 1_614_265_330 + 301));
    assert!(!signed("webhook", good, b"{\"test\": 2432232315}", 1_614_265_330));
    assert!(!signed("webhook", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", body, 1_614_265_330));
    assert!(!is_taken(&shop, &key, &[], body, 1_614_265_330));
    assert!(!is_taken(&shop, &secret("whsec_%%%"), &[("webhook-signature", good)], body, 1_614_265_330));
}

#[test]
fn signatures_of_the_body_are_verified_as_each_sender_writes_them() {
    let github = source(Signature::Github);
    let key = secret("It's a Secret to Everybody");
    let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert!(is_taken(&github, &key, &[("X-Hub-Signature-256", good)], b"Hello, World!", 0));
    assert!(!is_taken(&github, &key, &[("X-Hub-Signature-256", good)], b"Hello, World", 0));
    assert!(!is_taken(&github, &key, &[("X-Hub-Signature-256", &good[7..])], b"Hello, World!", 0));

    let hmac = |prefix: &str, encoding| {
        source(Signature::Hmac { header: "Typeform-Signature".into(), prefix: prefix.into(), encoding })
    };
    let base64 = "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=";
    let typeform = hmac("sha256=", Encoding::Base64);
    assert!(is_taken(&typeform, &key, &[("typeform-signature", &format!("sha256={base64}"))], b"Hello, World!", 0));
    let rotating =
        [("typeform-signature", "sha256=AAAA"), ("typeform-signature", &format!("sha256=x, sha256={base64}"))];
    assert!(is_taken(&typeform, &key, &rotating, b"Hello, World!", 0));
    assert!(is_taken(&hmac("", Encoding::Hex), &key, &[("typeform-signature", &good[7..])], b"Hello, World!", 0));
    let shopify = source(Signature::Shopify);
    assert!(is_taken(&shopify, &key, &[("X-Shopify-Hmac-Sha256", base64)], b"Hello, World!", 0));
    assert!(!is_taken(&shopify, &key, &[("X-Shopify-Hmac-Sha256", "")], b"Hello, World!", 0));
}

#[test]
fn callbell_signs_time_and_body_with_the_whole_secret() {
    let body = r#"{"event":"message_created","payload":{"text":"Bonjour été","status":"received"}}"#.as_bytes();
    assert_eq!(body.len(), 82);
    let good = "51618168e60929297e68d104df1875296ca09f75c388f47c223b1f43f7fc1ad0";
    let check = |secrets: &[&str], header: &str, wall_s: i64| {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        verify_callbell(&secrets, &headers(&[("X-Callbell-Signature", header)]), body, wall_s * 1000).is_ok()
    };
    let (key, header) = ("whsec_relance_test_vector_0001", format!("t=1790000123,v1={good}"));
    assert!(check(&[key], &header, 1_790_000_123));
    assert!(check(&["whsec_old", key], &format!("t=1790000123, v0=zz, v1=00, v1={good}"), 1_790_000_123 + 300));
    assert!(!check(&["whsec_old"], &header, 1_790_000_123));
    assert!(!check(&[], &header, 1_790_000_123));
    assert!(!check(&[key], &header, 1_790_000_123 + 301));
    assert!(!check(&[key], &header.replace("1790000123", "1790000124"), 1_790_000_123));
    for broken in ["", "t=", "v1=", "t=9223372036854775807,v1=00", "t=-9223372036854775808,v1=00", "t=1,t=2"] {
        assert!(!check(&[key], broken, 1_790_000_123), "{broken}");
    }
    // Stripe has the same form under another name.
    let stripe = source(Signature::Stripe);
    assert!(is_taken(&stripe, &secret(key), &[("Stripe-Signature", &header)], body, 1_790_000_123));
}

#[test]
fn a_path_token_comes_in_a_header_or_in_the_address() {
    let booking =
        Source { signature: Signature::None, secret: None, path_token: Some("BOOKING_HOOK_TOKEN".into()), id: None };
    let known = SourceSecrets { secret: None, path_token: Some(Secret::new("t0k3n")) };
    let event = |secrets: &SourceSecrets, pairs: &[(&str, &str)], address: &str| {
        let headers = headers(pairs);
        let request = Request { headers: &headers, address, body: b"" };
        authenticate(&booking, secrets, &request, 0).map(|event| event.map(str::to_owned)).map_err(|no| no.status())
    };
    assert_eq!(event(&known, &[], "/t0k3n/appointment/booked"), Ok(Some("appointment/booked".into())));
    assert_eq!(event(&known, &[], "/t0k3n"), Ok(None));
    assert_eq!(event(&known, &[("authorization", "bearer  t0k3n")], "/booked"), Ok(Some("booked".into())));
    assert_eq!(event(&known, &[("authorization", "Bearer t0k3n")], ""), Ok(None));
    assert_eq!(event(&known, &[("authorization", "Bearer t0k3n2")], "/booked"), Err(401));
    assert_eq!(event(&known, &[], "/booked"), Err(401));
    assert_eq!(event(&known, &[], ""), Err(401));
    assert_eq!(event(&SourceSecrets::default(), &[], "/t0k3n/booked"), Err(401));
    let open = Source { path_token: None, ..booking.clone() };
    assert!(!is_taken(&open, &known, &[], b"", 0), "without signature and token nothing is taken");
    let both = Source { path_token: Some("TOKEN".into()), ..source(Signature::Github) };
    let key = SourceSecrets { secret: Some(Secret::new("It's a Secret to Everybody")), ..known };
    let good = ("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    assert!(!is_taken(&both, &key, &[good], b"Hello, World!", 0), "the token is needed besides the signature");
    assert!(is_taken(&both, &key, &[good, ("authorization", "Bearer t0k3n")], b"Hello, World!", 0));
}

#[test]
fn a_source_without_its_secret_rejects_everything_and_says_so_at_start() {
    let shop = source(Signature::Shopify);
    let unset = SourceSecrets::read(&shop, &|_| None);
    assert!(!is_taken(&shop, &unset, &[("X-Shopify-Hmac-Sha256", "x")], b"{}", 0));
    assert_eq!(
        unset.problems("shop", &shop),
        ["source `shop` rejects everything: the variable `SHOP_SECRET` is not set"]
    );
    let set = SourceSecrets::read(&shop, &|name| (name == "SHOP_SECRET").then(|| " s3cret\n".to_owned()));
    assert_eq!((set.secret.as_ref().map(Secret::expose), set.problems("shop", &shop).len()), (Some("s3cret"), 0));
    assert_eq!(secret("whsec_%").problems("shop", &source(Signature::StandardWebhooks)).len(), 1);
}

#[test]
fn large_and_compressed_requests_are_refused_before_anything_else() {
    let status = |pairs: &[(&str, &str)], body: &[u8]| {
        let headers = headers(pairs);
        check_limits(&Request { headers: &headers, address: "", body }).map_err(|refusal| refusal.status())
    };
    assert_eq!(status(&[("content-encoding", "identity")], b"{}"), Ok(()));
    assert_eq!(status(&[("content-encoding", "gzip")], b"{}"), Err(415));
    assert_eq!(status(&[("x-long", &"x".repeat(17_000))], b"{}"), Err(413));
    assert_eq!(status(&[], &vec![b' '; 1024 * 1024 + 1]), Err(413));
}

const RECEIVED_MS: i64 = 1_790_000_000_000;

fn read(signature: Signature, pairs: &[(&str, &str)], event: Option<&str>, body: &str) -> Result<NewEvent, Refusal> {
    let source = Source { id: Some("order.ref".into()), ..source(signature) };
    read_event("shop", &source, &headers(pairs), event, body.as_bytes(), RECEIVED_MS)
}

fn hmac() -> Signature {
    Signature::Hmac { header: "X-Signature".into(), prefix: String::new(), encoding: Encoding::Hex }
}

#[test]
fn a_plain_body_is_the_event_named_in_the_address() {
    let event = read(hmac(), &[], Some("orders/paid"), r#"{"type":"x","data":{"a":1},"total":12.5}"#).unwrap();
    assert_eq!((event.source.as_str(), event.name.as_str()), ("shop", "orders.paid"));
    assert_eq!(event.data, json!({"type": "x", "data": {"a": 1}, "total": 12.5}));
    assert_eq!((event.at_ms, event.dedupe.keep_ms), (RECEIVED_MS, Dedupe::HASH_MS));
}

#[test]
fn the_name_comes_from_the_address_then_the_body_or_the_topic() {
    let name = |signature, pairs: &[(&str, &str)], event, body| read(signature, pairs, event, body).unwrap().name;
    assert_eq!(name(hmac(), &[], None, r#"{"type":"order.paid"}"#), "order.paid");
    assert_eq!(name(Signature::Stripe, &[], None, r#"{"type":"charge.succeeded","id":"evt_1"}"#), "charge.succeeded");
    let topic = [("X-Shopify-Topic", "orders/paid")];
    assert_eq!(name(Signature::Shopify, &topic, None, r#"{"type":"gift"}"#), "orders.paid");
    assert_eq!(name(Signature::Shopify, &topic, Some("mine"), "{}"), "mine");
    assert_eq!(name(Signature::Github, &[("X-GitHub-Event", "pull_request")], None, "{}"), "pull_request");
}

#[test]
fn what_is_no_event_is_refused_with_the_way_out() {
    let refused = |pairs: &[(&str, &str)], event, body: &str| {
        let refusal = read(hmac(), pairs, event, body).unwrap_err();
        (refusal.status(), refusal.message().to_owned())
    };
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
    let cloud_list = r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","data":[1]}"#;
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let table: Vec<(u16, &str, (u16, String))> = vec![
        (400, "the body is empty", refused(&[], Some("a"), " \n")),
        (400, "the body is no JSON: EOF", refused(&[], Some("a"), "{\"a\":")),
        (400, "the body is a list: send one request per event", refused(&[], Some("a"), "[{}]")),
        (400, "the body is a text", refused(&[], Some("a"), "\"x\"")),
        (400, "more than 64 deep", refused(&[], Some("a"), &deep)),
        (400, "more than 64 deep", refused(&[], Some("a"), &"[".repeat(1_000_000))),
        (400, "`data` is a list", refused(&[], Some("a"), cloud_list)),
        (400, "the event has no name: name it in the address, `/hooks/shop/order.paid`", refused(&[], None, "{}")),
        (400, "`order-paid` is no event name", refused(&[], Some("order-paid"), "{}")),
        (400, "`a..b` is no event name", refused(&[], Some("a..b"), "{}")),
        (415, "send JSON", refused(&form, Some("a"), "a=1")),
    ];
    for (status, part, (given, said)) in table {
        assert_eq!(given, status, "{said}");
        assert!(said.contains(part), "{said}");
    }
    assert!(read(hmac(), &[], Some("a"), &format!("{{\"a\":{}{}}}", "[".repeat(63), "]".repeat(63))).is_ok());
    assert!(read(hmac(), &[], Some("a"), &format!("{{\"a\":\"{}\"}}", "[{\\\"".repeat(100))).is_ok());
    assert_eq!(Refusal::unknown_source("shpo").status(), 404);
}

#[test]
fn cloud_events_and_standard_webhooks_are_unwrapped() {
    let body = r#"{"specversion":"1.0","id":"42","source":"/shop","type":"order.paid","time":"2026-09-21T10:00:00Z","data":{"a":1}}"#;
    let event = read(hmac(), &[], None, body).unwrap();
    assert_eq!((event.name.as_str(), &event.data), ("order.paid", &json!({"a": 1})));
    assert_eq!((event.dedupe.key.as_str(), event.dedupe.keep_ms), ("/shop 42", Dedupe::ID_MS));
    assert_eq!(event.at_ms, 1_789_984_800_000);
    let in_headers = [("ce-specversion", "1.0"), ("ce-id", "42"), ("ce-source", "/shop"), ("ce-type", "order.paid")];
    let event = read(hmac(), &in_headers, None, r#"{"a":1}"#).unwrap();
    assert_eq!((event.name.as_str(), event.dedupe.key.as_str()), ("order.paid", "/shop 42"));
    let encoded = r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b","data_base64":"eyJhIjoxfQ=="}"#;
    assert_eq!(read(hmac(), &[], None, encoded).unwrap().data, json!({"a": 1}));
    let empty = r#"{"specversion":"1.0","id":"1","source":"s","type":"a.b"}"#;
    assert_eq!(read(hmac(), &[], None, empty).unwrap().data, json!({}));

    let wrapped = r#"{"type":"order.paid","timestamp":"2099-01-01T00:00:00Z","data":{"a":1}}"#;
    let event = read(Signature::StandardWebhooks, &[("webhook-id", "msg_1")], None, wrapped).unwrap();
    assert_eq!((event.name.as_str(), &event.data), ("order.paid", &json!({"a": 1})));
    assert_eq!(
        (event.dedupe.key.as_str(), event.at_ms),
        ("msg_1", RECEIVED_MS),
        "a time in the future is not believed"
    );
}

#[test]
fn the_key_is_the_senders_id_else_a_hash_that_does_not_depend_on_the_writing() {
    let key = |pairs: &[(&str, &str)], event, body: &str| read(hmac(), pairs, Some(event), body).unwrap().dedupe;
    let by_path = key(&[], "a", r#"{"order":{"ref":17},"x":1}"#);
    assert_eq!((by_path.key.as_str(), by_path.keep_ms), ("17", Dedupe::ID_MS));
    assert_eq!(key(&[("Idempotency-Key", "k1")], "a", r#"{"order":{"ref":17}}"#).key, "k1");
    assert_eq!(key(&[("X-GitHub-Delivery", "d"), ("svix-id", "s")], "a", "{}").key, "s");
    assert_eq!(key(&[("Idempotency-Key", &"k".repeat(500))], "a", "{}").key.len(), 64);
    assert_eq!(
        key(&[], "a", r#"{"order":{"ref":"a\u0000b"}}"#).key.len(),
        64,
        "no control character reaches the store"
    );

    let (one, other) =
        (key(&[], "a", r#"{"x":1,"y":{"b":2,"a":3}}"#), key(&[], "a", "{ \"y\": {\"a\":3, \"b\":2},\n \"x\":1 }"));
    assert_eq!(one, other);
    assert_eq!((one.key.len(), one.keep_ms), (64, Dedupe::HASH_MS));
    assert_ne!(one.key, key(&[], "b", r#"{"x":1,"y":{"b":2,"a":3}}"#).key, "another event may carry the same fields");
    assert_ne!(one.key, key(&[], "a", r#"{"x":2,"y":{"b":2,"a":3}}"#).key);
    assert_eq!(by_path.body_hash, key(&[("webhook-id", "other")], "a", r#"{"x":1,"order":{"ref":17}}"#).body_hash);
}
