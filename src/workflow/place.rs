//! Place: where a step stands, in words for people: `step 3, case 2, step 1`. Pure.
//!
//! Programs get the address itself ([`super::Step::path`], which counts from zero). Invariant: people count from one, and
//! every command and page names a step by these words.

/// `step`, `case`, `reply`, `otherwise`, `no reply`.
type Names = [&'static str; 5];

const ENGLISH: Names = ["step", "case", "reply", "otherwise", "no reply"];
const FRENCH: Names = ["étape", "cas", "réponse", "sinon", "sans réponse"];

/// The place of an address like `2.cases.1.do.0`, in a language (`fr`, else English). What is no address stays as it is.
pub fn place(path: &str, language: &str) -> String {
    let names = if language == "fr" { &FRENCH } else { &ENGLISH };
    said(path, names).unwrap_or_else(|| path.to_owned())
}

fn said(path: &str, [step, case, reply, otherwise, no_reply]: &Names) -> Option<String> {
    let (mut said, mut counted) = (Vec::new(), *step);
    for part in path.split('.') {
        match part {
            "cases" => counted = case,
            "replies" => counted = reply,
            "do" => counted = step,
            "otherwise" | "no_reply" => {
                said.push((if part == "otherwise" { otherwise } else { no_reply }).to_string());
                counted = step;
            }
            index => said.push(format!("{counted} {}", index.parse::<usize>().ok()?.checked_add(1)?)),
        }
    }
    Some(said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_step_is_counted_from_one_in_the_language_of_its_reader() {
        for (path, english, french) in [
            ("0", "step 1", "étape 1"),
            ("2.cases.1.do.0", "step 3, case 2, step 1", "étape 3, cas 2, étape 1"),
            ("1.replies.2.do.0", "step 2, reply 3, step 1", "étape 2, réponse 3, étape 1"),
            ("3.otherwise.0", "step 4, otherwise, step 1", "étape 4, sinon, étape 1"),
            (
                "3.no_reply.0.cases.0.do.11",
                "step 4, no reply, step 1, case 1, step 12",
                "étape 4, sans réponse, étape 1, cas 1, étape 12",
            ),
            ("", "", ""),
            ("what another release wrote", "what another release wrote", "what another release wrote"),
        ] {
            assert_eq!((place(path, "en"), place(path, "fr")), (english.to_owned(), french.to_owned()), "{path}");
        }
    }
}
