//! A network of the family as an ONNX file, with weights from wherever they come.

use std::io::{self, Write};

use half::f16;
use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
};

use super::{Activation, Layer, Network};

mod nodes;
use nodes::{int, ints, tensor, text, value};

/// Name of the graph's input.
const ONNX_INPUT: &str = "image";

/// How a convolution with a stride meets the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// TensorFlow's: as little as needed, the odd pixel at the bottom right.
    Same,
    /// PyTorch's: (kernel − 1)/2 on each side.
    Symmetric,
}

/// How weights are stored. Biases are always in single precision: half would save nothing worth the rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    Single,
    /// Half precision behind a `Cast` to single: half the file; scores move by some thousandths of their range.
    Half,
}

/// How a network is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The side that it is for: a remark in the file, no limit.
    pub side: u32,
    pub padding: Padding,
    pub storage: Storage,
}

/// A network that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GraphError<E: std::error::Error + 'static> {
    /// Weights could not be had.
    #[error(transparent)]
    Weights(E),
    #[error("{name} has weights beyond ±65504, the limit of half precision; store it in full precision")]
    Overflow { name: String },
    #[error("the ONNX file cannot be written: {0}; is there space left?")]
    Write(#[from] io::Error),
}

/// Writes `network` to `out` as ONNX (opset 17, any side) and gives the number of bytes.
///
/// `weights` is asked for each layer's weights and biases (batch norm folded), in the order of [`Network::layers`]; its
/// second argument says whether the layer is the last of a block whose entry is added.
/// The same input gives the same bytes.
pub fn write_onnx<E: std::error::Error + 'static>(
    network: &Network,
    form: Form,
    mut weights: impl FnMut(&Layer, bool) -> Result<(Vec<f32>, Vec<f32>), E>,
    out: &mut dyn Write,
) -> Result<u64, GraphError<E>> {
    let Form { side, storage, .. } = form;
    let mut graph = Graph { form, nodes: Vec::new() };
    graph.network(network, side);
    let graph = graph_without_constants(network, graph.nodes);
    let layers = layers(network, side);
    let mut constants: Vec<(String, Vec<usize>, Storage)> = Vec::new();
    if network.activation() == Activation::Relu6 {
        constants.extend(["zero", "six"].map(|name| (name.into(), vec![], Storage::Single)));
    }
    for (layer, _) in &layers {
        constants.push((weight_name(layer, storage), layer.shape(), storage));
        constants.push((format!("{}_bias", layer.name), vec![layer.out_channels], Storage::Single));
    }
    let length =
        |(name, shape, storage): &(String, Vec<usize>, Storage)| 1 + delimited(tensor_bytes(name, shape, *storage));
    let constants: usize = constants.iter().map(length).sum();
    let mut written = Counted { out, bytes: 0 };
    written.write_all(&model_without_graph(side).encode_to_vec())?;
    // Constants one by one: so only one layer's weights are in memory at a time.
    written.begin(MODEL_GRAPH, graph.encoded_len() + constants)?;
    written.write_all(&graph.encode_to_vec())?;
    if network.activation() == Activation::Relu6 {
        written.tensor(&tensor("zero", &[], &[0.0], Storage::Single))?;
        written.tensor(&tensor("six", &[], &[6.0], Storage::Single))?;
    }
    for (layer, residual) in layers {
        let (values, biases) = weights(&layer, residual).map_err(GraphError::Weights)?;
        if storage == Storage::Half && values.iter().any(|value| f16::from_f32(*value).is_infinite()) {
            return Err(GraphError::Overflow { name: layer.name });
        }
        written.tensor(&tensor(&weight_name(&layer, storage), &layer.shape(), &values, storage))?;
        written.tensor(&tensor(&format!("{}_bias", layer.name), &[layer.out_channels], &biases, Storage::Single))?;
    }
    Ok(written.bytes)
}

/// Keys of the length-delimited fields `ModelProto.graph` (7) and `GraphProto.initializer` (5).
const MODEL_GRAPH: u8 = 7 << 3 | 2;
const GRAPH_INITIALIZER: u8 = 5 << 3 | 2;

/// Bytes of something with its length before it.
fn delimited(bytes: usize) -> usize {
    prost::length_delimiter_len(bytes) + bytes
}

/// Bytes of a [`tensor`] of that shape.
fn tensor_bytes(name: &str, shape: &[usize], storage: Storage) -> usize {
    let width = if storage == Storage::Half { 2 } else { 4 };
    let values = width * shape.iter().product::<usize>();
    tensor(name, shape, &[], storage).encoded_len() + 1 + delimited(values)
}

/// What the constant with a layer's weights is called.
fn weight_name(layer: &Layer, storage: Storage) -> String {
    match storage {
        Storage::Single => format!("{}_weight", layer.name),
        Storage::Half => format!("{}_weight_half", layer.name),
    }
}

/// Every layer, and whether it ends a block whose entry is added.
fn layers(network: &Network, side: u32) -> Vec<(Layer, bool)> {
    let residual: Vec<String> =
        network.blocks(side).into_iter().filter(|block| block.residual).map(|block| block.project.name).collect();
    let layers = network.layers(side).into_iter();
    layers.map(|layer| (layer.clone(), residual.contains(&layer.name))).collect()
}

/// Counts what is written.
struct Counted<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
}

impl Counted<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// The key and the length of a field whose content follows.
    fn begin(&mut self, key: u8, length: usize) -> io::Result<()> {
        let mut head = vec![key];
        prost::encode_length_delimiter(length, &mut head).map_err(io::Error::other)?;
        self.write_all(&head)
    }

    fn tensor(&mut self, tensor: &TensorProto) -> io::Result<()> {
        self.begin(GRAPH_INITIALIZER, tensor.encoded_len())?;
        self.write_all(&tensor.encode_to_vec())
    }
}

/// Nodes in the order that data flows, each named as what it gives.
struct Graph {
    form: Form,
    nodes: Vec<NodeProto>,
}

impl Graph {
    /// Everything from [`ONNX_INPUT`] to `scores`.
    fn network(&mut self, network: &Network, side: u32) {
        let mut x = self.layer(ONNX_INPUT, &network.stem(side));
        let (mut side, mut channels) = (side, 0);
        for (number, block) in network.blocks(side).iter().enumerate() {
            let entry = x.clone();
            if let Some(expand) = &block.expand {
                x = self.layer(&x, expand);
            }
            x = self.layer(&x, &block.depthwise);
            if let Some((reduce, excite)) = &block.squeeze {
                let mean = self.node("GlobalAveragePool", &[&x], format!("block{number}_mean"), vec![]);
                let squeezed = self.layer(&mean, reduce);
                let gate = self.layer(&squeezed, excite);
                x = self.node("Mul", &[&x, &gate], format!("block{number}_gated"), vec![]);
            }
            x = self.layer(&x, &block.project);
            if block.residual {
                x = self.node("Add", &[&x, &entry], format!("block{number}_sum"), vec![]);
            }
            (side, channels) = (block.project.output_side, block.project.out_channels);
        }
        let (head, classifier) = network.tail(side, channels);
        x = self.layer(&x, &head);
        x = self.node("GlobalAveragePool", &[&x], "mean".into(), vec![]);
        x = self.node("Flatten", &[&x], "features".into(), vec![int("axis", 1)]);
        self.widened(&classifier);
        let classifier = [&x, "classifier_weight", "classifier_bias"];
        self.node("Gemm", &classifier, "scores".into(), vec![int("transB", 1)]);
    }

    /// The cast of stored half-precision weights to single precision.
    fn widened(&mut self, layer: &Layer) {
        if self.form.storage == Storage::Half {
            let float = int("to", DataType::Float as usize);
            self.node("Cast", &[&weight_name(layer, Storage::Half)], weight_name(layer, Storage::Single), vec![float]);
        }
    }

    /// A convolution and its activation; gives the name of the result.
    fn layer(&mut self, x: &str, layer: &Layer) -> String {
        let Layer { name, kernel, stride, groups, .. } = layer;
        let mut attributes =
            vec![ints("kernel_shape", &[*kernel; 2]), ints("strides", &[*stride; 2]), int("group", *groups)];
        match self.form.padding {
            _ if *kernel == 1 => {}
            // Not numbers: SAME depends on the side, and one file is to serve every side.
            Padding::Same => attributes.push(text("auto_pad", "SAME_UPPER")),
            Padding::Symmetric => attributes.push(ints("pads", &[(kernel - 1) / 2; 4])),
        }
        self.widened(layer);
        let inputs = [x, &weight_name(layer, Storage::Single), &format!("{name}_bias")];
        let x = self.node("Conv", &inputs, name.clone(), attributes);
        match layer.activation {
            Activation::None => x,
            Activation::Relu6 => self.node("Clip", &[&x, "zero", "six"], format!("{name}_relu6"), vec![]),
            Activation::Sigmoid => self.node("Sigmoid", &[&x], format!("{name}_sigmoid"), vec![]),
            Activation::Silu => {
                let sigmoid = self.node("Sigmoid", &[&x], format!("{name}_sigmoid"), vec![]);
                self.node("Mul", &[&x, &sigmoid], format!("{name}_silu"), vec![])
            }
        }
    }

    fn node(&mut self, operator: &str, inputs: &[&str], output: String, attribute: Vec<AttributeProto>) -> String {
        self.nodes.push(NodeProto {
            op_type: operator.into(),
            name: output.clone(),
            input: inputs.iter().map(|&name| name.into()).collect(),
            output: vec![output.clone()],
            attribute,
            ..NodeProto::default()
        });
        output
    }
}

fn graph_without_constants(network: &Network, node: Vec<NodeProto>) -> GraphProto {
    let name = format!("efficientnet-{:?}-w{:.4}-d{:.4}", network.family, network.width, network.depth).to_lowercase();
    let input = vec![value(ONNX_INPUT, &[Ok(1), Ok(3), Err("height"), Err("width")])];
    let output = vec![value("scores", &[Ok(1), Ok(network.classes)])];
    GraphProto { name, node, input, output, ..GraphProto::default() }
}

fn model_without_graph(side: u32) -> ModelProto {
    let remark = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        producer_name: "phicam".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        metadata_props: vec![remark("side", side.to_string())],
        ..ModelProto::default()
    }
}
