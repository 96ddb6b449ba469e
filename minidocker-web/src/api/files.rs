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
use minidocker_rt::{Change, ChangeKind, Container, FileInfo, FileKind, LIST_LIMIT, WriteOptions};
use serde::Serialize;

use super::{Answer, Json, name_in, read, resource, too_large};
use crate::app::App;
use crate::background::Background;
use crate::error::ApiError;
use crate::query::Query;
use crate::text::NotUtf8;

/// A file that is written through the API is a configuration or a script, no archive.
const LARGEST_FILE: usize = 16 << 20;

/// So much of a file is read and sent at a time.
const CHUNK: usize = 64 << 10;

/// The most bytes of names and targets of links in one page: a link may lead to 4,095 bytes, and
/// hard links to it cost its maker nothing.
const LIST_BYTES: usize = 8 << 20;

/// What an entry takes besides.
const ENTRY_BYTES: usize = 100;

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
    /// Whether the folder has more names, to be listed with `after` the last of these.
    truncated: bool,
    /// What the image has in this folder and the container removed.
    deleted: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<Entry>,
    /// The fields whose bytes were no text.
    #[serde(skip_serializing_if = "NotUtf8::is_empty")]
    not_utf8: NotUtf8,
}

#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    info: FileInfo,
    change: Option<ChangeKind>,
}

/// How many names of a folder are told unless asked for, and at most.
const USUAL: usize = 10_000;

/// How many changes in a folder are marked.
const MARKED: usize = 20_000;

const LIMIT_HINT: &str = "Give a number from 1 to 100000.";

/// How many are told at most.
pub(super) struct Limit(pub usize);

impl FromStr for Limit {
    type Err = ();

    fn from_str(text: &str) -> Result<Limit, ()> {
        let limit = text.parse().ok().filter(|limit| (1..=LIST_LIMIT).contains(limit));
        limit.map(Limit).ok_or(())
    }
}

/// A part of a folder.
struct Page {
    after: Option<Vec<u8>>,
    limit: usize,
}

async fn show(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let path = query.need_bytes("path", PATH_HINT)?;
    let after = query.take_bytes("after");
    let limit = query.take("limit", LIMIT_HINT)?.map_or(USUAL, |Limit(limit)| limit);
    query.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    let of = name.clone();
    let page = Page { after, limit };
    let look = move || Ok(Json::of(&look_at(&runtime.get(&name)?, path, &page)?));
    Ok(app.work.quick_of(&of, look).await?.answer(HttpResponse::Ok()))
}

fn look_at(container: &Container, path: Vec<u8>, page: &Page) -> Result<Place, ApiError> {
    let files = container.files();
    let mut info = files.stat(&path)?;
    // One more than wanted tells whether there are more.
    let list = || files.list_page(&path, page.after.as_deref(), page.limit + 1);
    // A link is shown as what it leads to, if that is a folder.
    let mut entries = match info.kind {
        FileKind::Directory => Some(list()?),
        FileKind::Symlink => list().ok(),
        _ => None,
    };
    let mut truncated = false;
    if let Some(listed) = &mut entries {
        info.kind = FileKind::Directory;
        truncated = cut(listed, page.limit);
    }
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    let folder = match entries {
        Some(_) => &path[..end],
        None => path[..end].rsplitn(2, |&byte| byte == b'/').nth(1).unwrap_or_default(),
    };
    let changes = Changes::of(container, folder);
    let entry = |info: FileInfo| Entry { change: changes.at(info.raw_name()), info };
    let mut not_utf8 = NotUtf8::default();
    Ok(Place {
        kind: info.kind,
        truncated,
        deleted: match entries {
            Some(_) => changes.deleted(&mut not_utf8),
            None => Vec::new(),
        },
        file: match entries {
            Some(_) => None,
            None => Some(entry(info)),
        },
        entries: entries.map(|listed| listed.into_iter().map(entry).collect()),
        path: not_utf8.text("path", path),
        not_utf8,
    })
}

/// Cuts a list to so many entries, and to what a page may take. Returns whether there were more.
fn cut(listed: &mut Vec<FileInfo>, limit: usize) -> bool {
    let mut bytes = 0;
    let fits = listed.iter().take(limit).take_while(|info| {
        let target = info.target.as_ref().map_or(0, String::len);
        bytes += ENTRY_BYTES + info.raw_name().len() + target;
        bytes <= LIST_BYTES
    });
    let fits = fits.count();
    let more = fits < listed.len();
    listed.truncate(fits);
    more
}

/// What the container changed in a folder, by name.
struct Changes(BTreeMap<Vec<u8>, ChangeKind>);

impl Changes {
    /// Without a rootfs of its own there is nothing to compare; that is no reason to show
    /// nothing.
    fn of(container: &Container, folder: &[u8]) -> Changes {
        let diff = container.files().changes(folder, MARKED).unwrap_or_default();
        let name = |change: &Change| {
            let name = change.raw_path().rsplit(|&byte| byte == b'/').next();
            name.unwrap_or_default().to_vec()
        };
        Changes(diff.changes.iter().map(|change| (name(change), change.kind)).collect())
    }

    fn at(&self, name: &[u8]) -> Option<ChangeKind> {
        self.0.get(name).copied()
    }

    fn deleted(&self, not_utf8: &mut NotUtf8) -> Vec<String> {
        let deleted = self.0.iter().filter(|(_, kind)| **kind == ChangeKind::Deleted);
        deleted.map(|(name, _)| not_utf8.text("deleted", name.clone())).collect()
    }
}

async fn remove(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let path = query.need_bytes("path", PATH_HINT)?;
    query.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    // A large folder takes a while.
    let of = name.clone();
    app.work.slow_of(&of, move || Ok(runtime.get(&name)?.files().remove(&path)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn make_folder(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let path = query.need_bytes("path", PATH_HINT)?;
    query.end()?;
    app.look(name_in(&request), move |container| container.files().make_directory(&path)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn content(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let path = query.need_bytes("path", PATH_HINT)?;
    query.end()?;
    let place = app.streams.enter()?;
    let file_name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    // A name may have line breaks, which no header takes.
    let file_name = String::from_utf8_lossy(file_name).replace(char::is_control, "_");
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
    let path = query.need_bytes("path", PATH_HINT)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_an_end_in_entries_and_in_bytes() {
        let link = |number: usize| FileInfo {
            name: format!("{number:06}"),
            name_bytes: None,
            kind: FileKind::Symlink,
            size: 4095,
            mode: 0o777,
            uid: 0,
            gid: 0,
            modified: jiff::Timestamp::UNIX_EPOCH,
            target: Some("\u{1}".repeat(4095)),
            not_utf8: Vec::new(),
            mount: None,
        };
        let list = |count| (0..count).map(link).collect::<Vec<_>>();
        let (mut few, mut many, mut long) = (list(3), list(11), list(10_000));
        assert!(!cut(&mut few, 10) && few.len() == 3);
        assert!(cut(&mut many, 10) && many.len() == 10);
        assert!(cut(&mut long, 100_000) && (1000..2100).contains(&long.len()), "{}", long.len());
    }
}
