//! Volumes: where they land inside, and what of the host they may show.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use minidocker_rt::{Container, ContainerSpec, Error, RestartPolicy, Status, StepFailure};

use crate::lab::{Lab, PATIENCE, eventually, sh, sleeper};

crate::trials![
    volumes_below_others_are_seen_whatever_their_order,
    a_volume_over_a_symlink_lands_where_it_leads_inside_the_root,
    a_symlink_that_leads_nowhere_good_refuses_the_volume,
    a_folder_over_a_file_and_a_file_over_a_folder_ask_what_was_meant,
    a_volume_at_etc_keeps_the_containers_own_names,
    a_volume_that_a_container_swapped_is_not_followed_at_its_restart,
    a_volume_that_was_swapped_between_two_starts_fails_the_start_with_its_name,
    a_volume_behind_a_symlink_stays_what_it_was_at_the_create,
];

fn volume(spec: ContainerSpec, host: &Path, inside: &str) -> ContainerSpec {
    spec.volume(&format!("{}:{inside}", host.display())).unwrap()
}

fn refused(container: &Container) -> StepFailure {
    match container.start() {
        Err(Error::StartFailed { failure, .. }) => *failure,
        other => panic!("{other:?}"),
    }
}

fn printed(container: &Container) -> String {
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    container.logs().unwrap().read_to_string().unwrap()
}

fn volumes_below_others_are_seen_whatever_their_order() {
    let lab = Lab::new();
    let names = ["a", "b", "c"];
    for name in names {
        fs::write(lab.folder(name).join(name), "").unwrap();
    }
    let script = "cd /data; ls; ls sub; ls sub/deep; touch made sub/made sub/deep/made";
    let places = ["/data", "/data/sub", "/data/sub/deep"];
    for (number, order) in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]].iter().enumerate() {
        let spec = order.iter().fold(sh(&format!("x{number}"), script), |spec, &index| {
            volume(spec, &lab.folder(names[index]), places[index])
        });
        let (exit, output) = lab.run(spec);
        assert!(exit.success(), "{output}");
        let seen: Vec<&str> = output.lines().filter(|line| names.contains(line)).collect();
        assert_eq!(seen, names, "{order:?}: {output}");
        for name in names {
            fs::remove_file(lab.folder(name).join("made")).unwrap();
        }
    }
}

fn a_volume_over_a_symlink_lands_where_it_leads_inside_the_root() {
    let lab = Lab::new();
    let (folder, outside) = (lab.folder("folder"), lab.folder("outside"));
    fs::write(folder.join("marker"), "").unwrap();
    let file = lab.folder("files").join("file");
    fs::write(&file, "mine").unwrap();
    let elsewhere = outside.display().to_string();
    for (number, (link, target)) in [
        // Inside, there already.
        ("/etc/localtime", "/etc/passwd"),
        ("/srv/link", "../etc/group"),
        // Inside, not there: made.
        ("/etc/localtime", "/usr/../mnt/new/zone"),
        ("/srv/link", "other"),
        ("/srv/link", "../../../../../mnt/up"),
        // By its text outside.
        ("/srv/link", &format!("{elsewhere}/file")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("file-{number}");
        let spec = volume(sh(&name, &format!("cat {link}; test -L {link}")), &file, link);
        let container = lab.create(spec);
        plant(&container, link, target);
        assert_eq!(printed(&container), "mine", "{link} -> {target}");
        assert!(container.wait().unwrap().success(), "the link stays a link");

        let (link, target) = (format!("{link}.d"), format!("{target}.d"));
        let spec = volume(sh(&format!("folder-{number}"), &format!("ls {link}")), &folder, &link);
        let container = lab.create(spec);
        plant(&container, &link, &target);
        assert_eq!(printed(&container), "marker\n", "{link} -> {target}");
    }
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0, "nothing was made outside");
    // One of the commonest volumes, over what is a symlink on most machines.
    let spec = volume(sh("localtime", "cat /etc/localtime"), &file, "/etc/localtime:ro");
    assert_eq!(lab.run(spec).1, "mine");
}

/// Makes a symlink as a hostile image could hold it.
fn plant(container: &Container, link: &str, target: &str) {
    let link = container.inspect().unwrap().rootfs.join(&link[1..]);
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(target, link).unwrap();
}

fn a_symlink_that_leads_nowhere_good_refuses_the_volume() {
    let lab = Lab::new();
    let folder = lab.folder("folder");
    for (number, target) in
        ["/loop", "/proc", "/proc/self", "/sys/kernel", "/dev/null/x", "/usr/no"]
            .into_iter()
            .enumerate()
    {
        let container = lab.create(volume(sleeper(&format!("a{number}")), &folder, "/loop"));
        plant(&container, "/loop", target);
        let failure = refused(&container);
        assert_eq!(failure.step, "volume-1", "{target}: {failure}");
        assert!(failure.hint.contains("path"), "{target}: {}", failure.hint);
    }
}

fn a_folder_over_a_file_and_a_file_over_a_folder_ask_what_was_meant() {
    let lab = Lab::new();
    let folder = lab.folder("folder");
    let file = folder.join("file");
    fs::write(&file, "").unwrap();
    for (name, host, inside) in
        [("a", &folder, "/etc/passwd"), ("b", &file, "/etc"), ("c", &folder, "/etc/passwd/x")]
    {
        let container = lab.create(volume(sleeper(name), host, inside));
        let failure = refused(&container);
        let said = failure.to_string();
        assert!(said.contains(inside) && said.contains(&host.display().to_string()), "{said}");
        assert!(failure.hint.contains("folder onto a file"), "{}", failure.hint);
    }
}

fn a_volume_at_etc_keeps_the_containers_own_names() {
    let lab = Lab::new();
    let etc = lab.folder("etc");
    fs::write(etc.join("mine"), "mine\n").unwrap();
    let script = "cat /etc/mine /etc/hostname; grep -c localhost /etc/hosts";
    let read_only = lab.create(volume(sh("web", script), &etc, "/etc:ro"));
    let failure = refused(&read_only);
    assert_eq!(failure.step, "etc-files");
    assert!(failure.hint.contains("volume at /etc"), "{}", failure.hint);
    read_only.delete().unwrap();

    let (_, output) = lab.run(volume(sh("web", script), &etc, "/etc"));
    assert!(output.starts_with("mine\nweb\n"), "{output}");
    let mut made: Vec<String> = fs::read_dir(&etc)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    made.sort();
    assert_eq!(made, ["hostname", "hosts", "mine", "resolv.conf"], "places to mount on");
    assert_eq!(fs::read_to_string(etc.join("hosts")).unwrap(), "", "and nothing in them");
    // Now there is a place for each.
    let (_, again) = lab.run(volume(sh("web", script), &etc, "/etc:ro"));
    assert!(again.starts_with("mine\nweb\n"), "{again}");

    let hosts = lab.folder("files").join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost of-mine\n").unwrap();
    let spec = volume(sh("web", "cat /etc/hosts /etc/hostname"), &hosts, "/etc/hosts:ro");
    assert_eq!(lab.run(spec.clone()).1, "127.0.0.1 localhost of-mine\nweb\n");
    let both = volume(spec, &etc, "/etc:ro");
    assert_eq!(lab.run(both).1, "127.0.0.1 localhost of-mine\nweb\n");
}

fn a_volume_that_a_container_swapped_is_not_followed_at_its_restart() {
    let lab = Lab::new();
    let data = lab.folder("data");
    fs::create_dir(data.join("sub")).unwrap();
    let precious = lab.folder("precious");
    fs::write(precious.join("secret"), "the host's").unwrap();
    let script = format!(
        "ls /sub; touch /sub/here; rm -r /data/sub; ln -s {} /data/sub; exit 1",
        precious.display()
    );
    let spec = volume(volume(sh("a", &script), &data, "/data"), &data.join("sub"), "/sub");
    let container = lab.start(spec.restart(RestartPolicy::Always));
    eventually("it does not start again", || container.status().unwrap() == Status::Error);
    let info = container.inspect().unwrap();
    let reason = info.reason.unwrap();
    let volume = format!("{}:/sub", data.join("sub").display());
    assert!(reason.contains(&volume) && reason.contains("not what it was"), "{reason}");
    assert!(!container.logs().unwrap().read_to_string().unwrap().contains("secret"));
    assert_eq!(fs::read_dir(&precious).unwrap().count(), 1, "nothing was written there");
}

fn a_volume_that_was_swapped_between_two_starts_fails_the_start_with_its_name() {
    let lab = Lab::new();
    let (parent, other) = (lab.folder("parent"), lab.folder("other"));
    fs::create_dir_all(other.join("x")).unwrap();
    let x = parent.join("x");
    let file = lab.folder("files").join("file");
    type Swap<'a> = (&'a str, &'a dyn Fn());
    let swaps: [Swap<'_>; 4] = [
        ("a symlink in its place", &|| symlink(other.join("x"), &x).unwrap()),
        ("a file in its place", &|| fs::write(&x, "").unwrap()),
        ("nothing in its place", &|| ()),
        ("a symlink on the way", &|| {
            fs::remove_dir_all(&parent).unwrap();
            symlink(&other, &parent).unwrap();
        }),
    ];
    for (number, (how, swap)) in swaps.iter().enumerate() {
        fs::create_dir_all(&x).unwrap();
        let container = lab.create(volume(sh(&format!("a{number}"), "true"), &x, "/x"));
        assert_eq!(printed(&container), "");
        fs::remove_dir_all(&x).unwrap();
        swap();
        let failure = refused(&container);
        assert_eq!(failure.step, "volume-1", "{how}");
        assert!(failure.to_string().contains(&format!("{}:/x", x.display())), "{how}: {failure}");
        let _ = fs::remove_file(&x);
        let _ = fs::remove_file(&parent);
        fs::create_dir_all(&x).unwrap();
        container.start().unwrap();
        container.wait_timeout(PATIENCE).unwrap();
    }
    fs::write(&file, "").unwrap();
    let container = lab.create(volume(sh("file", "true"), &file, "/x"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let failure = refused(&container);
    assert!(failure.message.as_ref().unwrap().contains("not what it was"), "{failure}");
}

fn a_volume_behind_a_symlink_stays_what_it_was_at_the_create() {
    let lab = Lab::new();
    let (first, second) = (lab.folder("first"), lab.folder("second"));
    fs::write(first.join("first"), "").unwrap();
    fs::write(second.join("second"), "").unwrap();
    let link = lab.folder("links").join("link");
    symlink(&first, &link).unwrap();
    let container = lab.create(volume(sh("a", "ls /x"), &link, "/x"));
    assert_eq!(
        container.inspect().unwrap().spec.volumes()[0].host(),
        link,
        "shown as it was given"
    );
    fs::remove_file(&link).unwrap();
    symlink(&second, &link).unwrap();
    assert_eq!(printed(&container), "first\n");
}
