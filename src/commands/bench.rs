//! `phicam bench`: every stage of the line, one variant, one thread of control.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::models::model_file::ModelFile;
use super::write_json;
use crate::cli::{BenchArgs, BoardArgs, BudgetArgs};
use crate::session::{Session, board, is_file_name};
use phicam_camera::{Camera, Next, Pattern};
use phicam_engine::latency::{Percentiles, Stage};
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_frame::mailbox::{Mailbox, Taken};
use phicam_frame::{Frame, Size};
use phicam_model::catalog::Variant;
use phicam_model::efficientnet::compound_scaling::Phi;
use phicam_model::labels::Labels;
use phicam_pipeline::classify;
use phicam_pipeline::classify::Classifier;
use phicam_pipeline::classify::postprocess;
use phicam_pipeline::display_state::{Drawing, Screen};
use phicam_platform::{paths, system};
use phicam_policy::measurement::Measurement;
use phicam_policy::sampling::SamplingPlan;

mod verify_output;

/// The screen that is drawn for.
const SCREEN: Size = Size::new(1280, 720);

pub fn bench(args: BenchArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if let Some(path) = args.model_args.model.as_deref().filter(|model| is_file_name(model)) {
        return bench_file(Path::new(path), &args, out);
    }
    if args.side.is_some() {
        bail!("--side is for --model FILE; a variant has its side in its name, such as lite0@192");
    }
    let board = board(&BoardArgs::default())?;
    let mut session = Session::new(&board, &BudgetArgs::default(), &args.model_args)?;
    let (variant, config) = session.choose()?;
    let settings = classify::Settings { keeps_packed: args.packed, ..settings(config) };
    let frame = next(&mut pattern())?;
    let expected = verify_output::expected(&variant, &settings, &frame)?;
    let before = system::memory_mib().map(|(_, free)| free).zip(system::rss_mib());
    let start = Instant::now();
    let mut classifier = crate::engines::open_classifier(&variant, &settings)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    if let Some(expected) = expected {
        verify_output::check(&mut classifier, &frame, &expected)?;
    }
    let mut measurement = measure(&mut classifier, load_ms, sampling(&args), args.interval_ms)?;
    if let (EngineKind::TensorRt | EngineKind::Cuda, Some(before)) = (config.engine, before) {
        measurement.peak_rss_mib = measurement.peak_rss_mib.max(taken_mib(before));
    }
    if args.json {
        write_json(out, &measurement)?;
        return Ok(ExitCode::SUCCESS);
    }
    table(&measurement, out)?;
    let store = session.store.get(&variant, measurement.config);
    if let Some(store) = store {
        let (p95, path) = (store.total_ms.p95, paths::state_dir());
        writeln!(out, "remembered in {} of this machine: {p95:.2} ms at p95", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the system has less of than before, and what this process had resident then: memory that a Jetson's GPU shares with the
/// processor is in no count of the process.
fn taken_mib((free_before, rss_before): (f64, f64)) -> f64 {
    let (_, free) = system::memory_mib().unwrap_or((0.0, free_before));
    free_before - free + rss_before
}

/// As the command line has it; a number of frames alone is that number, however long they take.
fn sampling(args: &BenchArgs) -> SamplingPlan {
    let usual = match args.frames {
        Some(frames) => SamplingPlan { frames, min_ms: 0.0, ..SamplingPlan::USUAL },
        None => SamplingPlan::USUAL,
    };
    let min_ms = args.min_time_ms.unwrap_or(usual.min_ms);
    SamplingPlan { min_ms, max_ms: args.max_time_ms.unwrap_or(usual.max_ms), ..usual }
}

fn settings(config: ExecutionConfig) -> classify::Settings {
    classify::Settings {
        view: Default::default(),
        prediction: postprocess::Settings::default(),
        config,
        keeps_packed: false,
    }
}

/// What a file that nobody vouches for may take, beyond a multiple of its size. B7 on 600 pixels, measured: 782 MiB.
const FILE_LIMIT_BYTES: u64 = 2 << 30;

/// Times an ONNX file that is in no catalog, with pictures that it need not understand.
fn bench_file(path: &Path, args: &BenchArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    system::limit_memory(FILE_LIMIT_BYTES.saturating_add(size.saturating_mul(8)))
        .context("the memory of this process cannot be limited")?;
    let file = ModelFile::open(path)?;
    let ModelFile::Onnx { bytes, .. } = &file else {
        bail!("{} has weights only: `phicam models add` makes a model of them", path.display());
    };
    let side = file.checked_side(args.side).with_context(|| path.display().to_string())?;
    let variant = Variant::of_file(path, bytes, side, file.layout(), file.scaled(), file.million_macs(side)?);
    let threads = args.model_args.threads.map_or_else(system::cores, usize::from);
    let just = crate::engines::Threads::Just(threads);
    let configs = crate::engines::configs(args.model_args.named_engine(), args.model_args.precision, just)?;
    let config = configs.first().copied().unwrap_or(ExecutionConfig::tract(threads)); // the one that was named, else the CPU engine
    let start = Instant::now();
    let engine = crate::engines::open_bytes(&variant, bytes, config)?;
    if engine.classes() != file.classes() {
        let (found, told) = (engine.classes(), file.classes());
        bail!("{} gives {found} scores, and its graph tells of {told} classes: it is damaged", path.display());
    }
    let labels = Labels::numbered(engine.classes());
    let mut classifier = Classifier::with_engine(&variant, labels, engine, &settings(config));
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    if !args.json {
        writeln!(out, "{}: {}, {:.1} M MACs", path.display(), file.in_words(), variant.million_macs)?;
    }
    drop(file);
    let measurement = measure(&mut classifier, load_ms, sampling(args), args.interval_ms)?;
    if args.json {
        write_json(out, &measurement)?;
    } else {
        table(&measurement, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A frame of which a thread stood ready for more than this share of its time, but had no core, was held up by other programs.
const PREEMPTED: f64 = 0.05;

/// Whether other programs have had next to nothing of the processor; not where nobody can tell.
fn is_little(cores: Option<f64>) -> bool {
    cores.is_some_and(|cores| cores <= system::NEGLIGIBLE_CORES)
}

/// Puts frames through the stages one after the other, as the line does on its threads.
fn measure(
    classifier: &mut Classifier,
    load_ms: f64,
    sampling: SamplingPlan,
    pace_ms: Option<f64>,
) -> anyhow::Result<Measurement> {
    let pace = Duration::from_secs_f64(pace_ms.unwrap_or(0.0) / 1e3);
    let mut camera = pattern();
    let mut first_ms = None;
    let [mut mailbox, mut preprocess, mut prediction] = ["mailbox", "preprocess", "postprocess"].map(Stage::new);
    let [mut infer, mut draw, mut total] = ["infer", "draw", "total"].map(Stage::new);
    let (frames_box, screen, mut drawing) = (Mailbox::default(), Screen::default(), Drawing::default());
    let mut started = Instant::now();
    let (mut count, mut preempted_frames, mut others): (u64, u64, Option<system::OtherCpuLoad>) = (0, 0, None);
    loop {
        let counted = count.saturating_sub(SamplingPlan::WARM_UP);
        let is_done = |held_up: u64| sampling.is_done(counted, started.elapsed().as_secs_f64() * 1e3, held_up);
        if counted > 0 && is_done(0) {
            // What held frames up may have been the line beside which this is timed, which nobody else has a part in.
            if preempted_frames > 0 && others.take().is_some_and(|mut others| is_little(others.cores())) {
                preempted_frames = 0;
            }
            if is_done(preempted_frames) {
                break;
            }
        }
        let frame = next(&mut camera)?;
        let waits = system::run_queue_delay();
        let at = Instant::now();
        let next_at = at + pace;
        frames_box.put(frame.clone());
        let Taken::Newest(taken) = frames_box.take(Duration::ZERO) else { anyhow::bail!("the mailbox lost a frame") };
        let posted = at.elapsed();
        let answer = classifier.answer(&taken)?;
        let all = at.elapsed();
        let waited =
            system::run_queue_delay().zip(waits).map_or(Duration::ZERO, |(now, before)| now.max_since(&before));
        first_ms.get_or_insert(answer.times.infer_ms);
        let times = answer.times;
        screen.set_frame(frame);
        screen.set_answer(answer);
        let scene = screen.wait(Duration::ZERO).context("the screen lost a picture")?;
        let at = Instant::now();
        drawing.draw(&scene, SCREEN, |_| None);
        let drawn = at.elapsed();
        std::thread::sleep(next_at.saturating_duration_since(Instant::now()));
        count += 1;
        if count <= SamplingPlan::WARM_UP {
            (started, others) = (Instant::now(), Some(system::OtherCpuLoad::excluding_parent()));
            continue;
        }
        preempted_frames += u64::from(waited > all.mul_f64(PREEMPTED));
        mailbox.record(posted);
        preprocess.record_ms(times.preprocess_ms);
        infer.record_ms(times.infer_ms);
        prediction.record_ms(times.postprocess_ms);
        total.record(all);
        draw.record(drawn);
    }
    let of = |stage: &Stage| stage.percentiles().context("no frame was timed");
    let stages = [&mailbox, &preprocess, &prediction, &draw];
    let stages_ms: BTreeMap<String, Percentiles> =
        stages.iter().map(|stage| Ok((stage.name().to_string(), of(stage)?))).collect::<anyhow::Result<_>>()?;
    let model = classifier.model();
    Ok(Measurement {
        model: model.variant.name.clone(),
        phi: model.variant.phi,
        config: model.config,
        engine_description: model.engine_description.clone(),
        frames: total.count(),
        requested_frames: 0,
        preempted_frames,
        infer_ms: of(&infer)?,
        total_ms: of(&total)?,
        load_ms,
        first_ms: first_ms.unwrap_or_default(),
        peak_rss_mib: system::peak_rss_mib()
            .context("/proc/self/status tells no VmHWM: memory cannot be measured here")?,
        stages_ms,
    })
}

/// What is looked at: as large as a webcam's pictures, as fast as they are taken.
fn pattern() -> Pattern {
    Pattern::new(Size::new(640, 480), 1000.0)
}

fn next(camera: &mut Pattern) -> anyhow::Result<Frame> {
    loop {
        match camera.next_frame(Duration::from_secs(1))? {
            Next::Frame(frame) => return Ok(frame),
            Next::Nothing => {}
            Next::Finished => anyhow::bail!("the test pattern ended"),
        }
    }
}

fn table(found: &Measurement, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{} ({}), {}, {}: {} frames",
        found.model,
        Phi(found.phi),
        found.config,
        system::processor(),
        found.frames
    )?;
    writeln!(out, "{}", found.engine_description)?;
    writeln!(out, "stage          p50 ms    p95 ms    p99 ms    min ms")?;
    let mut line = |name: &str, p: &Percentiles| {
        writeln!(out, "{name:<12} {:>8.3}  {:>8.3}  {:>8.3}  {:>8.3}", p.p50, p.p95, p.p99, p.min)
    };
    for (name, of) in [("mailbox", "mailbox"), ("preprocess", "preprocess")] {
        line(name, &found.stages_ms[of])?;
    }
    line("infer", &found.infer_ms)?;
    line("postprocess", &found.stages_ms["postprocess"])?;
    line("in all", &found.total_ms)?;
    line("draw 720p", &found.stages_ms["draw"])?;
    writeln!(
        out,
        "loaded in {:.0} ms, first inference {:.1} ms, {:.0} MiB at most",
        found.load_ms, found.first_ms, found.peak_rss_mib
    )?;
    match found.preempted_frames {
        0 if system::run_queue_delay().is_none() => {
            writeln!(out, "this kernel does not tell whether other programs held it up (CONFIG_SCHED_INFO)")
        }
        0 => Ok(()),
        held_up => writeln!(out, "{held_up} of {} frames were held up by other programs", found.frames),
    }
}
