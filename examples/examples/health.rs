//! Health: a server that stops answering is noticed, ended and started again, and whoever
//! follows the events is told as it happens.
//!
//! `sudo cargo run --example health`

use std::time::Duration;

use minidocker_rt::{
    Command, ContainerSpec, EventKind, HealthCheck, RestartPolicy, Runtime, Status,
};

/// Is well for a second, and then only looks alive.
const SERVER: &str = "touch /tmp/answers; sleep 1; rm /tmp/answers; sleep 1000";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    minidocker_rt::init();
    let root = tempfile::tempdir()?;
    let runtime = Runtime::open(root.path())?;
    let events = runtime.events()?; // of all containers, whichever program makes them

    let container = runtime.create(
        ContainerSpec::new("server", Command::argv(["sh", "-c", SERVER]))
            .restart(RestartPolicy::OnFailure { max: None })
            .health_check(
                HealthCheck::new("test -e /tmp/answers")?
                    .interval(Duration::from_millis(200))
                    .retries(2)
                    .restart_unhealthy(true),
            ),
    )?;
    container.start()?;

    for event in events {
        let event = event?;
        println!("{}", serde_json::to_string(&event)?);
        match event.kind {
            EventKind::Restarted { restarts: 2 } => container.stop_within(Duration::ZERO)?,
            EventKind::Exited { .. } if container.status()? == Status::Stopped => break,
            _ => {}
        }
    }
    print!("\n{}", container.logs()?.render()?);
    container.delete()?;
    Ok(())
}
