//! `just deploy` to the virtual board over real ssh: sent files, a broken build, cuts of connection and power, a full
//! disk.
//!
//! `just test-board` builds the requirements of these tests.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::board::Board;
use common::board::proxy::Proxy;
use common::deploy_harness::{self, to_send};
use common::program::Ended;
use common::root;

/// Sender of a release: small models, a stub instead of the real program, and the ssh configuration for the board.
struct Sender {
    build: deploy_harness::Board,
    config: PathBuf,
}

impl Sender {
    fn to(board: &Board, port: u16) -> Sender {
        Sender { build: deploy_harness::Board::new(), config: board.ssh_config(port) }
    }

    fn command(&self, words: &str) -> Command {
        let mut command = self.build.command(words);
        command.env("PHICAM_SSH", format!("ssh -F {}", self.config.display())).env("PHICAM_HEALTH_S", "60");
        command.env_remove("PHICAM_ROOT").env_remove("BOARD_TOOLS");
        command
    }

    /// Runs `deploy.sh` for the host `board`.
    fn run(&self, words: &str) -> Ended {
        self.with(words, &[])
    }

    fn with(&self, words: &str, variables: &[(&str, &str)]) -> Ended {
        let mut command = self.command(words);
        command.envs(variables.iter().copied()).output().unwrap().into()
    }
}

/// Returns the release that a link points to.
fn release(board: &Board, link: &str) -> String {
    board.ssh(&format!("basename $(readlink /opt/phicam/{link})")).trim().into()
}

/// Returns the process and the release that classify frames, or `None` if the process has ended.
fn answering(board: &Board) -> Option<(u32, String)> {
    let health: serde_json::Value = serde_json::from_str(&board.try_ssh("cat /run/phicam/health.json").text()).ok()?;
    let pid = health["pid"].as_u64()? as u32;
    let lives = board.try_ssh(&format!("kill -0 {pid}")).code == Some(0);
    let release = PathBuf::from(health["executable"].as_str()?).parent()?.file_name()?.to_string_lossy().into_owned();
    lives.then_some((pid, release))
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn deployed_service_survives_kills_and_power_cuts() {
    let mut board = Board::boot();
    let mut sender = Sender::to(&board, board.port());
    sender.run("deploy").with(0).saying(&["aarch64, glibc", "S90phicam", "is well: 7 answers"]);
    let first = release(&board, "current");
    let (pid, runs) = answering(&board).unwrap();
    assert_eq!(runs, first);
    let groups = board.ssh(&format!("grep -e ^Uid -e ^Groups /proc/{pid}/status"));
    assert!(groups.contains("1000\t1000"), "{groups}");
    assert!(groups.contains("44 106 110 111 112"), "{groups}");
    sender.run("deploy").with(0).saying(&["sent 0 bytes of 0 files", "nothing to do"]);
    assert_eq!(answering(&board).unwrap().0, pid, "it was restarted");
    board.ssh(&format!("kill -9 {pid}"));
    board.until("the program once more", || answering(&board).filter(|(now, _)| *now != pid));

    sender.build.program("unwell", "second");
    let size = std::fs::metadata(sender.build.path("phicam")).unwrap().len();
    sender.with("deploy", &[("PHICAM_HEALTH_S", "10")]).with(1).saying(&[
        &format!("sending {size} bytes of 1 files"),
        "no camera at all",
        &format!("rolled back: {first} runs again and is well"),
    ]);

    // The power fails directly after the switch: the board itself rolls back at its next boot.
    let mut deploy = sender.command("deploy");
    let mut deploy = deploy.env("PHICAM_HEALTH_S", "600").spawn().unwrap();
    board.until("switch", || (release(&board, "current") != first).then_some(()));
    board.cut_power();
    deploy.wait().unwrap();
    sender.config = board.ssh_config(board.port());
    board.until("decision", || (board.try_ssh("ls /opt/phicam/unconfirmed").code != Some(0)).then_some(()));
    assert_eq!(release(&board, "current"), first);
    board.until("the first release", || answering(&board).filter(|(_, runs)| *runs == first));

    sender.run("undeploy").with(0);
    assert_eq!(board.ssh("ls /opt /etc/init.d").replace("/opt:", "").replace("/etc/init.d:", "").trim(), "");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn faults_cut_transfer_keeps_the_old_release() {
    let board = Board::boot();
    let proxy = Proxy::to(board.port());
    let sender = Sender::to(&board, proxy.port());
    let before_first = proxy.passed();
    sender.run("deploy").with(0);
    let all = proxy.passed() - before_first;
    let old = answering(&board).unwrap();
    for tenth in 0..10u8 {
        sender.build.program("good", &format!("new {tenth}"));
        for (network, size) in [("lite0", 400_000), ("lite1", 200_000)] {
            let noise: Vec<u8> =
                (0..size as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 20) as u8 ^ tenth).collect();
            sender.build.write(&format!("models/imagenet/{network}.onnx"), &noise);
        }
        proxy.cut_after(all / 10 * u64::from(tenth));
        sender.run("deploy").with(1);
        assert!(proxy.is_cut(), "at {tenth} tenths the deploy ended before the cut");
        proxy.mend();
        assert_eq!(answering(&board).unwrap(), old, "cut at {tenth} tenths");
    }
    let said = sender.run("deploy").with(0).stderr;
    assert!(to_send(&said) < 450_000, "what had come whole was sent again: {said}");
    assert_ne!(answering(&board).unwrap().1, old.1);
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn faults_full_disk_is_reported_before_sending() {
    let board = Board::boot();
    let sender = Sender::to(&board, board.port());
    sender.run("deploy").with(0);
    let old = answering(&board).unwrap();
    sender.build.write("models/imagenet/lite0.onnx", &vec![3; 3_000_000]);
    board.fill_disk(2000);
    sender.run("deploy").with(1).saying(&["disk full", "KiB are needed", "What runs is as it was"]);
    assert_eq!(answering(&board).unwrap(), old);
    board.free_disk();
    sender.run("deploy").with(0);
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn real_program_is_deployed_and_healthy() {
    let board = Board::boot();
    let sender = Sender::to(&board, board.port());
    let built = root().join("target/aarch64-unknown-linux-gnu/dist/phicam");
    let program = std::env::var_os("PHICAM_ARM").map_or(built, PathBuf::from);
    let file = "summary = \"Virtual\"\n[budget]\nframe_ms = 60000\nmillion_macs = 80\n[camera]\nkind = \"pattern\"\nwidth = 320\nheight = 240\nfps = 2\n[[display]]\nkind = \"none\"\n";
    sender.build.write("virtual.toml", file.as_bytes());
    let mut deploy = sender.command(&format!("deploy {}", sender.build.path("virtual.toml").display()));
    deploy.env("PHICAM_PROGRAM", program).env("PHICAM_MODELS", root().join("models")).env("PHICAM_HEALTH_S", "300");
    let said: Ended = deploy.output().unwrap().into();
    said.with(0).saying(&["answers by lite0@96"]);
}
