//! Actions: what the steps of `do` plan. An intent is data; the engine stores it, and the outbox or a call carries it out.

pub mod http_request;
pub mod send_message;
pub mod update_contact;
