//! Tar archives for tests, made without any code of the library.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// An archive in the making.
pub struct Tarball(Builder<Vec<u8>>);

impl Tarball {
    pub fn new() -> Tarball {
        Tarball(Builder::new(Vec::new()))
    }

    /// A root filesystem of busybox with a shell.
    pub fn rootfs() -> Tarball {
        let mut tarball = Tarball::new();
        tarball.folder("bin").folder("etc").folder("tmp");
        tarball.program("bin/busybox", &fs::read(busybox()).unwrap());
        for name in ["sh", "ls", "cat", "id", "pwd", "env", "stat", "sleep", "mkdir", "rm", "ln"] {
            tarball.symlink(&format!("bin/{name}"), "busybox");
        }
        tarball.file("etc/passwd", b"root:x:0:0::/:/bin/sh\nweb:x:33:44::/srv:/bin/sh\n");
        tarball.file("etc/group", b"root:x:0:\nstaff:x:50:\n");
        tarball
    }

    /// Anything; the name is written as it is, whatever it says.
    pub fn entry(
        &mut self,
        kind: EntryType,
        name: &str,
        content: &[u8],
        change: impl Fn(&mut Header),
    ) -> &mut Tarball {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    pub fn file(&mut self, name: &str, content: &[u8]) -> &mut Tarball {
        self.entry(EntryType::Regular, name, content, |_| {})
    }

    pub fn program(&mut self, name: &str, content: &[u8]) -> &mut Tarball {
        self.entry(EntryType::Regular, name, content, |header| header.set_mode(0o755))
    }

    pub fn folder(&mut self, name: &str) -> &mut Tarball {
        self.entry(EntryType::Directory, &format!("{name}/"), b"", |header| header.set_mode(0o755))
    }

    pub fn symlink(&mut self, name: &str, target: &str) -> &mut Tarball {
        self.link(EntryType::Symlink, name, target)
    }

    pub fn hard_link(&mut self, name: &str, target: &str) -> &mut Tarball {
        self.link(EntryType::Link, name, target)
    }

    fn link(&mut self, kind: EntryType, name: &str, target: &str) -> &mut Tarball {
        self.entry(kind, name, b"", |header| {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        })
    }

    pub fn device(&mut self, kind: EntryType, name: &str, major: u32, minor: u32) -> &mut Tarball {
        self.entry(kind, name, b"", |header| {
            header.set_device_major(major).unwrap();
            header.set_device_minor(minor).unwrap();
        })
    }

    /// An extended attribute of the entry that follows.
    pub fn xattr(&mut self, name: &str, value: &[u8]) -> &mut Tarball {
        self.0.append_pax_extensions([(&*format!("SCHILY.xattr.{name}"), value)]).unwrap();
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// What `docker save` writes of an image with these layers, the lowest first.
pub fn docker_save(layers: &[&[u8]], config: &str) -> Vec<u8> {
    let mut tarball = Tarball::new();
    let mut names = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let name = format!("{number}/layer.tar");
        tarball.file(&name, layer);
        names.push(format!("{name:?}"));
    }
    tarball.file("config.json", image_json(layers, config).as_bytes());
    let names = names.join(",");
    let manifest =
        format!(r#"[{{"Config":"config.json","RepoTags":["web:1"],"Layers":[{names}]}}]"#);
    tarball.file("manifest.json", manifest.as_bytes());
    tarball.bytes()
}

/// The configuration of an image with these (uncompressed) layers.
pub fn image_json(layers: &[&[u8]], config: &str) -> String {
    let ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", sha256(layer))).collect();
    format!(
        r#"{{"architecture":"amd64","os":"linux","config":{config},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    )
}

pub fn sha256(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn busybox() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|folder| folder.join("busybox"))
        .find(|path| path.exists())
        .expect("busybox is on the PATH")
}
