//! TLS towards others, by the certificates that the system, or SSL_CERT_FILE, names: hosts of clips, and Redis.
#![cfg(all(feature = "server", unix))]

mod port_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

const CLIP: &str = "tests/data/ai/en_valle_ms1.mp3";

/// An authority, and a certificate of it for `localhost`, in a folder.
struct Authority(PathBuf);

impl Authority {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&key, &authority).unwrap();
        for (file, text) in [
            ("ca.pem", authority.pem()),
            ("cert.pem", own.pem()),
            ("key.pem", key.serialize_pem()),
        ] {
            std::fs::write(folder.join(file), text).unwrap();
        }
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A host that has the clip at every address.
    fn host(&self) -> SocketAddr {
        let certificate = CertificateDer::from_pem_file(self.file("cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.file("key.pem")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                // A caller that does not trust us hangs up.
                let _ = answer(StreamOwned::new(connection, stream.unwrap()));
            }
        });
        address
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn answer(mut stream: StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"GET /clip.mp3?a=b HTTP/1.1\r\n"));
    let clip = std::fs::read(CLIP)?;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        clip.len()
    )?;
    stream.write_all(&clip)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// `voxproof serve` that trusts this authority.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(trusted: &Authority, vars: &[(&str, &str)]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_voxproof"))
            .args(["serve", "--host", "127.0.0.1", "--port", "0"])
            .current_dir(&trusted.0)
            .env("API_KEY", "k")
            .env("LOG_FORMAT", "json")
            .env("LOG_LEVEL", "info")
            .env("SSL_CERT_FILE", trusted.file("ca.pem"))
            .env_remove("SSL_CERT_DIR")
            .envs(vars.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address: SocketAddr = line["address"].as_str().unwrap().parse().unwrap();
        std::thread::spawn(move || lines.lines().for_each(drop));
        Self {
            process,
            port: address.port(),
        }
    }

    /// The answer to a request without a body, or with the clip.
    fn ask(&self, path: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\nContent-Type: audio/mpeg\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_clip_is_fetched_from_a_host_that_shows_who_it_is() {
    let authority = Authority::new("url");
    let port = authority.host().port();
    let inside = format!("https://localhost:{port},https://127.0.0.1:{port}");
    let ask = |server: &Server, host: &str| {
        server.ask(
            &format!("/detect?url=https://{host}:{port}/clip.mp3?a=b%23x"),
            b"",
        )
    };
    let server = Server::start(&authority, &[("URL_HOSTS_INSIDE", &inside)]);
    let judged = ask(&server, "localhost");
    assert!(
        judged.starts_with("HTTP/1.1 200 OK\r\n") && judged.contains("confidence"),
        "{judged}"
    );
    // Its certificate has another name.
    let other = ask(&server, "127.0.0.1");
    assert!(
        other.starts_with("HTTP/1.1 502 ") && other.contains("TLS with its host failed"),
        "{other}"
    );
    // Nobody that is trusted has signed it.
    let stranger = Authority::new("stranger");
    let server = Server::start(&stranger, &[("URL_HOSTS_INSIDE", &inside)]);
    let refused = ask(&server, "localhost");
    assert!(
        refused.contains("url_unreachable") && refused.contains("TLS with its host failed"),
        "{refused}"
    );
}

/// A redis-server that speaks TLS alone.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn servers_share_verdicts_over_tls() {
    let authority = Authority::new("redis");
    let port = port_support::free_port();
    let redis = Command::new("redis-server")
        .args([
            "--port",
            "0",
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--tls-auth-clients",
            "no",
            "--tls-port",
        ])
        .arg(port.to_string())
        .args(["--tls-cert-file"])
        .arg(authority.file("cert.pem"))
        .arg("--tls-key-file")
        .arg(authority.file("key.pem"))
        .arg("--tls-ca-cert-file")
        .arg(authority.file("ca.pem"))
        .arg("--dir")
        .arg(&authority.0)
        .stdout(Stdio::null())
        .spawn();
    let _redis = match redis {
        Ok(process) => Redis(process),
        Err(error) => {
            let required = std::env::var_os("REQUIRE_REDIS").is_some_and(|v| v == "1");
            assert!(!required, "REQUIRE_REDIS=1, and no redis-server: {error}");
            eprintln!("SKIPPED: no redis-server in PATH ({error})");
            return;
        }
    };
    let since = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "redis-server does not listen"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let clip = std::fs::read(CLIP).unwrap();
    let url = format!("rediss://localhost:{port}");
    let first = Server::start(&authority, &[("REDIS_URL", &url)]);
    let judged = first.ask("/detect", &clip);
    assert!(judged.contains("x-cache: miss"), "{judged}");
    let since = Instant::now();
    // What the first one knows reaches Redis behind its answer.
    loop {
        let second = Server::start(&authority, &[("REDIS_URL", &url)]);
        if second.ask("/detect", &clip).contains("x-cache: hit") {
            break;
        }
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "nothing is shared"
        );
    }
    // A server that is not trusted is none: no verdict is shared, and none is refused.
    let stranger = Authority::new("redis-stranger");
    let third = Server::start(&stranger, &[("REDIS_URL", &url)]);
    let judged = third.ask("/detect", &clip);
    assert!(
        judged.starts_with("HTTP/1.1 200 OK\r\n") && judged.contains("x-cache: miss"),
        "{judged}"
    );
}
