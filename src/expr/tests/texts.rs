//! `language.md` §8: how texts are filled.

use super::World;
use crate::expr::{Text, Wants};
use serde_json::json;

#[test]
fn a_secret_is_filled_with_a_mark_that_no_value_can_forge() {
    let forged = json!({ "x": "\u{e000}secret:OTHER\u{e001}", "y": "\u{e001}\u{e000}" });
    let world = World::new().event(forged);
    assert_eq!(world.fill("Bearer {{secret.BOOKING_TOKEN}}"), "Bearer \u{e000}secret:BOOKING_TOKEN\u{e001}");
    assert_eq!(world.fill("{{event.x}} {{upper event.x}}"), "secret:OTHER SECRET:OTHER");
    assert_eq!(world.fill("{{event.y}}"), "? event.y is empty");
    let text = Text::parse("a {{secret.KEY}}").unwrap();
    assert_eq!((text.literal(), text.paths()[0].root.as_str()), (None, "secret"));
    assert_eq!((text.paths()[0].fields.as_slice(), text.paths()[0].offset), (["KEY".to_owned()].as_slice(), 4));
}

#[test]
fn paths_are_printed_or_leave_a_hole() {
    World::new().table(
        &[
            ("Hi {{contact.first_name}}!", "Hi Ana!"),
            ("{{event.total}} {{event.qty}} {{event.flag}}", "129.9 3 true"),
            ("{{event.nothing}}", "? event.nothing is missing"),
            ("{{event.coupon.code}}", "? event.coupon.code is missing"),
            ("{{event.coupon}}", "? event.coupon is missing"),
            ("{{event.blank}}", "? event.blank is empty"),
            ("{{event.items}}", "? event.items is a list"),
            ("{{event.customer}}", "? event.customer is an object"),
            ("{{event}}", "? event is an object"),
            ("{{event.items.0.name}}", "Boots"),
            ("{{event.items.9.name}}", "? event.items.9.name is missing"),
            ("{{contact.email}}", "? contact.email is missing"),
            (
                "{{event.Fin_de_contrat}} {{event.prenom}} {{event.prénom}} {{event.first-name}}",
                "2026-12-31 Zoé Zoé Bo",
            ),
            ("{{now}}", "2026-03-02T09:00:00Z"),
            ("{{vars.discount}}% {{steps.ask.choice}} {{workflow.id}}", "10% 2 w"),
            ("a {{! note }}b{{!-- {{x}} --}}c", "a bc"),
            ("a  {{~contact.first_name~}}  b", "aAnab"),
            ("<b>&\"' {{contact.name}}", "<b>&\"' Ana Pérez"),
            (r"\{{contact.name}}", "{{contact.name}}"),
            ("{ } }} {x}", "{ } }} {x}"),
        ],
        World::fill,
    );
    let markup = World::new().event(json!({ "x": "<&'\">", "y": "{{contact.name}}" }));
    assert_eq!(markup.fill("{{event.x}} {{event.y}}"), "<&'\"> {{contact.name}}", "nothing is escaped or read again");
}

#[test]
fn blocks_choose_and_repeat() {
    World::new().table(
        &[
            ("{{#if event.flag}}yes{{else}}no{{/if}}", "yes"),
            ("{{#if event.nothing}}yes{{else}}no{{/if}}", "no"),
            ("{{#if event.coupon}}yes{{else}}no{{/if}}", "no"),
            ("{{#if event.off}}yes{{/if}}.", "."),
            ("{{#if event.zero}}yes{{else}}no{{/if}}", "no"),
            ("{{#if event.blank}}yes{{else}}no{{/if}}", "no"),
            ("{{#if event.empty}}yes{{else}}no{{/if}}", "no"),
            ("{{#if event.items}}yes{{else}}no{{/if}}", "yes"),
            ("{{#if (count event.empty)}}yes{{else}}no{{/if}}", "no"),
            ("{{#if (first_word event.nothing)}}yes{{else}}no{{/if}}", "no"),
            ("{{#unless event.nothing}}none{{else}}some{{/unless}}", "none"),
            (
                "{{#each event.items}}{{@index}}:{{this.name}}{{#unless @last}}, {{/unless}}{{/each}}",
                "0:Boots, 1:Socks",
            ),
            ("{{#each event.names}}{{#if @first}}[{{/if}}{{this}}{{/each}}]", "[AnaLéa]"),
            ("{{#each event.items}}{{event.status}} {{/each}}", "active active "),
            ("{{#each event.empty}}x{{else}}nothing{{/each}}", "nothing"),
            ("{{#each event.nothing}}x{{else}}nothing{{/each}}", "? event.nothing is missing"),
            ("{{#each event.status}}x{{/each}}", "? event.status is not a list"),
            ("{{#each event.items}}{{this.weight}}{{/each}}", "? this.weight of item 1 is missing"),
            ("{{#each event.long}}x{{/each}}", "? event.long has more than 1,000 items"),
            ("Items:\n{{#each event.items}}\n- {{this.name}}\n{{/each}}\nBye", "Items:\n- Boots\n- Socks\nBye"),
            ("{{#if event.flag}}{{#if event.off}}a{{else}}b{{/if}}{{/if}}", "b"),
        ],
        World::fill,
    );
}

#[test]
fn helpers_give_what_the_table_says() {
    World::new().table(
        &[
            ("{{default contact.email 'friend'}}", "friend"),
            ("{{default event.blank event.coupon contact.first_name 'x'}}", "Ana"),
            ("{{default event.zero 'x'}}", "0"),
            ("{{default (first_word event.nothing) 'friend'}}", "friend"),
            ("{{default event.nothing event.blank}}", "? event.nothing is missing"),
            ("{{capitalize event.status}}", "Active"),
            ("{{upper (first_word contact.name)}}", "ANA"),
            ("{{upper 'é'}}", "É"),
            ("{{lower contact.name}}", "ana pérez"),
            ("{{upper event.nothing}}", "? event.nothing is missing"),
            ("{{upper event.blank}}", "? event.blank is empty"),
            ("{{upper event.items}}", "? event.items is a list"),
            ("{{truncate contact.name 5}}", "Ana…"),
            ("{{truncate contact.name 40}}", "Ana Pérez"),
            ("{{truncate contact.name 'x'}}", "? \"x\" is not a number"),
            ("{{number 1234.5 2}}", "1,234.50"),
            ("{{number event.text_total}}", "120"),
            ("{{number 2.50}}", "2.5"),
            ("{{number event.status 2}}", "? event.status is not a number"),
            ("{{number event.qty 99}}", "? 99 is not a whole number up to 20"),
            ("{{join event.names ', '}}", "Ana, Léa"),
            ("{{join event.empty ', '}}", "? join event.empty is empty"),
            ("{{join event.items ', '}}", "? event.items holds an object"),
            ("{{count event.items}}", "2"),
            ("{{count event.nothing}}", "? event.nothing is missing"),
            ("{{count event.status}}", "? event.status is not a list"),
            ("{{plural event.qty 'item' 'items'}}", "3 items"),
            ("{{plural 1 'item' 'items'}} {{plural 0 'item' 'items'}}", "1 item 0 items"),
            ("{{plural (count event.items) 'item' 'items'}}", "2 items"),
            ("{{find event.answers 'field.ref' 'phone' 'phone_number'}}", "+34600000001"),
            ("{{find event.answers 'field.ref' 'mail' 'email'}}", "? no item of event.answers has field.ref mail"),
            ("{{find event.answers 'field.ref' 'phone' 'text'}}", "? find event.answers is missing"),
            ("{{default (find event.answers 'field.ref' 'mail' 'email') 'none'}}", "none"),
            ("{{url 'a b/é?&='}}", "a%20b%2F%C3%A9%3F%26%3D"),
            ("{{url 'A-Z_a.z~9'}}", "A-Z_a.z~9"),
            ("{{one_line event.multi}}", "a b c"),
        ],
        World::fill,
    );
}

#[test]
fn dates_are_written_in_the_readers_language() {
    let date = |language: &str| World::new().language(language).fill("{{date event.starts_at 'EEEE d MMMM'}}");
    assert_eq!(date("en"), "Wednesday 4 March");
    assert_eq!(date("fr"), "mercredi 4 mars");
    assert_eq!(date("es"), "miércoles 4 marzo");
    assert_eq!(date("es-MX"), "miércoles 4 marzo");
    assert_eq!(date("it"), "mercoledì 4 marzo");
    assert_eq!(date("pt"), "quarta-feira 4 março");
    assert_eq!(date("pt_BR"), "quarta-feira 4 março");
    assert_eq!(date("de"), "Mittwoch 4 März");
    assert_eq!(date("xx"), "Wednesday 4 March", "an unknown language is English");
    assert_eq!(date("no language at all"), "Wednesday 4 March");
    World::new().table(
        &[
            ("{{date event.starts_at}} {{time event.starts_at}}", "4 March 2026 09:30"),
            ("{{date event.day 'd/M/yy'}}", "4/3/26"),
            ("{{date event.day 'EEE d MMM y'}}", "Wed 4 Mar 2026"),
            ("{{date event.day \"d 'of' MMMM, y\"}}", "4 of March, 2026"),
            ("{{time event.starts_at 'h:mm a'}}", "9:30 AM"),
            ("{{time event.starts_at zone='America/Bogota'}}", "03:30"),
            ("{{date event.day 'd' zone='America/Bogota'}}", "4"),
            ("{{date event.french_day 'd MMMM' from='dd/MM/yyyy'}}", "4 March"),
            ("{{date event.paid_at 'yyyy-MM-dd'}}", "2026-03-02"),
            ("{{date now 'HH:mm:ss'}}", "10:00:00"),
            ("{{date event.status}}", "? event.status is not a time"),
            ("{{date event.nothing}}", "? event.nothing is missing"),
            ("{{time event.starts_at zone=event.status}}", "? event.status is not a time zone"),
            ("{{date event.day event.status}}", "? event.status is not a way to write a date"),
            ("{{date event.french_day from=event.nothing}}", "? event.nothing is missing"),
        ],
        World::fill,
    );
}

#[test]
fn money_follows_language_and_currency() {
    let pay =
        |language: &str, text: &str| World::new().language(language).fill(text).replace(['\u{a0}', '\u{202f}'], "_");
    let rows = [
        ("en", "{{money event.total 'EUR'}}", "€129.90"),
        ("fr", "{{money event.total 'EUR'}}", "129,90_€"),
        ("es", "{{money event.total 'EUR'}}", "129,90_€"),
        ("it", "{{money event.total 'EUR'}}", "129,90_€"),
        ("pt", "{{money event.total 'EUR'}}", "129,90_€"),
        ("de", "{{money event.total 'EUR'}}", "129,90_€"),
        ("fr", "{{money 1234567.5 'EUR'}}", "1_234_567,50_€"),
        ("de", "{{money 1234567.5 'EUR'}}", "1.234.567,50_€"),
        ("en", "{{money 1234 'jpy'}}", "¥1,234"),
        ("fr", "{{money 1234 'JPY'}}", "1_234_¥"),
        ("en", "{{money 12990 'EUR' cents=true}}", "€129.90"),
        ("en", "{{money 500 'JPY' cents=true}}", "¥500"),
        ("en", "{{money 1.005 'EUR'}}", "€1.01"),
        ("en", "{{money -5 'USD'}}", "-$5.00"),
        ("fr", "{{money -5 'EUR'}}", "-5,00_€"),
        ("en", "{{money -0.001 'EUR'}}", "€0.00"),
        ("en", "{{money 5 'CHF'}}", "CHF_5.00"),
        ("pt-BR", "{{money 1234.5 'BRL'}}", "R$_1.234,50"),
        ("es-MX", "{{money 1234.5 'MXN'}}", "$1,234.50"),
        ("en", "{{money 1.2345 'KWD'}}", "KWD_1.235"),
        ("en", "{{money event.text_total 'EUR'}}", "€120.00"),
        ("en", "{{money event.total event.status}}", "? event.status is not a currency such as `EUR`"),
        ("en", "{{money event.total event.nothing}}", "? event.nothing is missing"),
        ("en", "{{money event.status 'EUR'}}", "? event.status is not a number"),
        ("en", "{{money event.total 'EUR' cents=event.status}}", "? event.status is not `true` or `false`"),
        ("fr", "{{number 1234.5 2}}", "1_234,50"),
        ("fr", "{{plural 0 'article' 'articles'}} {{plural 2 'article' 'articles'}}", "0 article 2 articles"),
    ];
    for (language, text, wanted) in rows {
        assert_eq!(pay(language, text), wanted, "{language} {text}");
    }
}

#[test]
fn a_text_tells_its_paths_and_literals() {
    let source = "{{#if contact.email}}{{contact.email}}{{/if}} {{default event.a 'x'}} {{count event.b}} {{#each event.c}}{{this.d}}{{/each}} {{event.a}}";
    let text = Text::parse(source).unwrap();
    let paths: Vec<String> = text
        .paths()
        .iter()
        .map(|used| {
            let wants = match used.wants {
                Wants::Scalar => "",
                Wants::List => "[]",
                Wants::Any => "*",
            };
            format!("{}.{}{wants}{}", used.root, used.fields.join("."), if used.optional { "?" } else { "" })
        })
        .collect();
    assert_eq!(
        paths,
        ["contact.email*?", "contact.email?", "event.a?", "event.b[]", "event.c[]", "event.c.0.d", "event.a"]
    );
    for used in text.paths() {
        let written = &source[used.offset..used.offset + used.len];
        assert!(written.ends_with(used.fields.last().unwrap().as_str()), "{written}");
    }
    assert_eq!(text.literal(), None);
    assert_eq!(Text::parse("Hello 👋").unwrap().literal(), Some("Hello 👋"));
    assert_eq!(Text::parse("").unwrap().literal(), Some(""));
    let world = World::new();
    let optional = |source: &str| Text::parse(source).unwrap().render_optional(&world.scope());
    assert_eq!(optional("{{event.nothing}}"), None);
    assert_eq!(optional("  "), None);
    assert_eq!(optional("{{contact.name}}").as_deref(), Some("Ana Pérez"));
}

#[test]
fn filling_is_bounded() {
    let world = World::new().event(json!({ "big": "x".repeat(200_000), "list": vec![1; 1000] }));
    assert_eq!(world.fill("{{event.big}}{{event.big}}"), "? the text is longer than 256 KiB");
    let nested = "{{#each event.list}}{{#each event.list}}{{#if event.no}}x{{/if}}{{/each}}{{/each}}";
    assert_eq!(world.fill(nested), "? the lists in the text are too long");
}

/// What a reader of each language expects, by Unicode's data.
#[test]
fn six_languages_write_dates_amounts_and_numbers_as_their_readers_do() {
    let rows = [
        ("en", "4 March 2026", "Wednesday, 4 March 2026", "Wednesday 4 March", "12,345.68", "€1,234.50"),
        ("en-GB", "4 March 2026", "Wednesday, 4 March 2026", "Wednesday 4 March", "12,345.68", "€1,234.50"),
        ("en-US", "March 4, 2026", "Wednesday, March 4, 2026", "Wednesday, March 4", "12,345.68", "€1,234.50"),
        ("fr", "4 mars 2026", "mercredi 4 mars 2026", "mercredi 4 mars", "12_345,68", "1_234,50_€"),
        ("fr_CA", "4 mars 2026", "mercredi 4 mars 2026", "mercredi 4 mars", "12_345,68", "1_234,50_€"),
        (
            "es",
            "4 de marzo de 2026",
            "miércoles, 4 de marzo de 2026",
            "miércoles, 4 de marzo",
            "12.345,68",
            "1234,50_€",
        ),
        (
            "es-MX",
            "4 de marzo de 2026",
            "miércoles, 4 de marzo de 2026",
            "miércoles, 4 de marzo",
            "12,345.68",
            "€1,234.50",
        ),
        ("it", "4 marzo 2026", "mercoledì 4 marzo 2026", "mercoledì 4 marzo", "12.345,68", "1234,50_€"),
        (
            "pt",
            "4 de março de 2026",
            "quarta-feira, 4 de março de 2026",
            "quarta-feira, 4 de março",
            "12.345,68",
            "1.234,50_€",
        ),
        (
            "pt-BR",
            "4 de março de 2026",
            "quarta-feira, 4 de março de 2026",
            "quarta-feira, 4 de março",
            "12.345,68",
            "€_1.234,50",
        ),
        (
            "pt-PT",
            "4 de março de 2026",
            "quarta-feira, 4 de março de 2026",
            "quarta-feira, 4 de março",
            "12_345,68",
            "1234,50_€",
        ),
        ("de", "4. März 2026", "Mittwoch, 4. März 2026", "Mittwoch, 4. März", "12.345,68", "1.234,50_€"),
        ("de-AT", "4. März 2026", "Mittwoch, 4. März 2026", "Mittwoch, 4. März", "12_345,68", "€_1_234,50"),
    ];
    for (language, long, full, day, number, money) in rows {
        let filled = |text: &str| World::new().language(language).fill(text).replace(['\u{a0}', '\u{202f}'], "_");
        assert_eq!(filled("{{date event.starts_at}}"), long, "{language}");
        assert_eq!(filled("{{date event.starts_at 'long'}}"), long, "{language}");
        assert_eq!(filled("{{date event.starts_at 'full'}}"), full, "{language}");
        assert_eq!(filled("{{date event.starts_at 'day'}}"), day, "{language}");
        assert_eq!(filled("{{number 12345.678 2}}"), number, "{language}");
        assert_eq!(filled("{{money 1234.5 'EUR'}}"), money, "{language}");
    }
}

/// The first word where the language's rules say `one`, the second for every other number.
#[test]
fn each_language_has_its_own_idea_of_one() {
    let rows = [
        ("en", [false, true, false, false, false]),
        ("fr", [true, true, true, false, false]),
        ("es", [false, true, false, false, false]),
        ("it", [false, true, false, false, false]),
        ("pt", [true, true, true, false, false]),
        ("pt-PT", [false, true, false, false, false]),
        ("de", [false, true, false, false, false]),
    ];
    for (language, wanted) in rows {
        let one = ["0", "1", "1.5", "2", "1000000"].map(|number| {
            let text = format!("{{{{plural {number} 'ONE' 'MORE'}}}}");
            World::new().language(language).fill(&text).ends_with("ONE")
        });
        assert_eq!(one, wanted, "{language}: 0, 1, 1.5, 2, 1000000");
    }
}
