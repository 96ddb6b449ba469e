use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Looks for an image among files.
fn find_in(files: &[(&str, &str)]) -> Result<Found> {
    let files: HashMap<&str, &str> = files.iter().copied().collect();
    find(&mut |path| Ok(files.get(path).map(|text| text.as_bytes().to_vec())))
}

fn digest(text: &str) -> String {
    use sha2::Digest;
    format!("sha256:{}", hex(&sha2::Sha256::digest(text)))
}

#[test]
fn a_docker_manifest_names_its_files() {
    let manifest = r#"[{"Config":"c.json","RepoTags":["a:1","a:2"],"Layers":["x/layer.tar"]}]"#;
    let found = find_in(&[("manifest.json", manifest), ("index.json", "{}")]).unwrap();
    assert_eq!((found.source, found.reference.as_deref()), (ImageSource::Docker, Some("a:1")));
    assert_eq!(found.config.path, "c.json");
    assert_eq!(found.layers[0].path, "x/layer.tar");
}

#[test]
fn several_images_in_one_archive_are_refused_by_name() {
    let manifest = r#"[{"Config":"c","RepoTags":["a:1"]},{"Config":"c","RepoTags":["b:1"]}]"#;
    let error = find_in(&[("manifest.json", manifest)]).unwrap_err();
    assert!(error.to_string().contains("2 images (a:1, b:1)"), "{error}");
}

#[test]
fn platforms_that_do_not_fit_are_listed() {
    let one = |os: &str, architecture: &str| {
        let digest = digest("x");
        format!(
            r#"{{"digest":"{digest}","platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#
        )
    };
    let index = format!(r#"{{"manifests":[{},{}]}}"#, one("linux", "vax"), one("windows", "alpha"));
    let error = find_in(&[("index.json", &index)]).unwrap_err();
    assert!(error.to_string().contains("linux/vax, windows/alpha"), "{error}");
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_refused() {
    let index = format!(r#"{{"manifests":[{{"digest":"{}"}}]}}"#, digest("manifest"));
    let path = format!("blobs/sha256/{}", &digest("manifest")["sha256:".len()..]);
    let error = find_in(&[("index.json", &index), (&path, "another")]).unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
}

#[test]
fn an_index_without_end_is_refused() {
    // No file can hold its own digest, so this goes through a reader that lies.
    let index = format!(r#"{{"manifests":[{{"digest":"{}"}}]}}"#, digest("x"));
    let mut reads = 0;
    let error = find(&mut |path| {
        reads += 1;
        Ok((path == "index.json").then(|| index.clone().into_bytes()))
    });
    assert!(error.is_err());
    assert!(reads < 10);
}

#[test]
fn digests_lead_to_no_other_file() {
    for text in [
        "sha256:../../etc/passwd",
        "sha512:00",
        "sha256:",
        &format!("sha256:{}", "A".repeat(64)),
        &format!("sha256:{}/", "0".repeat(63)),
    ] {
        assert!(sha256(text).is_err(), "{text}");
    }
}

#[test]
fn what_go_writes_as_null_is_empty() {
    let json = r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Cmd":["sh"],
        "Entrypoint":null,"WorkingDir":"","ExposedPorts":null,"Labels":null,"Volumes":{}},
        "rootfs":{"type":"layers","diff_ids":null},"history":[]}"#;
    let image = ImageJson::parse(json.as_bytes()).unwrap();
    assert_eq!(image.config(), ImageConfig { command: vec!["sh".into()], ..Default::default() });
    assert_eq!(image.diff_ids().unwrap(), Vec::<String>::new());
    assert!(ImageJson::parse(br#"{"config":null,"rootfs":{}}"#).is_ok());
}

proptest! {
    /// Whatever the JSON of a stranger says, it is understood or refused.
    #[test]
    fn any_json_is_understood_or_refused(manifest: String, index: String, json in ".{0,200}") {
        let _ = find_in(&[("manifest.json", &manifest)]);
        let _ = find_in(&[("index.json", &index)]);
        let _ = ImageJson::parse(json.as_bytes());
    }
}

#[test]
fn a_configuration_is_read_as_docker_reads_it() {
    let json = br#"{"Architecture":"amd64","architecture":"arm64","rootfs":{"diff_ids":null},
        "config":{"Env":["A=1","bad","=bad","B=x=y","A=2",null,"C D=e"],"Cmd":"sh",
        "Cmd":["a",null],"Entrypoint":"/entry","WorkingDir":"srv/./a/../b/","User":"1001:",
        "Labels":{"a":null,"b":"c"},"ExposedPorts":null,"OnBuild":null,"Volumes":{"/x":null},
        "StopSignal":"SIGQUIT"}}"#;
    let image = ImageJson::parse(json).unwrap();
    assert_eq!(image.architecture.as_deref(), Some("arm64"), "the last of two counts");
    let config = image.config();
    let env: Vec<(&str, &str)> =
        config.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, [("A", "2"), ("B", "x=y"), ("C D", "e")]);
    assert_eq!(
        (&config.entrypoint[..], &config.command[..]),
        (&["/entry".into()][..], &["a".into(), String::new()][..])
    );
    assert_eq!(config.working_dir.as_deref(), Some("/srv/b"));
    assert_eq!(config.user.as_deref(), Some("1001:"));
    assert_eq!(config.stop_signal.as_deref(), Some("SIGQUIT"));
    assert_eq!((config.labels["a"].as_str(), config.labels["b"].as_str()), ("", "c"));
}

#[test]
fn a_health_check_is_read_as_docker_reads_it() {
    let check = |health: &str, more: &str| {
        let json = format!(r#"{{"rootfs":{{}},"config":{{"Healthcheck":{health}{more}}}}}"#);
        ImageJson::parse(json.as_bytes()).unwrap().config().health_check
    };
    let words = |health: &str, more: &str| {
        check(health, more).map(|check| check.command().words().to_vec())
    };
    let shell = r#"{"Test":["CMD-SHELL","curl -f localhost || exit 1"]}"#;
    assert_eq!(words(r#"{"Test":["CMD","a","b c"]}"#, "").unwrap(), ["a", "b c"]);
    assert_eq!(words(shell, "").unwrap(), ["/bin/sh", "-c", "curl -f localhost || exit 1"]);
    let bash = r#","Shell":["/bin/bash","-ec"]"#;
    assert_eq!(words(shell, bash).unwrap()[..2], ["/bin/bash", "-ec"]);
    for none in
        ["null", "{}", r#"{"Test":["NONE"]}"#, r#"{"Test":["CMD"]}"#, r#"{"Test":["X","y"]}"#]
    {
        assert_eq!(check(none, ""), None, "{none}");
    }
    let times = r#"{"Test":["CMD","a"],"Interval":5000000000,"Timeout":2000000000,
        "StartPeriod":1000000000,"Retries":7,"StartInterval":1}"#;
    let expected = HealthCheck::new("a").unwrap().interval(Duration::from_secs(5));
    let expected = expected.timeout(Duration::from_secs(2)).start_period(Duration::from_secs(1));
    let got = check(times, "").unwrap();
    assert_eq!(serde_json::to_value(got).unwrap()["retries"], 7);
    assert_eq!(check(times, "").unwrap().retries(3).interval, expected.interval);
    let usual = check(r#"{"Test":["CMD","a"],"Interval":0,"Retries":0}"#, "").unwrap();
    assert_eq!(usual.command().words(), ["a"]);
    let json = serde_json::to_value(usual).unwrap();
    assert_eq!((&json["interval_seconds"], &json["retries"]), (&30.0.into(), &3.into()));
}
