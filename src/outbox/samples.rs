//! A delivery for the tests of the outbox: both forms, its call under way.

use crate::delivery::{Delivery, DeliveryState, OutsideWindow, Purpose};
use crate::message::{Form, Message, Plain, Template, TemplateKind};

/// 2026-03-02 11:00 UTC.
pub(super) const NOON: i64 = 1_772_449_200_000;

pub(super) fn delivery() -> Delivery {
    let template = Template {
        name: "t".into(),
        uuid: "uuid".into(),
        kind: TemplateKind::Text,
        category: None,
        values: Vec::new(),
        media_url: None,
    };
    let plain = Some(Plain { text: Some("hello".into()), media: None });
    let message = Message { plain, template: Some(template), ..Message::default() };
    Delivery {
        run: "r".into(),
        workflow: "w".into(),
        step: "0".into(),
        purpose: Purpose::Utility,
        outside_window: OutsideWindow::Fail,
        state: DeliveryState::Sending,
        form: Some(Form::Template),
        expires_at_ms: NOON + 24 * 3_600_000,
        attempts: 1,
        retry_limit: 5,
        ..Delivery::queued("d".into(), "c".into(), "main".into(), message, NOON, 7)
    }
}
