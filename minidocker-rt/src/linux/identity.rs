//! Who a command runs as, in the numbers that the kernel knows.
//!
//! Names are looked up in the container's own /etc/passwd and /etc/group (`man 5 passwd`,
//! `man 5 group`), by the rules of Docker. Both files are the container's to write: any bytes,
//! of any length, or no file at all.

use std::fs::File;
use std::io::Read;

use nix::libc;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::context::StepError;
use super::sys::{Sys, SysResult};
use crate::spec::{Group, NameOrId, User};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// The longest file that is read. A directory of 50,000 people takes 4 MB.
const LONGEST: u64 = 16 << 20;

/// The most groups a process can be in (NGROUPS_MAX).
const MOST_GROUPS: usize = 65_536;

/// A user, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// The other groups it is a member of.
    pub groups: Vec<u32>,
    /// Its home folder, for HOME.
    pub home: String,
}

impl Default for Identity {
    /// Root, as every container has it.
    fn default() -> Identity {
        Identity { uid: 0, gid: 0, groups: Vec::new(), home: "/root".into() }
    }
}

/// Looks a user up.
///
/// # Errors
/// One that names the user or the group that the container does not know.
pub(crate) fn look_up(sys: &mut Sys, user: &User) -> Result<Identity, StepError> {
    let passwd = read(sys, PASSWD)?;
    let line = find_user(&passwd, &user.user);
    let uid = match (&user.user, &line) {
        (NameOrId::Id(uid), _) => *uid,
        (NameOrId::Name(_), Some(line)) => line.uid,
        // What a preview reads is empty.
        (NameOrId::Name(_), None) if sys.is_preview() => 0,
        (NameOrId::Name(name), None) => return Err(unknown("user", name, PASSWD)),
    };
    let mut identity = Identity {
        uid,
        gid: line.as_ref().map_or(0, |line| line.gid),
        groups: Vec::new(),
        home: home(uid, line.as_ref()),
    };
    match (&user.group, &line) {
        (Group::Given(NameOrId::Id(gid)), _) => identity.gid = *gid,
        (Group::Given(NameOrId::Name(name)), _) => {
            let group = read(sys, GROUP)?;
            match groups(&group).find(|line| line.name == name.as_bytes()) {
                Some(line) => identity.gid = line.gid,
                None if sys.is_preview() => {}
                None => return Err(unknown("group", name, GROUP)),
            }
        }
        (_, Some(line)) => {
            let group = read(sys, GROUP)?;
            let of_user = groups(&group).filter(|group| group.has(line.name));
            identity.groups = of_user.map(|group| group.gid).take(MOST_GROUPS).collect();
        }
        (Group::OfUser, None) => identity.gid = uid,
        (Group::OfUserOrRoot, None) => identity.gid = 0,
    }
    Ok(identity)
}

/// A file that is not there is an empty one, and so is one that is not to be read: a FIFO, or a
/// link to a file of the kernel.
fn read(sys: &mut Sys, path: &str) -> SysResult<Vec<u8>> {
    match sys.read_inside(path, LONGEST) {
        Err(error) if error.errno != libc::EFBIG => Ok(Vec::new()),
        result => result,
    }
}

/// Filesystems whose files the kernel makes up.
const OF_THE_KERNEL: [u64; 4] = [
    libc::PROC_SUPER_MAGIC as u64,
    libc::SYSFS_MAGIC as u64,
    libc::CGROUP_SUPER_MAGIC as u64,
    libc::CGROUP2_SUPER_MAGIC as u64,
];

/// See [`Sys::read_inside`].
pub(super) fn read_inside(path: &str, longest: u64) -> rustix::io::Result<Vec<u8>> {
    // Not to wait for a FIFO's other end, and not to take a terminal.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?;
    let data = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(data.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    if OF_THE_KERNEL.contains(&(rustix::fs::fstatfs(&file)?.f_type as u64)) {
        return Err(Errno::PERM);
    }
    let mut content = Vec::new();
    let read = File::from(file).take(longest + 1).read_to_end(&mut content);
    read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    match content.len() as u64 > longest {
        true => Err(Errno::FBIG),
        false => Ok(content),
    }
}

/// HOME, as its line says. It is a variable, so it has to be text here.
fn home(uid: u32, line: Option<&PasswdLine<'_>>) -> String {
    let told = line.and_then(|line| std::str::from_utf8(line.home).ok());
    match told.filter(|home| !home.is_empty() && !home.contains('\0')) {
        Some(home) => home.to_string(),
        None if uid == 0 => "/root".into(),
        None => "/".into(),
    }
}

fn unknown(what: &str, name: &str, file: &str) -> StepError {
    StepError::said(
        &format!("look up the {what} {name:?}"),
        format!("the container's {file} has no {what} {name:?}"),
        "Give one that it has, or a number; or add it to the image.",
    )
}

/// `name:password:uid:gid:comment:home:shell`
struct PasswdLine<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
}

/// The first line that is meant: by its name, or its number.
fn find_user<'a>(passwd: &'a [u8], user: &NameOrId) -> Option<PasswdLine<'a>> {
    lines(passwd)
        .filter_map(|line| {
            let mut fields = line.split(|&byte| byte == b':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let uid = number(fields.nth(1)?)?;
            let gid = number(fields.next()?)?;
            Some(PasswdLine { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
        })
        .find(|line| match user {
            NameOrId::Name(name) => line.name == name.as_bytes(),
            NameOrId::Id(uid) => line.uid == *uid,
        })
}

/// `name:password:gid:member,member`
struct GroupLine<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

impl GroupLine<'_> {
    fn has(&self, user: &[u8]) -> bool {
        self.members.split(|&byte| byte == b',').any(|member| member.trim_ascii() == user)
    }
}

fn groups(group: &[u8]) -> impl Iterator<Item = GroupLine<'_>> {
    lines(group).filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = number(fields.nth(1)?)?;
        Some(GroupLine { name, gid, members: fields.next().unwrap_or_default() })
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii)
}

/// An id. The largest means "leave unchanged" to the kernel, so it is nobody's.
fn number(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    text.parse().ok().filter(|&id| id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\xff\xfe:x:1:1::/:\n# note\nbroken\n\
        bob:x:1001:100:Bob,,,:/home/bob:/bin/sh\r\nbob:x:7:7::/second:\n";

    #[test]
    fn the_first_line_that_is_meant_is_found() {
        let found = |user: NameOrId| {
            let line = find_user(FILE, &user)?;
            Some((line.uid, line.gid, line.home.to_vec()))
        };
        assert_eq!(found(NameOrId::Name("bob".into())), Some((1001, 100, b"/home/bob".to_vec())));
        assert_eq!(found(NameOrId::Id(1001)), Some((1001, 100, b"/home/bob".to_vec())));
        for nobody in ["", "bo", "bobb", "x", "# note", "broken"] {
            assert_eq!(found(NameOrId::Name(nobody.into())), None, "{nobody}");
        }
    }

    #[test]
    fn a_member_is_a_whole_name() {
        let file = b"users:x:100:\nvideo:x:44:alice,bob\naudio:x:29:bobby\nwheel:x:10: bob ,root\n";
        let of_bob: Vec<u32> =
            groups(file).filter(|group| group.has(b"bob")).map(|group| group.gid).collect();
        assert_eq!(of_bob, [44, 10]);
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(
            file in prop::collection::vec(prop::sample::select(&b":,\n0123x\xff"[..]), 0..200)
        ) {
            let _ = find_user(&file, &NameOrId::Name("x".into()));
            let _ = find_user(&file, &NameOrId::Id(1));
            let _ = groups(&file).filter(|group| group.has(b"x")).count();
        }
    }
}
