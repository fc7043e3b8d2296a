//! Arguments of `phicam scale`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use phicam_model::efficientnet::{Family, RELEASED, ReleasedNetwork};
use phicam_policy::budget::parse_macs;

/// Values of φ that are accepted; beyond them a typing error is likelier than a real use.
pub const PHIS: std::ops::RangeInclusive<f64> = -8.0..=12.0;
/// Input resolutions that are accepted, in pixels: estimated limits, beyond any useful network.
pub const SIDES: std::ops::RangeInclusive<u32> = 8..=4096;
/// Largest number of classes that is accepted: an estimated limit, beyond any known data set of images.
pub const MAX_CLASSES: usize = 100_000;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("one").args(["network", "flops"]))]
pub struct ScaleArgs {
    /// b0 to b7, lite0 to lite4, or a φ such as 2.5 or -1 [default: a table of the released networks]
    #[arg(value_name = "NETWORK|PHI", allow_negative_numbers = true, value_parser = parse_network)]
    pub network: Option<Which>,
    /// Find the largest φ within these MACs, such as 800M; with --compare, compare at these MACs
    #[arg(long, visible_alias = "macs", value_name = "N", value_parser = parse_macs)]
    pub flops: Option<f64>,
    /// Family of networks to scale by φ [default: b]
    #[arg(long, value_parser = super::enum_values::family(), requires = "one")]
    pub family: Option<Family>,
    /// Input resolution in pixels along a side [default: the network's own]
    #[arg(long, value_name = "PIXELS", requires = "network", value_parser = parse_side)]
    pub side: Option<u32>,
    /// Number of classes [default: ImageNet's 1000]
    #[arg(long, value_name = "N", requires = "network", value_parser = parse_classes)]
    pub classes: Option<usize>,
    /// Export the network with random weights to this ONNX file
    #[arg(long, value_name = "FILE", requires = "one", conflicts_with = "compare")]
    pub onnx: Option<PathBuf>,
    /// Seed of the random weights; equal seeds give equal bytes
    #[arg(long, value_name = "N", requires = "onnx", default_value_t = 0)]
    pub seed: u64,
    /// Compare depth, width or resolution alone with compound scaling at equal MACs [default: the paper's table 7]
    #[arg(long, conflicts_with = "network")]
    pub compare: bool,
    /// Benchmark each network of the comparison on this machine
    #[arg(long, requires = "compare")]
    pub time: bool,
    /// CPU threads for one inference [default: all cores]
    #[arg(long, value_name = "N", requires = "time", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// List the paper's grid over α, β and γ, with the cost of each combination
    #[arg(long, conflicts_with_all = ["one", "compare"])]
    pub search: bool,
    /// Rank trained combinations by the accuracies in this CSV file (alpha,beta,gamma,top1)
    #[arg(long, value_name = "FILE", requires = "search")]
    pub scores: Option<PathBuf>,
    /// Target T of the ranking by top-1 × (MACs/T)^-0.07 [default: 400M]
    #[arg(long, value_name = "N", requires = "scores", value_parser = parse_macs)]
    pub target: Option<f64>,
    /// Plot accuracy, MACs and measured latency over φ into a .png or .svg file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["one", "compare", "search"], value_parser = parse_figure_path)]
    pub plot: Option<PathBuf>,
    /// Folder that holds catalog.toml, for the shipped variants in the plot [default: the first standard location]
    #[arg(long, value_name = "DIR", requires = "plot")]
    pub models: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Network that the command line names.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    Released(&'static ReleasedNetwork),
    /// Compound coefficient φ.
    Phi(f64),
}

impl ScaleArgs {
    /// Returns an error if the named network is not of the named family, which clap cannot check.
    pub fn family_conflict(&self) -> Option<clap::Error> {
        let (Some(Which::Released(released)), Some(family)) = (self.network, self.family) else { return None };
        (released.family != family).then(|| {
            let family = format!("{family:?}").to_lowercase();
            let message = format!("{} is not of family {family}; leave --family out\n", released.name);
            clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, message)
        })
    }
}

fn parse_network(text: &str) -> Result<Which, String> {
    if let Some(released) = ReleasedNetwork::by_name(&text.to_lowercase()) {
        return Ok(Which::Released(released));
    }
    match text.parse::<f64>() {
        Ok(phi) if PHIS.contains(&phi) => Ok(Which::Phi(phi)),
        Ok(_) => Err(format!("φ is {text}, expected {} to {}", PHIS.start(), PHIS.end())),
        Err(_) => {
            let names: Vec<&str> = RELEASED.iter().map(|released| released.name).collect();
            let (names, from, to) = (names.join(", "), PHIS.start(), PHIS.end());
            Err(format!("expected {names}, or a φ from {from} to {to}"))
        }
    }
}

fn parse_side(text: &str) -> Result<u32, String> {
    let side = text.parse::<u32>().ok().filter(|side| SIDES.contains(side));
    side.ok_or_else(|| format!("expected {} to {} pixels", SIDES.start(), SIDES.end()))
}

fn parse_classes(text: &str) -> Result<usize, String> {
    let classes = text.parse::<usize>().ok().filter(|classes| (1..=MAX_CLASSES).contains(classes));
    classes.ok_or_else(|| format!("expected 1 to {MAX_CLASSES}"))
}

fn parse_figure_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("png" | "svg") => Ok(path),
        _ => Err("expected a name that ends in .png or .svg".into()),
    }
}
