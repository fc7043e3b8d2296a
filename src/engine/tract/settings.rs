//! How a network is to be run: threads, instruction set, and what is known of the caches.

use phicam_kernels::network::Order;
use phicam_kernels::{Kernels, Machine};

use crate::engine::EngineError;
use crate::machine;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads that one picture may use.
    pub threads: usize,
    /// What runs the blocks; where there is nothing, tract does.
    pub kernels: Option<&'static Kernels>,
    /// Whether early blocks go row by row from their input to their output, so that what is between stays in the caches.
    pub depth_first: bool,
}

impl Settings {
    /// What the environment's PHICAM_KERNELS and PHICAM_DEPTH_FIRST say; without them, the quickest.
    pub fn of_environment(threads: usize) -> Result<Settings, EngineError> {
        let value = |name| std::env::var(name).ok();
        let kernels = kernels(value("PHICAM_KERNELS"))?;
        Ok(Settings { threads, kernels, depth_first: depth_first(value("PHICAM_DEPTH_FIRST"))? })
    }

    /// `avx512 kernels, depth first`
    pub fn in_words(self) -> String {
        let kernels = self.kernels.map_or("no", |kernels| kernels.name);
        format!("{kernels} kernels, {}", if self.depth_first { "depth first" } else { "layer by layer" })
    }

    /// The kernels' own.
    pub fn of_kernels(self) -> Option<phicam_kernels::Settings> {
        let (order, threads) = (Order::Planar, self.threads);
        let (caches, usual) = (machine::caches(threads), Machine::default());
        let machine = Machine {
            near_bytes: caches.first_bytes.unwrap_or(usual.near_bytes),
            far_bytes: caches.second_bytes.unwrap_or(usual.far_bytes),
            depth_first: self.depth_first,
        };
        let settings =
            |kernels| phicam_kernels::Settings { kernels, threads, machine, input_order: order, output_order: order };
        self.kernels.map(settings)
    }
}

/// The kernels that `wish` names: this CPU's quickest where it is not set, nothing for `none`.
fn kernels(wish: Option<String>) -> Result<Option<&'static Kernels>, EngineError> {
    match wish.as_deref() {
        None | Some("") => Ok(Some(Kernels::best())),
        Some("none") => Ok(None),
        Some(name) => Kernels::named(name).map(Some).ok_or_else(|| {
            let known: Vec<&str> = Kernels::all().map(|kernels| kernels.name).collect();
            EngineError::Kernels { value: name.into(), known: known.join(", ") }
        }),
    }
}

fn depth_first(wish: Option<String>) -> Result<bool, EngineError> {
    match wish.as_deref() {
        None | Some("" | "yes") => Ok(true),
        Some("no") => Ok(false),
        Some(other) => Err(EngineError::DepthFirst { value: other.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_environment_says_is_taken_or_refused_with_what_there_is() {
        let said = |error: EngineError| error.to_string();
        assert_eq!(kernels(None).unwrap().map(|kernels| kernels.name), Some(Kernels::best().name));
        assert!(kernels(Some("none".into())).unwrap().is_none());
        assert_eq!(kernels(Some("portable".into())).unwrap().map(|kernels| kernels.name), Some("portable"));
        let refused = said(kernels(Some("mmx".into())).unwrap_err());
        assert!(refused.contains("`mmx`") && refused.contains("portable, or none"), "{refused}");
        assert!(depth_first(None).unwrap() && !depth_first(Some("no".into())).unwrap());
        let refused = said(depth_first(Some("2".into())).unwrap_err());
        assert!(refused.contains("`2`") && refused.contains("yes or no"), "{refused}");
    }
}
