//! Published ImageNet accuracy and preprocessing of known weights, from models/accuracy.csv.

use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

/// The table; its header documents the sources and the columns.
const TABLE: &str = include_str!("../../../models/accuracy.csv");

/// Row of the table: published weights at one input resolution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedWeights {
    /// timm's name, such as `tf_efficientnet_b3.ns_jft_in1k`, or `torchvision_efficientnet_b3.imagenet1k_v1`.
    pub model: String,
    /// Width and height of the square input, in pixels.
    pub side: u32,
    pub top1_percent: f64,
    pub top5_percent: f64,
    pub million_parameters: f64,
    /// Share of the shorter side that the crop keeps.
    pub crop: f64,
    /// Resampling filter: `bicubic` or `bilinear`.
    pub filter: String,
    /// Normalisation: `imagenet` or `tf`.
    pub input: String,
    /// `center` or `squash`.
    pub crop_mode: String,
    /// Name of the published file, without hash and extension; often empty.
    pub checkpoint: String,
    /// `b3`, `lite0`, …, or `pruned`.
    pub network: String,
    /// `same` or `symmetric`.
    pub padding: String,
    /// SPDX identifier.
    pub licence: String,
}

static ROWS: LazyLock<Vec<PublishedWeights>> = LazyLock::new(|| {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(TABLE.as_bytes());
    reader.deserialize().filter_map(Result::ok).collect() // no row is lost: a test counts them
});

/// Finds the rows of a weights file by its name, for `network` and either torchvision's or other weights.
///
/// The rows are sorted by side, and empty if the name is unknown. The names of the file's folders count as well,
/// because model hubs store the model's name there.
pub fn find_by_file_name(path: &Path, network: &str, torchvision: bool) -> Vec<PublishedWeights> {
    let names: Vec<String> = path.iter().rev().map(|part| part.to_string_lossy().into_owned()).collect();
    let is_candidate =
        |row: &&PublishedWeights| row.network == network && row.model.starts_with("torchvision_") == torchvision;
    let rows_of_name = |name: &String| -> Vec<PublishedWeights> {
        let stem = without_hash(without_extension(name.rsplit("--").next().unwrap_or(name)));
        ROWS.iter().filter(is_candidate).filter(|row| row.model == stem || row.checkpoint == stem).cloned().collect()
    };
    let mut rows = names.iter().map(rows_of_name).find(|rows| !rows.is_empty()).unwrap_or_default();
    rows.sort_by_key(|row| row.side);
    rows
}

/// Returns the row of a network with the highest top-1 accuracy, or `None` if the table has none.
pub fn most_accurate(network: &str) -> Option<PublishedWeights> {
    let rows = ROWS.iter().filter(|row| row.network == network);
    rows.max_by(|a, b| a.top1_percent.total_cmp(&b.top1_percent)).cloned()
}

/// File name extensions of model files.
const EXTENSIONS: [&str; 5] = [".safetensors", ".pth", ".pt", ".bin", ".onnx"];

/// Returns whether `name` has the extension of a model file.
pub fn is_file_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    EXTENSIONS.iter().any(|extension| name.ends_with(extension))
}

fn without_extension(name: &str) -> &str {
    EXTENSIONS.into_iter().find_map(|extension| name.strip_suffix(extension)).unwrap_or(name)
}

/// Strips the hash of published files: `tf_efficientnet_b0_aa-827b6e33` becomes `tf_efficientnet_b0_aa`.
fn without_hash(stem: &str) -> &str {
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => stem,
    }
}

/// Returns the file name without extension and without the hash of published files.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    without_hash(without_extension(&name)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::efficientnet::RELEASED;

    #[test]
    fn all_rows_are_parsed_and_plausible() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count() - 1;
        let rows = &*ROWS;
        assert_eq!((rows.len(), lines), (66, 66));
        for row in rows {
            assert!((50.0..100.0).contains(&row.top1_percent), "{row:?}");
            assert!(row.top1_percent < row.top5_percent, "{row:?}");
            assert!(["imagenet", "tf"].contains(&row.input.as_str()), "{row:?}");
            assert!(["same", "symmetric"].contains(&row.padding.as_str()), "{row:?}");
            assert!((0.8..=1.0).contains(&row.crop), "{row:?}");
        }
    }

    #[test]
    fn published_parameters_match_the_networks() {
        for row in ROWS.iter() {
            let Some(released) = RELEASED.iter().find(|released| released.name == row.network) else { continue };
            let computed = released.network().cost(row.side).million_parameters();
            assert!((computed - row.million_parameters).abs() < 0.006, "{}: {computed}", row.model);
        }
    }

    #[test]
    fn weights_are_found_by_file_or_folder_name() {
        let models = |path: &str, network: &str, torchvision: bool| -> Vec<(String, u32)> {
            find_by_file_name(Path::new(path), network, torchvision)
                .into_iter()
                .map(|row| (row.model, row.side))
                .collect()
        };
        let ns = vec![("tf_efficientnet_b3.ns_jft_in1k".to_string(), 300)];
        assert_eq!(models("tf_efficientnet_b3_ns-9d44bf68.pth", "b3", false), ns);
        assert_eq!(models("tf_efficientnet_b3.ns_jft_in1k.safetensors", "b3", false), ns);
        let hub = "hub/models--timm--tf_efficientnet_b3.ns_jft_in1k/snapshots/a1b2/model.safetensors";
        assert_eq!(models(hub, "b3", false), ns);
        assert_eq!(
            models("tf_efficientnet_b3_ns-9d44bf68.pth", "b2", false),
            [],
            "the tensors belong to another network"
        );
        assert_eq!(models("model.safetensors", "b3", false), []);
        let sides: Vec<u32> = models("efficientnet_b1-533bc792.pth", "b1", false).iter().map(|row| row.1).collect();
        assert_eq!(sides, [224, 256], "timm's file; torchvision's has an equal name and another hash");
        assert_eq!(
            models("efficientnet_b1-c27df63c.pth", "b1", true)[0].0,
            "torchvision_efficientnet_b1.imagenet1k_v2"
        );
    }

    #[test]
    fn most_accurate_b3_is_noisy_student() {
        let best = most_accurate("b3").unwrap();
        assert_eq!((best.model.as_str(), best.top1_percent), ("tf_efficientnet_b3.ns_jft_in1k", 84.054));
    }
}
