//! What the benches share: a laboratory that cleans up after itself, the smallest
//! program there is, and figures.
//!
//! What is measured, how to run it, and what came out: `docs/performance.md`.

mod error;
mod figures;
mod interrupt;
mod lab;
mod options;
mod program;

pub use error::{Error, Result};
pub use figures::Figures;
pub use interrupt::{catch_interrupts, check_interrupt};
pub use lab::{Lab, expect_success, limited, live, spec_of_true};
pub use options::{flag, number_option, option};
pub use program::{compile_static_pause, compile_static_true};
