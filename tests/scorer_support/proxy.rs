//! A proxy in front of S3 that can answer in its place, be away, or hold an answer back, and that keeps a list of what it
//! was asked.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::port_support::free_port;

/// What happens to requests instead of being passed on.
#[derive(Clone, Default)]
pub struct Fault {
    /// The requests meant: those whose line contains this text.
    pub of: String,
    /// How many of them; the rest is passed on.
    pub times: usize,
    /// What they are answered: status and S3's code. `None` holds the connection.
    pub answer: Option<(u16, &'static str)>,
}

#[derive(Default)]
struct State {
    fault: Fault,
    seen: Vec<String>,
    held: Vec<TcpStream>,
}

/// The proxy; it ends with its value.
pub struct Proxy {
    port: u16,
    target: u16,
    state: Arc<Mutex<State>>,
    running: Option<Running>,
}

struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Proxy {
    /// Passes on to the port `target` of the loopback.
    pub fn start(target: u16) -> Self {
        // Away, it is to be nobody's: a scorer of this test would else reach another test's.
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut proxy = Self {
            port,
            target,
            state: Arc::default(),
            running: None,
        };
        proxy.listen(listener);
        proxy
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn listen(&mut self, listener: TcpListener) {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, state, target) = (Arc::clone(&stop), Arc::clone(&self.state), self.target);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&state);
                // A client that is killed leaves a broken connection, which is no fault of the test.
                std::thread::spawn(move || stream.map(|stream| serve(stream, target, &state)));
            }
        });
        self.running = Some(Running { stop, thread });
    }

    /// From now on requests meet `fault`.
    pub fn fail(&self, fault: Fault) {
        self.state.lock().unwrap().fault = fault;
    }

    /// From now on all requests are passed on.
    pub fn heal(&self) {
        self.fail(Fault::default());
    }

    /// Nobody listens any more.
    pub fn go_away(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.store(true, Ordering::SeqCst);
            // Wakes the thread up.
            let _ = TcpStream::connect(("127.0.0.1", self.port));
            running.thread.join().unwrap();
        }
    }

    /// Listens again, on the same port.
    pub fn come_back(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        self.listen(listener);
    }

    /// Requests so far whose line contains `text`.
    pub fn asked(&self, text: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter(|line| line.contains(text)).count()
    }

    /// Closes the connections that were held back.
    pub fn let_go(&self) {
        self.state.lock().unwrap().held.clear();
    }

    /// Waits until a request is held back.
    pub fn wait_until_held(&self) {
        while self.state.lock().unwrap().held.is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.go_away();
    }
}

/// Reads the head of a request and the beginning of its body.
fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).ok()? {
            0 => return None,
            n => bytes.extend(&piece[..n]),
        }
    }
}

/// Serves one request; the connection is closed behind it.
fn serve(mut client: TcpStream, target: u16, state: &Mutex<State>) {
    let Some((head, mut body)) = read_head(&mut client) else {
        return;
    };
    let length = head
        .lines()
        .find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let start = body.len();
    if start < length {
        body.resize(length, 0);
        if client.read_exact(&mut body[start..]).is_err() {
            return;
        }
    }
    let line = head.lines().next().unwrap_or_default().to_owned();
    let met = {
        let mut state = state.lock().unwrap();
        state.seen.push(line.clone());
        let meant = state.fault.times > 0 && line.contains(&state.fault.of);
        if meant {
            state.fault.times -= 1;
        }
        meant.then(|| state.fault.answer)
    };
    match met {
        Some(None) => state.lock().unwrap().held.push(client),
        Some(Some((status, code))) => {
            let body = if line.starts_with("HEAD") {
                String::new()
            } else {
                format!("<Error><Code>{code}</Code><Message>from the proxy</Message></Error>")
            };
            let _ = write!(
                client,
                "HTTP/1.1 {status} Fault\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
        None => pass_on(client, target, &head, &body),
    }
}

fn pass_on(mut client: TcpStream, target: u16, head: &str, body: &[u8]) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", target)) else {
        return;
    };
    // One request a connection: where the next one begins need not be known.
    let mut lines = head.trim_end().lines();
    let mut passed = lines.next().unwrap_or_default().to_owned() + "\r\n";
    for line in lines.filter(|line| !line.to_lowercase().starts_with("connection:")) {
        passed += &format!("{line}\r\n");
    }
    passed += "Connection: close\r\n\r\n";
    let sent = server
        .write_all(passed.as_bytes())
        .and_then(|()| server.write_all(body));
    if sent.is_ok() {
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(Shutdown::Both);
    }
}
