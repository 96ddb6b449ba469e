//! The page is all there, and keeps to its own content security policy.

use crate::lab::Lab;

crate::trials![
    the_page_and_its_files_are_served,
    the_page_has_nothing_inline_and_loads_nothing_from_elsewhere
];

/// Whether the program was built with its dashboard.
const DASHBOARD: bool = cfg!(feature = "dashboard");

/// The files that the page names.
fn files(page: &str) -> Vec<&str> {
    let parts = page.split(['"', '\'']);
    parts.filter(|part| part.starts_with("/assets/")).collect()
}

fn the_page_and_its_files_are_served() {
    let lab = Lab::new();
    let page = lab.get("/");
    assert_eq!(page.status, 200);
    if !DASHBOARD {
        assert!(page.text().contains("built without its dashboard"));
        return;
    }
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    let files = files(text);
    for (ending, kind) in [
        (".js", "text/javascript; charset=utf-8"),
        (".css", "text/css; charset=utf-8"),
        (".svg", "image/svg+xml"),
    ] {
        let path = files.iter().find(|path| path.ends_with(ending)).unwrap();
        let answer = lab.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
    }
}

fn the_page_has_nothing_inline_and_loads_nothing_from_elsewhere() {
    let lab = Lab::new();
    let page = lab.get("/");
    let page = page.text();
    assert_eq!(page.matches("<script").count(), page.matches(" src=\"/assets/").count());
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick"));
    for path in files(page).iter().filter(|path| path.ends_with(".css")) {
        let style = lab.get(path);
        let style = style.text();
        assert!(!style.contains("url(http") && !style.contains("url(//"), "{path}");
        assert!(!style.contains("@import"), "{path}");
    }
}
