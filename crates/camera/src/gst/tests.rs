//! Tests of the reader thread on its own, so that its allocations can be counted.

use super::*;

/// Returns the allocations of the reader thread for a film, and the number of frames received.
fn count_allocations(frames: u32) -> (u64, u64) {
    let pipeline = format!("videotestsrc num-buffers={frames} ! video/x-raw,format=NV12,width=64,height=48");
    let arguments: Vec<String> = launch_arguments(&pipeline)
        .into_iter()
        .map(|argument| if argument == "leaky=downstream" { "leaky=no".into() } else { argument })
        .collect();
    let shared = Arc::new(Shared::default());
    let reader = FrameReader::new(PipelineProcess::start(&arguments, &pipeline).unwrap(), shared.clone());
    let counted = allocation_counter::measure(|| reader.run()).count_total;
    (counted, shared.received.load(Ordering::Relaxed))
}

#[test]
fn frames_are_received_without_allocations() {
    match probe(&["videotestsrc"]) {
        Presence::Available => {}
        missing => {
            assert!(std::env::var_os("PHICAM_GST_TESTS").is_none_or(|value| value != "1"), "{missing:?}");
            let _ =
                std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED frames_are_received_without_allocations\n");
            return;
        }
    }
    let (short_allocations, short_frames) = count_allocations(50);
    let (long_allocations, long_frames) = count_allocations(450);
    assert_eq!((short_frames, long_frames), (50, 450));
    // The margin covers growth of the buffers for messages.
    assert!(
        long_allocations <= short_allocations + 20,
        "{short_allocations} allocations for 50 frames, {long_allocations} for 450"
    );
}

#[test]
fn pipeline_is_quoted_for_a_shell() {
    let quoted = quote_for_shell(&launch_arguments("a location='x y' ! b"));
    assert!(
        quoted.starts_with("-v a 'location='\\''x' 'y'\\''' '!' b '!' videoconvert '!' capsfilter name=phicam"),
        "{quoted}"
    );
    assert!(quoted.contains("'caps=video/x-raw,format={NV12,I420,"), "{quoted}");
}
