//! Faults that one request asks for by itself: `X-Sandbox-Fault: dropped_answer` or `?sandbox_fault=dropped_answer`.
//!
//! Pure. Invariant: a word that means nothing is refused; a test that misspells a fault must not pass.

use super::Fault;
use axum::http::{HeaderMap, Uri};
use std::collections::BTreeSet;

/// What a request asked for: on its own way, and on that of the message and the events it causes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::connector::sandbox) struct Asked {
    pub(super) faults: BTreeSet<Fault>,
    pub(super) fail: Option<i64>,
    pub(super) delay_ms: Option<u64>,
}

impl Asked {
    /// Reads the header and the query of a request.
    ///
    /// # Errors
    /// The first word that means nothing.
    pub(in crate::connector::sandbox) fn of(headers: &HeaderMap, uri: &Uri) -> Result<Self, String> {
        let header = headers.get_all("x-sandbox-fault").iter().filter_map(|value| value.to_str().ok());
        let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("sandbox_fault="));
        let pairs = pairs.map(|value| percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned());
        let words: Vec<String> = header.map(str::to_owned).chain(pairs).collect();
        Self::read(&words.join(","))
    }

    /// Reads words behind commas: faults, `delay=<ms>`, `fail=<code>`.
    pub(super) fn read(words: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            asked.add(word).ok_or_else(|| format!("unknown fault: {word}"))?;
        }
        Ok(asked)
    }

    fn add(&mut self, word: &str) -> Option<()> {
        match word.split_once('=') {
            Some(("delay", ms)) => self.delay_ms = Some(ms.parse().ok().filter(|ms| *ms <= 60_000)?),
            Some(("fail", code)) => self.fail = Some(code.parse().ok()?),
            Some(_) => return None,
            None => drop(self.faults.insert(Fault::parse(word)?)),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_from_the_header_and_the_query_and_wrong_ones_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append("x-sandbox-fault", "bare, delay=5".parse().unwrap());
        let uri: Uri = "/messages/send?fields=contact&sandbox_fault=429%2Cno_uuid".parse().unwrap();
        let asked = Asked::of(&headers, &uri).unwrap();
        assert_eq!(asked.faults, BTreeSet::from([Fault::Bare, Fault::TooMany, Fault::NoUuid]));
        assert_eq!((asked.delay_ms, asked.fail), (Some(5), None));
        for wrong in ["dropped", "delay=x", "delay=70000", "x=1", "fail="] {
            assert_eq!(Asked::read(wrong), Err(format!("unknown fault: {wrong}")));
        }
    }
}
