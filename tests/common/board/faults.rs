//! What goes wrong on boards, done to the virtual one by its own kernel: drivers that go, a full disk, a wrong clock.

use super::Board;

impl Board {
    /// Unloads the driver of the loopback camera; nobody may have it open.
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

    /// Pulls out the camera that [`Board::load_vivid`] plugged in, also under capture. v4l2loopback cannot do this: its
    /// module stays while a device is open.
    #[track_caller]
    pub fn unplug_vivid(&self) {
        self.ssh("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind");
    }

    /// Plugs it in again. Its node is the first that is free.
    #[track_caller]
    pub fn plug_vivid(&self) {
        self.ssh("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind");
    }

    /// Takes the screen's driver away, also from a program that draws, and says what `bind_display` needs to know.
    #[track_caller]
    pub fn unbind_display(&self) -> String {
        let name = self.ssh("cd /sys/bus/virtio/drivers/virtio_gpu && ls -d virtio*").trim().to_string();
        self.ssh(&format!("echo {name} > /sys/bus/virtio/drivers/virtio_gpu/unbind"));
        name
    }

    /// Gives the screen its driver again, and says which device it is now: while a program still has the old
    /// /dev/dri/card0 open, it is card1.
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

    /// Fills the disk (/opt and /var/lib) but for some KiB.
    #[track_caller]
    pub fn fill_disk(&self, left_kib: u64) {
        let free = "df -k /data | tail -1 | tr -s ' ' | cut -d' ' -f4";
        let free: u64 = self.ssh(free).trim().parse().unwrap();
        // What the file system takes for the file itself is not known: down to the last block with dd.
        let kib = free.saturating_sub(left_kib);
        self.ssh(&format!(
            "fallocate -l {kib}K /data/filling || dd if=/dev/zero of=/data/filling bs=1k count={kib} || true; sync"
        ));
    }

    /// Takes back what [`Board::fill_disk`] took.
    #[track_caller]
    pub fn free_disk(&self) {
        self.ssh("rm /data/filling && sync");
    }

    /// Sets the clock so many years ahead, or back.
    #[track_caller]
    pub fn jump_clock(&self, years: i64) {
        self.ssh(&format!("date -s @$(($(date +%s) + {years} * 31557600))"));
    }
}
