//! `message_status`: which of the vendor's words about a message of ours starts a workflow.

/// A word that may start something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    Sent,
    Delivered,
    Read,
    Failed,
    Mismatch,
}

impl Watched {
    pub const ALL: [Self; 5] = [Self::Sent, Self::Delivered, Self::Read, Self::Failed, Self::Mismatch];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Mismatch => "mismatch",
        }
    }
}
