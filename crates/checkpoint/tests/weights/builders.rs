//! Builders of weights files, byte by byte, valid and hostile.

/// Returns a pickle of protocol 2.
pub fn pickle(body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"\x80\x02", body.as_ref(), b"."].concat()
}

pub fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    [b"X", &length.to_le_bytes()[..], text.as_bytes()].concat()
}

/// Returns an integer as `LONG1` with 8 bytes.
pub fn int(value: i64) -> Vec<u8> {
    [b"\x8a\x08", &value.to_le_bytes()[..]].concat()
}

pub fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", items.concat().as_slice(), b"t"].concat()
}

/// Returns a call as `REDUCE`, as Python's `__reduce__` writes it.
pub fn call(function: Vec<u8>, arguments: &[Vec<u8>]) -> Vec<u8> {
    [function, tuple(arguments), b"R".to_vec()].concat()
}

pub fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<u8> = entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [b"}(", entries.as_slice(), b"u"].concat()
}

/// Returns the persistent id of a storage; `kind` is a class such as `FloatStorage`.
pub fn storage(kind: &str, key: &str, count: i64) -> Vec<u8> {
    let parts = [text("storage"), global("torch", kind), text(key), text("cpu"), int(count)];
    [tuple(&parts), b"Q".to_vec()].concat()
}

pub fn tensor(storage: Vec<u8>, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let ints = |numbers: &[i64]| tuple(&numbers.iter().copied().map(int).collect::<Vec<_>>());
    let hooks = call(global("collections", "OrderedDict"), &[]);
    let rebuild = global("torch._utils", "_rebuild_tensor_v2");
    call(rebuild, &[storage, int(offset), ints(shape), ints(strides), b"\x89".to_vec(), hooks])
}

/// Returns the bytes of the floats 0, 1, 2 ….
pub fn floats(count: u16) -> Vec<u8> {
    (0..count).flat_map(|value| f32::from(value).to_le_bytes()).collect()
}

/// Returns a state dict with the tensor `w` of 2 × 3 in the storage `0` of 6 floats.
pub fn small() -> Vec<u8> {
    dict(&[("w", tensor(storage("FloatStorage", "0", 6), 0, &[2, 3], &[3, 1]))])
}

/// Zip entry with the fields of its headers.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub content: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub unpacked: Option<u32>,
    /// Offset in the directory; `None` for the true offset.
    pub offset: Option<u32>,
}

pub fn entry(name: &str, content: &[u8]) -> Entry {
    let (name, content) = (name.as_bytes().to_vec(), content.to_vec());
    Entry { name, content, flags: 0, method: 0, unpacked: None, offset: None }
}

pub fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for Entry { name, content, flags, method, unpacked, offset } in entries {
        let start = u32::try_from(bytes.len()).unwrap();
        let packed = u32::try_from(content.len()).unwrap();
        let sizes = [0, packed, unpacked.unwrap_or(packed)].map(u32::to_le_bytes).concat();
        let name_bytes = u16::try_from(name.len()).unwrap();
        let common_fields = [[20, *flags, *method, 0, 0].map(u16::to_le_bytes).concat(), sizes].concat();
        let lengths = [name_bytes, 0].map(u16::to_le_bytes).concat();
        bytes.extend([b"PK\x03\x04", &common_fields[..], &lengths, name, content].concat());
        let rest = [[0; 8].to_vec(), offset.unwrap_or(start).to_le_bytes().to_vec()].concat();
        let lengths = [name_bytes, 0, 0].map(u16::to_le_bytes).concat();
        let rest = [&lengths[..], &rest].concat();
        directory.extend([b"PK\x01\x02\x14\x00", &common_fields[..], &rest, name].concat());
    }
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    let sizes = [directory.len(), bytes.len()].map(|size| u32::try_from(size).unwrap().to_le_bytes()).concat();
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &sizes, b"\0\0"].concat();
    [bytes, directory, end].concat()
}

/// Returns a torch.save zip of a pickle and its storages by key.
pub fn torch_zip(pickle: &[u8], storages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let storages = storages.iter().map(|(key, content)| entry(&format!("archive/data/{key}"), content));
    zip(&[entry("archive/data.pkl", pickle)].into_iter().chain(storages).collect::<Vec<_>>())
}

/// Returns the pickles before the state dict in the legacy torch.save format.
pub fn legacy_start(little_endian: bool) -> Vec<u8> {
    let order = if little_endian { b"\x88" } else { b"\x89" };
    let info = dict(&[("protocol_version", int(1001)), ("little_endian", order.to_vec())]);
    let magic = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    [pickle(magic), pickle(b"M\xe9\x03"), pickle(info)].concat()
}

/// Returns a legacy torch.save file of a pickle and its storages: key, number of elements, bytes.
pub fn torch_legacy(state: &[u8], storages: &[(&str, u64, Vec<u8>)]) -> Vec<u8> {
    let keys: Vec<u8> = storages.iter().flat_map(|(key, ..)| text(key)).collect();
    let keys = pickle([b"](", keys.as_slice(), b"e"].concat());
    let contents = storages.iter().flat_map(|(_, count, content)| [&count.to_le_bytes()[..], content].concat());
    [legacy_start(true), state.to_vec(), keys, contents.collect()].concat()
}

pub fn safetensors(header: impl AsRef<[u8]>, data: &[u8]) -> Vec<u8> {
    let header = header.as_ref();
    [&u64::try_from(header.len()).unwrap().to_le_bytes()[..], header, data].concat()
}
