//! The 24-hour window, as far as a file can tell: whether it is provably open where a message stands, and what the line
//! that sends can carry (`language.md` §10.1, §10.2).

use super::fields::Fields;
use super::heard::Heard;
use super::lowering::Lowering;
use super::media::Media;
use super::wording::media_name;
use crate::config::ChannelKind;
use crate::message::MediaKind;
use crate::workflow::TemplateChoice;
use crate::workflow::yaml::Entry;

impl<'a> Lowering<'a> {
    /// What a line without templates can carry.
    pub(super) fn check_line(
        &mut self,
        fields: &Fields,
        channel: Option<&str>,
        media: Option<&Media>,
        template: Option<&TemplateChoice>,
    ) {
        if !self.by_qr(channel) {
            return;
        }
        // Media that the template does not carry is the plain form. Of a template with a mistake nobody can tell.
        let media_alone = fields.get("media").is_some() && !template.is_some_and(TemplateChoice::carries_media);
        let no_plain_form = fields.get("text").is_none() && !media_alone;
        if let Some(entry) = fields.get("template").filter(|_| no_plain_form) {
            let hint = "write a `text` as well, or send by an official line";
            self.report.error("R404", &entry.value.span, "a `qr` line cannot send templates", hint);
        }
        if let Some(media) = media.filter(|media| matches!(media.kind, MediaKind::Audio | MediaKind::Video)) {
            let message = format!("`{}` may not arrive: it needs an official line", media_name(media.kind));
            self.report.warn("R409", &media.key_span, message, "send a link in the text, or use an official line");
        }
    }

    /// Whether the message leaves by a QR line, as far as the file tells.
    fn by_qr(&self, channel: Option<&str>) -> bool {
        let settings = &self.world.settings;
        let line = channel.map_or(Some(settings.default_channel()), |name| settings.channel(name));
        let answers_elsewhere = channel.is_none() && self.triggers.messages > 0 && settings.channels.len() > 1;
        !answers_elsewhere && line.is_some_and(|line| line.kind == ChannelKind::Qr)
    }

    /// §10.1, §10.2: can it start a conversation, and what if the window is closed.
    pub(super) fn check_window(&mut self, key: &Entry, fields: &Fields, channel: Option<&str>) {
        let template = fields.get("template").is_some() || fields.meant.contains(&"template");
        let open = self.provably_open(fields.get("to").is_some(), channel);
        if template || !open {
            let (line, _) = self.report.document.place(key.key_span.start);
            self.starts_conversation.get_or_insert(line);
        }
        let settled = fields.get("outside_window").is_some() || fields.meant.contains(&"outside_window");
        if !template && !open && !settled && !self.by_qr(channel) && !self.triggers.unknown && self.world.usable {
            let message = "this text can be sent only while the person's 24-hour window is open, and it may be closed";
            let hint = "add a `template`, or say with `outside_window` what happens then: \
                 `skip` (nothing is sent), `hold` (it is kept until the person writes) or `fail` (a colleague has to look)";
            self.report.warn("R401", &key.key_span, message, hint);
        }
    }

    /// Between the person's message (what started the run, or an answer) and this step lies no wait and no question
    /// without an answer, and both are on the same line.
    fn provably_open(&self, to_somebody_else: bool, channel: Option<&str>) -> bool {
        let one_line = self.world.settings.channels.len() == 1;
        match &self.heard {
            _ if to_somebody_else => false,
            Heard::Ended => true,
            Heard::Nothing => false,
            Heard::Answer(line) => one_line || line.as_deref() == channel,
            Heard::Start => self.started_on(channel),
        }
    }

    /// Only messages of the person start it, on the line that the step uses.
    fn started_on(&self, channel: Option<&str>) -> bool {
        let only_messages =
            self.triggers.messages > 0 && self.triggers.needs_contact.is_none() && self.triggers.told.is_empty();
        let same_line = channel.is_none()
            || self.world.settings.channels.len() == 1
            || self.triggers.channels.iter().all(|line| line.as_deref() == channel);
        only_messages && !self.triggers.unknown && same_line
    }
}
