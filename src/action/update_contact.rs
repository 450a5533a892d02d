//! `update_contact`: fills what is to change of the person in the account. Pure; nothing is called from here.
//!
//! Invariant: what is planned is complete, so that a hole changes nothing of the person.

use crate::call::{Assign, ContactCall};
use crate::expr::{Hole, Scope, Text};
use crate::workflow::UpdateContact;
use serde_json::Value;

/// Fills a step's changes for the person of `scope`. `channel`: name of the line that the person writes to.
///
/// # Errors
/// The first [`Hole`] found.
pub fn plan(step: &UpdateContact, scope: &Scope, channel: Option<&str>) -> Result<ContactCall, Hole> {
    let said = |text: &Option<Text>, what: &str| {
        let said = text.as_ref().map(|text| text.render(scope).map(|said| said.trim().to_owned())).transpose()?;
        match said {
            Some(blank) if blank.is_empty() => Err(Hole(format!("{what} is blank"))),
            said => Ok(said),
        }
    };
    let assign = said(&step.assign_to, "`assign_to`")?;
    let field = |(name, text): &(String, Text)| Ok((name.clone(), text.render(scope)?.trim().to_owned()));
    let known = |key: &str| scope.contact.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(ContactCall {
        name: said(&step.name, "`name`")?,
        add_tags: step.add_tags.clone(),
        remove_tags: step.remove_tags.clone(),
        fields: step.fields.iter().map(field).collect::<Result<_, _>>()?,
        note: said(&step.note, "`note`")?,
        assign: assign.map(|who| if who == "nobody" { Assign::Nobody } else { Assign::To(who) }),
        team: said(&step.team, "`team`")?,
        bot: step.bot,
        close: step.close_conversation,
        called: known("name").or_else(|| known("first_name")),
        channel: channel.map(str::to_owned),
    })
}
