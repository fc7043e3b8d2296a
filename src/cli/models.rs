//! Arguments of `phicam models`.

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
    /// List every variant with its φ, MACs and accuracy
    List {
        #[command(flatten)]
        folder: ModelsFolder,
        /// Print one JSON object for each variant on standard output
        #[arg(long)]
        json: bool,
    },
    /// Check the hash of each file, load each variant, and compare its classes with its labels
    Verify {
        #[command(flatten)]
        folder: ModelsFolder,
    },
    /// Add a model: weights (.safetensors, .pth) of timm, torchvision or efficientnet_pytorch, or an ONNX classifier
    Add(Box<AddArgs>),
    /// Remove a user model
    Remove {
        /// Name of the network, as `models list` shows it before the @
        name: String,
    },
    /// Measure the accuracy of a model on photographs in folders named by label
    Evaluate {
        /// Folder that holds one folder for each label
        dir: PathBuf,
        #[command(flatten)]
        model_args: super::ModelArgs,
        /// Print one JSON object on standard output
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Model file: safetensors, PyTorch (.pth, .pt, .bin) or ONNX
    pub file: PathBuf,
    /// Name of the network; timm's names also tell padding, normalisation and accuracy [default: the file's name]
    #[arg(long)]
    pub name: Option<String>,
    /// Normalisation of pixel levels [default: as published; required for other files]
    #[arg(long, value_enum)]
    pub input: Option<Normalisation>,
    /// Padding of the convolutions; required for weights with timm's tensor names if the file's name does not tell it
    #[arg(long, value_parser = super::enum_values::padding())]
    pub padding: Option<Padding>,
    /// The model expects colours in the order blue, green, red
    #[arg(long)]
    pub bgr: bool,
    /// Central crop, as a share of the picture's shorter side [default: as published, else side/(side+32)]
    #[arg(long, value_name = "SHARE", value_parser = parse_crop)]
    pub crop: Option<f64>,
    /// Filter for resizing [default: as published, else bicubic]
    #[arg(long, value_parser = super::enum_values::filter())]
    pub filter: Option<Filter>,
    /// Input resolution in pixels along a side; can be repeated [default: as published, else the file's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(super::sides()))]
    pub side: Vec<u32>,
    /// Labels file with one label in each line, in the order of the classes; `imagenet` for ImageNet's
    /// [default: ImageNet's for published weights; required for other files]
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// ImageNet top-1 accuracy in percent, if you know it [default: as published]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub top1: Option<f64>,
    /// SPDX name of the model's licence [default: as published, else unknown]
    #[arg(long)]
    pub licence: Option<String>,
    /// Also measure the accuracy on photographs in folders named by label
    #[arg(long, alias = "try", value_name = "DIR")]
    pub evaluate: Option<PathBuf>,
    /// Keep weights in single precision: twice the file size, scores closer to the original's by thousandths
    #[arg(long)]
    pub full_precision: bool,
    /// Replace a user model of the same name
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub folder: ModelsFolder,
}

/// Normalisation of pixel levels (0 to 255).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Normalisation {
    /// (level − mean) / deviation, with ImageNet's for each colour: most of PyTorch's models
    Imagenet,
    /// (level − 127.5) / 127.5, from −1 to 1: many of TensorFlow's models
    Tf,
    /// (level − 127) / 128: Google's EfficientNet-Lite
    Lite,
    /// level / 255, from 0 to 1
    Unit,
    /// level, from 0 to 255
    Raw,
}

impl Normalisation {
    /// Returns the name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
    }

    /// Returns mean and scale of each colour: a normalised level is (level − mean) / scale.
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
