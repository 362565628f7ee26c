//! The server on a real port: what only a connection shows.
#![cfg(feature = "server")]

mod support;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use std::net::SocketAddr;
use support::{AI, KEY, config, file, puppet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use voxproof::Detector;
use voxproof::http::{HttpConfig, Judge, Server};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port of the loopback, and how to stop it.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

async fn start(judge: Arc<dyn Judge>, config: HttpConfig) -> Running {
    let server = Server::bind(&config, judge).await.unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running {
        address,
        stop,
        served,
    }
}

/// Waits until the server has ended, without a fault.
async fn ended(served: JoinHandle<std::io::Result<()>>) {
    timeout(PATIENCE, served).await.unwrap().unwrap().unwrap();
}

fn local(vars: &[(&str, &str)]) -> HttpConfig {
    let mut config = config(vars);
    config.host = "127.0.0.1".to_owned();
    config.port = 0;
    config
}

fn embedded() -> Arc<Detector> {
    Arc::new(Detector::embedded().unwrap())
}

fn head(length: usize, more: &str) -> String {
    format!(
        "POST /detect HTTP/1.1\r\nHost: here\r\nX-API-Key: {KEY}\r\nContent-Type: audio/mpeg\r\nContent-Length: {length}\r\n{more}\r\n"
    )
}

/// Reads one answer: its head and as much body as it announces.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let n = timeout(PATIENCE, stream.read(&mut piece))
            .await
            .expect("an answer in time")
            .unwrap();
        text.extend(&piece[..n]);
        let so_far = String::from_utf8_lossy(&text).to_lowercase();
        let whole = so_far.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .split_once("content-length: ")
                .map_or("0", |(_, rest)| rest.lines().next().unwrap());
            !head.starts_with("http/1.1 100") && body.len() >= length.trim().parse().unwrap()
        });
        if whole || n == 0 {
            return String::from_utf8(text).unwrap();
        }
    }
}

#[tokio::test]
async fn connections_are_kept_alive_over_answers_and_faults() {
    let server = start(embedded(), local(&[])).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let clip = file(AI);
    for _ in 0..3 {
        stream
            .write_all(head(clip.len(), "").as_bytes())
            .await
            .unwrap();
        stream.write_all(&clip).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert!(text.contains("\"classification\""), "{text}");
        // A wrong key's body is drained, so that the connection can go on.
        stream
            .write_all(head(clip.len(), "").replace(KEY, "wrong").as_bytes())
            .await
            .unwrap();
        stream.write_all(&clip).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 401"));
    }
    server.stop.send(()).unwrap();
    ended(server.served).await;
}

#[tokio::test]
async fn a_client_that_sends_first_and_reads_later_reads_the_413() {
    let server = start(embedded(), local(&[("MAX_BODY_BYTES", "1000000")])).await;
    for size in [1_000_001, 2_000_000] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(head(size, "").as_bytes()).await.unwrap();
        // All of it, before a byte of the answer is read.
        stream.write_all(&vec![7; size]).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(
            text.starts_with("HTTP/1.1 413") && text.contains("too_large"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_body_announced_beyond_the_allowance_is_refused_at_once() {
    let server = start(embedded(), local(&[("MAX_BODY_BYTES", "1000000")])).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(head(2_000_001, "").as_bytes())
        .await
        .unwrap();
    let text = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    // Nor is anything asked for that will not be read.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(head(1_500_000, "Expect: 100-continue\r\n").as_bytes())
        .await
        .unwrap();
    let text = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
}

async fn send_clip(address: SocketAddr) -> TcpStream {
    let clip = file(AI);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(head(clip.len(), "").as_bytes())
        .await
        .unwrap();
    stream.write_all(&clip).await.unwrap();
    stream
}

async fn wait_for(event: &Receiver<()>) {
    while event.try_recv().is_err() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn shutting_down_delivers_the_answers_in_flight() {
    let (judge, has_begun, end) = puppet();
    let server = start(judge, local(&[])).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut stream = send_clip(server.address).await;
    wait_for(&has_begun).await;

    server.stop.send(()).unwrap();
    // An idle connection is closed, a new one not accepted, and the one at work left to it.
    assert_eq!(
        timeout(PATIENCE, idle.read(&mut [0; 1]))
            .await
            .unwrap()
            .unwrap(),
        0
    );
    assert!(TcpStream::connect(server.address).await.is_err());
    assert!(!server.served.is_finished());
    end.send(()).unwrap();
    let text = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    ended(server.served).await;
}

#[tokio::test]
async fn shutting_down_hears_who_has_just_connected() {
    let server = start(embedded(), local(&[])).await;
    let clip = file(AI);
    let whole = [head(clip.len(), "").as_bytes(), &clip].concat();
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    // Connected and sent without a breath for the server's task, which shares this thread: none of them is accepted yet.
    let mut waiting: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.address).unwrap();
            std::io::Write::write_all(&mut stream, &whole).unwrap();
            stream.set_nonblocking(true).unwrap();
            TcpStream::from_std(stream).unwrap()
        })
        .collect();
    server.stop.send(()).unwrap();
    sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(server.address).await.is_err());
    silent.write_all(&whole).await.unwrap();
    waiting.push(silent);
    for mut stream in waiting {
        let text = answer(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
    ended(server.served).await;
}

#[tokio::test]
async fn shutting_down_does_not_wait_for_ever() {
    let (judge, _has_begun, _end) = puppet();
    let mut config = local(&[]);
    config.shutdown_grace = Duration::from_millis(200);
    let server = start(judge, config).await;
    let mut stalled = TcpStream::connect(server.address).await.unwrap();
    stalled.write_all(head(1000, "").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    server.stop.send(()).unwrap();
    ended(server.served).await;
}

#[tokio::test]
async fn a_client_that_disconnects_while_queued_frees_its_place() {
    let (judge, has_begun, end) = puppet();
    let mut config = local(&[]);
    (config.workers, config.queue_length) = (1, 1);
    let server = start(judge, config).await;
    let mut running = send_clip(server.address).await;
    wait_for(&has_begun).await;

    let queued = send_clip(server.address).await;
    sleep(Duration::from_millis(200)).await;
    assert!(
        answer(&mut send_clip(server.address).await)
            .await
            .starts_with("HTTP/1.1 503")
    );
    drop(queued);
    sleep(Duration::from_millis(200)).await;
    let mut next = send_clip(server.address).await;
    end.send(()).unwrap();
    end.send(()).unwrap();
    assert!(answer(&mut running).await.starts_with("HTTP/1.1 200"));
    assert!(answer(&mut next).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_stalls_is_408() {
    let mut config = local(&[]);
    config.read_timeout = Duration::from_millis(100);
    let server = start(embedded(), config).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head(1000, "").as_bytes()).await.unwrap();
    stream.write_all(&[7; 10]).await.unwrap();
    let text = answer(&mut stream).await;
    assert!(
        text.starts_with("HTTP/1.1 408") && text.contains("request_timeout"),
        "{text}"
    );
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let mut config = local(&[]);
    config.connections.patience = Duration::from_millis(300);
    let server = start(embedded(), config).await;
    let clip = file(AI);
    let whole = [head(clip.len(), "").as_bytes(), &clip].concat();
    // Nothing, a letter that may be of either HTTP, half a head, and a whole request with nothing behind it.
    for sent in [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n",
        b"POST /detect HTTP/1.1\r\nHost: he",
        &whole,
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.expect("the server closes").is_ok());
        let answered = rest.starts_with(b"HTTP/1.1 200");
        assert_eq!(
            answered,
            sent.len() > 1000,
            "{}",
            String::from_utf8_lossy(sent)
        );
    }
}

#[tokio::test]
async fn connections_have_a_bound_and_whoever_waits_is_served_in_turn() {
    let mut config = local(&[]);
    config.connections.most = 2;
    let server = start(embedded(), config).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let _second = TcpStream::connect(server.address).await.unwrap();
    // The system takes the third; the server does not until a place is free.
    let mut third = send_clip(server.address).await;
    assert!(
        timeout(Duration::from_millis(300), third.read(&mut [0; 1]))
            .await
            .is_err()
    );
    drop(first);
    assert!(answer(&mut third).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn guessers_are_known_by_their_connections_address() {
    let server = start(embedded(), local(&[("WRONG_KEYS", "2/h")])).await;
    let mut statuses = Vec::new();
    for key in ["a", "b", "c", KEY] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(head(0, "").replace(KEY, key).as_bytes())
            .await
            .unwrap();
        statuses.push(answer(&mut stream).await[9..12].to_owned());
    }
    assert_eq!(statuses, ["401", "401", "429", "429"]);
}

#[tokio::test]
async fn http2_without_tls_is_answered() {
    let server = start(embedded(), local(&[])).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The client's preface and an empty SETTINGS frame; the server's own SETTINGS must follow.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut frame = [0; 9];
    timeout(PATIENCE, stream.read_exact(&mut frame))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let server = start(embedded(), local(&[])).await;
    let mut config = local(&[]);
    config.port = server.address.port();
    let error = Server::bind(&config, embedded())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(&server.address.to_string()), "{error}");
}
