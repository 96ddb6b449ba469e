//! The part of a URL after the `?`. Unlike actix's own extractor, a refusal names
//! the parameter, and one that is not known is refused instead of ignored.

use std::str::FromStr;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

use crate::error::ApiError;

/// The parameters that nobody has taken yet.
pub(crate) struct Query {
    left: Vec<(String, String)>,
    /// All of them as they came.
    raw: String,
}

impl Query {
    pub fn of(request: &HttpRequest) -> Result<Query, ApiError> {
        let parsed = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        match parsed {
            Ok(pairs) => {
                Ok(Query { left: pairs.into_inner(), raw: request.query_string().to_string() })
            }
            Err(error) => Err(invalid(
                format!("the query cannot be read: {error}"),
                "Write it as ?name=value&name=value.",
            )),
        }
    }

    /// Takes a parameter out, if it was given.
    pub fn take<T: FromStr>(&mut self, name: &str, hint: &str) -> Result<Option<T>, ApiError> {
        let Some(index) = self.left.iter().position(|(given, _)| given == name) else {
            return Ok(None);
        };
        let (_, value) = self.left.remove(index);
        let message = || format!("{name}: {value:?} is refused");
        value.parse().map(Some).map_err(|_| invalid(message(), hint).at_field(name))
    }

    /// Takes a parameter out that may be any bytes, such as the path of a file, if it was given.
    pub fn take_bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        let index = self.left.iter().position(|(given, _)| given == name)?;
        self.left.remove(index);
        let pairs = self.raw.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let mut values = pairs.filter(|(given, _)| decoded(given) == name.as_bytes());
        values.next().map(|(_, value)| decoded(value))
    }

    /// As [`Query::take_bytes`], for what must be given.
    pub fn need_bytes(&mut self, name: &str, hint: &str) -> Result<Vec<u8>, ApiError> {
        self.take_bytes(name)
            .ok_or_else(|| invalid(format!("{name} is missing"), hint).at_field(name))
    }

    /// Takes out all parameters of this name.
    pub fn take_all(&mut self, name: &str) -> Vec<String> {
        let (taken, left) =
            std::mem::take(&mut self.left).into_iter().partition(|(given, _)| given == name);
        self.left = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// As [`Query::take`], for what must be given.
    pub fn need<T: FromStr>(&mut self, name: &str, hint: &str) -> Result<T, ApiError> {
        self.take(name, hint)?
            .ok_or_else(|| invalid(format!("{name} is missing"), hint).at_field(name))
    }

    /// As [`Query::take`], for `true` and `false`.
    pub fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        let hint = format!("Write {name}=true or {name}=false.");
        Ok(self.take(name, &hint)?.unwrap_or(false))
    }

    /// Refuses what was not taken.
    pub fn end(self) -> Result<(), ApiError> {
        match self.left.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(invalid(
                format!("{name}: there is no such parameter here, or it is given twice"),
                "Remove it.",
            )
            .at_field(name)),
        }
    }
}

/// The bytes that a part of a query stands for.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (plain, left) = match (byte, code) {
            (b'%', Some(code)) => (code, &after[2..]),
            (b'+', _) => (b' ', after),
            (byte, _) => (byte, after),
        };
        bytes.push(plain);
        rest = left;
    }
    bytes
}

fn invalid(message: String, hint: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_query", message, hint)
}

/// Where a browser's `EventSource` left off, if it connects again.
pub(crate) fn last_event_id(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get("Last-Event-ID")?.to_str().ok()?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_any_bytes() {
        let uri = "/?path=/caf%E9+%2F%zz&other=1";
        let request = actix_web::test::TestRequest::with_uri(uri).to_http_request();
        let mut query = Query::of(&request).unwrap();
        assert_eq!(query.need_bytes("path", "").unwrap(), b"/caf\xe9 /%zz");
        assert_eq!(query.take_bytes("path"), None);
        assert!(query.end().is_err(), "the other is left");
    }
}
