//! What a container changed of its image's files.

use actix_web::{HttpRequest, HttpResponse, web};
use minidocker_rt::{Container, Diff};

use super::files::Limit;
use super::{Answer, Json, name_in, read, resource};
use crate::app::App;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/containers/{name}/diff", "GET, HEAD").route(read().to(diff)));
}

async fn diff(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let limit = query.take("limit", "Give a number from 1 to 100000.")?;
    query.end()?;
    let diff = move |container: &Container| {
        let Diff { changes, truncated } = match limit {
            Some(Limit(limit)) => container.diff_within(limit)?,
            None => Diff { changes: container.diff()?, truncated: false },
        };
        Ok((Json::of(&changes), truncated))
    };
    let (changes, truncated) = app.look(name_in(&request), diff).await?;
    let mut answer = HttpResponse::Ok();
    if truncated {
        answer.insert_header(("Minidocker-Truncated", "true"));
    }
    Ok(changes.answer(answer))
}
