//! The people of a unit of work and their lines.

use super::{Known, Origin, Unit, keys_of};
use crate::contact::{Contact, Line};
use crate::store::aliases::AliasRow;
use crate::store::contacts::{ContactKey, ContactRow};

impl Unit<'_> {
    /// Takes in stored contacts.
    pub(in crate::engine) fn know_contacts(&mut self, rows: Vec<ContactRow>) {
        for row in rows {
            self.index(&row.contact);
            let id = row.contact.id.clone();
            if let Some(alias) = row.found_as.clone() {
                // Whose own number it is comes first.
                self.by_key.entry(alias).or_insert_with(|| id.clone());
            }
            self.contacts.entry(id).or_insert(Known { row, origin: Origin::Stored, dirty: false });
        }
    }

    fn index(&mut self, contact: &Contact) {
        keys_of(contact).into_iter().for_each(|key| {
            self.by_key.insert(key, contact.id.clone());
        });
    }

    pub(in crate::engine) fn contact(&self, id: &str) -> Option<&Contact> {
        self.contacts.get(id).map(|known| &known.row.contact)
    }

    /// Whether there was such a person, and they were erased.
    pub(in crate::engine) fn is_gone(&self, id: &str) -> bool {
        self.contact(id).is_some_and(|contact| contact.gone)
    }

    /// Whether the person was known before this group.
    pub(in crate::engine) fn is_stored(&self, id: &str) -> bool {
        self.contacts.get(id).is_some_and(|known| known.origin == Origin::Stored)
    }

    /// The version of a stored person whom this group does not change: whom it does is guarded by the write.
    pub(in crate::engine) fn version_as_read(&self, id: &str) -> Option<i64> {
        let known = self.contacts.get(id).filter(|known| known.origin == Origin::Stored && !known.dirty)?;
        Some(known.row.version)
    }

    pub(in crate::engine) fn contact_by(&self, keys: &[ContactKey]) -> Option<&Contact> {
        keys.iter().find_map(|key| self.by_key.get(key)).and_then(|id| self.contact(id))
    }

    /// Writes a contact, new or changed; a change that changes nothing is none. What was withdrawn stays withdrawn, and who
    /// was erased stays so, whatever was still under way.
    pub(in crate::engine) fn put_contact(&mut self, mut contact: Contact) {
        if self.is_gone(&contact.id) {
            return;
        }
        if self.contact(&contact.id) != Some(&contact) {
            self.keep_rights(&mut contact);
        }
        self.write_contact(contact);
    }

    /// Writes a contact as it is.
    pub(in crate::engine) fn write_contact(&mut self, contact: Contact) {
        self.index(&contact);
        match self.contacts.get_mut(&contact.id) {
            Some(known) if known.row.contact == contact => {}
            Some(known) => (known.row.contact, known.dirty) = (contact, true),
            None => {
                let id = contact.id.clone();
                let row = ContactRow { contact, version: 0, found_as: None };
                self.contacts.insert(id, Known { row, origin: Origin::New, dirty: true });
            }
        }
    }

    /// Of a person stays that there was one: nobody is found as them any more.
    pub(in crate::engine) fn forget_contact(&mut self, id: &str) {
        self.by_key.retain(|_, of| of != id);
        self.aliases.retain(|alias| alias.contact != id);
        self.lines.retain(|(of, _), _| of != id);
        self.write_contact(Contact { id: id.to_owned(), gone: true, ..Contact::default() });
    }

    /// Whether somebody is found by this without showing it.
    pub(in crate::engine) fn is_alias(&self, key: &ContactKey) -> bool {
        self.contact_by(std::slice::from_ref(key)).is_some_and(|contact| !keys_of(contact).contains(key))
    }

    /// Gives a person another name, unless somebody has it: whether it is this person's now.
    pub(in crate::engine) fn put_alias(&mut self, key: ContactKey, contact: &str, source: &'static str) -> bool {
        if self.is_gone(contact) {
            return false;
        }
        match self.contact_by(std::slice::from_ref(&key)) {
            Some(holder) => holder.id == contact,
            None => {
                self.by_key.insert(key.clone(), contact.to_owned());
                let contact = contact.to_owned();
                self.remind_of_name(&key, &contact);
                self.aliases.push(AliasRow { key, contact, source, at_ms: self.now_ms });
                true
            }
        }
    }

    /// Rows to write, each with its next version.
    pub(in crate::engine) fn changed_contacts(&self) -> Vec<ContactRow> {
        let next = |known: &Known<ContactRow>| ContactRow { version: known.row.version + 1, ..known.row.clone() };
        self.contacts.values().filter(|known| known.dirty).map(next).collect()
    }

    pub(in crate::engine) fn know_lines(&mut self, rows: Vec<(String, String, Line)>) {
        for (contact, channel, line) in rows {
            self.lines.entry((contact, channel)).or_insert((line, false));
        }
    }

    pub(in crate::engine) fn line(&self, contact: &str, channel: &str) -> Line {
        self.lines.get(&(contact.to_owned(), channel.to_owned())).map_or(Line::default(), |(line, _)| *line)
    }

    /// Whether relance itself has sent the person anything: the first message makes them in the account.
    pub(in crate::engine) fn was_written_to(&self, contact: &str) -> bool {
        self.lines.iter().any(|((of, _), (line, _))| of == contact && line.sent_at_ms.is_some())
    }

    /// When the person last wrote on another line, as far as is known.
    pub(in crate::engine) fn newest_elsewhere(&self, contact: &str, channel: &str) -> Option<i64> {
        let others = self.lines.iter().filter(|((of, on), _)| of == contact && on != channel);
        others.filter_map(|(_, (line, _))| line.last_inbound_ms).max()
    }

    pub(in crate::engine) fn put_line(&mut self, contact: &str, channel: &str, line: Line) {
        if self.line(contact, channel) != line {
            self.lines.insert((contact.to_owned(), channel.to_owned()), (line, true));
        }
    }

    pub(in crate::engine) fn changed_lines(&self) -> Vec<(String, String, Line)> {
        let changed = self.lines.iter().filter(|(_, (_, dirty))| *dirty);
        // Tokens are taken and given by the claim alone.
        let known = |line: &Line| Line { tat_us: None, sent_at_ms: None, ..*line };
        changed.map(|((contact, channel), (line, _))| (contact.clone(), channel.clone(), known(line))).collect()
    }
}
