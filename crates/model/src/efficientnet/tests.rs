use super::*;

/// Returns whether `value` is within `percent` of `expected`.
fn is_near(value: f64, expected: f64, percent: f64) -> bool {
    (value / expected - 1.0).abs() * 100.0 <= percent
}

fn released(name: &str) -> &'static ReleasedNetwork {
    ReleasedNetwork::by_name(name).unwrap()
}

#[test]
fn b_parameters_match_the_paper_within_2_percent() {
    for released in RELEASED.iter().filter(|released| released.family == Family::B) {
        let computed = released.network().cost(released.side).million_parameters();
        let published = released.published.million_parameters;
        assert!(is_near(computed, published, 2.0), "{}: {computed:.3} M, published {published} M", released.name);
    }
    assert_eq!(released("b0").network().cost(224).parameters, 5_288_548, "timm and torchvision count 5,288,548");
    assert_eq!(released("b7").network().cost(600).parameters, 66_347_960);
}

#[test]
fn b0_to_b3_and_b6_macs_match_the_paper_within_2_percent() {
    for name in ["b0", "b1", "b2", "b3", "b6"] {
        let released = released(name);
        let computed = released.network().cost(released.side).million_macs() / 1e3;
        assert!(is_near(computed, released.published.giga_macs, 2.0), "{name}: {computed:.4} G");
    }
}

#[test]
fn b4_b5_and_b7_macs_exceed_the_paper_by_under_5_percent() {
    for (name, giga_macs) in [("b4", 4.394), ("b5", 10.266), ("b7", 37.746)] {
        let released = released(name);
        let computed = released.network().cost(released.side).million_macs() / 1e3;
        assert!((computed - giga_macs).abs() < 0.0006, "{name}: {computed:.4} G");
        let excess = computed / released.published.giga_macs - 1.0;
        assert!((0.0..0.05).contains(&excess), "{name}: {excess:.3} above the paper's");
    }
}

/// Figures of timm (pytorch-image-models, results/benchmark-infer-amp-nchw-pt210-cu121-rtx3090.csv): side, million
/// parameters, 10⁹ MACs, million activations. timm counts two MACs for each output value of a batch norm.
const TIMM: [(&str, u32, f64, f64, f64); 13] = [
    ("b0", 224, 5.29, 0.40, 6.75),
    ("b1", 240, 7.79, 0.71, 10.88),
    ("b2", 260, 9.11, 1.02, 13.83),
    ("b3", 300, 12.23, 1.87, 23.83),
    ("b4", 380, 19.34, 4.49, 49.49),
    ("b5", 456, 30.39, 10.46, 98.86),
    ("b6", 528, 43.04, 19.40, 167.39),
    ("b7", 600, 66.35, 38.33, 289.94),
    ("lite0", 224, 4.65, 0.40, 6.74),
    ("lite1", 240, 5.42, 0.62, 10.14),
    ("lite2", 260, 6.09, 0.89, 12.90),
    ("lite3", 300, 8.20, 1.65, 21.85),
    ("lite4", 380, 13.01, 4.04, 45.66),
];

#[test]
fn cost_matches_the_table_of_timm() {
    for (name, side, million_parameters, giga_macs, million_activations) in TIMM {
        let cost = released(name).network().cost(side);
        assert!((cost.million_parameters() - million_parameters).abs() < 0.006, "{name}: {cost:?}");
        assert!((cost.million_activations() - million_activations).abs() < 0.006, "{name}: {cost:?}");
        let as_timm = (cost.macs + 2 * cost.normalised) as f64 / 1e9;
        assert!((as_timm - giga_macs).abs() < 0.0056, "{name}: {as_timm:.4} G with batch norm, timm says {giga_macs}");
    }
}

#[test]
fn lite_cost_matches_its_readme_within_5_percent() {
    // The README counts all operations of the TensorFlow Lite file, biases included.
    for released in RELEASED.iter().filter(|released| released.family == Family::Lite) {
        let cost = released.network().cost(released.side);
        assert!(is_near(cost.million_parameters(), released.published.million_parameters, 2.0), "{}", released.name);
        let under = 1.0 - cost.million_macs() / 1e3 / released.published.giga_macs;
        assert!((0.0..0.055).contains(&under), "{}: {:.1}, {under:.3}", released.name, cost.million_macs());
    }
}

#[test]
fn folded_parameters_match_the_shipped_files() {
    for (name, folded) in [("lite0", 4_631_000), ("lite1", 5_389_848), ("lite2", 6_063_024)] {
        assert_eq!(released(name).network().cost(224).folded_parameters, folded, "{name}");
    }
    for (name, side, macs) in [("lite0", 224, 385_187_552), ("lite1", 240, 600_185_232), ("lite2", 260, 859_736_272)] {
        assert_eq!(released(name).network().cost(side).macs, macs, "{name}");
    }
}

#[test]
fn macs_grow_as_the_formula_before_rounding() {
    let cost = |width: f64, depth: f64, side: u32| Network::new(Family::B, width, depth).cost(side).macs as f64;
    let base = cost(1.0, 1.0, 224);
    // Stem and depthwise layers grow with the width, not with its square.
    assert!(is_near(cost(2.0, 1.0, 224), 4.0 * base, 6.5), "width: {}", cost(2.0, 1.0, 224) / base);
    assert!(is_near(cost(1.0, 1.0, 448), 4.0 * base, 1.0), "resolution: {}", cost(1.0, 1.0, 448) / base);
    // Stem, head and classifier have no depth: the paper's proportion holds for the stages.
    assert!(is_near(cost(1.0, 2.0, 224), 2.0 * base, 10.0), "depth: {}", cost(1.0, 2.0, 224) / base);
}

#[test]
fn channels_round_to_multiples_of_8_within_a_tenth() {
    assert_eq!(scaled_channels(32, 1.1), 32);
    assert_eq!(scaled_channels(16, 1.4), 24);
    assert_eq!(scaled_channels(24, 0.5), 16, "12 rounds to 16 (halves go up)");
    assert_eq!(scaled_channels(80, 0.9), 72);
    assert_eq!(scaled_channels(16, 0.1), 8, "at least 8");
    for channels in [16, 24, 32, 40, 80, 112, 192, 320, 1280] {
        for width in (1..=40).map(|tenths| f64::from(tenths) / 10.0) {
            let scaled = scaled_channels(channels, width);
            assert_eq!(scaled % 8, 0, "{channels} × {width}");
            assert!(scaled as f64 >= 0.9 * channels as f64 * width, "{channels} × {width}: {scaled}");
        }
    }
}

#[test]
fn depth_rounds_up_except_for_float_error() {
    assert_eq!([1.0, 1.1, 1.2, 1.4, 3.1].map(|depth| scaled_repeats(3, depth)), [3, 4, 4, 5, 10]);
    assert_eq!(scaled_repeats(5, 1.2), 6, "5 × 1.2 slightly exceeds 6 in floating point");
    assert_eq!(scaled_repeats(1, 0.4), 1);
}

#[test]
fn layer_channels_are_consistent_at_any_phi() {
    for family in [Family::B, Family::Lite] {
        for phi in [-4.0, -2.0, -0.5, 0.0, 1.0, 2.5, 7.0] {
            let (network, side) = Network::at_phi(family, phi);
            let layers = network.layers(side);
            let mut channels = 3;
            for layer in layers.iter().filter(|layer| !matches!(layer.kind, Kind::Squeeze | Kind::Excite)) {
                assert_eq!(layer.in_channels, channels, "{family:?} φ {phi}: {}", layer.name);
                channels = layer.out_channels;
            }
            assert_eq!(channels, IMAGENET_CLASSES);
            assert_eq!(layers.len(), network.layer_count());
            let last = network.blocks(side).last().unwrap().project.output_side;
            assert_eq!(last, side.div_ceil(32), "five halvings");
        }
    }
}

#[test]
fn squeeze_has_a_quarter_of_input_channels() {
    let blocks = released("b0").network().blocks(224);
    let squeezed: Vec<usize> = blocks.iter().map(|block| block.squeeze.as_ref().unwrap().0.out_channels).collect();
    assert_eq!(squeezed, [8, 4, 6, 6, 10, 10, 20, 20, 20, 28, 28, 28, 48, 48, 48, 48]);
    assert!(released("lite0").network().blocks(224).iter().all(|block| block.squeeze.is_none()));
}

#[test]
fn largest_phi_is_the_last_within_the_limit() {
    for limit in [72.0, 385.9, 800.0, 5000.0] {
        let phi = Network::largest_phi(Family::B, limit).unwrap();
        let macs = |phi: f64| {
            let (network, side) = Network::at_phi(Family::B, phi);
            network.cost(side).million_macs()
        };
        assert!(macs(phi) <= limit, "{limit}: φ {phi}");
        assert!(macs(phi + 0.001) > limit, "{limit}: φ {phi}");
    }
    assert_eq!(Network::largest_phi(Family::Lite, 0.1), None);
}
