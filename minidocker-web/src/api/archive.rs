//! `/api/containers/{name}/archive`: a container's files as a tar archive, out and in.

use std::str::FromStr;

use actix_web::http::header;
use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse};
use minidocker_rt::ArchiveContent;
use serde_json::json;

use super::{Answer, name_in, read, resource};
use crate::app::App;
use crate::query::Query;
use crate::transfer;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        resource("/api/containers/{name}/archive", "GET, HEAD, PUT")
            .route(read().to(export))
            .route(web::put().to(import)),
    );
}

/// What to pack.
struct Content(ArchiveContent);

impl FromStr for Content {
    type Err = ();

    fn from_str(text: &str) -> Result<Content, ()> {
        match text {
            "merged" => Ok(Content(ArchiveContent::Merged)),
            "changes" => Ok(Content(ArchiveContent::Changes)),
            _ => Err(()),
        }
    }
}

async fn export(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let content = query.take("content", "Write content=merged or content=changes.")?;
    query.end()?;
    let Content(content) = content.unwrap_or(Content(ArchiveContent::Merged));
    let name = name_in(&request);
    let container = app.look(name, |container| Ok(container.clone())).await?;
    let mut answer = HttpResponse::Ok();
    // A name consists of characters that need no quoting.
    let disposition = format!("attachment; filename=\"{}.tar\"", container.name());
    answer
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .content_type("application/x-tar");
    let give = move |out: &mut dyn std::io::Write| {
        container.export_rootfs(content, out)?;
        Ok(())
    };
    transfer::send(&app, answer, give).await
}

async fn import(request: HttpRequest, app: web::Data<App>, body: Payload) -> Answer {
    Query::of(&request)?.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    let take =
        move |archive: &mut dyn std::io::Read| Ok(runtime.get(&name)?.import_rootfs(archive)?);
    let summary = transfer::receive(&app, body, take).await?;
    Ok(HttpResponse::Ok().json(json!({"bytes": summary.bytes, "entries": summary.entries})))
}
