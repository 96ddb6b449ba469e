//! Volumes: the command finds the host's folder at the container's path.

use std::fs;

use minidocker_rt::{BackendKind, Command, ContainerSpec};

use crate::lab::{Lab, PATIENCE, one, printed, python};

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let mut trials: Vec<libtest_mimic::Trial> = [
        crate::lab::each("what_is_written_stays_on_the_host", what_is_written_stays_on_the_host),
        crate::lab::each("any_name_of_a_folder_will_do", any_name_of_a_folder_will_do),
        crate::lab::each("a_script_in_a_volume_runs", a_script_in_a_volume_runs),
        crate::lab::each("variables_are_paths_too", variables_are_paths_too),
        crate::lab::each("a_path_that_is_put_together_is_found", a_path_that_is_put_together),
        crate::lab::each("a_file_at_the_root_stays_in_the_container", a_file_at_the_root),
        crate::lab::each(
            "the_containers_own_paths_are_private",
            the_containers_own_paths_are_private,
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    trials.push(one("what_cannot_be_rewritten_is_said", BackendKind::Simulation, cannot_be));
    trials.push(one("the_log_says_what_was_rewritten", BackendKind::Simulation, the_log_says));
    trials
}

fn volume(host: &std::path::Path, inside: &str) -> String {
    format!("{}:{inside}", host.display())
}

fn what_is_written_stays_on_the_host(lab: &Lab) {
    let folder = lab.folder("data");
    fs::write(folder.join("in.txt"), "from the host").unwrap();
    let code = "print(open('/app/data/in.txt').read())\n\
                with open('/app/data/output.txt', 'w') as f: f.write('Hello!')\n\
                import os; print(sorted(os.listdir('/app/data')))";
    let spec = python("a", code).volume(&volume(&folder, "/app/data")).unwrap();
    let (exit, output) = lab.run(spec);
    assert!(exit.success(), "{output}");
    assert_eq!(output, "from the host\n['in.txt', 'output.txt']\n");
    assert_eq!(fs::read_to_string(folder.join("output.txt")).unwrap(), "Hello!");
}

fn any_name_of_a_folder_will_do(lab: &Lab) {
    let mut names = vec!["with spaces", "it's", "größe データ", "a,b;c", "$HOME &c (1)"];
    if cfg!(unix) {
        names.extend(["double\"quote", "back\\slash", "new\nline"]);
    }
    for name in names {
        let folder = lab.folder(name);
        for code in
            ["open('/app/data/x', 'w').write('1')", "open(\"/app/data/x\", \"w\").write(\"2\")"]
        {
            let spec = python("a", code).volume(&volume(&folder, "/app/data")).unwrap();
            let (exit, output) = lab.run(spec);
            assert!(exit.success(), "{name}: {output}");
        }
        assert_eq!(fs::read_to_string(folder.join("x")).unwrap(), "2", "{name}");
        if cfg!(unix) {
            let script = "cat /app/data/x \"/app/data/x\" '/app/data/x'";
            let command = Command::argv(["sh", "-c", script]);
            let spec = ContainerSpec::new("a", command).volume(&volume(&folder, "/app/data"));
            assert_eq!(lab.run(spec.unwrap()).1, "222", "{name}");
        }
    }
}

fn a_script_in_a_volume_runs(lab: &Lab) {
    let folder = lab.folder("project");
    fs::write(folder.join("main.py"), "import sys; print('script', sys.argv[1][-4:])").unwrap();
    let command = Command::argv(["python", "/app/main.py", "--out=/app/x.y"]);
    let spec = ContainerSpec::new("a", command).volume(&volume(&folder, "/app")).unwrap();
    assert_eq!(lab.run(spec.working_dir("/app")).1, "script /x.y".to_string() + "\n");
}

fn variables_are_paths_too(lab: &Lab) {
    let folder = lab.folder("data");
    let code = "import os; open(os.environ['TARGET'], 'w').write('x')";
    let spec = python("a", code).volume(&volume(&folder, "/app/data")).unwrap();
    let (exit, output) = lab.run(spec.env("TARGET", "/app/data/made").env("URL", "http://a/app"));
    assert!(exit.success(), "{output}");
    assert!(folder.join("made").exists());
}

fn the_containers_own_paths_are_private(lab: &Lab) {
    let name = format!("minidocker-private-{}-{}", lab.kind, std::process::id());
    let code = format!("open('/tmp/{name}', 'w').write('x'); open('relative', 'w').close()");
    let container = lab.start(python("a", &code));
    assert!(container.wait_timeout(PATIENCE).unwrap().success(), "{}", printed(&container));
    assert!(!std::path::Path::new("/tmp").join(&name).exists());
    let files = container.files();
    assert_eq!(files.read(format!("/tmp/{name}"), 10).unwrap(), b"x");
    assert!(files.stat("/relative").is_ok());
}

fn the_log_says(lab: &Lab) {
    let folder = lab.folder("data");
    let code = "open('/app/data/x', 'w').close()";
    let spec = python("a", code).volume(&volume(&folder, "/app/data")).unwrap();
    let container = lab.start(spec);
    container.wait_timeout(PATIENCE).unwrap();
    let log = container.logs().unwrap().render().unwrap();
    let line = log.lines().find(|line| line.starts_with("Path: ")).expect(&log);
    assert!(line.starts_with("Path: /app/data/x is here "), "{line}");
    assert!(line.replace('\\', "/").ends_with("data/x"), "{line}");
}

/// A real container's kernel finds the volume whatever the program does; a link does here.
fn a_path_that_is_put_together(lab: &Lab) {
    let (data, deeper) = (lab.folder("data"), lab.folder("deeper"));
    fs::write(data.join("in.txt"), "in").unwrap();
    fs::write(deeper.join("deep.txt"), "deep").unwrap();
    fs::create_dir(data.join("sub")).unwrap();
    let code = "import os, pathlib\n\
                print(open(os.path.join('/app', 'data', 'in.txt')).read())\n\
                print((pathlib.Path('/app') / 'data' / 'in.txt').read_text())\n\
                print(open('/app/data/sub/deep.txt').read(), os.listdir('/app'))\n\
                open(os.path.join('/app', 'data', 'out.txt'), 'w').write('out')";
    let spec = python("a", code).volume(&volume(&data, "/app/data")).unwrap();
    let spec = spec.volume(&volume(&deeper, "/app/data/sub")).unwrap();
    let container = lab.start(spec);
    let exit = container.wait_timeout(PATIENCE).unwrap();
    let output = printed(&container).replace("\r\n", "\n");
    assert!(exit.success(), "{output}");
    assert_eq!(output, "in\nin\ndeep ['data']\n");
    assert_eq!(fs::read_to_string(data.join("out.txt")).unwrap(), "out");
    let inside: Vec<_> = fs::read_dir(data.join("sub")).unwrap().collect();
    assert!(inside.is_empty(), "the folder of the user has no link in it: {inside:?}");
    // Nothing of it is a change of the container, and deleting it leaves the volumes.
    assert_eq!(container.diff().unwrap(), []);
    container.start().unwrap();
    assert!(container.wait_timeout(PATIENCE).unwrap().success(), "a second time too");
    container.delete().unwrap();
    assert!(data.join("in.txt").exists() && deeper.join("deep.txt").exists());
}

/// The manual: "You CANNOT see this file in C:\\", and it goes with the container.
fn a_file_at_the_root(lab: &Lab) {
    let name = format!("minidocker-test-{}.txt", std::process::id());
    let code = format!("with open('/{name}', 'w') as f: f.write('Hello')");
    let container = lab.start(python("a", &code));
    assert!(container.wait_timeout(PATIENCE).unwrap().success(), "{}", printed(&container));
    let rootfs = container.inspect().unwrap().rootfs;
    assert_eq!(fs::read_to_string(rootfs.join(&name)).unwrap(), "Hello");
    let on_the_host = std::path::Path::new("/").join(&name);
    assert!(!on_the_host.exists());
    let changes = container.diff().unwrap();
    assert_eq!(changes.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), [format!("/{name}")]);
}

fn cannot_be(lab: &Lab) {
    let folder = lab.folder("data");
    fs::write(folder.join("script.py"), "print('ran')").unwrap();
    let words = [if cfg!(windows) { "python" } else { "python3" }, "/app/script.py"];
    let spec = ContainerSpec::new("a", Command::argv(words)).volume(&volume(&folder, "/app"));
    let container = lab.start(spec.unwrap());
    container.wait_timeout(PATIENCE).unwrap();
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.contains("ran\n") && log.contains("\nNote: paths of the container"), "{log}");
}
