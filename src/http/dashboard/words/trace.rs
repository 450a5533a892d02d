//! The sentences of a run's story in French. English is how they are kept.

use crate::run::sentence::{Sentence, fill, parts_of};

/// In French, `{}` for each part.
pub(super) fn french(sentence: Sentence) -> &'static str {
    match sentence {
        Sentence::WaitOver => "l’attente est finie",
        Sentence::WaitsUntil => "attend jusqu’au {}",
        Sentence::Passed => "{} est déjà passé",
        Sentence::WaitsForReply => "attend une réponse jusqu’au {}",
        Sentence::NotAsked => "aucun message n’est parti : rien n’est demandé",
        Sentence::Reply => "la réponse {} est arrivée",
        Sentence::OtherAnswer => "une autre réponse est arrivée : `otherwise`",
        Sentence::NoReply => "aucune réponse n’est venue",
        Sentence::NoCase => "aucun cas ne convient : `otherwise`",
        Sentence::CaseNotTaken => "le cas {} ne convient pas : {}",
        Sentence::CaseTaken => "le cas {} convient",
        Sentence::LeftOutBy => "étape sautée par {}",
        Sentence::LeftOut => "étape sautée : {}",
        Sentence::TextInTheirs => "texte en `{}` : la langue de la personne",
        Sentence::TextInUsual => "texte en `{}` : la langue de la personne n’est pas connue",
        Sentence::TextInstead => "texte en `{}` : il n’est pas écrit en `{}`",
        Sentence::TemplateInTheirs => "modèle `{}`, en `{}` : la langue de la personne",
        Sentence::TemplateInUsual => "modèle `{}` : la langue de la personne n’est pas connue",
        Sentence::TemplateInstead => "modèle `{}` : il n’y en a pas en `{}`",
        Sentence::SentAsText => "envoyé comme texte",
        Sentence::SentAsTemplate => "envoyé comme modèle",
        Sentence::NotSent => "non envoyé : {}",
        Sentence::MessageFailed => "le message a échoué : {}",
        Sentence::MessageInDoubt => {
            "personne ne peut dire si le message a été pris ; il n’est pas renvoyé automatiquement"
        }
        Sentence::SentAgain => "son message est renvoyé par {}",
        Sentence::SentAgainInDoubt => "renvoyé par {}, bien qu’il soit peut-être arrivé",
        Sentence::TriedAgain => "réessayé par {}",
        Sentence::Paused => "mis en pause par {}",
        Sentence::Resumed => "repris par {}",
        Sentence::CallInDoubt => "personne ne peut dire si c’est fait, et ce n’est pas refait automatiquement : {}",
        Sentence::CallFailed => "l’appel a échoué : {}",
        Sentence::ContactChanged => "la fiche de la personne est modifiée",
        Sentence::WaitsForTurn => "attend son tour : une autre exécution sur le même sujet est en cours",
        Sentence::TurnCame => "son tour est venu",
        Sentence::StopWhen => "l’entrée {} de `stop_when` s’applique : {}",
        Sentence::Done => "terminée",
        Sentence::Stopped => "arrêtée",
        Sentence::StoppedFor => "arrêtée : {}",
        Sentence::Skipped => "ignorée",
        Sentence::SkippedFor => "ignorée : {}",
        Sentence::NeedsAttention => "à traiter",
        Sentence::NeedsAttentionFor => "à traiter : {}",
        Sentence::CalledAgain => "{} ; nouvel essai plus tard",
        Sentence::Answered => "réponse {}",
    }
}

/// What the engine makes of what it found, in English and in French.
pub(super) const FOUND: [(&str, &str); 8] = [
    ("couldn't tell: {}", "impossible à dire : {}"),
    ("missed, with all before {}", "manqué, avec tous ceux d’avant {}"),
    ("{} is missing", "{} manque"),
    ("{} is no", "{} : non"),
    ("answered {}", "réponse {}"),
    ("reply {}", "réponse {}"),
    ("{} took the message", "{} a pris le message"),
    ("`once_per` cannot be decided: {}", "`once_per` ne peut pas être décidé : {}"),
];

/// A reason that the engine has put into words, in French; `None` = in other words than these.
pub(super) fn found(reason: &str) -> Option<String> {
    let (parts, french) = FOUND.into_iter().find_map(|(english, french)| Some((parts_of(english, reason)?, french)))?;
    let parts: Vec<String> = parts.into_iter().map(|part| found(part).unwrap_or_else(|| part.to_owned())).collect();
    Some(fill(french, &parts.iter().map(String::as_str).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::french;
    use crate::run::Sentence;

    #[test]
    fn a_sentence_has_as_many_parts_in_both_languages() {
        for one in Sentence::ALL {
            let parts = |sentence: &str| sentence.matches("{}").count();
            assert_eq!(parts(one.english()), parts(french(*one)), "{one:?}");
        }
    }
}
