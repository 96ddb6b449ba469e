//! Tar archives of a root filesystem: their form, without any files.
//!
//! A tar archive is a row of 512-byte headers, each followed by its file's content. What does
//! not fit into a header (long names, extended attributes, times finer than seconds, maps of
//! sparse files) stands in *extended headers* before it (`man 5 tar`, POSIX pax). The headers
//! themselves are read and written by the `tar` crate. What is around them is done here,
//! because an archive may come from a stranger: nothing that it declares makes us keep more
//! than [`METADATA`] bytes in memory, every path is checked before anything sees it, and
//! what is not understood is refused instead of guessed.

#[cfg(linux_backend)]
mod compression;
#[cfg(linux_backend)]
mod entry;
#[cfg(linux_backend)]
mod reader;
#[cfg(linux_backend)]
mod writer;

use serde::{Deserialize, Serialize};

#[cfg(linux_backend)]
pub(crate) use self::{
    compression::{decompress, unreadable},
    entry::{Entry, EntryPath, Extent, Kind, Time},
    reader::Reader,
    writer::Writer,
};

#[cfg(linux_backend)]
use crate::error::Error;

/// The most bytes of extended headers that one entry may have.
#[cfg(linux_backend)]
const METADATA: u64 = 1 << 20;

/// The most that all entries may have together, paths included: whoever unpacks them remembers
/// some. A whole distribution has a tenth of it.
#[cfg(linux_backend)]
const ALL_METADATA: u64 = 256 << 20;

/// How much an archive may hold. One that holds more is refused, whatever its own size is:
/// a few kilobytes can be the compressed form of a petabyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveLimits {
    /// The content of all files together, in bytes. The holes of sparse files take nothing.
    pub bytes: u64,
    /// The number of files, folders and links.
    pub entries: u64,
}

impl Default for ArchiveLimits {
    /// 32 GiB in a million entries: several times what a whole distribution has.
    fn default() -> ArchiveLimits {
        ArchiveLimits { bytes: 32 << 30, entries: 1_000_000 }
    }
}

/// What an archive holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveSummary {
    /// The content of all files together, in bytes, without the holes of sparse files.
    pub bytes: u64,
    /// The number of files, folders and links.
    pub entries: u64,
    /// How many files an export left out, because no archive can hold them: those whose path is
    /// longer than 4095 bytes (a folder counts once, with all that is in it), or that are in more
    /// than a million pieces; and those whose content or attributes could not be read just then.
    #[serde(default)]
    pub left_out: u64,
}

/// Which files of a container go into an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveContent {
    /// What it changed, compared with its image: as a layer of an OCI image, where a file
    /// `.wh.NAME` stands for a NAME that was deleted.
    Changes,
    /// All that it sees at `/`, as `docker export` gives it, without what is mounted there:
    /// volumes, the kernel's own files, and the programs that the image `host` borrows.
    Merged,
}

/// Refuses a part of an archive.
#[cfg(linux_backend)]
pub(crate) fn refuse(what: impl Into<String>, why: impl Into<String>) -> Error {
    Error::BadArchive { what: what.into(), why: why.into() }
}
