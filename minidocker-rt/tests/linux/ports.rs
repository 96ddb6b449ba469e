//! Published ports with real containers: who is reached, and what is left when anything dies.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use minidocker_rt::{Command, Container, ContainerSpec, Error, NetworkMode, RestartPolicy};

use crate::lab::{
    Lab, PATIENCE, eventually, family, is_alive, kill, parent_of, sh, sleeper, status_field,
};

crate::net_trials![
    every_kind_of_port_is_reached,
    a_port_taken_by_a_container_is_told_by_its_name,
    ends_and_resets_come_through,
    a_thousand_clients_are_served_at_a_time,
    a_reader_who_does_not_read_costs_little,
    what_a_container_says_last_arrives,
    a_container_that_is_killed_ends_its_connections,
    who_comes_between_two_runs_waits,
    a_paused_container_answers_when_it_goes_on,
    a_killed_forwarder_is_replaced,
    a_killed_supervisor_leaves_no_open_port,
    a_forwarder_has_no_rights,
    containers_reach_what_is_published_at_the_hosts_address_and_nothing_else,
];

/// What a program in Python does with each connection, in a thread of its own.
fn server(name: &str, work: &str) -> ContainerSpec {
    let program = format!(
        "import os, socket, struct, threading, time\n\
         def work(client):\n    \
             {}\n\
         server = socket.create_server(('', 80), backlog=1024)\n\
         print('ready', flush=True)\n\
         while True:\n    \
             client, _ = server.accept()\n    \
             threading.Thread(target=work, args=(client,), daemon=True).start()\n",
        work.replace('\n', "\n    ")
    );
    ContainerSpec::new(name, Command::argv(["python3", "-u", "-c", &program]))
}

fn bridged(spec: ContainerSpec) -> ContainerSpec {
    spec.network(NetworkMode::Bridge)
}

/// Sends back what it gets, and then the number of bytes.
const COUNT: &str = "all = 0
while part := client.recv(65536):
    all += len(part)
    client.sendall(part)
client.sendall(b'/%d' % all)
client.close()";

/// Starts it with a port published, and waits until it listens. Returns the port of the host.
fn serve(lab: &Lab, spec: ContainerSpec) -> (Container, u16) {
    let container = lab.start(bridged(spec).publish("0:80"));
    let port = container.inspect().unwrap().network.ports[0].host_port();
    eventually("it listens", || {
        container.logs().unwrap().read_to_string().unwrap().contains("ready")
    });
    (container, port)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(port: u16, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut client = TcpStream::connect(("127.0.0.1", port))?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.write_all(question)?;
    client.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    Ok(answer)
}

/// The process that forwards for a container. It may have been forked just now, and have no
/// name of its own yet.
fn forwarder(container: &Container) -> i32 {
    let supervisor = family(container).supervisor;
    let mut found = None;
    eventually("a forwarder", || {
        found = forwarder_of(supervisor);
        found.is_some()
    });
    found.unwrap()
}

fn forwarder_of(supervisor: i32) -> Option<i32> {
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let is_it = status_field(pid, "Name")? == "md-forwarder" && parent_of(pid) == supervisor;
        is_it.then_some(pid)
    })
}

fn is_refused(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port))
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn every_kind_of_port_is_reached(lab: &Lab) {
    let program = "import selectors, socket\n\
         wait = selectors.DefaultSelector()\n\
         for kind, port in ((1, 81), (1, 82), (2, 53)):\n    \
             one = socket.socket(socket.AF_INET, kind)\n    \
             one.bind(('', port))\n    \
             if kind == 1: one.listen()\n    \
             wait.register(one, 1, port)\n\
         print('ready', flush=True)\n\
         while True:\n    \
             for key, _ in wait.select():\n        \
                 if key.data == 53:\n            \
                     question, who = key.fileobj.recvfrom(65536)\n            \
                     key.fileobj.sendto(b'53:' + question, who)\n        \
                 else:\n            \
                     client, _ = key.fileobj.accept()\n            \
                     client.sendall(b'%d' % key.data)\n            \
                     client.close()\n";
    // Two ports beside each other that are free now.
    let (first, range) = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0").unwrap())
        .find_map(|one| {
            let port = one.local_addr().unwrap().port();
            let next = TcpListener::bind(("127.0.0.1", port.checked_add(1)?)).ok()?;
            drop((one, next));
            Some((port, format!("{port}-{}:81-82", port + 1)))
        })
        .unwrap();
    let spec = ContainerSpec::new("a", Command::argv(["python3", "-u", "-c", program]));
    let container =
        lab.start(bridged(spec).publish(&range).publish("[::1]:0:81").publish("0:53/udp"));
    eventually("it listens", || {
        container.logs().unwrap().read_to_string().unwrap().contains("ready")
    });
    assert_eq!(ask(first, b"").unwrap(), b"81");
    assert_eq!(ask(first + 1, b"").unwrap(), b"82");
    let ports = container.inspect().unwrap().network.ports;
    let mut six = TcpStream::connect((ports[2].host_ip(), ports[2].host_port())).unwrap();
    let mut answer = String::new();
    six.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "81", "an address of IPv6 leads to the same");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    udp.connect(("127.0.0.1", ports[3].host_port())).unwrap();
    udp.send(b"ping").unwrap();
    let mut buffer = [0; 100];
    let count = udp.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"53:ping");
}

fn a_port_taken_by_a_container_is_told_by_its_name(lab: &Lab) {
    let first = lab.start(bridged(sleeper("first")).publish("0:80"));
    let port = first.inspect().unwrap().network.ports[0].host_port();
    let second = lab.create(bridged(sleeper("second")).publish(&format!("{port}:80")));
    let Err(Error::StartFailed { failure, .. }) = second.start() else { panic!("it started") };
    assert_eq!(failure.step, "publish-ports");
    assert_eq!(
        failure.message.unwrap(),
        format!("port {port}/tcp of 127.0.0.1 is taken by container \"first\"")
    );
    let trace = second.trace().unwrap().unwrap();
    let done: Vec<&str> = trace
        .steps
        .iter()
        .filter(|step| step.outcome == minidocker_rt::Outcome::Done)
        .map(|step| step.id.as_str())
        .collect();
    assert!(done.is_empty(), "made before the port was asked for: {done:?}");
    first.stop_within(Duration::ZERO).unwrap();
    second.start().unwrap();
}

fn ends_and_resets_come_through(lab: &Lab) {
    let work = "if client.recv(1) == b'r':
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    client.close()
else:
    print('half', client.recv(1000), flush=True)
    time.sleep(0.1)
    client.sendall(b'still here')
    client.close()";
    let (container, port) = serve(lab, server("a", work));
    let mut client = connect(port);
    client.write_all(b"r").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(ask(port, b"h").unwrap(), b"still here");
    let log = container.logs().unwrap().read_to_string().unwrap();
    assert!(log.contains("half b''"), "it heard of the end before it answered: {log}");
}

fn a_thousand_clients_are_served_at_a_time(lab: &Lab) {
    let limit = nix::sys::resource::Resource::RLIMIT_NOFILE;
    let (_, hard) = nix::sys::resource::getrlimit(limit).unwrap();
    nix::sys::resource::setrlimit(limit, hard.min(100_000), hard).unwrap();
    // One thread of Python for all of them.
    let program = "import selectors, socket\n\
         server = socket.create_server(('', 80), backlog=1024)\n\
         wait = selectors.DefaultSelector()\n\
         wait.register(server, 1)\n\
         print('ready', flush=True)\n\
         while True:\n    \
             for key, _ in wait.select():\n        \
                 if key.fileobj is server:\n            \
                     client, _ = server.accept()\n            \
                     wait.register(client, 1)\n        \
                 else:\n            \
                     part = key.fileobj.recv(4096)\n            \
                     if part: key.fileobj.sendall(part)\n            \
                     else: wait.unregister(key.fileobj); key.fileobj.close()\n";
    let rlimit =
        minidocker_rt::Rlimit { resource: minidocker_rt::Resource::Nofile, soft: 4096, hard: 4096 };
    let spec = ContainerSpec::new("a", Command::argv(["python3", "-u", "-c", program]));
    let (container, port) = serve(lab, spec.rlimit(rlimit));
    let mut clients: Vec<TcpStream> = (0..1000).map(|_| connect(port)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.write_all(&(number as u32).to_be_bytes()).unwrap();
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let mut answer = [0; 4];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(u32::from_be_bytes(answer) as usize, number);
    }
    drop(clients);
    // All of them are forgotten; what is left is what it began with.
    let forwarder = forwarder(&container);
    eventually("no descriptor is left over", || {
        std::fs::read_dir(format!("/proc/{forwarder}/fd")).unwrap().count() < 80
    });
    let mut client = connect(port);
    client.write_all(b"once more").unwrap();
    client.read_exact(&mut [0; 9]).unwrap();
}

fn a_reader_who_does_not_read_costs_little(lab: &Lab) {
    let work = "sent = 0
try:
    while True: sent += client.send(b'x' * 65536)
finally: print('sent', sent, flush=True)";
    let (container, port) = serve(lab, server("a", work));
    let forwarder = forwarder(&container);
    let memory = || -> u64 {
        let text = status_field(forwarder, "RssAnon").unwrap();
        text.trim_end_matches(" kB").parse().unwrap()
    };
    let before = memory();
    let clients: Vec<TcpStream> = (0..20).map(|_| connect(port)).collect();
    let received = || container.stats().unwrap().network.unwrap().tx_bytes;
    let mut last = 0;
    eventually("nothing moves any more", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = received();
        std::mem::replace(&mut last, now) == now && now > 0
    });
    assert!(memory() < before + 1024, "{} kB more", memory() - before);
    // Those who do read are not held up.
    let mut reader = connect(port);
    let mut chunk = vec![0; 1 << 20];
    for _ in 0..32 {
        reader.read_exact(&mut chunk).unwrap();
    }
    drop((clients, reader));
    eventually("the container hears that they have gone", || {
        container.logs().unwrap().read_to_string().unwrap().matches("sent").count() == 21
    });
}

fn what_a_container_says_last_arrives(lab: &Lab) {
    let work = "client.recv(1)\nclient.sendall(b'x' * 3_000_000)\nclient.close()\nos._exit(0)";
    let (container, port) = serve(lab, server("a", work));
    let mut client = connect(port);
    client.write_all(b"x").unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 3_000_000);
    container.wait_timeout(PATIENCE).unwrap();
}

fn a_container_that_is_killed_ends_its_connections(lab: &Lab) {
    let (container, port) = serve(lab, server("a", COUNT));
    let mut clients: Vec<TcpStream> = (0..10).map(|_| connect(port)).collect();
    for client in &mut clients {
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
    }
    let began = Instant::now();
    container.stop_within(Duration::ZERO).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for client in &mut clients {
        match client.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(is_refused(port));
}

fn who_comes_between_two_runs_waits(lab: &Lab) {
    let work = "if client.recv(4) == b'exit': os._exit(1)\nclient.sendall(b'yes')\nclient.close()";
    let (container, port) = serve(lab, server("a", work).restart(RestartPolicy::Always));
    connect(port).write_all(b"exit").unwrap();
    eventually("the pause", || {
        container.status().unwrap() == minidocker_rt::Status::Restarting
            || container.inspect().unwrap().restarts > 0
    });
    // It connects at once: the kernel queues it, unless the second run has let it in already,
    // and not listened yet.
    eventually("an answer", || {
        assert!(!is_refused(port), "the port was closed between the runs");
        ask(port, b"well").is_ok_and(|answer| answer == b"yes")
    });
    assert_eq!(container.inspect().unwrap().network.ports[0].host_port(), port);
}

fn a_paused_container_answers_when_it_goes_on(lab: &Lab) {
    let (container, port) = serve(lab, server("a", COUNT));
    container.pause().unwrap();
    let asking = std::thread::spawn(move || ask(port, b"hello").unwrap());
    std::thread::sleep(Duration::from_millis(300));
    assert!(!asking.is_finished());
    container.resume().unwrap();
    assert_eq!(asking.join().unwrap(), b"hello/5");
}

fn a_killed_forwarder_is_replaced(lab: &Lab) {
    let (container, port) = serve(lab, server("a", COUNT));
    let mut client = connect(port);
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    let first = forwarder(&container);
    kill(first);
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "its connections end");
    // The port is open all the time: this one waits for the next forwarder.
    assert_eq!(ask(port, b"again").unwrap(), b"again/5");
    assert_ne!(forwarder(&container), first);
    assert!(!is_alive(first));
    assert_eq!(container.inspect().unwrap().starts, 1, "the container has not noticed");
}

fn a_killed_supervisor_leaves_no_open_port(lab: &Lab) {
    let (container, port) = serve(lab, server("a", COUNT));
    let _client = connect(port);
    let (family, forwarder) = (family(&container), forwarder(&container));
    kill(family.supervisor);
    eventually("the forwarder ends", || !is_alive(forwarder));
    assert!(is_refused(port));
    // Whoever comes next waits for all of that, however soon.
    let fixed = lab.create(bridged(sleeper("b")).publish(&format!("{port}:80")));
    for _ in 0..5 {
        fixed.start().unwrap();
        let supervisor = self::family(&fixed).supervisor;
        kill(supervisor);
        eventually("it is lost", || !is_alive(supervisor));
    }
}

fn a_forwarder_has_no_rights(lab: &Lab) {
    let (container, _) = serve(lab, server("a", COUNT));
    let pid = forwarder(&container);
    let field = |name| status_field(pid, name).unwrap();
    assert_eq!(field("Uid").split_whitespace().collect::<Vec<_>>(), ["65534"; 4]);
    assert_eq!(field("Gid").split_whitespace().collect::<Vec<_>>(), ["65534"; 4]);
    assert_eq!(field("Groups"), "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    let mut descriptors: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .map(|link| link.split(':').next().unwrap().trim_end_matches("]").to_string())
        .collect();
    descriptors.sort();
    // The standard streams, which lead nowhere; the supervisor's pidfd; its own.
    descriptors.retain(|one| one != "/dev/null");
    assert_eq!(
        descriptors,
        ["anon_inode", "anon_inode", "anon_inode", "socket"],
        "pidfd, epoll, signalfd and the listener"
    );
    assert!(status_field(pid, "NSpid").unwrap().split_whitespace().count() == 1);
}

fn containers_reach_what_is_published_at_the_hosts_address_and_nothing_else(lab: &Lab) {
    let (_loopback, hidden) = serve(lab, server("loopback", COUNT));
    let spec = server("everywhere", COUNT).publish("0.0.0.0:0:80");
    let (everywhere, _) = serve(lab, spec);
    let info = everywhere.inspect().unwrap().network;
    let (gateway, open) = (info.networks[0].gateway, info.ports[0].host_port());
    let ask = |port: u16| {
        let script = format!(
            "python3 -c \"import socket; s = socket.create_connection(('{gateway}', {port}), 5); \
             s.sendall(b'hi'); s.shutdown(1); print(s.makefile().read())\" 2>&1 | tail -n 1"
        );
        lab.run(bridged(sh("client", &script))).1
    };
    assert_eq!(ask(open), "hi/2\n");
    assert!(ask(hidden).contains("refused"), "{}", ask(hidden));
}
