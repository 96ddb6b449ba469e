//! The mounts that a process sees (`man 5 proc_pid_mountinfo`).

use std::fs;

use serde::Serialize;

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Mount {
    target: String,
    source: String,
    filesystem: String,
    options: Vec<String>,
    read_only: bool,
}

pub(super) fn of(pid: i32) -> Vec<Mount> {
    let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    text.lines().filter_map(parse).collect()
}

pub(super) fn count_own() -> usize {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default().lines().count()
}

/// `36 35 98:0 /root /target rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse(line: &str) -> Option<Mount> {
    let (place, device) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(4);
    let (target, mount_options) = (place.next()?, place.next()?);
    let mut device = device.split(' ');
    let (filesystem, source) = (device.next()?, device.next()?);
    let mut options: Vec<String> = mount_options.split(',').map(ToString::to_string).collect();
    for option in device.next().unwrap_or_default().split(',') {
        if !option.is_empty() && !options.iter().any(|known| known == option) {
            options.push(option.to_string());
        }
    }
    Some(Mount {
        target: unescape(target),
        source: unescape(source),
        filesystem: filesystem.to_string(),
        // Of the mount itself: the filesystem below may be writable elsewhere.
        read_only: mount_options.split(',').any(|option| option == "ro"),
        options,
    })
}

/// White space is written in octal, such as `\040`.
fn unescape(text: &str) -> String {
    let mut plain = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if first == b'\\' => {
                plain.push(byte);
                rest = &after[3..];
            }
            _ => {
                plain.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line =
            "36 35 98:0 /r /my\\040data ro,noatime master:1 shared:2 - ext4 /dev/sda1 rw,discard";
        let mount = parse(line).unwrap();
        assert_eq!((mount.target.as_str(), mount.source.as_str()), ("/my data", "/dev/sda1"));
        assert_eq!((mount.filesystem.as_str(), mount.read_only), ("ext4", true));
        assert_eq!(mount.options, ["ro", "noatime", "rw", "discard"]);
        assert_eq!(parse("nonsense"), None);
    }
}
