//! What published weights reach on ImageNet, and how their pictures are made: models/accuracy.csv.

use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

/// The table, as shipped; its head names the sources and the columns.
const TABLE: &str = include_str!("../../../models/accuracy.csv");

/// Weights that somebody published, at one side.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// timm's name, such as `tf_efficientnet_b3.ns_jft_in1k`, or `torchvision_efficientnet_b3.imagenet1k_v1`.
    pub model: String,
    /// Pixels.
    pub side: u32,
    pub top1_percent: f64,
    pub top5_percent: f64,
    pub million_parameters: f64,
    /// Share of the shorter side that is kept.
    pub crop: f64,
    /// Of the resize: `bicubic`, `bilinear`.
    pub filter: String,
    /// Normalisation: `imagenet`, `tf`.
    pub input: String,
    /// `center` or `squash`.
    pub crop_mode: String,
    /// Name of the file that they were once published in, without hash and extension; often empty.
    pub checkpoint: String,
    /// `b3`, `lite0`, or `pruned`.
    pub network: String,
    /// `same` or `symmetric`.
    pub padding: String,
    /// SPDX.
    pub licence: String,
}

/// Every row.
static ALL: LazyLock<Vec<Published>> = LazyLock::new(|| {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(TABLE.as_bytes());
    reader.deserialize().filter_map(Result::ok).collect() // compiled in, and read whole by a test
});

/// The rows of the weights in a file of that name that are of `network`, and `torchvision`'s or not; smallest side first,
/// none where the name tells nothing.
///
/// A name is looked for in the file's stem and in its folders' names, where hubs put it.
pub fn of_file(path: &Path, network: &str, torchvision: bool) -> Vec<Published> {
    let names: Vec<String> = path.iter().rev().map(|part| part.to_string_lossy().into_owned()).collect();
    let of_network = |row: &&Published| row.network == network && row.model.starts_with("torchvision_") == torchvision;
    let of_name = |name: &String| -> Vec<Published> {
        let stem = without_hash(without_extension(name.rsplit("--").next().unwrap_or(name)));
        ALL.iter().filter(of_network).filter(|row| row.model == stem || row.checkpoint == stem).cloned().collect()
    };
    let mut found = names.iter().map(of_name).find(|rows| !rows.is_empty()).unwrap_or_default();
    found.sort_by_key(|row| row.side);
    found
}

/// The most accurate row of a network: what would be gained by having it.
pub fn best(network: &str) -> Option<Published> {
    let rows = ALL.iter().filter(|row| row.network == network);
    rows.max_by(|a, b| a.top1_percent.total_cmp(&b.top1_percent)).cloned()
}

/// How the names of model files end.
const ENDINGS: [&str; 5] = [".safetensors", ".pth", ".pt", ".bin", ".onnx"];

/// Whether `name` ends as a model file's does.
pub fn is_file_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn without_extension(name: &str) -> &str {
    ENDINGS.into_iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// `tf_efficientnet_b0_aa-827b6e33` → `tf_efficientnet_b0_aa`
fn without_hash(stem: &str) -> &str {
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => stem,
    }
}

/// The stem of a file's name, without the hash that published files end in.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    without_hash(without_extension(&name)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::efficientnet::RELEASED;

    #[test]
    fn every_row_of_the_table_is_read_and_makes_sense() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count() - 1;
        let rows = &*ALL;
        assert_eq!((rows.len(), lines), (66, 66));
        for row in rows {
            assert!((50.0..100.0).contains(&row.top1_percent) && row.top1_percent < row.top5_percent, "{row:?}");
            assert!(["imagenet", "tf"].contains(&row.input.as_str()), "{row:?}");
            assert!(["same", "symmetric"].contains(&row.padding.as_str()), "{row:?}");
            assert!((0.8..=1.0).contains(&row.crop), "{row:?}");
        }
    }

    #[test]
    fn published_parameters_are_those_of_the_networks_they_are_said_to_be() {
        for row in ALL.iter() {
            let Some(released) = RELEASED.iter().find(|released| released.name == row.network) else { continue };
            let found = released.network().cost(row.side).million_parameters();
            assert!((found - row.million_parameters).abs() < 0.006, "{}: {found}", row.model);
        }
    }

    #[test]
    fn weights_are_known_by_the_name_of_their_file_or_of_its_folder() {
        let models = |path: &str, network: &str, torchvision: bool| -> Vec<(String, u32)> {
            of_file(Path::new(path), network, torchvision).into_iter().map(|row| (row.model, row.side)).collect()
        };
        let ns = vec![("tf_efficientnet_b3.ns_jft_in1k".to_string(), 300)];
        assert_eq!(models("tf_efficientnet_b3_ns-9d44bf68.pth", "b3", false), ns);
        assert_eq!(models("tf_efficientnet_b3.ns_jft_in1k.safetensors", "b3", false), ns);
        let hub = "hub/models--timm--tf_efficientnet_b3.ns_jft_in1k/snapshots/a1b2/model.safetensors";
        assert_eq!(models(hub, "b3", false), ns);
        assert_eq!(models("tf_efficientnet_b3_ns-9d44bf68.pth", "b2", false), [], "the tensors are another network's");
        assert_eq!(models("model.safetensors", "b3", false), []);
        let sides: Vec<u32> = models("efficientnet_b1-533bc792.pth", "b1", false).iter().map(|row| row.1).collect();
        assert_eq!(sides, [224, 256], "timm's; torchvision's file has the same name and another hash");
        assert_eq!(
            models("efficientnet_b1-c27df63c.pth", "b1", true)[0].0,
            "torchvision_efficientnet_b1.imagenet1k_v2"
        );
    }

    #[test]
    fn the_best_b3_is_the_noisy_student() {
        let best = best("b3").unwrap();
        assert_eq!((best.model.as_str(), best.top1_percent), ("tf_efficientnet_b3.ns_jft_in1k", 84.054));
    }
}
