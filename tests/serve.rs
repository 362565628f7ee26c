//! `voxproof serve` as an operator meets it: the real process, its port, its health check, its end.
#![cfg(all(feature = "server", unix))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

const CLIP: &str = "tests/data/human/en_librispeech_2952.mp3";

struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    port: u16,
}

impl Server {
    /// Starts `serve` on a free port with `key`, in a folder of its own with `dotenv` as its `.env` file.
    fn start(name: &str, key: Option<&str>, dotenv: &str) -> Self {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("a writable target folder");
        std::fs::write(folder.join(".env"), dotenv).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_voxproof"));
        command
            .args(["serve", "--host", "127.0.0.1", "--port", "0"])
            .current_dir(folder);
        for variable in ["API_KEY", "THRESHOLD", "LOG_LEVEL", "RUST_LOG"] {
            command.env_remove(variable);
        }
        command.env("LOG_FORMAT", "json");
        if let Some(key) = key {
            command.env("API_KEY", key);
        }
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        log.read_line(&mut line).expect("a log line");
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON lines");
        let address = line["address"]
            .as_str()
            .expect("the address that was taken");
        let port = address
            .rsplit(':')
            .next()
            .and_then(|p| p.parse().ok())
            .expect("a port");
        Self { child, log, port }
    }

    /// Sends `head` and `body`, returns the whole answer.
    fn ask(&self, head: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let length = body.len();
        write!(
            stream,
            "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .expect("it reads");
        stream.write_all(body).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    fn detect(&self, key: &str) -> String {
        let clip = std::fs::read(CLIP).expect("the clip");
        self.ask(
            &format!("POST /detect HTTP/1.1\r\nContent-Type: audio/mpeg\r\nX-API-Key: {key}"),
            &clip,
        )
    }

    /// SIGTERM; the exit code and the rest of the log.
    fn stop(mut self) -> (Option<i32>, String) {
        let status = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(status.is_ok_and(|status| status.success()));
        let mut log = String::new();
        self.log.read_to_string(&mut log).expect("text");
        (self.child.wait().expect("it ends").code(), log)
    }
}

#[test]
fn it_judges_is_healthy_and_ends_on_sigterm_without_a_key_in_its_log() {
    let server = Server::start("serve-plain", Some("first-key,second-key"), "");
    let health = Command::new(env!("CARGO_BIN_EXE_voxproof"))
        .args(["health", "--port", &server.port.to_string()])
        .output()
        .expect("the binary starts");
    assert_eq!(health.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&health.stdout).contains("\"healthy\""));

    for key in ["first-key", "second-key"] {
        let answer = server.detect(key);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\"classification\""), "{answer}");
    }
    assert!(server.detect("third-key").starts_with("HTTP/1.1 401"));

    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("/detect"), "requests are logged: {log}");
    assert!(
        !log.contains("first-key") && !log.contains("third-key"),
        "keys are not: {log}"
    );
}

#[test]
fn a_dotenv_file_is_read_and_the_environment_wins_over_it() {
    let from_file = Server::start("serve-dotenv", None, "API_KEY=file-key\n");
    assert!(from_file.detect("file-key").starts_with("HTTP/1.1 200"));
    assert_eq!(from_file.stop().0, Some(0));

    let from_environment = Server::start("serve-env", Some("env-key"), "API_KEY=file-key\n");
    assert!(
        from_environment
            .detect("file-key")
            .starts_with("HTTP/1.1 401")
    );
    assert!(
        from_environment
            .detect("env-key")
            .starts_with("HTTP/1.1 200")
    );
    assert_eq!(from_environment.stop().0, Some(0));
}
