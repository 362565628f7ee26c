//! Ports that stay a test's own while nobody listens on them.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port of the loopback on which nobody listens, and which no test that runs beside this one is given: below the ports
/// that systems hand out to whoever binds to port 0, for one of those can be another's as soon as it is closed.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Tests that run beside each other are processes with numbers near each other.
    let process = std::process::id() % 20_000;
    loop {
        let given = u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + (process + given * 4_999) % 20_000;
        let port = u16::try_from(port).expect("below 30,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
