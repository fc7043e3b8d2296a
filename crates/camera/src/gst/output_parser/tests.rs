//! Lines as gst-launch-1.0 of several versions writes them.

use super::*;

fn line(caps: &str) -> String {
    format!("/GstPipeline:pipeline0/GstCapsFilter:phicam.GstPad:src: caps = {caps}")
}

fn read(caps: &str) -> RawFrame {
    match parse(&line(caps)) {
        Some(Message::RawFrame(picture)) => picture,
        other => panic!("{caps}: {other:?}"),
    }
}

#[test]
fn the_format_of_the_pictures_is_read_from_the_line_about_our_filter_alone() {
    let caps = "video/x-raw, width=(int)1280, height=(int)720, framerate=(fraction)30000/1001, format=(string)NV12, \
                interlace-mode=(string)progressive, colorimetry=(string)bt709";
    let picture = read(caps);
    assert_eq!((picture.layout.size, picture.bytes), (Size::new(1280, 720), 1280 * 720 * 3 / 2));
    assert_eq!(picture.layout.coding, Coding { matrix: Matrix::Bt709, range: Range::Limited });
    assert!((picture.interval.unwrap().as_secs_f64() - 1001.0 / 30000.0).abs() < 1e-9);
    let other = line(caps).replace("GstCapsFilter:phicam", "GstCapsFilter:capsfilter0");
    assert_eq!(parse(&other), None);
    assert_eq!(parse(&line(caps).replace("GstPad:src", "GstPad:sink")), None);
    for not_ours in
        ["", "Setting pipeline to PLAYING ...", "New clock: GstSystemClock", &line("ANY"), &line("video/x-raw, ")]
    {
        assert_eq!(parse(not_ours), None, "{not_ours}");
    }
}

#[test]
fn sizes_and_rates_that_cannot_be_are_no_format() {
    for caps in [
        "video/x-raw, format=(string)NV12, width=(int)0, height=(int)2",
        "video/x-raw, format=(string)NV12, width=(int)99999999, height=(int)99999999",
        "video/x-raw, format=(string)P010_10LE, width=(int)4, height=(int)2",
        "video/x-raw, format=(string)NV12, height=(int)2",
        "video/x-raw(memory:NVMM), format=(string)NV12, width=(int)4, height=(int)2",
    ] {
        assert_eq!(parse(&line(caps)), None, "{caps}");
    }
    for rate in ["0/1", "1/0", "-1/1", "x", "1/99999"] {
        let picture =
            read(&format!("video/x-raw, format=(string)RGB, width=(int)4, height=(int)2, framerate=(fraction){rate}"));
        assert_eq!(picture.interval, None, "{rate}");
    }
}

#[test]
fn rows_are_padded_as_gstreamer_pads_them() {
    // What gst-launch-1.0 1.22 writes for a picture of 33 × 17.
    for (format, bytes) in
        [("NV12", 972), ("I420", 1008), ("YUY2", 1156), ("UYVY", 1156), ("RGB", 1700), ("BGR", 1700), ("GRAY8", 612)]
    {
        let picture = read(&format!("video/x-raw, format=(string){format}, width=(int)33, height=(int)17"));
        assert_eq!(picture.bytes, bytes, "{format}");
    }
}

#[test]
fn what_the_numbers_stand_for_is_named_numbered_or_assumed_by_height() {
    let of = |format, height, colorimetry| {
        let Coding { matrix, range } = coding(format, height, colorimetry);
        (matrix, range)
    };
    let nv12 = PixelFormat::Nv12;
    assert_eq!(of(nv12, 480, Some("bt709")), (Matrix::Bt709, Range::Limited));
    assert_eq!(of(nv12, 1080, Some("bt601")), (Matrix::Bt601, Range::Limited));
    assert_eq!(of(nv12, 480, Some("1:4:0:0")), (Matrix::Bt601, Range::Full));
    assert_eq!(of(nv12, 720, Some("2:6:13:7")), (Matrix::Bt2020, Range::Limited));
    assert_eq!([576, 577, 2160].map(|height| of(nv12, height, None).0), [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020]);
    assert_eq!(of(PixelFormat::Grey, 480, None).1, Range::Full);
    assert_eq!(coding(PixelFormat::Rgb8, 720, Some("sRGB")), Coding::RGB);
}

#[test]
fn every_picture_that_is_made_is_counted_with_its_bytes() {
    let made = "/GstPipeline:pipeline0/GstIdentity:phicam-made: last-message = chain   ******* (phicam-made:sink) (1700 bytes, \
                dts: none, pts: 0:00:00.033333333, duration: 0:00:00.033333333, offset: 1, offset_end:  2, flags: 00000000 , \
                meta: none) 0x5650342e17e0";
    assert_eq!(parse(made), Some(Message::Made(1700)));
    assert_eq!(parse(&made.replace("chain ", "event ")), None);
    assert_eq!(parse(&made.replace("GstIdentity:phicam-made", "GstIdentity:identity0")), None);
}

#[test]
fn lines_come_whole_however_they_are_read() {
    let text = "first\nsecond ü\r\n\nlast";
    for cut in 1..text.len() {
        let (mut lines, mut said) = (Lines::default(), Vec::new());
        text.as_bytes().chunks(cut).for_each(|part| lines.feed(part, |line| said.push(line.to_string())));
        lines.finish(|line| said.push(line.to_string()));
        assert_eq!(said, ["first", "second ü", "", "last"], "cut to {cut}");
    }
    let (mut lines, mut longest) = (Lines::default(), 0);
    (0..100).for_each(|_| lines.feed(&[b'x'; 1000], |_| {}));
    lines.feed(b"\nok\n", |line| longest = longest.max(line.len()));
    assert!(longest <= LONGEST && lines.rest.capacity() <= 2 * LONGEST, "a line without an end takes no memory");
}

#[test]
fn the_cause_and_the_last_lines_are_kept() {
    let mut said = Said::default();
    assert_eq!(said.in_words(), "it said nothing");
    ["a", "", "b"].iter().for_each(|line| said.keep(line));
    assert!(said.in_words() == "a; b" && !said.has_error() && !said.is_erroneous_pipeline());
    for line in [
        "ERROR: from element /GstPipeline:pipeline0/GstFileSrc:filesrc0: Resource not found.",
        "Additional debug info:",
        "../plugins/elements/gstfilesrc.c(553): gst_file_src_start (): /GstPipeline:pipeline0/GstFileSrc:filesrc0:",
        "No such file \"/nowhere\"",
        "ERROR: pipeline doesn't want to preroll.",
    ] {
        said.keep(line);
    }
    (0..20).for_each(|number| said.keep(&format!("line {number}")));
    said.keep("ERROR: pipeline doesn't want to preroll.");
    assert_eq!(
        said.in_words(),
        "ERROR: from element /GstPipeline:pipeline0/GstFileSrc:filesrc0: Resource not found.; No such file \"/nowhere\"; \
         ERROR: pipeline doesn't want to preroll.; line 18; line 19"
    );
    let mut argus = Said::default();
    argus.keep("Error generated. gstnvarguscamerasrc.cpp, execute:557 No cameras available");
    assert!(argus.has_error() && !argus.is_erroneous_pipeline());
    let mut library = Said::default();
    library.keep("libva error: vaGetDriverNameByIndex() failed");
    assert!(!library.has_error());
    let mut typo = Said::default();
    typo.keep("WARNING: erroneous pipeline: no element \"vidoetestsrc\"");
    assert!(typo.is_erroneous_pipeline());
}
