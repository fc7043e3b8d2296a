//! Cameras by the names that people use: a device, a number, a network address, a folder, a picture or a film.

use std::path::Path;

use crate::gst::Title;
use crate::{Settings, gst, is_image_file, v4l2};

/// File name extensions of films, all in lower case.
const FILM_EXTENSIONS: [&str; 15] =
    ["mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "3gp", "wmv", "flv", "ogv", "mjpeg", "gif"];
/// Delay in ms that a network camera's frames may have to arrive in order; GStreamer's default of 2000 is for films.
const RTSP_LATENCY_MS: u32 = 100;

/// Returns whether the file name has the extension of a film.
pub fn is_film_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    FILM_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Returns the camera that a natural name stands for; `None` if `text` is no such name.
pub fn parse(text: &str) -> Option<Result<Settings, String>> {
    let (name, options) = text.split_once('?').map_or((text, None), |(name, options)| (name, Some(options)));
    let with_options = |device: &str| options.map_or(device.into(), |options| format!("{device}?{options}"));
    let v4l2 = |device: &str| v4l2::Settings::parse(&with_options(device)).map(|found| Settings::V4l2(Box::new(found)));
    let csi = |source: &str| {
        let options = options.map_or(String::new(), |options| format!("&{options}"));
        gst::CsiSettings::parse(&format!("0?source={source}{options}")).map(|found| Settings::Csi(Box::new(found)))
    };
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "usb" | "webcam" | "uvc" => return Some(v4l2("")),
        "libcamera" | "picam" | "picamera" | "picamera2" | "rpicam" | "raspicam" => return Some(csi("libcamera")),
        "argus" | "nvargus" => return Some(csi("argus")),
        _ => {}
    }
    let number = lower.strip_prefix("video").unwrap_or(&lower);
    if !number.is_empty() && number.len() <= 3 && number.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(v4l2(&format!("/dev/video{number}")));
    }
    if name.starts_with("/dev/video") || name.starts_with("/dev/v4l/") || name.starts_with("by-") {
        return Some(v4l2(name));
    }
    if name.starts_with("/dev/") {
        let error = "is no camera; name one of /dev/videoN, or --camera usb for the first (`phicam doctor` lists them)";
        return Some(Err(format!("{name} {error}")));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Some(network_camera(text, &scheme.to_ascii_lowercase()));
    }
    file(text)
}

/// Returns the pipeline of a network address.
fn network_camera(url: &str, scheme: &str) -> Result<Settings, String> {
    if url.contains(|letter: char| letter.is_whitespace() || letter.is_control() || "\"\\".contains(letter)) {
        return Err(format!("`{url}` has a space, quote or backslash; write it as % and its code, such as %20"));
    }
    let pipeline = match scheme {
        "rtsp" | "rtsps" | "rtspt" => {
            format!("rtspsrc location=\"{url}\" latency={RTSP_LATENCY_MS} ! application/x-rtp,media=video ! decodebin")
        }
        "http" | "https" => format!("uridecodebin uri=\"{url}\""),
        _ => {
            return Err(format!(
                "`{scheme}://` is not supported, expected rtsp:// or http://; with a GStreamer plugin for it: \
                 --camera gst:'uridecodebin uri={url}'"
            ));
        }
    };
    let settings = gst::Settings { title: Some(Title::Url(url.into())), ..gst::Settings::parse(&pipeline)? };
    Ok(Settings::Gst(Box::new(settings)))
}

/// Returns the camera that plays a file or a folder; `None` if `text` looks like neither.
fn file(text: &str) -> Option<Result<Settings, String>> {
    let path = Path::new(text);
    let exists = path.exists();
    if is_film_file(path) && !text.starts_with("files:") {
        return Some(film(path));
    }
    // A colon in a name that does not exist is rather a misspelt kind, such as `fils:`.
    if !exists && text.contains(':') {
        return None;
    }
    if path.is_dir() || is_image_file(path) || text.contains('/') && !path.is_file() {
        return Some(Ok(Settings::files(text)));
    }
    let unknown = || {
        format!(
            "{text} is neither a picture (JPEG, PNG, WebP) nor a film ({} …); convert it, or read it anyway with \
             --camera files:{text}",
            FILM_EXTENSIONS[..4].join(", ")
        )
    };
    exists.then(|| Err(unknown()))
}

/// Returns the pipeline that plays a film at its own speed.
fn film(path: &Path) -> Result<Settings, String> {
    let name = path.display();
    if name.to_string().contains(['"', '\\']) {
        return Err(format!("{name} has a quote or backslash in its name; rename it"));
    }
    // videoconvert takes the film's pictures, not its sound.
    let pipeline = format!("filesrc location=\"{name}\" ! decodebin ! videoconvert ! identity sync=true");
    let settings = gst::Settings { title: Some(Title::Film(path.into())), ..gst::Settings::parse(&pipeline)? };
    Ok(Settings::Gst(Box::new(settings)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Settings {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn natural_words_equal_their_uris() {
        for (word, uri) in [
            ("usb", "v4l2:"),
            ("Webcam", "v4l2:"),
            ("usb?fps=15", "v4l2:?fps=15"),
            ("0", "v4l2:/dev/video0"),
            ("2", "v4l2:/dev/video2"),
            ("video1", "v4l2:/dev/video1"),
            ("/dev/video0", "v4l2:/dev/video0"),
            ("/dev/video0?size=640x480", "v4l2:/dev/video0?size=640x480"),
            ("/dev/v4l/by-id/usb-a-index0", "v4l2:/dev/v4l/by-id/usb-a-index0"),
            ("by-id/usb-a-index0", "v4l2:by-id/usb-a-index0"),
            ("csi", "csi:0"),
            ("picamera", "csi:0?source=libcamera"),
            ("libcamera?size=640x480", "csi:0?source=libcamera&size=640x480"),
            ("argus", "csi:0?source=argus"),
            ("PATTERN", "pattern"),
        ] {
            assert_eq!(parsed(word), parsed(uri), "{word}");
        }
        assert_eq!(parsed("auto"), Settings::Auto {});
    }

    #[test]
    fn files_need_no_prefix() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let photographs = folder.path().display().to_string();
        for text in [photographs, path("dog.jpg"), path("*.PNG"), path("gone"), "a.jpg,b.webp".into()] {
            assert_eq!(parsed(&text), parsed(&format!("files:{text}")), "{text}");
        }
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        let error = path("notes.txt").parse::<Settings>().unwrap_err();
        assert!(error.contains("neither a picture (JPEG, PNG, WebP) nor a film"), "{error}");
    }

    #[test]
    fn film_file_becomes_a_pipeline() {
        let folder = tempfile::tempdir().unwrap();
        let film = folder.path().join("my birds.MP4");
        let settings = parsed(&film.display().to_string());
        let missing = crate::open(&settings, || Err("no samples")).err().unwrap().to_string();
        assert_eq!(missing, format!("no film at {}; check the path, or name a folder of pictures", film.display()));
        let Settings::Gst(settings) = settings else { panic!("no pipeline") };
        let expected =
            format!("filesrc location=\"{}\" ! decodebin ! videoconvert ! identity sync=true", film.display());
        assert_eq!(settings.pipeline, expected);
        assert_eq!(settings.title, Some(Title::Film(film)));
    }

    #[test]
    fn network_address_becomes_a_pipeline() {
        let url = "rtsp://me:secret@cam:554/live?channel=1";
        let Settings::Gst(settings) = parsed(url) else { panic!("no pipeline") };
        let expected = format!("rtspsrc location=\"{url}\" latency=100 ! application/x-rtp,media=video ! decodebin");
        assert_eq!(settings.pipeline, expected);
        assert_eq!(settings.title.unwrap().to_string(), "rtsp://…@cam:554/live?channel=1");
        let Settings::Gst(settings) = parsed("http://cam/stream.mp4") else { panic!("no pipeline") };
        assert_eq!(settings.pipeline, "uridecodebin uri=\"http://cam/stream.mp4\"");
    }

    #[test]
    fn other_words_are_answered_with_a_line_to_type() {
        for (word, line) in [
            ("/dev/media0", "--camera usb"),
            ("/dev/fb0", "/dev/videoN"),
            ("srt://cam/live", "--camera gst:'uridecodebin uri=srt://cam/live'"),
            ("rtsp://cam/a b", "%20"),
            ("fils:photos", "did you mean `files`?"),
            ("webcm", "did you mean `webcam`?"),
            ("selfie", "expected usb, /dev/video0"),
            ("", "expected usb, /dev/video0"),
        ] {
            let error = word.parse::<Settings>().unwrap_err();
            assert!(error.contains(line), "{word}: {error}");
        }
    }
}
