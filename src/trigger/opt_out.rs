//! Opt-out: the words by which people say that they want no more messages, or want them again, and what answers them.
//!
//! The whole message must be such a word, folded: "stop it there, please" is an answer like any other. Words that people
//! say to appointments and orders (`cancel`, `no`, `end`) are none. Neighbour: `engine::rights` does what was said.
//! Invariant: a word that is both is a withdrawal.

use crate::config::OptOut;
use crate::expr::fold;
use crate::language;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub what: What,
    /// The word, folded.
    pub word: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Stop,
    Back,
}

/// The usual words and sentences of one language.
struct Language {
    code: &'static str,
    stop: &'static [&'static str],
    back: &'static [&'static str],
    /// What answers a withdrawal; `{}` is the word that takes it back.
    stopped: &'static str,
    /// The same where the project has no such word.
    stopped_for_good: &'static str,
    resumed: &'static str,
}

/// Bytes of a message that may be such a word.
const LONGEST: usize = 512;

/// English first: what nothing else is known of.
static LANGUAGES: [Language; 7] = [
    Language {
        code: "en",
        stop: &["stop", "stop all", "stop messages", "stop promotions", "unsubscribe", "opt out", "opt-out", "optout"],
        back: &["start", "unstop", "resubscribe", "subscribe", "opt in", "opt-in", "optin"],
        stopped: "You will get no more messages from us. To get them again, write: {}",
        stopped_for_good: "You will get no more messages from us.",
        resumed: "Welcome back: you will get our messages again.",
    },
    Language {
        code: "fr",
        stop: &[
            "stop",
            "arrêt",
            "arrêter",
            "arrêtez",
            "désabonner",
            "me désabonner",
            "désabonnement",
            "désinscrire",
            "me désinscrire",
            "désinscription",
            "stop pub",
            "arrêter les promotions",
        ],
        back: &["reprendre", "réabonner", "me réabonner", "réabonnement", "réinscrire", "me réinscrire", "abonner"],
        stopped: "C’est noté : vous ne recevrez plus de messages de notre part. Pour en recevoir à nouveau, écrivez : {}",
        stopped_for_good: "C’est noté : vous ne recevrez plus de messages de notre part.",
        resumed: "C’est noté : vous recevrez à nouveau nos messages.",
    },
    Language {
        code: "es",
        stop: &[
            "stop",
            "baja",
            "dar de baja",
            "darme de baja",
            "darse de baja",
            "cancelar suscripción",
            "desuscribir",
            "desuscribirme",
            "no más mensajes",
            "detener promociones",
        ],
        back: &["alta", "dar de alta", "darme de alta", "reanudar", "suscribir", "suscribirme"],
        stopped: "Hecho: no recibirás más mensajes nuestros. Para volver a recibirlos, escribe: {}",
        stopped_for_good: "Hecho: no recibirás más mensajes nuestros.",
        resumed: "Hecho: volverás a recibir nuestros mensajes.",
    },
    Language {
        code: "pt",
        stop: &[
            "stop",
            "parar",
            "sair",
            "descadastrar",
            "descadastrar-me",
            "cancelar inscrição",
            "cancelar subscrição",
            "não quero mais mensagens",
            "parar promoções",
        ],
        back: &["voltar", "retomar", "inscrever", "inscrever-me", "cadastrar", "subscrever"],
        stopped: "Pronto: você não receberá mais mensagens nossas. Para voltar a receber, escreva: {}",
        stopped_for_good: "Pronto: você não receberá mais mensagens nossas.",
        resumed: "Pronto: você voltará a receber nossas mensagens.",
    },
    Language {
        code: "it",
        stop: &[
            "stop",
            "disiscrivimi",
            "disiscrizione",
            "disiscriviti",
            "cancellami",
            "cancella iscrizione",
            "annulla iscrizione",
            "basta messaggi",
            "interrompi promozioni",
        ],
        back: &["riprendi", "riprendere", "iscrivimi", "riscrivimi", "reiscrivimi"],
        stopped: "Fatto: non riceverai più nostri messaggi. Per riceverli di nuovo, scrivi: {}",
        stopped_for_good: "Fatto: non riceverai più nostri messaggi.",
        resumed: "Fatto: riceverai di nuovo i nostri messaggi.",
    },
    Language {
        code: "de",
        stop: &[
            "stop",
            "stopp",
            "abmelden",
            "abbestellen",
            "austragen",
            "keine nachrichten",
            "keine nachrichten mehr",
            "werbung stoppen",
        ],
        back: &["anmelden", "wieder anmelden", "fortsetzen", "eintragen"],
        stopped: "Erledigt: Sie erhalten keine Nachrichten mehr von uns. Um sie wieder zu erhalten, schreiben Sie: {}",
        stopped_for_good: "Erledigt: Sie erhalten keine Nachrichten mehr von uns.",
        resumed: "Erledigt: Sie erhalten unsere Nachrichten wieder.",
    },
    Language {
        code: "ar",
        stop: &["إيقاف", "ايقاف", "أوقف", "وقف", "توقف", "إلغاء الاشتراك", "الغاء الاشتراك", "إيقاف الرسائل", "stop"],
        back: &["ابدأ", "استئناف", "اشتراك", "إعادة الاشتراك", "اعادة الاشتراك"],
        stopped: "تم: لن تصلك رسائل منا بعد الآن. لاستلامها من جديد اكتب: {}",
        stopped_for_good: "تم: لن تصلك رسائل منا بعد الآن.",
        resumed: "تم: ستصلك رسائلنا من جديد.",
    },
];

/// The usual words, folded, with the languages that have them, in their order.
type Words = HashMap<String, Vec<&'static str>>;
static STOP: LazyLock<Words> = LazyLock::new(|| usual(|language| language.stop));
static BACK: LazyLock<Words> = LazyLock::new(|| usual(|language| language.back));

fn usual(words: fn(&Language) -> &'static [&'static str]) -> Words {
    let mut usual = Words::new();
    for language in &LANGUAGES {
        words(language).iter().for_each(|word| usual.entry(fold(word)).or_default().push(language.code));
    }
    usual
}

/// What a message wishes; `None` for every other message.
pub fn read(text: &str, project: &OptOut) -> Option<Wish> {
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let word = fold(text);
    let said = |own: &Option<Vec<String>>, usual: &Words| match own {
        Some(own) => own.iter().any(|own| is(text, &word, own)),
        None => usual.contains_key(&word),
    };
    if said(&project.words, &STOP) {
        return Some(Wish { what: What::Stop, word });
    }
    said(&project.back_words, &BACK).then_some(Wish { what: What::Back, word })
}

/// A word that folds to nothing (`🛑`) is compared as written.
fn is(text: &str, folded: &str, own: &str) -> bool {
    match fold(own) {
        wanted if wanted.is_empty() => !own.trim().is_empty() && text.trim() == own.trim(),
        wanted => folded == wanted,
    }
}

/// What answers a wish. `person`: the language of the contact, if known; `usual`: the project's.
pub fn answer(wish: &Wish, project: &OptOut, person: Option<&str>, usual: &str) -> String {
    let language = language_of(wish, project, person, usual);
    // Whoever says `arrêt` reads French, as long as nothing else is known.
    let own = language::choose(&project.reply, person.or_else(|| of_word(wish, project, usual)), usual);
    match (wish.what, own) {
        (What::Stop, Some(own)) => own.entry.clone(),
        (What::Back, _) => language.resumed.to_owned(),
        (What::Stop, None) => {
            let own = project.back_words.as_ref().map(|words| words.first().map(String::as_str));
            match own.unwrap_or_else(|| language.back.first().copied()) {
                Some(back) => language.stopped.replace("{}", &back.to_uppercase()),
                None => language.stopped_for_good.to_owned(),
            }
        }
    }
}

/// The person's; else the project's where the word is of it, or of none; else that of the word.
fn language_of(wish: &Wish, project: &OptOut, person: Option<&str>, usual: &str) -> &'static Language {
    let known = |tag: &str| LANGUAGES.iter().find(|known| language::same(known.code, tag));
    if let Some(language) = person.and_then(known) {
        return language;
    }
    of_word(wish, project, usual).and_then(known).or_else(|| known(usual)).unwrap_or(&LANGUAGES[0])
}

/// Code of the language of a usual word; `None` where it is of the project's language as well, or a word of its own.
fn of_word(wish: &Wish, project: &OptOut, usual: &str) -> Option<&'static str> {
    let (own, words) = match wish.what {
        What::Stop => (project.words.is_some(), &*STOP),
        What::Back => (project.back_words.is_some(), &*BACK),
    };
    let codes = words.get(&wish.word).filter(|_| !own)?;
    if codes.iter().any(|code| language::same(code, usual)) { None } else { codes.first().copied() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(text: &str) -> Option<What> {
        read(text, &OptOut::default()).map(|wish| wish.what)
    }

    fn answered(text: &str, project: &OptOut, person: Option<&str>, usual: &str) -> String {
        answer(&read(text, project).unwrap(), project, person, usual)
    }

    #[test]
    fn the_whole_message_says_so_in_seven_languages() {
        for text in [
            "STOP",
            " Stop! ",
            "stop 🛑",
            "Arrêt.",
            "ARRETER",
            "désabonner",
            "desinscrire",
            "unsubscribe",
            "BAJA",
            "sair",
        ] {
            assert_eq!(wish(text), Some(What::Stop), "{text}");
        }
        for text in ["Disiscrivimi", "Abmelden", "إيقاف", "الغاء الاشتراك", "opt-out"] {
            assert_eq!(wish(text), Some(What::Stop), "{text}");
        }
        for text in ["START", "reprendre", "Alta", "voltar", "riprendi", "Wieder anmelden", "ابدأ"] {
            assert_eq!(wish(text), Some(What::Back), "{text}");
        }
        for text in ["stop it there", "don't stop", "cancel", "no", "non", "", "👍", "?", "start now"] {
            assert_eq!(wish(text), None, "{text}");
        }
        assert_eq!(wish(&"stop ".repeat(1_000)), None);
    }

    #[test]
    fn no_usual_word_says_both() {
        assert!(BACK.keys().all(|word| !STOP.contains_key(word)));
        assert!(STOP.keys().chain(BACK.keys()).all(|word| !word.is_empty()));
    }

    #[test]
    fn words_of_the_project_take_the_place_of_the_usual_ones() {
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        let project = OptOut { words: words(&["Adiós", "🛑"]), back_words: words(&["Hola"]), reply: Vec::new() };
        let what = |text: &str| read(text, &project).map(|wish| wish.what);
        assert_eq!((what("adios"), what("🛑"), what("hola!")), (Some(What::Stop), Some(What::Stop), Some(What::Back)));
        assert_eq!((what("stop"), what("start"), what("👍")), (None, None, None));
        assert!(answered("adiós", &project, Some("es"), "en").ends_with("escribe: HOLA"));
        let silent = OptOut { back_words: Some(Vec::new()), ..project.clone() };
        assert_eq!(answered("adiós", &silent, None, "de"), "Erledigt: Sie erhalten keine Nachrichten mehr von uns.");
        let own = OptOut { reply: vec![(String::new(), "Bye".into())], ..project };
        assert_eq!(answered("adiós", &own, Some("fr"), "en"), "Bye");
    }

    #[test]
    fn the_answer_speaks_the_persons_language_else_that_of_the_word() {
        let usual = OptOut::default();
        assert!(answered("stop", &usual, Some("fr-CA"), "en").starts_with("C’est noté"));
        assert!(answered("stop", &usual, None, "de").starts_with("Erledigt"));
        assert!(answered("arrêt", &usual, None, "de").starts_with("C’est noté"));
        assert!(answered("arrêt", &usual, Some("sv"), "nl").starts_with("C’est noté"));
        assert!(answered("baja", &usual, Some("it"), "de").ends_with("scrivi: RIPRENDI"));
        assert!(answered("stop", &usual, None, "nl").ends_with("write: START"));
        assert_eq!(answered("alta", &usual, None, "en"), "Hecho: volverás a recibir nuestros mensajes.");
    }

    #[test]
    fn an_answer_of_the_project_is_chosen_as_any_text() {
        let reply = [("en", "Bye"), ("fr", "Au revoir")].map(|(code, text)| (code.to_owned(), text.to_owned()));
        let own = OptOut { reply: reply.to_vec(), ..OptOut::default() };
        assert_eq!(answered("stop", &own, Some("fr-CA"), "en"), "Au revoir");
        assert_eq!(answered("stop", &own, None, "en"), "Bye");
        assert_eq!(answered("arrêt", &own, None, "en"), "Au revoir", "the word tells the language");
        assert_eq!(answered("arrêt", &own, Some("it"), "en"), "Bye");
    }
}
