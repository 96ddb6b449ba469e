//! Files of a container from outside: the merged view, and no way out of it.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use minidocker_rt::{
    Command, Container, ContainerSpec, Error, FileInfo, FileKind, FileMount, Isolation,
    RestartPolicy, Status, WriteOptions,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::lab::{Lab, PATIENCE, child, eventually, sh, sleeper};

crate::trials![
    files_of_a_container_that_never_ran_are_those_of_its_image,
    a_running_container_is_seen_with_its_volumes,
    what_is_written_before_the_start_is_there_after_it,
    a_file_is_replaced_whole_and_keeps_mode_and_owner,
    a_failed_write_leaves_the_old_content_and_nothing_beside_it,
    symlinks_lead_where_the_container_would_go_and_never_out_of_it,
    pipes_devices_and_kernel_settings_are_refused_and_nothing_blocks,
    a_removed_file_of_the_image_stays_removed,
    a_volume_is_never_taken_away_from_a_running_container,
    a_container_between_two_runs_can_be_mended,
    a_start_waits_for_the_end_of_a_write,
    a_slow_reader_does_not_hold_up_a_start,
    a_symlink_that_is_exchanged_all_the_time_leads_nobody_out,
    magic_links_of_proc_are_no_way_out,
    a_file_that_looks_huge_is_read_without_taking_its_size,
    directories_of_any_depth_can_be_removed_and_deleted,
    a_name_that_is_not_utf8_can_be_used_by_its_bytes,
    a_folder_is_listed_page_by_page,
    no_symlink_leads_into_the_kernels_filesystems_for_reading_either,
    files_at_rest_are_those_that_the_next_start_will_show,
    a_read_only_volume_stays_as_it_is,
    bad_paths_say_what_is_wrong,
    without_a_rootfs_of_its_own_there_is_nothing_to_show,
    without_root_the_files_say_so,
];

const EVERYTHING: u64 = 1 << 20;

fn read(container: &Container, path: &str) -> String {
    String::from_utf8(container.files().read(path, EVERYTHING).unwrap()).unwrap()
}

fn write(container: &Container, path: &str, content: &str) {
    container.files().write(path, content.as_bytes(), WriteOptions::default()).unwrap();
}

fn names(container: &Container, path: &str) -> Vec<String> {
    container.files().list(path).unwrap().into_iter().map(|file| file.name).collect()
}

/// The errno of a refusal that names `path`.
fn errno<T: std::fmt::Debug>(result: minidocker_rt::Result<T>, path: &str) -> Option<i32> {
    match result {
        Err(Error::File { path: told, errno, .. }) => {
            assert_eq!(told, path);
            errno
        }
        other => panic!("{path}: {other:?}"),
    }
}

fn files_of_a_container_that_never_ran_are_those_of_its_image() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    assert!(read(&container, "/etc/passwd").starts_with("root:x:0:0"));
    let root = names(&container, "/");
    assert!(root.is_sorted() && root.contains(&"etc".to_string()), "{root:?}");
    let folder = container.files().stat("/tmp").unwrap();
    assert_eq!((folder.kind, folder.mode, folder.uid), (FileKind::Directory, 0o1777, 0));
    let link = container.files().stat("/var/run").unwrap();
    assert_eq!((link.kind, link.target.as_deref()), (FileKind::Symlink, Some("/run")));
    let file = container.files().stat("/etc/passwd").unwrap();
    assert_eq!(file.size as usize, read(&container, "/etc/passwd").len());
    assert_eq!(container.status().unwrap(), Status::Created);
}

fn a_running_container_is_seen_with_its_volumes() {
    let lab = Lab::new();
    let folder = lab.folder("data");
    let volume = format!("{}:/app/data", folder.display());
    let script = "echo inside > /made; echo ready > /app/data/flag; sleep 1000";
    let container = lab.start(sh("a", script).volume(&volume).unwrap());
    // The shell makes the file before it writes.
    eventually("the script wrote", || {
        fs::read_to_string(folder.join("flag")).is_ok_and(|text| text == "ready\n")
    });
    assert_eq!(read(&container, "/made"), "inside\n");
    assert_eq!(read(&container, "/app/data/flag"), "ready\n");
    fs::write(folder.join("from-host"), "x").unwrap();
    assert_eq!(names(&container, "/app/data"), ["flag", "from-host"]);
    write(&container, "/app/data/from-outside", "y");
    assert_eq!(fs::read_to_string(folder.join("from-outside")).unwrap(), "y");
    assert!(names(&container, "/usr").contains(&"bin".to_string()), "the host's programs");
    container.files().remove("/app/data/flag").unwrap();
    assert!(!folder.join("flag").exists());
}

fn what_is_written_before_the_start_is_there_after_it() {
    let lab = Lab::new();
    let script = "cat /srv/app/config; cat /etc/nsswitch.conf; stat -c %a /srv/app/config /srv/app";
    let container = lab.create(sh("a", script));
    let options = WriteOptions { make_parents: true, mode: Some(0o600) };
    container.files().write("/srv/app/config", b"colour=blue\n", options).unwrap();
    write(&container, "/etc/nsswitch.conf", "127.0.0.1 lab\n");
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    let output = container.logs().unwrap().read_to_string().unwrap();
    assert_eq!(output, "colour=blue\n127.0.0.1 lab\n600\n755\n");
    assert_eq!(read(&container, "/srv/app/config"), "colour=blue\n", "also after its end");
    let rootfs = container.inspect().unwrap().rootfs;
    assert_eq!(fs::read_to_string(rootfs.join("etc/nsswitch.conf")).unwrap(), "127.0.0.1 lab\n");
    let image = lab.root().join("images/host/layer/etc/nsswitch.conf");
    assert!(fs::read_to_string(image).unwrap().contains("hosts:"), "the image is unchanged");
}

fn a_file_is_replaced_whole_and_keeps_mode_and_owner() {
    let lab = Lab::new();
    let script = "echo old > /file; chown 7:8 /file; chmod 4751 /file; \
                  exec 3< /file; echo > /ready; \
                  until test -e /go; do sleep 0.01; done; cat <&3; cat /file; stat -c %u:%g:%a /file";
    let container = lab.start(sh("a", script));
    let files = container.files();
    eventually("the script is ready", || files.stat("/ready").is_ok());
    write(&container, "/file", "new\n");
    write(&container, "/go", "");
    container.wait_timeout(PATIENCE).unwrap();
    let output = container.logs().unwrap().read_to_string().unwrap();
    assert_eq!(output, "old\nnew\n7:8:4751\n", "who had it open reads the old content");
    let fresh = files.stat("/go").unwrap();
    assert_eq!((fresh.mode, fresh.uid, fresh.gid), (0o644, 0, 0));
}

fn a_failed_write_leaves_the_old_content_and_nothing_beside_it() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(5))
        }
    }
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let before = names(&container, "/etc");
    let files = container.files();
    let failed = files.write_from("/etc/nsswitch.conf", &mut Broken, WriteOptions::default());
    assert_eq!(errno(failed, "/etc/nsswitch.conf"), Some(5));
    assert!(read(&container, "/etc/nsswitch.conf").contains("hosts:"));
    let failed = files.write_from("/etc/new", &mut Broken, WriteOptions::default());
    assert_eq!(errno(failed, "/etc/new"), Some(5));
    assert_eq!(names(&container, "/etc"), before);
}

fn symlinks_lead_where_the_container_would_go_and_never_out_of_it() {
    let lab = Lab::new();
    let secret = lab.folder("secrets").join("secret");
    fs::write(&secret, "of the host").unwrap();
    for running in [false, true] {
        let container = lab.create(sleeper(if running { "running" } else { "stopped" }));
        let rootfs = container.inspect().unwrap().rootfs;
        symlink(&secret, rootfs.join("absolute")).unwrap();
        symlink(format!("../../../../../..{}", secret.display()), rootfs.join("upwards")).unwrap();
        symlink("/proc/1/root", rootfs.join("magic")).unwrap();
        symlink("circle", rootfs.join("circle")).unwrap();
        symlink("../etc/./nsswitch.conf", rootfs.join("inner")).unwrap();
        if running {
            container.start().unwrap();
        }
        let files = container.files();
        for path in ["/absolute", "/upwards"] {
            assert_eq!(errno(files.read(path, EVERYTHING), path), Some(2), "ENOENT");
            // A write goes to the place of that name inside the container.
            let refused = files.write(path, b"x", WriteOptions::default());
            assert_eq!(errno(refused, path), Some(2));
            let options = WriteOptions { make_parents: true, mode: None };
            files.write(path, b"of the container", options).unwrap();
            assert_eq!(read(&container, path), "of the container");
            files.remove(lab.root().parent().unwrap().display().to_string()).unwrap();
        }
        assert_eq!(fs::read_to_string(&secret).unwrap(), "of the host");
        assert!(files.list("/magic").is_err() && files.read("/magic/etc/passwd", 100).is_err());
        assert_eq!(errno(files.read("/circle", 1), "/circle"), Some(40), "ELOOP");
        let refused = files.write("/circle", b"", WriteOptions::default());
        assert_eq!(errno(refused, "/circle"), Some(40));
        write(&container, "/inner", "through the link");
        assert_eq!(read(&container, "/etc/nsswitch.conf"), "through the link");
        assert_eq!(files.stat("/inner").unwrap().kind, FileKind::Symlink, "the link stays");
        files.remove("/inner").unwrap();
        assert_eq!(
            read(&container, "/etc/nsswitch.conf"),
            "through the link",
            "only the link goes"
        );
    }
}

fn pipes_devices_and_kernel_settings_are_refused_and_nothing_blocks() {
    let lab = Lab::new();
    let script = "mkfifo /pipe; mknod /device c 1 3; ln -s /proc/sys/kernel/hostname /setting; \
                  ln -s /dev/zero /endless; echo > /ready; sleep 1000";
    let container = lab.start(sh("a", script));
    let files = container.files();
    eventually("the script is ready", || files.stat("/ready").is_ok());
    for stopped in [false, true] {
        if stopped {
            container.stop_within(Duration::ZERO).unwrap();
        }
        for path in ["/pipe", "/device"] {
            assert_eq!(errno(files.read(path, 1), path), Some(22));
            assert_eq!(errno(files.open(path), path), Some(22));
            let refused = files.write(path, b"x", WriteOptions::default());
            assert_eq!(errno(refused, path), Some(22));
        }
        assert!(files.read("/endless", 1).is_err());
    }
    assert_eq!(files.stat("/pipe").unwrap().kind, FileKind::Fifo);
    assert_eq!(files.stat("/device").unwrap().kind, FileKind::CharacterDevice);
    container.start().unwrap();
    let refused = files.write("/setting", b"x", WriteOptions::default());
    assert_eq!(errno(refused, "/setting"), Some(1));
    assert_eq!(errno(files.remove("/proc/1"), "/proc/1"), Some(1));
    let too_long = files.read("/etc/passwd", 10);
    assert_eq!(errno(too_long, "/etc/passwd"), Some(27), "EFBIG");
}

fn a_removed_file_of_the_image_stays_removed() {
    let lab = Lab::new();
    let container = lab.create(sh("a", "ls /etc /opt"));
    container.files().remove("/etc").unwrap();
    container.files().make_directory("/etc/nested/deeply/").unwrap();
    container.files().make_directory("/etc/nested").unwrap();
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    let output = container.logs().unwrap().read_to_string().unwrap();
    // What every start shows in /etc is there as well.
    assert!(output.starts_with("/etc:\nhostname\nhosts\nnested\nresolv.conf\n"), "{output}");
    assert_eq!(errno(container.files().stat("/etc/passwd"), "/etc/passwd"), Some(2));
    assert!(lab.root().join("images/host/layer/etc/passwd").exists());
}

fn a_volume_is_never_taken_away_from_a_running_container() {
    let lab = Lab::new();
    let folder = lab.folder("data");
    fs::write(folder.join("precious"), "x").unwrap();
    let config = folder.join("config");
    fs::write(&config, "old and long").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap();
    let spec = sleeper("a")
        .volume(&format!("{}:/app/data", folder.display()))
        .unwrap()
        .volume(&format!("{}:/app/config", config.display()))
        .unwrap()
        .volume(&format!("{}:/app/fixed:ro", config.display()))
        .unwrap();
    let container = lab.start(spec);
    let files = container.files();
    for path in ["/app/data", "/app", "/app/config"] {
        assert_eq!(errno(files.remove(path), path), Some(16), "EBUSY");
    }
    let inode = fs::metadata(&config).unwrap().ino();
    write(&container, "/app/config", "new");
    let after = fs::metadata(&config).unwrap();
    assert_eq!((after.ino(), after.permissions().mode() & 0o777), (inode, 0o640), "same file");
    assert_eq!(fs::read_to_string(&config).unwrap(), "new");
    assert_eq!(read(&container, "/app/config"), "new");
    let refused = files.write("/app/fixed", b"x", WriteOptions::default());
    assert_eq!(errno(refused, "/app/fixed"), Some(30), "EROFS");
    assert_eq!(fs::read_to_string(folder.join("precious")).unwrap(), "x");
    assert_eq!(names(&container, "/app/data"), ["config", "precious"]);
}

fn a_container_between_two_runs_can_be_mended() {
    let lab = Lab::new();
    let spec = sh("a", "test -e /mended && sleep 1000; exit 1").restart(RestartPolicy::Always);
    let container = lab.start(spec);
    eventually("it fails", || container.inspect().unwrap().restarts > 1);
    // Whatever it does at this moment: starting, running, ending, waiting.
    for number in 0..20 {
        write(&container, &format!("/etc/file-{number}"), "x");
    }
    write(&container, "/mended", "");
    eventually("it stays", || {
        let restarts = container.inspect().unwrap().restarts;
        container.wait_timeout(Duration::from_millis(300)).is_err()
            && container.inspect().unwrap().restarts == restarts
            && container.status().unwrap() == Status::Running
    });
    let listed = names(&container, "/etc");
    assert!((0..20).all(|number| listed.contains(&format!("file-{number}"))), "{listed:?}");
}

fn a_start_waits_for_the_end_of_a_write() {
    /// Says that it is being read, and goes on when it is told to.
    struct Slow(Sender<()>, Receiver<()>);
    impl Read for Slow {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            self.0.send(()).unwrap();
            self.1.recv().unwrap();
            Ok(0)
        }
    }
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let lock = fs::File::open(container.inspect().unwrap().rootfs.with_file_name("lock")).unwrap();
    let ((reading, is_read), (go_on, told)) = (channel(), channel());
    std::thread::scope(|scope| {
        let files = container.files();
        let mut content = Slow(reading, told);
        let write =
            scope.spawn(move || files.write_from("/file", &mut content, WriteOptions::default()));
        is_read.recv().unwrap();
        assert!(lock.try_lock().is_err(), "the overlay is mounted: nobody else may mount it");
        go_on.send(()).unwrap();
        write.join().unwrap().unwrap();
    });
    lock.try_lock().unwrap();
    lock.unlock().unwrap();
    container.start().unwrap();
}

fn a_slow_reader_does_not_hold_up_a_start() {
    let lab = Lab::new();
    let container = lab.create(sh("a", "echo changed > /file; sleep 1000"));
    write(&container, "/file", "as it was");
    let mut reader = container.files().open("/file").unwrap();
    container.start().unwrap();
    eventually("it changed", || read(&container, "/file") == "changed\n");
    let mut content = String::new();
    reader.read_to_string(&mut content).unwrap();
    assert_eq!(content, "as it was");
    let mut live = container.files().open("/file").unwrap();
    content.clear();
    live.read_to_string(&mut content).unwrap();
    assert_eq!(content, "changed\n");
}

fn a_symlink_that_is_exchanged_all_the_time_leads_nobody_out() {
    let lab = Lab::new();
    let secrets = lab.folder("secrets");
    fs::write(secrets.join("file"), "of the host").unwrap();
    // A folder, and a symlink to a folder that only the host has under this name; renamed
    // over each other as fast as the shell can.
    let script = format!(
        "mkdir /real; echo inside > /real/file; echo > /ready
         while :; do
             mv /real /swap; mv /swap /real; ln -s {0} /swap; rm /swap
             mv /real/file /real/kept; ln -s {0}/file /real/file; mv /real/kept /real/file
         done",
        secrets.display()
    );
    let container = lab.start(sh("a", &script));
    let files = container.files();
    eventually("the script is ready", || files.stat("/ready").is_ok());
    let end = Instant::now() + Duration::from_secs(2);
    let (mut met, mut missed) = (0, 0);
    while Instant::now() < end {
        for folder in ["/swap", "/real"] {
            let path = format!("{folder}/file");
            match files.read(&path, EVERYTHING) {
                Ok(content) => {
                    assert!(!content.starts_with(b"of the host"), "{path}");
                    met += 1;
                }
                Err(Error::File { .. }) => missed += 1,
                Err(error) => panic!("{error}"),
            }
            let _ = files.write(&path, b"written\n", WriteOptions::default());
            let _ = files.remove(format!("{folder}/new"));
            let _ = files.list(folder);
        }
    }
    assert!(met > 0 && missed > 0, "{met} reads, {missed} that found it exchanged");
    assert_eq!(fs::read_to_string(secrets.join("file")).unwrap(), "of the host");
    assert_eq!(fs::read_dir(&secrets).unwrap().count(), 1);
}

fn magic_links_of_proc_are_no_way_out() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "ln -s /proc/1/root/etc /etc-of-init; sleep 1000"));
    let files = container.files();
    eventually("the link is there", || files.stat("/etc-of-init").is_ok());
    for path in ["/proc/1/root/etc/passwd", "/proc/1/cwd/etc/passwd", "/etc-of-init/passwd"] {
        assert_eq!(errno(files.read(path, EVERYTHING), path), Some(40), "ELOOP");
        assert_eq!(errno(files.stat(path), path), Some(40));
        assert_eq!(errno(files.write(path, b"", WriteOptions::default()), path), Some(40));
        assert_eq!(errno(files.remove(path), path), Some(40));
        let path = format!("{path}/x");
        assert_eq!(errno(files.make_directory(&path), &path), Some(40));
    }
    // One that leads to a file, a pipe or a device of whoever opened it.
    for path in ["/proc/1/exe", "/proc/1/fd/1"] {
        assert_eq!(errno(files.read(path, EVERYTHING), path), Some(40));
    }
}

fn no_symlink_leads_into_the_kernels_filesystems_for_reading_either() {
    let lab = Lab::new();
    let hidden = lab.folder("volume");
    fs::write(hidden.join("file"), "of the volume").unwrap();
    let script = "ln -s /proc/1/environ /tmp/answer.txt; ln -s /proc /tmp/all; ln -s /sys /tmp/sys
        ln -s /dev/pts /tmp/terminals; ln -s all/kmsg /tmp/kmsg
        ln -s all/1/maps /tmp/maps; ln -s /dev/zero /tmp/zero; ln -s ../proc/1/task/1 /tmp/task
        echo mine > /dev/shm/mine; echo > /ready; sleep 1000";
    let volume = format!("{}:/data", hidden.display());
    let container = lab.start(sh("a", script).volume(&volume).unwrap());
    let files = container.files();
    eventually("the script is ready", || files.stat("/ready").is_ok());
    let refused = |result: Result<(), Error>, path: &str| {
        let said = result.as_ref().unwrap_err().to_string();
        assert_eq!(errno(result, path), Some(1), "EPERM: {said}");
        assert!(said.contains("which is the kernel's"), "{said}");
    };
    for path in ["/tmp/answer.txt", "/tmp/kmsg", "/tmp/maps", "/proc/1/environ", "/sys/kernel/mm"] {
        refused(files.read(path, EVERYTHING).map(drop), path);
        refused(files.open(path).map(drop), path);
    }
    for path in ["/proc", "/tmp/all", "/tmp/sys", "/tmp/terminals", "/tmp/task"] {
        refused(files.list(path).map(drop), path);
        let inner = format!("{path}/x");
        refused(files.stat(&inner).map(drop), &inner);
        refused(files.write(&inner, b"", WriteOptions::default()), &inner);
        refused(files.make_directory(&inner), &inner);
        refused(files.remove(&inner), &inner);
    }
    assert_eq!(errno(files.read("/tmp/zero", 1), "/tmp/zero"), Some(22), "a device");
    assert!(container.files().stat("/tmp/answer.txt").unwrap().target.is_some(), "it can be seen");
    // What the container is shown by us, and shares with us, is no secret.
    assert!(read(&container, "/etc/hosts").contains("localhost"));
    assert_eq!(read(&container, "/dev/shm/mine"), "mine\n");
    assert_eq!(read(&container, "/data/file"), "of the volume");
    assert!(!names(&container, "/usr/bin").is_empty());
    container.stop_within(Duration::ZERO).unwrap();
    // There is no /proc while it does not run.
    assert_eq!(errno(files.read("/tmp/answer.txt", 1), "/tmp/answer.txt"), Some(2));
}

fn files_at_rest_are_those_that_the_next_start_will_show() {
    let lab = Lab::new();
    let (data, fixed) = (lab.folder("data"), lab.folder("fixed"));
    fs::write(data.join("mine.txt"), "mine").unwrap();
    fs::write(fixed.join("sealed"), "sealed").unwrap();
    let config = lab.folder("config").join("file");
    fs::write(&config, "configured").unwrap();
    fs::create_dir(data.join("inner")).unwrap();
    let spec = sh("a", "cat /app/data/notes.txt /app/config; ls /app/data")
        .volume(&format!("{}:/app/data", data.display()))
        .unwrap()
        .volume(&format!("{}:/app/data/inner:ro", fixed.display()))
        .unwrap()
        .volume(&format!("{}:/app/config", config.display()))
        .unwrap();
    let container = lab.create(spec);
    let files = container.files();
    let check = || {
        assert_eq!(names(&container, "/app/data")[..2], ["inner", "mine.txt"]);
        assert_eq!(names(&container, "/app/data/inner"), ["sealed"]);
        assert_eq!(read(&container, "/app/config"), "configured");
        assert!(names(&container, "/usr").contains(&"bin".to_string()), "the host's programs");
        let mount = |path: &str| files.stat(path).unwrap().mount;
        assert_eq!(mount("/app/data"), Some(FileMount::Volume));
        assert_eq!(mount("/app/data/inner"), Some(FileMount::Volume));
        assert_eq!(mount("/app/config"), Some(FileMount::Volume));
        assert_eq!(mount("/usr"), Some(FileMount::Host));
        assert_eq!(mount("/proc"), Some(FileMount::System));
        assert_eq!((mount("/app"), mount("/etc"), mount("/app/data/mine.txt")), (None, None, None));
        let listed = files.list("/app").unwrap();
        assert!(listed.iter().all(|file| file.mount == Some(FileMount::Volume)), "{listed:?}");
        for path in ["/app/data", "/app", "/app/config"] {
            assert_eq!(errno(files.remove(path), path), Some(16), "EBUSY");
        }
        for path in ["/usr/bin/new", "/app/data/inner/new"] {
            let result = files.write(path, b"x", WriteOptions::default());
            let said = result.as_ref().unwrap_err().to_string();
            assert!(said.contains("read-only"), "{said}");
            assert_eq!(errno(result, path), Some(30), "EROFS");
        }
    };
    check();
    write(&container, "/app/data/notes.txt", "uploaded\n");
    assert_eq!(fs::read_to_string(data.join("notes.txt")).unwrap(), "uploaded\n");
    // What a start makes anew would hide it.
    for path in ["/proc/new", "/dev/new", "/sys/new", "/etc/hosts"] {
        let refused = files.write(path, b"x", WriteOptions::default());
        let hint = refused.as_ref().unwrap_err().hint();
        assert!(hint.contains("the container's own"), "{hint}");
        assert_eq!(errno(refused, path), Some(30), "EROFS");
    }
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    let output = container.logs().unwrap().read_to_string().unwrap();
    assert_eq!(output, "uploaded\nconfiguredinner\nmine.txt\nnotes.txt\n");
    check();
    assert_eq!(container.diff().unwrap(), [], "the places that it is all mounted on are no change");
    // Nothing of a look stays mounted, and nothing of the host was touched.
    for _ in 0..5 {
        assert_eq!(files.list("/app").unwrap().len(), 2);
        container.start().unwrap();
        container.wait_timeout(PATIENCE).unwrap();
    }
    fs::remove_dir_all(&data).unwrap();
    assert_eq!(names(&container, "/app/data"), ["inner"], "what is gone is an empty folder");
    let refused = files.write("/app/data/x", b"x", WriteOptions::default());
    assert_eq!(errno(refused, "/app/data/x"), Some(30), "in which nothing can be put");
}

fn a_file_that_looks_huge_is_read_without_taking_its_size() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    const TERABYTE: u64 = 1 << 40;
    let path = container.inspect().unwrap().rootfs.join("huge");
    let file = fs::File::create(&path).unwrap();
    file.write_all_at(b"begin", 0).unwrap();
    // tmpfs and ext4 both keep a hole this large.
    file.write_all_at(b"end", TERABYTE - 3).unwrap();
    let files = container.files();
    assert_eq!(files.stat("/huge").unwrap().size, TERABYTE);
    assert_eq!(errno(files.read("/huge", 100), "/huge"), Some(27), "EFBIG");
    for running in [false, true] {
        if running {
            container.start().unwrap();
        }
        let opened = files.open("/huge").unwrap();
        let data = opened.metadata().unwrap();
        assert_eq!(data.len(), TERABYTE);
        assert!(data.blocks() * 512 < 1 << 20, "{} blocks", data.blocks());
        let (mut begin, mut end) = ([0; 6], [0; 4]);
        opened.read_exact_at(&mut begin, 0).unwrap();
        opened.read_exact_at(&mut end, TERABYTE - 4).unwrap();
        assert_eq!((&begin, &end), (b"begin\0", b"\0end"));
    }
}

fn directories_of_any_depth_can_be_removed_and_deleted() {
    let lab = Lab::new();
    let script = "import os
for top in '/removed', '/deleted':
    os.mkdir(top); os.chdir(top)
    for _ in range(3000): os.mkdir('d'); os.chdir('d')
";
    let command = Command::argv(["python3", "-c", script]);
    let container = lab.start(ContainerSpec::new("a", command));
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    // As many open files as most programs may have.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, soft.min(1024), hard).unwrap();
    container.files().remove("/removed").unwrap();
    assert_eq!(errno(container.files().stat("/removed"), "/removed"), Some(2));
    let rootfs = container.inspect().unwrap().rootfs;
    container.delete().unwrap();
    assert!(!rootfs.exists());
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
}

fn a_name_that_is_not_utf8_can_be_used_by_its_bytes() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let folder = container.inspect().unwrap().rootfs.join("odd");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    let target = OsStr::from_bytes(b"/odd/caf\xe9");
    symlink(target, folder.join("link")).unwrap();
    let files = container.files();
    assert_eq!(names(&container, "/odd"), ["caf\u{fffd}", "link"]);
    let listed = container.files().list("/odd").unwrap();
    let marks: Vec<String> = listed.into_iter().flat_map(|info| info.not_utf8).collect();
    assert_eq!(marks, ["name", "target"], "what is shown is not what it is called");
    let changes = container.diff().unwrap();
    let marked = changes.iter().filter(|change| change.not_utf8 == ["path"]);
    assert_eq!(marked.map(|change| &change.path[..]).collect::<Vec<_>>(), ["/odd/caf\u{fffd}"]);
    let shown = "/odd/caf\u{fffd}";
    assert_eq!(errno(files.read(shown, 1), shown), Some(2), "it is not its name");
    let listed = files.list("/odd").unwrap();
    assert_eq!(listed[0].raw_name(), b"caf\xe9");
    assert_eq!((listed[1].raw_name(), listed[1].name_bytes.as_deref()), (&b"link"[..], None));
    let json = serde_json::to_value(&listed[0]).unwrap();
    assert_eq!((&json["name"], &json["name_bytes"]), (&"caf\u{fffd}".into(), &"caf%E9".into()));
    assert_eq!(serde_json::from_value::<FileInfo>(json).unwrap(), listed[0]);
    // With its bytes it is read, written, told as a change, and removed.
    let path = [b"/odd/", listed[0].raw_name()].concat();
    assert_eq!(files.read(&path, 10).unwrap(), b"x");
    assert_eq!(files.stat(&path).unwrap(), listed[0]);
    files.write("/odd/link", b"through the link", WriteOptions::default()).unwrap();
    assert_eq!(files.read(&path, 100).unwrap(), b"through the link");
    files.write(&path, b"y", WriteOptions::default()).unwrap();
    files.make_directory([&path[..], b"-folder/\xff"].concat()).unwrap();
    let changes = container.diff().unwrap();
    assert!(changes.iter().any(|change| change.raw_path() == path), "{changes:?}");
    assert!(changes.iter().any(|change| change.raw_path().ends_with(b"-folder/\xff")));
    files.remove(&path).unwrap();
    assert!(!folder.join(OsStr::from_bytes(b"caf\xe9")).exists());
    files.remove("/odd").unwrap();
    assert!(!folder.exists());
}

fn a_folder_is_listed_page_by_page() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let folder = container.inspect().unwrap().rootfs.join("many");
    fs::create_dir(&folder).unwrap();
    let mut expected: Vec<String> = (0..250).map(|number| format!("file-{number}")).collect();
    for name in &expected {
        fs::write(folder.join(name), "").unwrap();
    }
    expected.sort();
    let (mut after, mut listed) = (None::<Vec<u8>>, Vec::new());
    loop {
        let page = container.files().list_page("/many", after.as_deref(), 100).unwrap();
        after = page.last().map(|file| file.raw_name().to_vec());
        listed.extend(page.iter().map(|file| file.name.clone()));
        if page.len() < 100 {
            break;
        }
    }
    assert_eq!(listed, expected);
    assert_eq!(names(&container, "/many"), expected);
    assert!(container.files().list_page("/many", None, 0).unwrap().is_empty());
}

fn a_read_only_volume_stays_as_it_is() {
    let lab = Lab::new();
    let folder = lab.folder("data");
    fs::write(folder.join("file"), "kept").unwrap();
    let volume = format!("{}:/data:ro", folder.display());
    let container = lab.start(sleeper("a").volume(&volume).unwrap());
    let files = container.files();
    for path in ["/data/file", "/data/new"] {
        let refused = files.write(path, b"x", WriteOptions::default());
        assert_eq!(errno(refused, path), Some(30), "EROFS");
    }
    assert_eq!(errno(files.remove("/data/file"), "/data/file"), Some(30));
    assert_eq!(errno(files.make_directory("/data/folder"), "/data/folder"), Some(30));
    assert_eq!(names(&container, "/data"), ["file"]);
    assert_eq!(read(&container, "/data/file"), "kept");
}

fn bad_paths_say_what_is_wrong() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let files = container.files();
    for path in ["", "etc/passwd", "/etc/..", "/a\0b"] {
        assert_eq!(errno(files.stat(path), path), Some(22));
        assert_eq!(errno(files.write(path, b"", WriteOptions::default()), path), Some(22));
        assert_eq!(errno(files.make_directory(path), path), Some(22));
        assert_eq!(errno(files.remove(path), path), Some(22));
    }
    assert_eq!(errno(files.remove("/"), "/"), Some(16));
    assert_eq!(errno(files.read("/etc", 1), "/etc"), Some(21), "EISDIR");
    assert_eq!(errno(files.list("/etc/passwd"), "/etc/passwd"), Some(20), "ENOTDIR");
    let path = "/etc/passwd/x";
    assert_eq!(errno(files.make_directory(path), path), Some(20));
    assert_eq!(errno(files.write("/etc", b"", WriteOptions::default()), "/etc"), Some(21));
    assert_eq!(errno(files.write("/new/", b"", WriteOptions::default()), "/new/"), Some(21));
    let path = "/no/such/file";
    let error = files.write(path, b"", WriteOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write \"/no/such/file\" in container \"a\": No such file or directory"
    );
    container.clone().delete().unwrap();
    assert!(matches!(files.stat("/"), Err(Error::NotFound { .. })));
}

fn without_a_rootfs_of_its_own_there_is_nothing_to_show() {
    let lab = Lab::new();
    let isolation = Isolation { rootfs: false, ..Isolation::default() };
    let container = lab.create(sleeper("a").isolation(isolation));
    assert!(matches!(container.files().list("/"), Err(Error::Unsupported { .. })));
}

fn without_root_the_files_say_so() {
    let lab = Lab::new();
    let mut program = child("unprivileged-files", lab.root());
    let said = program.line();
    assert!(said.contains("EPERM") && said.contains("Run as root"), "{said}");
}

/// A program that has given up its rights, with a root folder of its own.
pub fn unprivileged(_root: &str) {
    let root = tempfile::tempdir().unwrap();
    let runtime = crate::lab::open(root.path());
    let container = runtime.create(sleeper("a")).unwrap();
    caps::drop(None, caps::CapSet::Effective, caps::Capability::CAP_SYS_ADMIN).unwrap();
    let error = container.files().list("/etc").unwrap_err();
    println!("{error}: {}", error.hint());
}
