//! Attachment: a file that a customer sent. Its address lives for about ten minutes, so it is fetched at once and kept.

/// Where the keeping of a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentState {
    Queued,
    /// Its bytes lie in the state folder under their hash.
    Kept,
    /// Not kept, and why is its reason.
    Failed,
}

impl AttachmentState {
    const ALL: [Self; 3] = [Self::Queued, Self::Kept, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Kept => "kept",
            Self::Failed => "failed",
        }
    }

    /// Reads what [`AttachmentState::as_str`] wrote; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The event that brought it, and its place there from 0.
    pub event: String,
    pub n: u32,
    /// `image`, `audio`, `video`, `document`.
    pub kind: String,
    /// As the sender called it.
    pub name: String,
    /// Signed and short-lived; never the source of truth.
    pub url: String,
    pub state: AttachmentState,
    /// Why it failed.
    pub reason: String,
    pub content_type: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// SHA-256 of the bytes, hex: the name of the file.
    pub hash: Option<String>,
    /// When the event came. Unix milliseconds.
    pub at_ms: i64,
}

/// The address of a file is gone after about this long.
const LIFE_MS: i64 = 10 * 60_000;
const MIB: u64 = 1024 * 1024;

impl Attachment {
    /// Bytes of a file of this kind at most, as WhatsApp allows them.
    pub fn most_bytes(&self) -> u64 {
        match self.kind.as_str() {
            "image" => 5 * MIB,
            "audio" | "video" => 16 * MIB,
            _ => 100 * MIB,
        }
    }

    /// Whether its address has died meanwhile.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.at_ms) > LIFE_MS
    }

    /// It, given up.
    #[must_use]
    pub fn failed(self, reason: impl Into<String>) -> Self {
        Self { state: AttachmentState::Failed, reason: reason.into(), ..self }
    }

    /// It, kept.
    #[must_use]
    pub fn kept(self, content_type: Option<String>, size: u64, hash: String) -> Self {
        Self { state: AttachmentState::Kept, content_type, size: Some(size), hash: Some(hash), ..self }
    }
}
