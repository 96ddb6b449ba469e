//! What an overlay's upper directory means, compared with the layers below it.
//!
//! The upper directory holds exactly what was changed, so only it has to be walked. It
//! speaks in signs (see "whiteouts and opaque directories" and "redirect_dir" in
//! <https://docs.kernel.org/filesystems/overlayfs.html>):
//! - a *whiteout*, a character device 0:0, stands for a name that was deleted;
//! - an *opaque* directory hides the one of its name below: it was deleted and made anew;
//! - a *redirected* directory was renamed, and its content below is found at the old path.
//!
//! After the last two, what shines through from below is not what the image has at that
//! path. From there on three things are compared: the upper directory, what shines
//! through, and the image's original.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{FileType, Statx};
use rustix::io::{Errno, Result};

use super::tree;
use crate::archive::EntryPath;
use crate::diff::ChangeKind;

/// Compares the changes in `upper` with the image's `layers`, topmost first. `made_by_start`
/// are the full paths that the start itself makes, as places to mount on: left out, unless
/// the container put something there.
pub(crate) fn changes(
    upper: &Path,
    layers: &[PathBuf],
    made_by_start: &[&str],
) -> Result<Vec<(ChangeKind, EntryPath)>> {
    let layers = layers.iter().map(|layer| tree::open_root(layer)).collect::<Result<_>>()?;
    let image = Rc::new(Below { layers });
    let mut comparison = Comparison {
        image: image.clone(),
        nothing: Rc::new(Below { layers: Vec::new() }),
        made_by_start,
        changes: Vec::new(),
    };
    let upper = Some(tree::open_root(upper)?);
    let sides = Sides { upper, through: image.clone(), original: image };
    comparison.compare(&EntryPath::default(), &sides)?;
    comparison.changes.sort_by(|(_, a), (_, b)| a.cmp(b));
    Ok(comparison.changes)
}

struct Comparison<'a> {
    /// The root of the image, where absolute redirects begin.
    image: Rc<Below>,
    /// A directory that is not there.
    nothing: Rc<Below>,
    made_by_start: &'a [&'a str],
    changes: Vec<(ChangeKind, EntryPath)>,
}

/// A directory as the lower layers make it up, topmost first.
struct Below {
    layers: Vec<OwnedFd>,
}

/// Something in the lower layers.
struct Lower {
    data: Statx,
    /// If it is a directory: what makes it up.
    directory: Option<Rc<Below>>,
}

/// The three sides of a comparison of one directory.
struct Sides {
    /// Its part in the upper directory, if there is one.
    upper: Option<OwnedFd>,
    /// What shines through from below that.
    through: Rc<Below>,
    /// What the image has at its path.
    original: Rc<Below>,
}

/// What the container sees at a name.
enum Seen {
    /// From the upper directory.
    Upper(Statx),
    /// Shining through from below.
    Lower(Lower),
}

/// What a comparison of two directories found.
#[derive(Default)]
struct Found {
    changed: bool,
    /// Whether a place that the start made was left out.
    left_out: bool,
}

impl Sides {
    /// Whether what is not in the upper part is unchanged.
    fn same(&self) -> bool {
        Rc::ptr_eq(&self.through, &self.original)
    }

    fn names(&self) -> Result<BTreeSet<CString>> {
        let mut names = BTreeSet::new();
        if let Some(upper) = &self.upper {
            names.extend(tree::names(upper)?);
        }
        if !self.same() {
            names.extend(self.through.names()?);
            names.extend(self.original.names()?);
        }
        Ok(names)
    }

    fn seen(&self, name: &CString) -> Result<Option<Seen>> {
        if let Some(upper) = &self.upper
            && let Some(data) = tree::look(upper, name)?
        {
            return Ok((!is_whiteout(upper, name, &data)?).then_some(Seen::Upper(data)));
        }
        Ok(self.through.child(name)?.map(Seen::Lower))
    }
}

impl Comparison<'_> {
    fn compare(&mut self, path: &EntryPath, sides: &Sides) -> Result<Found> {
        let mut found = Found::default();
        for name in sides.names()? {
            let child = path.join(name.to_bytes());
            let was = sides.original.child(&name)?;
            let (now, kind) = match (sides.seen(&name)?, &was) {
                // It went out of the upper part while we looked.
                (Some(Seen::Lower(_)), _) if sides.same() => continue,
                (Some(now), Some(_)) => (now, ChangeKind::Modified),
                (Some(now), None) => (now, ChangeKind::Added),
                (None, Some(_)) => {
                    found.changed = true;
                    self.tell(ChangeKind::Deleted, child);
                    continue;
                }
                (None, None) => continue,
            };
            let (now, below) = self.enter(sides, &name, now, was.as_ref())?;
            let below = below.map(|below| self.compare(&child, &below)).transpose()?;
            let changed = match (&was, &below) {
                // A directory that was one before: is there anything new about it?
                (Some(Lower { data: before, directory: Some(_) }), Some(below)) => {
                    below.changed || differs(before, &now, below.left_out)
                }
                (None, Some(below)) => below.changed || !self.is_way_to_place(&child.to_string()),
                (None, None) => !self.is_empty_place(&child.to_string(), &now),
                _ => true,
            };
            if changed {
                found.changed = true;
                self.tell(kind, child);
            } else {
                found.left_out |= was.is_none();
            }
        }
        Ok(found)
    }

    /// The three sides of what is seen at a name, if it is a directory.
    fn enter(
        &self,
        sides: &Sides,
        name: &CString,
        seen: Seen,
        was: Option<&Lower>,
    ) -> Result<(Statx, Option<Sides>)> {
        let original = was.and_then(|was| was.directory.clone());
        let original = original.unwrap_or_else(|| self.nothing.clone());
        match (seen, &sides.upper) {
            (Seen::Lower(lower), _) => {
                let below = lower.directory.map(|through| Sides { upper: None, through, original });
                Ok((lower.data, below))
            }
            (Seen::Upper(data), Some(parent)) if tree::is_directory(&data) => {
                let upper = match tree::open_directory(parent, name) {
                    Ok(directory) => Some(directory),
                    // It was removed or exchanged while we looked.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok((data, None)),
                    Err(errno) => return Err(errno),
                };
                let through = self.below(sides, parent, name, &original)?;
                Ok((data, Some(Sides { upper, through, original })))
            }
            (Seen::Upper(data), _) => Ok((data, None)),
        }
    }

    /// What shines through below a directory of the upper part.
    fn below(
        &self,
        sides: &Sides,
        parent: &OwnedFd,
        name: &CString,
        original: &Rc<Below>,
    ) -> Result<Rc<Below>> {
        if is_opaque(parent, name)? {
            return Ok(self.nothing.clone());
        }
        let lower = match attribute(parent, name, "redirect")? {
            None if sides.same() => return Ok(original.clone()),
            None => sides.through.child(name)?,
            Some(path) => match path.strip_prefix(b"/") {
                Some(path) => self.image.descend(path)?,
                None => sides.through.descend(&path)?,
            },
        };
        Ok(lower.and_then(|lower| lower.directory).unwrap_or_else(|| self.nothing.clone()))
    }

    fn tell(&mut self, kind: ChangeKind, path: EntryPath) {
        self.changes.push((kind, path));
    }

    /// Whether a directory is a place to mount on, or leads to one.
    fn is_way_to_place(&self, path: &str) -> bool {
        self.made_by_start.iter().any(|place| Path::new(place).starts_with(path))
    }

    /// Whether it is the empty file that the start makes to show a file on.
    fn is_empty_place(&self, path: &str, data: &Statx) -> bool {
        tree::kind(data) == FileType::RegularFile
            && data.stx_size == 0
            && self.made_by_start.contains(&path)
    }
}

impl Below {
    /// What the layers together show at a name.
    fn child(&self, name: &CString) -> Result<Option<Lower>> {
        let mut found: Option<Lower> = None;
        let mut layers = Vec::new();
        for layer in &self.layers {
            let Some(data) = tree::look(layer, name)? else { continue };
            if is_whiteout(layer, name, &data)? {
                break;
            }
            if !tree::is_directory(&data) {
                // A file hides what is below, and is hidden by a directory above.
                found.get_or_insert(Lower { data, directory: None });
                break;
            }
            layers.push(tree::open_directory(layer, name)?);
            found.get_or_insert(Lower { data, directory: None });
            if is_opaque(layer, name)? {
                break;
            }
        }
        if let (Some(lower), false) = (&mut found, layers.is_empty()) {
            lower.directory = Some(Rc::new(Below { layers }));
        }
        Ok(found)
    }

    /// What the layers together show at a path below.
    fn descend(&self, path: &[u8]) -> Result<Option<Lower>> {
        let mut names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
        let first = names.next().map(c_string).transpose()?;
        let Some(mut lower) = first.map(|name| self.child(&name)).transpose()?.flatten() else {
            return Ok(None);
        };
        for name in names {
            let Some(directory) = lower.directory else { return Ok(None) };
            let Some(next) = directory.child(&c_string(name)?)? else { return Ok(None) };
            lower = next;
        }
        Ok(Some(lower))
    }

    /// All names that the layers have, also hidden ones.
    fn names(&self) -> Result<Vec<CString>> {
        let mut names = Vec::new();
        for layer in &self.layers {
            names.extend(tree::names(layer)?);
        }
        Ok(names)
    }
}

fn c_string(name: &[u8]) -> Result<CString> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

/// Whether a directory differs from the image's in more than its content. Its time counts,
/// as for Docker, because it tells of names that came and went; but not if it may have been
/// the start that made a place in it.
fn differs(before: &Statx, now: &Statx, left_out: bool) -> bool {
    let rights = |data: &Statx| (data.stx_mode, data.stx_uid, data.stx_gid);
    let time = |data: &Statx| (data.stx_mtime.tv_sec, data.stx_mtime.tv_nsec);
    rights(before) != rights(now) || (!left_out && time(before) != time(now))
}

/// Whether a name stands for one that was deleted: as a device 0:0, or (Linux 6.7, for
/// overlays inside containers) as an empty file with a mark.
fn is_whiteout(parent: &OwnedFd, name: &CString, data: &Statx) -> Result<bool> {
    match tree::kind(data) {
        FileType::CharacterDevice => Ok((data.stx_rdev_major, data.stx_rdev_minor) == (0, 0)),
        FileType::RegularFile if data.stx_size == 0 => {
            Ok(attribute(parent, name, "whiteout")?.is_some())
        }
        _ => Ok(false),
    }
}

fn is_opaque(parent: &OwnedFd, name: &CString) -> Result<bool> {
    Ok(attribute(parent, name, "opaque")?.is_some_and(|value| value == b"y"))
}

/// One of the overlay's extended attributes. Only the kernel and the host's root can set
/// those that begin with `trusted.`, so no container can forge one.
fn attribute(parent: &OwnedFd, name: &CString, key: &str) -> Result<Option<Vec<u8>>> {
    // There is no getxattrat(2) before Linux 6.13: the directory is reached by its
    // descriptor, and the last name is not followed.
    let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
    path.extend(name.as_bytes());
    // The longest is a redirect: a path.
    let mut value = vec![0; 4096];
    match rustix::fs::lgetxattr(&path[..], format!("trusted.overlay.{key}"), &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        // Without a root's rights none of them can be seen, nor can there be an overlay.
        Err(Errno::NODATA | Errno::NOTSUP | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::{CWD, Mode, XattrFlags};

    /// An upper directory and layers made by hand, with every sign an overlay can make.
    struct Layers {
        dir: tempfile::TempDir,
    }

    impl Layers {
        fn new() -> Layers {
            let layers = Layers { dir: tempfile::tempdir().unwrap() };
            for name in ["upper", "top", "bottom"] {
                fs::create_dir(layers.dir.path().join(name)).unwrap();
            }
            layers
        }

        fn path(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }

        fn file(&self, path: &str) -> &Layers {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
            self
        }

        fn folder(&self, path: &str) -> &Layers {
            fs::create_dir_all(self.path(path)).unwrap();
            self
        }

        fn whiteout(&self, path: &str) -> &Layers {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let kind = FileType::CharacterDevice;
            rustix::fs::mknodat(CWD, &path, kind, Mode::empty(), 0).unwrap();
            self
        }

        fn sign(&self, path: &str, key: &str, value: &str) -> &Layers {
            let (path, key) = (self.path(path), format!("trusted.overlay.{key}"));
            rustix::fs::lsetxattr(path, key, value.as_bytes(), XattrFlags::empty()).unwrap();
            self
        }

        /// The changes; times are made equal, so that only what is asked about differs.
        fn changes(&self, made_by_start: &[&str]) -> Vec<String> {
            even_times(self.dir.path());
            let layers = [self.path("top"), self.path("bottom")];
            let changes = changes(&self.path("upper"), &layers, made_by_start).unwrap();
            changes.iter().map(|(kind, path)| format!("{} {path}", kind.letter())).collect()
        }
    }

    fn even_times(folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                even_times(&entry.path());
            }
        }
        fs::File::open(folder).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }

    #[test]
    fn what_is_in_no_layer_is_added_and_what_is_in_any_is_modified() {
        let layers = Layers::new();
        layers.file("top/etc/a").file("bottom/etc/b").file("bottom/usr/c");
        layers.file("upper/etc/a").file("upper/etc/b").file("upper/etc/new/d").folder("upper/usr");
        let expected = ["C /etc", "C /etc/a", "C /etc/b", "A /etc/new", "A /etc/new/d"];
        assert_eq!(layers.changes(&[]), expected, "/usr was only copied up");
    }

    #[test]
    fn a_whiteout_deletes_what_an_image_has() {
        let layers = Layers::new();
        layers.file("bottom/etc/a").file("bottom/etc/b").file("top/gone/x");
        layers.whiteout("upper/etc/a").whiteout("upper/gone").whiteout("upper/never");
        layers.file("upper/etc/b").sign("upper/etc/b", "whiteout", "");
        fs::write(layers.path("upper/etc/b"), "").unwrap();
        assert_eq!(layers.changes(&[]), ["C /etc", "D /etc/a", "D /etc/b", "D /gone"]);
    }

    #[test]
    fn what_a_layer_hides_from_the_one_below_is_not_the_images() {
        let layers = Layers::new();
        layers.file("bottom/a").whiteout("top/a").file("upper/a");
        layers.file("bottom/dir/b").folder("top/dir").sign("top/dir", "opaque", "y");
        layers.file("upper/dir/b");
        assert_eq!(layers.changes(&[]), ["A /a", "C /dir", "A /dir/b"]);
    }

    #[test]
    fn an_opaque_directory_deletes_what_is_not_in_it() {
        let layers = Layers::new();
        layers.file("bottom/dir/kept").file("top/dir/gone").file("bottom/dir/sub/x");
        layers.file("bottom/dir/sub/y");
        layers.file("upper/dir/kept").file("upper/dir/new").file("upper/dir/sub/y");
        layers.sign("upper/dir", "opaque", "y");
        let expected = [
            "C /dir",
            "D /dir/gone",
            "C /dir/kept",
            "A /dir/new",
            "C /dir/sub",
            "D /dir/sub/x",
            "C /dir/sub/y",
        ];
        assert_eq!(layers.changes(&[]), expected);
    }

    #[test]
    fn a_renamed_directory_brings_its_content_along() {
        let layers = Layers::new();
        layers.file("bottom/a/old/file").file("top/a/old/deep/x");
        layers.whiteout("upper/a/old").file("upper/a/new/own");
        layers.sign("upper/a/new", "redirect", "old");
        let near = ["C /a", "A /a/new", "A /a/new/deep", "A /a/new/deep/x", "A /a/new/file"];
        assert_eq!(layers.changes(&[])[..5], near);
        assert_eq!(layers.changes(&[])[5..], ["A /a/new/own", "D /a/old"]);

        layers.folder("upper/moved").sign("upper/moved", "redirect", "/a/old/deep");
        let far = layers.changes(&[]);
        assert_eq!(far[far.len() - 2..], ["A /moved", "A /moved/x"]);
    }

    #[test]
    fn a_change_of_kind_is_a_modification() {
        let layers = Layers::new();
        layers.file("bottom/file").file("bottom/dir/x");
        layers.file("upper/file/x").sign("upper/file", "opaque", "y").file("upper/dir");
        assert_eq!(layers.changes(&[]), ["C /dir", "C /file", "A /file/x"]);
    }

    #[test]
    fn the_rights_of_a_directory_are_a_change() {
        let layers = Layers::new();
        layers.folder("bottom/dir").folder("upper/dir");
        assert!(layers.changes(&[]).is_empty());
        fs::set_permissions(layers.path("upper/dir"), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(layers.changes(&[]), ["C /dir"]);
    }

    #[test]
    fn places_to_mount_on_are_left_out_unless_something_is_there() {
        let layers = Layers::new();
        layers.folder("bottom/srv").folder("upper/srv/app/data").folder("upper/srv/app/sub");
        fs::write(layers.path("upper/srv/app/config"), "").unwrap();
        let made = ["/srv/app/data", "/srv/app/config", "/srv/app/sub"];
        assert!(layers.changes(&made).is_empty());
        layers.file("upper/srv/app/data/hidden");
        let expected = ["C /srv", "A /srv/app", "A /srv/app/data", "A /srv/app/data/hidden"];
        assert_eq!(layers.changes(&made), expected);
        layers.file("upper/srv/app/config");
        assert!(layers.changes(&made).contains(&"A /srv/app/config".to_string()));
    }
}
