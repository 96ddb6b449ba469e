//! minidocker over HTTP: a REST API, and a page that uses it.
//!
//! The server keeps nothing in memory: every answer is read from the runtime's root
//! folder, so it agrees with any other program that uses the same root, and can be
//! ended and started again while containers run.
//!
//! ```no_run
//! use minidocker_web::{Options, Server};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     minidocker_rt::init(); // first line: lets this program be its own helper process
//!     let server = Server::bind(&Options::default())?;
//!     eprintln!("{}", server.url());
//!     server.run()?; // until SIGTERM or SIGINT
//!     Ok(())
//! }
//! ```
//!
//! # Routes
//! | request | answer |
//! |---|---|
//! | `GET /` | the page |
//! | `GET /healthz` | 200 `{"status": "ok", "version"}` |
//! | `GET /api/backend` | 200 `{"kind", "reason", "capabilities"}`: how containers are made here, why so, and what that can do |
//! | `GET /api/containers` | 200, a list of [`ContainerInfo`](minidocker_rt::ContainerInfo), sorted by name |
//! | `POST /api/containers` | 201 and its ContainerInfo; the body is a [`ContainerSpec`](minidocker_rt::ContainerSpec) |
//! | `GET /api/containers/{name}` | 200 and its ContainerInfo |
//! | `DELETE /api/containers/{name}` | 204; `?force=true` kills it first if it runs |
//! | `POST /api/containers/{name}/start` | 200 and its ContainerInfo, once the command was executed |
//! | `POST /api/containers/{name}/stop` | 200 and its ContainerInfo; `?timeout=SECONDS` before it is killed (10) |
//! | `POST /api/containers/{name}/restart` | 200 and its ContainerInfo |
//! | `GET /api/containers/{name}/logs` | 200, text; `?tail=LINES`, `?since=RFC3339`, `?timestamps=true`, `?raw=true` for exactly what the command wrote |
//! | `GET /api/containers/{name}/plan` | 200, what a start will do: a [`Plan`](minidocker_rt::Plan) |
//! | `GET /api/containers/{name}/trace` | 200, what the last start did: a [`Trace`](minidocker_rt::Trace) |
//!
//! A container whose files cannot be read is listed with its `name`, the status
//! `error` and the `reason` alone; the others are listed as ever.
//!
//! # Errors
//! Every refusal has the same shape, `{"error": {"code", "message", "hint"}}`, and
//! `"field"` besides where one field or query parameter is at fault:
//!
//! | status | codes |
//! |---|---|
//! | 400 | `invalid_spec`, `invalid_query`, `bad_request` |
//! | 403 | `host_refused`, `cross_site_refused` |
//! | 404 | `not_found`, `never_started` |
//! | 405 | `method_not_allowed`, with the header `Allow` |
//! | 409 | `name_in_use`, `wrong_state` |
//! | 413 | `body_too_large`: more than 1 MiB |
//! | 415 | `unsupported_media_type` |
//! | 422 | `start_failed`: request and server are fine, but the kernel refused a step, most often the command's exec; asking again will not help |
//! | 500 | `io`, `system`, `helper_missing`, `helper_failed`, `internal` |
//! | 501 | `unsupported` |
//! | 504 | `timeout` |
//!
//! # Who may ask
//! Who reaches the port can start processes as root, and there is no authentication
//! yet. So the server listens on this machine alone, and refuses what a web page from
//! elsewhere could make a browser send it: requests under a foreign name (DNS
//! rebinding) and changes that another site asks for (request forgery). Any user of
//! this machine can still use it.

mod api;
mod error;
mod guard;
mod page;
mod query;
mod server;

pub use server::{Options, Server, StartError};
