//! Networks that were made: apart from each other, and known by name.

use std::time::Duration;

use minidocker_rt::{BackendKind, ContainerSpec, Error, NetworkMode, NetworkOptions, Runtime};

use crate::lab::{Lab, child, eventually, sleeper};
use crate::net_lab::{
    Outside, address, answering, call, call_from, etc, gateway, interfaces, left, on, server,
};

crate::net_trials![
    networks_are_apart,
    on_a_network_others_are_found_by_name_and_alias,
    a_network_is_made_listed_told_and_deleted,
    a_network_in_use_is_not_deleted,
    bad_networks_are_refused_before_anything_is_made,
    a_network_keeps_the_subnet_it_was_promised,
    two_roots_have_networks_of_the_same_name,
    many_networks_at_once,
    without_root_a_bridge_is_refused_and_the_rest_is_named,
];

fn make(lab: &Lab, name: &str) {
    lab.runtime.create_network(name, NetworkOptions::default()).unwrap();
}

fn networks_are_apart(lab: &Lab) {
    let outside = Outside::new();
    make(lab, "red");
    make(lab, "blue");
    // No name server there, which is told at once.
    let asking = |name: &str| server(name).dns("203.0.113.2");
    let red = lab.start(asking("red-1").network(on("red")));
    let blue = lab.start(asking("blue-1").network(on("blue")));
    let common = lab.start(asking("common-1"));
    let all = [&red, &blue, &common];
    for container in all {
        // The host is on all of them, and all get out.
        assert_eq!(call(answering(container), 8000).unwrap(), gateway(container).to_string());
        assert_eq!(call_from(container, "203.0.113.2", 9000), "203.0.113.1");
    }
    for from in all {
        for to in all.into_iter().filter(|to| to.name() != from.name()) {
            let said = call_from(from, &address(to).to_string(), 8000);
            assert!(said.starts_with("error"), "{} reaches {}: {said}", from.name(), to.name());
            let said = call_from(from, to.name().as_str(), 8000);
            assert!(said.contains("gaierror"), "{} knows {}: {said}", from.name(), to.name());
        }
    }
    drop(outside);
}

fn on_a_network_others_are_found_by_name_and_alias(lab: &Lab) {
    make(lab, "backend");
    let db = lab.start(server("db-1").network(on("backend")).alias("db").alias("store"));
    let other = lab.start(server("db-2").network(on("backend")).alias("db"));
    let client = lab.start(sleeper("client").network(on("backend")));
    let (at, also_at) = (answering(&db), answering(&other));
    for name in ["db-1", "db", "store"] {
        assert_eq!(call_from(&client, name, 8000), address(&client).to_string(), "{name}");
    }
    let hosts = etc(&client, "hosts");
    assert!(hosts.contains(&format!("{at}\tdb-1 db store")), "{hosts}");
    assert!(hosts.contains(&format!("{also_at}\tdb-2 db")), "{hosts}");
    db.stop_within(Duration::ZERO).unwrap();
    // The alias goes on to whoever still has it.
    assert_eq!(call_from(&client, "db", 8000), address(&client).to_string());
    assert!(call_from(&client, "store", 8000).contains("gaierror"));
    let info = client.inspect().unwrap().network;
    assert_eq!((info.mode, info.networks[0].name.as_str()), (on("backend"), "backend"));
}

fn a_network_is_made_listed_told_and_deleted(lab: &Lab) {
    let runtime = &lab.runtime;
    let names = || -> Vec<String> {
        runtime.networks().unwrap().into_iter().map(|network| network.name).collect()
    };
    assert_eq!(names(), ["bridge"]);
    make(lab, "backend");
    make(lab, "a");
    assert_eq!(names(), ["bridge", "a", "backend"]);
    assert!(left().is_empty(), "nothing is up yet");
    let network = runtime.network("backend").unwrap();
    assert!(network.created_at.is_some() && network.bridge.is_none());
    match runtime.create_network("backend", NetworkOptions::default()) {
        Err(error @ Error::NetworkExists { .. }) => assert_eq!(error.code(), "network_exists"),
        other => panic!("{other:?}"),
    }
    let container = lab.start(sleeper("one").network(on("backend")).alias("eins"));
    let network = Runtime::open(lab.root()).unwrap().network("backend").unwrap();
    let bridge = network.bridge.unwrap();
    assert!(interfaces().contains(&bridge), "{bridge}");
    assert_eq!(network.gateway.unwrap().to_string(), gateway(&container).to_string());
    let member = &network.containers[0];
    assert_eq!(
        (&member.id, &member.names[..]),
        (container.id(), &["one".into(), "eins".into()][..])
    );
    container.delete_force().unwrap();
    runtime.delete_network("backend").unwrap();
    assert_eq!(names(), ["bridge", "a"]);
    assert!(matches!(runtime.network("backend"), Err(Error::NoSuchNetwork { .. })));
    assert!(matches!(runtime.delete_network("backend"), Err(Error::NoSuchNetwork { .. })));
    assert!(matches!(runtime.delete_network("../x"), Err(Error::NoSuchNetwork { .. })));
}

fn a_network_in_use_is_not_deleted(lab: &Lab) {
    make(lab, "backend");
    let one = lab.create(sleeper("one").network(on("backend")));
    let two = lab.start(sleeper("two").network(on("backend")));
    match lab.runtime.delete_network("backend") {
        Err(error @ Error::NetworkInUse { .. }) => {
            assert!(error.to_string().contains("one, two"), "{error}");
            assert!(!error.hint().is_empty());
        }
        other => panic!("{other:?}"),
    }
    one.delete().unwrap();
    two.delete_force().unwrap();
    lab.runtime.delete_network("backend").unwrap();
}

fn bad_networks_are_refused_before_anything_is_made(lab: &Lab) {
    let runtime = &lab.runtime;
    for name in ["bridge", "host", "none", "container", "default", "", "a b", "../x", "-x"] {
        match runtime.create_network(name, NetworkOptions::default()) {
            Err(Error::InvalidSpec { field: "network", .. }) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    match runtime.create(sleeper("a").network(on("backend"))) {
        Err(error @ Error::NoSuchNetwork { .. }) => assert!(!error.hint().is_empty()),
        other => panic!("{other:?}"),
    }
    let itself = sleeper("a").network("container:a".parse().unwrap());
    assert!(matches!(runtime.create(itself), Err(Error::InvalidSpec { field: "network", .. })));
    assert!(matches!(runtime.delete_network("bridge"), Err(Error::InvalidSpec { .. })));
    assert!(runtime.list().unwrap().is_empty() && left().is_empty());
}

fn a_network_keeps_the_subnet_it_was_promised(lab: &Lab) {
    let with = |subnet: &str| NetworkOptions { subnet: Some(subnet.parse().unwrap()) };
    lab.runtime.create_network("small", with("10.66.0.0/29")).unwrap();
    match lab.runtime.create_network("other", with("10.66.0.0/16")) {
        Err(Error::InvalidSpec { field: "subnet", why, .. }) => assert!(why.contains("small")),
        other => panic!("{other:?}"),
    }
    let names = ["a", "b", "c", "d", "e"];
    let containers = names.map(|name| lab.start(sleeper(name).network(on("small"))));
    let mut addresses: Vec<String> =
        containers.iter().map(|container| address(container).to_string()).collect();
    addresses.sort();
    let all: Vec<String> = (2..=6).map(|last| format!("10.66.0.{last}")).collect();
    assert_eq!(addresses, all);
    let one_too_many = lab.create(sleeper("f").network(on("small")));
    match one_too_many.start() {
        Err(Error::StartFailed { failure, .. }) => {
            assert_eq!(failure.step, "bridge");
            assert!(failure.to_string().contains("all addresses"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    containers[2].stop_within(Duration::ZERO).unwrap();
    eventually("an address is free again", || one_too_many.start().is_ok());
    // A promise that the host's own routes have made impossible.
    lab.runtime.create_network("taken", with("10.67.0.0/24")).unwrap();
    crate::net_lab::ip("link add taken type veth");
    crate::net_lab::ip("addr add 10.67.0.9/24 dev taken");
    crate::net_lab::ip("link set taken up");
    match lab.create(sleeper("g").network(on("taken"))).start() {
        Err(Error::StartFailed { failure, .. }) => {
            assert!(failure.to_string().contains("route to 10.67.0.0/24"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    crate::net_lab::ip("link del taken");
}

fn two_roots_have_networks_of_the_same_name(lab: &Lab) {
    let other = Lab::new();
    for runtime in [&lab.runtime, &other.runtime] {
        runtime.create_network("backend", NetworkOptions::default()).unwrap();
    }
    let here = lab.start(server("web").network(on("backend")));
    let there = other.start(server("web").network(on("backend")));
    assert_ne!(answering(&here), answering(&there));
    let said = call_from(&here, &address(&there).to_string(), 8000);
    assert!(said.starts_with("error"), "{said}");
    // On the common bridge they are one network, but names are known within a root.
    let common = other.start(server("theirs"));
    answering(&common);
    let client = lab.start(sleeper("client").network(NetworkMode::Bridge));
    assert!(call_from(&client, "theirs", 8000).contains("gaierror"));
    assert_eq!(
        call_from(&client, &address(&common).to_string(), 8000),
        address(&client).to_string()
    );
}

fn many_networks_at_once(lab: &Lab) {
    for number in 0..12 {
        let name = format!("net-{number}");
        make(lab, &name);
        lab.start(server(&format!("c-{number}")).network(on(&name)));
    }
    let containers = lab.runtime.list().unwrap();
    for container in &containers {
        answering(container);
    }
    let mut subnets: Vec<_> = lab.runtime.networks().unwrap();
    subnets.retain(|network| network.bridge.is_some());
    assert_eq!(subnets.len(), 12);
    let said = call_from(&containers[0], &address(&containers[11]).to_string(), 8000);
    assert!(said.starts_with("error"), "{said}");
}

fn without_root_a_bridge_is_refused_and_the_rest_is_named(lab: &Lab) {
    let mut program = child("bridged-without-root", lab.root());
    let said = program.line();
    assert!(said.contains("a container on a bridge is not supported here"), "{said}");
    assert!(said.contains("EPERM") && said.contains("none, host or container:NAME"), "{said}");
    assert_eq!(program.line(), "nothing was made; none is possible");
}

/// A program whose root has no rights over networks, with a root folder of its own.
pub fn without_root(_root: &str) {
    caps::drop(None, caps::CapSet::Effective, caps::Capability::CAP_NET_ADMIN).unwrap();
    let root = tempfile::tempdir().unwrap();
    let runtime = Runtime::builder().backend(BackendKind::Linux).open(root.path()).unwrap();
    match runtime.create(ContainerSpec::new("a", "true")) {
        Err(error @ Error::Unsupported { .. }) => println!("{error}"),
        other => println!("{other:?}"),
    }
    assert!(runtime.list().unwrap().is_empty());
    runtime.create(sleeper("a").network(NetworkMode::None)).unwrap().delete().unwrap();
    println!("nothing was made; none is possible");
}
