//! The most multiply-accumulates a second that this CPU does in single precision, by its widest vectors: `fma THREADS`.
//! Built by rustc alone; prints one line of JSON.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Several, for one to be undisturbed.
const WINDOWS: usize = 20;
const WINDOW_SECONDS: f64 = 0.02;

/// A loop over registers.
struct Loop {
    name: &'static str,
    /// Multiply-accumulates of a turn.
    macs: usize,
    run: unsafe fn(turns: u64),
}

/// Each chain has a register: the compiler would keep an array in memory. There are more chains than the operation has
/// stages, on as many units as a core has.
macro_rules! chains {
    ($turns:ident, $set:ident, $fma:ident, $($chain:ident)*) => {{
        let (factor, term) = ($set(black_box(0.999)), $set(black_box(0.001)));
        $(let mut $chain = $set(black_box(1.0));)*
        for _ in 0..$turns {
            $($chain = $fma($chain, factor, term);)*
        }
        $(black_box($chain);)*
    }};
}

#[cfg(target_arch = "x86_64")]
mod loops {
    use super::{Loop, black_box};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    unsafe fn avx512(turns: u64) {
        chains!(turns, _mm512_set1_ps, _mm512_fmadd_ps, a b c d e f g h i j k l m n o p q r s t)
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2(turns: u64) {
        chains!(turns, _mm256_set1_ps, _mm256_fmadd_ps, a b c d e f g h i j k l)
    }

    pub fn widest() -> Option<Loop> {
        if is_x86_feature_detected!("avx512f") {
            return Some(Loop { name: "avx512", macs: 20 * 16, run: avx512 });
        }
        let known = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        known.then_some(Loop { name: "avx2", macs: 12 * 8, run: avx2 })
    }
}

#[cfg(target_arch = "aarch64")]
mod loops {
    use super::{Loop, black_box};
    use std::arch::aarch64::*;

    /// The order of arguments that the others have.
    #[target_feature(enable = "neon")]
    fn multiply_add(chain: float32x4_t, factor: float32x4_t, term: float32x4_t) -> float32x4_t {
        vfmaq_f32(chain, factor, term)
    }

    #[target_feature(enable = "neon")]
    unsafe fn neon(turns: u64) {
        chains!(turns, vdupq_n_f32, multiply_add, a b c d e f g h i j k l m n o p q r s t)
    }

    pub fn widest() -> Option<Loop> {
        Some(Loop { name: "neon", macs: 20 * 4, run: neon })
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod loops {
    pub fn widest() -> Option<super::Loop> {
        None
    }
}

/// Multiply-accumulates a second of each of the windows of one thread.
fn rates(kernel: &Loop, together: &Barrier) -> Vec<f64> {
    let timed = |turns: u64| {
        let start = Instant::now();
        // SAFETY: `widest` gives loops that this CPU has the instructions for.
        unsafe { (kernel.run)(turns) };
        start.elapsed().as_secs_f64()
    };
    let (mut turns, mut seconds) = (1000, timed(1000));
    while seconds < WINDOW_SECONDS {
        turns *= 2;
        seconds = timed(turns);
    }
    let windows = (0..WINDOWS).map(|_| {
        together.wait();
        turns as f64 * kernel.macs as f64 / timed(turns)
    });
    windows.collect()
}

fn main() {
    let threads: usize = std::env::args().nth(1).and_then(|word| word.parse().ok()).expect("expected THREADS");
    let kernel = loops::widest().expect("no multiply-accumulate of this CPU is known here");
    let together = Barrier::new(threads);
    let all: Vec<Vec<f64>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| rates(&kernel, &together))).collect();
        running.into_iter().map(|thread| thread.join().expect("a loop that cannot fail")).collect()
    });
    let best = (0..WINDOWS).map(|window| all.iter().map(|rates| rates[window]).sum()).fold(0.0, f64::max);
    println!(r#"{{"instructions":"{}","threads":{threads},"macs_per_second":{best:.0}}}"#, kernel.name);
}
