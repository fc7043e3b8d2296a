//! `phicam prepare`: builds what TensorRT needs ahead of time, so that no start has to.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::info;

use super::exit;
use crate::cli::PrepareArgs;
use crate::session::{Activity, Session, board};
use phicam_engine::EngineKind;
use phicam_platform::paths;
use phicam_policy::picker::explain;
use phicam_policy::sampling::SamplingPlan;

pub fn prepare(args: PrepareArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let board = board(&args.board)?;
    let mut session = Session::new(&board, &args.budget, &args.model_args)?;
    let Some(config) = session.configs.iter().copied().find(|config| config.engine == EngineKind::TensorRt) else {
        bail!(
            "there is nothing to prepare: no ONNX Runtime with TensorRT is here, and the other engines need nothing built; \
             `phicam doctor` says what is here"
        );
    };
    let state = paths::persistent_state_dir().context("nothing can be kept: name a folder with PHICAM_STATE")?;
    if args.fresh {
        session.store.forget();
        let folder = state.join(phicam_engine_onnxruntime::PREPARED);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
    }
    let stop = AtomicBool::new(false);
    let tell = |activity: Activity| {
        if let Activity::Preparing(words) = activity
            && words.ends_with("0")
        // every ten seconds
        {
            info!("{words}");
        }
    };
    if !args.all && session.pinned.is_none() {
        let pick = session.pick(&session.configs.clone(), &stop, &tell)?;
        writeln!(out, "{}", explain(&pick))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = false;
    let variants: Vec<_> = session.pinned.iter().chain(session.admitted.iter().filter(|_| args.all)).cloned().collect();
    for variant in variants {
        let found = session.profiler(&stop, &tell).time(&variant, config, SamplingPlan::USUAL);
        match found {
            Ok(found) => writeln!(out, "{} is prepared: {:.2} ms at p95", variant.name, found.total_ms.p95)?,
            Err(error) => writeln!(out, "{error}")?,
        }
        failed |= session.store.get(&variant, config).is_none();
    }
    Ok(if failed { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}
