//! Measuring folders.

use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::Statx;
use rustix::io::{Errno, Result};

use super::tree::{self, Met, Walk};

/// How many files with several names are remembered. Of one that is met after these, each name
/// counts for its share.
const MOST: usize = 1_000_000;

/// Counts the bytes of allocated blocks, of a file with several names once.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    /// The files with several names that were met.
    met: HashSet<(u32, u32, u64)>,
}

impl Measure {
    /// What is directly in a folder: each name, and what is allocated at it and below. A
    /// folder that is gone has nothing in it.
    pub fn entries(&mut self, folder: &Path) -> Result<Vec<(CString, u64)>> {
        let folder = match tree::open_root(folder) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        };
        let mut entries = Vec::new();
        for name in tree::names(&folder)? {
            let bytes = self.entry(&folder, &name)?;
            entries.push((name, bytes));
        }
        Ok(entries)
    }

    /// What is allocated at a name and below.
    fn entry(&mut self, parent: &OwnedFd, name: &CString) -> Result<u64> {
        let Some(data) = tree::look(parent, name)? else { return Ok(0) };
        let mut bytes = self.count(&data);
        if !tree::is_directory(&data) || tree::is_mount(&data) {
            return Ok(bytes);
        }
        let mut walk = match tree::open_directory(parent, name) {
            // A running container may have removed or exchanged it since.
            Err(errno) if tree::is_gone(errno) => return Ok(bytes),
            result => Walk::below(result?)?,
        };
        while let Some(met) = walk.next()? {
            let Met::Name(name) = met else { continue };
            let Some(data) = tree::look(walk.directory()?, &name)? else { continue };
            bytes += self.count(&data);
            if tree::is_directory(&data) && !tree::is_mount(&data) {
                match walk.enter(&name) {
                    Err(errno) if tree::is_gone(errno) => {}
                    result => result?,
                }
            }
        }
        Ok(bytes)
    }

    /// What is allocated for one file. stat(2) counts blocks of 512 bytes on every filesystem.
    fn count(&mut self, data: &Statx) -> u64 {
        let bytes = data.stx_blocks * 512;
        // What is mounted here is not stored here.
        if tree::is_mount(data) {
            return 0;
        }
        if tree::is_directory(data) || data.stx_nlink < 2 {
            return bytes;
        }
        let key = (data.stx_dev_major, data.stx_dev_minor, data.stx_ino);
        if self.met.len() >= MOST && !self.met.contains(&key) {
            return bytes / u64::from(data.stx_nlink);
        }
        if self.met.insert(key) { bytes } else { 0 }
    }
}
