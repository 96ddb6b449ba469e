//! The mounts that a process sees (`man 5 proc_pid_mountinfo`).

use serde::Serialize;

use crate::text::{self, NotUtf8};

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Mount {
    target: String,
    source: String,
    filesystem: String,
    options: Vec<String>,
    read_only: bool,
    #[serde(skip_serializing_if = "NotUtf8::is_empty")]
    not_utf8: NotUtf8,
}

pub(super) fn of(pid: i32) -> Vec<Mount> {
    let path = format!("/proc/{pid}/mountinfo");
    let text = text::beginning(path, text::LARGEST).unwrap_or_default();
    text.split(|byte| *byte == b'\n').filter_map(parse).collect()
}

pub(super) fn count_own() -> usize {
    text::read("/proc/self/mountinfo").unwrap_or_default().lines().count()
}

/// `36 35 98:0 /root /target rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse(line: &[u8]) -> Option<Mount> {
    let mut not_utf8 = NotUtf8::default();
    let mut words = line.split(|byte| *byte == b' ').skip(4);
    let (target, mount_options) = (words.next()?, words.next()?);
    // Some optional fields, and then a dash.
    let mut device = words.skip_while(|word| *word != b"-").skip(1);
    let (filesystem, source) = (device.next()?, device.next()?);
    let of_filesystem = device.next().unwrap_or_default();
    let mut options: Vec<String> = Vec::new();
    for option in
        [mount_options, of_filesystem].into_iter().flat_map(|all| all.split(|b| *b == b','))
    {
        let option = not_utf8.text("options", unescape(option));
        if !option.is_empty() && !options.contains(&option) {
            options.push(option);
        }
    }
    Some(Mount {
        target: not_utf8.text("target", unescape(target)),
        source: not_utf8.text("source", unescape(source)),
        filesystem: not_utf8.text("filesystem", unescape(filesystem)),
        // Of the mount itself: the filesystem below may be writable elsewhere.
        read_only: mount_options.split(|byte| *byte == b',').any(|option| option == b"ro"),
        options,
        not_utf8,
    })
}

/// White space is written in octal, such as `\040`.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = text;
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
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line =
            b"36 35 98:0 /r /my\\040data ro,noatime master:1 shared:2 - ext4 /dev/sda1 rw,discard";
        let mount = parse(line).unwrap();
        assert_eq!((mount.target.as_str(), mount.source.as_str()), ("/my data", "/dev/sda1"));
        assert_eq!((mount.filesystem.as_str(), mount.read_only), ("ext4", true));
        assert_eq!(mount.options, ["ro", "noatime", "rw", "discard"]);
        assert_eq!(parse(b"nonsense"), None);
    }

    #[test]
    fn a_path_of_any_bytes_is_shown() {
        let mount = parse(b"36 35 98:0 / /d\xe9j\\012\xe0 rw - tmpfs none rw,a=\xff").unwrap();
        assert_eq!(mount.target, "/d\u{fffd}j\n\u{fffd}");
        assert_eq!(
            serde_json::to_value(&mount).unwrap()["not_utf8"],
            serde_json::json!(["options", "target"])
        );
    }
}
