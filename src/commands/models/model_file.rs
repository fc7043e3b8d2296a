//! Model file from outside: weights of another library or ONNX, with its properties.

use std::path::Path;

use anyhow::{Context, bail};

use phicam_checkpoint::{MAX_FILE_BYTES, Weights};
use phicam_model::catalog::{Layout, SIDES};
use phicam_model::efficientnet::{ExportOptions, ScaledNetwork, Storage, write_onnx};
use phicam_model::import::{BatchNormFolding, DetectedSource, KeyScheme, SourceConventions, detect_source};
use phicam_model::onnx::inspect;
use phicam_model::onnx::inspect::ModelInfo;
use phicam_platform::paths;
use phicam_platform::paths::atomic_write_with;

/// Model file that was read and recognised.
pub enum ModelFile {
    Weights { weights: Weights, recognised: DetectedSource },
    Onnx { bytes: Vec<u8>, facts: Box<ModelInfo> },
}

impl ModelFile {
    /// Reads `path`; its extension or its first bytes tell the kind.
    pub fn open(path: &Path) -> anyhow::Result<ModelFile> {
        let has_onnx_extension = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"));
        let bytes = paths::read_regular(path, if has_onnx_extension { inspect::MAX_BYTES } else { MAX_FILE_BYTES })?;
        if bytes.is_empty() {
            bail!("{} is empty; copy or download it again", path.display());
        }
        if has_onnx_extension || looks_like_onnx(&bytes) {
            let facts = ModelInfo::from_onnx(&bytes).with_context(|| path.display().to_string())?;
            return Ok(ModelFile::Onnx { bytes, facts: Box::new(facts) });
        }
        let weights = Weights::parse(bytes, &path.display().to_string())?;
        let recognised = detect_source(&weights).with_context(|| path.display().to_string())?;
        Ok(ModelFile::Weights { weights, recognised })
    }

    /// Returns network, number of classes and file format, for people.
    pub fn description(&self) -> String {
        match self {
            ModelFile::Weights { weights, recognised: DetectedSource { scheme, released, network } } => {
                let entry = weights.nested_key().map_or(String::new(), |entry| format!(", its entry `{entry}`"));
                let (form, classes) = (weights.format(), network.classes);
                format!("{} with the tensors of {scheme}, {classes} classes ({form}{entry})", released.name)
            }
            ModelFile::Onnx { facts, .. } => {
                let network = match (facts.scaled, facts.scaled.and_then(|scaled| scaled.released())) {
                    (_, Some(released)) => released.name.to_string(),
                    (Some(ScaledNetwork { family, width, depth }), None) => {
                        format!("EfficientNet {family:?} of width {width:.3} and depth {depth:.3}")
                    }
                    (None, None) => "a classifier other than EfficientNet, φ unknown".into(),
                };
                format!("{network}, {} classes (ONNX, {})", facts.classes, facts.precision)
            }
        }
    }

    pub fn classes(&self) -> usize {
        match self {
            ModelFile::Weights { recognised, .. } => recognised.network.classes,
            ModelFile::Onnx { facts, .. } => facts.classes,
        }
    }

    pub fn layout(&self) -> Layout {
        match self {
            ModelFile::Weights { .. } => Layout::Nchw,
            ModelFile::Onnx { facts, .. } => facts.layout,
        }
    }

    /// Returns the EfficientNet's family and multipliers, or `None` for other networks.
    pub fn scaled(&self) -> Option<ScaledNetwork> {
        match self {
            ModelFile::Weights { recognised, .. } => Some(recognised.released.scaled()),
            ModelFile::Onnx { facts, .. } => facts.scaled,
        }
    }

    /// Returns the name of a released network, such as `b3`, and whether the tensor names are torchvision's.
    pub fn released(&self) -> Option<(&'static str, bool)> {
        match self {
            ModelFile::Weights { recognised: DetectedSource { scheme, released, .. }, .. } => {
                Some((released.name, *scheme == KeyScheme::Torchvision))
            }
            ModelFile::Onnx { facts, .. } => Some((facts.scaled?.released()?.name, false)),
        }
    }

    /// Returns the resolution: fixed in the graph, stated in its metadata, or the released network's.
    pub fn side(&self) -> Option<u32> {
        match self {
            ModelFile::Weights { recognised, .. } => Some(recognised.released.side),
            ModelFile::Onnx { facts, .. } => {
                let released = facts.scaled.and_then(|scaled| scaled.released()).map(|released| released.side);
                facts.fixed_side.or(facts.metadata_side).or(released)
            }
        }
    }

    /// Returns the requested resolution, else the file's. Fails if it is unknown or out of range.
    pub fn checked_side(&self, requested: Option<u32>) -> anyhow::Result<u32> {
        let side =
            requested.or(self.side()).context("its resolution is unknown: the input is dynamic; add --side N")?;
        if !SIDES.contains(&side) {
            let (min, max) = (SIDES.start(), SIDES.end());
            bail!("its resolution is {side} pixels, expected {min} to {max}; choose another with --side");
        }
        Ok(side)
    }

    pub fn million_parameters(&self) -> f64 {
        match self {
            ModelFile::Weights { recognised, .. } => recognised.network.cost(32).folded_parameters as f64 / 1e6,
            ModelFile::Onnx { facts, .. } => facts.million_parameters,
        }
    }

    pub fn million_macs(&self, side: u32) -> anyhow::Result<f64> {
        match self {
            ModelFile::Weights { recognised, .. } => Ok(recognised.network.cost(side).million_macs()),
            ModelFile::Onnx { facts, .. } => Ok(facts.million_macs(side)?),
        }
    }

    /// Writes the model to `path` as ONNX, atomically. `habits` are those of the library that trained the weights.
    pub fn write(
        &self,
        path: &Path,
        side: u32,
        habits: Option<SourceConventions>,
        storage: Storage,
    ) -> anyhow::Result<()> {
        let written: Result<(), anyhow::Error> = atomic_write_with(path, |out| match self {
            ModelFile::Onnx { bytes, .. } => Ok(out.write_all(bytes)?),
            ModelFile::Weights { weights, recognised } => {
                let habits = habits.context("the conventions of the weights' library are unknown")?;
                let folding = BatchNormFolding::new(weights, recognised, habits);
                let layer = |layer: &_, _| folding.fold_layer(layer);
                let form = ExportOptions { side, padding: habits.padding, storage };
                write_onnx(&recognised.network, form, layer, out)?;
                Ok(())
            }
        });
        written.with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// Returns whether the file begins with field 1 of an ONNX model, its IR version.
///
/// A safetensors file may begin with that byte too, since its first 8 bytes are a length; but a brace follows these.
fn looks_like_onnx(bytes: &[u8]) -> bool {
    bytes.first() == Some(&8) && bytes.get(8) != Some(&b'{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safetensors_files_never_look_like_onnx() {
        for length in (8u64..4096).step_by(8) {
            let mut bytes = length.to_le_bytes().to_vec();
            bytes.extend(br#"{"__metadata__""#);
            assert!(!looks_like_onnx(&bytes), "{length}");
        }
        let onnx = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/imagenet/lite0.onnx")).unwrap();
        assert!(looks_like_onnx(&onnx));
    }
}
