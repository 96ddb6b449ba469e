//! `/api/containers/{name}/files`: the files of a container, running or not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::str::FromStr;

use actix_web::http::header;
use actix_web::web::{self, Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use futures_util::stream::unfold;
use minidocker_rt::{ChangeKind, Container, FileInfo, FileKind, WriteOptions};
use serde::Serialize;

use super::{Answer, name_in, read, resource, too_large};
use crate::app::App;
use crate::background::Background;
use crate::error::ApiError;
use crate::query::Query;

/// A file that is written through the API is a configuration or a script, no archive.
const LARGEST_FILE: usize = 16 << 20;

/// So much of a file is read and sent at a time.
const CHUNK: usize = 64 << 10;

const PATH_HINT: &str = "Give a full path in the container, e.g. path=/app.";

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/containers/{name}/files", "GET, HEAD, DELETE")
                .route(read().to(show))
                .route(web::delete().to(remove)),
        )
        .service(
            resource("/api/containers/{name}/files/content", "GET, HEAD, PUT")
                .route(read().to(content))
                .route(web::put().to(write)),
        )
        .service(
            resource("/api/containers/{name}/files/folder", "PUT")
                .route(web::put().to(make_folder)),
        );
}

/// A folder with what is in it, or another file.
#[derive(Debug, Serialize)]
struct Place {
    path: String,
    kind: FileKind,
    entries: Option<Vec<Entry>>,
    /// What the image has in this folder and the container removed.
    deleted: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    info: FileInfo,
    change: Option<ChangeKind>,
}

async fn show(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let path: String = query.need("path", PATH_HINT)?;
    query.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    let of = name.clone();
    let place = app.work.quick_of(&of, move || look_at(&runtime.get(&name)?, path)).await?;
    Ok(HttpResponse::Ok().json(place))
}

fn look_at(container: &Container, path: String) -> Result<Place, ApiError> {
    let files = container.files();
    let mut info = files.stat(&path)?;
    // A link is shown as what it leads to, if that is a folder.
    let entries = match (info.kind, files.list(&path)) {
        (FileKind::Directory, listed) => Some(listed?),
        (FileKind::Symlink, Ok(listed)) => Some(listed),
        _ => None,
    };
    if entries.is_some() {
        info.kind = FileKind::Directory;
    }
    let changes = Changes::of(container);
    let folder = path.trim_end_matches('/');
    let entry = |info: FileInfo, path: &str| Entry { change: changes.at(path), info };
    Ok(Place {
        kind: info.kind,
        deleted: if entries.is_some() { changes.deleted_in(folder) } else { Vec::new() },
        file: match entries {
            Some(_) => None,
            None => Some(entry(info, folder)),
        },
        entries: entries.map(|listed| {
            let within = |info: &FileInfo| format!("{folder}/{}", info.name);
            listed.into_iter().map(|info| entry(info.clone(), &within(&info))).collect()
        }),
        path,
    })
}

/// What the container changed, by path.
struct Changes(BTreeMap<String, ChangeKind>);

impl Changes {
    /// Without a rootfs of its own there is nothing to compare; that is no reason to show
    /// nothing.
    fn of(container: &Container) -> Changes {
        let changes = container.diff().unwrap_or_default();
        Changes(changes.into_iter().map(|change| (change.path, change.kind)).collect())
    }

    fn at(&self, path: &str) -> Option<ChangeKind> {
        self.0.get(path).copied()
    }

    fn deleted_in(&self, folder: &str) -> Vec<String> {
        let inside = format!("{folder}/");
        self.0
            .iter()
            .filter(|(_, kind)| **kind == ChangeKind::Deleted)
            .filter_map(|(path, _)| path.strip_prefix(&inside))
            .filter(|name| !name.contains('/'))
            .map(ToString::to_string)
            .collect()
    }
}

async fn remove(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let path: String = query.need("path", PATH_HINT)?;
    query.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    // A large folder takes a while.
    let of = name.clone();
    app.work.slow_of(&of, move || Ok(runtime.get(&name)?.files().remove(&path)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn make_folder(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let path: String = query.need("path", PATH_HINT)?;
    query.end()?;
    app.look(name_in(&request), move |container| container.files().make_directory(&path)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn content(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let path: String = query.need("path", PATH_HINT)?;
    query.end()?;
    let place = app.streams.enter()?;
    let file_name = path.rsplit('/').next().unwrap_or_default().to_string();
    // A copy may have to be made first.
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    let of = name.clone();
    let open = move || Ok(runtime.get(&name)?.files().open(&path)?);
    let file = app.work.slow_of(&of, open).await?;
    let reader = Background::new(file, read_chunk);
    let body = unfold((reader, place), async |(mut reader, place)| match reader.next().await {
        Ok(chunk) if chunk.is_empty() => None,
        Ok(chunk) => Some((Ok(chunk), (reader, place))),
        // The answer has begun: to break it off is all that can be done.
        Err(error) => Some((Err(actix_web::Error::from(error)), (reader, place))),
    });
    Ok(HttpResponse::Ok()
        .insert_header((
            header::CONTENT_DISPOSITION,
            header::ContentDisposition::attachment(file_name),
        ))
        .content_type("application/octet-stream")
        .streaming(Box::pin(body)))
}

fn read_chunk(file: &mut File) -> Result<Bytes, ApiError> {
    let mut chunk = Vec::with_capacity(CHUNK);
    file.take(CHUNK as u64).read_to_end(&mut chunk).map_err(|error| {
        ApiError::bad_request(format!("the file cannot be read on: {error}"), "Try again.")
    })?;
    Ok(chunk.into())
}

/// Permission bits, as chmod takes them.
struct Mode(u32);

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Mode, ()> {
        u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).map(Mode).ok_or(())
    }
}

async fn write(request: HttpRequest, app: web::Data<App>, mut payload: Payload) -> Answer {
    let mut query = Query::of(&request)?;
    let path: String = query.need("path", PATH_HINT)?;
    let mode = query.take("mode", "Give permissions in octal, e.g. mode=644.")?;
    let make_parents = query.flag("parents")?;
    query.end()?;
    let mut bytes = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::bad_request(
                format!("the body cannot be read: {error}"),
                "Send all of the body, and its length.",
            )
        })?;
        if bytes.len() + chunk.len() > LARGEST_FILE {
            return Err(too_large(LARGEST_FILE));
        }
        bytes.extend_from_slice(&chunk);
    }
    let options = WriteOptions { mode: mode.map(|Mode(mode)| mode), make_parents };
    app.look(name_in(&request), move |container| container.files().write(&path, &bytes, options))
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
