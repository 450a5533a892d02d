//! `relance fmt` as it is called, and the layout of everything that the project ships.

use crate::process::Site;
use relance::config::Files;
use relance::workflow::format::{Left, format};
use std::fs;
use std::path::{Path, PathBuf};

const MESSY: &str = "name:   Messy   # keep me\nwhen:   {message: {is: [ ping ]}}\n\n\n\ndo:\n    # the answer\n    - send_message: {text: 'pong'}";
const NEAT: &str = "name: Messy     # keep me\nwhen: { message: { is: [ping] } }\n\ndo:\n  # the answer\n  - send_message: { text: 'pong' }\n";

#[tokio::test]
async fn files_are_written_only_when_nobody_asks_to_look_first() {
    let site = Site::of("shop");
    let path = site.path().join("workflows/messy.yaml");
    site.write("workflows/messy.yaml", MESSY);
    let looked = site.run(&["fmt", "--check"]).await;
    assert_eq!(
        (looked.code, looked.stdout.as_str()),
        (1, "workflows/messy.yaml\n1 file would change; nothing was written\n"),
        "{looked:?}"
    );
    let shown = site.run(&["fmt", "--check", "--diff"]).await;
    assert!(shown.code == 1 && shown.stdout.contains("+   # the answer\n"), "{shown:?}");
    assert!(
        !shown.stdout.contains("would change") && shown.stderr.contains("1 file would change"),
        "a patch: {shown:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), MESSY, "only looked at");
    let said = site.run(&["fmt"]).await;
    assert!(said.code == 0 && said.stdout.contains("1 file changed"), "{said:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), NEAT);
    let again = site.run(&["fmt", "--check"]).await;
    assert!(again.code == 0 && again.stdout.ends_with(" files looked at, nothing to change\n"), "{again:?}");
}

#[tokio::test]
async fn a_file_with_mistakes_is_left_alone_and_the_mistake_is_told() {
    let site = Site::of("shop");
    let broken = "name:   Broken\nwhen: {message: any}\ndo:\n  - send_message: { text: {{name}} }\n";
    site.write("workflows/broken.yaml", broken);
    site.write("workflows/messy.yaml", MESSY);
    let said = site.run(&["fmt"]).await;
    assert!(said.code == 1 && said.stdout.contains("workflows/broken.yaml:4:27: error[R101]"), "{said:?}");
    assert_eq!(fs::read_to_string(site.path().join("workflows/broken.yaml")).unwrap(), broken);
    assert_eq!(fs::read_to_string(site.path().join("workflows/messy.yaml")).unwrap(), NEAT, "the others are formatted");
}

#[tokio::test]
async fn one_file_comes_through_stdin() {
    let site = Site::of("shop");
    let said = site.run_with(&["fmt", "-"], MESSY).await;
    assert_eq!((said.code, said.stdout.as_str()), (0, NEAT), "{said:?}");
    let looked = site.run_with(&["fmt", "--check", "-"], MESSY).await;
    assert_eq!((looked.code, looked.stdout.as_str()), (1, "stdin\n"), "{looked:?}");
    let broken = site.run_with(&["fmt", "-"], "a: [1\n").await;
    assert!(broken.code == 1 && broken.stderr.contains("error[R104]"), "{broken:?}");
    assert_eq!(broken.stdout, "a: [1\n", "what goes through a filter comes out");
    let unusual = site.run_with(&["fmt", "-"], "a:   1\n...\n").await;
    assert_eq!((unusual.code, unusual.stdout.as_str()), (1, "a:   1\n...\n"), "{unusual:?}");
    assert!(unusual.stderr.contains("left as it is"), "{unusual:?}");
}

fn yaml_below(folder: &Path, found: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            yaml_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.insert(path.display().to_string(), fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_examples_and_the_blueprints_are_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Files::new();
    for folder in ["workflows", "blueprints", "src/cli/init/start", "tests/projects"] {
        yaml_below(&root.join(folder), &mut files);
    }
    for name in ["relance.yaml", "templates.yaml"] {
        files.insert(name.into(), fs::read_to_string(root.join(name)).unwrap());
    }
    assert!(files.len() > 60, "{}", files.len());
    for (path, text) in files {
        let formatted = format(&path, &text).unwrap_or_else(|left| panic!("{path}: {left:?}"));
        assert_eq!(formatted, text, "{path}: `relance fmt` would change it");
    }
}

/// The corpora hold every notation that people use, and every mistake they make.
#[test]
fn every_good_file_can_be_formatted_and_says_the_same_then() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut good, mut bad) = (Files::new(), Files::new());
    yaml_below(&root.join("tests/good"), &mut good);
    yaml_below(&root.join("tests/bad"), &mut bad);
    for (path, text) in &good {
        let once = format(path, text).unwrap_or_else(|left| panic!("{path}: {left:?}"));
        assert_eq!(format(path, &once).unwrap(), once, "{path}");
    }
    let mut formatted = 0;
    for (path, text) in &bad {
        match format(path, text) {
            Ok(once) => {
                assert_eq!(format(path, &once).unwrap(), once, "{path}");
                formatted += 1;
            }
            Err(Left::Mistakes(found)) => assert!(!found.is_empty(), "{path}"),
            Err(Left::Unusual) => assert!(!text.contains(": "), "{path}:\n{text}"),
        }
    }
    assert!(formatted > 80, "{formatted}");
}
