//! The one error shape: `{"error": {"code", "message", "hint"}}` and a status.

use std::fmt;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use minidocker_rt::Error;
use serde_json::{Value, json};

/// What is answered instead of a result.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: String,
    /// The field of the specification or the query parameter at fault.
    field: Option<String>,
    /// What the header `Allow` of a 405 must say.
    allow: Option<&'static str>,
    /// After how many seconds it is worth trying again.
    retry_after: Option<u32>,
}

impl ApiError {
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> ApiError {
        let (message, hint) = (message.into(), hint.into());
        ApiError { status, code, message, hint, field: None, allow: None, retry_after: None }
    }

    pub fn at_field(self, field: impl Into<String>) -> ApiError {
        ApiError { field: Some(field.into()), ..self }
    }

    pub fn retry_after(self, seconds: u32) -> ApiError {
        ApiError { retry_after: Some(seconds), ..self }
    }

    pub fn invalid_query(message: impl Into<String>) -> ApiError {
        const HINT: &str = "The page /api/docs says what is taken here.";
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_query", message, HINT)
    }

    pub fn bad_request(message: impl Into<String>, hint: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message, hint)
    }

    pub fn no_such_path(path: &str) -> ApiError {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is nothing at {path}"),
            "The page is at /, the containers are at /api/containers.",
        )
    }

    pub fn method_not_allowed(method: &Method, path: &str, allow: &'static str) -> ApiError {
        let message = format!("{path} does not take {method}");
        let hint = format!("What it takes: {allow}.");
        let error =
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message, hint);
        ApiError { allow: Some(allow), ..error }
    }

    pub fn never_started(name: &str) -> ApiError {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "never_started",
            format!("container {name:?} has no trace: it was never started"),
            format!("Start it first: POST /api/containers/{name}/start"),
        )
    }

    pub fn no_thread(error: &std::io::Error) -> ApiError {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            format!("the system gives no thread: {error}"),
            "Try again when less is going on.",
        )
        .retry_after(5)
    }

    /// A descriptor that cannot be waited for.
    pub fn not_watched(error: &std::io::Error) -> ApiError {
        let message = format!("the system cannot wait for it: {error}");
        let hint = "Close some streams, or allow the server more open files (ulimit -n).";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message, hint).retry_after(5)
    }

    /// An answer that its client did not take.
    pub fn not_taken(error: &std::io::Error) -> ApiError {
        ApiError::bad_request(format!("the answer was not taken: {error}"), "Read it faster.")
    }

    /// A bug of ours: the work panicked.
    pub fn internal() -> ApiError {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server made a mistake while it worked on this request",
            "The server's own output says where. Please report it.",
        )
    }
}

impl ApiError {
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The one shape.
    pub fn body(&self) -> Value {
        json!({"error": self.inner()})
    }

    /// What is inside of it, for an answer with several results.
    pub fn inner(&self) -> Value {
        let ApiError { code, message, hint, .. } = self;
        let mut error = json!({"code": code, "message": message, "hint": hint});
        if let Some(field) = &self.field {
            error["field"] = json!(field);
        }
        error
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> ApiError {
        let status = match &error {
            Error::InvalidSpec { .. } | Error::BadArchive { .. } | Error::File { .. } => {
                StatusCode::BAD_REQUEST
            }
            Error::NotFound { .. }
            | Error::NoSuchImage { .. }
            | Error::NoSuchNetwork { .. }
            | Error::NoSuchTemplate { .. } => StatusCode::NOT_FOUND,
            Error::NameInUse { .. }
            | Error::ImageInUse { .. }
            | Error::NetworkExists { .. }
            | Error::NetworkInUse { .. }
            | Error::WrongState { .. } => StatusCode::CONFLICT,
            // Nothing is wrong with the server: what the container asks for cannot be done.
            Error::StartFailed { .. } | Error::ExecFailed { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Error::Unsupported { .. } | Error::CannotIsolate { .. } => StatusCode::NOT_IMPLEMENTED,
            Error::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let answer = ApiError::new(status, error.code(), error.to_string(), error.hint());
        match error {
            Error::InvalidSpec { field, .. } => answer.at_field(field),
            _ => answer,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.json(self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_request_can_provoke_here_has_its_status_too() {
        let text = || "x".to_string();
        let unsupported =
            Error::Unsupported { feature: text(), backend: "simulation", why: text() };
        assert_eq!(ApiError::from(unsupported).status, 501);
        let timeout =
            Error::Timeout { name: text(), operation: "the end", seconds: 30, because: None };
        assert_eq!(ApiError::from(timeout).status, 504);
        assert_eq!(ApiError::from(Error::System { call: text(), errno: 5 }).status, 500);
        assert_eq!(ApiError::from(Error::HelperMissing { why: text() }).status, 500);
    }
}
