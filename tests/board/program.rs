//! The program for 64-bit ARM on the virtual board.

use std::path::PathBuf;

use super::common::board::Board;
use super::common::{root, sample};

/// Returns the program that `just build aarch64` builds, or the one that PHICAM_ARM names.
pub fn program() -> PathBuf {
    let built = root().join("target/aarch64-unknown-linux-gnu/dist/phicam");
    std::env::var_os("PHICAM_ARM").map_or(built, PathBuf::from)
}

/// Installs the program and its smallest model in /opt/phicam.
pub fn install(board: &Board) {
    board.send(&program(), "/opt/phicam/phicam");
    for file in ["catalog.toml", "imagenet/labels.txt", "imagenet/lite0.onnx"] {
        board.send(&root().join("models").join(file), &format!("/opt/phicam/models/{file}"));
    }
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn program_classifies_on_the_board() {
    let board = Board::boot();
    install(&board);
    board.send(&sample("dog.jpg"), "/tmp/dog.jpg");
    let classify = "cd /tmp && PHICAM_STATE=/tmp/state /opt/phicam/phicam classify --model lite0@96 --json dog.jpg";
    let said = board.ssh(&format!("su phicam -c '{classify}'"));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["predictions"][0]["label"], "German shepherd", "{said}");
}
