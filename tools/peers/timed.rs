//! What the engines in Rust share: arguments, the timed loop, and the line of JSON. `infer.py` does the same in Python.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Runs that are not counted: caches and clocks settle, threads start.
const WARM_UP_RUNS: u32 = 3;
const WARM_UP_SHARE: f64 = 0.1; // of the timed seconds
const LEAST_RUNS: usize = 5;

/// How long to run.
pub enum Length {
    Seconds(f64),
    /// So many runs, none before them: for tools that count instructions.
    Runs(u32),
}

impl std::str::FromStr for Length {
    type Err = Box<dyn Error>;

    /// `2.5`, in seconds, or `3x`, in runs
    fn from_str(text: &str) -> Result<Length, Box<dyn Error>> {
        Ok(match text.strip_suffix('x') {
            Some(runs) => Length::Runs(runs.parse()?),
            None => Length::Seconds(text.parse()?),
        })
    }
}

/// What is asked for: `MODEL.onnx SIDE INPUT.f32 SCORES.f32 THREADS SECONDS|RUNSx`.
pub struct Job {
    pub model: PathBuf,
    pub side: usize,
    pub input: Vec<f32>,
    pub scores: PathBuf,
    pub threads: usize,
    pub length: Length,
}

/// What an engine says of itself, and what loading it took.
pub struct Loaded {
    pub version: String,
    pub detail: String,
    pub load_ms: f64,
    pub base_rss_mib: f64,
}

impl Job {
    pub fn of_arguments() -> Result<Job, Box<dyn Error>> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [model, side, input, scores, threads, length] = &words[..] else {
            return Err("expected MODEL.onnx SIDE INPUT.f32 SCORES.f32 THREADS SECONDS|RUNSx".into());
        };
        let bytes = std::fs::read(input)?;
        let (values, side) = (bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)), side.parse()?);
        let job = Job {
            model: model.into(),
            side,
            input: values.collect(),
            scores: scores.into(),
            threads: threads.parse()?,
            length: length.parse()?,
        };
        match job.input.len() == 3 * side * side {
            true => Ok(job),
            false => Err(format!("{input} has {} values, not 3 × {side} × {side}", job.input.len()).into()),
        }
    }

    /// Runs `infer`, which puts the scores into its argument, and prints what it took.
    pub fn run<E: Into<Box<dyn Error>>>(
        &self,
        loaded: Loaded,
        mut infer: impl FnMut(&mut Vec<f32>) -> Result<(), E>,
    ) -> Result<(), Box<dyn Error>> {
        let mut scores = Vec::new();
        let mut timed = || -> Result<f64, Box<dyn Error>> {
            let start = Instant::now();
            infer(&mut scores).map_err(Into::into)?;
            Ok(ms(start.elapsed()))
        };
        let (first_ms, mut samples_ms, mut start, mut cpu_before) = (timed()?, Vec::new(), Instant::now(), cpu_ms());
        match self.length {
            Length::Runs(runs) => {
                samples_ms.push(first_ms);
                for _ in 1..runs {
                    samples_ms.push(timed()?);
                }
            }
            Length::Seconds(seconds) => {
                let mut runs = 0;
                while runs < WARM_UP_RUNS || start.elapsed().as_secs_f64() < seconds * WARM_UP_SHARE {
                    timed()?;
                    runs += 1;
                }
                (start, cpu_before) = (Instant::now(), cpu_ms());
                while samples_ms.len() < LEAST_RUNS || start.elapsed().as_secs_f64() < seconds {
                    samples_ms.push(timed()?);
                }
            }
        }
        let cpu_ms = (cpu_ms() - cpu_before) / samples_ms.len() as f64;
        std::fs::write(&self.scores, scores.iter().flat_map(|score| score.to_le_bytes()).collect::<Vec<u8>>())?;
        let Loaded { version, detail, load_ms, base_rss_mib } = loaded;
        let peak_rss_mib = rss_mib("VmHWM")?;
        let line = serde_json::json!({
            "version": version, "detail": detail, "load_ms": load_ms, "first_ms": first_ms, "cpu_ms": cpu_ms,
            "base_rss_mib": base_rss_mib, "peak_rss_mib": peak_rss_mib, "samples_ms": samples_ms,
        });
        println!("{line}");
        Ok(())
    }
}

/// A line of `/proc/self/status`, in MiB.
pub fn rss_mib(key: &str) -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("/proc/self/status tells no memory")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Of all threads of this process.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
