//! Workflows made by chance, the same for the same seed: what starts them, whom they are about, and what they do.

use crate::harness::ms;
use serde_json::{Value, json};

/// Splitmix64: small, and the same everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// How a workflow is started.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Start {
    Webhook(Value),
    Says(String),
    /// The rows of its list, as a file.
    Fires(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) start: Start,
    pub(crate) at_ms: i64,
    /// Whether everybody wrote an hour before.
    pub(crate) open: bool,
    /// Phone, and whether the person has the tag of consent; whom the account knows.
    pub(crate) people: Vec<(String, bool)>,
}

impl Made {
    pub(crate) fn event(&self) -> String {
        format!("happened.{}", self.id)
    }

    /// Whom it is about, when no list says it.
    pub(crate) fn phone(&self) -> &str {
        &self.people[0].0
    }

    /// The last instant at which everybody writes, in an open window.
    pub(crate) fn wrote_ms(&self) -> i64 {
        let start_ms = if matches!(self.start, Start::Fires(_)) { self.at_ms - 60_000 } else { self.at_ms };
        start_ms - 3_600_000
    }

    /// The `n`th workflow; no number is that of another workflow.
    pub(crate) fn make(dice: &mut Dice, n: u64) -> Self {
        let id = format!("w{n}");
        let open = dice.one_in(2);
        let mut maker = Maker { dice, n, step: 0, of_message: false };
        let kind = maker.dice.below(8);
        let mut people = Vec::new();
        let (start, at_ms, when) = match kind {
            0 | 1 => {
                let (list, known) = maker.list();
                people = known;
                let (hour, minute) = (14 + maker.dice.below(9), maker.dice.below(60));
                let clock = format!("{hour:02}:{minute:02}");
                let phrase = if maker.dice.one_in(2) { "every monday" } else { "on 2026-03-02" };
                let when =
                    format!("when: {{ schedule: {phrase} at {clock} }}\naudience: {{ file: audiences/{id}.csv }}\n");
                (Start::Fires(list), ms(&format!("2026-03-02T{clock}:00+01:00")), when)
            }
            2 => {
                maker.of_message = true;
                let word = format!("word{n}");
                people.push((maker.phone(0), maker.dice.one_in(2)));
                (Start::Says(word.clone()), maker.instant(), format!("when: {{ message: {{ is: {word} }} }}\n"))
            }
            _ => {
                let phone = maker.phone(0);
                people.push((phone.clone(), !maker.dice.one_in(3)));
                let kind = maker.dice.pick(&["big", "small", "small", "no"]);
                let data = json!({ "phone": phone, "name": "Ana", "kind": kind, "agrees": maker.dice.one_in(3) });
                let consent = if maker.dice.one_in(3) { ", consent: event.agrees == true" } else { "" };
                let contact = format!("contact: {{ phone: \"{{{{event.phone}}}}\"{consent} }}\n");
                (Start::Webhook(data), maker.instant(), format!("when: {{ webhook: happened.{id} }}\n{contact}"))
            }
        };
        let text = maker.workflow(&when);
        Self { id, text, start, at_ms, open, people }
    }
}

struct Maker<'d> {
    dice: &'d mut Dice,
    n: u64,
    step: u64,
    of_message: bool,
}

impl Maker<'_> {
    /// A number of one of three countries, the `k`th of this workflow.
    fn phone(&mut self, k: u64) -> String {
        let own = self.n % 1_000 * 10 + k;
        match self.dice.below(3) {
            0 => format!("+3361234{own:04}"),
            1 => format!("+3460000{own:04}"),
            _ => format!("+44740012{own:04}"),
        }
    }

    fn instant(&mut self) -> i64 {
        let minute = i64::try_from(self.dice.below(9 * 60)).unwrap();
        ms("2026-03-02T13:00:00Z") + minute * 60_000
    }

    /// A list with good rows, some that name somebody again, and some that cannot be used.
    fn list(&mut self) -> (String, Vec<(String, bool)>) {
        let (mut text, mut people) = ("phone,name,kind,consent\n".to_owned(), Vec::<(String, bool)>::new());
        for k in 0..2 + self.dice.below(4) {
            let phone = match people.first() {
                Some((known, _)) if self.dice.one_in(6) => known.clone(),
                _ => self.phone(k),
            };
            if !people.iter().any(|(known, _)| *known == phone) {
                people.push((phone.clone(), self.dice.one_in(3)));
            }
            let name = if self.dice.one_in(8) { "" } else { "Eva" };
            let (kind, agrees) = (self.dice.pick(&["big", "small", "no"]), self.dice.pick(&["yes", "no", ""]));
            text.push_str(&format!("{phone},{name},{kind},{agrees}\n"));
            if self.dice.one_in(5) {
                text.push_str(self.dice.pick(&["12,Nobody,big,yes\n", "too,few\n"]));
            }
        }
        (text, people)
    }

    fn workflow(&mut self, when: &str) -> String {
        let purpose =
            if self.of_message { "service" } else { self.dice.pick(&["utility", "utility", "service", "marketing"]) };
        let mut settings = vec![format!("quiet_hours: {}", self.dice.pick(&["none", "21:00-09:00", "12:30-14:00"]))];
        settings.push(format!("expires: {}", self.dice.pick(&["20m", "3h", "9h", "9h"])));
        if self.dice.one_in(6) {
            settings.push("limit: 1 per contact per 1d".into());
        }
        let condition = match self.dice.below(4) {
            0 if !self.of_message => "if: event.kind != 'no'\n",
            _ => "",
        };
        let mut steps = vec![self.send()];
        for _ in 0..1 + self.dice.below(4) {
            let step = self.any_step();
            if self.dice.one_in(3) { steps.insert(0, step) } else { steps.push(step) }
        }
        let steps: String = steps.iter().map(|step| format!("  - {step}\n")).collect();
        let n = self.n;
        format!(
            "name: W{n}\npurpose: {purpose}\n{when}{condition}settings: {{ {} }}\ndo:\n{steps}",
            settings.join(", ")
        )
    }

    fn any_step(&mut self) -> Value {
        match self.dice.below(8) {
            0 | 1 => json!({ "wait": self.dice.pick(&["5m", "20m", "45m", "2h", "9h"]) }),
            2 if self.dice.one_in(3) => {
                json!({ "wait": { "next": format!("tuesday at {}", self.dice.pick(&["07:30", "10:00"])) } })
            }
            3 => {
                let cases = json!([{ "if": self.question(), "do": [self.send()] }]);
                json!({ "branch": { "cases": cases, "otherwise": [self.send()] } })
            }
            4 => {
                let mut step = self.send();
                step["if"] = self.question().into();
                step
            }
            5 => {
                let replies = json!([{ "is": "yes", "do": [self.send()] }]);
                json!({ "wait_for_reply": { "for": "2h", "replies": replies, "no_reply": [self.send()] } })
            }
            6 => json!({ "if": self.question(), "stop": "enough" }),
            _ => self.send(),
        }
    }

    fn question(&mut self) -> String {
        let about_people = ["contact.has_tag('opted_in')", "contact.window_open"];
        match self.dice.one_in(2) && !self.of_message {
            true => "event.kind == 'big'".to_owned(),
            false => self.dice.pick(&about_people).to_owned(),
        }
    }

    fn send(&mut self) -> Value {
        self.step += 1;
        let mark = format!("s{} of w{}", self.step, self.n);
        let name = if self.of_message { "{{event.text}}" } else { "{{event.name}}" };
        let text = format!("Hello {name}, {mark}");
        let (template, values) = match self.dice.below(3) {
            0 => ("one", json!({ "mark": mark })),
            _ => ("two", json!({ "name": name, "mark": mark })),
        };
        let message = match self.dice.below(4) {
            0 | 1 => json!({ "text": text, "template": template, "values": values }),
            2 => json!({ "template": template, "values": values }),
            _ => json!({ "text": text, "outside_window": self.dice.pick(&["fail", "skip", "hold"]) }),
        };
        json!({ "send_message": message })
    }
}
