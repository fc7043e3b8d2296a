//! `phicam scale --plot`: the figure contains every network, variant and cached latency.
#![cfg(feature = "plots")]

mod common;

use common::program::{Ended, Program};
use phicam_model::efficientnet::RELEASED;

/// Runs the program with the shipped models, independently of its build folder.
fn run(program: &Program, arguments: &str) -> Ended {
    let mut command = program.command(arguments.split_whitespace());
    command.env("PHICAM_MODELS", common::root().join("models")).output().unwrap().into()
}

/// Returns the contents of the `<text …>` elements.
fn texts(svg: &str) -> Vec<String> {
    let inside = svg.split("<text ").skip(1).map(|part| part.split_once('>').unwrap().1);
    inside.map(|part| part.split("</text>").next().unwrap().trim().to_string()).collect()
}

/// Panics if a tag is not closed, or if a closing tag belongs to another tag.
fn assert_nested(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("a tag has no end: {tag}"));
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn svg_names_released_networks_and_variants() {
    let program = Program::new();
    let ended = run(&program, "scale --plot a.svg").with(0);
    assert!(ended.stdout.contains("with 11 variants"), "{ended:?}");
    assert!(ended.stdout.contains("no latencies are stored"), "{ended:?}");
    let svg = std::fs::read_to_string(program.path("a.svg")).unwrap();
    assert!(svg.starts_with("<svg width=\"1600\" height=\"1000\""), "{}", &svg[..80]);
    assert_nested(&svg);
    let texts = texts(&svg);
    let count = |text: &str| texts.iter().filter(|found| *found == text).count();
    for released in RELEASED {
        let name = released.name.replacen('b', "B", 1).replacen('l', "L", 1);
        assert_eq!(count(&name), 2, "{name} in both panels: {texts:?}");
    }
    for variant in common::catalog().variants {
        let released = ["lite0@224", "lite1@240", "lite2@260"].contains(&variant.name.as_str());
        assert_eq!(count(&variant.name), usize::from(!released), "{}", variant.name);
    }
    for unit in
        ["ImageNet top-1 accuracy (%)", "multiply-accumulates (MACs) of one inference", "compound coefficient φ"]
    {
        assert_eq!(count(unit), 1, "{texts:?}");
    }
    assert!(!texts.iter().any(|text| text.contains("latency")), "nothing was measured: {texts:?}");
}

#[test]
fn cached_latencies_get_a_panel() {
    let program = Program::new();
    run(&program, "pick --model lite0@96 --frame-ms 60000").with(0);
    let ended = run(&program, "scale --plot a.svg --json").with(0);
    assert_eq!((&ended.json()[0]["measured"], &ended.json()[0]["variants"]), (&1.into(), &11.into()));
    let texts = texts(&std::fs::read_to_string(program.path("a.svg")).unwrap());
    assert!(texts.iter().any(|text| text.starts_with("median latency in ms")), "{texts:?}");
    let store = std::fs::read(program.path("state/measurements.json")).unwrap();
    let store: serde_json::Value = serde_json::from_slice(&store).unwrap();
    let measured = store.as_object().unwrap().values().next().unwrap()["total_ms"]["p50"].as_f64().unwrap();
    assert!(texts.contains(&format!("{measured:.0}")), "{measured}: {texts:?}");
}

#[test]
fn png_has_every_series_in_its_colour() {
    let program = Program::new();
    run(&program, "scale --plot a.png").with(0);
    let (size, pixels) = common::png(&program.path("a.png"));
    assert_eq!((size.width, size.height), (1600, 1000));
    let count = |colour: [u8; 3]| pixels.chunks_exact(3).filter(|pixel| *pixel == colour).count();
    for (name, colour, marks) in [("B", [0, 114, 178], 16), ("Lite", [213, 94, 0], 10), ("variants", [0, 158, 115], 14)]
    {
        assert!(count(colour) > marks * 60, "{name}: {} pixels", count(colour));
    }
    let white = count([255; 3]);
    assert!((1_300_000..1_590_000).contains(&white), "{white} white pixels");
}

#[test]
fn plot_works_without_a_catalog() {
    let program = Program::new();
    let ended = program.run("scale --plot a.svg --models nowhere").with(0);
    let ended = ended.saying(&["the figure omits the shipped variants", "nowhere"]);
    assert!(ended.stdout.contains("with 0 variants"), "{ended:?}");
    let texts = texts(&std::fs::read_to_string(program.path("a.svg")).unwrap());
    assert!(texts.iter().any(|text| text == "B7"), "{texts:?}");
    assert!(!texts.iter().any(|text| text.contains('@')), "{texts:?}");
}

#[test]
fn unwritable_plot_is_named() {
    Program::new().run("scale --plot gone/a.png").with(1).saying(&["gone/a.png cannot be written", "No such file"]);
}
