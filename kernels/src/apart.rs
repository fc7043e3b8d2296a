//! Keeps the other threads off the core that gives them work: the system may wake a thread on the core of whoever wakes it,
//! where it then waits for its turn although another core is idle.

/// Stands for no core.
pub const NOWHERE: usize = usize::MAX;

#[cfg(all(target_os = "linux", not(miri)))]
pub use linux::{Apart, core};
#[cfg(not(all(target_os = "linux", not(miri))))]
pub use nowhere::{Apart, core};

#[cfg(all(target_os = "linux", not(miri)))]
mod linux {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

    use super::NOWHERE;

    /// The cores that a thread may use.
    pub struct Apart {
        allowed: Option<CpuSet>,
        from: usize,
    }

    impl Apart {
        /// For the calling thread, one of `threads`; where there are fewer cores than that, it is left as it is.
        pub fn new(threads: usize) -> Apart {
            let allowed = sched_getaffinity(None).ok();
            Apart { allowed: allowed.filter(|allowed| allowed.count() as usize >= threads), from: NOWHERE }
        }

        /// From now on the calling thread, for which this was made, runs on every core that it may but `core`.
        pub fn keep_from(&mut self, core: usize) {
            let Some(mut others) = self.allowed.filter(|_| core != self.from && core < CpuSet::MAX_CPU) else { return };
            self.from = core;
            others.unset(core);
            let _ = sched_setaffinity(None, &others); // else it is where the system has it
        }
    }

    /// The core that the calling thread is on.
    pub fn core() -> usize {
        sched_getcpu()
    }
}

/// Where nobody can be asked for cores, threads are where the system has them.
#[cfg(not(all(target_os = "linux", not(miri))))]
mod nowhere {
    pub struct Apart;

    impl Apart {
        pub fn new(_: usize) -> Apart {
            Apart
        }

        pub fn keep_from(&mut self, _: usize) {}
    }

    pub fn core() -> usize {
        super::NOWHERE
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use rustix::thread::sched_getaffinity;

    use super::*;

    #[test]
    fn a_thread_is_kept_from_one_core_at_a_time_unless_all_are_needed() {
        let told = std::thread::spawn(|| {
            let before = sched_getaffinity(None).unwrap();
            let cores: Vec<usize> = (0..1024).filter(|core| before.is_set(*core)).collect();
            let (first, last) = (cores[0], cores[cores.len() - 1]);
            let mut none_to_spare = Apart::new(cores.len() + 1);
            none_to_spare.keep_from(first);
            assert!(sched_getaffinity(None).unwrap() == before);
            if cores.len() == 1 {
                return; // there is nowhere else to be
            }
            let mut apart = Apart::new(cores.len());
            for from in [first, last] {
                apart.keep_from(from);
                let now = sched_getaffinity(None).unwrap();
                assert!(cores.iter().all(|core| now.is_set(*core) == (*core != from)));
                assert_ne!(core(), from);
            }
            apart.keep_from(NOWHERE);
            assert!(!sched_getaffinity(None).unwrap().is_set(last), "no core is no news");
        });
        told.join().unwrap();
    }
}
