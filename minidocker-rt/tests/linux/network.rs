//! Containers on the common bridge, and the other modes that need no network of their own.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use minidocker_rt::{
    Command, ContainerSpec, Error, HealthCheck, NetworkMode, RestartPolicy, Runtime, Status, Subnet,
};

use crate::lab::{Lab, PATIENCE, eventually, family, kill, sleeper};
use crate::net_lab::{
    Outside, address, answer_at, answering, cables, call, call_from, etc, gateway, has_rules,
    interfaces, ip, left, run, server, state, switch,
};

crate::net_trials![
    host_and_containers_reach_each_other,
    without_a_network_nothing_is_reached,
    with_the_hosts_network_the_host_is_at_hand,
    a_network_that_is_shared_is_the_same_one,
    what_is_shared_stays_taken_until_the_last_has_gone,
    on_the_way_out_the_hosts_address_is_shown_and_nobody_comes_in,
    with_the_last_container_everything_goes,
    a_container_keeps_its_address_over_restarts,
    an_open_connection_ends_with_the_container,
    its_files_of_names_say_what_was_asked_for,
    the_addresses_of_others_are_left_alone,
    a_chosen_subnet_is_kept_to_or_the_start_says_why,
    traffic_is_counted_and_its_address_told,
    a_removed_bridge_is_made_anew,
    forwarding_that_somebody_switched_off_is_switched_on,
    each_step_of_the_network_is_announced_and_explained,
    a_step_that_fails_leaves_nothing,
];

/// On the common bridge, until it is stopped.
fn bridged(name: &str) -> ContainerSpec {
    sleeper(name).network(NetworkMode::Bridge)
}

fn host_and_containers_reach_each_other(lab: &Lab) {
    let web = lab.start(server("web").alias("www").hostname("box"));
    let client = lab.start(bridged("client"));
    let gateway = gateway(&web);
    let at = answering(&web);
    assert_eq!(call(at, 8000).unwrap(), gateway.to_string(), "the host is its own address there");
    for name in ["web", "www", "box", &at.to_string()] {
        assert_eq!(call_from(&client, name, 8000), address(&client).to_string(), "{name}");
    }
    assert_eq!(call_from(&web, "web", 8000), at.to_string(), "it finds itself");
    assert_eq!(call_from(&web, "localhost", 8000), "127.0.0.1");
    answer_at(7000);
    assert_eq!(call_from(&client, &gateway.to_string(), 7000), address(&client).to_string());
    // Who comes later is found too, and who has gone is not.
    let late = lab.start(server("late"));
    answering(&late);
    assert_eq!(call_from(&client, "late", 8000), address(&client).to_string());
    late.stop_within(Duration::ZERO).unwrap();
    assert!(call_from(&client, "late", 8000).contains("gaierror"));
    assert!(!etc(&client, "hosts").contains("late"));
}

fn without_a_network_nothing_is_reached(lab: &Lab) {
    answer_at(7000);
    let other = lab.start(bridged("other"));
    let container = lab.start(sleeper("a").network(NetworkMode::None));
    for host in [gateway(&other), "203.0.113.2".parse().unwrap()] {
        let said = call_from(&container, &host.to_string(), 7000);
        assert!(said.contains("unreachable"), "{said}");
    }
    assert_eq!(run(&container, &["ls", "/sys/class/net"]), "lo");
    assert!(etc(&container, "hosts").contains("127.0.0.1\ta"), "it finds itself");
    let info = container.inspect().unwrap().network;
    assert_eq!((info.mode, info.networks.len()), (NetworkMode::None, 0));
}

fn with_the_hosts_network_the_host_is_at_hand(lab: &Lab) {
    answer_at(7000);
    let container = lab.start(sleeper("a").network(NetworkMode::Host).extra_host("x:10.9.8.7"));
    assert_eq!(call_from(&container, "127.0.0.1", 7000), "127.0.0.1");
    assert!(etc(&container, "hosts").contains("10.9.8.7\tx"));
    assert_eq!(container.inspect().unwrap().network.mode, NetworkMode::Host);
    assert!(left().is_empty(), "nothing is made for it");
}

fn a_network_that_is_shared_is_the_same_one(lab: &Lab) {
    let with = |name: &str| sleeper(name).network("container:web".parse().unwrap());
    match lab.runtime.create(with("early")) {
        Err(Error::InvalidSpec { field: "network", why, .. }) => {
            assert!(why.contains("no container"))
        }
        other => panic!("{other:?}"),
    }
    let web = lab.create(server("web"));
    let beside = lab.create(with("beside"));
    match beside.start() {
        Err(Error::StartFailed { failure, .. }) => {
            assert_eq!(failure.step, "find-network");
            assert!(failure.hint.contains("Start web"), "{}", failure.hint);
        }
        other => panic!("{other:?}"),
    }
    web.start().unwrap();
    answering(&web);
    beside.start().unwrap();
    assert_eq!(call_from(&beside, "127.0.0.1", 8000), "127.0.0.1");
    let other = lab.start(bridged("other"));
    assert_eq!(etc(&beside, "hosts"), etc(&web, "hosts"), "and it follows who comes");
    assert!(etc(&beside, "hosts").contains("other"));
    assert_eq!(etc(&beside, "hostname"), "beside");
    let inside =
        |container| std::fs::read_link(format!("/proc/{}/ns/net", family(container).command));
    assert_eq!(inside(&web).unwrap(), inside(&beside).unwrap());
    assert_ne!(inside(&web).unwrap(), inside(&other).unwrap());
    assert!(
        run(&beside, &["ls", "/sys/class/net"]).contains("eth0"),
        "its /sys is of that network"
    );
}

fn what_is_shared_stays_taken_until_the_last_has_gone(lab: &Lab) {
    let web = lab.start(server("web"));
    let at = answering(&web);
    let beside = lab.start(sleeper("beside").network("container:web".parse().unwrap()));
    web.stop_within(Duration::ZERO).unwrap();
    assert!(run(&beside, &["ls", "/sys/class/net"]).contains("eth0"), "its network goes on");
    web.start().unwrap();
    assert_ne!(address(&web), at, "somebody still has that address");
    answering(&web);
    let old = cables();
    assert_eq!(old.len(), 2, "{old:?}");
    web.stop_within(Duration::ZERO).unwrap();
    beside.stop_within(Duration::ZERO).unwrap();
    eventually("all goes with the last", || left().is_empty());
}

fn on_the_way_out_the_hosts_address_is_shown_and_nobody_comes_in(lab: &Lab) {
    let outside = Outside::new();
    assert_eq!(switch("uplink"), "0");
    let web = lab.start(server("web"));
    let at = answering(&web);
    assert_eq!(call_from(&web, "203.0.113.2", 9000), "203.0.113.1", "masqueraded");
    assert_eq!(switch("uplink"), "1", "answers come in by it");
    let all = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    assert_eq!(all.trim(), "0", "and no others are opened");
    // Somebody out there who knows the way.
    let came_in = outside.run(move || {
        ip("route add 10.0.0.0/8 via 203.0.113.1");
        call(at, 8000)
    });
    assert!(came_in.is_err(), "{came_in:?}");
    assert!(
        web.inspect().unwrap().network.caveats.iter().all(|caveat| !caveat.contains("way out"))
    );
    web.stop_within(Duration::ZERO).unwrap();
    eventually("the forwarding is undone", || switch("uplink") == "0");
}

fn with_the_last_container_everything_goes(lab: &Lab) {
    assert!(left().is_empty());
    let (a, b) = (lab.start(bridged("a")), lab.start(bridged("b")));
    assert!(interfaces().contains(&"minidocker0".to_string()) && has_rules() && state().exists());
    assert_eq!(cables().len(), 2);
    a.stop_within(Duration::ZERO).unwrap();
    eventually("its cable goes", || cables().len() == 1);
    std::thread::sleep(Duration::from_secs(1));
    assert!(interfaces().contains(&"minidocker0".to_string()) && has_rules(), "b is still there");
    b.stop_within(Duration::ZERO).unwrap();
    assert!(interfaces().contains(&"minidocker0".to_string()), "it may be wanted again");
    b.start().unwrap();
    b.stop_within(Duration::ZERO).unwrap();
    eventually("everything goes", || left().is_empty());
}

fn a_container_keeps_its_address_over_restarts(lab: &Lab) {
    let other = lab.start(bridged("other"));
    let container = lab.start(server("web").restart(RestartPolicy::Always));
    let at = answering(&container);
    for _ in 0..3 {
        let before = family(&container).command;
        kill(before);
        eventually("it is started again", || {
            container.inspect().unwrap().pid.is_some_and(|pid| pid != before)
        });
        assert_eq!(answering(&container), at);
        assert_eq!(call_from(&other, "web", 8000), address(&other).to_string());
    }
    container.stop_within(Duration::ZERO).unwrap();
    let between = lab.start(bridged("between"));
    assert_ne!(address(&between), at, "an address rests before it is another's");
    container.start().unwrap();
    assert_eq!(address(&container), at, "by an operator too");
}

fn an_open_connection_ends_with_the_container(lab: &Lab) {
    let code = "import socket\ns = socket.create_server(('', 8000))\nkept = []\nwhile True:\n    \
                c, a = s.accept()\n    c.sendall(b'x')\n    kept.append(c)";
    let keeper = ContainerSpec::new("keeper", Command::argv(["python3", "-c", code]));
    let container = lab.start(keeper.network(NetworkMode::Bridge));
    let target = SocketAddr::new(address(&container), 8000);
    eventually("it listens", || TcpStream::connect(target).is_ok());
    let mut open: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(target).unwrap()).collect();
    for stream in &mut open {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    kill(family(&container).init);
    container.wait_timeout(PATIENCE).unwrap();
    for mut stream in open {
        // The end of the stream, or a reset: in any case no waiting.
        let heard = stream.read(&mut [0]);
        assert!(
            matches!(heard, Ok(0))
                || heard.is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock)
        );
        let _ = stream.write(b"x");
    }
    container.start().unwrap();
    eventually("it listens again", || TcpStream::connect(target).is_ok());
}

fn its_files_of_names_say_what_was_asked_for(lab: &Lab) {
    let spec = bridged("a").hostname("box").dns("9.9.9.9").extra_host("db:10.9.8.7");
    let container = lab.start(spec);
    assert_eq!(etc(&container, "hostname"), "box");
    assert!(etc(&container, "resolv.conf").contains("nameserver 9.9.9.9"));
    let hosts = etc(&container, "hosts");
    let own = format!("{}\ta box", address(&container));
    assert!(hosts.contains(&own) && hosts.contains("10.9.8.7\tdb"), "{hosts}");
    // A container may write to its own; that is not the host's.
    run(&container, &["sh", "-c", "echo 10.1.1.1 mine >> /etc/hosts"]);
    assert!(etc(&container, "hosts").contains("mine"));
    assert!(!std::fs::read_to_string("/etc/hosts").unwrap().contains("mine"));
    // What somebody mounts there themselves is theirs.
    let own_hosts = lab.folder("own").join("hosts");
    std::fs::write(&own_hosts, "10.2.2.2 theirs\n").unwrap();
    let volume = format!("{}:/etc/hosts", own_hosts.display());
    let other = lab.start(bridged("b").volume(&volume).unwrap());
    assert_eq!(etc(&other, "hosts"), "10.2.2.2 theirs");
    let changed: Vec<String> =
        container.diff().unwrap().into_iter().map(|change| change.path).collect();
    assert!(changed.is_empty(), "what was shown is not changed: {changed:?}");
}

fn the_addresses_of_others_are_left_alone(lab: &Lab) {
    ip("link add taken type veth");
    ip("addr add 10.88.7.1/24 dev taken");
    ip("link set taken up");
    let container = lab.start(bridged("a"));
    let network = lab.runtime.network("bridge").unwrap();
    let subnet = network.subnet.unwrap();
    assert!(!subnet.overlaps(&"10.88.0.0/16".parse().unwrap()), "{subnet}");
    assert_eq!(gateway(&container), IpAddr::V4(network.gateway.unwrap()));
    assert_eq!(network.containers[0].names, ["a"]);
    assert_eq!(network.bridge.as_deref(), Some("minidocker0"));
    ip("link del taken");
}

fn a_chosen_subnet_is_kept_to_or_the_start_says_why(lab: &Lab) {
    let open = |name: &str, subnet: &str| {
        let builder = Runtime::builder().bridge_subnet(subnet.parse().unwrap());
        builder.open(lab.folder(name)).unwrap()
    };
    let runtime = open("chosen", "10.77.0.0/24");
    let container = runtime.create(sleeper("a")).unwrap();
    container.start().unwrap();
    assert_eq!(gateway(&container).to_string(), "10.77.0.1");
    let other = open("other", "10.78.0.0/24");
    let late = other.create(sleeper("b")).unwrap();
    match late.start() {
        Err(Error::StartFailed { failure, .. }) => {
            assert_eq!(failure.step, "bridge");
            assert!(failure.to_string().contains("10.77.0.0/24"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    // Who chose nothing takes what is there.
    let third = lab.start(bridged("c"));
    assert!(address(&third).to_string().starts_with("10.77.0."));
    for (runtime, container) in [(runtime, container), (other, late)] {
        container.delete_force().unwrap();
        drop(runtime);
    }
    assert!("8.8.8.0/24".parse::<Subnet>().is_err());
}

fn traffic_is_counted_and_its_address_told(lab: &Lab) {
    let web = lab.start(server("web"));
    let at = answering(&web);
    let before = web.stats().unwrap().network.unwrap();
    for _ in 0..20 {
        call(at, 8000).unwrap();
    }
    call_from(&web, "localhost", 8000);
    let stats = web.stats().unwrap();
    let after = stats.network.unwrap();
    assert!(after.rx_packets >= before.rx_packets + 60 && after.tx_packets > before.tx_packets);
    assert!(after.rx_bytes > before.rx_bytes && after.tx_bytes > before.tx_bytes);
    let info = web.inspect().unwrap().network;
    assert_eq!(stats.network_info, info);
    let endpoint = &info.networks[0];
    assert_eq!((endpoint.name.as_str(), endpoint.ip_address), ("bridge", at));
    let mac = run(&web, &["cat", "/sys/class/net/eth0/address"]);
    assert_eq!(endpoint.mac, mac);
    web.stop_within(Duration::ZERO).unwrap();
    let info = web.inspect().unwrap().network;
    assert_eq!((info.mode, info.networks.len()), (NetworkMode::Bridge, 0), "it has no address now");
}

fn a_removed_bridge_is_made_anew(lab: &Lab) {
    let first = lab.start(bridged("first"));
    let at = address(&first);
    ip("link set minidocker0 down");
    ip("link del minidocker0");
    let second = lab.start(server("second"));
    answering(&second);
    assert_ne!(address(&second), at, "the first still has its address");
}

fn forwarding_that_somebody_switched_off_is_switched_on(lab: &Lab) {
    let _outside = Outside::new();
    let web = lab.start(server("web"));
    answering(&web);
    // As somebody does who writes 0 to ip_forward.
    std::fs::write("/proc/sys/net/ipv4/conf/minidocker0/forwarding", "0").unwrap();
    assert!(call_from(&web, "203.0.113.2", 9000).starts_with("error"));
    let _next = lab.start(bridged("next"));
    assert_eq!(call_from(&web, "203.0.113.2", 9000), "203.0.113.1");
}

const STEPS: [&str; 8] =
    ["bridge", "masquerade", "names", "veth", "etc-files", "loopback", "address", "default-route"];

fn each_step_of_the_network_is_announced_and_explained(lab: &Lab) {
    let container = lab.create(bridged("a"));
    let plan = container.plan().unwrap();
    assert!(left().is_empty(), "a plan makes nothing");
    let found: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    let places: Vec<usize> =
        STEPS.iter().map(|id| found.iter().position(|found| found == id).unwrap()).collect();
    assert!(places.is_sorted(), "{found:?}");
    for step in plan.steps.iter().filter(|step| STEPS.contains(&step.id.as_str())) {
        assert!(!step.title.is_empty() && !step.shell.is_empty() && !step.syscalls.is_empty());
        assert!(step.why.matches(['.', ':']).count() >= 2, "{}: {}", step.id, step.why);
    }
    container.start().unwrap();
    let trace = container.trace().unwrap().unwrap();
    let veth = trace.steps.iter().position(|step| step.id == "veth").unwrap();
    let (plugged, next) = (&trace.steps[veth], &trace.steps[veth + 1]);
    assert!(next.start_micros >= plugged.start_micros + plugged.micros, "init waits for its cable");
    for (planned, traced) in plan.steps.iter().zip(&trace.steps) {
        assert_eq!(planned.id, traced.id);
        // On a machine where nothing else is up, a plan foretells even the address.
        if STEPS.contains(&planned.id.as_str())
            && !["masquerade", "names"].contains(&planned.id.as_str())
        {
            let made: Vec<&str> = traced.calls.iter().map(|call| call.call.as_str()).collect();
            assert_eq!(planned.syscalls, made, "{}", planned.id);
        }
    }
}

fn a_step_that_fails_leaves_nothing(lab: &Lab) {
    const EIO: i32 = 5;
    for step in STEPS {
        let name = format!("fails-at-{step}");
        let container = lab.create(bridged(&name).inject_fault(step, EIO));
        match container.start() {
            Err(Error::StartFailed { failure, .. }) => {
                assert_eq!((failure.step.as_str(), failure.errno), (step, Some(EIO)));
            }
            other => panic!("{step}: {other:?}"),
        }
        assert_eq!(container.status().unwrap(), Status::Error);
        eventually("its cable is gone", || cables().is_empty());
        container.delete().unwrap();
    }
    eventually("nothing is left", || left().is_empty());
    // And it works when nothing fails; also a health check, which is executed in there.
    let check = HealthCheck::new("true").unwrap().interval(Duration::from_millis(50));
    let fine = lab.start(server("fine").health_check(check));
    answering(&fine);
    eventually("it is healthy", || {
        let health = fine.inspect().unwrap().health;
        health.is_some_and(|health| health.status == minidocker_rt::Health::Healthy)
    });
}
