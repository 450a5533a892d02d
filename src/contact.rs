//! Contact: a person, as webhooks and events last told; and the phone number that identifies one.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What stands for the number of a person who was erased, in what is held of others.
pub const ERASED: &str = "[erased]";

/// Our id of a person.
pub type ContactId = String;

/// What is known of a person. Unknown parts are `None` or empty, never guessed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    pub id: ContactId,
    /// Callbell's id.
    pub uuid: Option<String>,
    pub phone: Option<Phone>,
    /// WhatsApp id of a person who hides the number.
    pub bsuid: Option<String>,
    pub name: Option<String>,
    pub first_name: Option<String>,
    pub email: Option<String>,
    /// `es`, `es-MX`.
    pub language: Option<String>,
    /// IANA name.
    pub timezone: Option<String>,
    pub tags: Vec<String>,
    /// The account's custom fields, by their names there.
    pub custom: BTreeMap<String, Value>,
    pub assigned_to: Option<String>,
    pub team: Option<String>,
    pub blocked: bool,
    /// Whether the account ever told of this person (else tags and fields are unknown, not absent).
    pub told: bool,
    /// Proof that the person agreed to receive messages: which event, file or rule said so; `None` = none on record.
    pub consent: Option<Consent>,
    /// When the project first vouched for the person (`consent: everyone`): it counts as long as the project says so.
    /// Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vouched_at_ms: Option<i64>,
    /// The person wants no messages, or no marketing; wins over any consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<Withdrawal>,
    /// When the person last took a withdrawal back by word, by the platform's time: an older stop word that comes late
    /// changes nothing. Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_at_ms: Option<i64>,
    /// When the platform said that this person cannot be reached. Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undeliverable_at_ms: Option<i64>,
    /// Erased: nothing is sent any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// What a person wants no more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawalScope {
    Marketing,
    /// Everything but answers in the open window.
    All,
}

/// The negative entry of the consent record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    pub scope: WithdrawalScope,
    /// `code 131050, message …`, `word stop, event …`: who or what said so, and the proof.
    pub source: String,
    pub at_ms: i64,
    /// When the person last said so by word, by the platform's time; words come late and out of order. Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_at_ms: Option<i64>,
    /// When a person who said so by word was last told that it is done. Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at_ms: Option<i64>,
    /// The narrower one that it came over, and that stands again when this one is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Box<Withdrawal>>,
}

impl Withdrawal {
    pub fn new(scope: WithdrawalScope, source: String, at_ms: i64) -> Self {
        Self { scope, source, at_ms, said_at_ms: None, answered_at_ms: None, over: None }
    }

    /// This one, then the narrower ones that it came over.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |one| one.over.as_deref())
    }

    /// Whether the person said so by a word of `opt_out`.
    pub fn is_by_word(&self) -> bool {
        crate::consent::source_and_proof(&self.source).0 == crate::consent::WORD
    }

    /// Whether a back word of that instant comes after it, and it was made by word.
    pub fn is_taken_back_at(&self, at_ms: i64) -> bool {
        self.is_by_word() && at_ms >= self.said_at_ms.unwrap_or(self.at_ms)
    }
}

/// One positive entry of the consent record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// `event <id>`, `audience <file>` …: what proves it.
    pub proof: String,
    pub at_ms: i64,
}

impl Contact {
    /// What is written to `first_name`, else the first word of the name.
    pub fn first_name(&self) -> Option<&str> {
        let said = self.first_name.as_deref().filter(|name| !name.trim().is_empty());
        said.or_else(|| self.name.as_deref().and_then(|name| name.split_whitespace().next()))
    }

    /// Notes that the person wants no more of something; a wider withdrawal on record stays.
    pub fn withdraw(&mut self, withdrawal: Withdrawal) {
        match self.withdrawal.take() {
            Some(known) if known.scope >= withdrawal.scope => self.withdrawal = Some(known),
            known => self.withdrawal = Some(Withdrawal { over: known.map(Box::new), ..withdrawal }),
        }
    }

    /// Takes back the withdrawal that the person made by word; what it came over stands again. Whether there was one.
    pub fn back_by_word(&mut self) -> bool {
        let by_word = self.withdrawal.take_if(|known| known.is_by_word());
        let there_was = by_word.is_some();
        if let Some(withdrawal) = by_word {
            self.withdrawal = withdrawal.over.map(|narrower| *narrower);
        }
        there_was
    }

    /// Every withdrawal that stands, the widest first.
    pub fn withdrawals(&self) -> impl Iterator<Item = &Withdrawal> {
        self.withdrawal.iter().flat_map(Withdrawal::all)
    }

    /// Whether the person wants no more of what belongs to `scope`.
    pub fn opted_out(&self, scope: WithdrawalScope) -> bool {
        self.withdrawal.as_ref().is_some_and(|known| known.scope >= scope)
    }

    /// What `contact` is in questions and texts. `opted_in` and `window_open` are added by who knows them.
    pub fn to_value(&self) -> Map<String, Value> {
        let text = |value: Option<&str>| value.map_or(Value::Null, |text| Value::String(text.to_owned()));
        let mut fields = Map::new();
        fields.insert("id".into(), Value::String(self.id.clone()));
        fields.insert("uuid".into(), text(self.uuid.as_deref()));
        fields.insert("phone".into(), self.phone.as_ref().map_or(Value::Null, |phone| phone.e164().into()));
        fields.insert("name".into(), text(self.name.as_deref()));
        fields.insert("first_name".into(), text(self.first_name()));
        fields.insert("email".into(), text(self.email.as_deref()));
        fields.insert("language".into(), text(self.language.as_deref()));
        fields.insert("timezone".into(), text(self.timezone.as_deref()));
        fields.insert("tags".into(), self.tags.clone().into());
        fields.insert("custom".into(), Value::Object(self.custom.clone().into_iter().collect()));
        fields.insert("assigned_to".into(), text(self.assigned_to.as_deref()));
        fields.insert("team".into(), text(self.team.as_deref()));
        fields
    }
}

/// A person on a channel. Unix milliseconds of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Line {
    pub last_inbound_ms: Option<i64>,
    /// Start of the attempt that was refused for a closed window.
    pub refused_at_ms: Option<i64>,
    /// When the account was asked what it knows of the person on this channel; it is asked once.
    pub asked_at_ms: Option<i64>,
    /// The person's token bucket on this channel: theoretical arrival time, microseconds.
    pub tat_us: Option<i64>,
    /// When the last call for the person on this channel began.
    pub sent_at_ms: Option<i64>,
}

/// A phone number in international form: 7 to 15 digits, no `+`. Printed masked, so that it never reaches a log.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phone(String);

/// Why a number could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneError {
    /// Not a number that exists in any country.
    Invalid,
    /// A national number, and the project has no `phone_region`.
    National,
}

impl Phone {
    /// Reads an international number (`+33…`, `0033…`), or a national one of `region` (`ES`). What an old way of
    /// writing mobiles leaves out or adds (Mexico, Brazil) is repaired; what no country assigns is refused.
    ///
    /// # Errors
    /// [`PhoneError::National`] without a region for a national number; [`PhoneError::Invalid`] otherwise.
    pub fn parse(written: &str, region: Option<&str>) -> Result<Self, PhoneError> {
        let international = international(written).ok_or(PhoneError::Invalid)?;
        if !international.starts_with('+') && region.is_none() {
            return Err(PhoneError::National);
        }
        let region = if international.starts_with('+') { None } else { region };
        parse_number(&international, region).map(Self)
    }

    /// A number that can be somebody's, of the country of one that is as long as numbers there and that nobody can have, as
    /// those of films are; `None` for whatever else is written.
    pub fn in_place_of(written: &str, region: Option<&str>) -> Option<Self> {
        if Self::parse(written, region).is_ok() {
            return None;
        }
        let region = region.and_then(|name| Region::from_str(name).ok());
        let number = PHONE_NUMBER_UTIL.parse(international(written)?, region).ok();
        let number = number.filter(|number| PHONE_NUMBER_UTIL.is_possible_number(number))?;
        let country = PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code)?;
        let mobile = PhoneNumberType::Mobile;
        let example = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(country, mobile).ok()?;
        Self::parse(&format!("+{}", e164_digits(&example)), None).ok()
    }

    /// Reads digits as the vendor writes them: international, with or without `+` and spaces. Old ways of writing
    /// mobiles become the present one, so that a person has the same number whoever told it.
    ///
    /// # Errors
    /// [`PhoneError::Invalid`] unless there are 7 to 15 digits and nothing but separators beside them.
    pub fn from_vendor(written: &str) -> Result<Self, PhoneError> {
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        let clean = written.chars().all(|c| c.is_ascii_digit() || " +-.()\u{a0}".contains(c));
        match (7..=15).contains(&digits.len()) && clean {
            true => Ok(Self(present_form(&digits).unwrap_or(digits))),
            false => Err(PhoneError::Invalid),
        }
    }

    /// Whether national numbers of that country can be read: `GB` yes, `UK` no.
    pub fn is_region(code: &str) -> bool {
        Region::from_str(code)
            .is_ok_and(|wanted| PHONE_NUMBER_UTIL.get_supported_regions().any(|known| known == wanted))
    }

    /// `+33600000001`.
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    /// `33600000001`.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The country that the number is of, as two letters (`ES`); `None` for numbers of no country. A number that is not
    /// assigned is of the first country of its calling code.
    pub fn country(&self) -> Option<String> {
        let number = PHONE_NUMBER_UTIL.parse(self.e164(), None).ok()?;
        let assigned = PHONE_NUMBER_UTIL.get_region_for_number(&number);
        let region = assigned.or_else(|| PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code))?;
        Some(region.to_string()).filter(|code| code.len() == 2 && code.chars().all(|c| c.is_ascii_alphabetic()))
    }

    /// The digits by which the same person may be known as well: Argentina puts a `9` before mobiles that people at home
    /// leave out, and that the numbers of shops on a fixed line do not have. Which of the two is right, the platform tells.
    pub fn variant(&self) -> Option<String> {
        let national = self.0.strip_prefix("54")?;
        match (national.strip_prefix('9').filter(|rest| rest.len() == 10), national.len()) {
            (Some(rest), _) => Some(format!("54{rest}")),
            (None, 10) => Some(format!("549{national}")),
            (None, _) => None,
        }
    }

    /// How the number is written at home, as digits: `0612340001`, `612340001`, and `330612340001` for `+33 (0)6…`. Of the
    /// first two only what is read as this number where national ones are of `region`; without one, both.
    pub fn at_home(&self, region: Option<&str>) -> Vec<String> {
        let Ok(number) = PHONE_NUMBER_UTIL.parse(self.e164(), None) else { return Vec::new() };
        let written = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::National);
        let national: String = written.chars().filter(char::is_ascii_digit).collect();
        let code = number.country_code.to_string();
        let bare = self.0.strip_prefix(&code).unwrap_or_default().to_owned();
        let behind_code = (national != bare).then(|| format!("{code}{national}"));
        let is_this = |form: &String| {
            form.len() >= 6 && region.is_none_or(|region| Self::parse(form, Some(region)).as_ref() == Ok(self))
        };
        let mut forms: Vec<String> = [national, bare].into_iter().filter(is_this).collect();
        forms.dedup();
        forms.into_iter().chain(behind_code).collect()
    }

    /// `+336…01`: enough to recognise one's own number, not enough to call it.
    pub fn masked(&self) -> String {
        let start = self.0.get(..3).unwrap_or_default();
        let end = self.0.len().checked_sub(2).and_then(|at| self.0.get(at..)).unwrap_or_default();
        format!("+{start}…{end}")
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Characters of a number as people write it; a longer text holds something else.
const MOST_CHARACTERS: usize = 40;

/// The number without the marks that address books put around it. The library would read letters as keys of a phone
/// and cut what follows a number, so anything but digits and separators is no number here.
fn clean_number(written: &str) -> Option<String> {
    let unseen = |c: &char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let seen: String = written.chars().filter(|c| !unseen(c)).take(MOST_CHARACTERS + 1).collect();
    let seen = seen.trim();
    let separator = |c: char| c.is_whitespace() || "+-.()/‐‑‒–".contains(c);
    let fitting = seen.chars().all(|c| c.is_numeric() || separator(c)) && seen.chars().count() <= MOST_CHARACTERS;
    let one_plus = seen.rfind('+').is_none_or(|at| at == 0);
    (fitting && one_plus && !seen.is_empty()).then(|| seen.to_owned())
}

/// With `+` in the place of `00`, which begins international numbers too.
fn international(written: &str) -> Option<String> {
    let clean = clean_number(written)?;
    Some(clean.strip_prefix("00").map(|rest| format!("+{rest}")).unwrap_or(clean))
}

/// E.164 digits of a number that some country assigns.
fn parse_number(written: &str, region: Option<&str>) -> Result<String, PhoneError> {
    let region = match region {
        Some(name) => Some(Region::from_str(name).map_err(|_| PhoneError::Invalid)?),
        None => None,
    };
    let number = PHONE_NUMBER_UTIL.parse(written, region).map_err(|_| PhoneError::Invalid)?;
    let digits = e164_digits(&number);
    if PHONE_NUMBER_UTIL.is_valid_number(&number) {
        return Ok(digits);
    }
    let present = present_form(&digits).ok_or(PhoneError::Invalid)?;
    match PHONE_NUMBER_UTIL.parse(format!("+{present}"), None) {
        Ok(number) if PHONE_NUMBER_UTIL.is_valid_number(&number) => Ok(e164_digits(&number)),
        _ => Err(PhoneError::Invalid),
    }
}

fn e164_digits(number: &PhoneNumber) -> String {
    let written = PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164);
    written.chars().filter(char::is_ascii_digit).collect()
}

/// The present form of a number in an old one: Mexico dropped the `1` before mobiles (2019), Brazil put a `9` before
/// theirs (2012–2016), Argentina writes `9` before the area and not `15` behind it. `None` for every other number.
fn present_form(digits: &str) -> Option<String> {
    if digits.starts_with("54") && digits.len() == 14 {
        // The library knows how long the area is.
        return without_fifteen(digits);
    }
    if let Some(national) = digits.strip_prefix("521").filter(|national| national.len() == 10) {
        return Some(format!("52{national}"));
    }
    let national = digits.strip_prefix("55").filter(|national| national.len() == 10)?;
    let (area, subscriber) = national.split_at_checked(2)?;
    subscriber.starts_with(['6', '7', '8', '9']).then(|| format!("55{area}9{subscriber}"))
}

/// `54 11 15 2345 6789`, and the same behind the `0` of calls at home.
fn without_fifteen(digits: &str) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).ok()?;
    let present = e164_digits(&number);
    (PHONE_NUMBER_UTIL.is_valid_number(&number) && present.len() == 13 && present.starts_with("549")).then_some(present)
}

#[cfg(test)]
mod tests {
    use super::{Phone, PhoneError};

    fn read(written: &str, region: Option<&str>) -> Result<String, PhoneError> {
        Phone::parse(written, region).map(|phone| phone.e164())
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let table = [
            ("+34 600 000 001", None, "+34600000001"),
            ("0034 600 000 001", None, "+34600000001"),
            ("600 000 001", Some("ES"), "+34600000001"),
            ("34600000001", Some("ES"), "+34600000001"),
            ("06 12 34 56 78", Some("FR"), "+33612345678"),
            ("+33 (0)6 12 34 56 78", None, "+33612345678"),
            ("+33612345678", Some("ES"), "+33612345678"),
            ("\u{202a}+33 6 12 34 56 78\u{202c}", None, "+33612345678"),
            ("06.12.34.56.78", Some("fr"), "+33612345678"),
            ("(202) 555-0173", Some("US"), "+12025550173"),
            ("+39 06 698 1234", None, "+39066981234"),
            ("+5215512345678", None, "+525512345678"),
            ("+525512345678", None, "+525512345678"),
            ("55 1234 5678", Some("MX"), "+525512345678"),
            ("+55 11 8765-4321", None, "+5511987654321"),
            ("(11) 8765-4321", Some("BR"), "+5511987654321"),
            ("(11) 98765-4321", Some("BR"), "+5511987654321"),
            ("(11) 3456-7890", Some("BR"), "+551134567890"),
            ("011 15-2345-6789", Some("AR"), "+5491123456789"),
            ("+54 9 11 2345-6789", None, "+5491123456789"),
            ("+54 11 15 2345-6789", None, "+5491123456789"),
            ("0343 15-412-3456", Some("AR"), "+5493434123456"),
            ("+54 11 2345-6789", None, "+541123456789"),
        ];
        for (written, region, e164) in table {
            assert_eq!(read(written, region).as_deref(), Ok(e164), "{written}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for written in [
            "",
            "+",
            "hello",
            "+34 600 000",
            "+999 600 000 001",
            "+34 600 000 001 / +34 600 000 002",
            "1-800-FLOWERS",
            "tel 600000001",
            "+3460000000100000",
            "1e9",
            "++34600000001",
        ] {
            assert_eq!(read(written, Some("ES")), Err(PhoneError::Invalid), "{written}");
        }
        assert_eq!(read(&"6".repeat(5_000), Some("ES")), Err(PhoneError::Invalid));
        assert_eq!(read("600000001", Some("Spain")), Err(PhoneError::Invalid));
        assert_eq!(read("600000001", None), Err(PhoneError::National));
        assert!(Phone::is_region("GB") && !Phone::is_region("UK") && !Phone::is_region("Spain"));
    }

    #[test]
    fn a_number_of_films_has_a_real_one_in_its_place() {
        let example = |written: &str, region| Phone::in_place_of(written, region).map(|phone| phone.country().unwrap());
        assert_eq!(example("+447700900001", None).as_deref(), Some("GB"));
        assert_eq!(example("07700 900001", Some("GB")).as_deref(), Some("GB"));
        assert_eq!(example("+1 555 010 0123", None).as_deref(), Some("US"));
        for other in ["+34600000001", "+447400123456", "hello", "+4477", "+999 600 000 001", "600000001"] {
            assert_eq!(example(other, None), None, "{other}");
        }
    }

    #[test]
    fn a_person_has_one_number_whoever_tells_it() {
        let vendor = |written: &str| Phone::from_vendor(written).map(|phone| phone.e164());
        assert_eq!(vendor("5215512345678").as_deref(), Ok("+525512345678"));
        assert_eq!(vendor("+55 11 8765 4321").as_deref(), Ok("+5511987654321"));
        assert_eq!(vendor("+34 600 000 001").as_deref(), Ok("+34600000001"));
        assert_eq!(vendor("551134567890").as_deref(), Ok("+551134567890"));
        assert_eq!(vendor("54 11 15 2345 6789").as_deref(), Ok("+5491123456789"));
        assert_eq!(vendor("54343154123456").as_deref(), Ok("+5493434123456"));
        assert_eq!(vendor("5491123456789").as_deref(), Ok("+5491123456789"));
        assert_eq!(vendor("34x600000001"), Err(PhoneError::Invalid));
    }

    #[test]
    fn a_mobile_of_argentina_is_known_with_and_without_its_nine() {
        let variant = |digits: &str| Phone::from_vendor(digits).unwrap().variant();
        assert_eq!(variant("541123456789").as_deref(), Some("5491123456789"));
        assert_eq!(variant("5491123456789").as_deref(), Some("541123456789"));
        assert_eq!((variant("34600000001"), variant("5411234567")), (None, None));
    }

    #[test]
    fn a_number_is_known_as_it_is_written_at_home() {
        let at_home = |digits: &str, region| Phone::from_vendor(digits).unwrap().at_home(region);
        assert_eq!(at_home("33612340001", Some("FR")), ["0612340001", "612340001", "330612340001"]);
        assert_eq!(at_home("33612340001", None), ["0612340001", "612340001", "330612340001"]);
        assert_eq!(at_home("33612340001", Some("ES")), ["330612340001"], "there it is somebody else's");
        assert_eq!(at_home("34600000001", Some("ES")), ["600000001"]);
        assert_eq!(at_home("12025550173", Some("CA")), ["2025550173"]);
    }

    #[test]
    fn a_number_is_never_printed_whole() {
        let phone = Phone::parse("+33612345678", None).unwrap();
        assert_eq!(format!("{phone:?}"), "+336…78");
    }
}
