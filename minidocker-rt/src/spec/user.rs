//! The user the command runs as.

use std::fmt;
use std::str::FromStr;

use super::refuse;
use crate::error::{Error, Result};

/// A numeric user and group, written `uid` or `uid:gid` (the group is the same
/// number unless given).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

impl User {
    /// The container's root: uid 0 with the capabilities the container keeps.
    pub const ROOT: User = User { uid: 0, gid: 0 };
}

impl FromStr for User {
    type Err = Error;

    fn from_str(text: &str) -> Result<User> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        // u32::MAX means "leave unchanged" to the kernel, so it is nobody's id.
        let id = |text: &str| text.parse().ok().filter(|&id: &u32| id != u32::MAX);
        match (id(uid), id(gid)) {
            (Some(uid), Some(gid)) => Ok(User { uid, gid }),
            _ => Err(refuse(
                "user",
                text,
                "it is not a numeric user",
                "Write uid or uid:gid, for example 1000:1000.",
            )),
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}
