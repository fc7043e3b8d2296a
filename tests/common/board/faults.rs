//! Faults of boards, injected into the virtual one through its kernel: removed drivers, a full disk, a wrong clock.

use super::Board;

impl Board {
    /// Unloads the driver of the loopback camera; no process may have the camera open.
    #[track_caller]
    pub fn unload_camera(&self) {
        self.ssh("rmmod v4l2loopback");
    }

    /// Loads the driver of the loopback camera as /dev/videoN.
    #[track_caller]
    pub fn load_camera(&self, number: u32) {
        let options = r#"devices=1 card_label="Virtual camera" exclusive_caps=1"#;
        self.ssh(&format!("modprobe v4l2loopback video_nr={number} {options}"));
        self.wait_for_owner(&format!("/dev/video{number}"));
    }

    /// Unplugs the camera of [`Board::load_vivid`], also during capture.
    ///
    /// v4l2loopback cannot do this: its module stays loaded while a device is open.
    #[track_caller]
    pub fn unplug_vivid(&self) {
        self.ssh("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind");
    }

    /// Plugs the camera of [`Board::load_vivid`] in again; it gets the first free device node.
    #[track_caller]
    pub fn plug_vivid(&self) {
        self.ssh("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind");
    }

    /// Unbinds the screen's driver, even while a program draws, and returns the name that [`Board::bind_display`]
    /// needs.
    #[track_caller]
    pub fn unbind_display(&self) -> String {
        let name = self.ssh("cd /sys/bus/virtio/drivers/virtio_gpu && ls -d virtio*").trim().to_string();
        self.ssh(&format!("echo {name} > /sys/bus/virtio/drivers/virtio_gpu/unbind"));
        name
    }

    /// Binds the screen's driver again and returns the screen's device: card1 if a program still has the old
    /// /dev/dri/card0 open.
    #[track_caller]
    pub fn bind_display(&self, name: &str) -> String {
        self.ssh(&format!("echo {name} > /sys/bus/virtio/drivers/virtio_gpu/bind"));
        let card = self.until("screen", || {
            let said = self.try_ssh("ls /dev/dri/card*");
            (said.code == Some(0)).then(|| said.text().trim().to_string())
        });
        self.wait_for_owner(&card);
        card
    }

    /// Fills the disk (/opt and /var/lib) except for `left_kib` KiB.
    #[track_caller]
    pub fn fill_disk(&self, left_kib: u64) {
        let free = "df -k /data | tail -1 | tr -s ' ' | cut -d' ' -f4";
        let free: u64 = self.ssh(free).trim().parse().unwrap();
        // The file system's own overhead for the file is unknown; if fallocate fails, dd fills the disk to the last
        // block.
        let kib = free.saturating_sub(left_kib);
        self.ssh(&format!(
            "fallocate -l {kib}K /data/filling || dd if=/dev/zero of=/data/filling bs=1k count={kib} || true; sync"
        ));
    }

    /// Frees the space that [`Board::fill_disk`] took.
    #[track_caller]
    pub fn free_disk(&self) {
        self.ssh("rm /data/filling && sync");
    }

    /// Sets the clock ahead by `years`, or back if `years` is negative.
    #[track_caller]
    pub fn jump_clock(&self, years: i64) {
        self.ssh(&format!("date -s @$(($(date +%s) + {years} * 31557600))"));
    }
}
