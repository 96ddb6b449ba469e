//! What a container changed, as overlays of the real kernel keep it.

use std::os::unix::fs::symlink;

use minidocker_rt::{Change, ChangeKind, Container, ContainerSpec, Error, Isolation, WriteOptions};

use crate::lab::{Lab, PATIENCE, eventually, sh, sleeper};

crate::trials![
    a_fresh_container_changed_nothing,
    what_the_start_makes_is_not_the_containers_change,
    additions_changes_and_deletions_are_told,
    a_directory_made_anew_tells_what_is_gone,
    changes_are_told_while_it_runs_and_after_writes_from_outside,
    a_symlink_to_the_host_is_not_followed,
    changes_on_the_host_are_not_the_containers,
];

fn changes(container: &Container) -> Vec<String> {
    container.diff().unwrap().iter().map(Change::to_string).collect()
}

fn after(lab: &Lab, spec: ContainerSpec) -> Vec<String> {
    let container = lab.start(spec);
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert!(exit.success(), "{}", container.logs().unwrap().read_to_string().unwrap());
    changes(&container)
}

fn a_fresh_container_changed_nothing() {
    let lab = Lab::new();
    assert!(lab.create(sleeper("a")).diff().unwrap().is_empty());
    assert_eq!(after(&lab, sh("b", "cat /etc/passwd; ls -R /etc")), [""; 0]);
}

fn what_the_start_makes_is_not_the_containers_change() {
    let lab = Lab::new();
    let folder = lab.folder("data");
    let file = folder.join("config");
    std::fs::write(&file, "x").unwrap();
    let spec = |name: &str, script: &str| {
        sh(name, script)
            .volume(&format!("{}:/app/data", folder.display()))
            .unwrap()
            .volume(&format!("{}:/etc/app.ini", file.display()))
            .unwrap()
            .working_dir("/srv/work/here")
    };
    assert_eq!(after(&lab, spec("a", "echo x > /app/data/file; echo y > /etc/app.ini")), [""; 0]);
    let changed = after(&lab, spec("b", "echo x > own; echo x > /app/own"));
    let expected = [
        "A /app",
        "A /app/own",
        "C /srv",
        "A /srv/work",
        "A /srv/work/here",
        "A /srv/work/here/own",
    ];
    assert_eq!(changed, expected);
}

fn additions_changes_and_deletions_are_told() {
    let lab = Lab::new();
    let script = "mkdir /made; echo x > /made/file; echo x >> /etc/nsswitch.conf; rm /etc/group; \
                  chmod 700 /home; rm -r /srv; ln -s /made /link; touch /mnt/x; rm /mnt/x";
    let changed = after(&lab, sh("a", script));
    let expected = [
        "C /etc",
        "D /etc/group",
        "C /etc/nsswitch.conf",
        "C /home",
        "A /link",
        "A /made",
        "A /made/file",
        "C /mnt",
        "D /srv",
    ];
    assert_eq!(changed, expected);
}

fn a_directory_made_anew_tells_what_is_gone() {
    let lab = Lab::new();
    let script = "rm -r /var/log /var/cache; mkdir /var/log; echo x > /var/log/new; \
                  rm -r /etc/ssl 2> /dev/null; rm /etc/nsswitch.conf; mkdir /etc/nsswitch.conf; true";
    let changed = after(&lab, sh("a", script));
    for line in ["C /var", "A /var/log/new", "D /var/cache", "C /etc", "C /etc/nsswitch.conf"] {
        assert!(changed.iter().any(|change| change == line), "{line} in {changed:?}");
    }
    // Anything below /etc, made anew with one file of the old ones.
    let container = lab.create(sleeper("b"));
    let files = container.files();
    let before = files.list("/etc").unwrap();
    files.remove("/etc").unwrap();
    let options = WriteOptions { make_parents: true, mode: None };
    files.write("/etc/nsswitch.conf", b"new", options).unwrap();
    let changed = container.diff().unwrap();
    for file in before {
        let path = format!("/etc/{}", file.name);
        let change = changed.iter().find(|change| change.path == path);
        let kind = change.unwrap_or_else(|| panic!("{path} in {changed:?}")).kind;
        let anew = file.name == "nsswitch.conf";
        assert_eq!(kind, if anew { ChangeKind::Modified } else { ChangeKind::Deleted }, "{path}");
    }
}

fn changes_are_told_while_it_runs_and_after_writes_from_outside() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "echo x > /inside; sleep 1000"));
    eventually("the script wrote", || changes(&container) == ["A /inside"]);
    container.files().write("/outside", b"x", WriteOptions::default()).unwrap();
    container.files().remove("/inside").unwrap();
    assert_eq!(changes(&container), ["A /outside"]);
}

fn a_symlink_to_the_host_is_not_followed() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let rootfs = container.inspect().unwrap().rootfs;
    symlink("/usr", rootfs.join("away")).unwrap();
    std::fs::remove_dir(rootfs.with_file_name("work")).unwrap();
    assert_eq!(changes(&container), ["A /away"]);
}

fn changes_on_the_host_are_not_the_containers() {
    let lab = Lab::new();
    let isolation = Isolation { rootfs: false, ..Isolation::default() };
    let container = lab.create(sleeper("a").isolation(isolation));
    assert!(matches!(container.diff(), Err(Error::Unsupported { .. })));
}
