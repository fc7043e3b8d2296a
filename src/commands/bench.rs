//! `phicam bench`: times each stage of the pipeline for one variant, one stage after the other on one thread.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::models::model_file::ModelFile;
use super::{write_exact_json, write_json};
use crate::cli::{BenchArgs, BoardArgs, BudgetArgs};
use crate::service::first_model::one_shot_model;
use crate::session::{Session, board, is_file_name};
use phicam_camera::{Camera, Next, TestPattern};
use phicam_engine::latency::{Percentiles, Stage};
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_frame::mailbox::{Mailbox, TakeResult};
use phicam_frame::{Frame, Size};
use phicam_model::catalog::Variant;
use phicam_model::efficientnet::compound_scaling::Phi;
use phicam_model::labels::Labels;
use phicam_pipeline::classify;
use phicam_pipeline::classify::Classifier;
use phicam_pipeline::classify::postprocess;
use phicam_pipeline::display_state::{DisplayRenderer, Screen, Surface};
use phicam_pipeline::screen_words::Readings;
use phicam_platform::{paths, system};
use phicam_policy::measurement::Measurement;
use phicam_policy::sampling::SamplingPlan;

mod verify_output;

/// Size of the screen that the overlay is drawn for: 720p.
const SCREEN: Size = Size::new(1280, 720);

pub fn bench(args: BenchArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if let Some(path) = args.model_args.model.as_deref().filter(|model| is_file_name(model)) {
        return bench_file(Path::new(path), &args, out);
    }
    if args.side.is_some() {
        bail!(
            "--side applies to --model FILE only: a variant's name has its resolution, such as lite0@192; leave --side out"
        );
    }
    let board = board(&BoardArgs::default())?;
    let mut session = Session::new(&board, &BudgetArgs::default(), &args.model_args)?;
    let (variant, config) = match &session.pinned {
        Some(pinned) => (pinned.clone(), session.default_config()),
        None => {
            let quick = settings(session.default_config());
            let model = one_shot_model(&mut session, &quick)?.model().clone();
            (model.variant.clone(), model.config)
        }
    };
    let settings = classify::Settings { cache_packed_weights: args.packed, ..settings(config) };
    let frame = next_frame(&mut test_pattern())?;
    let expected = verify_output::expected(&variant, &settings, &frame)?;
    let baseline = MemoryBaseline::now();
    let start = Instant::now();
    let mut classifier = crate::engines::open_classifier(&variant, &settings)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    if let Some(expected) = expected {
        verify_output::check(&mut classifier, &frame, &expected)?;
    }
    let mut measurement = measure(&mut classifier, load_ms, sampling(&args), args.interval_ms)?;
    if let (EngineKind::TensorRt | EngineKind::Cuda, Some(baseline)) = (config.engine, baseline) {
        measurement.peak_rss_mib = measurement.peak_rss_mib.max(baseline.used_mib());
    }
    if args.json {
        write_measurement(&measurement, args.exact, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    write_table(&measurement, out)?;
    if let Some(stored) = session.store.get(&variant, measurement.config) {
        let (p95, folder) = (stored.total_ms.p95, paths::state_dir());
        writeln!(out, "stored p95 of this machine: {p95:.2} ms, in {}", folder.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Memory before the model was loaded, in MiB.
struct MemoryBaseline {
    /// Of the system.
    free_mib: f64,
    /// Of this process.
    rss_mib: f64,
}

impl MemoryBaseline {
    /// Returns the memory of this moment, or `None` without /proc.
    fn now() -> Option<MemoryBaseline> {
        let (_, free_mib) = system::memory_mib()?;
        Some(MemoryBaseline { free_mib, rss_mib: system::rss_mib()? })
    }

    /// Returns the memory used since then, with the process's own at that time.
    ///
    /// A Jetson's GPU shares memory with the CPU, and no counter of the process includes its part.
    fn used_mib(&self) -> f64 {
        let (_, free_mib) = system::memory_mib().unwrap_or((0.0, self.free_mib));
        self.free_mib - free_mib + self.rss_mib
    }
}

/// Returns the sampling plan of the command line. `--frames` alone has no minimum time.
fn sampling(args: &BenchArgs) -> SamplingPlan {
    let usual = match args.frames {
        Some(frames) => SamplingPlan { frames, min_ms: 0.0, ..SamplingPlan::DEFAULT },
        None => SamplingPlan::DEFAULT,
    };
    let min_ms = args.min_time_ms.unwrap_or(usual.min_ms);
    SamplingPlan { min_ms, max_ms: args.max_time_ms.unwrap_or(usual.max_ms), ..usual }
}

fn settings(config: ExecutionConfig) -> classify::Settings {
    classify::Settings {
        view: Default::default(),
        prediction: postprocess::Settings::default(),
        config,
        cache_packed_weights: false,
    }
}

/// Memory limit for an untrusted file, beyond a multiple of its size: B7 at 600 pixels took 782 MiB.
const FILE_LIMIT_BYTES: u64 = 2 << 30;

/// Times an ONNX file that is not in the catalog. Its predictions do not matter, so it needs no labels.
fn bench_file(path: &Path, args: &BenchArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    system::limit_memory(FILE_LIMIT_BYTES.saturating_add(size.saturating_mul(8)))
        .context("cannot limit the memory of this process")?;
    let file = ModelFile::open(path)?;
    let ModelFile::Onnx { bytes, .. } = &file else {
        bail!("cannot time {0}: it has weights only; add it with `phicam models add {0}`", path.display());
    };
    let side = file.checked_side(args.side).with_context(|| path.display().to_string())?;
    let variant = Variant::from_file(path, bytes, side, file.layout(), file.scaled(), file.million_macs(side)?);
    let threads = args.model_args.threads.map_or_else(system::cores, usize::from);
    let just = crate::engines::Threads::Just(threads);
    let configs = crate::engines::configs(args.model_args.named_engine(), args.model_args.precision, just)?;
    let config = configs.first().copied().unwrap_or(ExecutionConfig::tract(threads));
    let start = Instant::now();
    let engine = crate::engines::open_bytes(&variant, bytes, config)?;
    if engine.classes() != file.classes() {
        let (scores, classes) = (engine.classes(), file.classes());
        bail!("{} is damaged: it returns {scores} scores, but its graph has {classes} classes", path.display());
    }
    let labels = Labels::numbered(engine.classes());
    let mut classifier = Classifier::with_engine(&variant, labels, engine, &settings(config));
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    if !args.json {
        writeln!(out, "{}: {}, {:.1} M MACs", path.display(), file.description(), variant.million_macs)?;
    }
    drop(file);
    let measurement = measure(&mut classifier, load_ms, sampling(args), args.interval_ms)?;
    if args.json {
        write_measurement(&measurement, args.exact, out)?;
    } else {
        write_table(&measurement, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Share of a frame's time in which a thread waited for a core, from which the frame counts as preempted: a 20th, like
/// the share of slow frames that the 95th percentile allows.
const PREEMPTED_SHARE: f64 = 0.05;

/// Returns whether other programs used next to no CPU time. An unknown load is not negligible.
fn is_negligible(cores: Option<f64>) -> bool {
    cores.is_some_and(|cores| cores <= system::NEGLIGIBLE_CORES)
}

/// Times of each stage.
struct StageTimes {
    mailbox: Stage,
    preprocess: Stage,
    infer: Stage,
    postprocess: Stage,
    draw: Stage,
    /// All stages but `draw`.
    total: Stage,
}

impl StageTimes {
    fn new() -> StageTimes {
        StageTimes {
            mailbox: Stage::new("mailbox"),
            preprocess: Stage::new("preprocess"),
            infer: Stage::new("infer"),
            postprocess: Stage::new("postprocess"),
            draw: Stage::new("draw"),
            total: Stage::new("total"),
        }
    }
}

/// Puts frames through the stages one after the other; the pipeline does so on three threads.
fn measure(
    classifier: &mut Classifier,
    load_ms: f64,
    sampling: SamplingPlan,
    interval_ms: Option<f64>,
) -> anyhow::Result<Measurement> {
    let interval = Duration::from_secs_f64(interval_ms.unwrap_or(0.0) / 1e3);
    let mut camera = test_pattern();
    let mailbox = Mailbox::default();
    let screen = Screen::default();
    let mut drawing = DisplayRenderer::default();
    let mut stages = StageTimes::new();
    let mut first_ms = None;
    let mut count: u64 = 0;
    let mut preempted_frames: u64 = 0;
    let mut other_load: Option<system::OtherCpuLoad> = None;
    let mut started = Instant::now();
    loop {
        let counted = count.saturating_sub(SamplingPlan::WARM_UP_FRAMES);
        let is_done = |preempted: u64| sampling.is_done(counted, started.elapsed().as_secs_f64() * 1e3, preempted);
        if counted > 0 && is_done(0) {
            // Without other load the frames waited for the pipeline of the parent process, which is no contention.
            if preempted_frames > 0 && other_load.take().is_some_and(|mut load| is_negligible(load.cores())) {
                preempted_frames = 0;
            }
            if is_done(preempted_frames) {
                break;
            }
        }
        let frame = next_frame(&mut camera)?;
        let delay_before = system::run_queue_delay();
        let start = Instant::now();
        let next_start = start + interval;
        mailbox.put(frame.clone());
        let TakeResult::Newest(newest) = mailbox.take(Duration::ZERO) else {
            anyhow::bail!("the mailbox lost a frame")
        };
        let mailbox_time = start.elapsed();
        let answer = classifier.classify(&newest)?;
        let total_time = start.elapsed();
        let delay = system::run_queue_delay()
            .zip(delay_before)
            .map_or(Duration::ZERO, |(after, before)| after.max_since(&before));
        first_ms.get_or_insert(answer.times.infer_ms);
        let times = answer.times;
        screen.set_frame(frame);
        screen.set_classification(answer);
        let scene = screen.wait(Duration::ZERO).context("the screen lost a frame")?;
        let draw_start = Instant::now();
        let surface = Surface::screen(SCREEN);
        drawing.compose(&scene, &Readings::default(), surface);
        drawing.draw(&scene, surface, phicam_display::FramePlacement::Canvas);
        let draw_time = draw_start.elapsed();
        std::thread::sleep(next_start.saturating_duration_since(Instant::now()));
        count += 1;
        if count <= SamplingPlan::WARM_UP_FRAMES {
            started = Instant::now();
            other_load = Some(system::OtherCpuLoad::excluding_parent());
            continue;
        }
        preempted_frames += u64::from(delay > total_time.mul_f64(PREEMPTED_SHARE));
        stages.mailbox.record(mailbox_time);
        stages.preprocess.record_ms(times.preprocess_ms);
        stages.infer.record_ms(times.infer_ms);
        stages.postprocess.record_ms(times.postprocess_ms);
        stages.total.record(total_time);
        stages.draw.record(draw_time);
    }
    let percentiles = |stage: &Stage| stage.percentiles().context("no frame was timed");
    let stages_ms: BTreeMap<String, Percentiles> =
        [&stages.mailbox, &stages.preprocess, &stages.postprocess, &stages.draw]
            .into_iter()
            .map(|stage| Ok((stage.name().to_string(), percentiles(stage)?)))
            .collect::<anyhow::Result<_>>()?;
    let model = classifier.model();
    Ok(Measurement {
        model: model.variant.name.clone(),
        phi: model.variant.phi,
        config: model.config,
        engine_description: model.engine_description.clone(),
        frames: stages.total.count(),
        requested_frames: 0,
        preempted_frames,
        infer_ms: percentiles(&stages.infer)?,
        total_ms: percentiles(&stages.total)?,
        load_ms,
        first_ms: first_ms.unwrap_or_default(),
        peak_rss_mib: system::peak_rss_mib()
            .context("peak memory is unknown: /proc/self/status has no VmHWM; mount /proc")?,
        stages_ms,
    })
}

/// Returns the camera of the benchmark: frames of a webcam's usual size, faster than any model.
fn test_pattern() -> TestPattern {
    TestPattern::new(Size::new(640, 480), 1000.0)
}

fn next_frame(camera: &mut TestPattern) -> anyhow::Result<Frame> {
    loop {
        match camera.next_frame(Duration::from_secs(1))? {
            Next::Frame(frame) => return Ok(frame),
            Next::Nothing => {}
            Next::Finished => anyhow::bail!("the test pattern ended"),
        }
    }
}

/// Writes a measurement as JSON; `exact` keeps every digit for the measurement store.
fn write_measurement(measurement: &Measurement, exact: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if exact { write_exact_json(out, serde_json::to_value(measurement)?) } else { write_json(out, measurement) }
}

fn write_table(measurement: &Measurement, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{} ({}), {}, {}: {} frames",
        measurement.model,
        Phi(measurement.phi),
        measurement.config,
        system::processor(),
        measurement.frames
    )?;
    writeln!(out, "{}", measurement.engine_description)?;
    writeln!(out, "stage          p50 ms    p95 ms    p99 ms    min ms")?;
    let mut line = |name: &str, p: &Percentiles| {
        writeln!(out, "{name:<12} {:>8.3}  {:>8.3}  {:>8.3}  {:>8.3}", p.p50, p.p95, p.p99, p.min)
    };
    line("mailbox", &measurement.stages_ms["mailbox"])?;
    line("preprocess", &measurement.stages_ms["preprocess"])?;
    line("infer", &measurement.infer_ms)?;
    line("postprocess", &measurement.stages_ms["postprocess"])?;
    line("total", &measurement.total_ms)?;
    line("draw 720p", &measurement.stages_ms["draw"])?;
    writeln!(
        out,
        "loaded in {:.0} ms, first inference {:.1} ms, peak memory {:.0} MiB",
        measurement.load_ms, measurement.first_ms, measurement.peak_rss_mib
    )?;
    match measurement.preempted_frames {
        0 if system::run_queue_delay().is_none() => {
            writeln!(out, "CPU contention is unknown: the kernel lacks CONFIG_SCHED_INFO")
        }
        0 => Ok(()),
        preempted => {
            writeln!(out, "{preempted} of {} frames waited for a core, as other programs used it", measurement.frames)
        }
    }
}
