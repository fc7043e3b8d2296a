//! `just deploy` and its sibling recipes, with a folder as the board: sent files, cut connections, power cuts, broken
//! builds.
//!
//! tests/board_deploy.rs repeats the essentials on a virtual board that boots.

mod common;

use common::deploy_harness::{Board, wait_for};
use common::root;

#[test]
fn redeploy_sends_only_changed_files() {
    let board = Board::new();
    let said = board.deploy().saying(&["lite0.onnx: 400000 bytes", "switched to", "is well: 7 answers by lite0@96"]);
    let first = board.release("current").unwrap();
    assert!(said.stderr.contains(&format!("release {first}")));
    assert!(board.sent("receive") > 600_000);
    let (process, release) = board.answering().unwrap();
    assert_eq!(release, first);

    board.forget_what_was_sent();
    board.deploy().saying(&["sent 0 bytes of 0 files", "runs already and is well", "nothing to do"]);
    assert_eq!((board.sent("receive"), board.sent("install")), (0, 0));
    assert!(board.sent("probe") < 50_000, "{}", board.sent("probe"));
    assert_eq!(board.answering().unwrap(), (process, first.clone()), "it was not even restarted");

    board.program("good", "second");
    let size = std::fs::metadata(board.path("phicam")).unwrap().len();
    board.deploy().saying(&[&format!("sent {size} bytes of 1 files"), &format!("phicam: {size} bytes")]);
    assert!(board.sent("receive") < size + 20_000, "{}", board.sent("receive"));
    assert_eq!(board.release("previous").unwrap(), first);
    let second = board.release("current").unwrap();
    assert_eq!(board.answering().unwrap().1, second);

    board.program("good", "third");
    board.deploy();
    let releases = std::fs::read_dir(board.on_board("opt/phicam/releases")).unwrap().count();
    assert_eq!(releases, 2, "this one and the one before");
    let objects = std::fs::read_dir(board.on_board("opt/phicam/objects")).unwrap().count();
    let files = std::fs::read_to_string(board.on_board("opt/phicam/current/MANIFEST")).unwrap().lines().count();
    assert_eq!(objects, files + 1, "all of this one, and the program before it");
}

#[test]
fn release_is_complete_and_write_protected() {
    let board = Board::new();
    let mine = board.path("mine.toml");
    std::fs::write(&mine, "summary = \"Mine\"\n").unwrap();
    board.run(&format!("deploy {}", mine.display())).with(0);
    let release = board.on_board("opt/phicam/current");
    for file in
        ["phicam", "start", "board.toml", "models/catalog.toml", "models/imagenet/lite1.onnx", "models/imagenet/NOTICE"]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(release.join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"))
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, if ["phicam", "start"].contains(&file) { 0o755 } else { 0o644 }, "{file}");
    }
    let unknown = board.run("deploy toaster").with(1);
    assert!(unknown.stderr.contains("raspberry-pi-4"), "{}", unknown.stderr);
    let named = board.run("deploy raspberry-pi-4").with(0);
    assert!(named.stderr.contains("board.toml"), "{}", named.stderr);
    let shipped = std::fs::read(root().join("board/raspberry-pi-4.toml")).unwrap();
    assert_eq!(std::fs::read(release.join("board.toml")).unwrap(), shipped);
}

#[test]
fn jetson_gets_the_gpu_install_command() {
    let board = Board::new();
    let release = |text: &str| board.write("board/etc/nv_tegra_release", text.as_bytes());
    for (text, said) in [
        ("# R36 (release), REVISION: 4.3, GCID: 1\n", &["JetPack 6.1-6.2", "pip install", "==1.23.2.12.9"][..]),
        ("# R35 (release), REVISION: 4.1, GCID: 1\n", &["JetPack 5", "==1.18.1.11.8"]),
        ("# R32 (release), REVISION: 7.1, GCID: 1\n", &["JetPack 4", "runs on its processor"]),
        ("# R38 (release), REVISION: 2.0, GCID: 1\n", &["no package of ONNX Runtime is known"]),
    ] {
        release(text);
        board.deploy().saying(said);
    }
    release("# R36 (release), REVISION: 4.3, GCID: 1\n");
    board.write("board/opt/onnxruntime/onnxruntime/capi/libonnxruntime.so.1.23.2", b"a library");
    let said = board.deploy().saying(&["ONNX Runtime: /opt/onnxruntime/onnxruntime/capi/libonnxruntime.so.1.23.2"]);
    assert!(!said.stderr.contains("pip install"), "{}", said.stderr);
}

#[test]
fn engines_are_built_before_the_switch_on_a_jetson() {
    let board = Board::new();
    let prepared = |board: &Board| board.ended(board.command("deploy").env("PHICAM_PREPARE", "yes")).with(0);
    prepared(&board).saying(&["this is no Jetson"]);
    board.write("board/etc/nv_tegra_release", b"# R36 (release), REVISION: 4.3, GCID: 1\n");
    board.program("good", "second");
    let said = prepared(&board).saying(&["TensorRT builds", "prepared by the program"]).stderr;
    let place = |part: &str| said.find(part).unwrap_or_else(|| panic!("`{part}` is missing in: {said}"));
    assert!(place("prepared by the program") < place("switched to"), "{said}");
    board.program("good", "third");
    assert!(!board.deploy().stderr.contains("TensorRT builds"), "it is not asked for");
}

#[test]
fn unrunnable_program_is_never_switched_to() {
    let board = Board::new();
    board.deploy();
    let before = board.answering();
    board.program("broken", "second");
    board.run("deploy").with(1).saying(&["`phicam --version` fails here", "symbol not found: something", "as it was"]);
    assert_eq!(board.answering(), before);
}

#[test]
fn unhealthy_release_is_rolled_back_with_the_reason() {
    let mut board = Board::new();
    board.deploy();
    let good = board.release("current").unwrap();
    board.health_s = 6;
    for (mode, why) in [
        ("unwell", &["\"no frame has been classified yet\",\"no camera\"", "    no camera at all"][..]),
        ("crashing", &["times it was well and then ended", "    out of luck"][..]),
    ] {
        board.program(mode, mode);
        board
            .run("deploy")
            .with(1)
            .saying(&["switched to", "did not get well within 6 s"])
            .saying(why)
            .saying(&[&format!("rolled back: {good} runs again and is well")]);
        assert_eq!(board.release("current").unwrap(), good);
        assert_eq!(board.release("previous"), None, "nothing that was well came before it");
        assert_eq!(board.answering().unwrap().1, good);
    }
    // The board keeps the files of the failed release, so that nothing is sent again.
    board.forget_what_was_sent();
    board.run("deploy").with(1).saying(&["sent 0 bytes of 0 files"]);
}

#[test]
fn unhealthy_first_release_is_stopped() {
    let mut board = Board::new();
    board.health_s = 4;
    board.program("unwell", "first");
    board.run("deploy").with(1).saying(&["there is no release before it to go back to: stopped"]);
    assert_eq!((board.release("current"), board.answering()), (None, None));
    board.run("status").with(3);
    board.program("good", "second");
    board.health_s = 120;
    board.deploy();
}

#[test]
fn cut_transfer_keeps_the_old_release_and_resumes() {
    let board = Board::new();
    board.program("good", "old");
    board.deploy();
    let before = board.answering();
    let noise = std::fs::read(board.path("models/imagenet/lite0.onnx")).unwrap();
    let mut sent = Vec::new();
    for tenth in 0..10u8 {
        board.program("good", &format!("new {tenth}"));
        for network in ["lite0", "lite1"] {
            let changed: Vec<u8> = noise
                .iter()
                .map(|byte| byte ^ (tenth + 1))
                .skip(network.len() + usize::from(network == "lite1"))
                .collect();
            board.write(&format!("models/imagenet/{network}.onnx"), &changed);
        }
        let mut cut = board.command("deploy");
        cut.env("CUT_BYTES", (810_000 / 10 * usize::from(tenth)).to_string());
        let said = board.ended(&mut cut).with(1);
        assert!(said.stderr.contains("did not come whole"), "{}", said.stderr);
        assert!(said.stderr.contains("connection was cut"), "{}", said.stderr);
        assert_eq!(board.answering(), before, "cut at {tenth} tenths");
        // No deploy completes, so the old release runs each time. A second deploy, cut at once, reports the bytes left
        // to send.
        let mut cut_again = board.command("deploy");
        sent.push(common::deploy_harness::to_send(&board.ended(cut_again.env("CUT_BYTES", "0")).with(1).stderr));
    }
    assert_eq!(sent.iter().max(), sent.first());
    assert!(sent[9] < sent[0] / 2 + 10_000, "one of two networks had come whole: {sent:?}");
    assert!(sent.windows(2).all(|pair| pair[1] <= pair[0]), "{sent:?}");
    board.deploy();
    assert_ne!(board.answering(), before);
}

#[test]
fn board_finishes_a_deploy_without_connection() {
    let mut board = Board::new();
    board.deploy();
    let first = board.release("current").unwrap();
    board.program("good", "second");
    let mut cut = board.command("deploy");
    board.ended(cut.env("CUT_SAYING", "switched to")).with(1).saying(&["the board goes on by itself"]);
    let second = board.release("current").unwrap();
    assert_ne!(second, first);
    wait_for("the second is confirmed", || (board.release("previous")? == first).then_some(()));
    assert_eq!(board.answering().unwrap().1, second);

    board.health_s = 6;
    board.program("unwell", "third");
    board.forget_what_was_sent();
    let mut cut = board.command("deploy");
    board.ended(cut.env("CUT_SAYING", "switched to")).with(1);
    // The next deploy waits until the board has finished this one.
    board.health_s = 120;
    board.program("good", "fourth");
    board.deploy().saying(&["is at work here (finish), waiting for its end"]);
    assert_eq!(board.release("previous").unwrap(), second, "the third was rolled back");
}

#[test]
fn power_cut_after_the_switch_is_resolved_at_boot() {
    let mut board = Board::new();
    board.deploy();
    let first = board.release("current").unwrap();
    for (mode, stays) in [("good", true), ("unwell", false)] {
        board.program(mode, mode);
        board.forget_what_was_sent();
        let before = board.release("current").unwrap();
        let mut cut = board.command("deploy");
        cut.env("PHICAM_HEALTH_S", "600").env("PHICAM_STEADY_S", "600");
        board.ended(cut.env("CUT_SAYING", "switched to")).with(1);
        board.cut_power();
        assert!(board.on_board("opt/phicam/unconfirmed").exists());
        let switched = board.release("current").unwrap();
        assert_ne!(switched, before);
        board.health_s = 6;
        board.supervise("start").with(0);
        let unconfirmed = board.on_board("opt/phicam/unconfirmed");
        wait_for("it is decided", || (!unconfirmed.exists()).then_some(()));
        let runs = if stays { &switched } else { &before };
        assert_eq!(board.release("current").as_ref(), Some(runs), "{mode}");
        wait_for("it answers", || (board.answering()?.1 == *runs).then_some(()));
        board.health_s = 120;
    }
    assert_eq!(board.release("previous").unwrap(), first);
}

#[test]
fn empty_object_after_power_cut_is_sent_again() {
    let board = Board::new();
    board.deploy();
    let network = board.on_board("opt/phicam/current/models/imagenet/lite0.onnx");
    std::fs::OpenOptions::new().write(true).open(&network).unwrap().set_len(0).unwrap();
    board.deploy().saying(&["sent 400000 bytes of 1 files"]);
    assert_eq!(std::fs::metadata(&network).unwrap().len(), 400_000);
}

#[test]
fn killed_program_restarts_and_never_runs_twice() {
    let board = Board::new();
    board.deploy();
    let id = board.release("current").unwrap();
    for _ in 0..3 {
        let (pid, _) = board.answering().unwrap();
        std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        let again = wait_for("it is started again", || board.answering().filter(|(now, _)| *now != pid));
        assert_eq!(again.1, id);
    }
    board.supervise("start").with(0);
    board.supervise("restart").with(0);
    wait_for("it runs after a restart", || board.answering());
    board.supervise("stop").with(0);
    assert_eq!(board.answering(), None);
    board.supervise("status").with(3);
}

#[test]
fn rollback_toggles_and_undeploy_keeps_state() {
    let board = Board::new();
    board.run("rollback").with(1).saying(&["there is no release before"]);
    board.deploy();
    let first = board.release("current").unwrap();
    board.program("good", "second");
    board.deploy();
    let second = board.release("current").unwrap();
    for runs in [&first, &second] {
        board.run("rollback").with(0).saying(&[&format!("{runs} is well")]);
        assert_eq!(board.answering().unwrap().1, *runs);
        let status = board.run("status").with(0).stdout;
        assert!(status.contains(&format!("current  {runs}")), "{status}");
        assert!(status.contains("\"answers\":7"), "{status}");
    }
    let log = board.run("logs").with(0).stdout;
    assert!(log.contains(&format!("starts releases/{second}")), "{log}");
    let (pid, _) = board.answering().unwrap();
    board.run("undeploy").with(0);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    let left = |folder: &str| std::fs::read_dir(board.on_board(folder)).map_or(0, |list| list.count());
    assert_eq!((left("opt"), left("etc/init.d"), left("var/log")), (0, 0, 0));
    assert!(board.on_board("var/lib/phicam").is_dir());
    board.run("undeploy --purge").with(0);
    assert!(!board.on_board("var/lib/phicam").exists());
}
