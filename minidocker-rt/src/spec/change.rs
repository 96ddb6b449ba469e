//! Another container from the same specification.

use super::{CommandText, ContainerSpec};

impl ContainerSpec {
    /// The same for a container called `name`.
    pub fn named(mut self, name: &str) -> Self {
        if let Some(name) = self.keep(name.parse()) {
            self.name = name;
        }
        self
    }

    /// The same with another command, given as [`ContainerSpec::new`] takes it.
    pub fn with_command(mut self, command: impl Into<CommandText>) -> Self {
        if let Some(command) = self.keep(command.into().0) {
            self.command = command;
        }
        self
    }

    /// The same without volumes: those of another machine mean nothing here.
    pub fn without_volumes(mut self) -> Self {
        self.volumes.clear();
        self
    }
}
