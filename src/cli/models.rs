//! The command line of `phicam models`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ModelsFolder;
use phicam_model::catalog::Filter;
use phicam_model::efficientnet::Padding;

#[derive(Debug, Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Every variant with its φ, work and accuracy
    List {
        #[command(flatten)]
        folder: ModelsFolder,
        /// One JSON object a variant on standard output
        #[arg(long)]
        json: bool,
    },
    /// Check each file's hash, load each variant, compare classes and labels
    Verify {
        #[command(flatten)]
        folder: ModelsFolder,
    },
    /// Add weights (.safetensors, .pth) of timm, torchvision or efficientnet_pytorch, or an ONNX classifier
    Add(Box<AddArgs>),
    /// Take an added network out again
    Remove {
        /// As `models list` calls it, without @ and side
        name: String,
    },
    /// Accuracy of a model on photographs in folders that are named by label
    Evaluate {
        /// One folder a label in it
        dir: PathBuf,
        #[command(flatten)]
        model_args: super::ModelArgs,
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// The file: safetensors, PyTorch's (.pth, .pt, .bin), or ONNX
    pub file: PathBuf,
    /// What to call it; timm's own names also tell padding, input and accuracy [default: the file's name]
    #[arg(long)]
    pub name: Option<String>,
    /// What is done to a pixel's levels [default: known for published weights, asked for otherwise]
    #[arg(long, value_enum)]
    pub input: Option<Normalisation>,
    /// How the weights were trained to meet the edges; needed for timm's names where the file's name does not tell
    #[arg(long, value_parser = super::enum_values::padding())]
    pub padding: Option<Padding>,
    /// The model wants blue first
    #[arg(long)]
    pub bgr: bool,
    /// Share of the picture's shorter side that is seen [default: as published, else side/(side+32)]
    #[arg(long, value_name = "SHARE", value_parser = parse_crop)]
    pub crop: Option<f64>,
    /// Of the resize [default: as published, else bicubic]
    #[arg(long, value_parser = super::enum_values::filter())]
    pub filter: Option<Filter>,
    /// Pixels along a side; can be given several times [default: as published]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(super::sides()))]
    pub side: Vec<u32>,
    /// One label a line, in the order of the classes; `imagenet` for ImageNet's [default: known for published weights]
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Its accuracy in percent, where you know it [default: as published]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub top1: Option<f64>,
    /// SPDX name of its licence
    #[arg(long)]
    pub licence: Option<String>,
    /// Photographs in folders named by label: gives an accuracy at once
    #[arg(long, value_name = "DIR")]
    pub r#try: Option<PathBuf>,
    /// Keep weights in single precision: twice the file, scores nearer to the original's by thousandths
    #[arg(long)]
    pub full_precision: bool,
    /// Put it in place of one of the same name
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub folder: ModelsFolder,
}

/// What is done to a level (0 to 255) before the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Normalisation {
    /// Less ImageNet's mean, by its deviation, of each colour: most of PyTorch's
    Imagenet,
    /// −1 to 1, as (level − 127.5) / 127.5: many of TensorFlow's
    Tf,
    /// (level − 127) / 128: Google's EfficientNet-Lite
    Lite,
    /// 0 to 1
    Unit,
    /// 0 to 255, as they are
    Raw,
}

impl Normalisation {
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
    }

    /// What is subtracted from a level of each colour, and what it is divided by then.
    pub fn mean_and_scale(self) -> ([f32; 3], [f32; 3]) {
        match self {
            Normalisation::Imagenet => {
                ([0.485, 0.456, 0.406].map(|m| m * 255.0), [0.229, 0.224, 0.225].map(|s| s * 255.0))
            }
            Normalisation::Tf => ([127.5; 3], [127.5; 3]),
            Normalisation::Lite => ([127.0; 3], [128.0; 3]),
            Normalisation::Unit => ([0.0; 3], [255.0; 3]),
            Normalisation::Raw => ([0.0; 3], [1.0; 3]),
        }
    }
}

fn parse_crop(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err(format!("it is `{text}`, expected more than 0 and at most 1")),
    }
}

fn parse_percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err(format!("it is `{text}`, expected 0 to 100")),
    }
}
