//! Words: everything the page says in its own name, in two languages. Pure.
//!
//! What the engine wrote into a trace stays in its language. Invariant: a label missing in one language does not compile.

/// The labels of one language. `{}` is filled in by who uses it.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) lang: &'static str,
    pub(super) other_lang: &'static str,
    pub(super) other_lang_name: &'static str,
    pub(super) sandbox_note: &'static str,
    pub(super) skip_to_phones: &'static str,
    pub(super) needs_script: &'static str,
    pub(super) offline: &'static str,
    pub(super) clock: &'static str,
    pub(super) clock_ahead: &'static str,
    pub(super) plus_10_minutes: &'static str,
    pub(super) plus_1_hour: &'static str,
    pub(super) plus_25_hours: &'static str,
    pub(super) moving: &'static str,
    pub(super) trigger: &'static str,
    pub(super) trigger_hint: &'static str,
    pub(super) event: &'static str,
    pub(super) data: &'static str,
    pub(super) send_event: &'static str,
    pub(super) no_events: &'static str,
    pub(super) not_json: &'static str,
    pub(super) not_taken: &'static str,
    pub(super) nobody_listens: &'static str,
    pub(super) started: &'static str,
    pub(super) schedules: &'static str,
    pub(super) phones: &'static str,
    pub(super) no_phones: &'static str,
    pub(super) more_phones: &'static str,
    pub(super) conversation: &'static str,
    pub(super) window_open: &'static str,
    pub(super) window_closed: &'static str,
    pub(super) no_messages: &'static str,
    pub(super) older_messages: &'static str,
    pub(super) reply_as: &'static str,
    pub(super) send: &'static str,
    pub(super) template: &'static str,
    pub(super) image: &'static str,
    pub(super) video: &'static str,
    pub(super) audio: &'static str,
    pub(super) document: &'static str,
    pub(super) on_its_way: &'static str,
    pub(super) sent: &'static str,
    pub(super) delivered: &'static str,
    pub(super) read: &'static str,
    pub(super) failed: &'static str,
    pub(super) code: &'static str,
    pub(super) runs: &'static str,
    pub(super) no_runs: &'static str,
    pub(super) goes_on: &'static str,
    pub(super) run_states: [(&'static str, &'static str); 5],
    pub(super) delivery_states: [(&'static str, &'static str); 8],
    pub(super) text_form: &'static str,
    pub(super) nothing_sent: &'static str,
    pub(super) nothing_refused: &'static str,
    pub(super) campaigns: &'static str,
    pub(super) campaign_states: [(&'static str, &'static str); 4],
    pub(super) rows_done: &'static str,
    pub(super) counts: [&'static str; 4],
    pub(super) bad_rows: &'static str,
    pub(super) line: &'static str,
    pub(super) more: &'static str,
    pub(super) mistakes: &'static str,
    pub(super) mistakes_hint: &'static str,
    pub(super) former_project: &'static str,
    /// Between a thing and what is said of it.
    pub(super) colon: &'static str,
    pub(super) hint: &'static str,
    pub(super) warning: &'static str,
    pub(super) weekdays: [&'static str; 7],
    pub(super) months: [&'static str; 12],
    reasons: &'static [(&'static str, &'static str)],
}

impl Words {
    /// `fr` and its regions, or English.
    pub(super) fn of(lang: &str) -> &'static Self {
        let base = lang.trim().split(['-', '_']).next().unwrap_or_default();
        if base.eq_ignore_ascii_case("fr") { &FRENCH } else { &ENGLISH }
    }

    /// What the address asks for, else the first language of the browser's list that we have.
    pub(super) fn choose(asked: Option<&str>, accepted: Option<&str>) -> &'static Self {
        asked.map_or_else(|| Self::of(preferred(accepted.unwrap_or_default())), Self::of)
    }

    /// A reason as a sentence; one that is a sentence already stays.
    pub(super) fn reason(&self, reason: &str) -> String {
        if let Some(code) = reason.strip_prefix("rejected:").and_then(|code| code.parse().ok()) {
            return self.failure(Some(code), "");
        }
        let known = self.reasons.iter().find(|(code, _)| *code == reason);
        known.map_or_else(|| reason.to_owned(), |(_, words)| (*words).to_owned())
    }

    /// Why the platform did not deliver, with its code.
    pub(super) fn failure(&self, code: Option<i64>, told: &str) -> String {
        let Some(code) = code else { return told.to_owned() };
        let own = match code {
            131_047 | 470 => {
                self.reasons.iter().find(|(reason, _)| *reason == "window_closed").map(|(_, words)| *words)
            }
            _ => Some(crate::connector::verdicts::verdict(code).meaning.as_str()).filter(|meaning| !meaning.is_empty()),
        };
        let meaning = own.unwrap_or(told);
        let number = self.code.replace("{}", &code.to_string());
        if meaning.is_empty() { number } else { format!("{meaning} ({number})") }
    }
}

/// The word for a code in a table of pairs; the code itself when there is none.
pub(super) fn word<'a>(table: &[(&'static str, &'static str)], code: &'a str) -> &'a str {
    table.iter().find(|(known, _)| *known == code).map_or(code, |(_, word)| word)
}

/// The code of `Accept-Language` with the highest weight among ours.
fn preferred(accepted: &str) -> &str {
    let weighed = accepted.split(',').map(|part| {
        let (code, weight) = part.split_once(";q=").unwrap_or((part, "1"));
        (code.trim(), weight.trim().parse::<f32>().unwrap_or(0.0))
    });
    let ours = weighed.filter(|(code, _)| code.starts_with("fr") || code.starts_with("en"));
    ours.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or("en", |(code, _)| code)
}

static ENGLISH: Words = Words {
    lang: "en",
    other_lang: "fr",
    other_lang_name: "Français",
    sandbox_note: "Sandbox: nothing leaves this machine",
    skip_to_phones: "Skip to the phones",
    needs_script: "This page needs JavaScript: it is served by relance itself.",
    offline: "relance dev does not answer: is it still running?",
    clock: "Clock",
    clock_ahead: "Move the clock",
    plus_10_minutes: "+10 min",
    plus_1_hour: "+1 h",
    plus_25_hours: "+25 h",
    moving: "moving…",
    trigger: "Trigger an event",
    trigger_hint: "After each press its id counts up, so the next one is a new occurrence.",
    event: "Event",
    data: "Data (JSON)",
    send_event: "Trigger",
    no_events: "No workflow listens to a webhook yet.",
    not_json: "this is not JSON: {}",
    not_taken: "the event was not taken in: too much is waiting, try again",
    nobody_listens: "no workflow listens to this event",
    started: "started",
    schedules: "Next on the schedule",
    phones: "Phones",
    no_phones: "Nobody yet. Trigger an event, and the phone of the person appears here.",
    more_phones: "{} more people, less recent",
    conversation: "Conversation with {}",
    window_open: "window open until {}",
    window_closed: "window closed: only templates",
    no_messages: "No messages yet",
    older_messages: "{} older messages",
    reply_as: "Reply as {}",
    send: "Send",
    template: "template",
    image: "Image",
    video: "Video",
    audio: "Audio",
    document: "Document",
    on_its_way: "on its way",
    sent: "sent",
    delivered: "delivered",
    read: "read",
    failed: "failed",
    code: "code {}",
    runs: "Runs",
    no_runs: "No run yet.",
    goes_on: "goes on {}",
    run_states: [
        ("waiting", "waiting"),
        ("needs_attention", "needs attention"),
        ("done", "done"),
        ("stopped", "stopped"),
        ("skipped", "skipped"),
    ],
    delivery_states: [
        ("queued", "queued"),
        ("held", "held"),
        ("sending", "sending"),
        ("accepted", "accepted"),
        ("uncertain", "uncertain"),
        ("rejected", "rejected"),
        ("skipped", "not sent"),
        ("cancelled", "cancelled"),
    ],
    text_form: "text",
    nothing_sent: "Why nothing was sent",
    nothing_refused: "Every event so far started something.",
    campaigns: "Campaigns",
    campaign_states: [
        ("running", "running"),
        ("done", "done"),
        ("skipped", "skipped"),
        ("needs_attention", "needs attention"),
    ],
    rows_done: "{} of {} rows",
    counts: ["started", "refused by conditions", "listed twice", "bad rows"],
    bad_rows: "Bad rows",
    line: "line {}",
    more: "{} more",
    mistakes: "Mistakes in the files",
    mistakes_hint: "Save the file and it is read again. Everything without a mistake keeps serving.",
    former_project: "The project file cannot be used: the former version keeps serving.",
    colon: ": ",
    hint: "hint",
    warning: "warning",
    weekdays: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    reasons: &[
        ("bad_number", "the phone number cannot be read"),
        ("no_contact", "the event names no person"),
        ("already_running", "a run about the same thing is under way"),
        ("already_done", "this was already done once: the same `once_per` value never starts twice"),
        ("restarted", "restarted by a newer event"),
        ("missed", "the instant was missed"),
        ("past", "the time has already passed"),
        ("expired", "too late: the message expired"),
        ("no_consent", "no consent on record: without it no template is sent"),
        ("opted_out", "the person opted out"),
        ("contact_blocked", "the person is blocked in the account"),
        ("contact_gone", "the person is not in the account any more"),
        ("country", "no marketing templates to this country"),
        ("no_plain_text", "this line sends plain text only, and the step has none"),
        ("window_closed", "the 24-hour window is closed"),
        ("template_unavailable", "the template cannot be used any more"),
        ("template_paused", "the template is paused"),
        ("template_category", "the template's category does not fit the workflow's purpose"),
        ("invalid_values", "the values do not fit the template"),
        ("order", "an earlier message to this person goes first"),
        ("channel_paused", "the line is paused"),
        ("rate_account", "the account's pace is reached"),
        ("rate_line", "the line's pace is reached"),
        ("rate_person", "one message after the other"),
        ("uncertain", "nobody can tell whether it was taken"),
    ],
};

static FRENCH: Words = Words {
    lang: "fr",
    other_lang: "en",
    other_lang_name: "English",
    sandbox_note: "Bac à sable : rien ne sort de cette machine",
    skip_to_phones: "Aller aux téléphones",
    needs_script: "Cette page a besoin de JavaScript, servi par relance lui-même.",
    offline: "relance dev ne répond pas : tourne-t-il encore ?",
    clock: "Horloge",
    clock_ahead: "Avancer l'horloge",
    plus_10_minutes: "+10 min",
    plus_1_hour: "+1 h",
    plus_25_hours: "+25 h",
    moving: "avance…",
    trigger: "Déclencher un événement",
    trigger_hint: "Après chaque clic l'identifiant avance : le suivant est un nouvel événement.",
    event: "Événement",
    data: "Données (JSON)",
    send_event: "Déclencher",
    no_events: "Aucun workflow n'écoute de webhook pour l'instant.",
    not_json: "ce n'est pas du JSON : {}",
    not_taken: "l'événement n'a pas été pris : trop d'attente, réessayez",
    nobody_listens: "aucun workflow n'écoute cet événement",
    started: "démarré",
    schedules: "Prochains horaires",
    phones: "Téléphones",
    no_phones: "Personne encore. Déclenchez un événement : le téléphone de la personne apparaît ici.",
    more_phones: "{} autres personnes, moins récentes",
    conversation: "Conversation avec {}",
    window_open: "fenêtre ouverte jusqu'à {}",
    window_closed: "fenêtre fermée : modèles seulement",
    no_messages: "Aucun message",
    older_messages: "{} messages plus anciens",
    reply_as: "Répondre en tant que {}",
    send: "Envoyer",
    template: "modèle",
    image: "Image",
    video: "Vidéo",
    audio: "Audio",
    document: "Document",
    on_its_way: "en route",
    sent: "envoyé",
    delivered: "remis",
    read: "lu",
    failed: "échec",
    code: "code {}",
    runs: "Exécutions",
    no_runs: "Aucune exécution.",
    goes_on: "reprend {}",
    run_states: [
        ("waiting", "en attente"),
        ("needs_attention", "à regarder"),
        ("done", "terminée"),
        ("stopped", "arrêtée"),
        ("skipped", "ignorée"),
    ],
    delivery_states: [
        ("queued", "en file"),
        ("held", "retenu"),
        ("sending", "en cours d'envoi"),
        ("accepted", "accepté"),
        ("uncertain", "incertain"),
        ("rejected", "refusé"),
        ("skipped", "non envoyé"),
        ("cancelled", "annulé"),
    ],
    text_form: "texte",
    nothing_sent: "Pourquoi rien n'est parti",
    nothing_refused: "Chaque événement a démarré quelque chose.",
    campaigns: "Campagnes",
    campaign_states: [
        ("running", "en cours"),
        ("done", "terminée"),
        ("skipped", "ignorée"),
        ("needs_attention", "à regarder"),
    ],
    rows_done: "{} lignes sur {}",
    counts: ["démarrées", "refusées par les conditions", "en double", "lignes fautives"],
    bad_rows: "Lignes fautives",
    line: "ligne {}",
    more: "{} de plus",
    mistakes: "Fautes dans les fichiers",
    mistakes_hint: "Enregistrez le fichier : il est relu. Tout ce qui est sans faute continue de servir.",
    former_project: "Le fichier du projet est inutilisable : la version précédente continue de servir.",
    colon: " : ",
    hint: "conseil",
    warning: "avertissement",
    weekdays: ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    months: ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."],
    reasons: &[
        ("bad_number", "le numéro de téléphone est illisible"),
        ("no_contact", "l'événement ne désigne personne"),
        ("already_running", "une exécution sur le même sujet est en cours"),
        ("already_done", "déjà fait une fois : la même valeur de `once_per` ne démarre jamais deux fois"),
        ("restarted", "repris par un événement plus récent"),
        ("missed", "l'instant a été manqué"),
        ("past", "l'heure est déjà passée"),
        ("expired", "trop tard : le message a expiré"),
        ("no_consent", "aucun consentement connu : sans lui, aucun modèle ne part"),
        ("opted_out", "la personne s'est désinscrite"),
        ("contact_blocked", "la personne est bloquée dans le compte"),
        ("contact_gone", "la personne n'est plus dans le compte"),
        ("country", "pas de modèle marketing vers ce pays"),
        ("no_plain_text", "cette ligne n'envoie que du texte simple, et l'étape n'en a pas"),
        ("window_closed", "la fenêtre de 24 heures est fermée"),
        ("template_unavailable", "le modèle n'est plus utilisable"),
        ("template_paused", "le modèle est en pause"),
        ("template_category", "la catégorie du modèle ne convient pas au but du workflow"),
        ("invalid_values", "les valeurs ne conviennent pas au modèle"),
        ("order", "un message antérieur à cette personne part d'abord"),
        ("channel_paused", "la ligne est en pause"),
        ("rate_account", "le débit du compte est atteint"),
        ("rate_line", "le débit de la ligne est atteint"),
        ("rate_person", "un message après l'autre"),
        ("uncertain", "personne ne sait s'il a été pris"),
    ],
};

#[cfg(test)]
mod tests {
    use super::{ENGLISH, FRENCH, Words};

    #[test]
    fn the_language_is_the_one_asked_for_else_the_one_preferred() {
        let chosen = |asked, accepted| Words::choose(asked, accepted).lang;
        assert_eq!(chosen(Some("fr"), Some("en")), "fr");
        assert_eq!(chosen(Some("de"), Some("fr")), "en");
        assert_eq!(chosen(None, Some("fr-FR,fr;q=0.9,en;q=0.8")), "fr");
        assert_eq!(chosen(None, Some("de, en;q=0.3, fr-CA;q=0.7")), "fr");
        assert_eq!(chosen(None, Some("de;q=x,,;q=")), "en");
        assert_eq!(chosen(None, None), "en");
    }

    #[test]
    fn both_languages_know_the_same_reasons() {
        let codes = |words: &Words| words.reasons.iter().map(|(code, _)| *code).collect::<Vec<_>>();
        assert_eq!(codes(&ENGLISH), codes(&FRENCH));
    }

    #[test]
    fn a_failure_says_what_happened_and_keeps_the_code() {
        assert_eq!(
            ENGLISH.failure(Some(131_047), "Re-engagement message"),
            "the 24-hour window is closed (code 131047)"
        );
        assert_eq!(ENGLISH.failure(Some(1), "odd"), "odd (code 1)");
        assert_eq!(ENGLISH.failure(None, "odd"), "odd");
        assert_eq!(FRENCH.reason("rejected:131047"), "la fenêtre de 24 heures est fermée (code 131047)");
        assert_eq!(ENGLISH.reason("event.total > 0 is no"), "event.total > 0 is no");
    }
}
