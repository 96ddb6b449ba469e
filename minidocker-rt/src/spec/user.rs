//! The user the command runs as.

use std::fmt;
use std::str::FromStr;

use super::refuse;
use crate::error::{Error, Result};

/// The longest name that is taken; `useradd` takes 32.
const LONGEST_NAME: usize = 256;

/// The user and group the command runs as: numbers, or names that the container's own
/// /etc/passwd and /etc/group know.
///
/// | written | user | group |
/// |---|---|---|
/// | `1000:1000` | 1000 | 1000 |
/// | `bob` | bob | that of his line in /etc/passwd, and the groups he is a member of |
/// | `bob:staff` | bob | staff alone |
/// | `1000` | 1000 | as for a name; 1000 if /etc/passwd has no such line |
/// | `1000:` | 1000 | as for a name; root's (0) if it has no such line, as Docker does it |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub(crate) user: NameOrId,
    pub(crate) group: Group,
}

/// A name to look up, or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameOrId {
    Name(String),
    Id(u32),
}

/// The group that a [`User`] asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    /// That of the user's line in /etc/passwd; without one, the number of the user.
    OfUser,
    /// As the first; without a line, root's.
    OfUserOrRoot,
    Given(NameOrId),
}

impl User {
    /// The container's root: uid 0 with the capabilities the container keeps.
    pub const ROOT: User = User { user: NameOrId::Id(0), group: Group::Given(NameOrId::Id(0)) };

    /// A user and a group by their numbers.
    pub fn ids(uid: u32, gid: u32) -> User {
        User { user: NameOrId::Id(uid), group: Group::Given(NameOrId::Id(gid)) }
    }

    /// Whether it is root, by number or by the name that every system gives it.
    pub fn is_root(&self) -> bool {
        match &self.user {
            NameOrId::Id(uid) => *uid == 0,
            NameOrId::Name(name) => name == "root",
        }
    }

    /// As the configuration of an image writes it, where a number without a group means
    /// Docker's choice of it.
    pub(crate) fn of_image(text: &str) -> Result<User> {
        let mut user: User = text.parse()?;
        if (&user.group, matches!(user.user, NameOrId::Id(_))) == (&Group::OfUser, true) {
            user.group = Group::OfUserOrRoot;
        }
        Ok(user)
    }
}

impl NameOrId {
    fn parse(text: &str) -> Option<NameOrId> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            // u32::MAX means "leave unchanged" to the kernel, so it is nobody's id.
            return text.parse().ok().filter(|&id: &u32| id != u32::MAX).map(NameOrId::Id);
        }
        let odd = |c: char| c == ':' || c.is_whitespace() || c.is_control();
        let named = !text.starts_with(['-', '+']) && text.len() <= LONGEST_NAME;
        (named && !text.contains(odd)).then(|| NameOrId::Name(text.to_string()))
    }
}

impl FromStr for User {
    type Err = Error;

    fn from_str(text: &str) -> Result<User> {
        let (user, group) = match text.split_once(':') {
            None => (text, Some(Group::OfUser)),
            Some((user, "")) => (user, Some(Group::OfUserOrRoot)),
            Some((user, group)) => (user, NameOrId::parse(group).map(Group::Given)),
        };
        match (NameOrId::parse(user), group) {
            // Of one who is known by name there surely is a line.
            (Some(user @ NameOrId::Name(_)), Some(Group::OfUserOrRoot)) => {
                Ok(User { user, group: Group::OfUser })
            }
            (Some(user), Some(group)) => Ok(User { user, group }),
            _ => Err(refuse(
                "user",
                text,
                "it is neither a user's name nor a number",
                "Write a name or number, perhaps with a group: bob, bob:staff, 1000:1000.",
            )),
        }
    }
}

impl fmt::Display for NameOrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameOrId::Name(name) => f.write_str(name),
            NameOrId::Id(id) => id.fmt(f),
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let User { user, group } = self;
        match group {
            Group::OfUser => user.fmt(f),
            Group::OfUserOrRoot => write!(f, "{user}:"),
            Group::Given(group) => write!(f, "{user}:{group}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_names_or_numbers() {
        for text in ["bob", "bob:staff", "1000", "1000:1000", "1000:", "www-data:33", "a.b_c$"] {
            assert_eq!(text.parse::<User>().unwrap().to_string(), text);
        }
        assert_eq!("bob:".parse::<User>().unwrap(), "bob".parse().unwrap());
        assert_eq!("1000:1001".parse::<User>().unwrap(), User::ids(1000, 1001));
        for text in ["root", "0", "0:0", "root:wheel"] {
            assert!(text.parse::<User>().unwrap().is_root(), "{text}");
        }
        for text in ["", ":", ":1", "a:b:c", "-1", "+1", "4294967295", "99999999999", "a b", "a\0"]
        {
            assert!(text.parse::<User>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_image_that_names_no_group_gets_dockers() {
        assert_eq!(User::of_image("1001").unwrap().to_string(), "1001:");
        assert_eq!(User::of_image("1001:").unwrap().to_string(), "1001:");
        assert_eq!(User::of_image("1001:5").unwrap().to_string(), "1001:5");
    }
}
