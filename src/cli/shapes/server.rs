//! Shapes of what a running server tells. Pure.

use super::Printed;
use super::notation::{Shape, anything, document, either, flag, instant, list, map, object, text, whole};
use super::rows::{
    attachment, bad_rows, call, campaign, consents, contact, delivery, evaluations, event, run, withdrawal,
};

pub(super) const PRINTED: &[Printed] = &[
    Printed::new("trigger", "What became of the event; with `--wait`, its runs, a line for each", trigger),
    Printed::new("why", "What concerned a person, with the reasons", why),
    Printed::new("runs list", "The newest runs", runs),
    Printed::new("runs show", "A run with its story", run_shown),
    Printed::new("runs attention", "What needs a person, by cause", attention),
    Printed::new("runs retry", "The run as it stands now; with `--cause`, how many", orders),
    Printed::new("runs skip", "The run as it stands now; with `--cause`, how many", orders),
    Printed::new("runs cancel", "The run as it stands now; with `--cause`, how many", orders),
    Printed::new("runs resume", "The run as it stands now", order),
    Printed::new("runs pause", "The run as it stands now", order),
    Printed::new("runs redrive", "The run that was begun", redrive),
    Printed::new("runs replay", "Whether the run does the same once more", replay),
    Printed::new("campaigns list", "The newest campaigns", campaigns),
    Printed::new("campaigns show", "A campaign with its runs and messages", campaign_shown),
    Printed::new("campaigns pause", "The campaign as it stands now", campaign_ordered),
    Printed::new("campaigns resume", "The campaign as it stands now", campaign_ordered),
    Printed::new("campaigns cancel", "The campaign as it stands now", campaign_ordered),
    Printed::new("send", "The message", send),
    Printed::new("contacts show", "A person", person),
    Printed::new("contacts withdraw", "The person", person_ordered),
    Printed::new("contacts allow", "The person", person_ordered),
    Printed::new("contacts forget", "The person that was", person_ordered),
    Printed::new("contacts export", "Everything held about a person; also without `--json`", export),
    Printed::new("contacts import", "What became of the rows", import),
];

fn trigger() -> Shape {
    let answer = document(1, [("event_id", text()), ("duplicate", flag()), ("evaluations", evaluations())]);
    either([answer, run_shown()])
}

fn why() -> Shape {
    let line = object([
        ("at", instant()),
        ("local", text().about("in the project's zone")),
        ("kind", text().about("event, run, message, consent, campaign")),
        ("id", text()),
        ("run", text().or_null().about("the run that is started, ended, or sends")),
        ("workflow", text().or_null()),
        ("name", text().or_null()),
        ("text", text()),
        ("reason", text().or_null()),
        ("facts", list(text())),
    ]);
    document(
        1,
        [
            ("contact", text().or_null()),
            ("number", text().or_null().about("masked unless `--show-pii`")),
            ("from", instant()),
            ("to", instant()),
            ("workflow", text().or_null()),
            ("lines", list(line)),
            ("conclusion", list(text())),
            ("near", list(text()).about("numbers that are nearly this one")),
            ("more", flag().about("there is more than is told")),
        ],
    )
}

fn runs() -> Shape {
    document(1, [("zone", zone()), ("runs", list(numbered_run()))])
}

fn zone() -> Shape {
    text().about("the project's, in which people read times")
}

fn numbered_run() -> Shape {
    run().and([("number", text().or_null().about("of the person, masked"))])
}

fn run_shown() -> Shape {
    let entry = object([("at", instant()), ("step", text()), ("what", text()), ("text", text())]);
    document(
        1,
        [
            ("zone", zone()),
            ("run", numbered_run()),
            ("because", text().about("its reason in words")),
            ("vars", map(anything())),
            ("steps", map(anything()).about("what each step with an id left")),
            ("trace", list(entry)),
            ("deliveries", list(delivery())),
            ("calls", list(call())),
            ("evaluations", evaluations().or_null()),
            ("event", event().or_null()),
        ],
    )
}

fn attention() -> Shape {
    let cause = object([
        ("key", text()),
        ("kind", text().about("run, evaluation, campaign, delivery")),
        ("workflow", text()),
        ("step", text()),
        ("reason", text()),
        ("count", whole()),
        ("oldest", instant()),
        ("newest", instant()),
        ("examples", list(text())),
        ("acts", list(text()).about("what may be ordered of all of them")),
    ]);
    document(1, [("causes", list(cause))])
}

fn order() -> Shape {
    document(1, [("id", text()), ("state", text()), ("reason", text())])
}

fn orders() -> Shape {
    let refusal = object([("id", text()), ("error", text()), ("hint", text())]);
    let all = [("done", whole()), ("refused", whole()), ("refusals", list(refusal)), ("more", flag())];
    either([order(), document(1, all)])
}

fn redrive() -> Shape {
    document(1, [("id", text()), ("redrive_of", text())])
}

fn replay() -> Shape {
    let difference = object([("step", text()), ("was", text()), ("now", text())]);
    document(
        1,
        [
            ("run", text()),
            ("identical", flag()),
            ("lines", whole()),
            ("messages", whole()),
            ("calls", whole()),
            ("difference", difference.or_null()),
        ],
    )
}

fn campaigns() -> Shape {
    document(1, [("campaigns", list(campaign()))])
}

fn campaign_shown() -> Shape {
    let counts = || map(whole()).about("how many in each state");
    document(1, [("campaign", campaign()), ("runs", counts()), ("deliveries", counts())])
}

fn campaign_ordered() -> Shape {
    document(1, [("id", text()), ("state", text())])
}

fn send() -> Shape {
    let reason = text().about("opted_out, window_closed, rejected:131026 …; with `--wait`, of one that failed");
    let because = text().about("the same in words, in the language of this machine");
    document(
        1,
        [("message", object([("uuid", text()), ("status", text()), ("reason?", reason), ("because?", because)]))],
    )
}

fn person() -> Shape {
    let history = || ("consent_history", consents());
    let stranger = object([("phone", text()), ("withdrawal", withdrawal()), history()]);
    let stranger = stranger.about("a number that nobody is known by, and whose owner wants no more messages");
    document(1, [("zone", zone()), ("contact", either([contact().and([history()]), stranger]))])
}

fn person_ordered() -> Shape {
    let contact = text().or_null().about("null: nobody is known by the number, and it counts for whoever comes");
    document(1, [("contact", contact), ("number", text().or_null().about("masked"))])
}

fn export() -> Shape {
    let open_call = call().and([("ask", anything()), ("result", anything())]);
    let run = run().and([("progress", anything()), ("calls", list(open_call))]);
    let fields = [
        ("contact", contact()),
        ("names", list(text()).about("other names of the same person")),
        ("consents", consents()),
        ("runs", list(run)),
        ("messages", list(delivery().and([("message", anything())]))),
        ("events", list(event().and([("attachments", list(attachment()))]))),
    ];
    document(1, fields)
}

fn import() -> Shape {
    let counts = ["created", "updated", "unchanged", "duplicate", "bad"].map(|name| (name, whole()));
    document(1, [("counts", object(counts)), ("bad_rows", bad_rows())])
}
