//! How a network is to be run: threads, instruction set, and what is known of the caches.

use phicam_kernels::layers::Order;
use phicam_kernels::{Kernels, Machine};

use phicam_engine::EngineError;
use phicam_platform::system;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads that one picture may use.
    pub threads: usize,
    /// What runs the blocks; where there is nothing, tract does.
    pub kernels: Option<&'static Kernels>,
    /// The caches, and whether early blocks go row by row from their input to their output to stay in them.
    pub machine: Machine,
}

/// What the environment says, in words, without a look at the machine: `avx512 kernels, depth first`
pub fn setting() -> String {
    let in_words = |(kernels, depth_first): (Option<&Kernels>, bool)| {
        let kernels = kernels.map_or("no", |kernels| kernels.name);
        format!("{kernels} kernels, {}", if depth_first { "depth first" } else { "layer by layer" })
    };
    environment().map_or_else(|error| error.to_string(), in_words)
}

fn environment() -> Result<(Option<&'static Kernels>, bool), EngineError> {
    let value = |name| std::env::var(name).ok();
    Ok((kernels(value("PHICAM_KERNELS"))?, depth_first(value("PHICAM_DEPTH_FIRST"))?))
}

impl Settings {
    /// What the environment's PHICAM_KERNELS and PHICAM_DEPTH_FIRST say; without them, the quickest.
    pub fn of_environment(threads: usize) -> Result<Settings, EngineError> {
        let (kernels, depth_first) = environment()?;
        let (caches, usual) = (system::caches(threads), Machine::default());
        let machine = Machine {
            near_bytes: caches.first_bytes.unwrap_or(usual.near_bytes),
            far_bytes: caches.second_bytes.unwrap_or(usual.far_bytes),
            depth_first,
        };
        Ok(Settings { threads, kernels, machine })
    }

    /// The kernels' own.
    pub fn of_kernels(self) -> Option<phicam_kernels::Settings> {
        let Settings { threads, kernels, machine } = self;
        let order = Order::Planar;
        let settings =
            |kernels| phicam_kernels::Settings { kernels, threads, machine, input_order: order, output_order: order };
        kernels.map(settings)
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
