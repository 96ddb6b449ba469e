//! `/login` and `/api/session`: entering by the token, and how one entered.

use actix_web::http::header;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{Answer, read, resource};
use crate::guard::{Entrance, Guard};
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/login", "GET").route(web::get().to(log_in)))
        .service(resource("/api/session", "GET, HEAD").route(read().to(session)));
}

/// The link that was printed: the token goes from the address into a cookie, and is not seen
/// in the address any more.
async fn log_in(request: HttpRequest, guard: web::Data<Guard>) -> Answer {
    let mut query = Query::of(&request)?;
    let token: String = query.need("token", "Use the whole link that the server printed.")?;
    query.end()?;
    let cookie = guard.token.to_cookie(&token)?;
    Ok(HttpResponse::SeeOther().cookie(cookie).insert_header((header::LOCATION, "/")).finish())
}

async fn session(request: HttpRequest) -> Answer {
    Query::of(&request)?.end()?;
    let entrance = request.extensions().get::<Entrance>().copied();
    let (uid, by) = match entrance {
        Some(Entrance::User(uid)) => (Some(uid), "user"),
        _ => (None, "token"),
    };
    Ok(HttpResponse::Ok().json(json!({"uid": uid, "by": by})))
}
