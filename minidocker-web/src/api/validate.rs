//! `/api/containers/validate`: everything that is wrong with a specification, field by field,
//! in the library's own words, for a form that is being filled in.

use actix_web::{HttpRequest, HttpResponse, guard, web};
use minidocker_rt::{ContainerSpec, Error};
use serde_json::{Map, Value, json};

use super::{Answer, Body, parsed};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/api/containers/validate")
            .guard(guard::Post())
            .route(web::post().to(validate)),
    );
}

async fn validate(request: HttpRequest, app: web::Data<App>, body: Body) -> Answer {
    Query::of(&request)?.end()?;
    let fields: Map<String, Value> = parsed(body)?;
    let runtime = app.runtime.clone();
    // Folders and names are looked for.
    let problems =
        app.work.quick(move || Ok(problems(&fields, &|spec| runtime.check(spec)))).await?;
    let problems: Vec<Value> = problems.iter().map(ApiError::inner).collect();
    let valid = problems.is_empty();
    Ok(HttpResponse::Ok().json(json!({"valid": valid, "problems": problems})))
}

/// What this machine, and the containers that are there, have against a specification.
type Check<'a> = &'a dyn Fn(&ContainerSpec) -> Result<(), Error>;

/// Each field is judged alone, beside a name and a command that are right: the library stops
/// at the first one that is wrong.
fn problems(fields: &Map<String, Value>, check: Check<'_>) -> Vec<ApiError> {
    let mut problems = Vec::new();
    let given = |field: &str| fields.get(field).filter(|value| !value.is_null() && *value != "");
    if given("name").is_none() {
        // What the library says of an empty one.
        problems.extend(problem("name", &"".into(), check));
    }
    match (given("command"), given("image")) {
        (None, None) => problems.extend(problem("command", &"".into(), check)),
        (None, Some(image)) => problems.extend(no_command_in(image, given("entrypoint"), check)),
        _ => {}
    }
    for (field, value) in fields.iter().filter(|(_, value)| *value != "" && !value.is_null()) {
        problems.extend(problem(field, value, check));
    }
    problems
}

/// The command is left to the image, which may have none.
fn no_command_in(image: &Value, entrypoint: Option<&Value>, check: Check<'_>) -> Option<ApiError> {
    let mut spec = json!({"name": "a", "image": image});
    if let Some(entrypoint) = entrypoint {
        spec["entrypoint"] = entrypoint.clone();
    }
    let spec = ContainerSpec::from_json(spec.to_string().as_bytes());
    match spec.and_then(|spec| check(&spec)) {
        Err(error @ Error::InvalidSpec { field: "command", .. }) => {
            Some(ApiError::from(error).at_field("command"))
        }
        _ => None,
    }
}

fn problem(field: &str, value: &Value, check: Check<'_>) -> Option<ApiError> {
    let mut alone = json!({"name": "a", "command": "a"});
    alone[field] = value.clone();
    let spec = ContainerSpec::from_json(alone.to_string().as_bytes());
    match spec.and_then(|spec| check(&spec)).err()? {
        // There is a container of the name that stands in for the one to be judged.
        Error::NameInUse { .. } if field != "name" => None,
        // The form is wrong, not the value: serde's words, without the place in our own text.
        Error::InvalidSpec { field: "body", why, .. } => {
            let why = why.split(" at line ").next().unwrap_or_default().to_string();
            let hint = "The page /api/docs shows what is taken here.";
            let error = ApiError::bad_request(format!("{field}: {why}"), hint);
            Some(error.at_field(field))
        }
        error => Some(ApiError::from(error).at_field(field)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_at_fault(spec: Value) -> Vec<String> {
        let problems = problems(spec.as_object().unwrap(), &|_| Ok(()));
        let field = |problem: &ApiError| problem.inner()["field"].as_str().unwrap().to_string();
        problems.iter().map(field).collect()
    }

    #[test]
    fn every_field_at_fault_is_told_at_once() {
        let wrong = json!({"name": "a b", "mem_limit_mb": 1, "volumes": ["x"], "colour": 1,
                           "cpu_limit_percent": 50, "hostname": null, "restart": ""});
        assert_eq!(
            fields_at_fault(wrong),
            ["command", "colour", "mem_limit_mb", "name", "volumes"]
        );
        assert!(fields_at_fault(json!({"name": "a", "command": "true"})).is_empty());
        assert_eq!(fields_at_fault(json!({})), ["name", "command"]);
    }
}
