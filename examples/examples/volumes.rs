//! Volumes: what a container writes stays in its rootfs and goes with it, except what it
//! writes into a volume, which is a folder of the host.
//!
//! `sudo cargo run --example volumes`

use std::fs;

use minidocker_rt::{Command, ContainerSpec, Runtime};

const SCRIPT: &str = "\
echo 'read from the volume:' $(cat /app/data/input.txt)
echo 'written by the container' > /app/data/output.txt
echo 'nobody will find this' > /notes.txt
touch /app/fixed/x || echo 'and the read-only volume stays as it is'";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    minidocker_rt::init();
    let lab = tempfile::tempdir()?;
    let (data, fixed) = (lab.path().join("data"), lab.path().join("fixed"));
    fs::create_dir(&data)?;
    fs::create_dir(&fixed)?;
    fs::write(data.join("input.txt"), "hello from the host")?;

    let runtime = Runtime::open(lab.path().join("root"))?;
    let container = runtime.create(
        ContainerSpec::new("volumes", Command::argv(["sh", "-c", SCRIPT]))
            .volume(&format!("{}:/app/data", data.display()))?
            .volume(&format!("{}:/app/fixed:ro", fixed.display()))?,
    )?;
    container.start()?;
    container.wait()?;
    print!("{}", container.logs()?.read_to_string()?);

    let rootfs = container.inspect()?.rootfs;
    println!("\non the host, while the container exists:");
    println!(
        "  {}: {:?}",
        rootfs.join("notes.txt").display(),
        fs::read_to_string(rootfs.join("notes.txt"))?
    );
    container.delete()?;
    println!("after delete:");
    println!("  its rootfs exists: {}", rootfs.exists());
    println!("  the volume has: {:?}", fs::read_to_string(data.join("output.txt"))?);
    Ok(())
}
