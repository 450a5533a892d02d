//! In which language commands speak to whoever reads them: `--language`, else the machine's.

/// What `--language` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    En,
    Fr,
}

impl Language {
    /// The one asked for, else that of `LC_ALL`, `LC_MESSAGES` or `LANG`, else English.
    pub fn or_of_machine(asked: Option<Self>) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set).unwrap_or_default();
        asked.unwrap_or(if locale.to_lowercase().starts_with("fr") { Self::Fr } else { Self::En })
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
        }
    }
}
