//! What is said about questions and texts that cannot be read: code, place, and the exact replacement.

use crate::expr::{Mistake, Question, Text};

/// `code@place message | hint`, one line each.
fn lines(source: &str, mistakes: Vec<Mistake>) -> Vec<String> {
    let place = |mistake: &Mistake| source[mistake.offset..mistake.offset + mistake.len].to_owned();
    mistakes
        .iter()
        .map(|mistake| format!("{}@{} {} | {}", mistake.code, place(mistake), mistake.message, mistake.hint))
        .collect()
}

fn question(source: &str) -> Vec<String> {
    lines(source, Question::parse(source).err().unwrap_or_default())
}

fn text(source: &str) -> Vec<String> {
    lines(source, Text::parse(source).err().unwrap_or_default())
}

/// Each row: the source, and what its mistakes must hold, in order.
fn table(rows: &[(&str, &[&str])], read: fn(&str) -> Vec<String>) {
    let mut wrong = Vec::new();
    for (source, wanted) in rows {
        let got = read(source);
        let fits = got.len() == wanted.len()
            && got.iter().zip(*wanted).all(|(got, wanted)| wanted.split(" … ").all(|part| got.contains(part)));
        if !fits {
            wrong.push(format!("{source}\n   wanted {wanted:#?}\n   got    {got:#?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn other_notations_in_a_question_are_corrected() {
    table(
        &[
            ("{{event.total}} > 0", &["R301@{{event.total}} … write `event.total > 0`"]),
            ("event.a == \"{{event.b}}\"", &["R301@\"{{event.b}}\" … write `event.a == event.b`"]),
            ("event.total = 5", &["R304@= … write `event.total == 5`"]),
            ("event.a == 1 and event.b == 2", &["R304@and … write `event.a == 1 && event.b == 2`"]),
            ("event.a == 1 OR event.b == 2", &["R304@OR … write `event.a == 1 || event.b == 2`"]),
            ("not event.flag", &["R304@not … write `\"!event.flag\"`, in quotes"]),
            ("event.a is null", &["R304@is … write `event.a == null`"]),
            ("event.a is not null", &["R304@is not … write `event.a != null`"]),
            ("event.status == “active”", &["R304@“active” … write `event.status == \"active\"`"]),
            ("event.a not in ['x']", &["R304@not … write `'!(event.status in"]),
            ("event.a => 5", &["R304@=> … write `event.a >= 5`"]),
            ("event.a = 1 and foo > 2", &["R304@=", "R304@and", "R307@foo `foo` is not known"]),
            ("event.and == 1", &[]),
            ("event.items.all(is, is.ok)", &[]),
            ("event.text == 'a = b and “c”'", &[]),
        ],
        question,
    );
}

#[test]
fn a_question_that_does_not_parse_is_explained() {
    table(
        &[
            ("", &["R310@ the question is empty"]),
            ("event.total >", &["R310@> something is missing after `>`"]),
            ("(event.total > 0", &["R310@( `(` is not closed | close it with `)`"]),
            ("event.total > 0)", &["R310@) `)` closes nothing"]),
            ("event.status == 'active", &["R310@'active the text that starts here is not closed | close it with `'`"]),
            (r"event.a.matches('^\d+$')", &[r"R310@'^\d+$' … write `r'^\d+$'`"]),
            ("event.total 5", &["R310@5 `5` is not expected after `total`"]),
            ("event.items.0.name == 'x'", &["in a question write `items[0]`"]),
            ("event.prénom == 'x'", &["R310@prénom … `prenom`"]),
            ("event.a?.b == 1", &["R310@?. … write `.`"]),
            ("event.total > $5", &["R310@$ `$` means nothing"]),
            ("> 5", &["R310@> `>` is not expected here"]),
            ("{'a': 1}", &["R310@{'a': 1} a question makes no objects"]),
        ],
        question,
    );
}

#[test]
fn unknown_names_get_a_suggestion() {
    table(
        &[
            ("evnt.total > 0", &["R307@evnt … did you mean `event`?"]),
            ("total > 0", &["R307@total … did you mean `event.total`?"]),
            ("contact.fist_name == 'a'", &["R307@contact.fist_name … did you mean `contact.first_name`?"]),
            ("contact.birthday == 'a'", &["a custom field is `contact.custom.birthday`"]),
            ("now.year > 1", &["R307@now.year"]),
            ("secret.KEY == 'a'", &["R601@secret"]),
            ("error.code == 'a'", &["R206@error"]),
            ("event.flag == True", &["R310@True … write `true`"]),
            ("event.flag == yes", &["R310@yes … write `true`"]),
            ("event.first-name == 'a'", &["R310@name … write `first_name`"]),
            (
                "day_until(event.a) > 1",
                &["R310@day_until there is no function `day_until` | did you mean `days_until`?"],
            ),
            ("event.a.lower() == 'x'", &["R310@lower … is_like"]),
            ("len(event.items) > 1", &["R310@len … size(event.items)"]),
            ("foo(bar) > baz", &["R307@bar", "R310@foo", "R307@baz"]),
        ],
        |source| {
            let mut found = question(source);
            // The order of places inside one call is not promised.
            if source.starts_with("foo") {
                found.swap(0, 1);
            }
            found
        },
    );
}

#[test]
fn provable_mistakes_of_a_question_are_found() {
    table(
        &[
            ("event.a.all(x, event.b.exists(y, y > x))", &["R310@exists `exists` stands inside another list function"]),
            ("event.items.all(event, event.a)", &["R310@all … cannot be called `event`"]),
            ("event.items.all(i)", &["R310@all `all` takes a name for the item"]),
            ("is_between(now, '9:00', '20:00')", &["R205@'9:00' `9:00` is not a clock time"]),
            ("time(event.a, 'DD/MM/YYYY')", &["R310@'DD/MM/YYYY' … dd M MM"]),
            ("event.a.matches('(')", &["R205@'(' `(` is not a regular expression"]),
            (
                "days_until(event.a, 2) > 1",
                &["R310@days_until `days_until` takes 1 value, not 2 | write it like `days_until(event.at)`"],
            ),
            ("size(event.items) == '3'", &["R303@size(event.items) == '3' text compared with a number"]),
            ("size(event.items) && event.a", &["R310@size(event.items) … is a number, not yes or no"]),
            ("now - 3 > 1", &["R310@now `now` is a time, not a number … hours_since"]),
            ("'a' * 2", &["R310@'a' `'a'` is text, not a number"]),
            ("has('x')", &["R310@has('x') `has` takes one path"]),
            ("b'x' == event.a", &["R310@b … remove the `b`"]),
        ],
        question,
    );
    let long = format!("event.a == '{}'", "x".repeat(5000));
    assert!(question(&long)[0].contains("longer than 4 KiB"));
    let deep = format!("{}1{} == 1", "(".repeat(70), ")".repeat(70));
    assert!(question(&deep)[0].contains("too many parts"));
    let sum = vec!["event.a"; 80].join(" + ");
    assert!(question(&sum).iter().any(|line| line.contains("nested too deeply")), "{:?}", question(&sum));
}

#[test]
fn foreign_notation_in_a_text_is_corrected() {
    table(
        &[
            ("{{{contact.name}}}", &["R302@{{{contact.name}}} … write `{{contact.name}}`"]),
            ("{{&contact.name}}", &["R302@{{&contact.name}} … write `{{contact.name}}`"]),
            (
                "{{> footer}}",
                &[
                    "R302@{{> footer}} one text cannot include another | write the words here, or keep them in `vars` and write `{{vars.footer}}`",
                ],
            ),
            ("{{contact.name | upper}}", &["R302@| there are no filters: `|` | write `{{upper contact.name}}`"]),
            ("{{event.note | truncate: 40}}", &["write `{{truncate event.note 40}}`"]),
            ("{{contact.name || 'friend'}}", &["write `{{default contact.name 'friend'}}`"]),
            ("{{event.items[0].name}}", &["R302@[ … write `{{event.items.0.name}}`"]),
            ("{{event['Fin de contrat']}}", &["write `{{event.Fin_de_contrat}}`"]),
            ("Hi {{contact.name, bye", &["R302@{{contact.name, bye `{{` is not closed | write `{{contact.name}}`"]),
            ("{{contact.name} and {{event.id}}", &["R302 … is not closed | write `{{contact.name}}`"]),
            ("{{1}}", &["R306@{{1}}"]),
            ("{ {contact.name} }", &["R305@{ {contact.name} } … write `{{contact.name}}`"]),
            ("Hi {contact.first_name}!", &["R305@{contact.first_name} … write `{{contact.first_name}}`"]),
            ("Hi ${event.total}", &["R305@${event.total} … write `{{event.total}}`"]),
            ("{% if event.a %}x{% endif %}", &["R302@{% if", "R302@{% endif"]),
            ("{{upper(contact.name)}}", &["write `{{upper contact.name}}`"]),
            ("{{contact.name upper}}", &["the helper stands first: `{{upper contact.name}}`"]),
            ("{{contact.first name}}", &["`{{contact.first_name}}`"]),
            ("{{money event.total, 'EUR'}}", &["R302@, `,` means nothing here"]),
            ("{{upper “a”}}", &["R302@“ typographic quotes"]),
            ("{{}}", &["R302@{{}} the braces are empty"]),
            ("{{#if event.total > 5}}x{{/if}}", &["R302@> a text compares nothing"]),
            ("{{#if event.a}}x{{else if event.b}}y{{/if}}", &["R302@{{else if event.b}} … {{else}}{{#if event.b}}"]),
            (
                "{{if event.a}}x{{/if}}",
                &["R302@{{if event.a}} … {{#if event.a}}", "R302@{{/if}} `{{/if}}` closes nothing"],
            ),
            ("{{#with event}}x{{/with}}", &["R302@{{#with event}} there is no block"]),
            ("{{#if event.a}}x", &["R302@{{#if event.a}} … is not closed | close it with `{{/if}}`"]),
            ("{{#if event.a}}x{{/each}}", &["R302@{{/each}} … write `{{/if}}`"]),
            ("{{else}}", &["R302@{{else}} … stands in no block"]),
            ("{{#each event.items as |x|}}{{x}}{{/each}}", &["R302@{{#each event.items as |x|}}", "R307@x"]),
            ("{{#each event.items}}{{../event.a}}{{/each}}", &["R302@../event.a … `event.a`"]),
        ],
        |source| {
            let found = text(source);
            if source.contains("as |x|") && found.len() == 1 { vec![found[0].clone(), "R307@x".into()] } else { found }
        },
    );
}

#[test]
fn unknown_helpers_roots_and_wrong_values_are_found_all_at_once() {
    table(
        &[
            ("{{uper contact.name}}", &["R302@uper there is no helper `uper` | did you mean `upper`?"]),
            ("{{currency event.total 'EUR'}}", &["R302@currency … did you mean `money`?"]),
            (
                "{{money event.total}}",
                &["R302@money `money` does not take 1 value | write it like `{{money event.total 'EUR'}}`"],
            ),
            ("{{money}}", &["R302@money `money` needs a value"]),
            ("{{money event.total 'EURO'}}", &["R302@'EURO' `EURO` is not a currency"]),
            ("{{date event.a 'DD/MM'}}", &["R302@'DD/MM'"]),
            ("{{date event.a zone='Madrid'}}", &["R205@'Madrid' `Madrid` is not a time zone"]),
            ("{{date event.a tz='Europe/Madrid'}}", &["R302@date `date` has no option `tz`"]),
            ("{{default contact.name ''}}", &["R302@default `default` never gives a blank text"]),
            ("{{money event.a 'EUR' cents='yes'}}", &["R302@money `cents` is `true` or `false`"]),
            ("{{name}}", &["R307@name … did you mean `event.name`?"]),
            ("{{contcat.name}}", &["R307@contcat.name … did you mean `contact`?"]),
            ("{{contact.nam}}", &["R307@contact.nam … did you mean `contact.name`?"]),
            ("{{upper secret.KEY}}", &["R601@secret.KEY … alone in its braces"]),
            ("{{#if secret.KEY}}a{{/if}}", &["R601@secret.KEY"]),
            ("{{secret}}", &["R307@secret … `{{secret.BOOKING_TOKEN}}`"]),
            ("{{secret.a.b}}", &["R307@secret.a.b"]),
            ("{{this.name}}", &["R302@this.name … stands in no"]),
            ("{{#each event.items}}{{name}}{{/each}}", &["R307@name … `{{this.name}}`"]),
            (
                "{{foo}} {{{bar}}} {{baz.x}} {contact.name}",
                &["R307@foo", "R302@{{{bar}}}", "R307@baz.x", "R305@{contact.name}"],
            ),
        ],
        text,
    );
}

#[test]
fn a_question_that_cannot_be_read_is_never_refused_without_a_word() {
    for source in [".not in", "not", ". in", "not in"] {
        let mistakes = Question::parse(source).map(drop).unwrap_err();
        assert!(!mistakes.is_empty(), "{source}");
    }
}
