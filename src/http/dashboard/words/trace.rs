//! The lines of a run's story in French. English is how they are kept.

use crate::run::told::{Told, fill, parts_of};

/// In French, `{}` for each part.
pub(super) fn french(line: Told) -> &'static str {
    match line {
        Told::WaitOver => "l’attente est finie",
        Told::WaitsUntil => "attend jusqu’au {}",
        Told::Passed => "{} est déjà passé",
        Told::WaitsForReply => "attend une réponse jusqu’au {}",
        Told::NotAsked => "aucun message n’est parti : rien n’est demandé",
        Told::Reply => "la réponse {} est arrivée",
        Told::OtherAnswer => "une autre réponse est arrivée : `otherwise`",
        Told::NoReply => "aucune réponse n’est venue",
        Told::NoCase => "aucun cas ne convient : `otherwise`",
        Told::CaseNotTaken => "le cas {} ne convient pas : {}",
        Told::CaseTaken => "le cas {} convient",
        Told::LeftOutBy => "étape passée par {}",
        Told::LeftOut => "étape passée : {}",
        Told::SentAsText => "envoyé en texte",
        Told::SentAsTemplate => "envoyé en modèle",
        Told::NotSent => "non envoyé : {}",
        Told::MessageFailed => "le message a échoué : {}",
        Told::MessageInDoubt => "personne ne sait si le message a été pris ; il n’est pas renvoyé de lui-même",
        Told::SentAgain => "son message est renvoyé par {}",
        Told::SentAgainInDoubt => "renvoyé par {}, bien qu’il soit peut-être arrivé",
        Told::TriedAgain => "réessayé par {}",
        Told::Paused => "mis en pause par {}",
        Told::Resumed => "repris par {}",
        Told::CallInDoubt => "personne ne sait si c’est fait, et ce n’est pas refait de soi-même : {}",
        Told::CallFailed => "l’appel a échoué : {}",
        Told::ContactChanged => "la fiche de la personne est modifiée",
        Told::WaitsForTurn => "attend son tour : une autre exécution sur le même sujet est en cours",
        Told::TurnCame => "son tour est venu",
        Told::StopWhen => "l’entrée {} de `stop_when` s’applique : {}",
        Told::Done => "terminée",
        Told::Stopped => "arrêtée",
        Told::StoppedFor => "arrêtée : {}",
        Told::Skipped => "ignorée",
        Told::SkippedFor => "ignorée : {}",
        Told::NeedsAttention => "à regarder",
        Told::NeedsAttentionFor => "à regarder : {}",
        Told::CalledAgain => "{} ; nouvel essai plus tard",
        Told::Answered => "réponse {}",
    }
}

/// What the engine makes of what it found, in English and in French.
const FOUND: [(&str, &str); 4] = [
    ("couldn't tell: {}", "impossible à dire : {}"),
    ("{} is missing", "{} manque"),
    ("{} is no", "{} : non"),
    ("answered {}", "réponse {}"),
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
    use crate::run::Told;

    #[test]
    fn a_sentence_has_as_many_parts_in_both_languages() {
        for line in Told::ALL {
            let parts = |sentence: &str| sentence.matches("{}").count();
            assert_eq!(parts(line.sentence()), parts(french(*line)), "{line:?}");
        }
    }
}
