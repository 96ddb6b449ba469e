//! `/api/containers/validate`: everything that is wrong with a specification, field by field,
//! in the library's own words, for a form that is being filled in.

use actix_web::{HttpRequest, HttpResponse, guard, web};
use minidocker_rt::{ContainerSpec, Error};
use serde_json::{Map, Value, json};

use super::{Answer, Body, parsed};
use crate::error::ApiError;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/api/containers/validate")
            .guard(guard::Post())
            .route(web::post().to(validate)),
    );
}

async fn validate(request: HttpRequest, body: Body) -> Answer {
    Query::of(&request)?.end()?;
    let fields: Map<String, Value> = parsed(body)?;
    let problems: Vec<Value> = problems(&fields).iter().map(ApiError::inner).collect();
    let valid = problems.is_empty();
    Ok(HttpResponse::Ok().json(json!({"valid": valid, "problems": problems})))
}

/// Each field is judged alone, beside a name and a command that are right: the library stops
/// at the first one that is wrong.
fn problems(fields: &Map<String, Value>) -> Vec<ApiError> {
    let mut problems = Vec::new();
    for required in ["name", "command"] {
        if fields.get(required).is_none_or(|value| value == "") {
            // What the library says of an empty one.
            problems.extend(problem(required, &"".into()));
        }
    }
    for (field, value) in fields.iter().filter(|(_, value)| *value != "" && !value.is_null()) {
        problems.extend(problem(field, value));
    }
    problems
}

fn problem(field: &str, value: &Value) -> Option<ApiError> {
    let mut alone = json!({"name": "a", "command": "a"});
    alone[field] = value.clone();
    match ContainerSpec::from_json(alone.to_string().as_bytes()).err()? {
        // The form is wrong, not the value: serde's words, without the place in our own text.
        Error::InvalidSpec { field: "body", why, .. } => {
            let why = why.split(" at line ").next().unwrap_or_default().to_string();
            let hint = "The page /api/docs shows what is taken here.";
            let error = ApiError::bad_request(format!("{field}: {why}"), hint);
            Some(error.at_field(field))
        }
        error => Some(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_at_fault(spec: Value) -> Vec<String> {
        let problems = problems(spec.as_object().unwrap());
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
