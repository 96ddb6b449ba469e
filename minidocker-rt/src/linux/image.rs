//! What containers begin with: the default image, `host`, or an imported one.
//!
//! `host` is the programs of this machine, without its data.
//! Nothing is downloaded. The image's layer is a small skeleton of a root
//! filesystem; at start the host's `/usr` is shown in it, read-only, together with
//! the Python on the PATH. Nothing else of the host is in it: no /home, no /root, no
//! /etc but the handful of public files copied here.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::images::store as images;
use crate::spec::ImageName;
use crate::store::{IMAGE_BUILDING, write_json};

/// Where a Python that lives outside /usr appears in the container.
const PYTHON_AT: &str = "/opt/python";
/// First on the PATH: `python` and `python3`, whatever the host calls its Python.
const LINKS: &str = "/opt/minidocker/bin";

/// What starting from an image takes.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// The overlay's lower layers, topmost first.
    pub layers: Vec<PathBuf>,
    /// Folders of the host shown read-only: (host path, path in the container).
    pub shown: Vec<(PathBuf, String)>,
    /// Variables every container of this image begins with.
    pub env: Vec<(String, String)>,
}

/// `images/host/image.json`.
#[derive(Debug, Serialize, Deserialize)]
struct HostImage {
    layer: PathBuf,
    shown: Vec<(PathBuf, String)>,
    env: Vec<(String, String)>,
}

/// The PATH of images that have none, as Docker sets it.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Image {
    /// The image of that name, of the store at `root`.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`]; [`Error::Io`] if its description is damaged.
    pub fn load(root: &Path, name: &ImageName) -> Result<Image> {
        if name.is_host() {
            return host_image(&root.join("images"));
        }
        let info = images::load(root, name)?;
        // An image may have a layer more than once, and overlayfs takes no folder twice (ELOOP).
        // The topmost one is enough: what a layer has, and what it hides, it has and hides from
        // above the others as well, so a second look at it lower down shows nothing more.
        let mut layers: Vec<PathBuf> = Vec::new();
        for layer in &info.layers {
            let folder = images::layer(root, &layer.digest);
            if !layers.contains(&folder) {
                layers.push(folder);
            }
        }
        let path = ("PATH".to_string(), USUAL_PATH.to_string());
        let env = std::iter::once(path).chain(info.config.env).collect();
        Ok(Image { layers, shown: Vec::new(), env })
    }
}

/// Folders of /etc (and files) that programs need and anyone may read.
const PUBLIC_ETC: &[&str] = &[
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "os-release",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "protocols",
    "python3",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];

/// The image `host` of a store, built by the first program that needs it.
pub(crate) fn host_image(images: &Path) -> Result<Image> {
    let folder = images.join("host");
    let description = folder.join("image.json");
    loop {
        match fs::read(&description) {
            Ok(bytes) => {
                let HostImage { layer, shown, env } = serde_json::from_slice(&bytes)
                    .map_err(|error| Error::damaged(&description, error))?;
                return Ok(Image { layers: vec![layer], shown, env });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => build(images, &folder)?,
            Err(error) => return Err(Error::io("read", &description, error)),
        }
    }
}

/// Builds the image under a temporary name and renames it in, so that of several
/// programs that build it at once one wins and the others use its work.
fn build(images: &Path, target: &Path) -> Result<()> {
    let fail = |error| Error::io("build the image in", images, error);
    let temporary =
        tempfile::Builder::new().prefix(IMAGE_BUILDING).tempdir_in(images).map_err(fail)?;
    let layer = temporary.path().join("layer");
    let mut shown = skeleton(&layer).map_err(fail)?;
    let mut env: Vec<(String, String)> = vec![
        ("PATH".into(), format!("{LINKS}:{USUAL_PATH}")),
        // A learner who prints and then sleeps wants to see the line in the log now.
        ("PYTHONUNBUFFERED".into(), "1".into()),
    ];
    match find_python() {
        Some(python) => add_python(&layer, &python, &mut shown, &mut env).map_err(fail)?,
        None => log::warn!("no python3 or python on the PATH: containers will have none"),
    }
    let image = HostImage { layer: target.join("layer"), shown, env };
    write_json(&temporary.path().join("image.json"), &image)?;
    match fs::rename(temporary.path(), target) {
        Ok(()) => {
            let _ = temporary.keep();
            Ok(())
        }
        Err(error)
            if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) =>
        {
            Ok(())
        }
        Err(error) => Err(fail(error)),
    }
}

/// The folders and files of the layer. Returns which host folders are to be shown.
fn skeleton(layer: &Path) -> std::io::Result<Vec<(PathBuf, String)>> {
    let make = |path: &str, mode: u32| {
        let path = layer.join(path);
        fs::create_dir_all(&path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    make("", 0o755)?;
    for path in [
        "dev",
        "etc",
        "home",
        "media",
        "mnt",
        "opt/minidocker/bin",
        "opt/python",
        "proc",
        "run",
        "srv",
        "sys",
        "usr",
        "var/cache",
        "var/lib",
        "var/log",
    ] {
        make(path, 0o755)?;
    }
    make("tmp", 0o1777)?;
    make("var/tmp", 0o1777)?;
    symlink("/run", layer.join("var/run"))?;

    let mut shown = vec![(PathBuf::from("/usr"), "/usr".to_string())];
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        // Where /usr is merged these are symlinks into it; elsewhere real folders.
        let on_host = Path::new("/").join(name);
        if let Ok(target) = fs::read_link(&on_host) {
            symlink(target, layer.join(name))?;
        } else if on_host.is_dir() {
            make(name, 0o755)?;
            shown.push((on_host, format!("/{name}")));
        }
    }

    let etc = layer.join("etc");
    let write = |name: &str, text: &str| fs::write(etc.join(name), text);
    write("passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")?;
    write("group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n")?;
    write("hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")?;
    write("hostname", "")?;
    write("resolv.conf", "# No network beyond loopback, so no name server.\n")?;
    write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")?;
    for name in PUBLIC_ETC {
        let to = etc.join(name);
        // What the host has goes beside what was written above, never over it.
        if fs::symlink_metadata(&to).is_err() {
            copy_public(&Path::new("/etc").join(name), &to)?;
        }
    }
    open_to_all(layer)?;
    make("root", 0o700)?;
    Ok(shown)
}

/// Lets every user of the container read the layer, whatever umask it was built under.
fn open_to_all(path: &Path) -> std::io::Result<()> {
    let data = fs::symlink_metadata(path)?;
    if data.is_symlink() {
        return Ok(());
    }
    let mode = data.permissions().mode() | if data.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    if data.is_dir() {
        for entry in fs::read_dir(path)? {
            open_to_all(&entry?.path())?;
        }
    }
    Ok(())
}

/// Copies files, folders and symlinks, leaving out whatever not everyone may read.
fn copy_public(from: &Path, to: &Path) -> std::io::Result<()> {
    let Ok(data) = fs::symlink_metadata(from) else { return Ok(()) };
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let everyone_reads = data.permissions().mode() & 0o004 != 0;
    if data.is_symlink() {
        symlink(fs::read_link(from)?, to)
    } else if data.is_dir() && everyone_reads {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_public(&entry.path(), &to.join(entry.file_name()))?;
        }
        Ok(())
    } else if data.is_file() && everyone_reads {
        fs::copy(from, to).map(drop)
    } else {
        Ok(())
    }
}

/// The Python on the PATH, as it describes itself.
#[derive(Debug, Deserialize)]
struct Python {
    /// The interpreter itself, behind every symlink, shim and virtual environment.
    executable: PathBuf,
    /// The folder its installation lives in.
    prefix: PathBuf,
    /// The folder of libpython, if the interpreter is linked to it.
    library: Option<PathBuf>,
}

fn find_python() -> Option<Python> {
    const ASK: &str = "\
import json, os, sys, sysconfig
shared = sysconfig.get_config_var('Py_ENABLE_SHARED')
print(json.dumps({
    'executable': os.path.realpath(getattr(sys, '_base_executable', sys.executable)),
    'prefix': os.path.realpath(sys.base_prefix),
    'library': sysconfig.get_config_var('LIBDIR') if shared else None,
}))";
    ["python3", "python"].iter().find_map(|name| {
        let output = Command::new(name)
            .args(["-I", "-S", "-c", ASK])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        serde_json::from_slice(&output.stdout).ok()
    })
}

fn add_python(
    layer: &Path,
    python: &Python,
    shown: &mut Vec<(PathBuf, String)>,
    env: &mut Vec<(String, String)>,
) -> std::io::Result<()> {
    let visible = |path: &Path| shown.iter().any(|(host, _)| path.starts_with(host));
    let inside = if visible(&python.executable) {
        python.executable.clone()
    } else {
        let Ok(rest) = python.executable.strip_prefix(&python.prefix) else {
            let executable = python.executable.display();
            log::warn!("{executable} lies outside its own prefix: containers will not have it");
            return Ok(());
        };
        shown.push((python.prefix.clone(), PYTHON_AT.to_string()));
        // An interpreter linked to libpython by an absolute path would look for it
        // where it was installed; in the container it is elsewhere.
        if let Some(rest) =
            python.library.as_ref().and_then(|p| p.strip_prefix(&python.prefix).ok())
        {
            let library = Path::new(PYTHON_AT).join(rest);
            env.push(("LD_LIBRARY_PATH".into(), library.display().to_string()));
        }
        Path::new(PYTHON_AT).join(rest)
    };
    for name in ["python", "python3"] {
        symlink(&inside, layer.join(&LINKS[1..]).join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_holds_nothing_private() {
        let images = tempfile::tempdir().unwrap();
        let image = host_image(images.path()).unwrap();
        for path in ["etc/shadow", "etc/gshadow", "etc/ssl/private", "home/*", "root/.ssh"] {
            assert!(!image.layers[0].join(path).exists(), "{path}");
        }
        assert_eq!(fs::read_dir(image.layers[0].join("home")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(image.layers[0].join("root")).unwrap().count(), 0);
    }

    #[test]
    fn programs_that_build_it_at_once_share_one() {
        let images = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| host_image(images.path()).unwrap());
            }
        });
        assert_eq!(fs::read_dir(images.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_only_some_may_read_are_not_copied() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir(&from).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o755)).unwrap();
        for (name, mode) in [("public", 0o644), ("private", 0o640)] {
            fs::write(from.join(name), name).unwrap();
            fs::set_permissions(from.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let to = dir.path().join("to");
        copy_public(&from, &to).unwrap();
        assert!(to.join("public").exists());
        assert!(!to.join("private").exists());
    }
}
