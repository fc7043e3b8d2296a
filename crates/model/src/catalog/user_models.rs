//! What the user adds to the catalog, in a catalog of its own in the state folder.

use std::fs::File;
use std::path::{Path, PathBuf};

use log::info;

use super::schema::{CatalogFile, NetworkEntry, VariantEntry};
use super::{ADDED, Catalog, CatalogError, Crop, Filter, InputSpec, Layout};
use phicam_platform::paths::atomic_write;

/// A network that is to be added, with its variants.
#[derive(Clone, Debug)]
pub struct Addition {
    pub name: String,
    /// Paths in it are names of files in [`folder`].
    pub network: NetworkEntry,
    /// What its pictures must be made like, at each side: a name for it, and itself.
    pub inputs: Vec<(String, InputSpec)>,
    pub variants: Vec<VariantEntry>,
}

/// Where added networks are kept.
pub fn folder(state: &Path) -> PathBuf {
    state.join(ADDED)
}

/// A name for a contract that tells what is in it: `imagenet-0.875-bicubic`.
pub fn input_name(normalisation: &str, input_spec: &InputSpec) -> String {
    let crop = match input_spec.crop {
        Crop::Border(border) => format!("side{border}"),
        Crop::Share(share) => share.to_string(),
    };
    let filter = match input_spec.filter {
        Filter::Bilinear => "bilinear",
        Filter::Bicubic => "bicubic",
    };
    let mut name = format!("{normalisation}-{crop}-{filter}");
    if input_spec.layout == Layout::Nhwc {
        name.push_str("-nhwc");
    }
    if input_spec.colour == super::Colour::Bgr {
        name.push_str("-bgr");
    }
    name
}

/// The folder of what was added, for this process alone until it is dropped.
pub struct Lock {
    folder: PathBuf,
    /// Locked; the system lets go when the process ends, however it does.
    _file: File,
}

impl Lock {
    /// Waits, announced, until no other process is changing anything there.
    pub fn take(state: &Path) -> Result<Lock, CatalogError> {
        let folder = folder(state);
        let path = folder.join(".lock");
        let unwritable = |cause| CatalogError::Unwritable { path: path.clone(), cause };
        std::fs::create_dir_all(&folder).map_err(unwritable)?;
        let file = File::create(&path).map_err(unwritable)?;
        if file.try_lock().is_err() {
            info!("waiting for another process that changes {}", folder.display());
            file.lock().map_err(unwritable)?;
        }
        let lock = Lock { folder, _file: file };
        lock.sweep();
        Ok(lock)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a network is written to until it is known to run; what is left there is swept up.
    pub fn candidate(&self, name: &str) -> PathBuf {
        self.folder.join(format!(".{name}.new.onnx"))
    }

    /// Adds it, in place of what was added under its name before. Its files are there already.
    pub fn add(&self, addition: Addition) -> Result<(), CatalogError> {
        self.change(|catalog| {
            take_out(catalog, &addition.name);
            catalog.input.extend(addition.inputs);
            catalog.network.insert(addition.name, addition.network);
            catalog.variant.extend(addition.variants);
        })
    }

    /// Takes a network and its variants out; says whether it was there.
    pub fn remove(&self, name: &str) -> Result<bool, CatalogError> {
        let mut there = false;
        self.change(|catalog| there = take_out(catalog, name))?;
        Ok(there)
    }

    /// Says something of the accuracy of an added variant that is no figure to compare.
    pub fn remark(&self, variant: &str, source: &str) -> Result<(), CatalogError> {
        self.change(|catalog| {
            let entries = catalog.variant.iter_mut().filter(|entry| entry.name == variant);
            entries.for_each(|entry| entry.top1_source = source.into());
        })
    }

    /// Removes what no entry names: files that were replaced, and what was left when a process ended too early. Only
    /// files of the kinds that this program writes there; what cannot be removed is left for the next time.
    pub fn sweep(&self) {
        let Ok(catalog) = self.read() else { return }; // a damaged catalog names nothing: keep everything
        let named: Vec<&Path> =
            catalog.network.values().flat_map(|network| [&*network.file, &*network.labels]).collect();
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for name in entries.filter_map(|entry| Some(entry.ok()?.file_name())) {
            let text = name.to_string_lossy();
            let ours = text.ends_with(".onnx") || text.ends_with(".labels.txt") || text.ends_with(".new");
            if ours && !named.contains(&Path::new(&name)) {
                let _ = std::fs::remove_file(self.folder.join(&name));
            }
        }
    }

    fn read(&self) -> Result<CatalogFile, CatalogError> {
        let path = self.folder.join("catalog.toml");
        match path.try_exists() {
            Ok(false) => Ok(CatalogFile::default()),
            _ => Ok(phicam_platform::config_file::read(&path)?),
        }
    }

    /// Reads, changes, checks and replaces the catalog of what was added.
    fn change(&self, change: impl FnOnce(&mut CatalogFile)) -> Result<(), CatalogError> {
        let path = self.folder.join("catalog.toml");
        let mut catalog = self.read()?;
        change(&mut catalog);
        let unwritable = |cause: std::io::Error| CatalogError::Unwritable { path: path.clone(), cause };
        if catalog.variant.is_empty() {
            return if path.exists() { std::fs::remove_file(&path).map_err(unwritable) } else { Ok(()) };
        }
        let text = toml::to_string_pretty(&catalog).map_err(|error| unwritable(std::io::Error::other(error)))?;
        let head = "# Written by `phicam models add`; `phicam models remove` takes a network out again.";
        Catalog::assemble(catalog, &self.folder)
            .map_err(|message| CatalogError::Inconsistent { path: path.clone(), message })?;
        atomic_write(&path, format!("{head}\n\n{text}").as_bytes()).map_err(unwritable)
    }
}

/// Takes a network, its variants, and the inputs that nobody else needs out of `catalog`.
fn take_out(catalog: &mut CatalogFile, name: &str) -> bool {
    catalog.variant.retain(|variant| variant.network != name);
    let used: Vec<String> = catalog.variant.iter().map(|variant| variant.input.clone()).collect();
    catalog.input.retain(|input, _| used.contains(input));
    catalog.network.remove(name).is_some()
}
