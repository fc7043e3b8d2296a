//! Lets the pick show that it holds: as long as is asked for, at the budget's rate, and the next one down where it does not.

use std::sync::atomic::AtomicBool;

use anyhow::bail;
use log::{info, warn};

use crate::profiler::child_bench::measure_at_rate;
use crate::session::Session;
use phicam_policy::picker::{Pick, holds};
use phicam_policy::sampling::SamplingPlan;

/// The pick, or what fits in its place. What a variant took in so long is remembered of it.
pub fn soak(session: &mut Session, pick: Pick, seconds: f64) -> anyhow::Result<Pick> {
    let stop = AtomicBool::new(false);
    let sampling = SamplingPlan { frames: 1, min_ms: seconds * 1e3, max_ms: seconds * 1e3 };
    let mut pick = pick;
    // Each turn takes one variant out of those that fit, so it ends.
    loop {
        info!("{} by {} is to hold for {seconds:.0} s", pick.variant.name, pick.config);
        let found =
            measure_at_rate(&pick.variant, &session.folder, pick.config, sampling, session.budget.frame_ms, &stop)?;
        // As exact as there is: the pick does not measure it again.
        let frames = found.frames.max(phicam_policy::picker::MAX_FRAMES + 1);
        let (held, p95_ms) = (holds(&found, &session.budget), found.total_ms.p95);
        session.store.put(&pick.variant, phicam_policy::measurement::Measurement { requested_frames: frames, ..found });
        if held {
            info!("{} held: {p95_ms:.1} ms at p95 over {seconds:.0} s", pick.variant.name);
            return session.repick();
        }
        let next = pick.ladder.get(1).map(|step| &pick.candidates[step.candidate]);
        let next = next.map(|next| (next.variant.name.as_str(), next.config));
        session.store.replace_picked(&pick.variant.name, pick.config, next);
        warn!("{} did not hold: {p95_ms:.1} ms at p95 over {seconds:.0} s", pick.variant.name);
        let before = (pick.variant.name.clone(), pick.config);
        pick = session.repick()?;
        if (pick.variant.name.clone(), pick.config) == before {
            bail!("{} is picked again, though it did not hold; allow more with --frame-ms", before.0);
        }
    }
}
