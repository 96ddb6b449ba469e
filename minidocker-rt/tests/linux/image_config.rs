//! Containers run as their image says, unless they are told otherwise.

use std::io::Write;

use minidocker_rt::{
    Command, ContainerSpec, Error, Exec, Health, HealthCheck, NetworkMode, User, WriteOptions,
};

use crate::lab::{Lab, eventually, sh, sleeper};
use crate::tarball::{Tarball, docker_save};

crate::trials![
    an_image_that_is_only_named_runs_as_it_says,
    a_specification_comes_before_its_image,
    users_are_looked_up_in_the_container_itself,
    a_name_that_nobody_has_fails_with_it,
    no_file_of_users_leads_out_or_makes_a_start_wait,
    the_health_check_of_an_image_is_kept,
    the_stop_signal_of_an_image_stops_its_containers,
    another_user_opens_the_streams_by_their_names,
    another_user_binds_low_ports_and_pings_in_its_own_network_alone,
    a_working_directory_that_is_made_is_its_users,
];

const PASSWD: &[u8] = b"root:x:0:0::/root:/bin/sh\n\xff\xfe:x:9:9::/:\n\
    bob:x:1001:100::/home/bob:/bin/sh\nlone:x:1002:1002:::\n";
const GROUP: &[u8] =
    b"root:x:0:\nusers:x:100:\nstaff:x:50:\nvideo:x:44:alice,bob\naudio:x:29:bob,root\n";

/// Imports an image with a configuration, whose root filesystem has these users.
fn import(lab: &Lab, name: &str, config: &str) {
    let mut layer = Tarball::rootfs();
    layer.file("etc/passwd", PASSWD).file("etc/group", GROUP).folder("data");
    layer.symlink("bin/echo", "busybox");
    let archive = docker_save(&[&layer.bytes()], config);
    lab.runtime.import_image(name, &mut &*archive).unwrap();
}

/// Prints who and where it is.
const WHO: &str = "echo $(id -u) $(id -g) $(id -G) $(pwd) $HOME";

fn an_image_that_is_only_named_runs_as_it_says() {
    let lab = Lab::new();
    let config = r#"{"User":"bob","WorkingDir":"/data","Entrypoint":["/bin/sh","-c"],
        "Cmd":["echo $(id -u) $(id -g) $(id -G) $(pwd) $HOME $X"],
        "Env":["PATH=/bin","X=a=b","bad","=bad"]}"#;
    import(&lab, "box", config);
    let expected = "1001 100 100 29 44 /data /home/bob a=b\n";
    let (exit, output) = lab.run(ContainerSpec::of_image("a", "box"));
    assert_eq!((exit.code, output.as_str()), (0, expected));
    // The same over JSON, which REST and Python send, and by the image's own specification.
    let json = ContainerSpec::from_json(br#"{"name": "b", "image": "box"}"#).unwrap();
    assert_eq!(lab.run(json).1, expected);
    let image = lab.runtime.image("box").unwrap();
    assert_eq!(lab.run(image.spec("c").unwrap()).1, expected);
    // What it runs as is told, and is the same again when a copy is made of it.
    let told = lab.create(ContainerSpec::of_image("d", "box")).inspect().unwrap().spec;
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!((&json["user"], &json["working_dir"]), (&"bob".into(), &"/data".into()));
    assert_eq!(told.command().words()[..2], ["/bin/sh", "-c"]);
    assert_eq!(lab.run(told.named("e")).1, expected);
    // The image's HOME comes before that of /etc/passwd.
    import(&lab, "weird", r#"{"User":"bob","Env":["HOME=/weird"],"Cmd":["/bin/env"]}"#);
    let (_, output) = lab.run(ContainerSpec::of_image("f", "weird"));
    assert!(output.lines().any(|line| line == "HOME=/weird"), "{output}");
}

fn a_specification_comes_before_its_image() {
    let lab = Lab::new();
    let config = r#"{"User":"bob","WorkingDir":"/data","Entrypoint":["/bin/echo","of image"],
        "Cmd":["usual"],"Healthcheck":{"Test":["CMD","true"]}}"#;
    import(&lab, "box", config);
    let named = |name: &str| ContainerSpec::of_image(name, "box");
    assert_eq!(lab.run(named("a")).1, "of image usual\n");
    assert_eq!(
        lab.run(ContainerSpec::new("b", "'an other'").image("box")).1,
        "of image an other\n"
    );
    let other = named("c").entrypoint(["/bin/sh", "-c", WHO]);
    assert_eq!(lab.run(other.clone()).1, "1001 100 100 29 44 /data /home/bob\n");
    let root = other.named("d").user(User::ROOT).working_dir("/").env("HOME", "/tmp");
    assert_eq!(lab.run(root).1, "0 0 0 / /tmp\n");
    assert!(lab.create(named("e")).inspect().unwrap().spec.health().is_some());
    assert!(lab.create(named("f").no_health_check()).inspect().unwrap().spec.health().is_none());
    let check = HealthCheck::new("mine").unwrap();
    let spec = lab.create(named("g").health_check(check.clone())).inspect().unwrap().spec;
    assert_eq!(spec.health(), Some(&check));
    // Without anything to run, nothing is made.
    import(&lab, "empty", "{}");
    match lab.runtime.create(ContainerSpec::of_image("h", "empty")) {
        Err(Error::InvalidSpec { field: "command", why, .. }) => assert!(why.contains("empty")),
        other => panic!("{other:?}"),
    }
    assert!(lab.runtime.get("h").is_err());
}

fn users_are_looked_up_in_the_container_itself() {
    let lab = Lab::new();
    import(&lab, "box", r#"{"Env":["PATH=/bin"]}"#);
    for (name, user, expected) in [
        ("a", "bob", "1001 100 100 29 44 / /home/bob\n"),
        ("b", "bob:staff", "1001 50 50 / /home/bob\n"),
        ("c", "bob:7", "1001 7 7 / /home/bob\n"),
        ("d", "1001", "1001 100 100 29 44 / /home/bob\n"),
        ("e", "1001:1001", "1001 1001 1001 / /home/bob\n"),
        ("f", "lone", "1002 1002 1002 / /\n"),
        ("g", "77", "77 77 77 / /\n"),
        ("h", "77:", "77 0 0 / /\n"),
        ("i", "root", "0 0 0 29 / /root\n"),
    ] {
        let spec = sh(name, WHO).image("box").user(user.parse().unwrap());
        assert_eq!(lab.run(spec).1, expected, "{user}");
    }
    // As Docker does it with a number in an image.
    import(&lab, "number", r#"{"Env":["PATH=/bin"],"User":"77"}"#);
    assert_eq!(lab.run(sh("j", WHO).image("number")).1, "77 0 0 / /\n");
    // Another command may be another user; and what the container wrote counts.
    let container = lab.start(sleeper("k").image("box").user("1002".parse().unwrap()));
    let who = |user: &str| {
        let exec = Exec::new(Command::argv(["/bin/sh", "-c", WHO]));
        container.exec(exec.user(user.parse().unwrap())).unwrap().stdout_text()
    };
    assert_eq!(who("bob:staff"), "1001 50 50 / /home/bob\n");
    assert_eq!(who("root"), "0 0 0 29 / /root\n");
    container.files().write("/etc/passwd", b"new:x:5:6::/n:\n", WriteOptions::default()).unwrap();
    assert_eq!(who("new"), "5 6 6 / /n\n");
    // The image `host` has names too.
    let (_, output) = lab.run(sh("l", "id -un; id -g; echo $HOME").user("nobody".parse().unwrap()));
    assert_eq!(output, "nobody\n65534\n/\n");
}

fn a_name_that_nobody_has_fails_with_it() {
    let lab = Lab::new();
    import(&lab, "box", "{}");
    for (name, user, missing) in
        [("a", "mallory", "mallory"), ("b", "bob:hackers", "hackers"), ("c", "bo", "\"bo\"")]
    {
        let container = lab.create(sh(name, "true").image("box").user(user.parse().unwrap()));
        match container.start() {
            Err(Error::StartFailed { failure, .. }) => {
                assert_eq!(failure.step, "find-user");
                assert!(failure.to_string().contains(missing), "{failure}");
            }
            other => panic!("{other:?}"),
        }
    }
    let container = lab.start(sleeper("d"));
    let error = container.exec(Exec::new("id").user("mallory".parse().unwrap())).unwrap_err();
    assert!(error.to_string().contains("mallory"), "{error}");
    let image = docker_save(&[&Tarball::rootfs().bytes()], r#"{"User":"mallory","Cmd":["id"]}"#);
    lab.runtime.import_image("bad", &mut &*image).unwrap();
    let error = lab.create(ContainerSpec::of_image("e", "bad")).start().unwrap_err();
    assert!(error.to_string().contains("mallory"), "{error}");
}

fn no_file_of_users_leads_out_or_makes_a_start_wait() {
    let lab = Lab::new();
    std::fs::write(lab.folder("host").join("passwd"), "bob:x:6:6::/:\n").unwrap();
    let host = lab.folder("host").join("passwd").display().to_string();
    let with = |name: &str, make: &dyn Fn(&mut Tarball)| {
        let mut layer = Tarball::rootfs();
        layer.file("etc/passwd.real", b"bob:x:8:8::/:\n");
        make(&mut layer);
        lab.runtime.import_image(name, &mut &*layer.bytes()).unwrap();
        let spec = sh(name, "id -u").image(name).user("bob".parse().unwrap());
        let container = lab.create(spec);
        match container.start() {
            Ok(()) => {
                container.wait().unwrap();
                container.logs().unwrap().read_to_string().unwrap()
            }
            Err(error) => error.to_string(),
        }
    };
    // A link is followed inside the container's root, whatever is at its target on the host.
    assert_eq!(
        with("a", &|layer| {
            layer.symlink("etc/passwd", "/etc/passwd.real");
        }),
        "8\n"
    );
    let up = |layer: &mut Tarball| {
        layer.symlink("etc/passwd", "../../../../etc/passwd.real");
    };
    assert_eq!(with("b", &up), "8\n");
    for (name, target) in [
        ("c", host.as_str()),
        ("d", "/proc/self/environ"),
        ("e", "/proc/1/root/etc/passwd"),
        ("f", "/proc/self/cwd/etc/passwd.real"),
        ("g", "passwd"),
    ] {
        let output = with(name, &|layer| {
            layer.symlink("etc/passwd", target);
        });
        assert!(output.contains("has no user \"bob\""), "{target}: {output}");
    }
    let fifo = |layer: &mut Tarball| {
        layer.entry(tar::EntryType::Fifo, "etc/passwd", b"", |_| {});
    };
    assert!(with("h", &fifo).contains("has no user \"bob\""));
    let long = vec![b'x'; 17 << 20];
    let output = with("i", &|layer| {
        layer.file("etc/passwd", &long);
    });
    assert!(output.contains("EFBIG"), "{output}");
}

fn the_health_check_of_an_image_is_kept() {
    let lab = Lab::new();
    let config = r#"{"Cmd":["/bin/sleep","60"],"Env":["PATH=/bin"],
        "Healthcheck":{"Test":["CMD-SHELL","echo probed; test $(id -u) = 0"],
        "Interval":50000000,"Retries":2}}"#;
    import(&lab, "box", config);
    let container = lab.start(ContainerSpec::of_image("a", "box"));
    eventually("healthy", || {
        container.inspect().unwrap().health.unwrap().status == Health::Healthy
    });
    import(&lab, "none", r#"{"Cmd":["/bin/sleep","60"],"Healthcheck":{"Test":["NONE"]}}"#);
    let container = lab.start(ContainerSpec::of_image("b", "none"));
    assert!(container.inspect().unwrap().health.is_none());
}

fn the_stop_signal_of_an_image_stops_its_containers() {
    let lab = Lab::new();
    let script =
        "trap 'echo quit; exit 5' QUIT; trap '' TERM; echo ready; while :; do sleep 0.02; done";
    let config =
        format!(r#"{{"Cmd":["/bin/sh","-c","{script}"],"Env":["PATH=/bin"],"StopSignal":"3"}}"#);
    import(&lab, "box", &config);
    let stopped = |spec: ContainerSpec| {
        let container = lab.start(spec);
        eventually("ready", || {
            container.logs().unwrap().read_to_string().unwrap().contains("ready")
        });
        container.stop().unwrap();
        container.inspect().unwrap().exit.unwrap().code
    };
    assert_eq!(stopped(ContainerSpec::of_image("a", "box")), 5);
    let spec = lab.runtime.get("a").unwrap().inspect().unwrap().spec;
    assert_eq!(serde_json::to_value(&spec).unwrap()["stop_signal"], "SIGQUIT");
    // What is asked for comes first, also for the image `host`.
    let other = sh("b", &script.replace("QUIT", "USR1")).stop_signal("SIGUSR1".parse().unwrap());
    assert_eq!(stopped(other), 5);
    let odd =
        ContainerSpec::from_json(br#"{"name": "c", "command": "true", "stop_signal": "SIGX"}"#);
    assert!(matches!(odd, Err(Error::InvalidSpec { field: "stop_signal", .. })));
}

fn another_user_opens_the_streams_by_their_names() {
    let lab = Lab::new();
    let script = "echo out > /dev/stdout && echo err > /dev/stderr && cat /dev/stdin";
    for (name, init, user) in
        [("a", true, "1000:1000"), ("b", false, "1000"), ("c", true, "nobody")]
    {
        let spec = sh(name, script).init(init).user(user.parse().unwrap());
        assert_eq!(lab.run(spec).1, "out\nerr\n", "{user}");
    }
    let container = lab.start(sleeper("d"));
    let exec = Exec::new(Command::argv(["/bin/sh", "-c", script])).stdin("typed\n");
    let output = container.exec(exec.user("1000:1000".parse().unwrap())).unwrap();
    assert_eq!(
        (output.stdout_text().as_str(), output.stderr_text().as_str()),
        ("out\ntyped\n", "err\n")
    );
    // What the first command reads is its own, too.
    let spec = sh("e", "cat < /dev/stdin").stdin_open(true).user("1000:1000".parse().unwrap());
    let container = lab.start(spec);
    let mut attached = container.attach().unwrap();
    attached.input.write_all(b"hello\n").unwrap();
    eventually("read", || container.logs().unwrap().read_to_string().unwrap().contains("hello"));
}

fn another_user_binds_low_ports_and_pings_in_its_own_network_alone() {
    let lab = Lab::new();
    let settings = ["ip_unprivileged_port_start", "ping_group_range"];
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap();
    let before = settings.map(read);
    let show =
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range";
    let user = || "1000:1000".parse().unwrap();
    let none = || sh("a", show).network(NetworkMode::None).user(user());
    assert_eq!(lab.run(none()).1, "0\n0\t2147483647\n");
    // Read-only from then on, for root too.
    let write = "echo 5 > /proc/sys/net/ipv4/ip_unprivileged_port_start || echo refused";
    let (_, output) = lab.run(sh("b", write).network(NetworkMode::None));
    assert!(output.contains("refused"), "{output}");
    let host = format!("{}{}", before[0], before[1]);
    assert_eq!(lab.run(sh("c", show).network(NetworkMode::Host).user(user())).1, host);
    // In a network that is another's, nothing is changed.
    let owner = lab.start(sleeper("d").network(NetworkMode::None));
    let shared = NetworkMode::Container("d".parse().unwrap());
    let steps = lab.create(sh("e", show).network(shared)).plan().unwrap().steps;
    assert!(steps.iter().all(|step| step.id != "user-sockets"));
    owner.stop().unwrap();
    assert_eq!(settings.map(read), before, "the host's own are as they were");
}

fn a_working_directory_that_is_made_is_its_users() {
    let lab = Lab::new();
    import(&lab, "box", r#"{"Env":["PATH=/bin"],"User":"bob","WorkingDir":"/srv/new/work"}"#);
    let show = "stat -c '%u %g' /srv /srv/new . /data && echo x > file";
    let (exit, output) = lab.run(sh("a", show).image("box"));
    assert_eq!((exit.code, output.as_str()), (0, "1001 100\n1001 100\n1001 100\n0 0\n"));
    // What was there before stays whose it is.
    let (_, output) = lab.run(sh("b", "stat -c '%u %g' .").image("box").working_dir("/data"));
    assert_eq!(output, "0 0\n");
}
