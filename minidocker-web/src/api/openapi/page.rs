//! The document as a page: plain HTML without a script, made of the document alone.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use utoipa::openapi::OpenApi;

pub(super) const CSS: &str = include_str!("docs.css");

/// How deep the form of an answer is shown.
const DEEPEST: usize = 6;

pub(super) fn html(document: &OpenApi) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let mut by_tag: BTreeMap<&str, Vec<(&str, &str, &Value)>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            by_tag.entry(tag).or_default().push((path, method, operation));
        }
    }
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>minidocker API</title>\
         <link rel=\"stylesheet\" href=\"/api/docs.css\"></head><body><h1>The REST API</h1>",
    );
    let about = document["info"]["description"].as_str().unwrap_or_default();
    let _ = write!(
        page,
        "<p>{}</p><p>For programs: <a href=\"/api/openapi.json\">openapi.json</a>.</p>",
        escape(about)
    );
    for (tag, operations) in by_tag {
        let _ = write!(page, "<h2>{}</h2>", escape(tag));
        for (path, method, operation) in operations {
            write_operation(&mut page, &document, path, method, operation);
        }
    }
    page.push_str("</body></html>\n");
    page
}

fn write_operation(
    page: &mut String,
    document: &Value,
    path: &str,
    method: &str,
    operation: &Value,
) {
    let text = |value: &Value| escape(value.as_str().unwrap_or_default());
    let _ = write!(
        page,
        "<details><summary><code class=\"method\">{}</code> <code>{}</code> \
         <span class=\"about\">{}</span></summary>",
        escape(&method.to_uppercase()),
        escape(path),
        text(&operation["summary"])
    );
    let queries = operation["parameters"].as_array().into_iter().flatten();
    let queries: Vec<&Value> = queries.filter(|parameter| parameter["in"] == "query").collect();
    if !queries.is_empty() {
        page.push_str("<table>");
        for parameter in queries {
            let needed = if parameter["required"] == true { ", needed" } else { "" };
            let _ = write!(
                page,
                "<tr><td><code>?{}=</code></td><td>{}{needed}</td></tr>",
                text(&parameter["name"]),
                text(&parameter["description"])
            );
        }
        page.push_str("</table>");
    }
    for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let _ = write!(page, "<p>Body: <code>{}</code></p>", escape(kind));
        write_form(page, document, &content["schema"]);
    }
    let responses = operation["responses"].as_object();
    for (status, response) in responses.into_iter().flatten() {
        let _ = write!(
            page,
            "<p><code>{}</code> {}</p>",
            escape(status),
            text(&response["description"])
        );
        // All refusals have the same form.
        for (kind, content) in response["content"].as_object().into_iter().flatten() {
            if status.starts_with('2') && kind == "application/json" {
                write_form(page, document, &content["schema"]);
            }
        }
    }
    page.push_str("</details>");
}

fn write_form(page: &mut String, document: &Value, schema: &Value) {
    let form = form(document, schema, 0);
    if form.contains('\n') {
        let _ = write!(page, "<pre>{}</pre>", escape(&form));
    }
}

/// The form of a value, much like an example of it.
fn form(document: &Value, schema: &Value, depth: usize) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return form(document, &document["components"]["schemas"][name], depth);
    }
    if depth > DEEPEST {
        return "…".into();
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let forms: Vec<String> =
                choices.iter().map(|choice| form(document, choice, depth)).collect();
            return forms.join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        return values.join(" or ");
    }
    if let Some(properties) = schema["properties"].as_object() {
        let indent = "  ".repeat(depth + 1);
        let required = schema["required"].as_array();
        let fields: Vec<String> = properties
            .iter()
            .map(|(name, property)| {
                let needed = required.is_some_and(|names| names.iter().any(|n| n == name));
                let mark = if needed { "" } else { "?" };
                format!("{indent}\"{name}\"{mark}: {}", form(document, property, depth + 1))
            })
            .collect();
        return format!("{{\n{}\n{}}}", fields.join(",\n"), "  ".repeat(depth));
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => {
            format!("[{}]", form(document, &schema["items"], depth))
        }
        Value::String(kind) => match schema["format"].as_str() {
            Some("date-time") => "time".into(),
            _ => kind.clone(),
        },
        Value::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ => "any".into(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
