//! Soak test of the pick: runs it at the budget's frame rate, and steps down if it misses the budget.

use std::sync::atomic::AtomicBool;

use anyhow::bail;
use log::{info, warn};

use crate::profiler::BenchRequest;
use crate::session::Session;
use phicam_policy::picker::{Pick, previous_pick_fits};
use phicam_policy::sampling::SamplingPlan;

/// Returns the pick if it holds for `seconds`, else the next candidate that does. Stores the measured latencies.
pub fn soak(session: &mut Session, pick: Pick, seconds: f64) -> anyhow::Result<Pick> {
    let stop = AtomicBool::new(false);
    let sampling = SamplingPlan { frames: 1, min_ms: seconds * 1e3, max_ms: seconds * 1e3 };
    let mut pick = pick;
    // Each iteration removes one candidate that fits, so the loop ends.
    loop {
        info!("soak test of {} ({}) for {seconds:.0} s", pick.variant.name, pick.config);
        let request = BenchRequest {
            variant: &pick.variant,
            models: &session.models,
            config: pick.config,
            sampling,
            interval_ms: session.budget.frame_ms,
        };
        let found = request.run(&stop)?;
        // As exact as can be, so that the picker does not refine it.
        let frames = found.frames.max(phicam_policy::picker::MAX_FRAMES + 1);
        let (held, p95_ms) = (previous_pick_fits(&found, &session.budget), found.total_ms.p95);
        session.store.put(&pick.variant, phicam_policy::measurement::Measurement { requested_frames: frames, ..found });
        if held {
            info!("{} holds: p95 {p95_ms:.1} ms over {seconds:.0} s", pick.variant.name);
            return session.repick();
        }
        let next = pick.ladder.get(1).map(|step| &pick.candidates[step.candidate]);
        let next = next.map(|next| (next.variant.name.as_str(), next.config));
        session.store.replace_pick(&pick.variant.name, pick.config, next);
        warn!("{} does not hold: p95 {p95_ms:.1} ms over {seconds:.0} s", pick.variant.name);
        let before = (pick.variant.name.clone(), pick.config);
        pick = session.repick()?;
        if (pick.variant.name.clone(), pick.config) == before {
            bail!("{} failed its soak test, and nothing else fits; allow more with --frame-ms", before.0);
        }
    }
}
