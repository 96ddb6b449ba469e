//! Measuring folders.

use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::Statx;
use rustix::io::{Errno, Result};

use super::tree;

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
        // What is mounted here is not stored here.
        if tree::is_mount(&data) || !self.is_new(&data) {
            return Ok(0);
        }
        // stat(2) counts blocks of 512 bytes on every filesystem.
        let mut bytes = data.stx_blocks * 512;
        if tree::is_directory(&data) {
            let directory = match tree::open_directory(parent, name) {
                Ok(directory) => directory,
                // A running container may have removed or exchanged it since.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(bytes),
                Err(errno) => return Err(errno),
            };
            for name in tree::names(&directory)? {
                bytes += self.entry(&directory, &name)?;
            }
        }
        Ok(bytes)
    }

    fn is_new(&mut self, data: &Statx) -> bool {
        tree::is_directory(data)
            || data.stx_nlink < 2
            || self.met.insert((data.stx_dev_major, data.stx_dev_minor, data.stx_ino))
    }
}
