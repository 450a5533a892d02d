//! Did you mean: the known word nearest to what was written, and the words of other tools for ours.

/// What other tools, and the API, call things of ours (`language.md` §1, §10.5).
const OTHER_WORDS: &[(&str, &str)] = &[
    ("on", "when"),
    ("trigger", "when"),
    ("triggers", "when"),
    ("starts_when", "when"),
    ("condition", "if"),
    ("conditions", "if"),
    ("filter", "if"),
    ("where", "if"),
    ("unless", "if"),
    ("action", "do"),
    ("actions", "do"),
    ("steps", "do"),
    ("then", "do"),
    ("title", "name"),
    ("label", "name"),
    ("active", "enabled"),
    ("category", "purpose"),
    ("to", "contact"),
    ("recipient", "contact"),
    ("variables", "vars"),
    ("options", "settings"),
    ("event", "webhook"),
    ("hook", "webhook"),
    ("every", "schedule"),
    ("at", "schedule"),
    ("time", "schedule"),
    ("crontab", "cron"),
    ("inbound", "message"),
    ("received", "message"),
    ("delay", "wait"),
    ("sleep", "wait"),
    ("pause", "wait"),
    ("choose", "branch"),
    ("switch", "branch"),
    ("else", "otherwise"),
    ("default", "otherwise"),
    ("options", "cases"),
    ("choices", "cases"),
    ("send", "send_message"),
    ("message", "send_message"),
    ("send_template", "send_message"),
    ("whatsapp", "send_message"),
    ("end", "stop"),
    ("exit", "stop"),
    ("assign", "set"),
    ("template_values", "values"),
    ("params", "values"),
    ("parameters", "values"),
    ("variables", "values"),
    ("template_uuid", "template"),
    ("template_name", "template"),
    ("body", "text"),
    ("content", "text"),
    ("message", "text"),
    ("caption", "text"),
    ("channel_uuid", "channel"),
    ("from", "channel"),
    ("assigned_user", "assign_to"),
    ("assign", "assign_to"),
    ("team_uuid", "team"),
    ("bot_status", "bot"),
    ("phone", "to"),
    ("attachment", "media"),
    ("file", "document"),
    ("picture", "image"),
    ("ttl", "expires"),
    ("expire", "expires"),
    ("retries", "retry"),
    ("tz", "timezone"),
    ("time_zone", "timezone"),
    ("zone", "timezone"),
    ("dedupe", "once_per"),
    ("unique", "once_per"),
    ("key", "once_per"),
    ("mobile", "phone"),
    ("phone_number", "phone"),
    ("number", "phone"),
    ("firstname", "first_name"),
    ("full_name", "name"),
    ("mail", "email"),
    ("locale", "language"),
    ("equals", "is"),
    ("regex", "matches"),
    ("begins_with", "starts_with"),
    ("includes", "contains"),
    ("rate", "pace"),
    ("type", "kind"),
    ("id", "uuid"),
    ("token", "path_token"),
    ("lines", "channels"),
    ("country", "phone_region"),
    ("region", "phone_region"),
    ("until_past", "if_past"),
    ("timeout", "for"),
    ("duration", "for"),
    ("answers", "replies"),
    ("on_timeout", "no_reply"),
    ("unanswered", "no_reply"),
    ("uri", "url"),
    ("address", "url"),
    ("verb", "method"),
    ("params", "query"),
    ("data", "json"),
    ("payload", "json"),
    ("tags", "add_tags"),
    ("custom", "fields"),
    ("custom_fields", "fields"),
    ("assignee", "assign_to"),
    ("cancel_when", "stop_when"),
    ("cancel_on", "stop_when"),
    ("throttle", "limit"),
    ("frequency", "limit"),
    ("unsubscribe", "opt_out"),
    ("stop_words", "opt_out"),
    ("hosts", "allow_hosts"),
];

/// The word of ours that was probably meant: one that is spelt alike, or what other tools call it.
pub(super) fn meant<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let lower = written.to_lowercase();
    let squeezed = lower.replace(['-', ' '], "_");
    let same = known.iter().find(|name| **name == squeezed);
    let other = || {
        let words = OTHER_WORDS.iter().filter(|(word, _)| *word == squeezed);
        words.filter_map(|(_, ours)| known.iter().find(|name| name == &ours)).next()
    };
    same.or_else(other).copied().or_else(|| nearest(&lower, known.iter().copied()))
}

/// The nearest of `known`, when it is near enough to be a slip of the hand.
pub(super) fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let written = written.to_lowercase();
    let measured = known.map(|name| (strsim::damerau_levenshtein(&written, &name.to_lowercase()), name));
    let (distance, name) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1.max(written.chars().count() / 3)).then_some(name)
}

/// `did you mean `x`?`, else what there is.
pub(super) fn suggestion(written: &str, known: &[&str]) -> String {
    match meant(written, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "there is none yet".to_owned(),
        None => format!("there is {}", listed(known)),
    }
}

/// `` `a`, `b` and `c` ``.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Names of workflows, steps, templates, channels, sources, variables.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A name made of what was written: `First-Message` → `first_message`.
pub(super) fn as_name(text: &str) -> String {
    let plain = crate::expr::plain_name(text).to_lowercase();
    let trimmed = plain.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches('_');
    if trimmed.is_empty() { "a_name".to_owned() } else { trimmed.to_owned() }
}
