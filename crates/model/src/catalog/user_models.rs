//! User models: networks added by the user, stored with their own catalog in the state folder.

use std::fs::File;
use std::path::{Path, PathBuf};

use log::{info, warn};

use super::schema::{CatalogFile, NetworkEntry, VariantEntry};
use super::{Catalog, CatalogError, Crop, Filter, InputSpec, Layout, USER_MODELS_FOLDER};
use phicam_platform::paths::atomic_write;

/// A network to add, with its variants.
#[derive(Clone, Debug)]
pub struct UserModel {
    pub name: String,
    /// Its paths are names of files in [`folder`].
    pub network: NetworkEntry,
    /// Input specs that the variants refer to, each with its name.
    pub inputs: Vec<(String, InputSpec)>,
    pub variants: Vec<VariantEntry>,
}

/// Name of the folder of user models in releases before 0.2.
const OLD_FOLDER: &str = "models";

/// First words of a catalog that `phicam models add` wrote.
const HEAD: &str = "# Written by `phicam models add`";

/// Returns the folder of the user models. It may not exist yet.
///
/// Until a model is added or removed, this is the folder of an earlier release if there is one: reading alone renames nothing,
/// so that a release that is rolled back finds its models.
pub fn folder(state: &Path) -> PathBuf {
    let folder = state.join(USER_MODELS_FOLDER);
    let old = state.join(OLD_FOLDER);
    if folder.exists() || !is_written_by_add(&old) { folder } else { old }
}

/// Returns whether the catalog in `folder` was written by `phicam models add`. The shipped models have one of another kind.
fn is_written_by_add(folder: &Path) -> bool {
    std::fs::read(folder.join("catalog.toml")).is_ok_and(|bytes| bytes.starts_with(HEAD.as_bytes()))
}

/// Renames the folder of an earlier release. A link stays in its place, for a release that is rolled back. If renaming fails,
/// or another process is changing the old folder, the old folder stays in use.
fn migrate(state: &Path) {
    let (folder, old) = (state.join(USER_MODELS_FOLDER), state.join(OLD_FOLDER));
    if folder.exists() || !is_written_by_add(&old) {
        return;
    }
    // Locked while it is renamed, as `StateLock` does: a process that adds a model to it must not lose its files.
    let lock = File::open(old.join(".lock"));
    if lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err()) {
        return;
    }
    match std::fs::rename(&old, &folder) {
        Ok(()) => {
            info!("user models: renamed {} to {}", old.display(), folder.display());
            if let Err(cause) = std::os::unix::fs::symlink(USER_MODELS_FOLDER, &old) {
                warn!("user models: {} cannot be linked: {cause}; releases before 0.2 do not find them", old.display());
            }
        }
        Err(_) if folder.exists() => {} // another process was quicker
        Err(cause) => {
            warn!("user models: cannot rename {} to {}: {cause}; using the old folder", old.display(), folder.display())
        }
    }
}

/// Returns a descriptive name for an input spec, such as `imagenet-0.875-bicubic`.
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

/// Exclusive lock on the folder of user models, held until it is dropped.
pub struct StateLock {
    folder: PathBuf,
    /// The locked file. The kernel releases the lock when the process ends, also after a crash.
    _file: File,
}

impl StateLock {
    /// Acquires the lock. Logs a message if it must wait for another process.
    pub fn acquire(state: &Path) -> Result<StateLock, CatalogError> {
        migrate(state);
        let folder = folder(state);
        let path = folder.join(".lock");
        let unwritable = |cause| CatalogError::Unwritable { path: path.clone(), cause };
        std::fs::create_dir_all(&folder).map_err(unwritable)?;
        let file = File::create(&path).map_err(unwritable)?;
        if file.try_lock().is_err() {
            info!("waiting for another process to finish changes in {}", folder.display());
            file.lock().map_err(unwritable)?;
        }
        let lock = StateLock { folder, _file: file };
        lock.remove_unlisted_files();
        Ok(lock)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path for a network until it has passed its test run. [`StateLock::remove_unlisted_files`] removes
    /// leftovers.
    pub fn candidate_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!(".{name}.new.onnx"))
    }

    /// Adds a model whose files are already in the folder, and replaces an earlier model of that name.
    pub fn add(&self, model: UserModel) -> Result<(), CatalogError> {
        self.change(|catalog| {
            remove_entries(catalog, &model.name);
            catalog.input.extend(model.inputs);
            catalog.network.insert(model.name, model.network);
            catalog.variant.extend(model.variants);
        })
    }

    /// Removes a network and its variants from the catalog. Returns whether it was listed.
    pub fn remove(&self, name: &str) -> Result<bool, CatalogError> {
        let mut removed = false;
        self.change(|catalog| removed = remove_entries(catalog, name))?;
        Ok(removed)
    }

    /// Replaces the accuracy source of a variant, for a figure that is not comparable with published ones.
    pub fn set_accuracy_source(&self, variant: &str, source: &str) -> Result<(), CatalogError> {
        self.change(|catalog| {
            let entries = catalog.variant.iter_mut().filter(|entry| entry.name == variant);
            entries.for_each(|entry| entry.top1_source = source.into());
        })
    }

    /// Removes files that no entry names: replaced ones, and leftovers of interrupted processes.
    ///
    /// Only kinds of files that this program writes are removed. A failed removal is repeated by the next call.
    pub fn remove_unlisted_files(&self) {
        let Ok(catalog) = self.read() else { return }; // with a damaged catalog, all files stay
        let listed: Vec<&Path> =
            catalog.network.values().flat_map(|network| [&*network.file, &*network.labels]).collect();
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for name in entries.filter_map(|entry| Some(entry.ok()?.file_name())) {
            let text = name.to_string_lossy();
            let is_own_kind = text.ends_with(".onnx") || text.ends_with(".labels.txt") || text.ends_with(".new");
            if is_own_kind && !listed.contains(&Path::new(&name)) {
                let _ = std::fs::remove_file(self.folder.join(&name));
            }
        }
    }

    fn read(&self) -> Result<CatalogFile, CatalogError> {
        let path = self.folder.join("catalog.toml");
        match path.try_exists() {
            Ok(false) => Ok(CatalogFile::default()),
            _ => Ok(phicam_platform::config_file::read::<CatalogFile>(&path)?.merged()),
        }
    }

    /// Reads the catalog, applies `change`, checks the result and replaces the file atomically.
    fn change(&self, change: impl FnOnce(&mut CatalogFile)) -> Result<(), CatalogError> {
        let path = self.folder.join("catalog.toml");
        let mut catalog = self.read()?;
        change(&mut catalog);
        let unwritable = |cause: std::io::Error| CatalogError::Unwritable { path: path.clone(), cause };
        if catalog.variant.is_empty() {
            return if path.exists() { std::fs::remove_file(&path).map_err(unwritable) } else { Ok(()) };
        }
        let text = toml::to_string_pretty(&catalog).map_err(|error| unwritable(std::io::Error::other(error)))?;
        let head = "# Written by `phicam models add`; `phicam models remove` removes a network.";
        Catalog::assemble(catalog, &self.folder)
            .map_err(|message| CatalogError::Inconsistent { path: path.clone(), message })?;
        atomic_write(&path, format!("{head}\n\n{text}").as_bytes()).map_err(unwritable)
    }
}

/// Removes a network, its variants, and input specs without another user. Returns whether the network was listed.
fn remove_entries(catalog: &mut CatalogFile, name: &str) -> bool {
    catalog.variant.retain(|variant| variant.network != name);
    let used: Vec<String> = catalog.variant.iter().map(|variant| variant.input.clone()).collect();
    catalog.input.retain(|input, _| used.contains(input));
    catalog.network.remove(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOG: &str = r#"# Written by `phicam models add`; `phicam models remove` takes a network out again.

[input.raw]
colour = "rgb"
layout = "nchw"
crop = 1.0
filter = "bicubic"
mean = [0.0, 0.0, 0.0]
scale = [255.0, 255.0, 255.0]

[network.birds]
file = "birds.onnx"
sha256 = "00"
labels = "birds.labels.txt"
labels_sha256 = "00"
million_parameters = 4.6
licence = "unknown"
source = "test"

[[variant]]
name = "birds@96"
network = "birds"
input = "raw"
side = 96
million_macs = 71.8
top1_source = "test"
"#;

    fn write_catalog(folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("catalog.toml"), CATALOG).unwrap();
        std::fs::write(folder.join("birds.onnx"), b"weights").unwrap();
    }

    fn user_models(state: &Path) -> Vec<String> {
        let catalog = Catalog { variants: vec![] }.with_user_models(state).unwrap();
        catalog.variants.into_iter().map(|variant| variant.name).collect()
    }

    #[test]
    fn reading_does_not_rename_the_old_folder() {
        let state = tempfile::tempdir().unwrap();
        let old = state.path().join(OLD_FOLDER);
        write_catalog(&old);
        assert_eq!(user_models(state.path()), ["birds@96"]);
        assert!(!state.path().join(USER_MODELS_FOLDER).exists());
    }

    #[test]
    fn old_folder_is_renamed_by_the_first_change() {
        let state = tempfile::tempdir().unwrap();
        let (old, new) = (state.path().join(OLD_FOLDER), state.path().join(USER_MODELS_FOLDER));
        write_catalog(&old);
        assert_eq!(StateLock::acquire(state.path()).unwrap().folder(), new);
        assert_eq!(std::fs::read(new.join("birds.onnx")).unwrap(), b"weights");
        assert_eq!(user_models(state.path()), ["birds@96"]);
        assert_eq!(std::fs::read_to_string(old.join("catalog.toml")).unwrap(), CATALOG, "for a release rolled back");
    }

    #[test]
    fn shipped_models_in_the_state_folder_are_not_renamed() {
        let state = tempfile::tempdir().unwrap();
        let old = state.path().join(OLD_FOLDER);
        std::fs::create_dir(&old).unwrap();
        std::fs::write(old.join("catalog.toml"), "# The catalog of the picker.\n").unwrap();
        let lock = StateLock::acquire(state.path()).unwrap();
        assert_eq!(lock.folder(), state.path().join(USER_MODELS_FOLDER));
        assert!(old.join("catalog.toml").exists());
    }

    #[test]
    fn old_folder_stays_beside_the_new_one_or_without_catalog() {
        let state = tempfile::tempdir().unwrap();
        let (old, new) = (state.path().join(OLD_FOLDER), state.path().join(USER_MODELS_FOLDER));
        std::fs::create_dir(&old).unwrap();
        assert_eq!(folder(state.path()), new);
        assert!(old.exists());
        write_catalog(&old);
        std::fs::create_dir(&new).unwrap();
        assert_eq!(folder(state.path()), new);
        assert!(old.join("catalog.toml").exists());
    }

    #[test]
    fn old_folder_is_used_when_it_cannot_be_renamed() {
        let state = tempfile::tempdir().unwrap();
        let old = state.path().join(OLD_FOLDER);
        write_catalog(&old);
        let lock = File::create(old.join(".lock")).unwrap();
        lock.lock().unwrap();
        assert_eq!(user_models(state.path()), ["birds@96"], "locked by another process");
        assert_eq!(folder(state.path()), old);
        drop(lock);
        // A dangling link takes the new name: it does not exist, and no folder can be renamed to it.
        std::os::unix::fs::symlink("nowhere", state.path().join(USER_MODELS_FOLDER)).unwrap();
        assert_eq!(user_models(state.path()), ["birds@96"], "the rename fails");
        assert_eq!(folder(state.path()), old);
    }
}
