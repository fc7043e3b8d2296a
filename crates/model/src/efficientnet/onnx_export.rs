//! ONNX export of a network of the family, with weights from any source.

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

/// Padding of a convolution with a stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// TensorFlow's SAME padding: minimal, with the odd pixel at the bottom and right.
    Same,
    /// PyTorch's padding: (kernel − 1)/2 on each side.
    Symmetric,
}

/// Number format of stored weights. Biases stay in single precision: half would save 0.1 MB in the three Lite networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    Single,
    /// Half precision, followed by a `Cast` to single. It halves the file, and moves scores by a few thousandths of
    /// their range.
    Half,
}

/// Options of the ONNX export.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// Intended input side in pixels: metadata of the file, not a limit.
    pub side: u32,
    pub padding: Padding,
    pub storage: Storage,
}

/// A network could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError<E: std::error::Error + 'static> {
    /// The source of the weights failed.
    #[error(transparent)]
    Weights(E),
    #[error("weights of {name} exceed ±65504, the range of half precision; store them in single precision")]
    Overflow { name: String },
    #[error("cannot write the ONNX file: {0}; check the free space")]
    Write(#[from] io::Error),
}

/// Writes `network` to `out` as ONNX (opset 17, any input side). Returns the number of bytes.
///
/// `weights` returns the weights and biases of a layer, with batch norm folded. It is called in the order of
/// [`Network::layers`]. Its second argument states whether the layer ends a block with a residual connection. Equal
/// input gives equal bytes.
pub fn write_onnx<E: std::error::Error + 'static>(
    network: &Network,
    options: ExportOptions,
    mut weights: impl FnMut(&Layer, bool) -> Result<(Vec<f32>, Vec<f32>), E>,
    out: &mut dyn Write,
) -> Result<u64, ExportError<E>> {
    let ExportOptions { side, storage, .. } = options;
    let mut graph = Graph { options, nodes: Vec::new() };
    graph.network(network, side);
    let graph = graph_without_initializers(network, graph.nodes);
    let layers = layers(network, side);
    let mut initializers: Vec<(String, Vec<usize>, Storage)> = Vec::new();
    if network.activation() == Activation::Relu6 {
        initializers.extend(["zero", "six"].map(|name| (name.into(), vec![], Storage::Single)));
    }
    for (layer, _) in &layers {
        initializers.push((weight_name(layer, storage), layer.shape(), storage));
        initializers.push((format!("{}_bias", layer.name), vec![layer.out_channels], Storage::Single));
    }
    let length = |(name, shape, storage): &(String, Vec<usize>, Storage)| {
        1 + with_length_prefix(tensor_bytes(name, shape, *storage))
    };
    let initializers: usize = initializers.iter().map(length).sum();
    let mut writer = CountingWriter { out, bytes: 0 };
    writer.write_all(&model_without_graph(side).encode_to_vec())?;
    // Initializers are written one by one, so that only one layer's weights are in memory.
    writer.begin_field(MODEL_GRAPH, graph.encoded_len() + initializers)?;
    writer.write_all(&graph.encode_to_vec())?;
    if network.activation() == Activation::Relu6 {
        writer.tensor(&tensor("zero", &[], &[0.0], Storage::Single))?;
        writer.tensor(&tensor("six", &[], &[6.0], Storage::Single))?;
    }
    for (layer, residual) in layers {
        let (values, biases) = weights(&layer, residual).map_err(ExportError::Weights)?;
        if storage == Storage::Half && values.iter().any(|value| f16::from_f32(*value).is_infinite()) {
            return Err(ExportError::Overflow { name: layer.name });
        }
        writer.tensor(&tensor(&weight_name(&layer, storage), &layer.shape(), &values, storage))?;
        writer.tensor(&tensor(&format!("{}_bias", layer.name), &[layer.out_channels], &biases, Storage::Single))?;
    }
    Ok(writer.bytes)
}

/// Keys of the length-delimited fields `ModelProto.graph` (7) and `GraphProto.initializer` (5) in onnx.proto.
const MODEL_GRAPH: u8 = 7 << 3 | 2;
const GRAPH_INITIALIZER: u8 = 5 << 3 | 2;

/// Returns the size of `bytes` with their length prefix.
fn with_length_prefix(bytes: usize) -> usize {
    prost::length_delimiter_len(bytes) + bytes
}

/// Returns the encoded size of a [`tensor`] of that shape.
fn tensor_bytes(name: &str, shape: &[usize], storage: Storage) -> usize {
    let width = if storage == Storage::Half { 2 } else { 4 };
    let values = width * shape.iter().product::<usize>();
    tensor(name, shape, &[], storage).encoded_len() + 1 + with_length_prefix(values)
}

/// Returns the name of the initializer with a layer's weights.
fn weight_name(layer: &Layer, storage: Storage) -> String {
    match storage {
        Storage::Single => format!("{}_weight", layer.name),
        Storage::Half => format!("{}_weight_half", layer.name),
    }
}

/// Returns all layers, each with whether it ends a block with a residual connection.
fn layers(network: &Network, side: u32) -> Vec<(Layer, bool)> {
    let residual: Vec<String> =
        network.blocks(side).into_iter().filter(|block| block.residual).map(|block| block.project.name).collect();
    let layers = network.layers(side).into_iter();
    layers.map(|layer| (layer.clone(), residual.contains(&layer.name))).collect()
}

/// Writer that counts bytes.
struct CountingWriter<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
}

impl CountingWriter<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Writes the key and the length of a field; its content follows.
    fn begin_field(&mut self, key: u8, length: usize) -> io::Result<()> {
        let mut head = vec![key];
        prost::encode_length_delimiter(length, &mut head).map_err(io::Error::other)?;
        self.write_all(&head)
    }

    fn tensor(&mut self, tensor: &TensorProto) -> io::Result<()> {
        self.begin_field(GRAPH_INITIALIZER, tensor.encoded_len())?;
        self.write_all(&tensor.encode_to_vec())
    }
}

/// Nodes in the order of the data flow; each is named after its output.
struct Graph {
    options: ExportOptions,
    nodes: Vec<NodeProto>,
}

impl Graph {
    /// Adds all nodes from [`ONNX_INPUT`] to `scores`.
    fn network(&mut self, network: &Network, side: u32) {
        let mut x = self.layer(ONNX_INPUT, &network.stem(side));
        let (mut side, mut channels) = (side, 0);
        for (number, block) in network.blocks(side).iter().enumerate() {
            let block_input = x.clone();
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
                x = self.node("Add", &[&x, &block_input], format!("block{number}_sum"), vec![]);
            }
            (side, channels) = (block.project.output_side, block.project.out_channels);
        }
        let (head, classifier) = network.head_layers(side, channels);
        x = self.layer(&x, &head);
        x = self.node("GlobalAveragePool", &[&x], "mean".into(), vec![]);
        x = self.node("Flatten", &[&x], "features".into(), vec![int("axis", 1)]);
        self.cast_to_single(&classifier);
        let classifier = [&x, "classifier_weight", "classifier_bias"];
        self.node("Gemm", &classifier, "scores".into(), vec![int("transB", 1)]);
    }

    /// Adds the cast of half-precision weights to single precision.
    fn cast_to_single(&mut self, layer: &Layer) {
        if self.options.storage == Storage::Half {
            let float = int("to", DataType::Float as usize);
            self.node("Cast", &[&weight_name(layer, Storage::Half)], weight_name(layer, Storage::Single), vec![float]);
        }
    }

    /// Adds a convolution and its activation. Returns the name of the output.
    fn layer(&mut self, x: &str, layer: &Layer) -> String {
        let Layer { name, kernel, stride, groups, .. } = layer;
        let mut attributes =
            vec![ints("kernel_shape", &[*kernel; 2]), ints("strides", &[*stride; 2]), int("group", *groups)];
        match self.options.padding {
            _ if *kernel == 1 => {}
            // `auto_pad`, since SAME padding depends on the side, and one file serves every side.
            Padding::Same => attributes.push(text("auto_pad", "SAME_UPPER")),
            Padding::Symmetric => attributes.push(ints("pads", &[(kernel - 1) / 2; 4])),
        }
        self.cast_to_single(layer);
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

fn graph_without_initializers(network: &Network, node: Vec<NodeProto>) -> GraphProto {
    let name = format!("efficientnet-{:?}-w{:.4}-d{:.4}", network.family, network.width, network.depth).to_lowercase();
    let input = vec![value(ONNX_INPUT, &[Ok(1), Ok(3), Err("height"), Err("width")])];
    let output = vec![value("scores", &[Ok(1), Ok(network.classes)])];
    GraphProto { name, node, input, output, ..GraphProto::default() }
}

fn model_without_graph(side: u32) -> ModelProto {
    let metadata = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        producer_name: "phicam".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        metadata_props: vec![metadata("side", side.to_string())],
        ..ModelProto::default()
    }
}
