//! Streaming reader of ONNX models: weights go directly into their final buffers, so that they are in memory only once.
//!
//! Field numbers are those of onnx.proto (<https://github.com/onnx/onnx>). prost decodes all other fields.

use std::io::{self, Read};

use prost::Message;
use prost::encoding::{WireType, decode_varint, encode_varint};
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto};

/// Field number of `ModelProto.graph`.
const GRAPH: u64 = 7;
/// Field number of `GraphProto.initializer`.
const INITIALIZER: u64 = 5;
/// Field number of `TensorProto.raw_data`.
const RAW_DATA: u64 = 9;
/// Maximum size in bytes of an initializer that prost decodes (estimate: copying it costs no more than a buffer).
const MAX_COPIED_BYTES: u64 = 1024;

/// Decodes a model of `length` bytes.
///
/// Returns an error if it is damaged or the model has more than one graph field; export it again, of which one could
/// run unchecked.
pub fn decode(from: &mut dyn Read, length: u64) -> io::Result<ModelProto> {
    let mut reader = MessageReader { from, left: length };
    let (mut model, mut graph) = (Vec::new(), None);
    while let Some(field) = reader.next_field()? {
        match field.length {
            Some(_) if field.number == GRAPH && graph.is_some() => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the model has more than one graph field; export it again",
                ));
            }
            Some(length) if field.number == GRAPH => {
                graph = Some(reader.read_message(length, decode_graph)?);
            }
            _ => reader.copy_field(&field, &mut model)?,
        }
    }
    let mut model = ModelProto::decode(&*model)?;
    if let Some(graph) = graph {
        model.graph = Some(graph);
    }
    Ok(model)
}

fn decode_graph(reader: &mut MessageReader) -> io::Result<GraphProto> {
    let (mut graph, mut large) = (Vec::new(), Vec::new());
    while let Some(field) = reader.next_field()? {
        match field.length {
            Some(length) if field.number == INITIALIZER && length > MAX_COPIED_BYTES => {
                large.push(reader.read_message(length, decode_tensor)?);
            }
            _ => reader.copy_field(&field, &mut graph)?,
        }
    }
    let mut graph = GraphProto::decode(&*graph)?;
    graph.initializer.extend(large);
    Ok(graph)
}

fn decode_tensor(reader: &mut MessageReader) -> io::Result<TensorProto> {
    let (mut tensor, mut raw_data) = (Vec::new(), None);
    while let Some(field) = reader.next_field()? {
        match field.length {
            Some(length) if field.number == RAW_DATA => {
                let mut bytes = Vec::new();
                reader.append(length, &mut bytes)?;
                raw_data = Some(bytes);
            }
            _ => reader.copy_field(&field, &mut tensor)?,
        }
    }
    let mut tensor = TensorProto::decode(&*tensor)?;
    if let Some(raw_data) = raw_data {
        tensor.raw_data = raw_data;
    }
    Ok(tensor)
}

/// Reader of the fields of one message.
struct MessageReader<'a> {
    from: &'a mut dyn Read,
    /// Bytes until the end of the message.
    left: u64,
}

struct Field {
    key: u64,
    number: u64,
    /// Size of the content in bytes, if the field is length-delimited.
    length: Option<u64>,
}

impl MessageReader<'_> {
    /// Reads the key of the next field, and its length if it has one.
    fn next_field(&mut self) -> io::Result<Option<Field>> {
        if self.left == 0 {
            return Ok(None);
        }
        let key = self.varint()?;
        let wire_type = WireType::try_from(key & 7)?;
        let length = if wire_type == WireType::LengthDelimited { Some(self.varint()?) } else { None };
        if length.is_some_and(|length| length > self.left) {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a field exceeds the file: it is truncated, copy it again",
            ));
        }
        Ok(Some(Field { key, number: key >> 3, length }))
    }

    fn varint(&mut self) -> io::Result<u64> {
        let (mut bytes, mut count) = ([0; 10], 0);
        loop {
            let byte = bytes.get_mut(count..=count).ok_or(io::ErrorKind::InvalidData)?;
            self.left = self.left.checked_sub(1).ok_or(io::ErrorKind::UnexpectedEof)?;
            self.from.read_exact(byte)?;
            count += 1;
            if bytes[count - 1] & 0x80 == 0 {
                return Ok(decode_varint(&mut &bytes[..count])?);
            }
        }
    }

    /// Decodes the next `length` bytes as a nested message.
    fn read_message<T>(
        &mut self,
        length: u64,
        decode: impl FnOnce(&mut MessageReader) -> io::Result<T>,
    ) -> io::Result<T> {
        self.left -= length;
        decode(&mut MessageReader { from: self.from, left: length })
    }

    /// Appends the field unchanged to `bytes`.
    fn copy_field(&mut self, field: &Field, bytes: &mut Vec<u8>) -> io::Result<()> {
        encode_varint(field.key, bytes);
        match (field.length, field.key & 7) {
            (Some(length), _) => {
                encode_varint(length, bytes);
                self.append(length, bytes)
            }
            (None, 0) => {
                encode_varint(self.varint()?, bytes);
                Ok(())
            }
            (None, 1) => self.append(8, bytes),
            (None, 5) => self.append(4, bytes),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it has groups, a field type that ONNX does not use")),
        }
    }

    /// Appends the next `length` bytes to `bytes`.
    fn append(&mut self, length: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.left = self.left.checked_sub(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        let (start, count) = (bytes.len(), usize::try_from(length).map_err(io::Error::other)?);
        if start == 0 {
            *bytes = vec![0; count]; // zero pages of the kernel, which cost no write
        } else {
            bytes.resize(start + count, 0);
        }
        self.from.read_exact(&mut bytes[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::efficientnet::{ExportOptions, Family, Network, Padding, Storage, write_seeded};

    fn onnx() -> Vec<u8> {
        let (mut bytes, storage) = (Vec::new(), Storage::Half);
        let options = ExportOptions { side: 64, padding: Padding::Same, storage };
        write_seeded(&Network::new(Family::B, 0.5, 0.5), options, 7, &mut bytes).unwrap();
        bytes
    }

    fn sorted(mut model: ModelProto) -> ModelProto {
        let graph = model.graph.as_mut().unwrap();
        graph.initializer.sort_by(|a, b| a.name.cmp(&b.name));
        model
    }

    #[test]
    fn streamed_model_equals_prost() {
        let bytes = onnx();
        let model = decode(&mut &bytes[..], bytes.len() as u64).unwrap();
        assert!(model.graph.as_ref().unwrap().initializer.iter().any(|tensor| tensor.raw_data.len() > 1000));
        assert_eq!(sorted(model), sorted(ModelProto::decode(&bytes[..]).unwrap()));
        // As prost encodes it: fields in another order.
        let encoded = ModelProto::decode(&bytes[..]).unwrap().encode_to_vec();
        assert_eq!(
            sorted(decode(&mut &encoded[..], encoded.len() as u64).unwrap()),
            sorted(ModelProto::decode(&encoded[..]).unwrap())
        );
    }

    #[test]
    fn second_graph_field_is_refused() {
        let (mut bytes, model) = (onnx(), ModelProto::decode(&onnx()[..]).unwrap());
        ModelProto { graph: model.graph, ..ModelProto::default() }.encode(&mut bytes).unwrap();
        let error = decode(&mut &bytes[..], bytes.len() as u64).unwrap_err().to_string();
        assert_eq!(error, "the model has more than one graph field; export it again");
    }

    #[test]
    fn truncated_or_foreign_file_is_refused() {
        let bytes = onnx();
        for end in (1..bytes.len()).step_by(997) {
            assert!(decode(&mut &bytes[..end], bytes.len() as u64).is_err(), "{end} bytes of {}", bytes.len());
        }
        for foreign in [&[0xff; 40][..], b"no network", &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]] {
            assert!(decode(&mut &foreign[..], foreign.len() as u64).is_err(), "{foreign:?}");
        }
    }

    #[test]
    fn corruption_never_panics() {
        let bytes = onnx();
        let mut state = 0x5eed_1234_abcd_0001u64;
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let index = (state >> 20) as usize % damaged.len().min(4000);
                damaged[index] = state as u8;
            }
            let _ = decode(&mut &damaged[..], damaged.len() as u64);
        }
    }
}
