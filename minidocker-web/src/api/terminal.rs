//! `/api/containers/{name}/exec/ws`: a command to talk with.

use std::num::NonZeroU16;

use actix_web::HttpRequest;
use actix_web::web::{self, Payload};
use minidocker_rt::{EnvVar, Exec, TerminalSize, User};

use super::exec::begin;
use super::{Answer, name_in, read, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;
use crate::socket;
use crate::socket::partner::Executed;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/containers/{name}/exec/ws", "GET").route(read().to(terminal)));
}

async fn terminal(request: HttpRequest, app: web::Data<App>, payload: Payload) -> Answer {
    let mut query = Query::of(&request)?;
    let command: Option<String> = query.take("command", "Give a command, e.g. command=sh.")?;
    let tty = query.take::<bool>("tty", "Write tty=true or tty=false.")?.unwrap_or(true);
    let usual = TerminalSize::default();
    let rows = query.take("rows", "Give a number of lines.")?;
    let rows = rows.map_or(usual.rows, NonZeroU16::get);
    let columns = query.take("columns", "Give a number of characters.")?;
    let columns = columns.map_or(usual.columns, NonZeroU16::get);
    let user: Option<User> = query.take("user", "Give uid or uid:gid, e.g. user=1000:1000.")?;
    let working_dir: Option<String> = query.take("working_dir", "Give a folder.")?;
    let env = query.take_all("env");
    query.end()?;
    let mut exec = Exec::new(command.unwrap_or_else(|| "sh".into()));
    exec = if tty { exec.tty(TerminalSize { rows, columns }) } else { exec.stdin_piped() };
    if let Some(user) = user {
        exec = exec.user(user);
    }
    if let Some(path) = working_dir {
        exec = exec.working_dir(&path);
    }
    for text in env {
        let var: EnvVar = text.parse()?;
        exec = exec.env(var.name(), var.value());
    }
    let place = app.streams.enter()?;
    let name = name_in(&request);
    let shared = app.clone();
    let begin = async move {
        let begun = begin(&shared, name, exec).await?;
        Executed::new(begun.ok_or_else(ApiError::internal)?)
            .map_err(|error| ApiError::not_watched(&error))
    };
    socket::open(&request, payload, place, begin)
}
