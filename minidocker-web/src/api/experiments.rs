//! `/api/experiments`: one command in two containers, of which one lacks a single isolation
//! feature. What the feature does is seen by its absence.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use minidocker_rt::{Container, ContainerSpec, Error, Runtime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Body, parsed, read, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;
use crate::text::whole_characters;

/// How long each of the two commands may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// So much of what each prints is shown.
const MOST_OUTPUT: usize = 64 << 10;

/// What a command that sees too much may use of this machine.
const MEMORY_MB: u64 = 64;
const CPU_PERCENT: u32 = 50;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        resource("/api/experiments", "GET, HEAD, POST")
            .route(read().to(list))
            .route(web::post().to(run)),
    );
}

/// A feature that can be switched off, and how to see that.
#[derive(Debug, Serialize)]
struct Experiment {
    feature: &'static str,
    title: &'static str,
    question: &'static str,
    /// With the feature off it must do no harm to this machine.
    command: &'static str,
    look_for: &'static str,
}

const EXPERIMENTS: [Experiment; 10] = [
    Experiment {
        feature: "pid",
        title: "Process tree",
        question: "Which processes can a container see?",
        command: "sh -c 'echo I am process $$; ls /proc | grep -c \"^[0-9]\"'",
        look_for: "With it, the command is process 2 or so, and there are only a few in all. \
                   Without it, the numbers are large: these are all processes of this machine.",
    },
    Experiment {
        feature: "rootfs",
        title: "Files",
        question: "Whose files does a container see?",
        command: "sh -c 'ls / /home /root'",
        look_for: "With it, there is a small tree of folders and nobody's home. Without it, these \
                   are the files of this machine.",
    },
    Experiment {
        feature: "uts",
        title: "Host name",
        question: "Which host name does a container have?",
        command: "uname -n",
        look_for: "With it, the name of the container. Without it, the name of this machine.",
    },
    Experiment {
        feature: "ipc",
        title: "Shared memory",
        question: "Can a container meet other programs in shared memory?",
        command: "readlink /proc/self/ns/ipc",
        look_for: "The number names the place where shared memory is found. With it, the container \
                   has one of its own. Without it, that of all programs of this machine.",
    },
    Experiment {
        feature: "network",
        title: "Network",
        question: "Which network interfaces does a container have?",
        command: "cat /proc/net/dev",
        look_for: "With it, loopback and one end of a cable to the bridge. Without it, all \
                   interfaces of this machine.",
    },
    Experiment {
        feature: "cgroup",
        title: "Cgroup root",
        question: "Can a container tell where in the cgroup tree it is?",
        command: "cat /proc/self/cgroup",
        look_for: "With it, only /. Without it, the whole path on this machine.",
    },
    Experiment {
        feature: "masked_paths",
        title: "Hidden kernel files",
        question: "What can a container read of the kernel's own data?",
        command: "sh -c 'head -c 200 /proc/keys; echo; head -n 3 /proc/timer_list; head -n 3 /proc/interrupts'",
        look_for: "With it, nothing. Without it, keys, timers and interrupts of this machine.",
    },
    Experiment {
        feature: "capabilities",
        title: "Capabilities",
        question: "Can root in a container do what root outside can?",
        command: "sh -c 'grep CapEff /proc/self/status; renice -n -10 -p $$'",
        look_for: "With it, renice fails: to take more than its share of the CPU, root needs \
                   CAP_SYS_NICE, and CapEff has only the few bits that Docker leaves. Without it, \
                   all bits are set, and renice succeeds.",
    },
    Experiment {
        feature: "no_new_privs",
        title: "No new privileges",
        question: "Can an ordinary user become root by a set-user-ID program?",
        command: "sh -c 'echo secret > /only-root; chmod 600 /only-root; \
                  cp /bin/cat /cat; chmod u+s /cat; \
                  setpriv --reuid 1000 --clear-groups /cat /only-root'",
        look_for: "User 1000 runs a copy of cat that has the set-user-ID bit of root. With it, the \
                   kernel ignores that bit, and the file stays closed: Permission denied. Without \
                   it, user 1000 reads root's secret.",
    },
    Experiment {
        feature: "seccomp",
        title: "System call filter",
        question: "Can a container make every system call?",
        command: "unshare --user id -u",
        look_for: "With it, the filter refuses unshare(2): Operation not permitted. Without it, the \
                   container makes a user namespace of its own, the first step of many attacks on \
                   the kernel, and is user 65534 (nobody) there.",
    },
];

async fn list(request: HttpRequest) -> Answer {
    Query::of(&request)?.end()?;
    Ok(HttpResponse::Ok().json(EXPERIMENTS))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    feature: String,
    command: Option<String>,
}

/// What came of one of the two containers.
#[derive(Debug, Default, Serialize)]
struct Run {
    output: String,
    exit_code: Option<i32>,
    signal: Option<i32>,
    timed_out: bool,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

async fn run(request: HttpRequest, app: web::Data<App>, body: Body) -> Answer {
    Query::of(&request)?.end()?;
    let Request { feature, command } = parsed(body)?;
    let Some(experiment) = EXPERIMENTS.iter().find(|known| known.feature == feature) else {
        let known: Vec<&str> = EXPERIMENTS.iter().map(|known| known.feature).collect();
        let message = format!("feature: {feature:?} cannot be switched off");
        let hint = format!("Give one of {}.", known.join(", "));
        return Err(ApiError::bad_request(message, hint).at_field("feature"));
    };
    let command = command.unwrap_or_else(|| experiment.command.to_string());
    let feature = experiment.feature;
    let side = |on: bool| {
        let (runtime, command) = (app.runtime.clone(), command.clone());
        app.work.slow(move || try_out(&runtime, feature, on, &command))
    };
    let (with, without) = tokio::join!(side(true), side(false));
    Ok(HttpResponse::Ok().json(json!({
        "feature": feature,
        "command": command,
        "with": with?,
        "without": without?,
    })))
}

/// Makes a container, lets it run, and removes it whatever happened.
fn try_out(runtime: &Runtime, feature: &str, on: bool, command: &str) -> Result<Run, ApiError> {
    let container = runtime.create(spec(feature, on, command)?)?;
    let run = observe(&container);
    container.delete_force()?;
    Ok(run.unwrap_or_else(|error| Run {
        error: Some(ApiError::from(error).inner()),
        ..Run::default()
    }))
}

fn spec(feature: &str, on: bool, command: &str) -> Result<ContainerSpec, ApiError> {
    let mut tag = [0; 4];
    getrandom::fill(&mut tag).map_err(|_| ApiError::internal())?;
    let tag = u32::from_ne_bytes(tag);
    let side = if on { "with" } else { "without" };
    let name = format!("experiment-{side}-{}-{tag:08x}", feature.replace('_', "-"));
    // A command that is refused is told of as any other.
    let spec = ContainerSpec::from_json(
        json!({
            "name": name,
            "command": command,
            "mem_limit_mb": MEMORY_MB,
            "cpu_limit_percent": CPU_PERCENT,
            "best_effort_limits": true,
            "isolation": {feature: on},
        })
        .to_string()
        .as_bytes(),
    )?;
    Ok(spec)
}

fn observe(container: &Container) -> Result<Run, Error> {
    container.start()?;
    let timed_out = match container.wait_timeout(PATIENCE) {
        Err(Error::Timeout { .. }) => {
            container.stop_within(Duration::ZERO)?;
            true
        }
        result => {
            result?;
            false
        }
    };
    let exit = container.inspect()?.exit;
    let mut output = container.logs()?.read()?;
    let truncated = output.len() > MOST_OUTPUT;
    if truncated {
        output.truncate(MOST_OUTPUT);
        output.truncate(whole_characters(&output).len());
    }
    Ok(Run {
        output: String::from_utf8_lossy(&output).into_owned(),
        exit_code: exit.map(|exit| exit.code),
        signal: exit.and_then(|exit| exit.signal),
        timed_out,
        truncated,
        error: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_experiment_switches_one_feature_off() {
        for Experiment { feature, command, .. } in EXPERIMENTS {
            let json = serde_json::to_value(spec(feature, false, command).unwrap()).unwrap();
            let isolation = json["isolation"].as_object().unwrap();
            let off: Vec<&String> =
                isolation.iter().filter(|(_, on)| **on == false).map(|(name, _)| name).collect();
            assert_eq!(off, [feature]);
            assert!(serde_json::to_value(spec(feature, true, command).unwrap()).is_ok());
        }
    }
}
