//! Images from archives, and the containers made from them.

use std::fs;
use std::io::Read;
use std::path::Path;

use minidocker_rt::{
    ArchiveLimits, Command, ContainerSpec, Error, EventKind, ImageSource, Next, Runtime,
};
use tar::EntryType;

use crate::lab::{Lab, PATIENCE, child, eventually, sh, sleeper};
use crate::tarball::{Tarball, docker_save, gzip, image_json, sha256, zstd};

crate::trials![
    a_root_filesystem_becomes_an_image_that_runs,
    a_compressed_archive_is_the_same_image,
    a_docker_archive_runs_as_its_maker_meant,
    deletions_of_an_upper_layer_hold,
    an_oci_archive_gives_the_image_for_this_machine,
    images_share_their_layers,
    an_image_in_use_stays,
    a_container_of_no_image_is_refused,
    the_image_host_is_always_there,
    many_layers_make_one_root,
    a_layer_that_comes_twice_is_there_from_its_upper_place,
    archives_as_kaniko_and_buildah_write_them_are_taken,
    an_image_may_have_empty_layers_or_none,
    a_layer_may_replace_all_that_is_below,
    a_hostile_archive_is_refused_and_leaves_nothing,
    a_bomb_is_refused_and_leaves_nothing,
    a_damaged_image_is_refused_and_leaves_nothing,
    a_full_disk_is_the_machines_fault_and_leaves_nothing,
    an_import_that_is_killed_leaves_nothing,
    imports_and_deletions_at_once_leave_whole_images,
];

fn import(lab: &Lab, name: &str, archive: &[u8]) {
    lab.runtime.import_image(name, &mut &*archive).unwrap();
}

/// The refusal of an archive, of which nothing may be left.
fn refused(lab: &Lab, archive: &[u8]) -> String {
    let error = lab.runtime.import_image("bad", &mut &*archive).unwrap_err();
    assert!(matches!(error, Error::BadArchive { .. }), "{error:?}");
    assert!(!error.hint().is_empty());
    assert_eq!(remains(lab), Vec::<String>::new(), "after {error}");
    assert!(matches!(lab.runtime.image("bad"), Err(Error::NoSuchImage { .. })));
    error.to_string()
}

/// What is in the folders of images and layers, but for the image `host`.
fn remains(lab: &Lab) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["images", "layers"] {
        for entry in fs::read_dir(lab.root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if !matches!(name.as_str(), "host" | ".lock") {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    found
}

fn run(lab: &Lab, image: &str, script: &str) -> String {
    let (exit, output) = lab.run(sh("c", script).image(image));
    assert!(exit.success(), "{output}");
    output
}

fn a_root_filesystem_becomes_an_image_that_runs() {
    let lab = Lab::new();
    let mut events = lab.runtime.events().unwrap();
    let mut tarball = Tarball::rootfs();
    tarball.file("etc/motd", b"hello from the image\n").hard_link("etc/again", "etc/motd");
    import(&lab, "box", &tarball.bytes());
    let Next::Item(event) = events.next_timeout(PATIENCE).unwrap() else { panic!("no event") };
    assert_eq!((event.name.as_str(), event.kind), ("box", EventKind::ImageImported));

    let image = lab.runtime.image("box").unwrap();
    assert_eq!((image.source, image.layers.len()), (ImageSource::Rootfs, 1));
    assert!(image.bytes() > 100_000 && image.imported_at.is_some());
    let output = run(&lab, "box", "cat /etc/motd; ls /; stat -c %h /etc/again; echo x > /etc/motd");
    // Nothing of the host is in it: no /usr, no /home.
    let expected = "hello from the image\nbin\ndev\netc\nproc\nsys\ntmp\n2\n";
    assert_eq!(output, expected);
    assert_eq!(run(&lab, "box", "cat /etc/motd"), "hello from the image\n", "it never changes");
    let created = lab.create(sh("c", "true").image("box"));
    assert_eq!(created.diff().unwrap(), []);
    assert_eq!(created.files().read("/etc/motd", 100).unwrap(), b"hello from the image\n");
    let plan = created.plan().unwrap();
    assert!(plan.steps.iter().all(|step| step.id != "host-programs"));
}

fn a_compressed_archive_is_the_same_image() {
    let lab = Lab::new();
    let archive = Tarball::rootfs().bytes();
    for (name, archive) in
        [("plain", archive.clone()), ("gz", gzip(&archive)), ("zst", zstd(&archive))]
    {
        import(&lab, name, &archive);
    }
    let id = |name: &str| lab.runtime.image(name).unwrap().id;
    assert_eq!(id("gz"), id("plain"));
    assert_eq!(id("zst"), id("plain"));
    assert_eq!(id("plain"), sha256(&archive));
    assert_eq!(fs::read_dir(lab.root().join("layers")).unwrap().count(), 1);
}

fn a_docker_archive_runs_as_its_maker_meant() {
    let lab = Lab::new();
    let mut base = Tarball::rootfs();
    base.folder("srv");
    let base = base.bytes();
    let mut top = Tarball::new();
    top.file("srv/page", b"the page\n");
    let top = top.bytes();
    let config = r#"{"Env":["PATH=/bin","MODE=shiny"],"Entrypoint":["/bin/sh","-c"],
        "Cmd":["id -u; id -g; pwd; cat page; echo $MODE"],"WorkingDir":"/srv","User":"web",
        "ExposedPorts":{"80/tcp":{}},"Labels":null,"Volumes":null}"#;
    let archive = docker_save(&[&base, &top], config);
    import(&lab, "web", &archive);
    let image = lab.runtime.image("web").unwrap();
    assert_eq!(image.source, ImageSource::Docker);
    assert_eq!(image.reference.as_deref(), Some("web:1"));
    assert_eq!(image.id, sha256(image_json(&[&base, &top], config).as_bytes()));
    assert_eq!(image.config.user.as_deref(), Some("web"));
    assert_eq!(image.config.exposed_ports, ["80/tcp"]);

    let (exit, output) = lab.run(image.spec("a").unwrap());
    assert_eq!((exit.code, output.as_str()), (0, "33\n44\n/srv\nthe page\nshiny\n"));
    let (_, output) = lab.run(image.spec_with("b", &["echo other"]).unwrap());
    assert_eq!(output, "other\n");
    // The specification's variables win over the image's.
    let (_, output) =
        lab.run(ContainerSpec::new("c", "'echo $MODE'").image("web").env("MODE", "dull"));
    assert_eq!(output, "dull\n");
}

fn deletions_of_an_upper_layer_hold() {
    let lab = Lab::new();
    let mut base = Tarball::rootfs();
    base.folder("a").file("a/gone", b"x").file("a/stays", b"x");
    base.folder("b").file("b/old", b"x").folder("c").file("c/old", b"x");
    let mut top = Tarball::new();
    top.file("a/.wh.gone", b"");
    // An opaque folder: what is below is hidden, whichever comes first in the archive.
    top.folder("b").file("b/new", b"x").file("b/.wh..wh..opq", b"");
    // Deleted, and made anew.
    top.file(".wh.c", b"").folder("c").file("c/new", b"x");
    let (base, top) = (base.bytes(), top.bytes());
    import(&lab, "web", &docker_save(&[&base, &top], "{}"));
    assert_eq!(run(&lab, "web", "ls a b c"), "a:\nstays\n\nb:\nnew\n\nc:\nnew\n");
    assert_eq!(lab.create(sh("d", "true").image("web")).diff().unwrap(), []);
}

fn an_oci_archive_gives_the_image_for_this_machine() {
    let lab = Lab::new();
    let layer = Tarball::rootfs().bytes();
    let mut archive = Tarball::new();
    let mut blob = |content: &[u8]| -> String {
        let digest = sha256(content);
        archive.file(&digest.replace("sha256:", "blobs/sha256/"), content);
        digest
    };
    let mut manifest = |layer: &[u8], config: &str| {
        let (layer, config) = (blob(layer), blob(config.as_bytes()));
        let json = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{config}"}},"layers":[{{"digest":"{layer}"}}]}}"#
        );
        blob(json.as_bytes())
    };
    let mine = manifest(&gzip(&layer), &image_json(&[&layer], r#"{"Cmd":["ls","/"]}"#));
    let other = manifest(b"for another machine", "{}");
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let index = format!(
        r#"{{"manifests":[
            {{"digest":"{other}","platform":{{"architecture":"vax","os":"linux"}}}},
            {{"digest":"{mine}","platform":{{"architecture":"{architecture}","os":"linux"}}}},
            {{"digest":"{other}","platform":{{"architecture":"unknown","os":"unknown"}}}}]}}"#
    );
    let index = blob(index.as_bytes());
    archive.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    let top = format!(
        r#"{{"manifests":[{{"digest":"{index}","annotations":{{"org.opencontainers.image.ref.name":"1.0"}}}}]}}"#
    );
    archive.file("index.json", top.as_bytes());
    import(&lab, "oci", &archive.bytes());
    let image = lab.runtime.image("oci").unwrap();
    assert_eq!((image.source, image.reference.as_deref()), (ImageSource::Oci, Some("1.0")));
    let (_, output) = lab.run(image.spec("a").unwrap());
    assert!(output.starts_with("bin\n"), "{output}");
}

fn images_share_their_layers() {
    let lab = Lab::new();
    let base = Tarball::rootfs().bytes();
    let top = |name: &str| {
        let mut top = Tarball::new();
        top.file("which", name.as_bytes());
        top.bytes()
    };
    for name in ["one", "two"] {
        import(&lab, name, &docker_save(&[&base, &top(name)], "{}"));
    }
    let layers = || fs::read_dir(lab.root().join("layers")).unwrap().count();
    assert_eq!(layers(), 3);
    let usage = lab.runtime.disk_usage().unwrap();
    let image = |name: &str| usage.images.iter().find(|image| image.name == name).unwrap();
    assert!(image("one").shared_bytes > 100_000);
    assert!(image("one").bytes > image("one").shared_bytes);
    assert_eq!(image("host").shared_bytes, 0);
    let sum: u64 = usage.images.iter().map(|image| image.bytes).sum();
    assert!(usage.images_bytes < sum, "what is shared counts once");

    lab.runtime.delete_image("one").unwrap();
    assert_eq!(layers(), 2);
    assert_eq!(run(&lab, "two", "cat /which"), "two");
    lab.runtime.delete_image("two").unwrap();
    assert_eq!(remains(&lab), Vec::<String>::new());
}

fn an_image_in_use_stays() {
    let lab = Lab::new();
    import(&lab, "box", &Tarball::rootfs().bytes());
    let container = lab.start(sleeper("user").image("box"));
    match lab.runtime.delete_image("box") {
        Err(Error::ImageInUse { containers, .. }) => assert_eq!(containers, ["user"]),
        other => panic!("{other:?}"),
    }
    assert!(lab.runtime.import_image("box", &mut &b""[..]).is_err(), "the name is taken");
    let output = container.exec("cat /etc/group").unwrap();
    assert!(output.stdout.starts_with(b"root:"));
    container.delete_force().unwrap();
    lab.runtime.delete_image("box").unwrap();
    assert!(matches!(lab.runtime.delete_image("box"), Err(Error::NoSuchImage { .. })));
}

fn a_container_of_no_image_is_refused() {
    let lab = Lab::new();
    let error = lab.runtime.create(sleeper("a").image("missing")).unwrap_err();
    assert!(matches!(&error, Error::NoSuchImage { name } if name == "missing"));
    assert_eq!(lab.runtime.names().unwrap(), []);
}

fn the_image_host_is_always_there() {
    let lab = Lab::new();
    let images = lab.runtime.images().unwrap();
    assert_eq!((images.len(), images[0].source), (1, ImageSource::Host));
    assert!(images[0].config.env.contains_key("PATH"));
    assert!(matches!(lab.runtime.delete_image("host"), Err(Error::InvalidSpec { .. })));
    assert!(lab.runtime.import_image("host", &mut &b""[..]).is_err());
}

fn many_layers_make_one_root() {
    let lab = Lab::new();
    let mut layers = vec![Tarball::rootfs().bytes()];
    for number in 0..60 {
        let mut layer = Tarball::new();
        layer.file("top", number.to_string().as_bytes());
        layer.file(&format!("n{number}"), b"");
        layers.push(layer.bytes());
    }
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    import(&lab, "deep", &docker_save(&layers, "{}"));
    assert_eq!(run(&lab, "deep", "cat /top; echo /n*").split(' ').count(), 60);
    let container = lab.create(sh("a", "cat /top").image("deep"));
    assert_eq!(container.files().read("/top", 10).unwrap(), b"59");
    container.files().write("/top", b"mine", Default::default()).unwrap();
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    assert_eq!(container.logs().unwrap().read_to_string().unwrap(), "mine");
}

/// overlayfs takes no folder twice. What shows is what comes of applying layer after layer.
fn a_layer_that_comes_twice_is_there_from_its_upper_place() {
    let lab = Lab::new();
    let mut base = Tarball::rootfs();
    base.folder("d").file("d/base", b"base").file("x", b"base");
    let mut again = Tarball::new();
    again.file("x", b"again").folder("d").file("d/again", b"again").folder("o");
    again.file("o/.wh..wh..opq", b"").file("o/again", b"again");
    let mut between = Tarball::new();
    between.file(".wh.x", b"").file("d/.wh.again", b"").file("d/between", b"between");
    between.folder("o").file("o/between", b"between");
    let empty = Tarball::new().bytes();
    let (base, again, between) = (base.bytes(), again.bytes(), between.bytes());
    let show = "cat x; ls d o";
    let layers = [&base, &empty, &again, &empty, &between, &again, &empty].map(|layer| &layer[..]);
    import(&lab, "twice", &docker_save(&layers, "{}"));
    assert_eq!(lab.runtime.image("twice").unwrap().layers.len(), 7);
    let expected = "againd:\nagain\nbase\nbetween\n\no:\nagain\n";
    assert_eq!(run(&lab, "twice", show), expected);
    assert_eq!(lab.create(sh("d", "true").image("twice")).diff().unwrap(), []);
    // Without the upper one, the deletions between hold.
    let layers = [&base, &again, &between, &empty, &empty].map(|layer| &layer[..]);
    import(&lab, "once", &docker_save(&layers, "{}"));
    let output = run(&lab, "once", "ls d o; [ ! -e x ]");
    assert!(output.ends_with("d:\nbase\nbetween\n\no:\nagain\nbetween\n"), "{output}");
}

fn archives_as_kaniko_and_buildah_write_them_are_taken() {
    let lab = Lab::new();
    let mut base = Tarball::new();
    base.entry(EntryType::Directory, "/", b"", |header| header.set_mode(0o755));
    let mut rest = Tarball::rootfs();
    rest.folder("/usr")
        .file("/usr/a", b"text")
        .hard_link("usr/b", "/usr/a")
        .hard_link("c", "usr/b");
    rest.hard_link("usr/a", "/usr/a").folder("usr").xattr("user.note", b"x").symlink("usr/l", "a");
    // A file in the place of a folder, and back.
    rest.folder("f").file("f/old", b"x").file("f", b"file").folder("f").file("f/new", b"y");
    rest.entry(EntryType::Directory, "usr/", b"", |header| header.set_mode(0o711));
    let layers = [base.bytes(), rest.bytes()];
    import(&lab, "kaniko", &docker_save(&[&layers[0], &layers[1]], "{}"));
    let show = "stat -c %h /usr/a; stat -c %a /usr; cat /usr/b /c /usr/l; ls f";
    assert_eq!(run(&lab, "kaniko", show), "3\n711\ntexttexttextnew\n");
}

fn an_image_may_have_empty_layers_or_none() {
    let lab = Lab::new();
    let base = Tarball::rootfs().bytes();
    // Of no bytes at all, and two that only fill a record.
    import(&lab, "empty", &docker_save(&[&base, b"", &[0; 1024], &[0; 10_240]], "{}"));
    assert_eq!(run(&lab, "empty", "pwd"), "/\n");
    import(&lab, "none", &docker_save(&[], r#"{"Cmd":["/bin/busybox"]}"#));
    let container = lab.create(ContainerSpec::of_image("n", "none"));
    let files = container.files().list("/").unwrap();
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["dev", "proc", "sys"], "what a start puts there, and nothing else");
}

fn a_layer_may_replace_all_that_is_below() {
    let lab = Lab::new();
    let mut below = Tarball::new();
    below.file("below", b"x");
    let mut opaque = Tarball::rootfs();
    opaque.file(".wh..wh..opq", b"");
    let mut above = Tarball::new();
    above.file("above", b"x");
    let layers = [below.bytes(), opaque.bytes(), above.bytes()];
    import(&lab, "box", &docker_save(&[&layers[0], &layers[1], &layers[2]], "{}"));
    assert_eq!(run(&lab, "box", "ls /"), "above\nbin\ndev\netc\nproc\nsys\ntmp\n");
}

fn a_hostile_archive_is_refused_and_leaves_nothing() {
    let lab = Lab::new();
    let outside = lab.folder("outside");
    fs::write(outside.join("file"), "untouched").unwrap();
    let outside_text = outside.to_str().unwrap();
    let hostile = |make: &dyn Fn(&mut Tarball) -> &mut Tarball| {
        let mut tarball = Tarball::rootfs();
        make(&mut tarball);
        refused(&lab, &tarball.bytes())
    };
    assert!(hostile(&|tar| tar.file("../escape", b"x")).contains("../escape"));
    assert!(hostile(&|tar| tar.file("/../escape", b"x")).contains("/../escape"));
    let through = hostile(&|tar| tar.symlink("way", outside_text).file("way/file", b"changed"));
    assert!(through.contains("through a symlink"), "{through}");
    let through = hostile(&|tar| tar.symlink("way", outside_text).hard_link("stolen", "way/file"));
    assert!(through.contains("through a symlink"), "{through}");
    hostile(&|tar| tar.hard_link("stolen", "../../outside/file"));
    hostile(&|tar| tar.symlink("way", "..").file(".wh.way/../x", b""));
    hostile(&|tar| tar.symlink("way", outside_text).file("way/.wh.file", b""));
    hostile(&|tar| tar.symlink("way", outside_text).file("way/.wh..wh..opq", b""));
    hostile(&|tar| tar.file(".wh...", b""));
    let disk = hostile(&|tar| tar.device(EntryType::Block, "disk", 8, 0));
    assert!(disk.contains("device (8:0)"), "{disk}");
    hostile(&|tar| tar.device(EntryType::Char, "memory", 1, 1));
    // The overlay's own marks could show files of other layers, or hide them.
    hostile(&|tar| tar.device(EntryType::Char, "mark", 0, 0));
    for name in ["trusted.overlay.redirect", "trusted.overlay.opaque", "user.overlay.opaque"] {
        let text = hostile(&|tar| tar.xattr(name, b"y").folder("d"));
        assert!(text.contains(name), "{text}");
    }
    // A symlink in the place of a file must not be written through.
    let mut replaced = Tarball::rootfs();
    replaced.symlink("link", &format!("{outside_text}/file")).file("link", b"changed");
    import(&lab, "replaced", &replaced.bytes());
    assert_eq!(run(&lab, "replaced", "cat /link"), "changed");
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

fn a_bomb_is_refused_and_leaves_nothing() {
    let lab = Lab::new();
    let mut zeros = Tarball::new();
    zeros.file("zeros", &vec![0; 20 << 20]);
    let bomb = gzip(&zeros.bytes());
    assert!(bomb.len() < 1 << 20);
    let within = |limits| lab.runtime.import_image_within("bad", &mut &*bomb, limits);
    let defaults = ArchiveLimits::default();
    for limits in
        [ArchiveLimits { bytes: 10 << 20, ..defaults }, ArchiveLimits { entries: 0, ..defaults }]
    {
        assert!(matches!(within(limits), Err(Error::BadArchive { .. })));
        assert_eq!(remains(&lab), Vec::<String>::new());
    }
    // Without end: refused when the limit is reached, not when memory or disk are.
    let mut endless = std::io::repeat(0x61);
    let limits = ArchiveLimits { bytes: 1 << 20, entries: 10 };
    let error = lab.runtime.import_image_within("bad", &mut endless, limits).unwrap_err();
    assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");
    // In a layer, whose compression is another.
    let archive = docker_save(&[&bomb], "{}");
    let limits = ArchiveLimits { bytes: 10 << 20, ..defaults };
    let error = lab.runtime.import_image_within("bad", &mut &*archive, limits).unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
    assert_eq!(remains(&lab), Vec::<String>::new());
    // Deeper than descriptors and paths allow.
    let mut deep = Tarball::new();
    let path = "d/".repeat(3000);
    deep.entry(EntryType::GNULongName, "long", path.as_bytes(), |_| {}).file("x", b"");
    assert!(refused(&lab, &deep.bytes()).contains("too long"));
}

fn a_damaged_image_is_refused_and_leaves_nothing() {
    let lab = Lab::new();
    let layer = Tarball::rootfs().bytes();
    let good = docker_save(&[&layer], "{}");
    for length in [good.len() / 2, good.len() - 1024 - 512] {
        assert!(refused(&lab, &good[..length]).contains("cut off"));
    }
    let mut other = Tarball::new();
    other.file("x", b"");
    let other = other.bytes();
    let mut lie = Tarball::new();
    lie.file("layer.tar", &other).file("config.json", image_json(&[&layer], "{}").as_bytes());
    lie.file(
        "manifest.json",
        br#"[{"Config":"config.json","RepoTags":null,"Layers":["layer.tar"]}]"#,
    );
    assert!(refused(&lab, &lie.bytes()).contains("SHA-256"));
    let mut missing = Tarball::new();
    missing.file("manifest.json", br#"[{"Config":"x","Layers":["../../etc/passwd"]}]"#);
    assert!(refused(&lab, &missing.bytes()).contains("missing"));
    let mut circle = Tarball::new();
    circle.symlink("x", "y").symlink("y", "x");
    circle.file("manifest.json", br#"[{"Config":"x","Layers":[]}]"#);
    assert!(refused(&lab, &circle.bytes()).contains("circle"));
    assert!(refused(&lab, b"this is no archive").contains("cut off"));
    assert!(refused(&lab, &[b'x'; 4096]).contains("no tar archive"));
    assert!(refused(&lab, b"").contains("cut off"));
}

fn a_full_disk_is_the_machines_fault_and_leaves_nothing() {
    let lab = Lab::new();
    let full = lab.folder("full");
    // As much as the archive takes once, but not twice: it runs out while it is unpacked.
    let options = rustix::mount::MountFlags::empty();
    rustix::mount::mount("tmpfs", &full, "tmpfs", options, Some(c"size=6m")).unwrap();
    let mut archive = Tarball::new();
    archive.file("large", &vec![1; 4 << 20]);
    let result =
        Runtime::open(&full).and_then(|runtime| runtime.import_image("a", &mut &*archive.bytes()));
    let left = fs::read_dir(full.join("layers")).map_or(0, Iterator::count);
    rustix::mount::unmount(&full, rustix::mount::UnmountFlags::DETACH).unwrap();
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Io { errno: Some(28), .. }), "{error:?}");
    assert!(error.hint().contains("disk space"), "{}", error.hint());
    assert_eq!(left, 0);
}

/// An archive whose end never comes.
pub fn import_without_end(root: &str) {
    struct Endless(Vec<u8>);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.0.len().min(buffer.len());
            if length == 0 {
                println!("waiting");
                loop {
                    std::thread::park();
                }
            }
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0.drain(..length);
            Ok(length)
        }
    }
    let archive = Tarball::rootfs().bytes();
    let mut archive = Endless(archive[..archive.len() / 2].to_vec());
    Runtime::open(root).unwrap().import_image("half", &mut archive).unwrap();
}

fn an_import_that_is_killed_leaves_nothing() {
    let lab = Lab::new();
    let mut program = child("import-without-end", lab.root());
    assert_eq!(program.line(), "waiting");
    Runtime::open(lab.root()).unwrap();
    assert_eq!(remains(&lab).len(), 1, "one in the making is not swept");
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    Runtime::open(lab.root()).unwrap();
    assert_eq!(remains(&lab), Vec::<String>::new());
}

fn imports_and_deletions_at_once_leave_whole_images() {
    let lab = Lab::new();
    let base = Tarball::rootfs().bytes();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (runtime, base) = (&lab.runtime, &base);
            scope.spawn(move || {
                let mut top = Tarball::new();
                top.file("which", worker.to_string().as_bytes());
                let archive = docker_save(&[base, &top.bytes()], "{}");
                for round in 0..5 {
                    let name = format!("image{worker}");
                    match runtime.import_image(&name, &mut &*archive) {
                        Ok(_) => {}
                        // The only image with its base was deleted in this moment.
                        Err(Error::BadArchive { why, .. }) if why.contains("again") => continue,
                        Err(error) => panic!("{error}"),
                    }
                    let spec = ContainerSpec::new(&name, Command::argv(["cat", "/which"]));
                    let container = runtime.create(spec.image(&name)).unwrap();
                    container.start().unwrap();
                    assert!(container.wait_timeout(PATIENCE).unwrap().success());
                    if round < 4 {
                        container.delete().unwrap();
                        runtime.delete_image(&name).unwrap();
                    }
                }
            });
        }
    });
    for container in lab.runtime.list().unwrap() {
        container.delete().unwrap();
    }
    for image in lab.runtime.images().unwrap().into_iter().skip(1) {
        lab.runtime.delete_image(&image.name).unwrap();
    }
    eventually("nothing is left", || remains(&lab).is_empty());
    assert!(Path::new(lab.root()).join("images/host").exists());
}
