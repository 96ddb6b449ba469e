//! The templates of a root: the built-in ones, and those saved as
//! `<root>/templates/<name>.json`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::Runtime;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::lock::{self, Mode};
use crate::private;
use crate::spec::refuse;
use crate::store::{read_json, write_json};
use crate::templates::{Template, TemplateName, builtin, is_builtin};

impl Runtime {
    /// All templates: the built-in ones, then the saved ones by name. One whose file is
    /// damaged does not hide the others: it is left out, and [`Runtime::template`] by its
    /// name says why.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read.
    pub fn templates(&self) -> Result<Vec<Template>> {
        let mut templates = builtin()?;
        for name in self.saved_templates()? {
            match self.saved_template(&name) {
                Ok(Some(template)) => templates.push(template),
                // Deleted by another program since the folder was listed.
                Ok(None) => {}
                Err(error) => log::warn!("template {name} is left out: {error}"),
            }
        }
        Ok(templates)
    }

    /// The template called `name`.
    ///
    /// # Errors
    /// [`Error::NoSuchTemplate`], also for a text that could not be a name; [`Error::Io`] if
    /// its file is damaged.
    pub fn template(&self, name: &str) -> Result<Template> {
        let no_such = || Error::NoSuchTemplate { name: name.to_string() };
        if let Some(template) =
            builtin()?.into_iter().find(|template| template.name().as_str() == name)
        {
            return Ok(template);
        }
        let name: TemplateName = name.parse().map_err(|_| no_such())?;
        self.saved_template(&name)?.ok_or_else(no_such)
    }

    /// Saves a new template.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if there is one of this name, built-in ones included;
    /// [`Error::Io`] if it cannot be written.
    pub fn save_template(&self, template: &Template) -> Result<()> {
        self.write_template(template, |exists| match exists {
            false => Ok(()),
            true => Err(refuse(
                "template",
                template.name(),
                "a template of this name exists already",
                "Choose another name, or replace the template.",
            )),
        })
    }

    /// Puts another template in the place of a saved one of the same name.
    ///
    /// # Errors
    /// [`Error::NoSuchTemplate`] if there is none; [`Error::InvalidSpec`] if it is built in;
    /// [`Error::Io`] if it cannot be written: the old one is unchanged then.
    pub fn replace_template(&self, template: &Template) -> Result<()> {
        self.write_template(template, |exists| match exists {
            true => Ok(()),
            false => Err(Error::NoSuchTemplate { name: template.name().to_string() }),
        })
    }

    /// Deletes a saved template, also one whose file is damaged. Containers made from it are
    /// not affected.
    ///
    /// # Errors
    /// [`Error::NoSuchTemplate`]; [`Error::InvalidSpec`] if it is built in; [`Error::Io`] if
    /// its file cannot be removed.
    pub fn delete_template(&self, name: &str) -> Result<()> {
        let no_such = || Error::NoSuchTemplate { name: name.to_string() };
        let name: TemplateName = name.parse().map_err(|_| no_such())?;
        refuse_builtin(&name)?;
        let path = self.template_path(&name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_such()),
            Err(error) => return Err(Error::io("delete", &path, error)),
        }
        self.inner.store.journal().tell(name.as_str(), None, EventKind::TemplateDeleted);
        Ok(())
    }

    fn write_template(
        &self,
        template: &Template,
        allow: impl FnOnce(bool) -> Result<()>,
    ) -> Result<()> {
        let name = template.name();
        refuse_builtin(name)?;
        let folder = self.templates_folder();
        private::folder(&folder)?;
        // Of two programs that save one name at once, one is the first.
        let lock_path = folder.join("lock");
        let lock = private::lock_file(&lock_path)?;
        lock::take_soon(&lock, Mode::Exclusive, &lock_path)?;
        let path = self.template_path(name);
        allow(path.exists())?;
        write_json(&path, template)?;
        self.inner.store.journal().tell(name.as_str(), None, EventKind::TemplateSaved);
        Ok(())
    }

    fn saved_template(&self, name: &TemplateName) -> Result<Option<Template>> {
        let path = self.template_path(name);
        match read_json::<Template>(&path)? {
            Some(template) if template.name() != name => {
                Err(Error::damaged(&path, format!("it says that its name is {}", template.name())))
            }
            template => Ok(template),
        }
    }

    /// The names of the saved templates, sorted. A file of a built-in one's name was not put
    /// there by us, and means nothing.
    fn saved_templates(&self) -> Result<Vec<TemplateName>> {
        let folder = self.templates_folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("list", &folder, error)),
        };
        let mut names: Vec<TemplateName> = Vec::new();
        for entry in entries {
            let file = entry.map_err(|error| Error::io("list", &folder, error))?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".json")?.parse().ok());
            names.extend(name.filter(|name| !is_builtin(name)));
        }
        names.sort();
        Ok(names)
    }

    fn templates_folder(&self) -> PathBuf {
        self.root().join("templates")
    }

    fn template_path(&self, name: &TemplateName) -> PathBuf {
        self.templates_folder().join(format!("{name}.json"))
    }
}

fn refuse_builtin(name: &TemplateName) -> Result<()> {
    if is_builtin(name) {
        return Err(refuse(
            "template",
            name,
            "it is a built-in template",
            "Save a changed copy under another name.",
        ));
    }
    Ok(())
}
