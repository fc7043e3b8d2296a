use super::*;

const INPUT: &str = r#"
[input.lite]
colour = "rgb"
layout = "nchw"
crop = "side/(side+32)"
filter = "bicubic"
mean = [127.0, 127.0, 127.0]
scale = [128.0, 128.0, 128.0]
"#;
const NETWORK: &str = r#"
[network.lite0]
file = "imagenet/lite0.onnx"
sha256 = "00"
labels = "imagenet/labels.txt"
labels_sha256 = "00"
family = "lite"
width = 1.0
depth = 1.0
million_parameters = 4.6
licence = "Apache-2.0"
source = "test"
"#;
const VARIANT: &str = r#"
[[variant]]
name = "lite0@192"
network = "lite0"
input = "lite"
side = 192
phi = -0.47
million_macs = 283.3
top1_percent = 71.5
top1_source = "estimate"
"#;

fn read(text: &str) -> Result<Catalog, CatalogError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("catalog.toml"), text).unwrap();
    Catalog::read(folder.path())
}

fn refusal(text: String) -> String {
    read(&text).expect_err("should be refused").to_string()
}

#[test]
fn valid_catalog_is_read() {
    let catalog = read(&[INPUT, NETWORK, VARIANT].concat()).unwrap();
    let variant = catalog.variant("lite0@192").unwrap();
    assert_eq!((variant.side, variant.input.crop), (192, Crop::Border(32)));
    assert!(variant.network.file.ends_with("imagenet/lite0.onnx"));
}

#[test]
fn invalid_entry_is_reported() {
    let whole = [INPUT, NETWORK, VARIANT].concat();
    for (valid, invalid, expected) in [
        ("network = \"lite0\"", "network = \"lite8\"", "did you mean `lite0`?"),
        ("input = \"lite\"", "input = \"lit\"", "did you mean `lite`?"),
        ("phi = -0.47", "phi = 0.47", "depth, width and side give -0.47"),
        ("phi = -0.47", "phi = nan", "depth, width and side give -0.47"),
        ("side = 192", "side = 193", "the name is not network@side"),
        ("side = 192", "side = 9", "side is 9, expected 32 to 2048"),
        ("million_macs = 283.3", "million_macs = nan", "million_macs is NaN"),
        ("top1_percent = 71.5", "top1_percent = 715", "top1_percent is 715"),
        ("million_macs = ", "milion_macs = ", "did you mean `million_macs`?"),
        ("crop = \"side/(side+32)\"", "crop = 1.5", "crop is 1.5"),
        ("crop = \"side/(side+32)\"", "crop = \"half\"", "crop is \"half\""),
        ("128.0, 128.0]", "128.0, 0.0]", "scale not 0"),
        ("\"imagenet/lite0.onnx\"", "\"../lite0.onnx\"", "outside the catalog's folder"),
        ("\"imagenet/labels.txt\"", "\"/etc/passwd\"", "outside the catalog's folder"),
        ("width = 1.0", "width = 0", "width is 0"),
    ] {
        assert!(whole.contains(valid), "{valid}");
        let message = refusal(whole.replacen(valid, invalid, 1));
        assert!(message.contains(expected), "{invalid}: {message}");
    }
    assert!(refusal([INPUT, NETWORK, VARIANT, VARIANT].concat()).contains("`lite0@192` is listed twice"));
    assert!(refusal([INPUT, NETWORK].concat()).contains("no [[variant]]"));
}

#[test]
fn unknown_model_suggests_the_nearest_name() {
    let catalog = read(&[INPUT, NETWORK, VARIANT].concat()).unwrap();
    let message = catalog.matching("lite0@193").unwrap_err().to_string();
    assert!(message.contains("did you mean `lite0@192`?"), "{message}");
    assert_eq!(catalog.matching("lite0").unwrap().len(), 1);
}

#[test]
fn natural_names_select_variants() {
    let catalog = read(&[INPUT, NETWORK, VARIANT].concat()).unwrap();
    for (name, spelling) in [
        ("lite0", "lite0"),
        ("Lite0", "lite0"),
        ("EfficientNet-Lite0", "lite0"),
        ("tf_efficientnet_lite0", "lite0"),
        ("lite0@192", "lite0@192"),
        ("LITE0@192", "lite0@192"),
        ("EfficientNet-Lite0@192", "lite0@192"),
    ] {
        assert_eq!(catalog.matching(name).unwrap().len(), 1, "{name}");
        assert_eq!(catalog.spelling(name).unwrap(), spelling, "{name}");
    }
}

#[test]
fn network_without_weights_is_answered_with_commands() {
    let catalog = read(&[INPUT, NETWORK, VARIANT].concat()).unwrap();
    for name in ["b0", "B0", "EfficientNet-B0", "b0@224"] {
        let message = catalog.matching(name).unwrap_err().to_string();
        assert!(message.contains("`phicam models add FILE --name b0`"), "{message}");
        assert!(message.ends_with("--model lite0@192"), "{message}");
    }
}

#[test]
fn names_that_two_networks_share_are_ambiguous() {
    let twin = |text: &str| text.replace("lite0", "Lite-0");
    let catalog = read(&[INPUT, NETWORK, VARIANT, &twin(NETWORK), &twin(VARIANT)].concat()).unwrap();
    assert_eq!(catalog.matching("lite0").unwrap()[0].name, "lite0@192");
    assert_eq!(catalog.matching("Lite-0").unwrap()[0].name, "Lite-0@192");
    assert!(catalog.matching("LITE0").is_err());
}

#[test]
fn wrong_hash_is_refused_with_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    std::fs::write(&path, b"abc").unwrap();
    let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, appendix B.1
    assert_eq!(*read_verified(&path, right).unwrap(), *b"abc");
    let message = read_verified(&path, "00").unwrap_err().to_string();
    assert!(message.contains(right), "{message}");
    assert!(message.contains("fetch it again"), "{message}");
}

#[test]
fn crop_follows_its_formula() {
    assert_eq!(Crop::Border(32).square(224, 480), 420);
    assert_eq!(Crop::Border(32).square(96, 47), 35);
    assert_eq!(Crop::Share(1.0).square(256, 481), 481);
    assert_eq!(Crop::Border(32).square(224, 1), 1);
}
