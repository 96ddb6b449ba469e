//! Signals, by number or name.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A signal as people write it: `SIGHUP`, `HUP`, `hup`, `1`, and on Linux the real-time
/// signals too: `SIGRTMIN+3`, `RTMAX-1`, `37`.
///
/// ```
/// use minidocker_rt::Signal;
///
/// let hangup: Signal = "SIGHUP".parse()?;
/// assert_eq!((hangup.number(), hangup.to_string().as_str()), (1, "SIGHUP"));
/// # Ok::<(), minidocker_rt::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(i32);

const HINT: &str = "Give a signal by name or number, e.g. SIGHUP, HUP or 1; on Linux 1 to 64, and \
                    SIGRTMIN+N or SIGRTMAX-N.";

/// Names and numbers, which differ from system to system.
macro_rules! names {
    ($($text:literal $name:ident $elsewhere:literal,)*) => {
        #[cfg(unix)]
        const NAMES: &[(&str, i32)] =
            &[$(($text, rustix::process::Signal::$name.as_raw()),)*];
        /// Linux's, where there are no signals.
        #[cfg(not(unix))]
        const NAMES: &[(&str, i32)] = &[$(($text, $elsewhere),)*];
    };
}

names! {
    "HUP" HUP 1, "INT" INT 2, "QUIT" QUIT 3, "ILL" ILL 4, "TRAP" TRAP 5, "ABRT" ABORT 6,
    "BUS" BUS 7, "FPE" FPE 8, "KILL" KILL 9, "USR1" USR1 10, "SEGV" SEGV 11, "USR2" USR2 12,
    "PIPE" PIPE 13, "ALRM" ALARM 14, "TERM" TERM 15, "CHLD" CHILD 17, "CONT" CONT 18,
    "STOP" STOP 19, "TSTP" TSTP 20, "TTIN" TTIN 21, "TTOU" TTOU 22, "URG" URG 23, "XCPU" XCPU 24,
    "XFSZ" XFSZ 25, "VTALRM" VTALARM 26, "PROF" PROF 27, "WINCH" WINCH 28, "IO" IO 29,
    "SYS" SYS 31,
}

/// Names that only Linux has.
const LINUX_NAMES: &[(&str, i32)] =
    if cfg!(target_os = "linux") { &[("STKFLT", 16), ("PWR", 30)] } else { &[] };

/// Other names of the same signals.
const ALIASES: &[(&str, &str)] = &[("IOT", "ABRT"), ("CLD", "CHLD"), ("POLL", "IO")];

/// What a C library leaves of the kernel's real-time signals, 32 to 64, to programs: glibc keeps
/// 32 and 33 to itself. Docker counts from here too.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// The highest number there is.
const LAST: i32 = if cfg!(target_os = "linux") { 64 } else { 31 };

impl Signal {
    /// SIGKILL, which nothing can ignore.
    pub const KILL: Signal = Signal(9);
    /// SIGTERM, which asks to end.
    pub const TERM: Signal = Signal(15);

    /// The signal of that number.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if there is none.
    pub fn from_number(number: i32) -> Result<Signal> {
        match (1..=LAST).contains(&number) {
            true => Ok(Signal(number)),
            false => Err(refuse(&number.to_string(), "there is no signal of this number")),
        }
    }

    /// Its number on this system.
    pub fn number(self) -> i32 {
        self.0
    }
}

impl FromStr for Signal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Signal> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let too_large = || refuse(text, "there is no signal of this number");
            return text.parse().map_err(|_| too_large()).and_then(Signal::from_number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(number) = real_time(name) {
            return number
                .filter(|number| cfg!(target_os = "linux") && REAL_TIME.contains(number))
                .map(Signal)
                .ok_or_else(|| refuse(text, "there is no such real-time signal"));
        }
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
        NAMES
            .iter()
            .chain(LINUX_NAMES)
            .find(|(other, _)| *other == name)
            .map(|(_, number)| Signal(*number))
            .ok_or_else(|| refuse(text, "there is no signal of this name"))
    }
}

/// The number that `RTMIN+N` or `RTMAX-N` says: None if it says neither, Some(None) if it says
/// nonsense.
fn real_time(name: &str) -> Option<Option<i32>> {
    let (base, rest, sign) = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => (*REAL_TIME.start(), rest, '+'),
        (_, Some(rest)) => (*REAL_TIME.end(), rest, '-'),
        _ => return None,
    };
    if rest.is_empty() {
        return Some(Some(base));
    }
    let digits = rest.strip_prefix(sign).filter(|digits| {
        !digits.is_empty() && digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let distance = digits.and_then(|digits| digits.parse::<i32>().ok());
    Some(distance.map(|distance| if sign == '+' { base + distance } else { base - distance }))
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = NAMES.iter().chain(LINUX_NAMES).find(|(_, n)| *n == self.0) {
            return write!(f, "SIG{name}");
        }
        match self.0 - REAL_TIME.start() {
            0 if cfg!(target_os = "linux") => f.write_str("SIGRTMIN"),
            distance if distance > 0 => write!(f, "SIGRTMIN+{distance}"),
            // Those between the old ones and glibc's first have no name.
            _ => write!(f, "{}", self.0),
        }
    }
}

fn refuse(value: &str, why: &str) -> Error {
    Error::InvalidSpec { field: "signal", value: value.into(), why: why.into(), hint: HINT.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<i32> {
        text.parse().ok().map(Signal::number)
    }

    #[test]
    fn a_signal_is_known_by_name_and_number() {
        for text in ["SIGHUP", "HUP", "sighup", "hup", "1", "01"] {
            assert_eq!(number(text), Some(1), "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "65",
            "999999999999",
            "SIG",
            "SIGSIGHUP",
            "HANGUP",
            "SIGSIGKILL",
            "1.5",
            " 1",
            "RTMIN+",
            "RTMIN-1",
            "RTMIN+-1",
            "RTMIN+31",
            "RTMAX+1",
            "RTMAX-31",
            "RTMAX--1",
            "RTMIN+٣",
            "RT",
            "SIGRTMIN+4294967299",
        ] {
            let error = text.parse::<Signal>().unwrap_err();
            assert!(error.to_string().contains("signal"), "{text}: {error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_number_that_linux_has_can_be_named_and_read_back() {
        for wanted in 1..=64 {
            let signal = Signal::from_number(wanted).unwrap();
            assert_eq!(number(&signal.to_string()), Some(wanted), "{signal}");
            assert_eq!(number(&wanted.to_string()), Some(wanted));
        }
        for (text, wanted) in [
            ("SIGRTMIN", 34),
            ("RTMIN+3", 37),
            ("sigrtmin+30", 64),
            ("SIGRTMAX", 64),
            ("rtmax-1", 63),
            ("RTMAX-30", 34),
            ("SIGPOLL", 29),
            ("IOT", 6),
            ("CLD", 17),
            ("STKFLT", 16),
            ("PWR", 30),
        ] {
            assert_eq!(number(text), Some(wanted), "{text}");
        }
        assert_eq!(Signal::from_number(37).unwrap().to_string(), "SIGRTMIN+3");
    }
}
