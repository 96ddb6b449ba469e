//! What the documentation says of the tests is true.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(top.join("docs/security.md")).unwrap();
    let mut files = Vec::new();
    for folder in ["minidocker-rt/tests", "minidocker-web/tests"] {
        sources(&top.join(folder), &mut files);
    }
    let tests: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    // A test's name is a sentence of five words or more.
    let names = page.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() >= 4);
    let named: Vec<&str> = names.filter(|name| !name.contains(char::is_uppercase)).collect();
    assert!(named.len() >= 15, "{named:?}");
    for name in named {
        assert!(tests.contains(&format!("fn {name}(")), "no test is called {name}");
    }
}
