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
//!
//! A container decides how deep, how wide and how many its changes are. So nothing here recurses:
//! the folders that were met are a list, gone through from its beginning, each opened by its
//! path, once; what is known of a folder only when all below it was seen (is anything in it
//! changed?) is found out at the end, from the end of the list back.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Statx};
use rustix::io::{Errno, Result};

use super::tree;
use crate::archive::EntryPath;
use crate::diff::ChangeKind;

/// How much is told at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The number of changes.
    pub changes: usize,
    /// The bytes of their paths together.
    pub bytes: usize,
}

/// What is compared with what.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    /// What the container changed: the overlay's upper directory.
    pub upper: &'a Path,
    /// The image's layers, topmost first.
    pub layers: &'a [PathBuf],
    /// The full paths that the start itself makes, as places to mount on: left out, unless the
    /// container put something there.
    pub made_by_start: &'a [&'a str],
    /// The folder whose names are told of, and not what is below them. None for everything.
    pub folder: Option<&'a EntryPath>,
    pub limits: Limits,
}

/// What was found, sorted by path.
#[derive(Debug)]
pub(crate) struct Changes {
    pub changes: Vec<(ChangeKind, EntryPath)>,
    /// Whether it is all. What has a path longer than the kernel takes is left out of it without
    /// a word: nobody can name it.
    pub complete: bool,
}

impl Comparison<'_> {
    pub fn changes(&self) -> Result<Changes> {
        let all = (0..self.layers.len()).collect();
        let image = Rc::new(Below { layers: all, path: EntryPath::default() });
        let sides = Sides { upper: true, through: image.clone(), original: image.clone() };
        let mut walk = Walk {
            upper: tree::open_root(self.upper)?,
            layers: self
                .layers
                .iter()
                .map(|layer| tree::open_root(layer))
                .collect::<Result<_>>()?,
            image,
            nothing: Rc::new(Below { layers: Vec::new(), path: EntryPath::default() }),
            comparison: self,
            nodes: vec![Node::root(sides)],
            told: 0,
            bytes: 0,
        };
        let mut next = 0;
        while next < walk.nodes.len() && !walk.is_full() {
            walk.look_into(next)?;
            next += 1;
        }
        Ok(walk.changes())
    }
}

/// The comparison under way.
struct Walk<'a> {
    comparison: &'a Comparison<'a>,
    upper: OwnedFd,
    layers: Vec<OwnedFd>,
    /// The root of the image, where absolute redirects begin.
    image: Rc<Below>,
    /// A directory that is not there.
    nothing: Rc<Below>,
    /// The folders that were met, each before what is in it, and the other files that changed.
    nodes: Vec<Node>,
    /// How many of them are surely changed, and the length of their paths.
    told: usize,
    bytes: usize,
}

/// A folder, or a file that changed.
struct Node {
    /// The number of the folder that it is in.
    parent: usize,
    name: CString,
    /// The length of its path.
    length: usize,
    /// How many names its path has.
    depth: usize,
    /// The number of the node in the folder asked for that it is in or below.
    top: Option<usize>,
    /// What to tell if it changed.
    kind: ChangeKind,
    changed: bool,
    /// Whether it is a folder that the image has too, with another time: that is a change, unless
    /// it was the start that made a place in it.
    other_time: bool,
    /// Whether a place that the start made was left out below it.
    left_out: bool,
    /// What is to be compared in it.
    sides: Option<Sides>,
}

/// A directory as the lower layers make it up: which of them have it, topmost first, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Below {
    layers: Vec<usize>,
    path: EntryPath,
}

/// Something in the lower layers.
struct Lower {
    data: Statx,
    /// If it is a directory: what makes it up.
    directory: Option<Below>,
}

/// The three sides of a comparison of one directory.
struct Sides {
    /// Whether it is in the upper directory, too.
    upper: bool,
    /// What shines through from below that.
    through: Rc<Below>,
    /// What the image has at its path.
    original: Rc<Below>,
}

/// The directories of [`Sides`], open.
struct Open {
    upper: Option<OwnedFd>,
    through: Rc<OpenBelow>,
    original: Rc<OpenBelow>,
}

struct OpenBelow {
    path: EntryPath,
    layers: Vec<(usize, OwnedFd)>,
}

/// What the container sees at a name.
enum Seen {
    /// From the upper directory.
    Upper(Statx),
    /// Shining through from below.
    Lower(Lower),
}

impl Node {
    fn root(sides: Sides) -> Node {
        Node {
            parent: 0,
            name: CString::default(),
            length: 0,
            depth: 0,
            top: None,
            kind: ChangeKind::Modified,
            changed: false,
            other_time: false,
            left_out: false,
            sides: Some(sides),
        }
    }
}

impl Open {
    /// Whether what is not in the upper part is unchanged.
    fn same(&self) -> bool {
        Rc::ptr_eq(&self.through, &self.original)
    }

    /// Tells each name of the three sides once, until it is enough.
    fn names(&self, mut tell: impl FnMut(&CStr) -> Result<bool>) -> Result<()> {
        let mut sides: Vec<BorrowedFd<'_>> = self.upper.iter().map(AsFd::as_fd).collect();
        if !self.same() {
            let below = self.through.layers.iter().chain(&self.original.layers);
            sides.extend(below.map(|(_, layer)| layer.as_fd()));
        }
        for (number, side) in sides.iter().enumerate() {
            for entry in Dir::read_from(side)? {
                let entry = match entry {
                    // It was removed while we looked.
                    Err(Errno::NOENT) => break,
                    result => result?,
                };
                let name = entry.file_name();
                if matches!(name.to_bytes(), b"." | b"..") {
                    continue;
                }
                let is_new = |side: &BorrowedFd<'_>| Ok(tree::look(side, name)?.is_none());
                let new = sides[..number].iter().map(is_new).collect::<Result<Vec<_>>>()?;
                if new.into_iter().all(|new| new) && !tell(name)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn seen(&self, name: &CStr) -> Result<Option<Seen>> {
        if let Some(upper) = &self.upper
            && let Some(data) = tree::look(upper, name)?
        {
            return Ok((!is_whiteout(upper.as_fd(), name, &data)?).then_some(Seen::Upper(data)));
        }
        Ok(self.through.child(name)?.map(Seen::Lower))
    }
}

impl Walk<'_> {
    /// How many folders are remembered at most that may turn out to be unchanged, and so count for
    /// no limit.
    const MOST_UNCHANGED: usize = 1_000_000;

    fn is_full(&self) -> bool {
        let limits = self.comparison.limits;
        self.told > limits.changes
            || self.bytes > limits.bytes
            || self.nodes.len() - self.told > Self::MOST_UNCHANGED
    }

    /// Compares what is in a folder.
    fn look_into(&mut self, number: usize) -> Result<()> {
        let node = &mut self.nodes[number];
        let (depth, top) = (node.depth, node.top);
        let Some(sides) = node.sides.take() else { return Ok(()) };
        // Only whether there is any change below it is asked for, and there is.
        if top.is_some_and(|top| self.nodes[top].changed) {
            return Ok(());
        }
        let path = self.path(number);
        let Some(open) = self.open(&path, &sides)? else { return Ok(()) };
        if let Some(folder) = self.comparison.folder
            && let Some(name) = folder.names().nth(depth)
        {
            return self.compare(number, &sides, &open, &c_string(name)?);
        }
        open.names(|name| {
            self.compare(number, &sides, &open, name)?;
            Ok(!self.is_full())
        })
    }

    /// Compares what is at a name.
    fn compare(&mut self, parent: usize, sides: &Sides, open: &Open, name: &CStr) -> Result<()> {
        let was = open.original.child(name)?;
        let (now, kind) = match (open.seen(name)?, &was) {
            // It went out of the upper part while we looked.
            (Some(Seen::Lower(_)), _) if open.same() => return Ok(()),
            (Some(now), Some(_)) => (now, ChangeKind::Modified),
            (Some(now), None) => (now, ChangeKind::Added),
            (None, Some(_)) => {
                self.meet(parent, name, ChangeKind::Deleted, true, false, None);
                return Ok(());
            }
            (None, None) => return Ok(()),
        };
        let (now, below) = self.enter(sides, open, name, now, was.as_ref())?;
        let path = || self.path(parent).join(name.to_bytes());
        let (changed, other_time) = match (&was, &below) {
            // A directory that was one before: is there anything new about it?
            (Some(Lower { data: before, directory: Some(_) }), Some(_)) => {
                (other_rights(before, &now), other_time(before, &now))
            }
            (None, Some(_)) => (!self.is_way_to_place(&path()), false),
            (None, None) => (!self.is_empty_place(&path(), &now), false),
            _ => (true, false),
        };
        if changed || below.is_some() {
            self.meet(parent, name, kind, changed, other_time, below);
        } else {
            self.nodes[parent].left_out = true;
        }
        Ok(())
    }

    /// Remembers what was met.
    fn meet(
        &mut self,
        parent: usize,
        name: &CStr,
        kind: ChangeKind,
        changed: bool,
        other_time: bool,
        mut sides: Option<Sides>,
    ) {
        let Node { length, depth, top, .. } = self.nodes[parent];
        let length = length + 1 + name.to_bytes().len();
        let mut node = Node {
            parent,
            name: name.to_owned(),
            length,
            depth: depth + 1,
            top,
            kind,
            changed,
            other_time,
            left_out: false,
            sides: None,
        };
        let wanted = self.comparison.folder.map(|folder| folder.names().count());
        match wanted {
            Some(wanted) if depth == wanted => node.top = Some(self.nodes.len()),
            Some(wanted) if depth > wanted && changed => {
                if let Some(top) = top {
                    self.nodes[top].changed = true;
                    return;
                }
            }
            _ => {}
        }
        if length >= LONGEST_PATH {
            // Nobody can open what is in it by a path, and so neither can we.
            sides = None;
            node.changed = true;
        }
        node.sides = sides;
        if node.changed {
            self.told += 1;
            self.bytes += length;
        }
        self.nodes.push(node);
    }

    /// What is told in the end.
    fn changes(mut self) -> Changes {
        for number in (1..self.nodes.len()).rev() {
            let node = &mut self.nodes[number];
            node.changed |= node.other_time && !node.left_out;
            let (parent, changed, added) =
                (node.parent, node.changed, node.kind == ChangeKind::Added);
            let parent = &mut self.nodes[parent];
            parent.changed |= changed;
            parent.left_out |= !changed && added;
        }
        let mut complete = !self.is_full();
        let depth = self.comparison.folder.map(|folder| folder.names().count() + 1);
        let wanted = |node: &&Node| {
            node.changed
                && node.depth > 0
                && node.length < LONGEST_PATH
                && depth.is_none_or(|depth| node.depth == depth)
        };
        let Limits { changes, mut bytes } = self.comparison.limits;
        let mut told = Vec::new();
        // Those near the root come first in the list, and are told when not all are.
        for (number, node) in self.nodes.iter().enumerate().filter(|(_, node)| wanted(node)) {
            if told.len() == changes || node.length > bytes {
                complete = false;
                break;
            }
            bytes -= node.length;
            told.push((node.kind, self.path(number)));
        }
        told.sort_unstable_by(|(_, one), (_, other)| one.cmp(other));
        Changes { changes: told, complete }
    }

    fn path(&self, mut number: usize) -> EntryPath {
        let mut names = Vec::with_capacity(self.nodes[number].depth);
        while number != 0 {
            names.push(self.nodes[number].name.to_bytes());
            number = self.nodes[number].parent;
        }
        EntryPath::of_names(names.into_iter().rev())
    }

    /// Opens the sides of a folder. None if the upper part was removed or exchanged meanwhile.
    fn open(&self, path: &EntryPath, sides: &Sides) -> Result<Option<Open>> {
        let upper = match sides.upper.then(|| open_directory(&self.upper, path)).transpose() {
            Err(errno) if tree::is_gone(errno) => return Ok(None),
            result => result?,
        };
        let through = Rc::new(self.open_below(&sides.through)?);
        let original = match Rc::ptr_eq(&sides.through, &sides.original) {
            true => through.clone(),
            false => Rc::new(self.open_below(&sides.original)?),
        };
        Ok(Some(Open { upper, through, original }))
    }

    fn open_below(&self, below: &Below) -> Result<OpenBelow> {
        let mut layers = Vec::with_capacity(below.layers.len());
        for &number in &below.layers {
            match open_directory(&self.layers[number], &below.path) {
                Ok(directory) => layers.push((number, directory)),
                // A folder renamed to a longer name has a path above that cannot be below.
                Err(errno) if tree::is_gone(errno) || errno == Errno::NAMETOOLONG => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(OpenBelow { path: below.path.clone(), layers })
    }

    /// The three sides of what is seen at a name, if it is a directory.
    fn enter(
        &self,
        sides: &Sides,
        open: &Open,
        name: &CStr,
        seen: Seen,
        was: Option<&Lower>,
    ) -> Result<(Statx, Option<Sides>)> {
        let original = was.and_then(|was| was.directory.clone());
        let original = original.map_or_else(|| self.nothing.clone(), Rc::new);
        match (seen, &open.upper) {
            (Seen::Lower(lower), _) => {
                let below = lower.directory.map(|through| Sides {
                    upper: false,
                    through: Rc::new(through),
                    original,
                });
                Ok((lower.data, below))
            }
            (Seen::Upper(data), Some(parent)) if tree::is_directory(&data) => {
                let through = self.below(sides, open, parent.as_fd(), name, &original)?;
                Ok((data, Some(Sides { upper: true, through, original })))
            }
            (Seen::Upper(data), _) => Ok((data, None)),
        }
    }

    /// What shines through below a directory of the upper part.
    fn below(
        &self,
        sides: &Sides,
        open: &Open,
        parent: BorrowedFd<'_>,
        name: &CStr,
        original: &Rc<Below>,
    ) -> Result<Rc<Below>> {
        if is_opaque(parent, name)? {
            return Ok(self.nothing.clone());
        }
        let lower = match attribute(parent, name, "redirect")? {
            None if open.same() => return Ok(original.clone()),
            None => open.through.child(name)?,
            Some(path) => match path.strip_prefix(b"/") {
                Some(path) => self.descend(&self.image, path)?,
                None => self.descend(&sides.through, &path)?,
            },
        };
        let below = lower.and_then(|lower| lower.directory);
        Ok(below.map_or_else(|| self.nothing.clone(), Rc::new))
    }

    /// What the layers together show at a path below.
    fn descend(&self, from: &Below, path: &[u8]) -> Result<Option<Lower>> {
        let mut found: Option<Lower> = None;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            let directory = match &found {
                None => from,
                Some(Lower { directory: Some(directory), .. }) => directory,
                Some(_) => return Ok(None),
            };
            found = self.open_below(directory)?.child(&c_string(name)?)?;
            if found.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Whether a directory is a place to mount on, or leads to one.
    fn is_way_to_place(&self, path: &EntryPath) -> bool {
        let path = path.to_full_path();
        let mut places = self.comparison.made_by_start.iter();
        places.any(|place| Path::new(place).starts_with(OsStr::from_bytes(&path)))
    }

    /// Whether it is the empty file that the start makes to show a file on.
    fn is_empty_place(&self, path: &EntryPath, data: &Statx) -> bool {
        let mut places = self.comparison.made_by_start.iter();
        tree::kind(data) == FileType::RegularFile
            && data.stx_size == 0
            && places.any(|place| place.as_bytes() == path.to_full_path())
    }
}

/// The longest path that the kernel takes, and one more.
const LONGEST_PATH: usize = 4096;

/// Opens a folder by its path from a root, whoever exchanges what meanwhile.
fn open_directory(root: &OwnedFd, path: &EntryPath) -> Result<OwnedFd> {
    let path = if path.is_root() { b"." } else { path.as_bytes() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
}

impl OpenBelow {
    /// What the layers together show at a name.
    fn child(&self, name: &CStr) -> Result<Option<Lower>> {
        let mut found: Option<Lower> = None;
        let mut layers = Vec::new();
        for (number, layer) in &self.layers {
            let Some(data) = tree::look(layer, name)? else { continue };
            if is_whiteout(layer.as_fd(), name, &data)? {
                break;
            }
            let is_directory = tree::is_directory(&data);
            found.get_or_insert(Lower { data, directory: None });
            if !is_directory {
                // A file hides what is below, and is hidden by a directory above.
                break;
            }
            layers.push(*number);
            if is_opaque(layer.as_fd(), name)? {
                break;
            }
        }
        if let (Some(lower), false) = (&mut found, layers.is_empty()) {
            let path = self.path.join(name.to_bytes());
            lower.directory = Some(Below { layers, path });
        }
        Ok(found)
    }
}

fn c_string(name: &[u8]) -> Result<CString> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

fn other_rights(before: &Statx, now: &Statx) -> bool {
    let rights = |data: &Statx| (data.stx_mode, data.stx_uid, data.stx_gid);
    rights(before) != rights(now)
}

/// Whether a directory has another time than the image's: that counts, as for Docker, because it
/// tells of names that came and went.
fn other_time(before: &Statx, now: &Statx) -> bool {
    let time = |data: &Statx| (data.stx_mtime.tv_sec, data.stx_mtime.tv_nsec);
    time(before) != time(now)
}

/// Whether a name stands for one that was deleted: as a device 0:0, or (Linux 6.7, for
/// overlays inside containers) as an empty file with a mark.
fn is_whiteout(parent: BorrowedFd<'_>, name: &CStr, data: &Statx) -> Result<bool> {
    match tree::kind(data) {
        FileType::CharacterDevice => Ok((data.stx_rdev_major, data.stx_rdev_minor) == (0, 0)),
        FileType::RegularFile if data.stx_size == 0 => {
            Ok(attribute(parent, name, "whiteout")?.is_some())
        }
        _ => Ok(false),
    }
}

fn is_opaque(parent: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
    Ok(attribute(parent, name, "opaque")?.is_some_and(|value| value == b"y"))
}

/// One of the overlay's extended attributes. Only the kernel and the host's root can set
/// those that begin with `trusted.`, so no container can forge one.
fn attribute(parent: BorrowedFd<'_>, name: &CStr, key: &str) -> Result<Option<Vec<u8>>> {
    // There is no getxattrat(2) before Linux 6.13: the directory is reached by its
    // descriptor, and the last name is not followed.
    let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
    path.extend(name.to_bytes());
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

    const PLENTY: Limits = Limits { changes: 1000, bytes: 1 << 20 };

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
            let (changes, complete) = self.compare(made_by_start, None, PLENTY);
            assert!(complete);
            changes
        }

        fn compare(
            &self,
            made_by_start: &[&str],
            folder: Option<&str>,
            limits: Limits,
        ) -> (Vec<String>, bool) {
            even_times(self.dir.path());
            let layers = [self.path("top"), self.path("bottom")];
            let folder = folder.map(|folder| EntryPath::parse(folder.as_bytes()).unwrap());
            let upper = &self.path("upper");
            let (layers, folder) = (&layers, folder.as_ref());
            let found =
                Comparison { upper, layers, made_by_start, folder, limits }.changes().unwrap();
            let told = |(kind, path): &(ChangeKind, _)| format!("{} {path}", kind.letter());
            (found.changes.iter().map(told).collect(), found.complete)
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

    #[test]
    fn of_a_folder_its_names_alone_are_told() {
        let layers = Layers::new();
        layers.file("bottom/a/b/kept").file("bottom/a/b/sub/deep/old").file("top/a/b/gone");
        layers.file("bottom/a/b/copied/same").folder("upper/a/b/copied");
        layers.file("upper/a/b/new").file("upper/a/b/sub/deep/deeper/x").whiteout("upper/a/b/gone");
        layers.file("upper/other");
        let at = |folder| layers.compare(&[], Some(folder), PLENTY).0;
        assert_eq!(at("a/b"), ["D /a/b/gone", "A /a/b/new", "C /a/b/sub"]);
        assert_eq!(at(""), ["C /a", "A /other"]);
        assert_eq!(at("a"), ["C /a/b"]);
        assert_eq!(at("a/b/sub/deep/deeper"), ["A /a/b/sub/deep/deeper/x"]);
        for nothing in ["a/b/copied", "a/b/kept", "a/b/kept/x", "nowhere"] {
            assert_eq!(at(nothing), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn of_too_many_changes_those_near_the_root_are_told() {
        let layers = Layers::new();
        layers.file("upper/z").file("upper/a/b/c/x").file("upper/a/b/c/y");
        let few = Limits { changes: 3, ..PLENTY };
        let expected = (["A /a", "A /a/b", "A /z"].map(String::from).to_vec(), false);
        assert_eq!(layers.compare(&[], None, few), expected);
        let short = Limits { bytes: 7, ..PLENTY };
        let expected = (["A /a", "A /z"].map(String::from).to_vec(), false);
        assert_eq!(layers.compare(&[], None, short), expected);
        assert!(layers.compare(&[], None, Limits { changes: 6, ..PLENTY }).1, "that is all");
    }

    #[test]
    fn folders_of_any_depth_are_compared_with_few_descriptors_and_little_stack() {
        let layers = Layers::new();
        let mut at = tree::open_root(&layers.path("upper")).unwrap();
        for _ in 0..2500 {
            rustix::fs::mkdirat(&at, c"d", Mode::from(0o755)).unwrap();
            at = tree::open_directory(&at, &c"d".to_owned()).unwrap();
        }
        let plenty = Limits { changes: 10_000, bytes: 1 << 30 };
        let compare = || {
            let upper = layers.path("upper");
            let comparison = Comparison {
                upper: &upper,
                layers: &[],
                made_by_start: &[],
                folder: None,
                limits: plenty,
            };
            comparison.changes().unwrap()
        };
        let found = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(64 << 10);
            thread.spawn_scoped(scope, compare).unwrap().join().unwrap()
        });
        assert!(found.complete);
        let longest = found.changes.iter().map(|(_, path)| path.as_bytes().len()).max();
        assert_eq!((found.changes.len(), longest), (2047, Some(4093)), "what a path can name");
    }
}
