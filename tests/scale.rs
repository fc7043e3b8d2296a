//! `phicam scale` as a user types it: its figures equal those of the layers and of the EfficientNet paper.

mod common;

use common::program::{Program, names};
use phicam_engine::Engine;
use phicam_engine_cpu::Tract;
use phicam_model::catalog::Layout;
use phicam_model::efficientnet::compound_scaling::objective;
use phicam_model::efficientnet::{Family, Network, RELEASED};
use serde_json::Value;

/// Returns the object that the program prints with `--json`.
#[track_caller]
fn json(program: &Program, arguments: &str) -> Value {
    let mut objects = program.run(&format!("scale {arguments} --json")).with(0).json();
    assert_eq!(objects.len(), 1, "one object: {objects:?}");
    objects.remove(0)
}

/// Returns field `name` of each object in the array `list`.
fn column(object: &Value, list: &str, name: &str) -> Vec<f64> {
    let objects = object[list].as_array().unwrap_or_else(|| panic!("{list} is no list: {object}"));
    objects.iter().map(|object| object[name].as_f64().unwrap_or_else(|| panic!("{name}: {object}"))).collect()
}

fn macs(width: f64, depth: f64, side: u32) -> f64 {
    Network::new(Family::B, width, depth).cost(side).million_macs()
}

#[test]
fn released_networks_match_published_figures() {
    let program = Program::new();
    let table = program.run("scale").with(0).stdout;
    let row = |name: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("{name}: {table}")).split_whitespace().map(String::from).collect()
    };
    let b4 = "b4 3.55 1.8 1.4 380 19.34 19.0 +1.8 4.394 G 4.2 G +4.6 49.49 82.9";
    assert_eq!(row("b4").join(" "), b4);
    let lite0 = "lite0 0.00 1.0 1.0 224 4.65 4.7 -1.0 385.2 M 407 M -5.4 6.74 75.1";
    assert_eq!(row("lite0").join(" "), lite0);
    assert!(table.contains("b4, b5 and b7: the layers need 4.394, 10.266 and 37.746 G"), "{table}");
    assert!(table.contains("α·β²·γ² = 1.920"), "{table}");

    let object = json(&program, "");
    assert!((object["coefficients"]["work_per_step"].as_f64().unwrap() - 1.9203).abs() < 1e-4, "{object}");
    let phis = column(&object, "networks", "phi");
    assert_eq!(phis.len(), RELEASED.len());
    for (found, expected) in phis.iter().zip([0.0, 0.36, 1.03, 1.97, 3.55, 4.83, 5.90, 6.88]) {
        assert!((found - expected).abs() < 0.01, "{phis:?}");
    }
    assert!((column(&object, "networks", "million_activations")[7] - 289.94).abs() < 0.006);
}

#[test]
fn layers_add_up_to_the_network() {
    let program = Program::new();
    let b3 = json(&program, "b3");
    assert_eq!((b3["name"].as_str(), b3["side"].as_u64(), b3["asked_phi"].is_null()), (Some("b3"), Some(300), true));
    for (field, in_all) in [("macs", "million_macs"), ("parameters", "million_parameters")] {
        let in_all = b3[in_all].as_f64().unwrap() * 1e6;
        for list in ["stages", "layers"] {
            let sum: f64 = column(&b3, list, field).iter().sum();
            assert!((sum - in_all).abs() < 1.0, "{field} of {list}: {sum}, {in_all}");
        }
    }
    assert!((b3["million_parameters"].as_f64().unwrap() - 12.233_232).abs() < 1e-9);
    assert_eq!(column(&b3, "stages", "layers"), [1.0, 2.0, 3.0, 3.0, 5.0, 5.0, 6.0, 2.0, 1.0]);
    assert_eq!(column(&b3, "stages", "channels"), [40.0, 24.0, 32.0, 48.0, 96.0, 136.0, 232.0, 384.0, 1536.0]);

    let text = program.run("scale b0").with(0).stdout;
    let line = |name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
        line.unwrap_or_else(|| panic!("{name}: {text}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(text.starts_with("b0 (family b): depth 1.000, width 1.000, side 224, φ 0.00\n"), "{text}");
    assert!(text.contains("5.29 M parameters, 385.8 M MACs, 6.75 M activations"), "{text}");
    assert_eq!(line("stem"), "1 stem 3×3 2 3 → 32 112 × 112 10.838 928 401408");
    assert_eq!(line("block1_depthwise"), "3 block1_depthwise 3×3 2 96 → 96 56 × 56 2.710 1056 301056");
    let lines = text.lines().filter(|line| line.contains("block")).count();
    assert_eq!(lines, 16 * 5 - 1, "the first block does not expand");
}

#[test]
fn phi_side_and_classes_are_free() {
    let program = Program::new();
    let small = json(&program, "-1 --family lite");
    assert_eq!((small["side"].as_u64(), small["family"].as_str()), (Some(192), Some("lite")));
    assert!((small["depth"].as_f64().unwrap() - 1.0 / 1.2).abs() < 1e-12, "{small}");
    let other = json(&program, "-2.5 --side 160 --classes 10");
    assert_eq!(
        (other["side"].as_u64(), other["classes"].as_u64(), other["asked_phi"].as_f64()),
        (Some(160), Some(10), Some(-2.5))
    );
    let (mut network, _) = Network::at_phi(Family::B, -2.5);
    network.classes = 10;
    assert_eq!(other["million_macs"].as_f64(), Some(network.cost(160).million_macs()));
}

#[test]
fn largest_phi_within_a_macs_limit_is_tight() {
    let program = Program::new();
    for family in ["b", "lite"] {
        let found = json(&program, &format!("--flops 800M --family {family}"));
        let phi = found["asked_phi"].as_f64().unwrap();
        assert!(found["million_macs"].as_f64().unwrap() <= 800.0, "{found}");
        let next = json(&program, &format!("{:.3} --family {family}", phi + 0.001));
        assert!(next["million_macs"].as_f64().unwrap() > 800.0, "{next}");
    }
    let smallest = json(&program, "-8")["million_macs"].as_f64().unwrap();
    let ended = program.run("scale --flops 1M").with(3);
    ended.saying(&["family b", "1.0 M MACs", "φ -8 at 72 pixels", &format!("{smallest:.1} M")]);
}

#[test]
fn comparison_reproduces_table_7() {
    let program = Program::new();
    let paper = json(&program, "--compare");
    assert_eq!(column(&paper, "cases", "top1_percent"), [77.3, 79.0, 78.9, 79.1, 81.1]);
    let expected =
        [macs(1.0, 1.0, 224), macs(1.0, 4.0, 224), macs(2.0, 1.0, 224), macs(1.0, 1.0, 448), macs(1.2, 1.4, 300)];
    assert_eq!(column(&paper, "cases", "million_macs"), expected);
    assert!(paper["timed"].is_null(), "{paper}");
    assert!(paper["cases"][0]["infer_ms"].is_null(), "{paper}");
    let text = program.run("scale --compare").with(0).stdout;
    assert!(text.lines().any(|line| line.starts_with("compound") && line.ends_with(" 81.1")), "{text}");
}

#[test]
fn single_dimensions_approach_the_macs_from_below() {
    let program = Program::new();
    let limit = 1800.0;
    let found = json(&program, "--compare --flops 1.8G");
    let works = column(&found, "cases", "million_macs");
    assert!(works.iter().all(|work| *work <= limit), "{found}");
    assert!(found["cases"][4]["top1_percent"].is_null(), "{found}");
    let [depth, width] = [("depth", 1), ("width", 2)].map(|(name, at)| found["cases"][at][name].as_f64().unwrap());
    assert!(macs(1.0, depth + 0.01, 224) > limit, "depth {depth}");
    assert!(macs(width + 0.01, 1.0, 224) > limit, "width {width}");
    assert!(macs(1.0, 1.0, found["cases"][3]["side"].as_u64().unwrap() as u32 + 8) > limit, "{found}");
    let low = json(&program, "--compare --flops 100M");
    assert_eq!(low["cases"][1]["remark"], "exceeds the limit even at the smallest step");
}

#[test]
fn comparison_is_timed_on_this_machine() {
    let timed = json(&Program::new(), "--compare --flops 20M --time --threads 1");
    let times = column(&timed, "cases", "infer_ms");
    assert!(times.len() == 5, "{times:?}");
    assert!(times.iter().all(|ms| (0.05..60_000.0).contains(ms)), "{times:?}");
    assert!(times[0] > times[3], "the baseline needs many times the work of a small side: {times:?}");
    assert_eq!(names(&timed["timed"]), ["engine", "precision", "processor", "threads"]);
    assert_eq!(timed["timed"]["threads"], 1);
}

#[test]
fn grid_without_scores_asks_for_training() {
    let program = Program::new();
    let text = program.run("scale --search").with(0).stdout;
    let marked: Vec<&str> = text.lines().filter(|line| line.ends_with("← the paper's")).collect();
    assert_eq!(marked.len(), 1, "{text}");
    let expected = format!("1.20 1.10 1.15 1.920 23 256 {:.1} 9.11 ← the paper's", macs(1.1, 1.2, 256));
    assert_eq!(marked[0].split_whitespace().collect::<Vec<_>>().join(" "), expected);
    assert!(text.contains("the paper's choice was 1.2, 1.1, 1.15"), "{text}");
    let object = json(&program, "--search");
    assert_eq!(
        object["combinations"].as_array().unwrap().len(),
        phicam_model::efficientnet::compound_scaling::Coefficients::grid().len()
    );
    assert!(object["best"].is_null());
    assert!(object["combinations"][0]["top1_percent"].is_null());
}

#[test]
fn scores_are_ranked_by_the_objective() {
    let program = Program::new();
    // The first line has the higher accuracy, but not enough for its MACs. Columns and lines are in arbitrary order.
    program.write("scores.csv", "top1,alpha,beta,gamma\n80.00, 1.2,1.15,1.1\n79.60,1.20,1.1,1.15\n\n75,2.0,1,1\n");
    let found = json(&program, "--search --scores scores.csv");
    assert_eq!((&found["best"]["alpha"], &found["best"]["beta"]), (&Value::from(1.2), &Value::from(1.1)));
    let first = &found["combinations"][0];
    let expected = objective(79.6, macs(1.1, 1.2, 256), 400.0);
    assert!((first["objective"].as_f64().unwrap() - expected).abs() < 1e-9, "{first}");
    let grid = phicam_model::efficientnet::compound_scaling::Coefficients::grid().len();
    assert_eq!(found["without_score"], grid - 3);
    let text = program.run("scale --search --scores scores.csv").with(0).stdout;
    assert!(text.contains("best: α 1.20, β 1.10, γ 1.15, by top-1 × (MACs/400.0 M)"), "{text}");
    assert!(text.contains(&format!("{} of {grid} combinations have no score", grid - 3)), "{text}");
    assert!(text.contains(&format!("{expected:.3}")), "{text}");
    let target = json(&program, "--search --scores scores.csv --target 1G");
    let expected = objective(79.6, macs(1.1, 1.2, 256), 1000.0);
    assert!((target["combinations"][0]["objective"].as_f64().unwrap() - expected).abs() < 1e-9, "{target}");
}

#[test]
fn malformed_scores_are_refused_with_the_line() {
    let program = Program::new();
    let head = "alpha,beta,gamma,top1\n1.2,1.1,1.15,79\n";
    let bad: [(&str, String, &[&str]); 11] = [
        ("grid", format!("{head}1.2,1.1,1.16,79\n"), &[":3:", "γ 1.16", "not on the grid"]),
        ("far", format!("{head}3,3,3,79\n"), &[":3:", "α 3", "not on the grid"]),
        ("column", "alpha,beta,top1\n1.2,1.1,79\n".into(), &[":1:", "`alpha,beta,top1`", "gamma is missing"]),
        ("nan", format!("{head}1.4,1.0,1.2,NaN\n"), &[":3:", "`NaN`", "expected a number"]),
        ("word", format!("{head}1.4,x,1.2,79\n"), &[":3:", "beta is `x`", "expected a number"]),
        ("twice", format!("{head}1.4,1,1.2,79\n1.20,1.10,1.15,80\n"), &[":4:", "there twice", "line 2"]),
        ("over", format!("{head}1.4,1.0,1.2,100.5\n"), &[":3:", "100.5", "0 to 100"]),
        ("under", format!("{head}1.4,1.0,1.2,-1\n"), &[":3:", "-1", "0 to 100"]),
        ("short", format!("{head}1.4,1.0,1.2\n"), &[":3:", "3 fields", "expected 4"]),
        ("empty", String::new(), &[":1:", "alpha is missing"]),
        ("none", "alpha,beta,gamma,top1\n".into(), &["has no scores"]),
    ];
    for (name, text, said) in bad {
        program.write(&format!("{name}.csv"), text);
        let ended = program.run(&format!("scale --search --scores {name}.csv")).with(1).saying(said);
        assert!(ended.stderr.contains(&format!("{name}.csv")), "{ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
    program.write("bytes.csv", [&b"alpha,beta,gamma,top1\n1.2,1.1,1.15,79\n1.4,\xff,1.2,79\n"[..]].concat());
    program.run("scale --search --scores bytes.csv").with(1).saying(&["bytes.csv:3:", "UTF-8"]);
    program.run("scale --search --scores gone.csv").with(1).saying(&["cannot read gone.csv", "No such file"]);
}

#[test]
fn exported_network_runs_and_depends_on_its_seed() {
    let program = Program::new();
    let written = json(&program, "-2 --classes 17 --onnx a.onnx");
    program.run("scale -2 --classes 17 --onnx b.onnx --seed 0").with(0);
    program.run("scale -2 --classes 17 --onnx c.onnx --seed 1").with(0);
    let [a, b, c] = ["a", "b", "c"].map(|name| std::fs::read(program.path(&format!("{name}.onnx"))).unwrap());
    assert!(a == b, "the same seed, the same bytes");
    assert!(a != c, "the same seed, the same bytes");
    assert_eq!((written["onnx"]["bytes"].as_u64(), written["side"].as_u64()), (Some(a.len() as u64), Some(168)));
    let (mut network, side) = Network::at_phi(Family::B, -2.0);
    network.classes = 17;
    let weights = 4 * network.cost(side).folded_parameters as usize;
    assert!((weights..weights + 200_000).contains(&a.len()), "{} bytes for {weights} of weights", a.len());
    let mut engine = Tract::load("a", &a, side, Layout::Nchw, 2).unwrap();
    engine.input().iter_mut().enumerate().for_each(|(at, value)| *value = (at % 251) as f32 / 125.0 - 1.0);
    let scores = engine.infer().unwrap();
    assert!(scores.len() == 17, "{scores:?}");
    assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
    let (least, most) = scores.iter().fold((f32::MAX, f32::MIN), |(a, b), score| (a.min(*score), b.max(*score)));
    assert!(most - least > 0.01, "all the same: {scores:?}");
    let files = std::fs::read_dir(program.path("")).unwrap().count();
    assert_eq!(files, 3, "nothing is left beside them");
    program.run("scale -2 --onnx gone/a.onnx").with(1).saying(&["gone/a.onnx cannot be written", "No such file"]);
}

#[test]
fn oversized_network_is_refused_before_export() {
    let program = Program::new();
    program.run("scale 12 --classes 100000 --onnx a.onnx").with(1).saying(&["a.onnx", "at most 2147483647"]);
    assert!(!program.path("a.onnx").exists());
}

#[test]
fn impossible_networks_are_refused_with_the_limits() {
    let program = Program::new();
    let refused: [(&str, &[&str]); 22] = [
        ("b9", &["b7", "lite4", "-8 to 12"]),
        ("13", &["φ is 13", "-8 to 12"]),
        ("-8.5", &["φ is -8.5", "-8 to 12"]),
        ("nan", &["φ is nan"]),
        ("b0 --side 7", &["8 to 4096"]),
        ("b0 --side 4097", &["8 to 4096"]),
        ("b0 --classes 0", &["1 to 100000"]),
        ("b0 --classes 100001", &["1 to 100000"]),
        ("--flops fast", &["such as 800M"]),
        ("b3 --family lite", &["b3 is not of family lite"]),
        ("b3 --flops 800M", &["cannot be used with"]),
        ("--side 224", &["NETWORK|PHI"]),
        ("--family lite", &["NETWORK|PHI"]),
        ("--compare b3", &["cannot be used with"]),
        ("--compare --search", &["cannot be used with"]),
        ("--compare --flops 1G --onnx a.onnx", &["cannot be used with"]),
        ("--time", &["--compare"]),
        ("--scores a.csv", &["--search"]),
        ("--search --target 400M", &["--scores"]),
        ("b0 --seed 1", &["--onnx"]),
        ("--plot a.jpg", &[".png or .svg"]),
        ("--plot a.png --compare", &["cannot be used with"]),
    ];
    for (arguments, said) in refused {
        let ended = program.run(&format!("scale {arguments}")).with(2).saying(said);
        assert_eq!(ended.stdout, "", "{arguments}");
    }
    assert!(std::fs::read_dir(program.path("")).unwrap().next().is_none(), "nothing was written");
}
