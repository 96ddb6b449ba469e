//! What is really executed: the specification's command, with its paths, its variables and its
//! program found on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::paths::{Language, Mapping, PathMap, is_program_text};
use super::process;
use super::rootfs;
use crate::error::StepFailure;
use crate::spec::ContainerSpec;
use crate::store::{ContainerDir, SpecFile};

/// Variables of this machine that programs cannot do without, where they are set.
#[cfg(windows)]
const INHERITED: &[&str] = &[
    "ComSpec",
    "NUMBER_OF_PROCESSORS",
    "OS",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "ProgramData",
    "ProgramFiles",
    "SystemDrive",
    "SystemRoot",
    "windir",
];
#[cfg(not(windows))]
const INHERITED: &[&str] = &["LANG", "LC_ALL", "LC_CTYPE", "TZ"];

/// A command of a container, ready to be executed.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    words: Vec<String>,
    env: Vec<(OsString, OsString)>,
    path: OsString,
    working_dir: PathBuf,
    /// The paths that were rewritten, each once.
    pub mappings: Vec<Mapping>,
    /// What cannot be rewritten, if that may matter.
    pub caveat: Option<&'static str>,
}

/// A variable that every process of a container begins with. By it one is found that has left
/// its session and its parents, as daemons do, even after its supervisor was lost.
pub(super) const MARK: &str = "MINIDOCKER_CONTAINER";

/// What a learner should know who wonders why a file is not found.
const READ_FROM_ELSEWHERE: &str = "paths of the container are found in the command and its \
    variables; a program that reads one from its own file sees this machine's";

/// Prepares a command of a container: its first, or a probe.
pub(super) fn prepare(dir: &ContainerDir, file: &SpecFile, words: &[String]) -> Prepared {
    let spec = &file.spec;
    let paths = rootfs::paths(dir, spec);
    let mut mappings = Vec::new();
    let mut collect = |(text, found): (String, Vec<Mapping>)| {
        for mapping in found {
            if !mappings.contains(&mapping) {
                mappings.push(mapping);
            }
        }
        text
    };
    let has_program_text = (0..words.len()).any(|index| is_program_text(words, index));
    let words = (0..words.len()).map(|index| collect(paths.rewrite_word(words, index))).collect();
    let asked: Vec<(String, String)> = spec
        .env
        .iter()
        .map(|var| (var.name().to_string(), collect(paths.rewrite(var.value(), Language::Plain))))
        .collect();
    let mut env = environment(&paths, spec, asked);
    env.push((MARK.into(), file.id.as_str().into()));
    let path = env.iter().find(|(name, _)| is_path(name)).map(|(_, path)| path.clone());
    Prepared {
        words,
        path: path.unwrap_or_default(),
        env,
        working_dir: paths.host_path(spec.directory().as_str()),
        mappings,
        caveat: (!spec.volumes.is_empty() && !has_program_text).then_some(READ_FROM_ELSEWHERE),
    }
}

/// This machine's, then what belongs to this container, then the specification's: later ones
/// win.
fn environment(
    paths: &PathMap,
    spec: &ContainerSpec,
    asked: Vec<(String, String)>,
) -> Vec<(OsString, OsString)> {
    let hostname = match &spec.hostname {
        Some(hostname) => hostname.to_string(),
        None => spec.name.to_string(),
    };
    let folder = |inside| paths.host_path(inside).into_os_string();
    let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    let temporary: &[&str] = if cfg!(windows) { &["TEMP", "TMP"] } else { &["TMPDIR"] };
    let inherited = std::iter::once(&"PATH").chain(INHERITED);
    let mut all: Vec<(OsString, OsString)> = Vec::new();
    let own = inherited
        .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)))
        .chain([(home.into(), folder("/root")), ("HOSTNAME".into(), hostname.into())])
        // As in the Linux backend's image: who prints and then sleeps wants to see it now.
        .chain([("PYTHONUNBUFFERED".into(), "1".into())])
        .chain(temporary.iter().map(|name| (OsString::from(name), folder("/tmp"))))
        .chain(asked.into_iter().map(|(name, value)| (name.into(), value.into())));
    for (name, value) in own {
        all.retain(|(other, _)| *other != name);
        all.push((name, value));
    }
    all
}

fn is_path(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| match cfg!(windows) {
        true => name.eq_ignore_ascii_case("PATH"),
        false => name == "PATH",
    })
}

impl Prepared {
    /// The words as they are executed.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The command, with its streams still to be chosen.
    pub fn command(&self) -> Result<Command, StepFailure> {
        let program = self.find_program()?;
        let mut command = Command::new(program);
        command
            .args(&self.words[1..])
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.working_dir)
            .stdin(Stdio::null());
        process::new_group(&mut command);
        Ok(command)
    }

    /// Looks the program up on the PATH. Machines have Python under one name or the other.
    fn find_program(&self) -> Result<PathBuf, StepFailure> {
        let program = &self.words[0];
        if program.contains('/') || cfg!(windows) && program.contains('\\') {
            // Relative to where the command starts, not to where the supervisor is.
            return Ok(self.working_dir.join(program));
        }
        let other = match program.as_str() {
            "python" => Some("python3"),
            "python3" => Some("python"),
            _ => None,
        };
        std::iter::once(program.as_str())
            .chain(other)
            .find_map(|name| self.look_up(name))
            .ok_or_else(|| {
                self.failure(
                    Some(format!(
                        "no program {program:?} in the PATH {}",
                        self.path.to_string_lossy()
                    )),
                    Some(2),
                )
            })
    }

    fn look_up(&self, name: &str) -> Option<PathBuf> {
        let endings: Vec<String> = if cfg!(windows) {
            let known = std::env::var("PATHEXT").unwrap_or_else(|_| ".COM;.EXE;.BAT;.CMD".into());
            let mut endings: Vec<String> = known.split(';').map(String::from).collect();
            if Path::new(name).extension().is_some() {
                endings.insert(0, String::new());
            }
            endings
        } else {
            vec![String::new()]
        };
        std::env::split_paths(&self.path)
            .flat_map(|folder| endings.iter().map(move |end| folder.join(format!("{name}{end}"))))
            .find(|candidate| is_executable(candidate))
    }

    /// The failure of the exec step.
    pub fn failure(&self, message: Option<String>, errno: Option<i32>) -> StepFailure {
        StepFailure {
            step: "exec".into(),
            call: format!("execve({:?})", self.words[0]),
            message,
            errno,
            hint: "Check the spelling, and that the program is installed on this machine: a \
                   simulated container runs the host's own programs."
                .into(),
        }
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}
