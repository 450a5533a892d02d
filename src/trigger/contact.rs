//! `contact`: which change of a person in the account starts a workflow.
//!
//! Invariant: what was not known before is not taken for a change: a tag seen for the first time on somebody the
//! account had never told of may be years old.

use crate::contact::Contact;

/// What has to have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Created,
    Updated,
    /// One of these tags was put on; any tag when the list is empty.
    Tagged(Vec<String>),
}

impl Change {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Tagged(_) => "tagged",
        }
    }

    /// Whether it happened. `created`: the account says that the person is new there; `before`: what was known, if
    /// anything.
    pub fn fits(&self, created: bool, before: Option<&Contact>, after: &Contact) -> bool {
        let before = before.filter(|before| before.told);
        match self {
            Self::Created => created,
            Self::Updated => !created && before.is_none_or(|before| differs(before, after)),
            Self::Tagged(_) if !created && before.is_none() => false,
            Self::Tagged(wanted) => {
                let had = |tag: &String| before.is_some_and(|before| has(&before.tags, tag));
                after.tags.iter().any(|tag| !had(tag) && (wanted.is_empty() || has(wanted, tag)))
            }
        }
    }
}

/// Tags are compared as `contact.has_tag` does.
fn has(tags: &[String], wanted: &str) -> bool {
    tags.iter().any(|tag| tag.to_lowercase() == wanted.to_lowercase())
}

/// Whether anything differs that the account tells of a person; what relance itself notes is left out.
fn differs(before: &Contact, after: &Contact) -> bool {
    let told = |contact: &Contact| Contact {
        id: String::new(),
        uuid: None,
        first_name: None,
        language: None,
        timezone: None,
        told: true,
        consent: None,
        ..contact.clone()
    };
    told(before) != told(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(tags: &[&str]) -> Contact {
        Contact { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), told: true, ..Contact::default() }
    }

    #[test]
    fn a_tag_counts_when_it_was_surely_not_there_before() {
        let vip = Change::Tagged(vec!["VIP".into()]);
        let any = Change::Tagged(Vec::new());
        let unknown = Contact { told: false, ..with(&[]) };
        let table = [
            (false, Some(with(&[])), with(&["vip"]), true, true),
            (false, Some(with(&["vip"])), with(&["Vip"]), false, false),
            (false, Some(with(&["vip"])), with(&["vip", "new"]), false, true),
            (false, Some(with(&["vip"])), with(&[]), false, false),
            (false, Some(unknown.clone()), with(&["vip"]), false, false),
            (false, None, with(&["vip"]), false, false),
            (true, None, with(&["vip"]), true, true),
            (true, Some(unknown), with(&["vip"]), true, true),
        ];
        for (created, before, after, is_vip, is_any) in table {
            let fits = |change: &Change| change.fits(created, before.as_ref(), &after);
            assert_eq!((fits(&vip), fits(&any)), (is_vip, is_any), "{before:?} {after:?}");
        }
    }

    #[test]
    fn an_update_that_changes_nothing_the_account_tells_is_none() {
        let before = Contact { name: Some("Ana".into()), ..with(&["vip"]) };
        let seen = Contact { uuid: Some("u".into()), first_name: Some("A".into()), ..before.clone() };
        let changed = Contact { name: Some("Anna".into()), ..before.clone() };
        assert!(!Change::Updated.fits(false, Some(&before), &seen));
        assert!(Change::Updated.fits(false, Some(&before), &changed));
        assert!(Change::Updated.fits(false, None, &changed) && !Change::Updated.fits(true, None, &changed));
        assert!(Change::Created.fits(true, None, &changed) && !Change::Created.fits(false, None, &changed));
    }
}
