use proptest::prelude::*;

use super::*;

/// A map as it would be on Windows, with the manual's volumes. No such rootfs exists here.
fn windows(volume: &str) -> PathMap {
    let volumes = [volume.parse().unwrap()];
    PathMap::new(Path::new(r"\\?\C:\Users\Jörg O'Neill\minidocker\a\rootfs"), &volumes)
}

fn unix(volumes: &[&str]) -> PathMap {
    let volumes: Vec<Volume> = volumes.iter().map(|text| text.parse().unwrap()).collect();
    PathMap::new(Path::new("/no/such/rootfs"), &volumes)
}

fn rewritten(map: &PathMap, words: &[&str]) -> Vec<String> {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    (0..words.len()).map(|index| map.rewrite_word(&words, index).0).collect()
}

#[test]
fn the_manuals_commands_find_the_folder_of_a_windows_host() {
    let map = windows(r"C:\MyData:/app/data");
    for (code, expected) in [
        (
            "with open('/app/data/output.txt', 'w') as f: f.write('Hello!')",
            "with open('C:/MyData/output.txt', 'w') as f: f.write('Hello!')",
        ),
        ("import os; print(os.listdir('/app/data'))", "import os; print(os.listdir('C:/MyData'))"),
    ] {
        assert_eq!(rewritten(&map, &["python", "-c", code])[2], expected);
    }
    assert_eq!(
        rewritten(&map, &["type", "/app/data/new/x.txt", "--out=/app/data/y"]),
        ["type", r"C:\MyData\new\x.txt", r"--out=C:\MyData\y"],
        "a plain word is written as Windows writes it"
    );
}

#[test]
fn a_backslash_of_the_host_is_no_escape_in_a_program() {
    // \n and \t would be a line break and a tabulator.
    let map = windows(r"D:\new\test:/app");
    let words = rewritten(&map, &["python3.12", "-c", r#"open("/app/x")"#]);
    assert_eq!(words[2], r#"open("D:/new/test/x")"#);
    let words = rewritten(&map, &["bash", "-c", "cat /app/x '/app/y'"]);
    assert_eq!(words[2], "cat D:/new/test/x 'D:/new/test/y'");
}

#[test]
fn drive_letters_spaces_quotes_and_other_alphabets_are_read_back_as_they_are() {
    for host in
        ["C:/Jörg's Data", "/srv/it's", "/srv/a b", "/srv/\"q\"", "/srv/データ", r"/srv/b\s"]
    {
        let map = PathMap { rootfs: "/none".into(), volumes: vec![("/v".into(), host.into())] };
        for quote in ["'", "\""] {
            let (code, _) = map.rewrite(&format!("f({quote}/v/x{quote})"), Language::Code);
            let inner = code.strip_prefix(&format!("f({quote}")).unwrap();
            let inner = inner.strip_suffix(&format!("{quote})")).unwrap();
            let mut read = String::new();
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                assert_ne!(c.to_string(), quote, "{code}");
                read.push(if c == '\\' { chars.next().unwrap() } else { c });
            }
            assert_eq!(read, format!("{host}/x"));
        }
        for script in ["cat /v/x", "cat '/v/x'", "cat \"/v/x\""] {
            let (script, _) = map.rewrite(script, Language::Shell);
            let words = shell_words::split(&script).unwrap();
            assert_eq!(words, ["cat", &format!("{host}/x")], "{script}");
        }
        let (plain, _) = map.rewrite("/v", Language::Plain);
        assert_eq!(plain.replace('\\', "/"), host.replace('\\', "/"));
    }
}

#[test]
fn only_what_is_a_path_of_the_container_is_rewritten() {
    let map = unix(&["/srv/d:/app"]);
    for text in [
        "http://example.com/app/x",
        "file:///app/x",
        "src/app/x",
        "/application",
        "/app2/x",
        "1 / 2",
        "a/app",
        "s/app/x/",
        "/usr/bin/python3",
        "/etc/passwd",
    ] {
        for language in [Language::Plain, Language::Code, Language::Shell] {
            assert_eq!(map.rewrite(text, language), (text.to_string(), vec![]), "{language:?}");
        }
    }
    assert_eq!(map.rewrite("/app/", Language::Plain).0, "/srv/d/");
    assert_eq!(map.rewrite("/app/a:/app/b", Language::Plain).0, "/srv/d/a:/srv/d/b");
    assert_eq!(map.rewrite("-I/app/include", Language::Plain).0, "-I/srv/d/include");
    assert_eq!(map.rewrite("@/app/x", Language::Plain).0, "@/srv/d/x");
}

#[test]
fn the_deepest_volume_wins() {
    let map = unix(&["/srv/outer:/app", "/srv/inner:/app/data"]);
    assert_eq!(map.rewrite("/app/data/x", Language::Plain).0, "/srv/inner/x");
    assert_eq!(map.rewrite("/app/database", Language::Plain).0, "/srv/outer/database");
    assert_eq!(map.host_path("/app/data"), Path::new("/srv/inner"));
    assert!(map.has_volume_below("/app") && !map.has_volume_below("/app/data/x"));
}

#[test]
fn the_containers_own_paths_are_those_of_its_rootfs() {
    let rootfs = tempfile::tempdir().unwrap();
    for folder in ["tmp", "etc", "usr/bin"] {
        std::fs::create_dir_all(rootfs.path().join(folder)).unwrap();
    }
    std::fs::write(rootfs.path().join("usr/bin/own"), "").unwrap();
    let map = PathMap::new(rootfs.path(), &[]);
    let root = rootfs.path().display().to_string();
    for inside in ["/tmp/new", "/etc/passwd", "/usr/bin/own"] {
        let (host, mappings) = map.rewrite(inside, Language::Plain);
        assert_eq!(host.replace('\\', "/"), format!("{root}{inside}").replace('\\', "/"));
        assert_eq!(mappings, [Mapping { inside: inside.into(), host }]);
    }
    for hosts in ["/../x", "/usr/bin/env", "/usr/bin", "/bin/sh", "/proc/self", "/dev/null", "/"] {
        assert_eq!(map.rewrite(hosts, Language::Code).0, hosts);
    }
    assert_eq!(rewritten(&map, &["ls", "/"])[1], root);
    assert_eq!(map.inside_rootfs(&rootfs.path().join("tmp/x")).unwrap(), "/tmp/x");
}

/// What the manual promises of `open('/data.txt', 'w')`: the file is the container's.
#[test]
fn a_file_that_is_about_to_be_made_at_the_root_is_the_containers() {
    let map = unix(&[]);
    let python = |code: &str| rewritten(&map, &["python3", "-c", code])[2].clone();
    for name in ["/new-data.txt", "/new-folder/a.txt", "/new folder/x"] {
        let name = if name.contains(' ') { "/new-folder/x" } else { name };
        assert_eq!(
            python(&format!("open('{name}', 'w')")),
            format!("open('/no/such/rootfs{name}', 'w')")
        );
        assert_eq!(
            python(&format!("Path(\"{name}\")")),
            format!("Path(\"/no/such/rootfs{name}\")")
        );
    }
    // Not what the host has, not a pattern, not a part of a text, not a division.
    for code in
        ["open('/proc/self')", "re('/[a-z]+/')", "print('see /new-x')", "a/b", "'/\\n'", "'/'"]
    {
        assert_eq!(python(code), code);
    }
    let shell = |script: &str| rewritten(&map, &["sh", "-c", script])[2].clone();
    for (script, expected) in [
        ("echo a > /new.txt", "echo a > /no/such/rootfs/new.txt"),
        ("echo a >> '/new.txt'", "echo a >> '/no/such/rootfs/new.txt'"),
        (
            "mkdir -p /new && cp x /new/y",
            "mkdir -p /no/such/rootfs/new && cp x /no/such/rootfs/new/y",
        ),
        ("A=1 touch /new", "A=1 touch /no/such/rootfs/new"),
        ("if true; then touch /new; fi", "if true; then touch /no/such/rootfs/new; fi"),
        ("sed /new/d a; echo /new; grep '/new' b", "sed /new/d a; echo /new; grep '/new' b"),
    ] {
        assert_eq!(shell(script), expected);
    }
    if cfg!(unix) {
        assert_eq!(rewritten(&map, &["touch", "/new"]), ["touch", "/no/such/rootfs/new"]);
    }
    assert_eq!(rewritten(&map, &["grep", "/new", "x"]), ["grep", "/new", "x"]);
}

#[test]
fn a_brace_of_the_host_is_no_expression_in_an_f_string() {
    let map = unix(&["/srv/{a}:/app"]);
    let words = rewritten(&map, &["python3", "-c", "print(f'/app/{x}', '/app/y')"]);
    assert_eq!(words[2], "print(f'/srv/{{a}}/{x}', '/srv/{a}/y')");
}

#[test]
fn a_program_is_read_in_its_own_language() {
    let words: Vec<String> =
        ["timeout", "5", r"C:\Python\python.exe", "-c", "x"].map(String::from).into();
    assert_eq!(language_of(&words, 4), Language::Code);
    let words: Vec<String> = ["/bin/sh", "-c", "x", "y"].map(String::from).into();
    assert_eq!(language_of(&words, 2), Language::Shell);
    assert_eq!(language_of(&words, 3), Language::Plain);
    let words: Vec<String> = ["wc", "-c", "x"].map(String::from).into();
    assert_eq!(language_of(&words, 2), Language::Plain);
}

proptest! {
    #[test]
    fn a_text_without_the_containers_paths_is_left_alone(
        text in "([a-z0-9 '\"\\\\(),:=é]|/usr/| / ){0,60}",
    ) {
        let map = unix(&["/srv/d:/UNUSED"]);
        for language in [Language::Plain, Language::Code, Language::Shell] {
            prop_assert_eq!(map.rewrite(&text, language), (text.clone(), vec![]));
        }
    }

    #[test]
    fn what_a_shell_reads_is_the_hosts_path(
        host in "/[a-zé '\"$`\\\\&|;()*?-]{1,20}", quote in prop::sample::select(vec!["", "'", "\""]),
    ) {
        prop_assume!(!host.ends_with(['/', '\\']));
        let map = PathMap { rootfs: "/none".into(), volumes: vec![("/v".into(), host.clone())] };
        let (script, _) = map.rewrite(&format!("cat {quote}/v/x{quote}"), Language::Shell);
        prop_assert_eq!(shell_words::split(&script).unwrap(), ["cat".to_string(), format!("{host}/x")]);
    }
}
