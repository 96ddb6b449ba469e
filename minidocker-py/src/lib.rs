//! The Python extension behind `import minidocker`. For now it tells its version only;
//! the bindings grow on it.

use pyo3::prelude::*;

/// The extension module; the package `minidocker` re-exports what users need.
#[pymodule]
fn _minidocker(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
