//! `phicam build-engines`: builds TensorRT engines ahead of time, so that no start has to.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::info;

use super::exit;
use crate::cli::BuildEnginesArgs;
use crate::session::{Activity, Session, board};
use phicam_engine::EngineKind;
use phicam_platform::paths;
use phicam_policy::picker::{Effort, explain};
use phicam_policy::sampling::SamplingPlan;

pub fn build_engines(args: BuildEnginesArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let board = board(&args.board)?;
    let mut session = Session::new(&board, &args.budget, &args.model_args)?;
    let Some(config) = session.configs.iter().copied().find(|config| config.engine == EngineKind::TensorRt) else {
        bail!(
            "no engine to build: there is no ONNX Runtime with TensorRT on this machine, and the other engines need none; \
             `phicam doctor` says what is here"
        );
    };
    let state = paths::persistent_state_dir()
        .context("built engines cannot be stored: there is no state folder; name one with PHICAM_STATE")?;
    if args.remeasure {
        session.store.forget();
        let folder = state.join(phicam_engine_onnxruntime::ENGINE_CACHE_FOLDER);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
    }
    let stop = AtomicBool::new(false);
    let progress = |activity: Activity| {
        if let Activity::BuildingEngine(description) = activity
            && description.ends_with('0')
        // every ten seconds
        {
            info!("{description}");
        }
    };
    if !args.all && session.pinned.is_none() {
        let pick = session.pick(&session.configs.clone(), Effort::Full, &stop, &progress)?;
        writeln!(out, "{}", explain(&pick))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = false;
    let variants: Vec<_> =
        session.pinned.iter().chain(session.candidates.iter().filter(|_| args.all)).cloned().collect();
    for variant in variants {
        let found = session.profiler(&stop, &progress).measure(&variant, config, SamplingPlan::DEFAULT);
        match found {
            Ok(found) => writeln!(out, "{}: engine built, {:.2} ms at p95", variant.name, found.total_ms.p95)?,
            Err(error) => writeln!(out, "{error}")?,
        }
        failed |= session.store.get(&variant, config).is_none();
    }
    Ok(if failed { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}
