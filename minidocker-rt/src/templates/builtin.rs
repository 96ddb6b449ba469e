//! The templates that come with the library: three small programs to begin with.

use super::{Template, TemplateName};
use crate::error::Result;
use crate::spec::ContainerSpec;

const PROCESSOR: &str = r#"python -c "
import os
mode = os.environ.get('MODE', 'normal')
items = range(1, int(os.environ.get('LIMIT', '10')) + 1)
squares = [item * item for item in items]
print(f'Mode: {mode}, processing {len(items)} items')
print(f'Sum of squares: {sum(squares)}, largest: {max(squares)}')
""#;

const WATCHER: &str = r#"python -c "
import os, time
folder = os.environ.get('WATCH', '/tmp')

def look():
    times = {}
    for name in os.listdir(folder):
        try:
            times[name] = os.lstat(os.path.join(folder, name)).st_mtime_ns
        except FileNotFoundError:
            pass  # it went while we looked
    return times

before = look()
print('Watching', folder)
while True:
    time.sleep(1)
    now = look()
    for name in sorted(now.keys() | before.keys()):
        if name not in before:
            print('created', name)
        elif name not in now:
            print('deleted', name)
        elif now[name] != before[name]:
            print('changed', name)
    before = now
""#;

/// All built-in templates, as the manual lists them.
pub(crate) fn builtin() -> Result<Vec<Template>> {
    let all = [
        (
            "python-web-server",
            "Python Web Server",
            "Simple HTTP server: shows the files of its folder on port 8000, which is published \
             at a free port of this machine.",
            // A free port: it starts the first time, and beside others like it.
            ContainerSpec::new("a", "python -m http.server 8000")
                .memory_mb(100)
                .cpu_percent(50)
                .publish("0:8000"),
        ),
        (
            "data-processor",
            "Data Processor",
            "Example data processing script: computes with LIMIT numbers and ends.",
            ContainerSpec::new("a", PROCESSOR)
                .memory_mb(150)
                .cpu_percent(75)
                .env("MODE", "fast")
                .env("LIMIT", "100"),
        ),
        (
            "file-watcher",
            "File Watcher",
            "Simple file watching example: says what is created, changed and deleted in the \
             folder WATCH.",
            ContainerSpec::new("a", WATCHER).memory_mb(50).cpu_percent(25).env("WATCH", "/tmp"),
        ),
    ];
    all.into_iter()
        .map(|(name, title, description, spec)| {
            let template = Template::new(name, spec)?.title(title).description(description);
            Ok(Template { builtin: true, ..template })
        })
        .collect()
}

/// Whether a built-in template has this name.
pub(crate) fn is_builtin(name: &TemplateName) -> bool {
    ["python-web-server", "data-processor", "file-watcher"].contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_known_as_one() {
        let all = builtin().unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|template| is_builtin(template.name()) && template.is_builtin()));
    }
}
