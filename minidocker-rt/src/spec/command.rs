//! The command: a line split as a shell would, or exact words.

use std::fmt;

use super::refuse;
use crate::error::Result;

/// The program and its arguments. No shell runs it: `|`, `>` and `$X` mean
/// nothing here; write `sh -c '…'` for those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    words: Vec<String>,
    line: Option<String>,
}

impl Command {
    /// Splits a line into words with a shell's quoting rules.
    ///
    /// # Errors
    /// An empty line, or a quote that is never closed.
    pub fn parse(line: &str) -> Result<Command> {
        let words = shell_words::split(line).map_err(|_| {
            refuse(
                "command",
                line,
                "a quote is opened but never closed",
                "Close every ' and \", or write \\\" for a quote inside quotes.",
            )
        })?;
        Ok(Command { line: Some(line.to_string()), ..Command::argv(words)? })
    }

    /// Takes the words exactly as they are.
    ///
    /// # Errors
    /// No words, an empty program name, or a NUL byte, which no argument can hold.
    pub fn argv<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Result<Command> {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        if words.first().is_none_or(|program| program.trim().is_empty()) {
            return Err(refuse(
                "command",
                words.join(" "),
                "it names no program",
                "Write what to run, for example: python -c \"print('Hello')\"",
            ));
        }
        if let Some(word) = words.iter().find(|word| word.contains('\0')) {
            return Err(refuse(
                "command",
                word.replace('\0', "\\0"),
                "it has a NUL byte",
                "Remove the NUL byte: the kernel ends an argument there.",
            ));
        }
        Ok(Command { words, line: None })
    }

    /// That of the image, which is not known yet: no words.
    pub(crate) fn of_image() -> Command {
        Command { words: Vec::new(), line: None }
    }

    /// Whether it is that of the image, which is not known yet.
    pub(crate) fn is_of_image(&self) -> bool {
        self.words.is_empty()
    }

    /// Stands in a specification whose own command was refused; never created.
    pub(crate) fn placeholder() -> Command {
        Command { words: vec!["invalid".into()], line: None }
    }

    /// The program and its arguments.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The line as it was typed, if it was given as a line.
    pub fn line(&self) -> Option<&str> {
        self.line.as_deref()
    }
}

impl fmt::Display for Command {
    /// The line as typed, or the words quoted so that a shell would read them back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some(line) => f.write_str(line),
            None => f.write_str(&shell_words::join(&self.words)),
        }
    }
}
