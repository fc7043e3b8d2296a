//! Tests with output of several versions of gst-launch-1.0.

use super::*;

fn caps_line(caps: &str) -> String {
    format!("/GstPipeline:pipeline0/GstCapsFilter:phicam.GstPad:src: caps = {caps}")
}

fn parse_format(caps: &str) -> RawFormat {
    match parse(&caps_line(caps)) {
        Some(Message::Format(format)) => format,
        other => panic!("{caps}: {other:?}"),
    }
}

#[test]
fn format_is_read_from_the_phicam_caps_filter_only() {
    let caps = "video/x-raw, width=(int)1280, height=(int)720, framerate=(fraction)30000/1001, format=(string)NV12, \
                interlace-mode=(string)progressive, colorimetry=(string)bt709";
    let format = parse_format(caps);
    assert_eq!((format.layout.size, format.frame_bytes), (Size::new(1280, 720), 1280 * 720 * 3 / 2));
    assert_eq!(format.layout.coding, Coding { matrix: Matrix::Bt709, range: Range::Limited });
    assert!((format.interval.unwrap().as_secs_f64() - 1001.0 / 30000.0).abs() < 1e-9);
    let other = caps_line(caps).replace("GstCapsFilter:phicam", "GstCapsFilter:capsfilter0");
    assert_eq!(parse(&other), None);
    assert_eq!(parse(&caps_line(caps).replace("GstPad:src", "GstPad:sink")), None);
    for other in [
        "",
        "Setting pipeline to PLAYING ...",
        "New clock: GstSystemClock",
        &caps_line("ANY"),
        &caps_line("video/x-raw, "),
    ] {
        assert_eq!(parse(other), None, "{other}");
    }
}

#[test]
fn invalid_sizes_and_rates_are_rejected() {
    for caps in [
        "video/x-raw, format=(string)NV12, width=(int)0, height=(int)2",
        "video/x-raw, format=(string)NV12, width=(int)99999999, height=(int)99999999",
        "video/x-raw, format=(string)P010_10LE, width=(int)4, height=(int)2",
        "video/x-raw, format=(string)NV12, height=(int)2",
        "video/x-raw(memory:NVMM), format=(string)NV12, width=(int)4, height=(int)2",
    ] {
        assert_eq!(parse(&caps_line(caps)), None, "{caps}");
    }
    for rate in ["0/1", "1/0", "-1/1", "x", "1/99999"] {
        let format = parse_format(&format!(
            "video/x-raw, format=(string)RGB, width=(int)4, height=(int)2, framerate=(fraction){rate}"
        ));
        assert_eq!(format.interval, None, "{rate}");
    }
}

#[test]
fn row_padding_follows_gstreamer() {
    // Frame sizes that gst-launch-1.0 1.22 prints for 33 × 17 pixels.
    for (format, bytes) in
        [("NV12", 972), ("I420", 1008), ("YUY2", 1156), ("UYVY", 1156), ("RGB", 1700), ("BGR", 1700), ("GRAY8", 612)]
    {
        let parsed = parse_format(&format!("video/x-raw, format=(string){format}, width=(int)33, height=(int)17"));
        assert_eq!(parsed.frame_bytes, bytes, "{format}");
    }
}

#[test]
fn colorimetry_is_named_numbered_or_assumed_by_height() {
    let parsed = |format, height, colorimetry| {
        let Coding { matrix, range } = coding(format, height, colorimetry);
        (matrix, range)
    };
    let nv12 = PixelFormat::Nv12;
    assert_eq!(parsed(nv12, 480, Some("bt709")), (Matrix::Bt709, Range::Limited));
    assert_eq!(parsed(nv12, 1080, Some("bt601")), (Matrix::Bt601, Range::Limited));
    assert_eq!(parsed(nv12, 480, Some("1:4:0:0")), (Matrix::Bt601, Range::Full));
    assert_eq!(parsed(nv12, 720, Some("2:6:13:7")), (Matrix::Bt2020, Range::Limited));
    assert_eq!(
        [576, 577, 2160].map(|height| parsed(nv12, height, None).0),
        [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020]
    );
    assert_eq!(parsed(PixelFormat::Grey, 480, None).1, Range::Full);
    assert_eq!(coding(PixelFormat::Rgb8, 720, Some("sRGB")), Coding::RGB);
}

#[test]
fn produced_frames_are_parsed_with_their_bytes() {
    let line = "/GstPipeline:pipeline0/GstIdentity:phicam-made: last-message = chain   ******* (phicam-made:sink) (1700 bytes, \
                dts: none, pts: 0:00:00.033333333, duration: 0:00:00.033333333, offset: 1, offset_end:  2, flags: 00000000 , \
                meta: none) 0x5650342e17e0";
    assert_eq!(parse(line), Some(Message::Produced(1700)));
    assert_eq!(parse(&line.replace("chain ", "event ")), None);
    assert_eq!(parse(&line.replace("GstIdentity:phicam-made", "GstIdentity:identity0")), None);
}

#[test]
fn line_splitter_is_independent_of_chunks() {
    let text = "first\nsecond ü\r\n\nlast";
    for cut in 1..text.len() {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        text.as_bytes().chunks(cut).for_each(|part| splitter.feed(part, |line| lines.push(line.to_string())));
        splitter.finish(|line| lines.push(line.to_string()));
        assert_eq!(lines, ["first", "second ü", "", "last"], "chunks of {cut} bytes");
    }
}

#[test]
fn line_splitter_bounds_the_memory_of_a_line() {
    let (mut splitter, mut longest) = (LineSplitter::default(), 0);
    (0..100).for_each(|_| splitter.feed(&[b'x'; 1000], |_| {}));
    splitter.feed(b"\nok\n", |line| longest = longest.max(line.len()));
    assert!(longest <= MAX_LINE_BYTES, "{longest}");
    assert!(splitter.partial.capacity() <= 2 * MAX_LINE_BYTES, "{}", splitter.partial.capacity());
}

#[test]
fn error_log_keeps_the_cause_and_the_last_lines() {
    let mut log = ErrorLog::default();
    assert_eq!(log.to_string(), "it printed no message");
    ["a", "", "b"].iter().for_each(|line| log.push(line));
    assert_eq!(log.to_string(), "a; b");
    assert!(!log.has_error());
    assert!(!log.is_erroneous_pipeline());
    for line in [
        "ERROR: from element /GstPipeline:pipeline0/GstFileSrc:filesrc0: Resource not found.",
        "Additional debug info:",
        "../plugins/elements/gstfilesrc.c(553): gst_file_src_start (): /GstPipeline:pipeline0/GstFileSrc:filesrc0:",
        "No such file \"/nowhere\"",
        "ERROR: pipeline doesn't want to preroll.",
    ] {
        log.push(line);
    }
    (0..20).for_each(|number| log.push(&format!("line {number}")));
    log.push("ERROR: pipeline doesn't want to preroll.");
    assert_eq!(
        log.to_string(),
        "ERROR: from element /GstPipeline:pipeline0/GstFileSrc:filesrc0: Resource not found.; No such file \"/nowhere\"; \
         ERROR: pipeline doesn't want to preroll.; line 18; line 19"
    );
}

#[test]
fn error_log_classifies_errors_by_their_source() {
    let mut argus = ErrorLog::default();
    argus.push("Error generated. gstnvarguscamerasrc.cpp, execute:557 No cameras available");
    assert!(argus.has_error());
    assert!(!argus.is_erroneous_pipeline());
    let mut library = ErrorLog::default();
    library.push("libva error: vaGetDriverNameByIndex() failed");
    assert!(!library.has_error());
    let mut typo = ErrorLog::default();
    typo.push("WARNING: erroneous pipeline: no element \"vidoetestsrc\"");
    assert!(typo.is_erroneous_pipeline());
}
