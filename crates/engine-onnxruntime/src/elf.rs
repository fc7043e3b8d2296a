//! What a shared library's file says of itself: whether it is one, for which processor, and whether all of it is there.
//!
//! Opening a library runs code in it, and one that is cut short ends the program with SIGBUS; so this is read first, as bytes.
//! Offsets are those of the ELF-64 header (System V ABI, "ELF Header" and "Program Header").

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// What is wrong with a file that should be a library for this machine.
#[derive(Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It does not begin as a library of 64 bits does.
    NoLibrary,
    /// It is for another processor.
    OtherMachine { found: String },
    /// It ends before its own tables say that it does.
    Truncated { bytes: u64, told: u64 },
}

/// More program headers than any library has: a damaged count is not believed.
const MOST_HEADERS: u16 = 256;

/// Reads the headers of the library at `path`.
pub fn check(path: &Path) -> io::Result<Result<(), Flaw>> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut header = [0; 64];
    let length = read_most(&mut file, &mut header)?;
    if header[..6] != *b"\x7fELF\x02\x01" {
        return Ok(Err(Flaw::NoLibrary));
    }
    if length < header.len() {
        return Ok(Err(Flaw::Truncated { bytes, told: header.len() as u64 }));
    }
    let machine = u16_at(&header, 18);
    if machine != OURS {
        return Ok(Err(Flaw::OtherMachine { found: name(machine) }));
    }
    let (first, count) = (u64_at(&header, 32), u16_at(&header, 56).min(MOST_HEADERS));
    let sections = u64::from(u16_at(&header, 58)) * u64::from(u16_at(&header, 60));
    let mut told = u64_at(&header, 40).saturating_add(sections);
    for place in 0..u64::from(count) {
        let mut program = [0; 56];
        let at = first.saturating_add(place * u64::from(u16_at(&header, 54)));
        told = told.max(at.saturating_add(program.len() as u64));
        if told > bytes {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        read_most(&mut file, &mut program)?;
        told = told.max(u64_at(&program, 8).saturating_add(u64_at(&program, 32)));
    }
    Ok(if told > bytes { Err(Flaw::Truncated { bytes, told }) } else { Ok(()) })
}

fn read_most(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < into.len() {
        match file.read(&mut into[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// The machine that this program is for.
const OURS: u16 = if cfg!(target_arch = "aarch64") { AARCH64 } else { X86_64 };

fn name(machine: u16) -> String {
    match machine {
        X86_64 => "x86_64".into(),
        AARCH64 => "aarch64".into(),
        other => format!("machine {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(bytes: &[u8]) -> Result<(), Flaw> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        std::fs::write(&path, bytes).unwrap();
        check(&path).unwrap()
    }

    #[test]
    fn a_whole_file_for_this_machine_is_told_from_cut_foreign_and_other_files() {
        // This test's own program: a real file of this machine's kind.
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(checked(&whole), Ok(()));
        for part in [100, whole.len() / 2, whole.len() - 1] {
            let bytes = part as u64;
            assert!(
                matches!(checked(&whole[..part]), Err(Flaw::Truncated { bytes: found, .. }) if found == bytes),
                "{part}"
            );
        }
        let mut foreign = whole.clone();
        foreign[18..20].copy_from_slice(&(X86_64 + AARCH64 - OURS).to_le_bytes());
        let other = if OURS == X86_64 { "aarch64" } else { "x86_64" };
        assert_eq!(checked(&foreign), Err(Flaw::OtherMachine { found: other.into() }));
        for text in [&b""[..], b"\x7fELF", b"<html>not found</html>", b"\x7fELF\x01\x01 of 32 bits"] {
            assert_eq!(checked(text), Err(Flaw::NoLibrary));
        }
    }

    #[test]
    fn no_header_makes_it_panic() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let mut bytes = whole[..4096].to_vec();
        for at in 6..64 {
            for value in [0, 1, 0x7f, 0xff] {
                let before = std::mem::replace(&mut bytes[at], value);
                let _ = checked(&bytes); // an answer, whichever
                bytes[at] = before;
            }
        }
    }
}
