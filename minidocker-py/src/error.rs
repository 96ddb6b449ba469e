//! The library's errors as exceptions of `minidocker._errors`.

use minidocker_rt::{Error, StepFailure};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

/// The exception for an error: `minidocker._errors.from_library(code, message, hint, details)`.
pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = MAKE.import(py, "minidocker._errors", "from_library").and_then(|make| {
        make.call1((error.code(), error.to_string(), error.hint(), details(py, error)?))
    });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(trouble) => trouble,
    }
}

/// What a program may want to know of an error besides its message.
fn details<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyDict>> {
    let details = PyDict::new(py);
    let of_step = |failure: &StepFailure| {
        details.set_item("step", &failure.step)?;
        details.set_item("call", &failure.call)?;
        details.set_item("errno", failure.errno)
    };
    match error {
        Error::InvalidSpec { field, value, .. } => {
            details.set_item("field", field)?;
            details.set_item("value", value)?;
        }
        Error::NameInUse { name }
        | Error::NotFound { name }
        | Error::NoSuchImage { name }
        | Error::NoSuchTemplate { name }
        | Error::NoSuchNetwork { name }
        | Error::NetworkExists { name }
        | Error::Timeout { name, .. } => details.set_item("name", name)?,
        Error::ImageInUse { name, containers } | Error::NetworkInUse { name, containers } => {
            details.set_item("name", name)?;
            details.set_item("containers", PyTuple::new(py, containers)?)?;
        }
        Error::WrongState { name, status, .. } => {
            details.set_item("name", name)?;
            details.set_item("status", status.to_string())?;
        }
        Error::StartFailed { name, failure } | Error::ExecFailed { name, failure } => {
            details.set_item("name", name)?;
            of_step(failure)?;
        }
        Error::File { name, path, errno, .. } => {
            details.set_item("name", name)?;
            details.set_item("path", path)?;
            details.set_item("errno", errno)?;
        }
        Error::Io { path, errno, .. } => {
            details.set_item("path", path)?;
            details.set_item("errno", errno)?;
        }
        Error::System { errno, .. } => details.set_item("errno", errno)?,
        Error::Unsupported { feature, backend, .. } => {
            details.set_item("feature", feature)?;
            details.set_item("backend", backend)?;
        }
        _ => {}
    }
    Ok(details)
}
