//! A delivery for the tests of the outbox: both forms, its call under way.

use crate::delivery::{Delivery, DeliveryState, OutsideWindow, Purpose};
use crate::message::{Form, Message, Plain, Template, TemplateKind};
use crate::rules::Rules;

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
    Delivery {
        id: "d".into(),
        run: "r".into(),
        workflow: "w".into(),
        step: "0".into(),
        caller: None,
        contact: "c".into(),
        channel: "main".into(),
        purpose: Purpose::Utility,
        outside_window: OutsideWindow::Fail,
        message: Message { plain, template: Some(template), ..Message::default() },
        state: DeliveryState::Sending,
        reason: String::new(),
        form: Some(Form::Template),
        due_at_ms: NOON,
        expires_at_ms: NOON + 24 * 3_600_000,
        line_at_ms: NOON,
        fallback_used: false,
        attempts: 1,
        retries: 0,
        retry_limit: 5,
        seed: 7,
        planned_at_ms: NOON,
        reconcile_until_ms: None,
        looks: 0,
        probable: None,
        possible_duplicate: false,
        duplicate_confirmed: false,
        rules: Rules::default(),
        handed_at_ms: None,
        redrive_of: None,
    }
}
