//! Builds the dashboard (`ui/`, through npm) and lists its files for `src/page.rs`, which
//! embeds them. Only with the cargo feature `dashboard`: the API alone needs no Node.js.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

/// What the dashboard is built from. The tests are not.
const INPUTS: [&str; 6] =
    ["index.html", "package.json", "package-lock.json", "src", "tsconfig.json", "vite.config.ts"];

/// The oldest Node.js that Vite 6 runs on; Debian 12 and Ubuntu 24.04 have newer ones.
const OLDEST_NODE: (u32, u32) = (18, 0);

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_DASHBOARD").is_none() {
        return Ok(());
    }
    for input in INPUTS {
        println!("cargo::rerun-if-changed=ui/{input}");
    }
    let ui = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("ui");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let dist = out.join("ui");
    if let Err(problem) = build(&ui, &dist) {
        // Plain lines instead of a panic: this is for whoever just wanted to run it.
        eprintln!("\nThe dashboard could not be built: {problem}.\n");
        eprintln!("It needs Node.js {} or newer with npm, and for the first build", OLDEST_NODE.0);
        eprintln!("npm's registry. Install them:");
        eprintln!("    Debian, Ubuntu:  sudo apt-get install nodejs npm");
        eprintln!("    elsewhere:       https://nodejs.org");
        eprintln!("or build the REST API alone, without a page:");
        eprintln!("    cargo build -p minidocker-web --no-default-features\n");
        std::process::exit(1);
    }
    fs::write(out.join("files.rs"), list(&dist, &out.join("compressed"))?)?;
    Ok(())
}

fn build(ui: &Path, dist: &Path) -> Result<(), String> {
    check_node()?;
    // npm writes this file last; the lock file being newer means that packages changed.
    let installed = fs::metadata(ui.join("node_modules/.package-lock.json"));
    let wanted = fs::metadata(ui.join("package-lock.json"));
    let modified = |file: std::io::Result<fs::Metadata>| file.and_then(|file| file.modified()).ok();
    if modified(installed) < modified(wanted) {
        // Nothing that is installed needs to run a program of its own while it is.
        run(ui, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"], dist)?;
    }
    run(ui, "node", &["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"], dist)
}

fn check_node() -> Result<(), String> {
    let output = Command::new("node")
        .arg("--version")
        .output()
        .map_err(|error| format!("the program node cannot be run ({error})"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_string();
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|n| n.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST_NODE => Ok(()),
        _ => Err(format!("the node on the PATH has version {version:?}")),
    }
}

fn run(ui: &Path, program: &str, arguments: &[&str], dist: &Path) -> Result<(), String> {
    let what = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(ui)
        .env("MINIDOCKER_UI_OUT", dist)
        .output()
        .map_err(|error| format!("`{what}` cannot be run ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Err(format!("`{what}` failed in {} ({})", ui.display(), output.status))
}

/// A Rust expression: every file that was built, as (path in a URL, bytes, the same compressed
/// by gzip if that makes them much smaller). Compressed here once, and not at each request.
fn list(dist: &Path, compressed: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    let mut folders = vec![dist.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    fs::create_dir_all(compressed)?;
    let mut code = String::from("&[\n");
    for (number, file) in files.into_iter().enumerate() {
        let path = file.strip_prefix(dist)?.to_str().ok_or("a file name that is not UTF-8")?;
        let url = format!("/{}", path.replace('\\', "/"));
        let bytes = fs::read(&file)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        let small = encoder.finish()?;
        // Fonts are compressed already.
        let gzip = if small.len() < bytes.len() / 10 * 9 {
            let path = compressed.join(number.to_string());
            fs::write(&path, small)?;
            format!("Some(include_bytes!({path:?}))")
        } else {
            "None".into()
        };
        writeln!(code, "    ({url:?}, include_bytes!({file:?}), {gzip}),")?;
    }
    code.push_str("]\n");
    Ok(code)
}
