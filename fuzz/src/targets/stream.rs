//! What a caller may write into a connection: a stream's frames, or HTTP as it likes.

use std::io;
use std::time::Duration;

use super::Source;
use super::service::{API, KEY, RUNTIME};
use axum::serve::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// Most bytes of one message that are written out.
const MOST: usize = 1 << 20;

/// Connections that are made in memory.
struct InMemory(UnboundedReceiver<DuplexStream>);

impl Listener for InMemory {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}

static CONNECT: std::sync::LazyLock<UnboundedSender<DuplexStream>> =
    std::sync::LazyLock::new(|| {
        let (sender, connections) = unbounded_channel();
        RUNTIME.spawn(async move { axum::serve(InMemory(connections), API.clone()).await });
        sender
    });

/// The first byte says what follows: bytes as they are, or frames. The connection must end once all was written.
pub fn run(data: &[u8]) {
    let mut source = Source(data);
    let mut written = Vec::new();
    let choice = source.byte();
    if choice % 4 == 0 {
        written.extend_from_slice(source.0);
    } else {
        let rate = [8_000, 16_000, 48_000][usize::from(choice >> 2) % 3];
        written.extend_from_slice(
            format!(
                "GET /stream?rate={rate} HTTP/1.1\r\nHost: here\r\nX-API-Key: {KEY}\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            .as_bytes(),
        );
        while !source.is_empty() && written.len() < MOST {
            frame(&mut source, &mut written);
        }
    }
    RUNTIME.block_on(async {
        let (mut ours, theirs) = duplex(1 << 16);
        CONNECT.send(theirs).expect("a server");
        let ended = timeout(Duration::from_secs(20), async {
            let (mut reader, mut writer) = tokio::io::split(&mut ours);
            let write = async {
                // The server may be the first to go.
                let _ = writer.write_all(&written).await;
                let _ = writer.shutdown().await;
            };
            let mut answer = Vec::new();
            let read = reader.read_to_end(&mut answer);
            let _ = tokio::join!(write, read);
            answer
        });
        let answer = ended.await.expect("the connection ends");
        let internal = b"HTTP/1.1 500";
        assert!(
            !answer
                .windows(internal.len())
                .any(|bytes| bytes == internal)
        );
    });
}

/// One frame: a byte of flags and opcode, a byte that says how its length is written, its bytes repeated.
fn frame(source: &mut Source, written: &mut Vec<u8>) {
    let first = source.byte();
    let form = source.byte();
    let length = usize::from(source.byte());
    let repeats = 1 + usize::from(source.byte());
    let payload: Vec<u8> = source
        .take(length)
        .repeat(repeats)
        .into_iter()
        .take(MOST)
        .collect();
    written.push(first);
    let masked = if form & 0x40 == 0 { 0x80 } else { 0 };
    // What is announced may be another length than what comes.
    let announced = if form & 0x20 == 0 {
        payload.len() as u64
    } else {
        u64::from(source.word()) << (form & 0x1f)
    };
    match form % 3 {
        0 if announced < 126 => written.push(masked | announced as u8),
        1 if announced < 65_536 => {
            written.push(masked | 126);
            written.extend((announced as u16).to_be_bytes());
        }
        _ => {
            written.push(masked | 127);
            written.extend(announced.to_be_bytes());
        }
    }
    if masked != 0 {
        written.extend([0; 4]);
    }
    written.extend(payload);
}
