//! Templates, and configurations that are exported and imported.

use minidocker_rt::{Error, Template};

use crate::lab::{Lab, python};

crate::trials![
    a_container_is_made_from_a_template,
    what_is_exported_is_imported_and_runs,
    an_import_whose_volume_is_missing_makes_nothing,
];

fn a_container_is_made_from_a_template(lab: &Lab) {
    assert!(lab.runtime.templates().unwrap().iter().any(Template::is_builtin));
    let template = Template::new("greeter", python("x", "print('hi')")).unwrap();
    lab.runtime.save_template(&template).unwrap();
    let spec = lab.runtime.template("greeter").unwrap().spec("a");
    assert_eq!(lab.run(spec).1, "hi\n");
    lab.runtime.delete_template("greeter").unwrap();
    assert!(matches!(lab.runtime.template("greeter"), Err(Error::NoSuchTemplate { .. })));
}

fn what_is_exported_is_imported_and_runs(lab: &Lab) {
    let spec = python("a", "import os; print(os.environ['MODE'])").env("MODE", "x").memory_mb(100);
    let exported = lab.create(spec).export().unwrap();
    let json = serde_json::to_string(&exported).unwrap();
    assert!(matches!(lab.runtime.import(&json), Err(Error::NameInUse { .. })));
    let container = lab.runtime.import_as(&json, "b").unwrap();
    container.start().unwrap();
    assert!(container.wait_timeout(crate::lab::PATIENCE).unwrap().success());
    assert_eq!(crate::lab::printed(&container), "x\n");
    assert_eq!(container.inspect().unwrap().spec.memory_limit().unwrap().as_megabytes(), 100);
}

fn an_import_whose_volume_is_missing_makes_nothing(lab: &Lab) {
    let json = r#"{"name": "a", "command": "true", "volumes": ["/no/such/folder:/data"]}"#;
    assert!(matches!(lab.runtime.import(json), Err(Error::InvalidSpec { field: "volumes", .. })));
    assert!(lab.runtime.names().unwrap().is_empty());
}
