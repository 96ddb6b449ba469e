//! The page is all there, and keeps to its own content security policy.

use crate::lab::Lab;

crate::trials![the_page_and_its_files_are_served, the_page_has_nothing_inline];

fn the_page_and_its_files_are_served() {
    let lab = Lab::new();
    for (path, kind, part) in [
        ("/", "text/html; charset=utf-8", "<title>Mini Docker</title>"),
        ("/app.js", "text/javascript; charset=utf-8", "textContent"),
        ("/style.css", "text/css; charset=utf-8", "color-scheme: light dark"),
    ] {
        let answer = lab.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert!(answer.text().contains(part), "{path}");
    }
}

fn the_page_has_nothing_inline() {
    let lab = Lab::new();
    let (page, script) = (lab.get("/"), lab.get("/app.js"));
    let page = page.text();
    assert_eq!(page.matches("<script").count(), page.matches("<script src=\"/").count());
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick"));
    for unsafe_way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.text().contains(unsafe_way), "{unsafe_way}");
    }
}
