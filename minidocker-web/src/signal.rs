//! Signals, by name or number.

use std::str::FromStr;

/// A signal as a person writes it: `SIGHUP`, `HUP`, `1` or `SIGRTMIN+3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal(minidocker_rt::Signal);

impl Signal {
    pub const HINT: &str = "Give a signal by name or number, e.g. SIGHUP, HUP, 1 or SIGRTMIN+3.";
    pub const KILL: Signal = Signal(minidocker_rt::Signal::KILL);

    pub fn number(self) -> i32 {
        self.0.number()
    }
}

impl FromStr for Signal {
    type Err = ();

    fn from_str(text: &str) -> Result<Signal, ()> {
        // A plus sign that a client did not encode means a space in the query of an address.
        text.replace(' ', "+").parse().map(Signal).map_err(|_| ())
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
        for text in ["SIGRTMIN+3", "rtmin+3", "RTMIN 3", "37"] {
            assert_eq!(text.parse::<Signal>().map(Signal::number), Ok(37), "{text}");
        }
        for text in ["", "0", "-1", "65", "SIG", "SIGSIGHUP", "HANGUP", "SIGSIGKILL"] {
            assert_eq!(text.parse::<Signal>(), Err(()), "{text}");
        }
    }
}
