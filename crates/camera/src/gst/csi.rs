//! GStreamer pipelines for image sensors on the CSI connector.

use std::fs;
use std::path::Path;

use super::error::GstError;
use super::settings::{CsiSettings, Source};
use phicam_platform::system::Maker;

/// Returns the pipeline for a sensor on a board of `maker`; `root` is the folder that contains sys/.
pub fn pipeline(settings: &CsiSettings, maker: Maker, root: &Path) -> Result<String, GstError> {
    let &CsiSettings { sensor, width, height, fps, source, .. } = settings;
    let rate = framerate_fraction(fps);
    match (source, maker) {
        (Source::Argus, _) | (Source::Auto, Maker::Nvidia) => Ok(format!(
            "nvarguscamerasrc sensor-id={sensor} ! \
             video/x-raw(memory:NVMM),width={width},height={height},framerate={rate},format=NV12 ! \
             nvvidconv ! video/x-raw,format=NV12,width={width},height={height}"
        )),
        (Source::Libcamera, _) | (Source::Auto, Maker::RaspberryPi) => {
            let sensors = sensors(root);
            let name = match sensors.get(sensor as usize) {
                Some(name) => format!(" camera-name=\"{name}\""),
                // A machine without a device tree: libcamera's default camera.
                None if sensors.is_empty() && sensor == 0 && maker == Maker::Other => String::new(),
                None => return Err(GstError::NoSensor { sensor, count: sensors.len() }),
            };
            Ok(format!("libcamerasrc{name} ! video/x-raw,width={width},height={height},framerate={rate},format=NV12"))
        }
        (Source::Auto, Maker::Other) => Err(GstError::UnknownMachine { sensor }),
    }
}

/// Returns a frame rate as a fraction for GStreamer, in thousandths unless it is a whole number.
fn framerate_fraction(fps: f64) -> String {
    if fps.fract() == 0.0 { format!("{fps:.0}/1") } else { format!("{:.0}/1000", fps * 1000.0) }
}

/// Returns the image sensors of the device tree by libcamera's names, such as `/base/soc/i2c0mux/i2c@1/imx219@10`.
///
/// `root` is the folder that contains sys/. libcamera names a sensor by the path of its node in the device tree, below
/// `/base`. A lens driver is an I2C device too, but has no video port.
pub fn sensors(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("sys/class/video4linux")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("v4l-subdev"))
        .filter_map(|entry| fs::canonicalize(entry.path().join("device/of_node")).ok())
        .filter(|node| node.join("port").is_dir() || node.join("ports").is_dir())
        .filter_map(|node| {
            let name = node.to_string_lossy().rsplit_once("/devicetree/base/")?.1.to_string();
            name.contains("i2c").then(|| format!("/base/{name}"))
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates sys/ of a Raspberry Pi with these I2C devices: (name, has a video port).
    fn sysfs(devices: &[(&str, bool)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("sys/firmware/devicetree/base/soc/i2c0mux");
        for (index, (name, port)) in devices.iter().enumerate() {
            let node = base.join(name);
            fs::create_dir_all(if *port { node.join("port") } else { node.clone() }).unwrap();
            let device = folder.path().join(format!("sys/devices/{index}"));
            fs::create_dir_all(&device).unwrap();
            std::os::unix::fs::symlink(&node, device.join("of_node")).unwrap();
            let class = folder.path().join(format!("sys/class/video4linux/v4l-subdev{index}"));
            fs::create_dir_all(&class).unwrap();
            std::os::unix::fs::symlink(&device, class.join("device")).unwrap();
        }
        folder
    }

    fn csi(uri: &str) -> CsiSettings {
        CsiSettings::parse(uri).unwrap()
    }

    #[test]
    fn jetson_sensors_use_argus() {
        let actual = pipeline(&csi("1?size=1920x1080&fps=29.97"), Maker::Nvidia, Path::new("/nowhere")).unwrap();
        assert_eq!(
            actual,
            "nvarguscamerasrc sensor-id=1 ! \
             video/x-raw(memory:NVMM),width=1920,height=1080,framerate=29970/1000,format=NV12 ! \
             nvvidconv ! video/x-raw,format=NV12,width=1920,height=1080"
        );
    }

    #[test]
    fn raspberry_pi_sensors_use_libcamera_by_name() {
        let pi = sysfs(&[("i2c@1/imx708@1a", true), ("i2c@1/dw9807@c", false), ("i2c@0/imx219@10", true)]);
        assert_eq!(sensors(pi.path()), ["/base/soc/i2c0mux/i2c@0/imx219@10", "/base/soc/i2c0mux/i2c@1/imx708@1a"]);
        let pi_pipeline = |uri: &str| pipeline(&csi(uri), Maker::RaspberryPi, pi.path());
        assert_eq!(
            pi_pipeline("1").unwrap(),
            "libcamerasrc camera-name=\"/base/soc/i2c0mux/i2c@1/imx708@1a\" ! \
             video/x-raw,width=1280,height=720,framerate=30/1,format=NV12"
        );
        let error = pi_pipeline("2").unwrap_err().to_string();
        assert!(error.contains("has 2 image sensors, csi:0 to csi:1"), "{error}");
    }

    #[test]
    fn other_machine_needs_an_explicit_source() {
        let nowhere = Path::new("/nowhere");
        let pipeline_for = |uri: &str, maker| pipeline(&csi(uri), maker, nowhere).map_err(|error| error.to_string());
        assert!(pipeline_for("0", Maker::Other).unwrap_err().contains("csi:0?source=libcamera"));
        assert!(pipeline_for("0?source=libcamera", Maker::Other).unwrap().starts_with("libcamerasrc ! "));
        assert!(
            pipeline_for("0?source=argus", Maker::RaspberryPi).unwrap().starts_with("nvarguscamerasrc sensor-id=0 ")
        );
        assert!(pipeline_for("0", Maker::RaspberryPi).unwrap_err().contains("has no image sensor"));
    }
}
