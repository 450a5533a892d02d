//! Category: what a template was approved for, against what its workflow is for (R407, `language.md` §10.2).

use super::catalogue::Ready;
use super::lowering::Lowering;
use super::wording::category_name;
use crate::delivery::Purpose;
use crate::message::Category;
use crate::workflow::yaml::Entry;

impl Lowering<'_> {
    /// A template of another category would be held when it is sent; `marketing` may use one that costs less.
    pub(super) fn check_category(&mut self, entry: &Entry, ready: &Ready) {
        let Some(purpose) = self.purpose else { return };
        let own = (String::new(), ready.own.clone());
        for (_, variant) in ready.languages.iter().chain([&own]) {
            let Some(category) = variant.category else { continue };
            let (is, written) = (category_name(category), purpose_word(purpose));
            let message = format!("the template is approved as `{is}`, and the workflow's purpose is `{written}`");
            match (purpose, category) {
                (Purpose::Marketing, Category::Marketing) => continue,
                (Purpose::Marketing, Category::Utility) => {
                    let hint = "write `purpose: utility` if it is about something the person did; use a marketing template if it is not";
                    self.report.warn("R407", &entry.value.span, message, hint);
                }
                (Purpose::Utility | Purpose::Service, Category::Marketing) => {
                    let hint = "write `purpose: marketing`, or use a template that is approved as `utility`";
                    self.report.error("R407", &entry.value.span, message, hint);
                }
                (Purpose::Marketing, Category::Authentication) => {
                    let hint = "use a template that is approved as `marketing`";
                    self.report.error("R407", &entry.value.span, message, hint);
                }
                (Purpose::Utility | Purpose::Service, Category::Utility | Category::Authentication) => continue,
            }
            // One word about it: the languages of a template are one template to its author.
            return;
        }
    }
}

fn purpose_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Marketing => "marketing",
        Purpose::Utility => "utility",
        Purpose::Service => "service",
    }
}
