//! Environment: what its variables say, and secrets that cannot be printed.

use super::proxies::Proxies;
use std::fmt;

/// A secret value: never printed, never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the wire and for comparison only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Reads a variable of the environment; set but empty counts as unset.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the environment says.
#[derive(Clone, PartialEq)]
pub struct Environment {
    /// `CALLBELL_TOKEN`, a pasted `Bearer ` stripped.
    pub callbell_token: Option<Secret>,
    /// `CALLBELL_BASE_URL`, without a final `/`.
    pub callbell_base_url: Option<String>,
    /// `CALLBELL_WEBHOOK_SECRET`: the part of the URL.
    pub callbell_webhook_secret: Option<Secret>,
    /// `CALLBELL_SIGNING_SECRET`: one, or two while rotating.
    pub callbell_signing_secrets: Vec<Secret>,
    /// `RELANCE_TOKEN`: the admin token.
    pub token: Option<Secret>,
    /// `RELANCE_LISTEN`, default `127.0.0.1:4000`.
    pub listen: String,
    /// `RELANCE_PUBLIC_URL`: how the outside reaches this server, without a final `/`.
    pub public_url: Option<String>,
    /// `RELANCE_PROXIES`: the load balancers in front.
    pub proxies: Proxies,
    /// `RELANCE_DATABASE_URL`.
    pub database_url: Option<String>,
    /// `RELANCE_CLOCK_OFFSET`, milliseconds.
    pub clock_offset_ms: i64,
}

/// The address of a database may hold its password: it is left out with the secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = (&self.listen, &self.callbell_base_url, self.clock_offset_ms);
        f.debug_tuple("Environment").field(&shown).finish_non_exhaustive()
    }
}

impl Environment {
    /// Reads every variable that relance knows.
    ///
    /// # Errors
    /// All that is wrong, each a sentence that names its variable and never shows a secret.
    pub fn read(lookup: Lookup) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let base_url = read(lookup, "CALLBELL_BASE_URL", &mut mistakes, read_url);
        let public_url = read(lookup, "RELANCE_PUBLIC_URL", &mut mistakes, read_url);
        let listen = read(lookup, "RELANCE_LISTEN", &mut mistakes, read_listen);
        let offset_ms = read(lookup, "RELANCE_CLOCK_OFFSET", &mut mistakes, read_offset);
        let callbell_token = read(lookup, "CALLBELL_TOKEN", &mut mistakes, |text| read_token(without_bearer(text)));
        let token = read(lookup, "RELANCE_TOKEN", &mut mistakes, read_token);
        let proxies = read(lookup, "RELANCE_PROXIES", &mut mistakes, Proxies::read);
        let webhook_secret = read(lookup, "CALLBELL_WEBHOOK_SECRET", &mut mistakes, read_url_secret);
        let environment = Self {
            callbell_token,
            callbell_base_url: base_url,
            callbell_webhook_secret: webhook_secret,
            callbell_signing_secrets: split_secrets(lookup("CALLBELL_SIGNING_SECRET").as_deref()),
            token,
            listen: listen.unwrap_or_else(|| "127.0.0.1:4000".into()),
            public_url,
            proxies: proxies.unwrap_or_default(),
            database_url: lookup("RELANCE_DATABASE_URL"),
            clock_offset_ms: offset_ms.unwrap_or(0),
        };
        if mistakes.is_empty() { Ok(environment) } else { Err(mistakes) }
    }

    /// Where the account should post its events, below this public address: with the secret part, which makes it a
    /// secret itself. `None` when no secret of Callbell is set: everything posted there would be refused.
    pub fn webhook_address(&self, public_url: &str) -> Option<Secret> {
        match (&self.callbell_webhook_secret, self.callbell_signing_secrets.as_slice()) {
            (Some(secret), _) => Some(Secret::new(format!("{public_url}/callbell/{}", secret.expose()))),
            (None, []) => None,
            (None, _) => Some(Secret::new(format!("{public_url}/callbell"))),
        }
    }
}

/// Reads one variable; what is wrong with it is told after its name.
fn read<T>(
    lookup: Lookup,
    name: &str,
    mistakes: &mut Vec<String>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let read = parse(lookup(name)?.trim());
    read.map_err(|mistake| mistakes.push(format!("{name} {mistake}"))).ok()
}

/// The dashboard shows the token with `Bearer ` in front, so people paste it whole.
fn without_bearer(token: &str) -> &str {
    let token = token.trim();
    match token.get(..7) {
        Some(start) if start.eq_ignore_ascii_case("bearer ") => token[7..].trim(),
        _ => token,
    }
}

fn split_secrets(written: Option<&str>) -> Vec<Secret> {
    let secrets = written.unwrap_or_default().split(',').map(str::trim).filter(|secret| !secret.is_empty());
    secrets.map(Secret::new).collect()
}

/// A token stands in a header: what cannot stand there was damaged on the way here.
fn read_token(token: &str) -> Result<Secret, String> {
    match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Secret::new(token)),
        false => Err("is no token: it is empty, or holds a space, a line break or an accent; copy it again".into()),
    }
}

/// The part of an address that nobody can guess.
fn read_url_secret(secret: &str) -> Result<Secret, String> {
    match !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#%".contains(&byte)) {
        true => Ok(Secret::new(secret)),
        false => Err("stands in an address: use letters, digits, `-` and `_` only".into()),
    }
}

/// An address without its final `/`. What else an address can hold (a password, a query) has no meaning here, and is
/// not repeated in the sentence: it may be secret.
pub(crate) fn read_url(url: &str) -> Result<String, String> {
    let url = url.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    match !host.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"@?#".contains(&byte)) {
        true => Ok(url.to_owned()),
        false => Err("is no plain http(s) address, like `https://api.callbell.eu/v1`".into()),
    }
}

fn read_listen(address: &str) -> Result<String, String> {
    let (host, port) = address.rsplit_once(':').unwrap_or_default();
    match !host.is_empty() && port.parse::<u16>().is_ok() {
        true => Ok(address.to_owned()),
        false => Err(format!("is no address with a port, like `127.0.0.1:4000`: `{address}`")),
    }
}

/// `+26h`, `-30m`, `90s`, `1d`: milliseconds.
fn read_offset(written: &str) -> Result<i64, String> {
    let mistake = || format!("is no duration like `+26h` or `-30m`: `{written}`");
    let (sign, rest) = match written.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, written.strip_prefix('+').unwrap_or(written)),
    };
    let unit = rest.chars().next_back().ok_or_else(mistake)?;
    let unit_ms = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(mistake()),
    };
    let digits = rest.trim_end_matches(unit);
    let number = digits.parse::<u32>().ok().filter(|_| !digits.starts_with('+') && digits.len() + 1 == rest.len());
    number.map(|number| i64::from(number) * sign * unit_ms).ok_or_else(mistake)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Environment, Vec<String>> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Environment::read(&lookup)
    }

    #[test]
    fn a_token_pasted_with_bearer_is_the_token_and_no_secret_is_ever_printed() {
        let environment = read(&[
            ("CALLBELL_TOKEN", " bearer abc.def "),
            ("CALLBELL_SIGNING_SECRET", "one, two,"),
            ("RELANCE_DATABASE_URL", "postgres://u:abc@db/relance"),
        ])
        .unwrap();
        assert_eq!(environment.callbell_token.as_ref().map(Secret::expose), Some("abc.def"));
        assert_eq!(environment.callbell_signing_secrets, [Secret::new("one"), Secret::new("two")]);
        assert!(!format!("{environment:?}").contains("abc"));
        assert_eq!(environment.listen, "127.0.0.1:4000");
    }

    #[test]
    fn everything_wrong_is_told_at_once_by_name_and_without_the_secret() {
        let wrong = [
            ("CALLBELL_BASE_URL", "https://me:s3cret@callbell.example"),
            ("CALLBELL_TOKEN", "Bearer s3cret two"),
            ("CALLBELL_WEBHOOK_SECRET", "s3cret/part"),
            ("RELANCE_CLOCK_OFFSET", "soon"),
            ("RELANCE_LISTEN", "4000"),
            ("RELANCE_PROXIES", "balancer"),
            ("RELANCE_TOKEN", "s3crét"),
        ];
        let mut mistakes = read(&wrong).unwrap_err();
        mistakes.sort();
        let names: Vec<&str> = mistakes.iter().filter_map(|mistake| mistake.split(' ').next()).collect();
        assert_eq!(names, wrong.map(|(name, _)| name));
        assert!(!mistakes.concat().contains("s3cr"), "{mistakes:?}");
    }

    #[test]
    fn an_address_loses_its_final_slash_and_must_be_http() {
        let base =
            |url: &str| read(&[("CALLBELL_BASE_URL", url)]).ok().and_then(|environment| environment.callbell_base_url);
        assert_eq!(base(" http://127.0.0.1:4010/v1/ ").as_deref(), Some("http://127.0.0.1:4010/v1"));
        for url in ["ftp://x", "https://", "https:///v1", "api.callbell.eu", "https://x/?a=1", "https://x y"] {
            assert_eq!(base(url), None, "{url}");
        }
    }

    #[test]
    fn an_offset_has_a_sign_and_a_unit() {
        let offset = |written: &str| read(&[("RELANCE_CLOCK_OFFSET", written)]).ok().map(|found| found.clock_offset_ms);
        assert_eq!(offset("+26h"), Some(26 * 3_600_000));
        assert_eq!(offset("-30m"), Some(-30 * 60_000));
        assert_eq!(offset("90s"), Some(90_000));
        for written in ["+-5h", "5", "h", "++5h", "5hh", "5 h", "99999999999d"] {
            assert_eq!(offset(written), None, "{written}");
        }
    }
}
