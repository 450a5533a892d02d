//! Language: codes of the languages that people read, and which of several entries speaks to a person. Pure.
//!
//! Neighbours: `action::send_message` and `trigger::opt_out` choose what a person reads with it, `workflow::check` reads codes.
//! Invariant: of the same entries a person gets the same one, however their code is written (`fr-CA`, `fr_ca`).

/// Languages of ISO 639-1.
const TWO_LETTERS: &str = "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz \
    ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv \
    ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn \
    no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg \
    th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";
/// Languages that have no code of two letters, as far as Unicode's data knows them.
const THREE_LETTERS: &str = "agq ann asa ast bal bas bem bew bez bgc bho blo brx cch ceb cgg chr ckb csw dav dje doi dsb dua \
    dyo ebu ewo fil fur gez gsw guz haw hnj hsb jgo jmc kaa kab kaj kam kde kea kgp khq kkj kln kok ksb ksf ksh kxv lag lij lkt \
    lld lmo lrc ltg luo luy mai mas mdf mer mfe mgh mgo mni moh mua mus myv mzn naq nds nmg nnh nqo nso nus nyn osa pap pcm prg \
    quc raj rif rof rwk sah saq sat sbp scn seh ses shi shn skr smj sma smn sms ssy syr szl teo tig tok trv trw twq tyv tzm vai \
    vec vmw vun wae wal wbp xnr xog yav yrl yue zgh";
/// What people write in place of a code: names of languages, codes of countries and of libraries.
const MEANT: &[(&str, &[&str])] = &[
    ("ar", &["ara", "arabic", "arabe"]),
    ("ca", &["cat", "catalan", "català"]),
    ("cs", &["cz", "cze", "ces", "czech"]),
    ("da", &["dk", "dan", "danish"]),
    ("de", &["ger", "deu", "german", "deutsch", "allemand", "alemán"]),
    ("el", &["gr", "gre", "ell", "greek"]),
    ("en", &["eng", "english", "anglais", "inglés", "us", "gb"]),
    ("es", &["sp", "esp", "spa", "spanish", "español", "espagnol", "castellano"]),
    ("fr", &["fre", "fra", "french", "français", "francais", "francés"]),
    ("hi", &["hin", "hindi"]),
    ("it", &["ita", "italian", "italiano", "italien"]),
    ("ja", &["jp", "jpn", "japanese"]),
    ("nl", &["dut", "nld", "dutch", "nederlands"]),
    ("pl", &["pol", "polish", "polski"]),
    ("pt", &["por", "portuguese", "português", "portugues", "portugais"]),
    ("ro", &["rum", "ron", "romanian"]),
    ("ru", &["rus", "russian"]),
    ("sv", &["swe", "swedish"]),
    ("tr", &["tur", "turkish"]),
    ("uk", &["ua", "ukr", "ukrainian"]),
    ("zh", &["cn", "chi", "zho", "chinese"]),
];
/// Countries by the letters that people know them by.
const COUNTRIES: &[(&str, &str)] = &[("UK", "GB"), ("EN", "GB"), ("USA", "US"), ("SP", "ES"), ("MEX", "MX")];

/// Codes that mean what another one does: what everybody calls the larger of two, and codes of old.
const EQUAL: [(&str, &str); 4] = [("nb", "no"), ("tl", "fil"), ("iw", "he"), ("in", "id")];

/// One of several entries, and why it.
#[derive(Debug)]
pub struct Choice<'a, T> {
    /// As it is written with the entry; empty for one without a language.
    pub code: &'a str,
    pub entry: &'a T,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There was nothing to choose.
    Only,
    /// It is the person's language.
    Theirs,
    /// The person's language is not known.
    Unknown,
    /// Nothing speaks the person's language.
    Instead,
}

/// The language without its region: `fr` of `fr-CA`.
pub fn base(code: &str) -> &str {
    code.trim().split(['-', '_']).next().unwrap_or_default()
}

/// Whether two codes are of one language, whatever their regions.
pub fn same(one: &str, other: &str) -> bool {
    common(one) == common(other)
}

fn common(code: &str) -> String {
    let base = base(code).to_ascii_lowercase();
    EQUAL.iter().find(|(one, _)| *one == base).map_or(base, |(_, other)| (*other).to_owned())
}

/// Whether there is such a language: `es`, `es-MX`, `es_mx`.
pub fn is_known(code: &str) -> bool {
    let base = base(code).to_ascii_lowercase();
    let listed = |list: &str| list.split_ascii_whitespace().any(|known| known == base);
    match base.len() {
        2 => listed(TWO_LETTERS),
        3 => listed(THREE_LETTERS),
        _ => false,
    }
}

/// Whether it is written as in a file: `es`, `es-MX`.
pub fn is_well_formed(code: &str) -> bool {
    let (language, region) = code.split_once('-').map_or((code, None), |(language, region)| (language, Some(region)));
    let formed = language.bytes().all(|byte| byte.is_ascii_lowercase()) && is_known(language);
    formed && region.is_none_or(is_region)
}

fn is_region(region: &str) -> bool {
    let letters = region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_uppercase());
    letters && !COUNTRIES.iter().any(|(written, _)| *written == region)
}

/// The code that was meant by one that is not well formed: `english`, `pt_BR`, `en-UK`.
pub fn meant(written: &str) -> Option<String> {
    let lower = written.trim().to_lowercase();
    let (language, region) = match lower.split_once(['-', '_', ' ']) {
        Some((language, region)) => (language, region.to_uppercase()),
        None => (lower.as_str(), String::new()),
    };
    let named = MEANT.iter().find(|(_, names)| names.contains(&language)).map(|(code, _)| *code);
    let language = named.or_else(|| is_known(language).then_some(language))?;
    let usual = COUNTRIES.iter().find(|(written, _)| *written == region).map_or(region.as_str(), |(_, code)| *code);
    Some(if is_region(usual) { format!("{language}-{usual}") } else { language.to_owned() })
}

/// The entry for a person: in their language and region (`fr-CA`), else in their language (`fr`, then another region's), else
/// in the project's (`usual`), else the one without a language.
pub fn choose<'a, T>(entries: &'a [(String, T)], person: Option<&str>, usual: &str) -> Option<Choice<'a, T>> {
    if let [(code, entry)] = entries
        && code.is_empty()
    {
        return Some(Choice { code, entry, why: Why::Only });
    }
    let theirs = person.and_then(|person| spoken(entries, person));
    let why = match (theirs, person) {
        (Some(_), _) => Why::Theirs,
        // What stands without a language is in the project's.
        (None, Some(person)) if same(person, usual) => Why::Theirs,
        (None, Some(_)) => Why::Instead,
        (None, None) => Why::Unknown,
    };
    let single = || entries.iter().find(|(code, _)| code.is_empty());
    let (code, entry) = theirs.or_else(|| spoken(entries, usual)).or_else(single)?;
    Some(Choice { code, entry, why })
}

/// The entry that speaks a language, the nearest region first.
fn spoken<'a, T>(entries: &'a [(String, T)], wanted: &str) -> Option<&'a (String, T)> {
    let written = wanted.trim().replace('_', "-");
    let exact = |(code, _): &&(String, T)| code.eq_ignore_ascii_case(&written);
    let general = |(code, _): &&(String, T)| code.eq_ignore_ascii_case(base(&written));
    let another = |(code, _): &&(String, T)| !code.is_empty() && same(code, &written);
    let find = |fits: &dyn Fn(&&'a (String, T)) -> bool| entries.iter().find(|entry| fits(entry));
    find(&exact).or_else(|| find(&general)).or_else(|| find(&another)).filter(|(code, _)| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(codes: &[&str], person: Option<&str>, usual: &str) -> Option<(String, Why)> {
        let entries: Vec<(String, ())> = codes.iter().map(|code| ((*code).to_owned(), ())).collect();
        choose(&entries, person, usual).map(|choice| (choice.code.to_owned(), choice.why))
    }

    #[test]
    fn a_person_reads_their_language_else_the_projects() {
        type Row<'a> = (&'a [&'a str], Option<&'a str>, &'a str, &'a str, Why);
        let rows: [Row<'_>; 18] = [
            (&["en", "fr"], Some("fr"), "en", "fr", Why::Theirs),
            (&["en", "fr"], Some("fr-CA"), "en", "fr", Why::Theirs),
            (&["en", "fr"], Some("FR_ca"), "en", "fr", Why::Theirs),
            (&["en", "fr", "fr-CA"], Some("fr-CA"), "en", "fr-CA", Why::Theirs),
            (&["en", "fr-CA", "fr"], Some("fr-CH"), "en", "fr", Why::Theirs),
            (&["en", "pt-BR"], Some("pt"), "en", "pt-BR", Why::Theirs),
            (&["en", "pt-BR"], Some("pt-PT"), "en", "pt-BR", Why::Theirs),
            (&["en", "no"], Some("nb-NO"), "en", "no", Why::Theirs),
            (&["en", "tl"], Some("fil"), "en", "tl", Why::Theirs),
            (&["en", "fr"], Some("de"), "en", "en", Why::Instead),
            (&["fr", "en"], None, "en", "en", Why::Unknown),
            (&["en", "es"], Some("de"), "es-MX", "es", Why::Instead),
            (&["en", ""], Some("de"), "es", "", Why::Instead),
            (&["en", ""], None, "es", "", Why::Unknown),
            (&["en", ""], Some(""), "es", "", Why::Instead),
            (&["en", ""], Some("es-MX"), "es", "", Why::Theirs),
            (&["es", ""], Some("de"), "es", "es", Why::Instead),
            (&[""], Some("de"), "es", "", Why::Only),
        ];
        for (codes, person, usual, code, why) in rows {
            assert_eq!(chosen(codes, person, usual), Some((code.to_owned(), why)), "{codes:?} {person:?}");
        }
        assert_eq!(chosen(&["fr"], None, "en"), None);
        assert_eq!(chosen(&[], None, "en"), None);
    }

    #[test]
    fn a_code_is_one_of_a_language_there_is() {
        for code in ["en", "fr", "es-MX", "pt-BR", "de", "it", "fil", "no"] {
            assert!(is_well_formed(code), "{code}");
        }
        for code in ["xx", "EN", "pt_BR", "pt-br", "eng", "french", "", "e", "en-UK", "es-", "es-MX-x", "-", "é"] {
            assert!(!is_well_formed(code), "{code}");
        }
        assert!(is_known("pt_br") && is_known("FR") && !is_known("xx") && !is_known("french") && !is_known("éa"));
    }

    #[test]
    fn what_was_meant_by_another_word_is_known() {
        let rows = [
            ("french", Some("fr")),
            ("Español", Some("es")),
            ("eng", Some("en")),
            ("pt_BR", Some("pt-BR")),
            ("FR", Some("fr")),
            ("en-UK", Some("en-GB")),
            ("es-mex", Some("es-MX")),
            ("es-419", Some("es")),
            ("klingon", None),
            ("", None),
        ];
        for (written, code) in rows {
            assert_eq!(meant(written).as_deref(), code, "{written}");
        }
    }
}
