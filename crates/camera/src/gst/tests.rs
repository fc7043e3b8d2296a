//! The reading thread by itself, so that its allocations can be counted.

use super::*;

/// Allocations of the reading thread for a film of so many pictures.
fn allocations(pictures: u32) -> (u64, u64) {
    let pipeline = format!("videotestsrc num-buffers={pictures} ! video/x-raw,format=NV12,width=64,height=48");
    let arguments: Vec<String> = arguments(&pipeline)
        .into_iter()
        .map(|argument| if argument == "leaky=downstream" { "leaky=no".into() } else { argument })
        .collect();
    let shared = Arc::new(Shared::default());
    let reader = Reader::new(Running::start(&arguments, &pipeline).unwrap(), shared.clone());
    let counted = allocation_counter::measure(|| reader.run()).count_total;
    (counted, shared.whole.load(Ordering::Relaxed))
}

#[test]
fn no_picture_costs_an_allocation() {
    match presence(&["videotestsrc"]) {
        Presence::There => {}
        missing => {
            assert!(std::env::var_os("PHICAM_GST_TESTS").is_none_or(|value| value != "1"), "{missing:?}");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED no_picture_costs_an_allocation\n");
            return;
        }
    }
    let ((few, of_few), (many, of_many)) = (allocations(50), allocations(450));
    assert_eq!((of_few, of_many), (50, 450), "all pictures came");
    assert!(many <= few + 20, "{few} allocations for 50 pictures, {many} for 450");
}

#[test]
fn a_pipeline_can_be_pasted_into_a_shell() {
    let told = in_a_shell(&arguments("a location='x y' ! b"));
    assert!(
        told.starts_with("-v a 'location='\\''x' 'y'\\''' '!' b '!' videoconvert '!' capsfilter name=phicam"),
        "{told}"
    );
    assert!(told.contains("'caps=video/x-raw,format={NV12,I420,"), "{told}");
}
