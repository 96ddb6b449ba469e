//! The page is all there, and keeps to its own content security policy.

use std::io::Read;

use crate::lab::Lab;

crate::trials![
    the_page_and_its_files_are_served,
    files_come_compressed_and_are_kept_by_the_browser,
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

fn files_come_compressed_and_are_kept_by_the_browser() {
    if !DASHBOARD {
        return;
    }
    let lab = Lab::new();
    let page = lab.get("/");
    assert_eq!(page.header("cache-control"), Some("no-store"), "the page names the files");
    let script = *files(page.text()).iter().find(|path| path.ends_with(".js")).unwrap();
    let with = |accepted: &str| lab.ask("GET", script, &[("Accept-Encoding", accepted)], "");
    let plain = lab.get(script);
    assert_eq!(plain.header("content-encoding"), None);
    for accepted in ["gzip", "br, GZIP;q=0.5", "deflate, gzip, br, zstd"] {
        let answer = with(accepted);
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{accepted}");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{accepted}");
        assert!(answer.body.len() < plain.body.len() / 2, "{} bytes", answer.body.len());
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut text).unwrap();
        assert_eq!(text, plain.body, "{accepted}");
    }
    for refused in ["br", "gzip;q=0", "gzipped", ""] {
        assert_eq!(with(refused).header("content-encoding"), None, "{refused}");
    }
    for path in files(page.text()) {
        let kept = lab.get(path);
        let kept = kept.header("cache-control").unwrap();
        assert!(kept.contains("max-age=31536000") && kept.contains("immutable"), "{path}: {kept}");
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
