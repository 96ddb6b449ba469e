//! Hello: create, start, wait, read the log, delete.
//!
//! `sudo cargo run --example hello`

use minidocker_rt::{ContainerSpec, Runtime};

fn main() -> minidocker_rt::Result<()> {
    minidocker_rt::init(); // first line: lets this program be its own helper process
    let root = tempfile::tempdir().expect("a temporary folder");
    // Real containers, or an error that says what is missing. On macOS, on Windows or without
    // root, who is content with imitated ones that nothing isolates asks for what there is:
    // Runtime::builder().backend(BackendKind::Any).open(root.path())
    let runtime = Runtime::open(root.path())?;
    let container = runtime.create(
        ContainerSpec::new("hello", "python -c \"print('Hello from Mini Docker!')\"")
            .memory_mb(64)
            .cpu_percent(50),
    )?;
    container.start()?;
    let exit = container.wait()?;
    print!("{}", container.logs()?.render()?);
    println!("exit: {exit}");
    container.delete()
}
