//! `_minidocker.Runtime`.

use std::path::PathBuf;
use std::sync::Arc;

use minidocker_rt::{
    ArchiveLimits, BackendKind, ContainerSpec, ExportedConfig, NetworkOptions, Template,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::json;

use crate::archive::FileReader;
use crate::blocking::blocking;
use crate::container::Container;
use crate::error::to_python;
use crate::per_process::PerProcess;
use crate::streams::Events;
use crate::wire::record;

/// A runtime that a fork opens anew.
pub(crate) struct Shared {
    root: PathBuf,
    backend: BackendKind,
    runtime: PerProcess<minidocker_rt::Runtime>,
}

impl Shared {
    pub fn get(&self, py: Python<'_>) -> PyResult<minidocker_rt::Runtime> {
        let open = || minidocker_rt::Runtime::builder().backend(self.backend).open(&self.root);
        let runtime = self.runtime.get(py, open).map_err(|error| to_python(py, &error))?;
        runtime.ok_or_else(|| PyValueError::new_err("the runtime is closed"))
    }

    /// What opens it again in another process.
    pub fn place(&self) -> (PathBuf, &'static str) {
        (self.root.clone(), self.backend.as_str())
    }
}

/// All containers under one root folder.
#[pyclass(frozen, module = "minidocker._minidocker")]
pub(crate) struct Runtime {
    shared: Arc<Shared>,
}

impl Runtime {
    fn container(&self, py: Python<'_>, made: minidocker_rt::Container) -> PyResult<Py<Container>> {
        Py::new(py, Container::new(self.shared.clone(), made))
    }
}

#[pymethods]
impl Runtime {
    /// Opens a root folder, or the user's own; chooses the backend, or takes the best there is.
    #[new]
    #[pyo3(signature = (root=None, backend=None))]
    fn new(py: Python<'_>, root: Option<PathBuf>, backend: Option<&str>) -> PyResult<Runtime> {
        let backend: Option<BackendKind> =
            backend.map(|word| word.parse()).transpose().map_err(|error| to_python(py, &error))?;
        let runtime = blocking(py, || {
            let mut builder = minidocker_rt::Runtime::builder();
            if let Some(kind) = backend {
                builder = builder.backend(kind);
            }
            match root {
                Some(root) => builder.open(root),
                None => builder.open_default(),
            }
        })?;
        let shared = Shared {
            // A later change of the working directory must not lead a fork elsewhere.
            root: std::path::absolute(runtime.root())?,
            backend: runtime.backend().kind,
            runtime: PerProcess::new(runtime),
        };
        Ok(Runtime { shared: Arc::new(shared) })
    }

    /// Lets go of the helper process. Containers go on.
    fn close(&self, py: Python<'_>) {
        let runtime = self.shared.runtime.take(py);
        // The helper's end is waited for.
        py.detach(move || drop(runtime));
    }

    /// The root folder.
    #[getter]
    fn root(&self) -> PathBuf {
        self.shared.root.clone()
    }

    /// Which backend it has, and why.
    fn backend(&self, py: Python<'_>) -> PyResult<(&'static str, String)> {
        let runtime = self.shared.get(py)?;
        let chosen = runtime.backend();
        Ok((chosen.kind.as_str(), chosen.reason.clone()))
    }

    /// What its backend can do.
    fn capabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        record(py, &self.shared.get(py)?.capabilities())
    }

    /// Makes a container from the JSON form of a specification.
    fn create(&self, py: Python<'_>, spec: &str) -> PyResult<Py<Container>> {
        let runtime = self.shared.get(py)?;
        let made = blocking(py, || runtime.create(ContainerSpec::from_json(spec.as_bytes())?))?;
        self.container(py, made)
    }

    /// Says what `create` would refuse.
    fn check(&self, py: Python<'_>, spec: &str) -> PyResult<()> {
        let runtime = self.shared.get(py)?;
        blocking(py, || runtime.check(&ContainerSpec::from_json(spec.as_bytes())?))
    }

    /// The container of a name.
    fn get(&self, py: Python<'_>, name: &str) -> PyResult<Py<Container>> {
        let runtime = self.shared.get(py)?;
        let found = blocking(py, || runtime.get(name))?;
        self.container(py, found)
    }

    /// All containers, sorted by name.
    fn containers(&self, py: Python<'_>) -> PyResult<Vec<Py<Container>>> {
        let runtime = self.shared.get(py)?;
        let all = blocking(py, || runtime.list())?;
        all.into_iter().map(|container| self.container(py, container)).collect()
    }

    /// What each container uses.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        record(py, &blocking(py, || runtime.stats())?)
    }

    /// Events from now on, or those after an id too.
    #[pyo3(signature = (since=None))]
    fn events(&self, py: Python<'_>, since: Option<u64>) -> PyResult<Events> {
        let runtime = self.shared.get(py)?;
        let events = blocking(py, || match since {
            Some(id) => runtime.events_since(id),
            None => runtime.events(),
        })?;
        Ok(Events::new(events))
    }

    /// What the root takes on disk.
    fn disk_usage<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        record(py, &blocking(py, || runtime.disk_usage())?)
    }

    /// Deletes all containers that are not alive.
    fn prune<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        record(py, &blocking(py, || runtime.prune())?)
    }

    /// Cleans up after containers that were lost: (name, what had happened, what could not be
    /// removed).
    fn recover(&self, py: Python<'_>) -> PyResult<Vec<(String, String, Option<String>)>> {
        let runtime = self.shared.get(py)?;
        let recovered = blocking(py, || runtime.recover())?;
        Ok(recovered
            .into_iter()
            .map(|one| {
                let trouble = one.cleaned.err().map(|error| error.to_string());
                (one.container.name().to_string(), one.reason, trouble)
            })
            .collect())
    }

    /// Starts what its restart policy wants back: (name, why it did not start).
    fn revive(&self, py: Python<'_>) -> PyResult<Vec<(String, Option<String>)>> {
        let runtime = self.shared.get(py)?;
        let revived = blocking(py, || runtime.revive())?;
        Ok(revived
            .into_iter()
            .map(|one| {
                let trouble = one.started.err().map(|error| error.to_string());
                (one.container.name().to_string(), trouble)
            })
            .collect())
    }

    /// All templates.
    fn templates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        let templates = blocking(py, || runtime.templates())?;
        record(py, &templates.iter().map(describe).collect::<Vec<_>>())
    }

    /// The template of a name.
    fn template<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        record(py, &describe(&blocking(py, || runtime.template(name))?))
    }

    /// Saves a template given in its JSON form, or puts it in the place of another.
    fn save_template(&self, py: Python<'_>, template: &str, replace: bool) -> PyResult<()> {
        let runtime = self.shared.get(py)?;
        blocking(py, || {
            let template = Template::from_json(template.as_bytes())?;
            match replace {
                true => runtime.replace_template(&template),
                false => runtime.save_template(&template),
            }
        })
    }

    /// Deletes a saved template.
    fn delete_template(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let runtime = self.shared.get(py)?;
        blocking(py, || runtime.delete_template(name))
    }

    /// All networks.
    fn networks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        record(py, &blocking(py, || runtime.networks())?)
    }

    /// The network of a name.
    fn network<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        record(py, &blocking(py, || runtime.network(name))?)
    }

    /// Makes a network, maybe with addresses that are asked for.
    #[pyo3(signature = (name, subnet=None))]
    fn create_network<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        subnet: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        let made = blocking(py, || {
            let subnet = subnet.map(str::parse).transpose()?;
            runtime.create_network(name, NetworkOptions { subnet })
        })?;
        record(py, &made)
    }

    /// Deletes a network.
    fn delete_network(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let runtime = self.shared.get(py)?;
        blocking(py, || runtime.delete_network(name))
    }

    /// All images.
    fn images<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        record(py, &blocking(py, || runtime.images())?)
    }

    /// The image of a name.
    fn image<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        record(py, &blocking(py, || runtime.image(name))?)
    }

    /// The specification that runs an image as it is meant to be run, maybe with other words.
    #[pyo3(signature = (image, container, words=None))]
    fn image_spec<'py>(
        &self,
        py: Python<'py>,
        image: &str,
        container: &str,
        words: Option<Vec<String>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        let spec = blocking(py, || {
            let image = runtime.image(image)?;
            match words {
                Some(words) => image.spec_with(container, &words),
                None => image.spec(container),
            }
        })?;
        record(py, &spec)
    }

    /// Makes an image of an archive: a path, or a file that is open for reading.
    fn import_image<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        archive: FileReader,
        limits: (u64, u64),
    ) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        let limits = ArchiveLimits { bytes: limits.0, entries: limits.1 };
        let mut archive = archive;
        let made = blocking(py, || runtime.import_image_within(name, &mut archive, limits));
        archive.raise()?;
        record(py, &made?)
    }

    /// Deletes an image.
    fn delete_image(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let runtime = self.shared.get(py)?;
        blocking(py, || runtime.delete_image(name))
    }

    /// The names of the containers made from an image.
    fn containers_of_image(&self, py: Python<'_>, name: &str) -> PyResult<Vec<String>> {
        let runtime = self.shared.get(py)?;
        blocking(py, || runtime.containers_of_image(name))
    }

    /// Makes a container from an exported configuration, maybe under another name.
    #[pyo3(signature = (json, name=None))]
    fn import_config(
        &self,
        py: Python<'_>,
        json: &str,
        name: Option<&str>,
    ) -> PyResult<Py<Container>> {
        let runtime = self.shared.get(py)?;
        let made = blocking(py, || {
            let config = match name {
                Some(name) => ExportedConfig::from_json_as(json, name)?,
                None => ExportedConfig::from_json(json)?,
            };
            runtime.create(config.spec().clone())
        })?;
        self.container(py, made)
    }

    /// What this machine is, can enforce, and lacks.
    fn examine<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.shared.get(py)?;
        // What is to be typed needs this very interpreter, not the first on the PATH.
        let program = py.import("sys")?.getattr("executable")?.extract::<Option<String>>()?;
        let program = program.filter(|path| !path.is_empty()).unwrap_or_else(|| "python3".into());
        record(py, &blocking(py, || Ok(minidocker_web::examine(&runtime, &program)))?)
    }
}

/// A template with its specification, which of itself has no name.
fn describe(template: &Template) -> serde_json::Value {
    json!({
        "name": template.name(),
        "title": template.title_text(),
        "description": template.description_text(),
        "builtin": template.is_builtin(),
        "spec": template.spec(template.name().as_str()),
    })
}
