//! `relance.yaml`: settings, channels, consent, sources. Read leniently: what can be used is used, so that a mistake
//! here does not show up again in every workflow.

use super::channels::{main_line, read_channels, read_pace};
use super::duration::parse_zone;
use super::fields::{Fields, Shape};
use super::languages::{is_language, refuse_language};
use super::limits::read_quiet_hours;
use super::phone::check_phone;
use super::report::Report;
use super::values::{check_name, integer, lasting, plain_text, scalar};
use super::{hosts, opt_out, relays, sources, tokens, vars};
use crate::config::{CallbellSettings, ConsentRule, OptOut, ProjectSettings};
use crate::contact::Phone;
use crate::workflow::yaml::{Entry, Kind, Node};
use crate::workflow::{Again, Duration, Settings};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

const PROJECT: Shape = Shape {
    what: "relance.yaml",
    keys: &[
        "version",
        "name",
        "settings",
        "phone_region",
        "language",
        "channels",
        "consent",
        "callbell",
        "sources",
        "colleagues",
        "tokens",
        "vars",
        "relay",
        "opt_out",
        "allow_hosts",
    ],
    later: &["caps"],
    elsewhere: &[
        ("timezone", "write it under `settings:`"),
        ("quiet_hours", "write it under `settings:`"),
        ("pace", "write it under `settings:`"),
        ("retry", "write it under `settings:`"),
        ("expires", "write it under `settings:`"),
        ("templates", "templates are named in `templates.yaml`"),
        ("when", "workflows are files of their own: `workflows/<id>.yaml`"),
        ("do", "workflows are files of their own: `workflows/<id>.yaml`"),
    ],
};
const DEFAULTS: Shape = Shape {
    what: "the project's `settings`",
    keys: &["timezone", "quiet_hours", "pace", "retry", "expires"],
    later: &["if_uncertain", "order_by"],
    elsewhere: &[
        ("once_per", "write it in the workflow: it says what a run of that workflow is about"),
        ("again", "write it in the workflow, beside its `once_per`"),
        ("limit", "write it in the workflow it limits"),
    ],
};
const CONSENT: Shape = Shape { what: "`consent`", keys: &["tag", "field"], later: &[], elsewhere: &[] };
const CALLBELL: Shape = Shape {
    what: "`callbell`",
    keys: &["base_url", "pace"],
    later: &[],
    elsewhere: &[
        ("token", "the token comes from the environment: `CALLBELL_TOKEN`"),
        ("secret", "the secret comes from the environment: `CALLBELL_WEBHOOK_SECRET`"),
        ("api_key", "the token comes from the environment: `CALLBELL_TOKEN`"),
    ],
};

/// Reads the file as far as it goes. Whoever calls looks at the report whether it may be used.
pub(super) fn read(report: &mut Report, root: Option<&Node>) -> ProjectSettings {
    let mut settings = usual();
    let Some(root) = root else {
        let hint = "start with `version: 1`, `name: …` and `settings: { timezone: Europe/Madrid }`";
        report.error("R202", &(0..0), "the file is empty", hint);
        return settings;
    };
    let Some(fields) = Fields::open(report, root, None, &PROJECT) else { return settings };
    read_head(report, &fields, &mut settings);
    read_defaults(report, &fields, &mut settings.defaults);
    if let Some(entry) = fields.get("channels") {
        settings.channels = read_channels(report, entry);
    }
    if let Some(entry) = fields.get("consent") {
        settings.consent = read_consent(report, entry);
    }
    if let Some(entry) = fields.get("callbell") {
        settings.callbell = read_callbell(report, entry);
    }
    if let Some(entry) = fields.get("sources") {
        settings.sources = sources::read(report, entry);
    }
    if let Some(entry) = fields.get("colleagues") {
        settings.colleagues = read_colleagues(report, entry, settings.phone_region.as_deref());
    }
    if let Some(entry) = fields.get("tokens") {
        settings.tokens = tokens::read(report, entry);
    }
    if let Some(entry) = fields.get("vars") {
        settings.vars = vars::read_literals(report, entry);
    }
    if let Some(entry) = fields.get("relay") {
        settings.relay = relays::read(report, entry);
    }
    if let Some(entry) = fields.get("opt_out") {
        settings.opt_out = opt_out::read(report, entry, &settings.language);
    }
    if let Some(entry) = fields.get("allow_hosts") {
        settings.allow_hosts = hosts::read_allowed(report, entry);
    }
    settings
}

/// What holds where the file says nothing.
pub(super) fn usual() -> ProjectSettings {
    ProjectSettings {
        name: String::new(),
        language: "en".into(),
        phone_region: None,
        defaults: Settings {
            timezone: TimeZone::UTC,
            once_per: None,
            again: Again::Never,
            retry: 5,
            expires: Duration { days: 0, ms: 86_400_000 },
            limit: Vec::new(),
            pace: None,
            quiet_hours: None,
        },
        channels: vec![main_line()],
        consent: ConsentRule::Nothing,
        callbell: CallbellSettings::default(),
        sources: BTreeMap::new(),
        colleagues: BTreeMap::new(),
        tokens: BTreeMap::new(),
        vars: serde_json::Map::new(),
        relay: Vec::new(),
        allow_hosts: Vec::new(),
        opt_out: OptOut::default(),
    }
}

fn read_head(report: &mut Report, fields: &Fields, settings: &mut ProjectSettings) {
    if let Some(entry) = fields.required(report, "version", "write `version: 1`, the version of the language")
        && let Some(text) = scalar(report, entry, "`1`")
        && text != "1"
    {
        report.error(
            "R205",
            &entry.value.span,
            format!("unknown version of the language: `{text}`"),
            "write `version: 1`",
        );
    }
    if let Some(entry) = fields.required(report, "name", "write `name: …`, the project's name for people") {
        settings.name = plain_text(report, entry).unwrap_or_default();
    }
    if let Some(entry) = fields.get("phone_region") {
        settings.phone_region = read_region(report, entry);
    }
    if let Some(entry) = fields.get("language")
        && let Some(code) = scalar(report, entry, "a language code such as `en`")
    {
        match is_language(code) {
            true => settings.language = code.to_owned(),
            false => refuse_language(report, &entry.value.span, code),
        }
    }
}

fn read_region(report: &mut Report, entry: &Entry) -> Option<String> {
    let code = scalar(report, entry, "a country code such as `ES`")?;
    let formed = Phone::is_region(code);
    if !formed {
        let upper = code.to_uppercase();
        let hint = match Phone::is_region(&upper) {
            true => format!("write it in capitals: `{upper}`"),
            false => "write the two letters of the country: `ES`, `FR`, `GB`".to_owned(),
        };
        report.error("R205", &entry.value.span, format!("`{code}` is not a country code"), hint);
    }
    formed.then(|| code.to_owned())
}

fn read_defaults(report: &mut Report, fields: &Fields, defaults: &mut Settings) {
    let hint = "write `settings: { timezone: Europe/Madrid }`, with your own zone";
    let Some(entry) = fields.required(report, "settings", hint) else { return };
    let Some(inner) = Fields::open(report, &entry.value, Some(entry), &DEFAULTS) else { return };
    inner.required(report, "timezone", "write `timezone: Europe/Madrid`, with your own zone");
    common_settings(report, &inner, defaults);
}

/// The settings that the project and a workflow have in common.
pub(super) fn common_settings(report: &mut Report, fields: &Fields, settings: &mut Settings) {
    if let Some(entry) = fields.get("timezone")
        && let Some(name) = scalar(report, entry, "a zone such as `Europe/Madrid`")
    {
        match parse_zone(name) {
            Ok(zone) => settings.timezone = zone,
            Err(hint) => report.error("R205", &entry.value.span, format!("unknown zone: `{name}`"), hint),
        }
    }
    if let Some(entry) = fields.get("retry") {
        settings.retry = integer(report, entry, 0..=20).unwrap_or(settings.retry);
    }
    if let Some(entry) = fields.get("expires") {
        settings.expires = lasting(report, entry).unwrap_or(settings.expires);
    }
    if let Some(entry) = fields.get("quiet_hours") {
        settings.quiet_hours = read_quiet_hours(report, entry).unwrap_or(settings.quiet_hours);
    }
    if let Some(entry) = fields.get("pace") {
        settings.pace = read_pace(report, entry).or(settings.pace);
    }
}

fn read_consent(report: &mut Report, entry: &Entry) -> ConsentRule {
    if let Kind::Scalar { text, .. } = &entry.value.kind {
        if text == "everyone" {
            return ConsentRule::Everyone;
        }
        let hint = "write `{ tag: … }`, `{ field: … }` or `everyone`";
        report.error("R205", &entry.value.span, format!("`consent` cannot be `{text}`"), hint);
        return ConsentRule::Nothing;
    }
    let Some(fields) = Fields::open(report, &entry.value, Some(entry), &CONSENT) else { return ConsentRule::Nothing };
    match (fields.get("tag"), fields.get("field")) {
        (Some(tag), None) => plain_text(report, tag).map_or(ConsentRule::Nothing, ConsentRule::Tag),
        (None, Some(field)) => plain_text(report, field).map_or(ConsentRule::Nothing, ConsentRule::Field),
        (Some(_), Some(field)) => {
            report.error("R204", &field.key_span, "`consent` takes a tag or a field, not both", "remove one of them");
            ConsentRule::Nothing
        }
        (None, None) => {
            if !fields.refused {
                let hint = "write `{ tag: … }`, `{ field: … }` or `everyone`";
                report.error("R202", &entry.key_span, "`consent` names neither a tag nor a field", hint);
            }
            ConsentRule::Nothing
        }
    }
}

fn read_callbell(report: &mut Report, entry: &Entry) -> CallbellSettings {
    let mut callbell = CallbellSettings::default();
    let Some(fields) = Fields::open(report, &entry.value, Some(entry), &CALLBELL) else { return callbell };
    if let Some(entry) = fields.get("base_url")
        && let Some(url) = scalar(report, entry, "an address")
    {
        match is_http(url) {
            true => callbell.base_url = url.trim_end_matches('/').to_owned(),
            false => {
                let hint = "write the whole address: `https://api.callbell.eu/v1`";
                report.error("R205", &entry.value.span, format!("`{url}` is not an address"), hint);
            }
        }
    }
    callbell.pace = fields.get("pace").and_then(|entry| read_pace(report, entry)).unwrap_or(callbell.pace);
    callbell
}

/// An absolute `http` or `https` address with a host.
pub(super) fn is_http(url: &str) -> bool {
    let scheme = url.split_once("://").filter(|(scheme, _)| matches!(scheme.to_lowercase().as_str(), "http" | "https"));
    scheme.is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/') && !url.contains(char::is_whitespace))
}

fn read_colleagues(report: &mut Report, entry: &Entry, region: Option<&str>) -> BTreeMap<String, String> {
    let mut colleagues = BTreeMap::new();
    for line in named(report, entry, "ana: \"+34600000001\"") {
        check_name(report, &line.key_span, "colleague's name", &line.key);
        let Some(phone) = scalar(report, line, "a phone number") else { continue };
        check_phone(report, &line.value.span, phone, region);
        colleagues.insert(line.key.clone(), phone.to_owned());
    }
    colleagues
}

/// The entries of a map of the author's names; says so when it is no map.
pub(super) fn named<'a>(report: &mut Report, entry: &'a Entry, example: &str) -> &'a [Entry] {
    match &entry.value.kind {
        Kind::Map(entries) => entries,
        Kind::Null => {
            let hint = format!("write one per line below it, such as `{example}`, or remove it");
            report.error("R202", &entry.key_span, format!("`{}` is empty", entry.key), hint);
            &[]
        }
        _ => {
            let hint = format!("write one per line below it, such as `{example}`");
            report.error("R205", &entry.value.span, format!("`{}` must be a map of names", entry.key), hint);
            &[]
        }
    }
}
