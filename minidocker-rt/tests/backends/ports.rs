//! Published ports: what a program in a container serves is reached from outside.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use minidocker_rt::{Container, ContainerSpec, Error, PortMapping, RestartPolicy};

use crate::lab::{Lab, PATIENCE, eventually, python, sleeper};

crate::trials![
    a_published_port_is_reached_and_told,
    a_taken_port_fails_the_start_by_name,
    the_port_stays_over_a_restart_by_policy,
    ports_that_nobody_could_reach_are_refused,
];

/// A port of this machine that nobody has.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A container that answers each question with itself, in capitals, and "exit" by ending.
fn shouter(port: u16) -> ContainerSpec {
    let program = format!(
        "import socket, sys\n\
         server = socket.create_server(('', {port}))\n\
         while True:\n    \
             client, _ = server.accept()\n    \
             question = b''.join(iter(lambda: client.recv(4096), b''))\n    \
             client.sendall(question.upper())\n    \
             client.close()\n    \
             if question == b'exit': sys.exit(1)\n"
    );
    python("shouter", &program)
}

/// Asks until somebody listens in the container.
fn ask(port: u16, question: &str) -> String {
    let mut answer = String::new();
    eventually("an answer", || {
        let asked = (|| {
            let mut client = TcpStream::connect(("127.0.0.1", port))?;
            client.set_read_timeout(Some(PATIENCE))?;
            client.write_all(question.as_bytes())?;
            client.shutdown(Shutdown::Write)?;
            answer.clear();
            client.read_to_string(&mut answer)
        })();
        asked.is_ok() && !answer.is_empty()
    });
    answer
}

fn open_ports(container: &Container) -> Vec<PortMapping> {
    container.inspect().unwrap().network.ports
}

fn a_published_port_is_reached_and_told(lab: &Lab) {
    let (inside, outside) = (free(), free());
    let spec = shouter(inside).publish(&format!("{outside}:{inside}"));
    let container = lab.start(spec.publish(&format!("0:{inside}")));
    let ports = open_ports(&container);
    assert_eq!(ports[0].to_string(), format!("127.0.0.1:{outside}:{inside}"));
    assert_eq!(ports[1].container_port(), inside);
    assert_ne!(ports[1].host_port(), 0, "the port that was chosen is told");
    assert_eq!(container.stats().unwrap().network_info.ports, ports);
    assert_eq!(ask(outside, "hello"), "HELLO");
    assert_eq!(ask(ports[1].host_port(), "again"), "AGAIN");
    container.stop_within(Duration::ZERO).unwrap();
    assert!(open_ports(&container).is_empty());
    for port in ports {
        assert!(TcpStream::connect(("127.0.0.1", port.host_port())).is_err(), "{port} is open");
    }
}

fn a_taken_port_fails_the_start_by_name(lab: &Lab) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let container = lab.create(sleeper("a").publish(&format!("{port}:{}", free())));
    let Err(Error::StartFailed { failure, .. }) = container.start() else { panic!("it started") };
    assert_eq!(failure.step, "publish-ports");
    let message = failure.message.unwrap();
    assert!(message.contains(&format!("port {port}/tcp of 127.0.0.1 is taken")), "{message}");
    assert!(!failure.hint.is_empty());
    drop(taken);
    container.start().unwrap();
}

fn the_port_stays_over_a_restart_by_policy(lab: &Lab) {
    let inside = free();
    let spec = shouter(inside).publish(&format!("0:{inside}")).restart(RestartPolicy::Always);
    let container = lab.start(spec);
    let ports = open_ports(&container);
    let port = ports[0].host_port();
    assert_eq!(ask(port, "exit"), "EXIT");
    eventually("the restart", || container.inspect().unwrap().restarts == 1);
    assert_eq!(ask(port, "still there"), "STILL THERE");
    assert_eq!(open_ports(&container), ports);
}

fn ports_that_nobody_could_reach_are_refused(lab: &Lab) {
    for mode in ["none", "host", "container:other"] {
        let spec = sleeper("a").publish("8080:80").network(mode.parse().unwrap());
        match lab.runtime.create(spec) {
            Err(Error::InvalidSpec { field: "ports", hint, .. }) => assert!(!hint.is_empty()),
            other => panic!("{mode}: {other:?}"),
        }
    }
}
