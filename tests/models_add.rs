//! User models: known properties of a file are used, unknown ones are requested, and an added model classifies.

mod common;

use common::program::Program;
use common::root;
use common::user_models::{added, files, seven_birds, weights};
use phicam_model::import::KeyScheme;
use prost::Message;
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto, tensor_shape_proto, type_proto};

#[test]
fn published_weights_need_no_flags() {
    let program = Program::new();
    program.write("tf_efficientnet_b0_ns-c0e6a31c.safetensors", weights(KeyScheme::Timm, "b0", 1000));
    let said = program.run("models add tf_efficientnet_b0_ns-c0e6a31c.safetensors").with(0).stdout;
    assert!(said.contains("published as tf_efficientnet_b0.ns_jft_in1k"), "{said}");
    let [variant] = &added(&program)[..] else { panic!("one variant") };
    assert_eq!(variant["variant"], "tf_efficientnet_b0_ns@224");
    assert_eq!((variant["top1_percent"].as_f64(), variant["phi"].as_f64()), (Some(78.68), Some(0.0)));
    assert_eq!(variant["licence"], "Apache-2.0");
    let catalog = std::fs::read_to_string(program.path("state/user-models/catalog.toml")).unwrap();
    assert!(catalog.contains("crop = 0.875"), "{catalog}");
    assert!(catalog.contains("123.67"), "{catalog}");
    // It is more accurate than every shipped variant, so a generous budget leads to it.
    let pick = program.run("pick --json --frame-ms 100000").with(0).json();
    assert_eq!(pick[0]["variant"], "tf_efficientnet_b0_ns@224");
}

#[test]
fn unknown_input_spec_is_asked_for() {
    let program = Program::new();
    program.write("birds.safetensors", weights(KeyScheme::Timm, "b0", 7));
    program.write("birds.txt", seven_birds());
    program.run("models add birds.safetensors").with(1).saying(&[
        "3 settings",
        "--padding same",
        "--labels",
        "--input",
    ]);
    std::fs::copy(program.path("birds.safetensors"), program.path("efficientnet_birds.safetensors")).unwrap();
    program
        .run("models add efficientnet_birds.safetensors")
        .with(1)
        .saying(&["no published weights", "--padding same"]);
    program.run("models add birds.safetensors --padding same").with(1).saying(&["7 classes", "--labels"]);
    let labelled = "models add birds.safetensors --padding same --labels birds.txt";
    program.run(labelled).with(1).saying(&["--input", "imagenet", "raw"]);
    program.run(&format!("{labelled} --input imagenet --labels imagenet")).with(2);
    let wrong = "models add birds.safetensors --padding same --input imagenet --labels imagenet";
    program.run(wrong).with(1).saying(&["1000 labels for the 7 classes"]);
    assert_eq!(added(&program), [] as [serde_json::Value; 0]);
    assert_eq!(files(&program), [] as [String; 0], "nothing is written before all is known");
    program.run(&format!("{labelled} --input imagenet")).with(0);
    assert_eq!(added(&program)[0]["top1_percent"], serde_json::Value::Null);
}

#[test]
fn user_model_runs_by_name_outside_the_pick() {
    let program = Program::new();
    program.write("birds.safetensors", weights(KeyScheme::Torchvision, "b0", 7));
    program.write("birds.txt", seven_birds());
    program.take("dog.jpg", "dog.jpg");
    program.run("models add birds.safetensors --labels birds.txt --input imagenet --side 128 --side 96").with(0);
    let names: Vec<_> =
        added(&program).iter().map(|variant| variant["variant"].as_str().unwrap().to_string()).collect();
    assert_eq!(names, ["birds@96", "birds@128"]);
    let answer = program.run("classify --json --model birds@128 dog.jpg --min-confidence 0").with(0).json();
    let label = answer[0]["predictions"][0]["label"].as_str().unwrap();
    assert!(seven_birds().contains(label), "{label}");
    let pick = program.run("pick --json").with(0).saying(&["birds@96 is no candidate"]);
    assert!(!pick.stdout.contains("birds"), "{}", pick.stdout);
    program.run("models verify").with(0);
    program.run("models remove birds").with(0);
    program.run("models add birds.safetensors --labels birds.txt --input imagenet --side 96").with(0);
    program.run("classify --model birds dog.jpg --frame-ms 0.01").with(0); // a pinned variant ignores the budget
    program.run("models add birds.safetensors --labels birds.txt --input tf").with(1).saying(&["--replace"]);
    program.run("models add birds.safetensors --labels birds.txt --input tf --replace").with(0);
    assert_eq!(added(&program).len(), 1, "the two sides before are gone");
    program.run("models remove birds").with(0);
    assert_eq!((added(&program).len(), files(&program).len()), (0, 0));
    program.run("models remove birds").with(1).saying(&["no user model has this name"]);
}

#[test]
fn photograph_folders_give_an_accuracy() {
    let program = Program::new();
    let copy = |from: &str, to: &str| program.take(from, to);
    copy("dog.jpg", "photos/German_shepherd/1.jpg");
    copy("koala.jpg", "photos/German_shepherd/2.jpg");
    program.write("photos/German_shepherd/broken.jpg", b"\xff\xd8\xff\xe0 no picture");
    let shipped = root().join("models/imagenet/lite0.onnx");
    let add = format!("models add {} --name mine --input lite --labels imagenet --try photos", shipped.display());
    let said = program.run(&add).with(4).saying(&["broken.jpg"]).stdout;
    assert!(said.contains("1 of 2 right (50.0 %, 95 % interval 9 to 91 %)"), "{said}");
    assert!(said.contains("1 files could not be read"), "{said}");
    let variant = &added(&program)[0];
    assert_eq!(
        variant["top1_percent"],
        serde_json::Value::Null,
        "on other pictures than the others' it proves nothing"
    );
    assert!(variant["top1_source"].as_str().unwrap().contains("50.0 % of 2 of the user's photographs"), "{variant}");
    let again = program.run("models evaluate photos --model mine --json").with(4).json();
    assert_eq!((&again[0]["pictures"], &again[0]["top1_percent"]), (&2.into(), &50.0.into()));
    std::fs::rename(program.path("photos/German_shepherd"), program.path("photos/German_sheperd")).unwrap();
    program.run("models evaluate photos --model mine").with(1).saying(&["did you mean `german shepherd`?"]);
}

/// Returns the shipped Lite0 with NHWC input, and with a softmax as its last layer.
fn nhwc_with_softmax() -> Vec<u8> {
    let mut model = ModelProto::decode(&*std::fs::read(root().join("models/imagenet/lite0.onnx")).unwrap()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let order = AttributeProto { name: "perm".into(), r#type: 7, ints: vec![0, 3, 1, 2], ..Default::default() };
    let node = |op: &str, from: &str, to: &str, attribute| NodeProto {
        op_type: op.into(),
        name: to.into(),
        input: vec![from.into()],
        output: vec![to.into()],
        attribute,
        ..NodeProto::default()
    };
    graph.node.insert(0, node("Transpose", "picture", "image", vec![order]));
    graph.node.push(node("Softmax", "scores", "probabilities", vec![]));
    graph.input[0].name = "picture".into();
    graph.output[0].name = "probabilities".into();
    let Some(type_proto::Value::TensorType(tensor)) = graph.input[0].r#type.as_mut().unwrap().value.as_mut() else {
        panic!("no tensor")
    };
    let dimension = |size: i64| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(size)),
        ..Default::default()
    };
    tensor.shape.as_mut().unwrap().dim = [1, 224, 224, 3].map(dimension).into();
    model.encode_to_vec()
}

#[test]
fn nhwc_onnx_with_softmax_gives_equal_predictions() {
    let program = Program::new();
    program.write("turned.onnx", nhwc_with_softmax());
    program.take("red_panda.jpg", "panda.jpg");
    program.run("models add turned.onnx --input lite").with(1).saying(&["--labels"]);
    let said = program.run("models add turned.onnx --input lite --labels imagenet --top1 74.85").with(0).stdout;
    assert!(said.contains("lite0, 1000 classes (ONNX, f16)"), "{said}");
    assert!(said.contains("385.2 M MACs"), "{said}");
    let probability = |model: &str| {
        let answer = program.run(&format!("classify --json panda.jpg --model {model}")).with(0).json();
        let best = &answer[0]["predictions"][0];
        (best["label"].as_str().unwrap().to_string(), best["probability"].as_f64().unwrap())
    };
    let (ours, theirs) = (probability("lite0@224"), probability("turned@224"));
    assert_eq!(ours.0, theirs.0);
    assert!((ours.1 - theirs.1).abs() < 1e-4, "{ours:?} {theirs:?}");
    program
        .run("models add turned.onnx --name other --input lite --labels imagenet --side 192")
        .with(1)
        .saying(&["fixed to 224 pixels"]);
}

#[test]
fn bare_onnx_file_is_benchmarked_without_labels() {
    let program = Program::new();
    let shipped = root().join("models/imagenet/lite0.onnx");
    std::os::unix::fs::symlink(&shipped, program.path("some.onnx")).unwrap();
    let timed = program.run("bench --json --model some.onnx --side 96 --frames 2").with(0).json();
    assert_eq!((&timed[0]["model"], &timed[0]["frames"]), (&"some@96".into(), &2.into()));
    assert!((timed[0]["phi"].as_f64().unwrap() + 2.60).abs() < 0.01);
    program.run("classify --model some.onnx x.jpg").with(1).saying(&["models add some.onnx"]);
    program.run("bench --model lite0@96 --side 96").with(1).saying(&["--model FILE"]);
}

#[test]
fn published_crop_and_accuracy_go_by_resolution() {
    let program = Program::new();
    program.write("efficientnet_b1.ft_in1k.safetensors", weights(KeyScheme::Timm, "b1", 1000));
    program.run("models add efficientnet_b1.ft_in1k.safetensors --name pretty").with(0);
    let catalog = std::fs::read_to_string(program.path("state/user-models/catalog.toml")).unwrap();
    let of = |side: u32| catalog.split("[[variant]]").find(|part| part.contains(&format!("pretty@{side}"))).unwrap();
    assert!(of(224).contains("imagenet-0.875-bicubic"), "{catalog}");
    assert!(of(224).contains("77.592"), "{catalog}");
    assert!(of(256).contains("imagenet-1-bicubic"), "{catalog}");
    assert!(of(256).contains("78.806"), "{catalog}");
    let said = program.run("models add efficientnet_b1.ft_in1k.safetensors --replace --name pretty --side 224 --bgr");
    assert!(said.with(0).stdout.contains("published with another input"));
    assert_eq!(added(&program)[0]["top1_percent"], serde_json::Value::Null);
}

#[test]
fn variants_over_the_macs_limit_never_fit() {
    let program = Program::new();
    let pick = program.run("pick --what-if --json --flops 300M --model lite0").with(0).json();
    let beyond = pick[0]["what_if"].as_array().unwrap();
    assert!(beyond.len() >= 9, "{beyond:?}");
    assert!(beyond.iter().all(|one| one["fits"] == false), "{beyond:?}");
    let named = |name: &str| beyond.iter().any(|one| one["network"].as_str().unwrap().starts_with(name));
    assert!(named("b0"), "shipped ones are not beyond the catalog");
    assert!(named("lite3"), "shipped ones are not beyond the catalog");
    assert!(!named("lite1"), "shipped ones are not beyond the catalog");
    assert!(!named("lite2"), "shipped ones are not beyond the catalog");
    assert_eq!(pick[0]["beyond"], serde_json::Value::Null);
    assert!(
        std::fs::read_dir(program.path("state"))
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with("what-if") })
    );
}
