//! Checks the ELF headers of a shared library: file type, processor and length.
//!
//! Loading a library runs its code, and a truncated one ends the program with SIGBUS. So the file is read as bytes
//! first. Offsets are those of the ELF-64 header (System V ABI, "ELF Header" and "Program Header").

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// A defect of a file that should be a library for this machine.
#[derive(Debug, PartialEq, Eq)]
pub enum ElfDefect {
    /// No header of a little-endian ELF-64 file.
    NotSharedLibrary,
    /// Built for another processor.
    WrongArchitecture { found: String },
    /// Shorter than its headers state.
    Truncated { bytes: u64, expected: u64 },
}

/// Upper limit on program headers, against damaged counts: an estimate, libraries have about ten.
const MAX_PROGRAM_HEADERS: u16 = 256;

/// Checks the headers of the library at `path`; the outer error is a failed read.
pub fn check(path: &Path) -> io::Result<Result<(), ElfDefect>> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut header = [0; 64];
    let length = read_up_to(&mut file, &mut header)?;
    if header[..6] != *b"\x7fELF\x02\x01" {
        return Ok(Err(ElfDefect::NotSharedLibrary));
    }
    if length < header.len() {
        return Ok(Err(ElfDefect::Truncated { bytes, expected: header.len() as u64 }));
    }
    let machine = u16_at(&header, 18);
    if machine != HOST_MACHINE {
        return Ok(Err(ElfDefect::WrongArchitecture { found: machine_name(machine) }));
    }
    // e_phoff, e_phentsize and e_phnum; e_shoff, e_shentsize and e_shnum.
    let first = u64_at(&header, 32);
    let entry_bytes = u64::from(u16_at(&header, 54));
    let count = u16_at(&header, 56).min(MAX_PROGRAM_HEADERS);
    let section_bytes = u64::from(u16_at(&header, 58)) * u64::from(u16_at(&header, 60));
    let mut expected = u64_at(&header, 40).saturating_add(section_bytes);
    for index in 0..u64::from(count) {
        let mut program_header = [0; 56];
        let offset = first.saturating_add(index * entry_bytes);
        expected = expected.max(offset.saturating_add(program_header.len() as u64));
        if expected > bytes {
            break;
        }
        file.seek(SeekFrom::Start(offset))?;
        read_up_to(&mut file, &mut program_header)?;
        // p_offset and p_filesz.
        expected = expected.max(u64_at(&program_header, 8).saturating_add(u64_at(&program_header, 32)));
    }
    Ok(if expected > bytes { Err(ElfDefect::Truncated { bytes, expected }) } else { Ok(()) })
}

/// Fills `buffer` as far as the file reaches; returns the number of bytes read.
fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(value)
}

/// Values of `e_machine`: EM_X86_64 and EM_AARCH64 of the System V ABI.
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// `e_machine` of this program.
const HOST_MACHINE: u16 = if cfg!(target_arch = "aarch64") { AARCH64 } else { X86_64 };

fn machine_name(machine: u16) -> String {
    match machine {
        X86_64 => "x86_64".into(),
        AARCH64 => "aarch64".into(),
        other => format!("machine {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bytes(bytes: &[u8]) -> Result<(), ElfDefect> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        std::fs::write(&path, bytes).unwrap();
        check(&path).unwrap()
    }

    #[test]
    fn truncated_foreign_and_other_files_are_refused() {
        // The test program itself is a complete ELF file for this machine.
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(check_bytes(&whole), Ok(()));
        for length in [100, whole.len() / 2, whole.len() - 1] {
            let result = check_bytes(&whole[..length]);
            assert!(
                matches!(result, Err(ElfDefect::Truncated { bytes, .. }) if bytes == length as u64),
                "{length}: {result:?}"
            );
        }
        let mut foreign = whole.clone();
        foreign[18..20].copy_from_slice(&(X86_64 + AARCH64 - HOST_MACHINE).to_le_bytes());
        let other = if HOST_MACHINE == X86_64 { "aarch64" } else { "x86_64" };
        assert_eq!(check_bytes(&foreign), Err(ElfDefect::WrongArchitecture { found: other.into() }));
        for text in [&b""[..], b"\x7fELF", b"<html>not found</html>", b"\x7fELF\x01\x01 with 32 bits"] {
            assert_eq!(check_bytes(text), Err(ElfDefect::NotSharedLibrary));
        }
    }

    #[test]
    fn damaged_headers_do_not_panic() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let mut bytes = whole[..4096].to_vec();
        for offset in 6..64 {
            for value in [0, 1, 0x7f, 0xff] {
                let original = std::mem::replace(&mut bytes[offset], value);
                let _ = check_bytes(&bytes); // any result will do
                bytes[offset] = original;
            }
        }
    }
}
