//! The Python extension behind `import minidocker`: the library's operations, with plain values
//! in and out.
//!
//! What users see is the package in `python/minidocker`: types, keywords, documentation. Here is
//! only what takes Rust: a class for each kind of handle (`runtime`, `container`, `streams`,
//! `process`), output gathered to the end (`collect`), calls that let other Python threads run and answer Ctrl-C (`blocking`), errors as
//! exceptions (`error`), the library's log (`logging`), records as dictionaries of the library's own JSON form (`wire`), and the
//! helper processes (`helper`).

mod archive;
mod blocking;
mod collect;
mod container;
mod dashboard;
mod error;
mod helper;
mod logging;
mod per_process;
mod process;
mod runtime;
mod streams;
mod wire;

use pyo3::prelude::*;

/// What only the compiled part can do; the package `minidocker` makes it pleasant.
#[pymodule]
mod _minidocker {
    use super::*;

    #[pymodule_export]
    use collect::Collector;
    #[pymodule_export]
    use container::{Container, signal_number};
    #[pymodule_export]
    use dashboard::Dashboard;
    #[pymodule_export]
    use process::{Attached, ExecProcess};
    #[pymodule_export]
    use runtime::Runtime;
    #[pymodule_export]
    use streams::{Events, Follow, StatsStream};

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's own name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init() -> PyResult<()> {
        logging::install();
        helper::prepare()
    }
}
