//! How much memory an ONNX file would take when decoded, told from its bytes before anything is allocated for it.
//!
//! Two bytes can stand for a structure of a thousand, and one for a number of eight: a small file could fill the memory.
//! So its parts are walked through first, by the field numbers of onnx.proto (<https://github.com/onnx/onnx>), and what
//! no classifier needs is refused: weights in other files, subgraphs, functions, sparse tensors.

use std::mem::size_of;

use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::{
    AttributeProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, ValueInfoProto,
};

use super::InspectError;

/// What decoding may take beyond the file's own size: the structures of some thousand nodes, a kilobyte an attribute.
pub const SLACK_BYTES: u64 = 32 << 20;

/// A kind of message.
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
    /// Anything small without parts of its own that cost more than their bytes.
    Plain(usize),
}

/// What a field is.
enum Field {
    /// A message of its own.
    Part(Message),
    /// Numbers, often packed: one byte of the file may become this many.
    Numbers(u64),
    /// Bytes or text.
    Bytes,
    Refused(&'static str),
    /// Not decoded, or a plain number.
    Other,
}

impl Message {
    /// Bytes of its structure in memory.
    fn size(self) -> usize {
        match self {
            Message::Model | Message::Graph | Message::Type | Message::TensorType | Message::Shape => 0, // in others
            Message::Node => size_of::<NodeProto>(),
            Message::Attribute => size_of::<AttributeProto>(),
            Message::Tensor => size_of::<TensorProto>(),
            Message::Value => size_of::<ValueInfoProto>(),
            Message::Plain(size) => size,
        }
    }

    /// What field `number` of it is.
    fn field(self, number: u64) -> Field {
        use Field::{Bytes, Numbers, Other, Part, Refused};
        const ENTRY: Message = Message::Plain(size_of::<StringStringEntryProto>() + 48);
        match (self, number) {
            (Message::Model, 7) => Part(Message::Graph),
            (Message::Model, 8) => Part(Message::Plain(size_of::<OperatorSetIdProto>())),
            (Message::Model, 14) | (Message::Graph, 16) => Part(ENTRY),
            (Message::Model, 20) => Refused("training information; export it for inference"),
            (Message::Model, 25) => Refused("functions of its own; export it with plain operators"),
            (Message::Graph, 1) => Part(Message::Node),
            (Message::Graph, 5) => Part(Message::Tensor),
            (Message::Graph, 11..=13) => Part(Message::Value),
            (Message::Graph, 14) => Part(Message::Plain(256)),
            (Message::Graph, 15) | (Message::Attribute, 22 | 23) => {
                Refused("sparse tensors; export them as dense ones")
            }
            (Message::Node, 5) => Part(Message::Attribute),
            (Message::Attribute, 5 | 10) => Part(Message::Tensor),
            (Message::Attribute, 6 | 11) => Refused("a graph inside a node (If, Loop, Scan); export it without"),
            (Message::Attribute, 14) => Part(Message::Type),
            (Message::Attribute, 15) => Refused("a list of types; no classifier needs one"),
            (Message::Attribute, 7) => Numbers(2),
            (Message::Attribute, 8) | (Message::Tensor, 1 | 7 | 11) => Numbers(8),
            (Message::Tensor, 4 | 10) => Numbers(2),
            (Message::Tensor, 5) => Numbers(4),
            (Message::Tensor, 13) => Refused("weights in another file; save it as one file"),
            (Message::Value, 2) => Part(Message::Type),
            (Message::Type, 1) => Part(Message::TensorType),
            (Message::Type, 4 | 5 | 8 | 9) => Refused("a value that is no plain tensor"),
            (Message::TensorType, 2) => Part(Message::Shape),
            (Message::Shape, 1) => Part(Message::Plain(size_of::<Dimension>())),
            (Message::Plain(_), _) | (Message::Type | Message::TensorType | Message::Shape, _) => Other,
            _ => Bytes,
        }
    }
}

/// Bytes that decoding `onnx` takes, at most; an error where it holds what is refused or is cut short.
pub fn decoded_bytes(onnx: &[u8]) -> Result<u64, InspectError> {
    let mut walk = Walk { bytes: 0, limit: onnx.len() as u64 + SLACK_BYTES };
    walk.message(onnx, Message::Model)?;
    Ok(walk.bytes)
}

struct Walk {
    bytes: u64,
    limit: u64,
}

impl Walk {
    fn spend(&mut self, bytes: u64) -> Result<(), InspectError> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes <= self.limit {
            true => Ok(()),
            false => Err(InspectError::Swells { limit_mib: self.limit >> 20 }),
        }
    }

    /// Recursion ends: no message of the schema above contains itself.
    fn message(&mut self, mut bytes: &[u8], kind: Message) -> Result<(), InspectError> {
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let (number, wire) = (key >> 3, key & 7);
            let content = match wire {
                0 => {
                    let value = varint(&mut bytes)?;
                    if (kind, number, value) == (Message::Tensor, 14, 1) {
                        return Err(InspectError::Refused("weights in another file; save it as one file"));
                    }
                    if let Field::Numbers(factor) = kind.field(number) {
                        self.spend(2 * factor)?; // a growing list may be twice as long as what it holds
                    }
                    continue;
                }
                1 => take(&mut bytes, 8)?,
                5 => take(&mut bytes, 4)?,
                2 => {
                    let length = varint(&mut bytes)?;
                    take(&mut bytes, usize::try_from(length).map_err(|_| InspectError::CutShort)?)?
                }
                _ => return Err(InspectError::Damaged(format!("a field of wire type {wire}"))),
            };
            let length = content.len() as u64;
            match kind.field(number) {
                Field::Part(part) if wire == 2 => {
                    self.spend(2 * part.size() as u64)?;
                    self.message(content, part)?;
                }
                Field::Numbers(factor) => self.spend(length.saturating_mul(factor))?,
                Field::Bytes => self.spend(length + 48)?,
                Field::Refused(what) => return Err(InspectError::Refused(what)),
                Field::Part(_) | Field::Other => {}
            }
        }
        Ok(())
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], InspectError> {
    let (content, rest) = bytes.split_at_checked(length).ok_or(InspectError::CutShort)?;
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
    Err(InspectError::Damaged("a number of more than ten bytes".into()))
}
