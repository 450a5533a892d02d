//! Promise: a list of people may be long and badly written: what can be read is used once, what cannot is told by its line,
//! and the server holds no more of it in memory than of a short one.
//!
//! `RELANCE_TEST_ROWS=1000000` lets the lists be that long; `-- --nocapture` shows the figures.

use crate::process::{PATIENCE, RELANCE_TOKEN, Site, list, within};
use jiff::{ToSpan as _, Unit, Zoned};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

const ROWS: usize = 10_000;
/// Of a hundred rows so many name somebody who was named before, have a number that nobody has, or too few columns.
const TWICE: usize = 2;
const NOBODY: usize = 1;
const SHORT: usize = 1;

fn rows() -> usize {
    let rows = std::env::var("RELANCE_TEST_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
    assert_eq!(rows % 100, 0);
    rows
}

/// Much longer than it takes: a long list takes longer than anything else here.
fn patience(rows: usize) -> Duration {
    PATIENCE + Duration::from_millis(rows as u64)
}

/// As an old spreadsheet writes it: Windows-1252, semicolons, line ends of two bytes, and bytes that are no text at all.
fn write(path: &Path, rows: usize) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(b"phone;first_name;consent\r\n").unwrap();
    for row in 0..rows {
        let name: &[u8] = match row % 3 {
            0 => b"Jos\xe9",
            1 => b"Ana \x81\x8d\x00\xff",
            _ => "Žofie 👋".as_bytes(),
        };
        let number = match row % 100 {
            // Of this hundred, written in another way.
            31 | 57 => format!("6 {:08}", row - 30),
            77 => "12".to_owned(),
            _ => format!("+346{row:08}"),
        };
        let consent: &[u8] = if row % 100 == 87 { b"" } else { b";yes" };
        for part in [number.as_bytes(), b";", name, consent, b"\r\n"] {
            file.write_all(part).unwrap();
        }
    }
}

/// People, of so many rows.
fn good(rows: usize) -> u64 {
    (rows / 100 * (100 - TWICE - NOBODY - SHORT)) as u64
}

/// One firing, in the minute that is now when the clock of the server is moved.
fn set_up(site: &mut Site, rows: usize) {
    let at = Zoned::now().in_tz("Europe/Madrid").unwrap().checked_add(15.minutes()).unwrap();
    let (at, clock) = (at.round(Unit::Minute).unwrap(), "%H:%M");
    site.write(
        "workflows/weekly_class.yaml",
        &format!(
            "name: Weekly class\npurpose: utility\nwhen: {{ schedule: every day at {} }}\n\
             audience: {{ file: audiences/members.csv }}\nif: event.first_name == 'nobody'\ndo:\n  - stop: 'no'\n",
            at.strftime(clock)
        ),
    );
    write(&site.path().join("workflows/audiences/members.csv"), rows);
}

#[tokio::test]
async fn a_campaign_goes_through_a_long_and_broken_list_with_flat_memory() {
    let rows = rows();
    let mut site = Site::of("shop");
    set_up(&mut site, rows);
    let mut first = site.serve().await;
    first.signal("TERM");
    assert_eq!(first.ended().await, 0);
    site.set("RELANCE_CLOCK_OFFSET", "+16m");
    let begun = Instant::now();
    let serve = site.serve().await;
    let campaign = within(patience(rows), "rows are read", async || {
        let campaign = list(&site.api("campaigns").await["campaigns"]).into_iter().next()?;
        (campaign["state"] != "running").then_some(campaign)
    })
    .await;
    let took = begun.elapsed();
    assert_eq!(campaign["state"], "done", "{campaign}");
    let shown =
        ["total", "done", "started", "refused", "duplicates", "bad"].map(|count| campaign[count].as_u64().unwrap());
    let of_hundred = |n: usize| (rows / 100 * n) as u64;
    let all = rows as u64;
    assert_eq!(shown, [all, all, 0, good(rows), of_hundred(TWICE), of_hundred(NOBODY + SHORT)]);
    let memory = serve.peak_memory_mib();
    eprintln!("{rows} rows of a campaign: {took:?}, {memory} MiB");
    assert!(memory <= 150, "{memory} MiB");
}

#[tokio::test]
async fn a_long_and_broken_list_of_people_is_taken_in_with_flat_memory() {
    let rows = rows();
    let site = Site::of("shop");
    let path = site.path().join("people.csv");
    write(&path, rows);
    let serve = site.serve().await;
    let begun = Instant::now();
    let said = site.run_within(patience(rows), &["--json", "contacts", "import", path.to_str().unwrap()]).await;
    let took = begun.elapsed();
    assert_eq!(said.code, 1, "{}", said.stderr);
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    let of_hundred = |n: usize| (rows / 100 * n) as u64;
    let expected = json!({
        "created": good(rows), "updated": 0, "unchanged": 0, "duplicate": of_hundred(TWICE),
        "bad": of_hundred(NOBODY + SHORT),
    });
    assert_eq!(told["counts"], expected);
    let bad: Vec<u64> = list(&told["bad_rows"]).iter().map(|row| row["line"].as_u64().unwrap()).collect();
    let lines = |row: usize| (row..rows).step_by(100).map(|row| row as u64 + 2);
    let mut expected: Vec<u64> = lines(77).chain(lines(87)).collect();
    expected.sort_unstable();
    assert_eq!(bad, expected);
    assert!(!format!("{}{}", said.stdout, said.stderr).contains(RELANCE_TOKEN));
    let memory = serve.peak_memory_mib();
    eprintln!("{rows} rows of people: {took:?}, {memory} MiB");
    assert!(memory <= 150, "{memory} MiB");
}
