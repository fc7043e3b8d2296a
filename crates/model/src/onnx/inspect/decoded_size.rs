//! Upper bound on the memory of a decoded ONNX file, computed from its bytes before anything is allocated.
//!
//! Two bytes of a file can become a structure of a thousand bytes, and one byte a number of eight: a small file could
//! fill the memory. The fields are therefore walked first, by the numbers of onnx.proto
//! (<https://github.com/onnx/onnx>). Contents that no classifier needs are refused: weights in other files, subgraphs,
//! functions, sparse tensors.

use std::mem::size_of;

use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::{
    AttributeProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, ValueInfoProto,
};

use super::InspectError;

/// Memory in bytes for decoding beyond the file's size: suffices for thousands of nodes at a kilobyte an attribute.
pub const SLACK_BYTES: u64 = 32 << 20;

/// Message type of onnx.proto.
#[derive(Clone, Copy, PartialEq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Shape,
    /// Message of the given size in memory, whose fields cost no more than their bytes.
    Plain(usize),
}

/// Type of a field.
enum Field {
    /// Nested message.
    Nested(Message),
    /// Numbers, often packed: one byte of the file may become this many bytes.
    Numbers(u64),
    /// Bytes or text.
    Bytes,
    Refused(&'static str),
    /// Scalar, or not decoded.
    Other,
}

impl Message {
    /// Returns the size of its structure in memory.
    fn size(self) -> usize {
        match self {
            // Part of the structure that contains it.
            Message::Model | Message::Graph | Message::Type | Message::TensorType | Message::Shape => 0,
            Message::Node => size_of::<NodeProto>(),
            Message::Attribute => size_of::<AttributeProto>(),
            Message::Tensor => size_of::<TensorProto>(),
            Message::Value => size_of::<ValueInfoProto>(),
            Message::Plain(size) => size,
        }
    }

    /// Returns the type of field `number`.
    fn field(self, number: u64) -> Field {
        use Field::{Bytes, Nested, Numbers, Other, Refused};
        const ENTRY: Message = Message::Plain(size_of::<StringStringEntryProto>() + 48);
        match (self, number) {
            (Message::Model, 7) => Nested(Message::Graph),
            (Message::Model, 8) => Nested(Message::Plain(size_of::<OperatorSetIdProto>())),
            (Message::Model, 14) | (Message::Graph, 16) => Nested(ENTRY),
            (Message::Model, 20) => Refused("training information; export it for inference"),
            (Message::Model, 25) => Refused("model-local functions; export it with plain operators"),
            (Message::Graph, 1) => Nested(Message::Node),
            (Message::Graph, 5) => Nested(Message::Tensor),
            (Message::Graph, 11..=13) => Nested(Message::Value),
            (Message::Graph, 14) => Nested(Message::Plain(256)),
            (Message::Graph, 15) | (Message::Attribute, 22 | 23) => {
                Refused("sparse tensors; export them as dense ones")
            }
            (Message::Node, 5) => Nested(Message::Attribute),
            (Message::Attribute, 5 | 10) => Nested(Message::Tensor),
            (Message::Attribute, 6 | 11) => {
                Refused("a graph inside a node (If, Loop, Scan); export it without control flow")
            }
            (Message::Attribute, 14) => Nested(Message::Type),
            (Message::Attribute, 15) => Refused("a list of types; no classifier needs one"),
            (Message::Attribute, 7) => Numbers(2),
            (Message::Attribute, 8) | (Message::Tensor, 1 | 7 | 11) => Numbers(8),
            (Message::Tensor, 4 | 10) => Numbers(2),
            (Message::Tensor, 5) => Numbers(4),
            (Message::Tensor, 13) => Refused("weights in another file; save it as one file"),
            (Message::Value, 2) => Nested(Message::Type),
            (Message::Type, 1) => Nested(Message::TensorType),
            (Message::Type, 4 | 5 | 8 | 9) => {
                Refused("a value that is not a dense tensor; export it with tensors only")
            }
            (Message::TensorType, 2) => Nested(Message::Shape),
            (Message::Shape, 1) => Nested(Message::Plain(size_of::<Dimension>())),
            (Message::Plain(_), _) | (Message::Type | Message::TensorType | Message::Shape, _) => Other,
            _ => Bytes,
        }
    }
}

/// Returns an upper bound of the bytes that decoding takes, or an error if the file is truncated or unsupported.
pub fn decoded_size_bound(onnx: &[u8]) -> Result<u64, InspectError> {
    let mut counter = SizeCounter { bytes: 0, limit: onnx.len() as u64 + SLACK_BYTES };
    counter.count_message(onnx, Message::Model)?;
    Ok(counter.bytes)
}

struct SizeCounter {
    bytes: u64,
    limit: u64,
}

impl SizeCounter {
    fn add(&mut self, bytes: u64) -> Result<(), InspectError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit {
            return Err(InspectError::TooManyParts { limit_mib: self.limit >> 20 });
        }
        Ok(())
    }

    /// Adds the fields of a message. The recursion is finite: no message type of the schema above contains itself.
    fn count_message(&mut self, mut bytes: &[u8], kind: Message) -> Result<(), InspectError> {
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let (number, wire) = (key >> 3, key & 7);
            let content = match wire {
                0 => {
                    let value = varint(&mut bytes)?;
                    if (kind, number, value) == (Message::Tensor, 14, 1) {
                        return Err(InspectError::Unsupported("weights in another file; save it as one file"));
                    }
                    if let Field::Numbers(factor) = kind.field(number) {
                        self.add(2 * factor)?; // a growing list may have twice the capacity it needs
                    }
                    continue;
                }
                1 => take(&mut bytes, 8)?,
                5 => take(&mut bytes, 4)?,
                2 => {
                    let length = varint(&mut bytes)?;
                    take(&mut bytes, usize::try_from(length).map_err(|_| InspectError::Truncated)?)?
                }
                _ => return Err(InspectError::Damaged(format!("it has a field of wire type {wire}"))),
            };
            let length = content.len() as u64;
            match kind.field(number) {
                Field::Nested(message) if wire == 2 => {
                    self.add(2 * message.size() as u64)?;
                    self.count_message(content, message)?;
                }
                Field::Numbers(factor) => self.add(length.saturating_mul(factor))?,
                Field::Bytes => self.add(length + 48)?,
                Field::Refused(reason) => return Err(InspectError::Unsupported(reason)),
                Field::Nested(_) | Field::Other => {}
            }
        }
        Ok(())
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], InspectError> {
    let (content, rest) = bytes.split_at_checked(length).ok_or(InspectError::Truncated)?;
    *bytes = rest;
    Ok(content)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, InspectError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(InspectError::Damaged("it has a varint of more than ten bytes".into()))
}
