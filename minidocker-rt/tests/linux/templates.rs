//! Templates: built-in and saved ones, and containers made from them.

use std::fs;

use minidocker_rt::{Error, NetworkMode, Runtime, Template};

use crate::lab::{Lab, PATIENCE, eventually, sh};

crate::trials![
    the_built_in_templates_run,
    a_template_can_be_changed_before_the_container_is_made,
    a_container_becomes_a_template_that_every_program_sees,
    a_saved_template_can_be_replaced_and_deleted,
    built_in_templates_stay_as_they_are,
    a_damaged_template_does_not_hide_the_others,
    of_many_that_save_one_name_one_is_first,
    saving_and_deleting_is_told_to_who_follows,
];

fn template(name: &str, script: &str) -> Template {
    Template::new(name, sh("a", script)).unwrap()
}

fn names(runtime: &Runtime) -> Vec<String> {
    runtime.templates().unwrap().iter().map(|template| template.name().to_string()).collect()
}

fn refusal(result: minidocker_rt::Result<()>) -> String {
    match result {
        Err(Error::InvalidSpec { field: "template", why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

const BUILTIN: [&str; 3] = ["python-web-server", "data-processor", "file-watcher"];

fn the_built_in_templates_run() {
    let lab = Lab::new();
    assert_eq!(names(&lab.runtime), BUILTIN);
    let spec = |name: &str| lab.runtime.template(name).unwrap().spec(name);
    let (exit, output) = lab.run(spec("data-processor").env("LIMIT", "3"));
    assert!(exit.success(), "{output}");
    assert_eq!(output, "Mode: fast, processing 3 items\nSum of squares: 14, largest: 9\n");

    let printed =
        |container: &minidocker_rt::Container| container.logs().unwrap().read_to_string().unwrap();
    let server = lab.start(spec("python-web-server").network(NetworkMode::Bridge));
    eventually("it serves", || printed(&server).contains("port 8000"));
    assert_eq!(server.inspect().unwrap().spec.memory_limit().unwrap().as_megabytes(), 100);

    let watcher = lab.start(spec("file-watcher"));
    let files = watcher.files();
    eventually("it watches", || printed(&watcher).contains("Watching /tmp\n"));
    files.write("/tmp/note", b"x", Default::default()).unwrap();
    eventually("it saw the file", || printed(&watcher).contains("created note\n"));
    files.remove("/tmp/note").unwrap();
    eventually("it saw it go", || printed(&watcher).contains("deleted note\n"));
}

fn a_template_can_be_changed_before_the_container_is_made() {
    let lab = Lab::new();
    let server = lab.runtime.template("python-web-server").unwrap();
    assert_eq!(server.title_text(), "Python Web Server");
    let spec =
        server.spec("mine").network(NetworkMode::Bridge).memory_mb(64).with_command("echo mine");
    let container = lab.create(spec);
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    assert_eq!(container.logs().unwrap().read_to_string().unwrap(), "mine\n");
    let spec = container.inspect().unwrap().spec;
    assert_eq!(spec.container_name().as_str(), "mine");
    assert_eq!(spec.memory_limit().unwrap().as_megabytes(), 64);
    assert_eq!(spec.cpu_limit().unwrap().percent(), 50, "as the template has it");
    let refused = lab.runtime.create(server.spec("no/name")).unwrap_err();
    assert!(matches!(refused, Error::InvalidSpec { field: "name", .. }), "{refused}");
}

fn a_container_becomes_a_template_that_every_program_sees() {
    let lab = Lab::new();
    let volume = format!("{}:/data:ro", lab.folder("data").display());
    let spec = sh("first", "echo $GREETING").env("GREETING", "hello").volume(&volume).unwrap();
    let container = lab.create(spec.user("7:8".parse().unwrap()));
    let saved = Template::new("greeter", container.inspect().unwrap().spec)
        .unwrap()
        .title("Greeter")
        .description("Says hello.");
    lab.runtime.save_template(&saved).unwrap();
    let other = Runtime::open(lab.root()).unwrap();
    let found = other.template("greeter").unwrap();
    assert_eq!((found.title_text(), found.description_text()), ("Greeter", "Says hello."));
    assert!(!found.is_builtin());
    let (exit, output) = lab.run(found.spec("second"));
    assert!(exit.success());
    assert_eq!(output, "hello\n");
    assert_eq!(found.spec("x").volumes().len(), 1);
    assert_eq!(found.spec("x").without_volumes().volumes().len(), 0);
}

fn a_saved_template_can_be_replaced_and_deleted() {
    let lab = Lab::new();
    let runtime = &lab.runtime;
    let no_such = |result| matches!(result, Err(Error::NoSuchTemplate { .. }));
    assert!(no_such(runtime.replace_template(&template("mine", "echo 1"))));
    runtime.save_template(&template("mine", "echo 1")).unwrap();
    runtime.save_template(&template("also.mine", "echo 1")).unwrap();
    assert!(refusal(runtime.save_template(&template("mine", "echo 2"))).contains("exists"));
    assert_eq!(lab.run(runtime.template("mine").unwrap().spec("a")).1, "1\n");
    runtime.replace_template(&template("mine", "echo 2")).unwrap();
    assert_eq!(lab.run(runtime.template("mine").unwrap().spec("a")).1, "2\n");
    assert_eq!(names(runtime)[3..], ["also.mine", "mine"]);
    runtime.delete_template("mine").unwrap();
    assert!(no_such(runtime.delete_template("mine")));
    assert!(no_such(runtime.template("mine").map(drop)));
    for name in ["", "no such", "../../etc/passwd", "lock"] {
        assert!(no_such(runtime.template(name).map(drop)), "{name}");
        assert!(no_such(runtime.delete_template(name)), "{name}");
    }
    assert_eq!(names(runtime)[3..], ["also.mine"]);
}

fn built_in_templates_stay_as_they_are() {
    let lab = Lab::new();
    for name in BUILTIN {
        let mine = template(name, "echo mine");
        assert!(refusal(lab.runtime.save_template(&mine)).contains("built-in"));
        assert!(refusal(lab.runtime.replace_template(&mine)).contains("built-in"));
        assert!(refusal(lab.runtime.delete_template(name)).contains("built-in"));
        assert!(lab.runtime.template(name).unwrap().is_builtin());
    }
    let left = fs::read_dir(lab.root().join("templates")).unwrap().count();
    assert_eq!(left, 0, "nothing is left of a refusal");
}

fn a_damaged_template_does_not_hide_the_others() {
    let lab = Lab::new();
    lab.runtime.save_template(&template("whole", "true")).unwrap();
    let folder = lab.root().join("templates");
    fs::write(folder.join("damaged.json"), "{").unwrap();
    fs::copy(folder.join("whole.json"), folder.join("copied.json")).unwrap();
    fs::copy(folder.join("whole.json"), folder.join("data-processor.json")).unwrap();
    fs::write(folder.join("half.json.new"), "{").unwrap();
    assert_eq!(names(&lab.runtime)[3..], ["whole"]);
    for name in ["damaged", "copied"] {
        let error = lab.runtime.template(name).unwrap_err();
        assert!(error.to_string().contains(&format!("{name}.json")), "{error}");
        lab.runtime.delete_template(name).unwrap();
    }
    assert!(lab.runtime.template("data-processor").unwrap().is_builtin());
}

fn of_many_that_save_one_name_one_is_first() {
    let lab = Lab::new();
    let wins: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|number| {
                let mine = template("one", &format!("echo {number}"));
                let runtime = Runtime::open(lab.root()).unwrap();
                scope.spawn(move || runtime.save_template(&mine).is_ok())
            })
            .collect();
        tries.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(wins, 1);
    lab.runtime.template("one").unwrap();
}

fn saving_and_deleting_is_told_to_who_follows() {
    let lab = Lab::new();
    lab.runtime.save_template(&template("mine", "true")).unwrap();
    lab.runtime.delete_template("mine").unwrap();
    let journal = fs::read_to_string(lab.root().join("events")).unwrap();
    for event in ["template_saved", "template_deleted"] {
        assert!(journal.contains(event), "{journal}");
    }
}
