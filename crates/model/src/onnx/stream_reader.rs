//! Reads an ONNX model, its constants' bytes straight to where they stay: in the whole file's bytes they would be there twice.
//!
//! Field numbers are those of onnx.proto (<https://github.com/onnx/onnx>); what is not told apart here is prost's to decode.

use std::io::{self, Read};

use prost::Message;
use prost::encoding::{WireType, decode_varint, encode_varint};
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto};

/// ModelProto.graph, GraphProto.initializer, TensorProto.raw_data.
const GRAPH: u64 = 7;
const INITIALIZER: u64 = 5;
const RAW_DATA: u64 = 9;
/// A constant of fewer bytes is left to prost.
const SMALL: u64 = 1024;

/// Decodes a model of at most `length` bytes.
pub fn decode(from: &mut dyn Read, length: u64) -> io::Result<ModelProto> {
    let mut parts = Parts { from, left: length };
    let (mut model, mut graph) = (Vec::new(), None);
    while let Some(field) = parts.next()? {
        match field.length {
            Some(_) if field.number == GRAPH && graph.is_some() => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its graph comes in several parts"));
            }
            Some(length) if field.number == GRAPH => {
                graph = Some(parts.within(length, decode_graph)?);
            }
            _ => parts.copy(&field, &mut model)?,
        }
    }
    let mut model = ModelProto::decode(&*model)?;
    if let Some(graph) = graph {
        model.graph = Some(graph);
    }
    Ok(model)
}

fn decode_graph(parts: &mut Parts) -> io::Result<GraphProto> {
    let (mut graph, mut large) = (Vec::new(), Vec::new());
    while let Some(field) = parts.next()? {
        match field.length {
            Some(length) if field.number == INITIALIZER && length > SMALL => {
                large.push(parts.within(length, decode_tensor)?);
            }
            _ => parts.copy(&field, &mut graph)?,
        }
    }
    let mut graph = GraphProto::decode(&*graph)?;
    graph.initializer.extend(large);
    Ok(graph)
}

fn decode_tensor(parts: &mut Parts) -> io::Result<TensorProto> {
    let (mut tensor, mut raw_data) = (Vec::new(), None);
    while let Some(field) = parts.next()? {
        match field.length {
            Some(length) if field.number == RAW_DATA => {
                let mut bytes = Vec::new();
                parts.append(length, &mut bytes)?;
                raw_data = Some(bytes);
            }
            _ => parts.copy(&field, &mut tensor)?,
        }
    }
    let mut tensor = TensorProto::decode(&*tensor)?;
    if let Some(raw_data) = raw_data {
        tensor.raw_data = raw_data;
    }
    Ok(tensor)
}

/// The fields of a message, one after another.
struct Parts<'a> {
    from: &'a mut dyn Read,
    /// Bytes up to the message's end.
    left: u64,
}

struct Field {
    key: u64,
    number: u64,
    /// Bytes of what follows, where that is told.
    length: Option<u64>,
}

impl Parts<'_> {
    /// The next field, up to where its content begins.
    fn next(&mut self) -> io::Result<Option<Field>> {
        if self.left == 0 {
            return Ok(None);
        }
        let key = self.varint()?;
        let wire_type = WireType::try_from(key & 7)?;
        let length = if wire_type == WireType::LengthDelimited { Some(self.varint()?) } else { None };
        if length.is_some_and(|length| length > self.left) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a part ends behind the file's end"));
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

    /// What `decode` makes of the next `length` bytes.
    fn within<T>(&mut self, length: u64, decode: impl FnOnce(&mut Parts) -> io::Result<T>) -> io::Result<T> {
        self.left -= length;
        decode(&mut Parts { from: self.from, left: length })
    }

    /// Appends the field as it is to `bytes`.
    fn copy(&mut self, field: &Field, bytes: &mut Vec<u8>) -> io::Result<()> {
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
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "groups, which no ONNX file has")),
        }
    }

    /// Appends the next `length` bytes.
    fn append(&mut self, length: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.left = self.left.checked_sub(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        let (start, count) = (bytes.len(), usize::try_from(length).map_err(io::Error::other)?);
        if start == 0 {
            *bytes = vec![0; count]; // fresh memory is zero already
        } else {
            bytes.resize(start + count, 0);
        }
        self.from.read_exact(&mut bytes[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::efficientnet::{Family, Form, Network, Padding, Storage, write_seeded};

    fn onnx() -> Vec<u8> {
        let (mut bytes, storage) = (Vec::new(), Storage::Half);
        let form = Form { side: 64, padding: Padding::Same, storage };
        write_seeded(&Network::new(Family::B, 0.5, 0.5), form, 7, &mut bytes).unwrap();
        bytes
    }

    fn sorted(mut model: ModelProto) -> ModelProto {
        let graph = model.graph.as_mut().unwrap();
        graph.initializer.sort_by(|a, b| a.name.cmp(&b.name));
        model
    }

    #[test]
    fn a_model_is_what_prost_makes_of_it() {
        let bytes = onnx();
        let found = decode(&mut &bytes[..], bytes.len() as u64).unwrap();
        assert!(found.graph.as_ref().unwrap().initializer.iter().any(|tensor| tensor.raw_data.len() > 1000));
        assert_eq!(sorted(found), sorted(ModelProto::decode(&bytes[..]).unwrap()));
        // Numbers of every kind, in any order: as prost writes them again.
        let again = ModelProto::decode(&bytes[..]).unwrap().encode_to_vec();
        assert_eq!(
            sorted(decode(&mut &again[..], again.len() as u64).unwrap()),
            sorted(ModelProto::decode(&again[..]).unwrap())
        );
    }

    #[test]
    fn a_graph_in_two_parts_is_an_error_since_one_of_them_would_run_unseen() {
        let (mut bytes, model) = (onnx(), ModelProto::decode(&onnx()[..]).unwrap());
        ModelProto { graph: model.graph, ..ModelProto::default() }.encode(&mut bytes).unwrap();
        let error = decode(&mut &bytes[..], bytes.len() as u64).unwrap_err().to_string();
        assert_eq!(error, "its graph comes in several parts");
    }

    #[test]
    fn a_model_that_ends_early_or_is_no_model_is_an_error() {
        let bytes = onnx();
        for end in (1..bytes.len()).step_by(997) {
            assert!(decode(&mut &bytes[..end], bytes.len() as u64).is_err(), "{end} bytes of {}", bytes.len());
        }
        for other in [&[0xff; 40][..], b"no network", &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]] {
            assert!(decode(&mut &other[..], other.len() as u64).is_err(), "{other:?}");
        }
    }

    #[test]
    fn damage_never_ends_the_program() {
        let bytes = onnx();
        let mut state = 0x5eed_1234_abcd_0001u64;
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let place = (state >> 20) as usize % damaged.len().min(4000);
                damaged[place] = state as u8;
            }
            let _ = decode(&mut &damaged[..], damaged.len() as u64);
        }
    }
}
