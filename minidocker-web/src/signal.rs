//! Signals, by name or number.

use std::str::FromStr;

/// A signal as a person writes it: `SIGHUP`, `HUP` or `1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal(nix::sys::signal::Signal);

impl Signal {
    pub const HINT: &str = "Give a signal by name or number, e.g. SIGHUP, HUP or 1.";
    pub const KILL: Signal = Signal(nix::sys::signal::Signal::SIGKILL);

    pub fn number(self) -> i32 {
        self.0 as i32
    }
}

impl FromStr for Signal {
    type Err = ();

    fn from_str(text: &str) -> Result<Signal, ()> {
        if let Ok(number) = text.parse::<i32>() {
            return number.try_into().map(Signal).map_err(|_| ());
        }
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        format!("SIG{name}").parse().map(Signal).map_err(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_known_by_name_and_number() {
        for text in ["SIGHUP", "HUP", "sighup", "hup", "1"] {
            assert_eq!(text.parse::<Signal>().map(Signal::number), Ok(1), "{text}");
        }
        for text in ["", "0", "-1", "65", "SIG", "SIGSIGHUP", "HANGUP", "SIGSIGKILL"] {
            assert_eq!(text.parse::<Signal>(), Err(()), "{text}");
        }
    }
}
