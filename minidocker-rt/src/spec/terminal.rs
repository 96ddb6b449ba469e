//! The size of a terminal.

use serde::{Deserialize, Serialize};

/// How many characters a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl Default for TerminalSize {
    /// 24 lines of 80 characters, as terminals have had since 1978.
    fn default() -> TerminalSize {
        TerminalSize { rows: 24, columns: 80 }
    }
}
