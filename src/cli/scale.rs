//! The arguments of `phicam scale`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use phicam_model::efficientnet::{Family, RELEASED, Released};
use phicam_policy::budget::parse_macs;

/// The φ that can be asked for; beyond them a typo is likelier than a wish.
pub const PHIS: std::ops::RangeInclusive<f64> = -8.0..=12.0;
/// The sides that can be asked for, in pixels.
pub const SIDES: std::ops::RangeInclusive<u32> = 8..=4096;
/// The most classes that can be asked for.
pub const MOST_CLASSES: usize = 100_000;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("one").args(["network", "flops"]))]
pub struct ScaleArgs {
    /// b0 to b7, lite0 to lite4, or a φ such as 2.5 or -1 [default: the table of those released]
    #[arg(value_name = "NETWORK|PHI", allow_negative_numbers = true, value_parser = parse_which)]
    pub network: Option<Which>,
    /// The largest φ whose network needs at most this much, such as 800M; with --compare the work to compare at
    #[arg(long, value_name = "N", value_parser = parse_macs)]
    pub flops: Option<f64>,
    /// Whose stages are scaled by a φ [default: b]
    #[arg(long, value_parser = super::enum_values::family(), requires = "one")]
    pub family: Option<Family>,
    /// Pixels along a side, in place of the network's own
    #[arg(long, value_name = "PIXELS", requires = "network", value_parser = parse_side)]
    pub side: Option<u32>,
    /// Scores that the network gives [default: ImageNet's 1000]
    #[arg(long, value_name = "N", requires = "network", value_parser = parse_classes)]
    pub classes: Option<usize>,
    /// Write the network with seeded weights as ONNX into this file
    #[arg(long, value_name = "FILE", requires = "one", conflicts_with = "compare")]
    pub onnx: Option<PathBuf>,
    /// Of those weights: the same number gives the same bytes
    #[arg(long, value_name = "N", requires = "onnx", default_value_t = 0)]
    pub seed: u64,
    /// Depth, width or resolution alone against all three together, at equal work [default: the paper's table 7]
    #[arg(long, conflicts_with = "network")]
    pub compare: bool,
    /// Time each network of the comparison on this machine
    #[arg(long, requires = "compare")]
    pub time: bool,
    /// Threads that one picture may use while timed [default: all cores]
    #[arg(long, value_name = "N", requires = "time", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// The grid over α, β and γ that the paper searched, with what each combination costs
    #[arg(long, conflicts_with_all = ["one", "compare"])]
    pub search: bool,
    /// Accuracies of trained combinations (CSV: alpha,beta,gamma,top1), to rank them by the objective
    #[arg(long, value_name = "FILE", requires = "search")]
    pub scores: Option<PathBuf>,
    /// ComputeCost T of the objective top-1 × (MACs/T)^-0.07 [default: 400M]
    #[arg(long, value_name = "N", requires = "scores", value_parser = parse_macs)]
    pub target: Option<f64>,
    /// Draw accuracy, work and measured time over φ into a .png or .svg file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["one", "compare", "search"], value_parser = parse_picture)]
    pub plot: Option<PathBuf>,
    /// Folder with catalog.toml, for the shipped variants in the picture [default: the first of the usual places]
    #[arg(long, value_name = "DIR", requires = "plot")]
    pub models: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Which network is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    Released(&'static Released),
    /// By compound scaling.
    Phi(f64),
}

impl ScaleArgs {
    /// A family that is not the named network's; clap cannot know.
    pub fn contradiction(&self) -> Option<clap::Error> {
        let (Some(Which::Released(released)), Some(family)) = (self.network, self.family) else { return None };
        (released.family != family).then(|| {
            let family = format!("{family:?}").to_lowercase();
            let message = format!("{} is not of the family {family}: leave --family out\n", released.name);
            clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, message)
        })
    }
}

fn parse_which(text: &str) -> Result<Which, String> {
    if let Some(released) = Released::named(&text.to_lowercase()) {
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
    let classes = text.parse::<usize>().ok().filter(|classes| (1..=MOST_CLASSES).contains(classes));
    classes.ok_or_else(|| format!("expected 1 to {MOST_CLASSES}"))
}

fn parse_picture(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("png" | "svg") => Ok(path),
        _ => Err("expected a name that ends in .png or .svg".into()),
    }
}
