//! What this machine is and can do, asked once.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use nix::sys::resource::{Resource, getrlimit};

use super::cgroup::CgroupLayout;
use super::image::Image;
use super::process;
use crate::backend::Machine;
use crate::error::Result;
use crate::spec::{ImageName, Subnet};

/// Facts that a plan is made from.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub machine: Machine,
    /// How many files a process may have open at most.
    pub open_files: u64,
    pub cgroups: CgroupLayout,
    /// The addresses of the common bridge, if they were chosen.
    pub subnet: Option<Subnet>,
    /// The root folder, and the image `host` of it.
    root: PathBuf,
    host_image: Image,
}

impl Host {
    /// Asks the kernel, and builds the image of the store at `root` if needed.
    pub fn detect(root: &Path, subnet: Option<Subnet>) -> Result<Host> {
        Ok(Host {
            machine: Machine {
                boot_id: process::boot_id(),
                memory_bytes: memory_bytes(),
                cores: std::thread::available_parallelism()
                    .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
                time_zone: TimeZone::system(),
            },
            open_files: getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(_, hard)| hard),
            cgroups: CgroupLayout::detect(),
            subnet,
            root: root.to_owned(),
            host_image: Image::load(root, &ImageName::host())?,
        })
    }

    /// The root folder of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The image `host`.
    pub fn host_image(&self) -> &Image {
        &self.host_image
    }

    /// The image of that name.
    ///
    /// # Errors
    /// [`crate::Error::NoSuchImage`]; [`crate::Error::Io`] if it is damaged.
    pub fn image(&self, name: &ImageName) -> Result<Image> {
        match name.is_host() {
            true => Ok(self.host_image.clone()),
            false => Image::load(&self.root, name),
        }
    }
}

fn memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map_or(u64::MAX, |kilobytes| kilobytes * 1024)
}
