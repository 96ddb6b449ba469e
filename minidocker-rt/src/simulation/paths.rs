//! Where the container's paths are on the host, and the rewriting of commands from the one to
//! the other.
//!
//! A real container sees a volume at the path it was given, because the kernel shows it there.
//! Here the program runs on the host's own files, so the paths in its words and variables are
//! rewritten before it starts: `open('/app/data/x')` becomes `open('C:/MyData/x')`. That is a
//! reading of text, not of meaning. It knows where a path begins and ends, and how a path is
//! written inside the quotes of a shell or of a language like Python; a path that the program
//! puts together itself stays what it is. The log says what was rewritten.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::rootfs::SKELETON;
use crate::spec::{Volume, is_windows_path};

/// The trees whose programs a container borrows from the host. What is not in the container's
/// own rootfs is the host's there.
const PROGRAM_TREES: &[&str] = &["bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr"];

/// Where the container's paths are.
#[derive(Debug, Clone)]
pub(super) struct PathMap {
    rootfs: String,
    /// Path in the container and on the host; those that lie deeper come first.
    volumes: Vec<(String, String)>,
}

/// A path that was rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub inside: String,
    pub host: String,
}

/// How a text writes down a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// As it is: a word of a command, or a variable.
    Plain,
    /// In a program of a language where a backslash escapes in both kinds of quotes: Python,
    /// JavaScript, Perl, Ruby.
    Code,
    /// In a shell's script.
    Shell,
}

impl PathMap {
    /// For a container's own rootfs and the volumes that it sees.
    pub fn new(rootfs: &Path, volumes: &[Volume]) -> PathMap {
        let mut volumes: Vec<(String, String)> = volumes
            .iter()
            .map(|volume| {
                let host = volume.host().to_string_lossy();
                (volume.container().as_str().to_string(), plain_windows_path(&host).to_string())
            })
            .collect();
        volumes.sort_by_key(|(inside, _)| std::cmp::Reverse(inside.len()));
        PathMap { rootfs: plain_windows_path(&rootfs.to_string_lossy()).to_string(), volumes }
    }

    /// Where a full path of the container is, whether or not there is something.
    pub fn host_path(&self, inside: impl AsRef<[u8]>) -> PathBuf {
        let inside = inside.as_ref();
        let volume = self.volumes.iter().find_map(|(at, host)| {
            let rest = inside.strip_prefix(at.as_bytes())?;
            (rest.is_empty() || rest.starts_with(b"/")).then_some((host, rest))
        });
        let (base, rest) = volume.unwrap_or((&self.rootfs, inside));
        let mut path = PathBuf::from(base);
        let parts = rest.split(|&byte| byte == b'/');
        path.extend(parts.filter(|part| !matches!(*part, b"" | b".")).map(os_name));
        path
    }

    /// The container's path of a host's path, if that lies in its rootfs.
    pub fn inside_rootfs(&self, host: &Path) -> Option<String> {
        let rest = host.strip_prefix(&self.rootfs).ok()?;
        let parts: Vec<_> = rest.iter().map(|part| part.to_string_lossy()).collect();
        Some(format!("/{}", parts.join("/")))
    }

    /// The volumes at a path of the container or below it.
    pub fn has_volume_below(&self, inside: impl AsRef<[u8]>) -> bool {
        let inside = os_name(inside.as_ref());
        self.volumes.iter().any(|(at, _)| Path::new(at).starts_with(&inside))
    }

    fn volume_of<'a, 'b>(&'a self, inside: &'b str) -> Option<(&'a String, &'b str)> {
        self.volumes.iter().find_map(|(at, host)| {
            let rest = inside.strip_prefix(at.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((host, rest))
        })
    }

    /// The host's path for one that stands in a text, if the text means the container's.
    /// `is_file_name` says that it stands where a program names a file: then one that is neither
    /// here nor on the host is about to be made, and belongs to the container.
    fn locate<'a, 'b>(
        &'a self,
        inside: &'b str,
        is_file_name: bool,
    ) -> Option<(&'a String, &'b str)> {
        if let Some(found) = self.volume_of(inside) {
            return Some(found);
        }
        let top = inside.split('/').nth(1).unwrap_or_default();
        // These lead out of the rootfs, the last two on Windows.
        if matches!(top, "." | "..") || cfg!(windows) && top.contains(['\\', ':']) {
            return None;
        }
        let exists = |path: &str| {
            let parts = path.split('/').filter(|part| !part.is_empty());
            Path::new(&self.rootfs).join(parts.collect::<PathBuf>()).exists()
        };
        let is_own = if PROGRAM_TREES.contains(&top) {
            let plain = inside.trim_matches('/');
            !SKELETON.contains(&plain) && exists(inside)
        } else {
            // The root alone: in a text a lone slash is more often a division.
            !top.is_empty() && (exists(top) || is_file_name && is_new(inside, top))
        };
        is_own.then_some((&self.rootfs, inside))
    }

    /// A word of the command, given the words before it.
    pub fn rewrite_word(&self, words: &[String], index: usize) -> (String, Vec<Mapping>) {
        match words[index].as_str() {
            "/" => {
                let host = self.rootfs.clone();
                (host.clone(), vec![Mapping { inside: "/".into(), host }])
            }
            word => {
                let language = language_of(words, index);
                // Of an option such as the /c of `cmd /c` nobody can tell.
                let is_file_name = index > 0
                    && language == Language::Plain
                    && word.starts_with('/')
                    && !cfg!(windows)
                    && names_files(program_name(&words[0]).as_str());
                match self.locate(word, is_file_name).filter(|_| is_file_name) {
                    Some((base, below)) => {
                        let host = join(base, below, language);
                        (host.clone(), vec![Mapping { inside: word.into(), host }])
                    }
                    None => self.rewrite(word, language),
                }
            }
        }
    }

    /// A text with all the container's paths in it made the host's.
    pub fn rewrite(&self, text: &str, language: Language) -> (String, Vec<Mapping>) {
        let mut out = String::with_capacity(text.len());
        let mut mappings = Vec::new();
        let mut quotes = Quotes { language, open: None, formatted: false };
        let mut script = Script::default();
        let mut before: Option<char> = None;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c == '/' && may_begin(text, text.len() - rest.len(), before, language) {
                let length = rest.find(|c| ends_path(c, language)).unwrap_or(rest.len());
                let token = &rest[..length];
                if !token.starts_with("//")
                    && let Some((base, below)) = self.locate(
                        token,
                        match language {
                            Language::Plain => false,
                            Language::Code => quotes.open.is_some() && before == quotes.open,
                            Language::Shell => script.names_a_file(),
                        },
                    )
                {
                    let host = join(base, below, language);
                    quotes.write(&mut out, &host);
                    mappings.push(Mapping { inside: token.to_string(), host });
                    before = token.chars().last();
                    rest = &rest[length..];
                    continue;
                }
            }
            script.pass(c, quotes.open.is_some());
            quotes.pass(c, before);
            out.push(c);
            before = Some(c);
            rest = &rest[c.len_utf8()..];
            if let Some(escaped) = quotes.escaped(c).then(|| rest.chars().next()).flatten() {
                out.push(escaped);
                before = Some(escaped);
                rest = &rest[escaped.len_utf8()..];
            }
        }
        (out, mappings)
    }
}

/// Whether a path of which the host has not even the first folder can be a file's name: not a
/// pattern, and not an escape.
fn is_new(inside: &str, top: &str) -> bool {
    inside.chars().all(|c| c.is_alphanumeric() || "/._- +@".contains(c))
        && !Path::new(std::path::MAIN_SEPARATOR_STR).join(top).exists()
}

/// Whether a program's words with a slash in front are files. These take patterns and texts.
fn names_files(program: &str) -> bool {
    !["sed", "awk", "gawk", "mawk", "grep", "egrep", "fgrep", "expr", "echo", "printf", "test", "["]
        .contains(&program)
}

/// Where one is in a shell's script: in the words of which command, or behind a redirection.
#[derive(Default)]
struct Script {
    program: String,
    /// Whether the first word of the command has ended.
    named: bool,
    redirected: bool,
}

impl Script {
    fn pass(&mut self, c: char, quoted: bool) {
        match c {
            ';' | '|' | '&' | '\n' | '(' | '{' | '`' if !quoted => *self = Script::default(),
            '>' | '<' if !quoted => self.redirected = true,
            c if c.is_whitespace() => {
                // Assignments and the words around a command are not it.
                let before = ["then", "do", "else", "if", "while", "!", "time", "exec"];
                if self.program.contains('=') || before.contains(&self.program.as_str()) {
                    self.program.clear();
                }
                self.named = self.named || !self.program.is_empty();
            }
            c => {
                self.redirected = self.redirected && "'\"".contains(c);
                if !self.named {
                    self.program.push(c);
                }
            }
        }
    }

    /// Whether a path that begins here is a file's name.
    fn names_a_file(&self) -> bool {
        self.redirected || self.named && names_files(&self.program)
    }
}

/// A name of the container as the system takes it. Where names are no bytes, only text has one.
pub(super) fn os_name(bytes: &[u8]) -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec());
    #[cfg(not(unix))]
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// The bytes of a name that the system gave.
pub(super) fn name_bytes(name: &OsStr) -> Vec<u8> {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec();
    #[cfg(not(unix))]
    name.to_string_lossy().into_owned().into_bytes()
}

/// Which quotes a text has opened and not closed.
struct Quotes {
    language: Language,
    open: Option<char>,
    /// Whether it is one of Python's f-strings, in which a brace begins an expression.
    formatted: bool,
}

impl Quotes {
    fn pass(&mut self, c: char, before: Option<char>) {
        if self.language == Language::Plain {
            return;
        }
        match (self.open, c) {
            (None, '\'' | '"') => {
                self.open = Some(c);
                self.formatted =
                    self.language == Language::Code && matches!(before, Some('f' | 'F'));
            }
            (Some(open), c) if open == c => self.open = None,
            _ => {}
        }
    }

    /// Whether `c`, which was just passed, takes its meaning from the next character.
    fn escaped(&self, c: char) -> bool {
        c == '\\'
            && match self.language {
                Language::Plain => false,
                Language::Code => true,
                Language::Shell => self.open != Some('\''),
            }
    }

    /// Writes a host's path so that the program reads just that.
    fn write(&self, out: &mut String, path: &str) {
        for c in path.chars() {
            match (self.language, self.open) {
                (Language::Plain, _) | (Language::Code, None) => {}
                (Language::Code, Some(quote)) if c == quote || c == '\\' => out.push('\\'),
                // A line break would end the text; all these languages have a word for it.
                (Language::Code, Some(_)) if c == '\n' => {
                    out.push_str("\\n");
                    continue;
                }
                (Language::Code, Some(_)) if self.formatted && "{}".contains(c) => out.push(c),
                (Language::Code, Some(_)) => {}
                // Nothing escapes in a shell's single quotes: they are closed for it.
                (Language::Shell, Some('\'')) if c == '\'' => {
                    out.push_str("'\\''");
                    continue;
                }
                (Language::Shell, Some('"')) if "\"\\$`".contains(c) => out.push('\\'),
                (Language::Shell, Some(_)) => {}
                (Language::Shell, None) if c.is_alphanumeric() || "/._-+:@%,=".contains(c) => {}
                // After a backslash it would be no line break, but nothing.
                (Language::Shell, None) if c == '\n' => {
                    out.push_str("'\n'");
                    continue;
                }
                (Language::Shell, None) => out.push('\\'),
            }
            out.push(c);
        }
    }
}

/// Whether a path may begin at this slash, by what is before it.
fn may_begin(text: &str, at: usize, before: Option<char>, language: Language) -> bool {
    match before {
        None => true,
        Some(c) if c.is_whitespace() => true,
        Some(c) if "'\"`=:,;@".contains(c) => true,
        Some(c) if language != Language::Plain && "([{<>|&!".contains(c) => true,
        // As in -I/app/include.
        Some(c) => {
            language == Language::Plain
                && at == 2
                && text.starts_with('-')
                && c.is_ascii_alphabetic()
        }
    }
}

fn ends_path(c: char, language: Language) -> bool {
    match language {
        Language::Plain => ":;,".contains(c),
        _ => c.is_whitespace() || "'\"`:;,()[]{}<>|&*?".contains(c),
    }
}

/// A path of the host below another. In plain words Windows paths have backslashes; in
/// programs slashes, which Windows takes as well and no language takes for escapes.
fn join(base: &str, below: &str, language: Language) -> String {
    let base = base.trim_end_matches(['/', '\\']);
    let path = match format!("{base}{below}") {
        path if path.is_empty() => "/".to_string(),
        path => path,
    };
    if !is_windows_path(&path) {
        return path;
    }
    match language {
        Language::Plain => path.replace('/', "\\"),
        Language::Code | Language::Shell => path.replace('\\', "/"),
    }
}

/// Windows itself writes long paths as `\\?\C:\...`, which few programs read.
fn plain_windows_path(path: &str) -> &str {
    match path.strip_prefix(r"\\?\") {
        Some(plain) if is_windows_path(plain) => plain,
        _ => path,
    }
}

/// Whether a word is the text of a program, as after `python -c` or `sh -c`.
pub(super) fn is_program_text(words: &[String], index: usize) -> bool {
    language_of(words, index) != Language::Plain
}

/// What a program is called, without its folder.
fn program_name(word: &str) -> String {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
    name.strip_suffix(".exe").unwrap_or(&name).to_string()
}

const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "ash", "busybox"];
const LANGUAGES: &[&str] = &["python", "pypy", "node", "perl", "ruby", "php"];
const FLAGS: &[&str] = &["-c", "-e", "-ec", "-lc", "-xc", "-r", "-p", "--eval", "--print"];

/// The language of a word: that of the interpreter before it, if it is the program it is given.
fn language_of(words: &[String], index: usize) -> Language {
    let Some(flag) = index.checked_sub(1).map(|before| &words[before]) else {
        return Language::Plain;
    };
    if !FLAGS.contains(&flag.as_str()) {
        return Language::Plain;
    }
    words[..index]
        .iter()
        .rev()
        .find_map(|word| {
            let name = program_name(word);
            if SHELLS.contains(&name.as_str()) {
                return Some(Language::Shell);
            }
            LANGUAGES
                .iter()
                .any(|language| {
                    name.strip_prefix(language).is_some_and(|version| {
                        version.chars().all(|c| c.is_ascii_digit() || c == '.')
                    })
                })
                .then_some(Language::Code)
        })
        .unwrap_or(Language::Plain)
}

#[cfg(test)]
mod tests;
