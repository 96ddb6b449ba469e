//! minidocker over HTTP: a REST API, and a page that uses it.
//!
//! The server owns no state: every answer comes from the runtime's root folder and from the
//! kernel, so it agrees with any other program that uses the same root, and can be ended and
//! started again while containers run.
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
//! # What is where
//! The routes, their answers and their errors are told in `docs/api.md`, and by the server
//! itself at `/api/openapi.json` and `/api/docs`.
//!
//! - `api` has a file for each concept of the API, and each route is a short function there;
//! - `guard` decides who may ask: see its documentation for what is feared and what is done;
//! - `work` and `background` do what may block, so that no request waits for another;
//! - `live` keeps the list and what containers use, for all who look; `journal` passes the
//!   events on; `sse` and `socket` are the two kinds of streams;
//! - `xray` and `system` read the kernel.

mod api;
mod app;
mod background;
mod error;
mod guard;
mod journal;
mod live;
mod pace;
mod packet_filter;
mod page;
mod query;
mod readable;
mod server;
mod signal;
mod socket;
mod sse;
mod streams;
mod system;
mod text;
mod transfer;
mod view;
mod work;
mod xray;

pub use server::{Options, Server, StartError};
pub use system::examine;
