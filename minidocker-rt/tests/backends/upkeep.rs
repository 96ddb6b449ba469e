//! Disk usage and prune.

use crate::lab::{Lab, PATIENCE, python, sleeper};

crate::trials![what_it_takes_on_disk_is_told_and_given_back];

fn what_it_takes_on_disk_is_told_and_given_back(lab: &Lab) {
    let code = "open('/tmp/large', 'wb').write(b'x' * 1_000_000); print('y' * 5000)";
    let ended = lab.start(python("ended", code));
    ended.wait_timeout(PATIENCE).unwrap();
    lab.start(sleeper("runs"));
    let usage = lab.runtime.disk_usage().unwrap();
    let one = usage.containers.iter().find(|one| one.name == "ended").unwrap();
    assert!(one.changes_bytes >= 1_000_000 && one.log_bytes >= 5000, "{one:?}");
    assert!(usage.reclaimable_bytes >= one.total_bytes());
    let pruned = lab.runtime.prune().unwrap();
    assert_eq!((pruned.containers, pruned.failed.len()), (vec!["ended".to_string()], 0));
    assert!(pruned.reclaimed_bytes >= 1_000_000);
    assert_eq!(lab.runtime.names().unwrap().len(), 1);
}
