//! The dashboard, served by this process.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Mutex;

use minidocker_rt::BackendKind;
use minidocker_web::{Options, Server, StartError};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::error::to_python;
use crate::logging;

/// A dashboard that listens.
#[pyclass(frozen, module = "minidocker._minidocker")]
pub(crate) struct Dashboard {
    server: Mutex<Option<Server>>,
    url: String,
    login_url: String,
    root: PathBuf,
    public: bool,
}

#[pymethods]
impl Dashboard {
    /// Takes the port.
    #[new]
    #[pyo3(signature = (host, port, root=None, backend=None, names=vec![], users=vec![]))]
    fn new(
        py: Python<'_>,
        host: &str,
        port: u16,
        root: Option<PathBuf>,
        backend: Option<&str>,
        names: Vec<String>,
        users: Vec<u32>,
    ) -> PyResult<Dashboard> {
        let host: IpAddr =
            host.parse().map_err(|_| PyValueError::new_err(format!("{host:?} is no address")))?;
        let backend: Option<BackendKind> =
            backend.map(|word| word.parse()).transpose().map_err(|error| to_python(py, &error))?;
        let options = Options { host, port, root, backend, users, names };
        let server = py.detach(|| Server::bind(&options)).map_err(|error| failed(py, &error))?;
        Ok(Dashboard {
            url: server.url(),
            login_url: server.login_url(),
            root: server.root().to_owned(),
            public: server.is_public(),
            server: Mutex::new(Some(server)),
        })
    }

    /// Where a browser finds it.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// A link that lets in whoever opens it.
    #[getter]
    fn login_url(&self) -> &str {
        &self.login_url
    }

    /// The folder that holds the containers.
    #[getter]
    fn root(&self) -> PathBuf {
        self.root.clone()
    }

    /// Whether other machines can reach it.
    #[getter]
    fn is_public(&self) -> bool {
        self.public
    }

    /// Serves until SIGTERM or SIGINT.
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        let server = self.server.lock().ok().and_then(|mut server| server.take());
        let server = server.ok_or_else(|| PyRuntimeError::new_err("it was run before"))?;
        py.detach(|| logging::handing_on(|| server.run())).map_err(|error| failed(py, &error))
    }
}

fn failed(py: Python<'_>, error: &StartError) -> PyErr {
    if let StartError::Runtime(error) = error {
        return to_python(py, error);
    }
    let hint = error.hint().replace("minidocker-web", "minidocker");
    let made = py
        .import("minidocker._errors")
        .and_then(|errors| errors.getattr("from_library"))
        .and_then(|make| {
            let details = pyo3::types::PyDict::new(py);
            make.call1(("dashboard", error.to_string(), hint, details))
        });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(trouble) => trouble,
    }
}
