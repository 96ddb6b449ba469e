//! The root filesystem and volumes.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use minidocker_rt::{Command, ContainerSpec, Error, Exec};

use crate::lab::{Lab, PATIENCE, sh};

crate::trials![
    shell_coreutils_and_python_work,
    nothing_of_the_host_is_visible,
    the_old_root_is_gone,
    a_write_lands_in_the_rootfs_and_not_on_the_host,
    what_is_in_the_rootfs_survives_a_restart,
    the_hosts_programs_cannot_be_changed,
    a_volume_shares_files_and_survives_delete,
    a_read_only_volume_refuses_writes,
    a_single_file_can_be_a_volume,
    several_volumes_mount_in_order,
    a_volume_of_a_missing_folder_is_refused_before_anything_is_made,
    a_system_folder_behind_a_symlink_is_refused,
    devices_are_the_few_that_programs_expect,
    a_device_made_inside_is_dead,
    kernel_files_are_masked_and_read_only,
    a_symlink_in_the_rootfs_cannot_lead_a_mount_outside,
    the_working_directory_cannot_be_a_door_to_the_host,
    a_program_cannot_be_a_door_to_the_host,
    the_working_directory_is_made_if_missing,
    nothing_mounted_inside_shows_outside,
    the_root_may_be_at_a_long_path,
];

/// The kernel takes no more than 255 bytes of an overlay's path.
fn the_root_may_be_at_a_long_path() {
    let lab = Lab::deep();
    let container = lab.start(sh("a", "echo inside > /made"));
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    // At rest, its overlay is mounted for the moment.
    let mut text = String::new();
    container.files().open("/made").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "inside\n");
    container.delete().unwrap();
}

fn shell_coreutils_and_python_work() {
    let lab = Lab::new();
    assert_eq!(lab.sh("echo hello | tr a-z A-Z | cut -c 1-4"), "HELL\n");
    let code = "import sys, json, hashlib; print(json.dumps(6*7))";
    for python in ["python", "python3"] {
        let spec = ContainerSpec::new(python, Command::argv([python, "-c", code]));
        assert_eq!(lab.run(spec).1, "42\n");
    }
}

fn nothing_of_the_host_is_visible() {
    let lab = Lab::new();
    fs::write(lab.folder("secrets").join("secret"), "x").unwrap();
    let seen = lab.sh("ls -A /home /root /tmp /mnt /srv /media; ls /etc/shadow");
    let lines: Vec<&str> = seen.lines().filter(|line| !line.is_empty()).collect();
    for line in &lines {
        assert!(line.ends_with(':') || line.contains("No such file"), "seen: {lines:?}");
    }
    let store = lab.root().display().to_string();
    let (exit, _) = lab.run(sh("b", &format!("ls {store}")));
    assert_ne!(exit.code, 0, "the store is invisible");
}

fn the_old_root_is_gone() {
    let lab = Lab::new();
    let mounts = lab.sh("cat /proc/self/mountinfo");
    let host_root = fs::metadata("/").unwrap().ino();
    assert_ne!(lab.sh("stat -c %i /").trim(), host_root.to_string());
    // Docker's set and the host's programs, and nothing else.
    for line in mounts.lines() {
        let place = line.split(' ').nth(4).unwrap();
        let known = ["/", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
        let below = ["/proc", "/sys", "/dev", "/opt/python", "/usr/"];
        let own = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
        assert!(
            known.contains(&place)
                || own.contains(&place)
                || below.iter().any(|b| place.starts_with(b)),
            "{line}"
        );
        assert!(!line.contains("shared:") && !line.contains("master:"), "private: {line}");
    }
}

fn a_write_lands_in_the_rootfs_and_not_on_the_host() {
    let lab = Lab::new();
    let container = lab.create(sh("a", "echo Hello > /minidocker-test-data.txt"));
    container.start().unwrap();
    assert!(container.wait().unwrap().success());
    let rootfs = container.inspect().unwrap().rootfs;
    assert_eq!(fs::read_to_string(rootfs.join("minidocker-test-data.txt")).unwrap(), "Hello\n");
    assert!(!std::path::Path::new("/minidocker-test-data.txt").exists());
    let changed: Vec<_> =
        fs::read_dir(&rootfs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(changed, ["minidocker-test-data.txt"], "exactly what it changed");
    container.delete().unwrap();
    assert!(!rootfs.exists());
}

fn what_is_in_the_rootfs_survives_a_restart() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "echo x >> /count; wc -l < /count"));
    container.wait().unwrap();
    container.start().unwrap();
    container.wait().unwrap();
    assert_eq!(container.logs().unwrap().read_to_string().unwrap(), "1\n2\n");
    assert_eq!(container.inspect().unwrap().starts, 2);
}

fn the_hosts_programs_cannot_be_changed() {
    let lab = Lab::new();
    let script =
        "touch /usr/x; rm /bin/sh; echo > /proc/sys/kernel/hostname; mount -o remount,rw /usr";
    let (exit, output) = lab.run(sh("a", script));
    assert_ne!(exit.code, 0);
    assert_eq!(output.matches("Read-only").count(), 3, "{output}");
}

fn a_volume_shares_files_and_survives_delete() {
    let lab = Lab::new();
    let folder = lab.folder("data");
    fs::write(folder.join("in.txt"), "from the host").unwrap();
    let volume = format!("{}:/app/data", folder.display());
    let spec = sh("a", "cat /app/data/in.txt; echo back > /app/data/out.txt");
    let (exit, output) = lab.run(spec.volume(&volume).unwrap());
    assert!(exit.success(), "{output}");
    assert_eq!(output, "from the host");
    assert_eq!(fs::read_to_string(folder.join("out.txt")).unwrap(), "back\n");
}

fn a_read_only_volume_refuses_writes() {
    let lab = Lab::new();
    let folder = lab.folder("data");
    let volume = format!("{}:/data:ro", folder.display());
    let script = "touch /data/x || echo refused; mount -o remount,rw /data || echo still";
    let (_, output) = lab.run(sh("a", script).volume(&volume).unwrap());
    assert!(output.contains("refused\n") && output.contains("still\n"), "{output}");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

fn a_single_file_can_be_a_volume() {
    let lab = Lab::new();
    let file = lab.folder("data").join("config.ini");
    fs::write(&file, "colour=blue").unwrap();
    let volume = format!("{}:/etc/app/config.ini:ro", file.display());
    assert_eq!(
        lab.run(sh("a", "cat /etc/app/config.ini").volume(&volume).unwrap()).1,
        "colour=blue"
    );
}

fn several_volumes_mount_in_order() {
    let lab = Lab::new();
    let (outer, inner) = (lab.folder("outer"), lab.folder("inner"));
    fs::create_dir(outer.join("sub")).unwrap();
    fs::write(inner.join("file"), "inner").unwrap();
    let spec = sh("a", "cat /data/sub/file; echo; echo ok > '/mit Leer und ü/x'")
        .volume(&format!("{}:/data", outer.display()))
        .unwrap()
        .volume(&format!("{}:/data/sub", inner.display()))
        .unwrap()
        .volume(&format!("{}:/mit Leer und ü", lab.folder("strange 'name'").display()))
        .unwrap();
    let (exit, output) = lab.run(spec);
    assert!(exit.success(), "{output}");
    assert_eq!(output, "inner\n");
    assert!(lab.folder("strange 'name'").join("x").exists());
    assert!(!outer.join("sub/file").exists(), "the inner one covers, it does not copy");
}

fn a_volume_of_a_missing_folder_is_refused_before_anything_is_made() {
    let lab = Lab::new();
    let spec = sh("a", "true").volume("/no/such/folder:/data").unwrap();
    match lab.runtime.create(spec) {
        Err(Error::InvalidSpec { field: "volumes", why, hint, .. }) => {
            assert!(why.contains("does not exist"), "{why}");
            assert!(hint.contains("Create the folder"), "{hint}");
        }
        other => panic!("{other:?}"),
    }
    let twice = sh("a", "true").volume("/srv/a:/data").unwrap().volume("/srv/b:/data/").unwrap();
    let error = lab.runtime.create(twice).unwrap_err();
    assert!(error.to_string().contains("same path"), "{error}");
    let windows = sh("a", "true").volume("C:\\MyData:/app/data").unwrap();
    let error = lab.runtime.create(windows).unwrap_err();
    assert!(error.to_string().contains("Windows path"), "{error}");
    assert!(lab.runtime.list().unwrap().is_empty());
}

fn a_system_folder_behind_a_symlink_is_refused() {
    let lab = Lab::new();
    let link = lab.folder("data").join("link");
    symlink("/etc", &link).unwrap();
    let spec = sh("a", "true").volume(&format!("{}:/data", link.display())).unwrap();
    assert!(matches!(lab.runtime.create(spec), Err(Error::InvalidSpec { field: "volumes", .. })));
}

fn devices_are_the_few_that_programs_expect() {
    let lab = Lab::new();
    let output = lab.sh(
        "ls /dev; stat -c %t:%T /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty",
    );
    let (names, numbers): (Vec<&str>, Vec<&str>) =
        output.lines().partition(|line| !line.contains(':'));
    assert_eq!(
        names,
        [
            "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
            "tty", "urandom", "zero"
        ]
    );
    assert_eq!(numbers, ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"]);
    let use_them = "echo x > /dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c; \
                    echo x > /dev/full || echo full; echo x > /dev/shm/y && echo shm; \
                    python3 -c 'import os; os.openpty(); print(\"pty\")'";
    let output = lab.sh(use_them);
    for word in ["4\n4\n", "full\n", "shm\n", "pty\n"] {
        assert!(output.contains(word), "{word:?} in {output}");
    }
}

fn a_device_made_inside_is_dead() {
    let lab = Lab::new();
    // 1:3 is harmless /dev/null; a disk would be made the same way.
    let output = lab.sh("mknod /n c 1 3 && echo made; cat /n; mknod /dev/n c 1 3; cat /dev/n");
    assert!(output.contains("made"), "{output}");
    assert_eq!(output.matches("ermission denied").count(), 2, "{output}");
}

fn kernel_files_are_masked_and_read_only() {
    let lab = Lab::new();
    let script = "for f in kcore keys timer_list; do test -e /proc/$f && wc -c < /proc/$f; done; \
                  ls /sys/firmware; \
                  echo 1 > /proc/sys/vm/drop_caches; \
                  test ! -e /proc/sysrq-trigger || echo b > /proc/sysrq-trigger; touch /sys/x";
    let output = lab.sh(script);
    let (masked, refused): (Vec<&str>, Vec<&str>) = output.lines().partition(|line| *line == "0");
    assert!(!masked.is_empty(), "{output}");
    assert!(
        refused.iter().all(|line| line.contains("Read-only") || line.contains("ermission")),
        "{output}"
    );
    assert!(refused.len() >= 2, "{output}");
}

fn a_symlink_in_the_rootfs_cannot_lead_a_mount_outside() {
    let lab = Lab::new();
    let (outside, data) = (lab.folder("outside"), lab.folder("data"));
    fs::write(data.join("marker"), "").unwrap();
    let upwards = format!("../../../../../../../..{}", outside.display());
    for (index, target) in [outside.display().to_string(), upwards].into_iter().enumerate() {
        let name = format!("a{index}");
        let spec =
            sh(&name, "ls /app/sub").volume(&format!("{}:/app/sub", data.display())).unwrap();
        let container = lab.create(spec);
        // As a hostile image could hold it.
        symlink(&target, container.inspect().unwrap().rootfs.join("app")).unwrap();
        match container.start() {
            // The link points to nothing inside the container: refused.
            Err(Error::StartFailed { failure, .. }) => assert_eq!(failure.step, "volume-1"),
            other => panic!("{other:?}"),
        }
        // Now it points to something inside, and there the volume goes.
        let inside = container.inspect().unwrap().rootfs.join(&outside.display().to_string()[1..]);
        fs::create_dir_all(&inside).unwrap();
        container.start().unwrap();
        assert!(container.wait().unwrap().success());
        assert_eq!(container.logs().unwrap().read_to_string().unwrap(), "marker\n");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "nothing was made outside");
    }
}

fn the_working_directory_cannot_be_a_door_to_the_host() {
    let lab = Lab::new();
    for number in 3..24 {
        // CVE-2024-21626: a descriptor of a host folder that was left open.
        let spec = sh("a", "ls -A .").working_dir(&format!("/proc/self/fd/{number}"));
        let container = lab.create(spec);
        match container.start() {
            Err(Error::StartFailed { failure, .. }) => assert_eq!(failure.step, "working-dir"),
            other => panic!("{other:?}"),
        }
        container.delete().unwrap();
    }
}

fn a_program_cannot_be_a_door_to_the_host() {
    let lab = Lab::new();
    let outside = lab.folder("outside").join("escaped");
    std::fs::write(&outside, "#!/bin/sh\necho escaped\n").unwrap();
    std::fs::set_permissions(&outside, PermissionsExt::from_mode(0o755)).unwrap();
    let up = "../".repeat(12);
    // CVE-2024-21626 once more: the path of a program is resolved before the exec closes
    // anything, so a symlink through a folder of the host that is open then leads out.
    let door = |number| format!("/proc/self/fd/{number}/{up}{}", outside.display());
    let running = lab.start(crate::lab::sleeper("running"));
    let inside = running.inspect().unwrap().rootfs;
    for number in 3..24 {
        let name = format!("door-{number}");
        symlink(door(number), inside.join(&name)).unwrap();
        let command = format!("/{name}");
        let executed = running.exec(Exec::new(command.as_str()));
        assert!(matches!(executed, Err(Error::ExecFailed { .. })), "{number}: {executed:?}");
        let container = lab.create(ContainerSpec::new(&name, command.as_str()));
        symlink(door(number), container.inspect().unwrap().rootfs.join(&name)).unwrap();
        match container.start() {
            Err(Error::StartFailed { failure, .. }) => assert_eq!(failure.step, "exec"),
            other => panic!("{number}: {other:?}"),
        }
        container.delete().unwrap();
    }
}

fn the_working_directory_is_made_if_missing() {
    let lab = Lab::new();
    assert_eq!(lab.run(sh("a", "pwd").working_dir("/srv/app")).1, "/srv/app\n");
    assert_eq!(lab.run(sh("b", "pwd")).1, "/\n");
}

fn nothing_mounted_inside_shows_outside() {
    let lab = Lab::new();
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let volume = format!("{}:/data", lab.folder("data").display());
    let _container = lab.start(crate::lab::sleeper("a").volume(&volume).unwrap());
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count(), before);
}
