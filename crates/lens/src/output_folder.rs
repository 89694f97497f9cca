//! The folder that an analysis or a comparison leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use spectralkd_base::files::{write_atomic, write_json};
use spectralkd_base::folders::{make, move_aside};
use spectralkd_base::machine::machine;
use spectralkd_base::provenance::{Provenance, now};
use spectralkd_report::figure::Figure;
use spectralkd_report::page::Report;

use crate::error::{Error, Result};

/// A folder of tables, figures, a report and a manifest.
pub(crate) struct OutputFolder {
    root: PathBuf,
}

/// `manifest.json`: what was looked at, by what, and on what.
#[derive(Serialize)]
struct Manifest<'a> {
    started: String,
    provenance: &'a Provenance,
    machine: String,
    subjects: Vec<SourceRecord<'a>>,
    images: String,
    settings: serde_json::Value,
}

/// One model or file, as the manifest names it.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct SourceRecord<'a> {
    pub label: &'a str,
    pub origin: &'a str,
    pub images: usize,
    pub notes: &'a [String],
}

impl OutputFolder {
    /// Makes the folder; an earlier one is moved aside if `fresh`.
    ///
    /// # Errors
    /// The folder holds something already, or cannot be made.
    pub fn make(root: &Path, fresh: bool) -> Result<Self> {
        let occupied = fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && fresh {
            move_aside(root)?;
        } else if occupied {
            return Err(Error::NotEmpty {
                folder: root.to_owned(),
            });
        }
        make(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// A folder within this one; made if it is not there.
    pub fn sub(&self, name: &str) -> Result<Self> {
        let root = self.root.join(name);
        make(&root)?;
        Ok(Self { root })
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file.
    pub fn save(&self, name: &str, text: &str) -> Result<()> {
        Ok(write_atomic(&self.path(name), text.as_bytes())?)
    }

    /// Writes figures as SVG into `figures/`, their data beside them.
    pub fn figures(&self, figures: &[Figure]) -> Result<()> {
        let folder = self.sub("figures")?;
        for figure in figures {
            folder.save(&format!("{}.svg", figure.id), &figure.standalone())?;
            folder.save(&format!("{}.csv", figure.id), &figure.csv)?;
        }
        Ok(())
    }

    /// Writes `report.html`; its path.
    pub fn report(&self, report: &Report) -> Result<PathBuf> {
        self.save("report.html", &report.to_html()?)?;
        Ok(self.path("report.html"))
    }

    /// Writes `manifest.json`.
    pub fn manifest(
        &self,
        provenance: &Provenance,
        subjects: &[SourceRecord<'_>],
        images: String,
        settings: serde_json::Value,
    ) -> Result<()> {
        let manifest = Manifest {
            started: now(),
            provenance,
            machine: machine(),
            subjects: subjects.to_vec(),
            images,
            settings,
        };
        Ok(write_json(&self.path("manifest.json"), &manifest)?)
    }
}
