//! Who the command is and what it may do.

use std::fs::File;
use std::os::fd::AsFd;

use minidocker_rt::{Isolation, Status};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::lab::{Lab, sh, sleeper, status_field};

crate::trials![
    capabilities_are_dockers_default_and_none_is_inheritable,
    capabilities_can_be_left_on_for_comparison,
    no_new_privs_and_seccomp_are_on,
    the_filter_refuses_what_docker_refuses,
    the_filter_works_without_no_new_privs,
    ordinary_programs_work_under_the_filter,
    a_numeric_user_has_no_capabilities,
    the_environment_is_the_images_and_the_specifications,
    only_the_standard_streams_are_open,
    signals_are_at_their_defaults,
    the_command_is_an_ordinary_oom_candidate,
];

/// Docker's default set as the kernel prints it.
const DOCKER: &str = "00000000a80425fb";
const NONE: &str = "0000000000000000";

fn capabilities_are_dockers_default_and_none_is_inheritable() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let pid = container.inspect().unwrap().pid.unwrap();
    for (set, value) in [
        ("CapEff", DOCKER),
        ("CapPrm", DOCKER),
        ("CapBnd", DOCKER),
        ("CapInh", NONE),
        ("CapAmb", NONE),
    ] {
        assert_eq!(status_field(pid, set).unwrap(), value, "{set}");
    }
}

fn capabilities_can_be_left_on_for_comparison() {
    let lab = Lab::new();
    let isolation = Isolation { capabilities: false, ..Isolation::default() };
    let container = lab.start(sleeper("a").isolation(isolation));
    let pid = container.inspect().unwrap().pid.unwrap();
    assert_eq!(status_field(pid, "CapEff"), status_field(std::process::id() as i32, "CapEff"));
    // The filter opens what belongs to the capabilities that are there.
    let (exit, output) = lab.run(sh("b", "hostname changed && hostname").isolation(isolation));
    assert!(exit.success(), "{output}");
}

fn no_new_privs_and_seccomp_are_on() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let pid = container.inspect().unwrap().pid.unwrap();
    assert_eq!(status_field(pid, "NoNewPrivs").unwrap(), "1");
    assert_eq!(status_field(pid, "Seccomp").unwrap(), "2");
}

fn the_filter_refuses_what_docker_refuses() {
    let lab = Lab::new();
    // With all capabilities kept by the kernel, only the filter can be what refuses:
    // keyctl needs none at all.
    let script = r#"
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
machine = os.uname().machine
keyctl = {'x86_64': 250, 'aarch64': 219}[machine]
clone3 = 435
for number in (keyctl, clone3):
    result = libc.syscall(number, 0, 0, 0, 0, 0)
    print(result, errno.errorcode[ctypes.get_errno()])
print(libc.unshare(0x10000000), errno.errorcode[ctypes.get_errno()])
"#;
    let spec = minidocker_rt::ContainerSpec::new(
        "a",
        minidocker_rt::Command::argv(["python3", "-c", script]),
    );
    assert_eq!(lab.run(spec.clone()).1, "-1 EPERM\n-1 ENOSYS\n-1 EPERM\n");
    let isolation = Isolation { seccomp: false, ..Isolation::default() };
    let without = lab.run(spec.isolation(isolation)).1;
    assert!(!without.starts_with("-1 EPERM\n-1 ENOSYS\n"), "without a filter: {without}");
}

fn the_filter_works_without_no_new_privs() {
    let lab = Lab::new();
    let isolation = Isolation { no_new_privs: false, ..Isolation::default() };
    let (exit, output) =
        lab.run(sh("a", "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status").isolation(isolation));
    assert!(exit.success());
    assert_eq!(output, "NoNewPrivs:\t0\nSeccomp:\t2\n");
}

fn ordinary_programs_work_under_the_filter() {
    let lab = Lab::new();
    let code = "import threading, subprocess, tempfile\n\
                t = threading.Thread(target=lambda: print('thread', flush=True)); t.start(); t.join()\n\
                print(subprocess.check_output(['echo', 'child']).decode().strip())\n\
                open(tempfile.mktemp(), 'w').write('x'); print('file')";
    let spec = minidocker_rt::ContainerSpec::new(
        "a",
        minidocker_rt::Command::argv(["python3", "-c", code]),
    );
    assert_eq!(lab.run(spec).1, "thread\nchild\nfile\n");
}

fn a_numeric_user_has_no_capabilities() {
    let lab = Lab::new();
    let spec = sh("a", "id -u; id -g; id -G; grep CapEff /proc/self/status; touch /x")
        .user("1000:1001".parse().unwrap());
    let (_, output) = lab.run(spec);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..4], ["1000", "1001", "1001", &format!("CapEff:\t{NONE}")], "{output}");
    assert!(lines[4].contains("ermission denied"), "{output}");
}

fn the_environment_is_the_images_and_the_specifications() {
    let lab = Lab::new();
    // This test runs with cargo's variables and many others, of which none may arrive.
    let spec = sh("a", "env | sort").env("MODE", "production").env("URL", "a=b c");
    let (_, output) = lab.run(spec);
    let names: Vec<&str> = output.lines().filter_map(|line| line.split('=').next()).collect();
    for name in &names {
        let known = [
            "HOME",
            "HOSTNAME",
            "LD_LIBRARY_PATH",
            "MODE",
            "OLDPWD",
            "PATH",
            "PWD",
            "PYTHONUNBUFFERED",
            "SHLVL",
            "URL",
            "_",
        ];
        assert!(known.contains(name), "{name} in {output}");
    }
    for line in ["MODE=production", "URL=a=b c", "HOME=/root", "HOSTNAME=a"] {
        assert!(output.lines().any(|found| found == line), "{line} in {output}");
    }
}

fn only_the_standard_streams_are_open() {
    let lab = Lab::new();
    // A descriptor that this program forgot to close on exec.
    let forgotten = File::open("/").unwrap();
    fcntl(forgotten.as_fd(), FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    // `ls` itself opens the folder it lists, as 3.
    assert_eq!(lab.sh("ls /proc/self/fd"), "0\n1\n2\n3\n");
    for init in [true, false] {
        let container = lab.start(sleeper(if init { "b" } else { "c" }).init(init));
        let pid = container.inspect().unwrap().pid.unwrap();
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        assert_eq!(open, 3);
    }
}

fn signals_are_at_their_defaults() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let pid = container.inspect().unwrap().pid.unwrap();
    for set in ["SigIgn", "SigBlk", "SigCgt"] {
        let signals = u64::from_str_radix(&status_field(pid, set).unwrap(), 16).unwrap();
        assert_eq!(signals, 0, "{set}");
    }
    assert_eq!(container.status().unwrap(), Status::Running);
}

fn the_command_is_an_ordinary_oom_candidate() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let family = crate::lab::family(&container);
    let score = |pid: i32| {
        std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().to_string()
    };
    assert_eq!(score(family.command), "0");
    // To be spared more than one's parent takes a right that root may have been denied.
    const CAP_SYS_RESOURCE: u32 = 24;
    let mine = std::process::id() as i32;
    let rights = u64::from_str_radix(&status_field(mine, "CapEff").unwrap(), 16).unwrap();
    let spared = if rights >> CAP_SYS_RESOURCE & 1 == 1 { "-900".to_string() } else { score(mine) };
    assert_eq!(score(family.init), spared);
    assert_eq!(score(family.supervisor), spared);
}
