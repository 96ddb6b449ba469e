//! After a reboot or the loss of a supervisor.

use minidocker_rt::{RestartPolicy, Status};

use crate::lab::{Lab, cgroups_of, eventually, family, is_alive, kill, sh, sleeper};
use crate::trials;

trials!(
    a_lost_container_is_recovered_and_can_be_started_again,
    a_reboot_revives_what_its_policy_says,
    what_was_stopped_before_a_reboot_comes_back_only_under_always,
    a_stop_that_a_reboot_cut_short_is_as_good_as_done,
    what_could_not_be_started_is_tried_again_after_a_reboot,
    what_is_alive_is_left_alone,
);

/// As if the machine had been switched off: the supervisor is gone without a word, and the
/// record is from another boot.
fn power_cut(lab: &Lab, name: &str) {
    let container = lab.runtime.get(name).unwrap();
    if container.status().unwrap().is_alive() {
        let supervisor = family(&container).supervisor;
        kill(supervisor);
        eventually("its end", || !is_alive(supervisor));
        lab.runtime.recover().unwrap();
    }
    let path = lab.root().join("containers").join(name).join("status.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["boot_id"] = "another".into();
    std::fs::write(&path, record.to_string()).unwrap();
}

/// The names of those that a revival has started, all of them with success.
fn revived(lab: &Lab) -> Vec<String> {
    let revived = lab.runtime.revive().unwrap();
    assert!(revived.iter().all(|revived| revived.started.is_ok()), "{revived:?}");
    revived.iter().map(|revived| revived.container.name().to_string()).collect()
}

fn a_lost_container_is_recovered_and_can_be_started_again() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a").restart(RestartPolicy::Always));
    let family = family(&container);
    kill(family.supervisor);
    eventually("its end", || !is_alive(family.command));
    let recovered = lab.runtime.recover().unwrap();
    assert_eq!(recovered.len(), 1);
    assert!(recovered[0].reason.contains("supervisor was killed"), "{}", recovered[0].reason);
    recovered[0].cleaned.as_ref().unwrap();
    assert!(cgroups_of(container.id().as_str()).is_empty());
    assert_eq!(container.status().unwrap(), Status::Error);
    let revived = lab.runtime.revive().unwrap();
    assert_eq!(revived.len(), 1);
    assert_eq!(container.status().unwrap(), Status::Running);
}

fn a_reboot_revives_what_its_policy_says() {
    let lab = Lab::new();
    let policies = ["no", "on-failure", "always", "unless-stopped"];
    for policy in policies {
        lab.start(sleeper(policy).restart(policy.parse().unwrap()));
        power_cut(&lab, policy);
        let info = lab.runtime.get(policy).unwrap().inspect().unwrap();
        assert!(info.reason.unwrap().contains("the machine was restarted"));
    }
    assert_eq!(revived(&lab), ["always", "on-failure", "unless-stopped"]);
    assert_eq!(lab.runtime.get("no").unwrap().status().unwrap(), Status::Error);
}

fn what_was_stopped_before_a_reboot_comes_back_only_under_always() {
    let lab = Lab::new();
    for policy in ["on-failure", "always", "unless-stopped"] {
        lab.start(sleeper(policy).restart(policy.parse().unwrap())).stop().unwrap();
    }
    assert!(lab.runtime.revive().unwrap().is_empty(), "the machine was not restarted");
    for policy in ["on-failure", "always", "unless-stopped"] {
        power_cut(&lab, policy);
    }
    assert_eq!(revived(&lab), ["always"]);
}

fn a_stop_that_a_reboot_cut_short_is_as_good_as_done() {
    let lab = Lab::new();
    for policy in ["on-failure", "always", "unless-stopped"] {
        let spec = sh(policy, "trap '' TERM; while :; do sleep 0.1; done");
        let container = lab.start(spec.restart(policy.parse().unwrap()));
        // It counts as a stop by an operator, and is not heeded.
        container.kill(nix::libc::SIGTERM).unwrap();
        power_cut(&lab, policy);
    }
    assert_eq!(revived(&lab), ["always"]);
}

fn what_could_not_be_started_is_tried_again_after_a_reboot() {
    let lab = Lab::new();
    for policy in ["no", "on-failure", "always", "unless-stopped"] {
        let volume = lab.folder(policy);
        let spec = sleeper(policy).restart(policy.parse().unwrap());
        let spec = spec.volume(&format!("{}:/data", volume.display())).unwrap();
        let container = lab.create(spec);
        // A disk that is not mounted yet.
        std::fs::remove_dir(&volume).unwrap();
        assert!(container.start().is_err());
        std::fs::create_dir(&volume).unwrap();
        assert!(lab.runtime.revive().unwrap().is_empty(), "the machine was not restarted");
    }
    for policy in ["no", "on-failure", "always", "unless-stopped"] {
        power_cut(&lab, policy);
    }
    assert_eq!(revived(&lab), ["always", "unless-stopped"]);
}

fn what_is_alive_is_left_alone() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a").restart(RestartPolicy::Always));
    assert!(lab.runtime.recover().unwrap().is_empty());
    assert!(lab.runtime.revive().unwrap().is_empty());
    assert_eq!(container.inspect().unwrap().starts, 1);
}
