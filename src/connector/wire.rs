//! The JSON of `POST /messages/send`, as the reference documents it.

use crate::contact::Phone;
use crate::message::{Form, Message};

/// Everything the body needs beside the message.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    pub form: Form,
    pub phone: Option<&'a Phone>,
    /// Used only when there is no phone.
    pub bsuid: Option<&'a str>,
    /// `None`: the project lists no channels.
    pub channel_uuid: Option<&'a str>,
    /// `<ulid>.<16 hex>`: goes into `metadata`.
    pub relance_id: &'a str,
    pub relance_run: &'a str,
    /// Ask for the contact's uuid with the answer.
    pub ask_contact: bool,
}

/// The request body, keys in a fixed order. The message has the chosen form (the gate saw to it).
pub fn send_body(_message: &Message, _envelope: &Envelope) -> String {
    String::new()
}
