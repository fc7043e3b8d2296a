//! A connection to the board that can be cut: a port of this machine, forwarded to the board's ssh up to a number of
//! bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A listening port; dropping it ends its connections.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Bytes forwarded to the board, summed over all connections.
    passed: AtomicU64,
    /// Largest number of bytes to forward to the board.
    limit: AtomicU64,
    closed: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Forwards everything to a port of this machine.
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            passed: AtomicU64::new(0),
            limit: AtomicU64::new(u64::MAX),
            closed: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let proxy = Proxy { port: here, shared: shared.clone() };
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if shared.closed.load(Ordering::SeqCst) {
                    return;
                }
                shared.connect(near, port);
            }
        });
        proxy
    }

    /// Returns the listening port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the number of bytes forwarded to the board so far, including those of ssh itself.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// Cuts all connections after `bytes` more bytes to the board; refuses new ones until [`Proxy::mend`].
    pub fn cut_after(&self, bytes: u64) {
        self.shared.limit.store(self.passed().saturating_add(bytes), Ordering::SeqCst);
    }

    /// Returns whether the limit of [`Proxy::cut_after`] was reached.
    pub fn is_cut(&self) -> bool {
        self.passed() >= self.shared.limit.load(Ordering::SeqCst)
    }

    /// Accepts new connections again.
    pub fn mend(&self) {
        self.shared.limit.store(u64::MAX, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.cut();
        // Wakes the listener up; if this fails, the thread ends with the process.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn left(&self) -> u64 {
        self.limit.load(Ordering::SeqCst).saturating_sub(self.passed.load(Ordering::SeqCst))
    }

    fn connect(self: &Arc<Shared>, near: TcpStream, port: u16) {
        if self.left() == 0 {
            return;
        }
        let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { return };
        self.open.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
        let (back_from, back_to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        let shared = self.clone();
        std::thread::spawn(move || shared.to_board(near, far));
        std::thread::spawn(move || from_board(back_from, back_to));
    }

    fn to_board(&self, mut near: TcpStream, mut far: TcpStream) {
        let mut bytes = [0; 16 << 10];
        while let Ok(count @ 1..) = near.read(&mut bytes) {
            let passing = self.left().min(count as u64);
            if far.write_all(&bytes[..passing as usize]).is_err() {
                break;
            }
            self.passed.fetch_add(passing, Ordering::SeqCst);
            if self.left() == 0 {
                self.cut();
            }
        }
        // One direction of ssh may be closed while the other still carries data.
        let _ = far.shutdown(Shutdown::Write);
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn from_board(mut far: TcpStream, mut near: TcpStream) {
    // Errors are expected: tests cut either end at any time.
    let _ = std::io::copy(&mut far, &mut near);
    let _ = near.shutdown(Shutdown::Write);
}
