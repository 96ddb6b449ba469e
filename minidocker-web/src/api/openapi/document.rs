//! How a route is described, and how the descriptions become one OpenAPI document.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, InfoBuilder, KnownFormat, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
    ResponseBuilder, ResponsesBuilder, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

use super::{routes, schema};

/// One request that the API takes.
pub(super) struct Route {
    method: HttpMethod,
    path: &'static str,
    summary: &'static str,
    query: Vec<Parameter>,
    body: Option<(&'static str, RefOr<Schema>, Option<Value>)>,
    answers: Vec<GoodAnswer>,
    refusals: Vec<u16>,
    schemas: Vec<(String, RefOr<Schema>)>,
    open: bool,
}

/// An answer that is no refusal.
struct GoodAnswer {
    status: u16,
    about: &'static str,
    /// Its type and form, if it has a body.
    content: Option<(&'static str, RefOr<Schema>)>,
}

pub(super) fn get(path: &'static str, summary: &'static str) -> Route {
    Route::new(HttpMethod::Get, path, summary)
}

pub(super) fn post(path: &'static str, summary: &'static str) -> Route {
    Route::new(HttpMethod::Post, path, summary)
}

pub(super) fn put(path: &'static str, summary: &'static str) -> Route {
    Route::new(HttpMethod::Put, path, summary)
}

pub(super) fn delete(path: &'static str, summary: &'static str) -> Route {
    Route::new(HttpMethod::Delete, path, summary)
}

/// A parameter of a query.
pub(super) fn parameter(name: &str, schema: impl Into<RefOr<Schema>>, about: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .description(Some(about))
        .required(Required::False)
        .schema(Some(schema))
        .build()
}

pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

pub(super) fn one_of(values: &[&'static str]) -> ObjectBuilder {
    text().enum_values(Some(values.iter().copied()))
}

pub(super) fn flag() -> ObjectBuilder {
    // As text: in a query everything is.
    one_of(&["true", "false"])
}

pub(super) fn whole(least: u32, most: u64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(f64::from(least)))
        .maximum(Some(most as f64))
}

pub(super) fn time() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

fn bytes() -> RefOr<Schema> {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).into()
}

impl Route {
    fn new(method: HttpMethod, path: &'static str, summary: &'static str) -> Route {
        Route {
            method,
            path,
            summary,
            query: Vec::new(),
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            schemas: Vec::new(),
            open: false,
        }
    }

    pub fn query(mut self, parameter: Parameter) -> Route {
        self.query.push(parameter);
        self
    }

    /// A parameter that must be given.
    pub fn need(mut self, mut parameter: Parameter) -> Route {
        parameter.required = Required::True;
        self.query.push(parameter);
        self
    }

    /// A body of JSON, with an example.
    pub fn body<T: ToSchema>(mut self, example: Value) -> Route {
        let schema = self.reference::<T>();
        self.body = Some(("application/json", schema, Some(example)));
        self
    }

    /// A body of bytes.
    pub fn bytes(mut self, kind: &'static str) -> Route {
        self.body = Some((kind, bytes(), None));
        self
    }

    /// An answer of JSON.
    pub fn json<T: ToSchema>(mut self, status: u16, about: &'static str) -> Route {
        let schema = self.reference::<T>();
        let content = Some(("application/json", schema));
        self.answers.push(GoodAnswer { status, about, content });
        self
    }

    /// An answer of another type.
    pub fn kind(mut self, kind: &'static str, about: &'static str) -> Route {
        let schema = if kind.starts_with("text/") { text().into() } else { bytes() };
        self.answers.push(GoodAnswer { status: 200, about, content: Some((kind, schema)) });
        self
    }

    /// An answer without a body.
    pub fn nothing(mut self, status: u16, about: &'static str) -> Route {
        self.answers.push(GoodAnswer { status, about, content: None });
        self
    }

    /// May be refused with these, besides what every request may be.
    pub fn or(mut self, refusals: &[u16]) -> Route {
        self.refusals.extend(refusals);
        self
    }

    /// Takes part in the limit of streams.
    pub fn stream(self) -> Route {
        self.kind("text/event-stream", "A stream, if follow is true").or(&[429])
    }

    /// Asks for no token.
    pub fn open(mut self) -> Route {
        self.open = true;
        self
    }

    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        let name = T::name();
        // Lists and the like have no name of their own.
        let schema = T::schema();
        if matches!(&schema, RefOr::T(Schema::Object(_) | Schema::AllOf(_) | Schema::OneOf(_))) {
            self.schemas.push((name.to_string(), schema));
            return Ref::from_schema_name(name).into();
        }
        schema
    }

    fn operation(&self) -> OperationBuilder {
        let mut operation = OperationBuilder::new()
            .summary(Some(self.summary))
            .operation_id(Some(self.id()))
            .tag(self.tag());
        if self.path.contains("{name}") {
            operation = operation.parameter(
                ParameterBuilder::new()
                    .name("name")
                    .parameter_in(ParameterIn::Path)
                    .required(Required::True)
                    .schema(Some(text().min_length(Some(1)))),
            );
        }
        for parameter in &self.query {
            operation = operation.parameter(parameter.clone());
        }
        if let Some((kind, schema, example)) = &self.body {
            let mut content = Content::new(Some(schema.clone()));
            content.example = example.clone();
            let body = RequestBodyBuilder::new().content(*kind, content);
            operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
        }
        if self.open {
            operation = operation.security(SecurityRequirement::default());
        }
        operation.responses(self.responses())
    }

    fn responses(&self) -> ResponsesBuilder {
        let mut responses: BTreeMap<u16, ResponseBuilder> = BTreeMap::new();
        for GoodAnswer { status, about, content } in &self.answers {
            let response = responses.remove(status);
            let mut response =
                response.unwrap_or_else(|| ResponseBuilder::new().description(*about));
            if let Some((kind, schema)) = content {
                response = response.content(*kind, Content::new(Some(schema.clone())));
            }
            responses.insert(*status, response);
        }
        let mut refusals = vec![400, 401, 403, 500, 503];
        if self.path.contains("{name}") {
            refusals.push(404);
        }
        if self.body.is_some() {
            refusals.extend([413, 415]);
        }
        refusals.extend(&self.refusals);
        for status in refusals {
            let error = Content::new(Some(Ref::from_schema_name(schema::Refusal::name())));
            let response = ResponseBuilder::new()
                .description(meaning(status))
                .content("application/json", error);
            responses.entry(status).or_insert(response);
        }
        responses.into_iter().fold(ResponsesBuilder::new(), |all, (status, response)| {
            all.response(status.to_string(), response)
        })
    }

    fn id(&self) -> String {
        let method = match self.method {
            HttpMethod::Post => "post",
            HttpMethod::Put => "put",
            HttpMethod::Delete => "delete",
            _ => "get",
        };
        let words = self.path.split(['/', '{', '}', '.']).filter(|word| !word.is_empty());
        words.fold(method.to_string(), |id, word| format!("{id}_{word}"))
    }

    fn tag(&self) -> &'static str {
        match self.path.trim_start_matches("/api/").split('/').next() {
            Some("containers") => "containers",
            Some("templates") => "templates",
            Some("images") => "images",
            Some("networks") => "networks",
            Some("experiments") => "experiments",
            _ => "server",
        }
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "Something that was sent cannot be used",
        401 => "Who asks needs the token",
        403 => "A foreign name, another site, or a wrong token",
        404 => "There is no such thing",
        409 => "Not possible as things are",
        413 => "The body is too large",
        415 => "The body is of another type",
        422 => "The kernel refused a step",
        429 => "So many streams are open",
        501 => "This machine or backend cannot do that",
        503 => "So much is under way",
        504 => "It took too long",
        _ => "A mistake of the server or the system",
    }
}

pub(super) fn openapi() -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new()
        .schema(schema::Refusal::name(), schema::Refusal::schema())
        .security_scheme(
            "token",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        )
        .security_scheme(
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("minidocker-5000"))),
        );
    let mut inner = Vec::new();
    schema::Refusal::schemas(&mut inner);
    for route in routes::all() {
        inner.extend(route.schemas.iter().cloned());
        let item = utoipa::openapi::path::PathItem::new(route.method.clone(), route.operation());
        paths = paths.path(route.path, item);
    }
    for (name, schema) in inner {
        components = components.schema(name, schema);
    }
    let about = "Containers that can be understood: made, watched, and looked through. A refusal \
                 is always {\"error\": {code, message, hint}}. Own users of this machine enter \
                 without ceremony; others need the token.";
    let none = SecurityRequirement::default();
    let needed: [SecurityRequirement; 3] = [
        none,
        SecurityRequirement::new("token", [] as [&str; 0]),
        SecurityRequirement::new("cookie", [] as [&str; 0]),
    ];
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("minidocker")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(about)),
        )
        .paths(paths)
        .components(Some(components.build()))
        .security(Some(needed))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_whole() {
        let document = serde_json::to_value(openapi()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        let mut references = text.split("\"$ref\":\"#/components/schemas/").skip(1);
        assert!(references.clone().count() > 50);
        assert!(
            references.all(|rest| schemas.contains_key(rest.split('"').next().unwrap())),
            "a reference leads nowhere"
        );
        let mut ids: Vec<&str> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "an id is given twice");
    }
}
