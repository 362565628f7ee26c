//! Calls in progress over a real WebSocket.
#![cfg(feature = "server")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use support::{AI, KEY, config, file, ogg_packets};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use voxproof::Detector;
use voxproof::audio::{DecodeLimits, SAMPLE_RATE, Waveform, decode, resample};
use voxproof::http::{Judge, Server};
use voxproof::model::log_odds;

const PATIENCE: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Running {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

async fn start(idle: Option<Duration>) -> Running {
    start_with(&[], idle).await
}

async fn start_with(variables: &[(&str, &str)], idle: Option<Duration>) -> Running {
    let mut config = config(variables);
    config.host = "127.0.0.1".to_owned();
    config.port = 0;
    if let Some(idle) = idle {
        config.read_timeout = idle;
    }
    let judge = Arc::new(Detector::embedded().unwrap());
    let server = Server::bind(&config, judge).await.unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running {
        address,
        _stop: stop,
    }
}

async fn connect(server: &Running, query: &str, key: &str) -> Result<Socket, Error> {
    let url = format!("ws://{}/v1/stream?{query}", server.address);
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("x-api-key", key.parse().unwrap());
    connect_async(request).await.map(|(socket, _)| socket)
}

/// Samples of 16 bits of a clip at this rate.
fn samples(rate: u32) -> Vec<i16> {
    let clip = decode(&file(AI), &DecodeLimits::default()).unwrap();
    let samples = resample(clip.samples(), SAMPLE_RATE, rate);
    let whole = |x: &f32| (x * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    samples.iter().map(whole).collect()
}

/// As a caller at this rate sends them.
fn pcm(rate: u32) -> Vec<u8> {
    bytes(&samples(rate))
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// P(AI) of these samples as of a clip.
fn alone(samples: &[i16], rate: u32) -> f64 {
    let samples: Vec<f32> = samples.iter().map(|&x| f32::from(x) / 32_768.0).collect();
    let waveform = Waveform::new(resample(&samples, rate, SAMPLE_RATE));
    let detector = Detector::embedded().unwrap();
    let judged = Judge::judge_waveform(&detector, waveform).unwrap();
    judged.ai_probability
}

/// What the server says until it closes, and the code that it closes with.
async fn listen(socket: &mut Socket) -> (Vec<Value>, u16) {
    let mut said = Vec::new();
    loop {
        match timeout(PATIENCE, socket.next())
            .await
            .expect("an answer in time")
        {
            Some(Ok(Message::Text(text))) => said.push(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(Some(frame)))) => return (said, frame.code.into()),
            Some(Ok(_)) => {}
            other => panic!("{other:?} after {said:?}"),
        }
    }
}

#[tokio::test]
async fn a_call_has_running_verdicts_and_a_last_word() {
    let server = start(None).await;
    for rate in [8_000, 16_000, 48_000] {
        let mut socket = connect(&server, &format!("rate={rate}"), KEY)
            .await
            .unwrap();
        let call = pcm(rate);
        let seconds = call.len() as f64 / 2.0 / f64::from(rate);
        // 20 ms each, as telephony sends them.
        for piece in call.chunks(rate as usize / 50 * 2) {
            socket
                .send(Message::Binary(piece.to_vec().into()))
                .await
                .unwrap();
        }
        socket.send(Message::Text("end".into())).await.unwrap();
        let (said, code) = listen(&mut socket).await;
        assert_eq!(code, 1000);
        let (last, running) = said.split_last().unwrap();
        assert!(running.len() as f64 >= seconds - 3.0, "{said:?}");
        // What is known meanwhile is the mean of the windows, the last word is the verdict on the sound as a clip.
        let mut sum = 0.0;
        for (so_far, verdict) in (1..).zip(running) {
            assert_eq!(verdict["type"], "verdict");
            sum += log_odds(verdict["window"]["ai_probability"].as_f64().unwrap());
            let call = log_odds(verdict["ai_probability"].as_f64().unwrap());
            assert!((call - sum / f64::from(so_far)).abs() < 1e-9);
        }
        assert_eq!(last["type"], "final");
        assert!((last["seconds"].as_f64().unwrap() - seconds).abs() < 1e-9);
        let expected = alone(&samples(rate), rate);
        assert!((last["ai_probability"].as_f64().unwrap() - expected).abs() < 1e-9);
        assert!(last["model"].as_str().unwrap().starts_with("default/"));
        assert!(["AI_GENERATED", "HUMAN"].contains(&last["classification"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn the_last_word_on_a_long_call_is_the_mean_log_odds_of_its_pieces() {
    let server = start(None).await;
    let clip = samples(8_000);
    let sound: Vec<i16> = clip.iter().copied().cycle().take(23 * 8_000).collect();
    let messages = bytes(&sound).chunks(16_000).map(<[u8]>::to_vec).collect();
    let (said, code) = call(&server, "rate=8000", messages).await;
    assert_eq!(code, 1000);
    let (last, running) = said.split_last().unwrap();
    assert_eq!(running.len(), 21);
    let (piece, rest) = sound.split_at(10 * 8_000);
    let piece = 10.0 * log_odds(alone(piece, 8_000));
    let expected = (piece + 13.0 * log_odds(alone(rest, 8_000))) / 23.0;
    let found = |verdict: &Value| log_odds(verdict["ai_probability"].as_f64().unwrap());
    assert!((found(last) - expected).abs() < 1e-9, "{last}");
    // Before it, the first piece and the windows that end behind it, each for a second.
    let windows = running[8..].iter().map(|v| found(&v["window"]));
    let expected = (piece + windows.sum::<f64>()) / 23.0;
    assert!((found(&running[20]) - expected).abs() < 1e-9);
}

#[tokio::test]
async fn silence_has_no_verdict_and_is_no_fault_until_the_end() {
    let server = start(None).await;
    let mut socket = connect(&server, "rate=8000", KEY).await.unwrap();
    socket
        .send(Message::Binary(vec![0; 80_000].into()))
        .await
        .unwrap();
    socket.send(Message::Text("end".into())).await.unwrap();
    let (said, _) = listen(&mut socket).await;
    let (last, running) = said.split_last().unwrap();
    assert_eq!(running.len(), 3);
    assert!(
        running
            .iter()
            .all(|said| said["type"] == "no_verdict" && said["code"] == "no_speech")
    );
    assert_eq!(
        (&last["type"], &last["code"]),
        (&"error".into(), &"no_speech".into())
    );
}

#[tokio::test]
async fn what_a_caller_may_not_do_closes_the_stream_with_a_reason() {
    let server = start(None).await;
    let impatient = start(Some(Duration::from_millis(300))).await;
    for (server, message, close, code) in [
        (
            &server,
            Message::Binary(vec![0; 3].into()),
            1007,
            "invalid_request",
        ),
        (
            &server,
            Message::Text("hello".into()),
            1003,
            "invalid_request",
        ),
        (
            &impatient,
            Message::Ping(Default::default()),
            1008,
            "request_timeout",
        ),
    ] {
        let mut socket = connect(server, "rate=16000", KEY).await.unwrap();
        socket.send(message).await.unwrap();
        let (said, closed) = listen(&mut socket).await;
        let kind = said[0]["type"].as_str();
        assert_eq!(
            (kind, said[0]["code"].as_str()),
            (Some("error"), Some(code))
        );
        assert_eq!(closed, close);
    }
    let mut socket = connect(&server, "rate=16000", KEY).await.unwrap();
    let large = Message::Binary(vec![0; 600 * 1024].into());
    // The server may close before all of it is sent.
    let _ = socket.send(large).await;
    let mut end = timeout(PATIENCE, socket.next()).await.unwrap();
    while let Some(Ok(Message::Text(_))) = end {
        end = timeout(PATIENCE, socket.next()).await.unwrap();
    }
    assert!(
        matches!(&end, Some(Ok(Message::Close(_)) | Err(_)) | None),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_stream_is_opened_only_as_it_may_be() {
    let server = start(None).await;
    for (query, key, status) in [
        ("rate=16000", "wrong", 401),
        ("rate=44100", KEY, 400),
        ("", KEY, 400),
        ("rate=8000&format=mp3", KEY, 400),
        ("format=ogg", KEY, 400),
        ("rate=8000&model=other", KEY, 422),
    ] {
        match connect(&server, query, key).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), status, "{query}"),
            other => panic!("{query}: {other:?}"),
        }
    }
    let plain = axum::http::Request::get("/stream?rate=8000").header("x-api-key", KEY);
    let plain = plain.body(axum::body::Body::empty()).unwrap();
    let answer = support::send(&support::api(), plain).await;
    assert_eq!(answer.status, 426);
    assert_eq!(answer.problem_code(), "upgrade_required");
}

/// Sends these messages and `end`, and gives what is said.
async fn call(server: &Running, query: &str, messages: Vec<Vec<u8>>) -> (Vec<Value>, u16) {
    let mut socket = connect(server, query, KEY).await.unwrap();
    for message in messages {
        // The server may have closed already.
        let _ = socket.send(Message::Binary(message.into())).await;
    }
    let _ = socket.send(Message::Text("end".into())).await;
    listen(&mut socket).await
}

#[tokio::test]
async fn the_language_of_a_call_is_echoed_and_may_have_a_threshold() {
    let server = start_with(&[("THRESHOLD_TA", "1"), ("THRESHOLD_HI", "0")], None).await;
    for (language, code, class) in [
        ("Tamil", "ta", "HUMAN"),
        ("hi", "hi", "AI_GENERATED"),
        ("", "", ""),
    ] {
        let query = if language.is_empty() {
            "rate=16000".to_owned()
        } else {
            format!("rate=16000&language={language}")
        };
        let (said, _) = call(&server, &query, vec![pcm(16_000)]).await;
        let (last, running) = said.split_last().unwrap();
        if code.is_empty() {
            assert!(last["language"].is_null());
            continue;
        }
        assert_eq!(last["language"], code);
        assert_eq!(last["classification"], class);
        assert!(!running.is_empty() && running.iter().all(|v| v["classification"] == class));
    }
    let refused = connect(&server, "rate=16000&language=Klingon", KEY).await;
    assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 422));
}

/// P(AI) of the last word, and how many verdicts came before it.
#[track_caller]
fn last((said, code): &(Vec<Value>, u16)) -> (f64, usize) {
    let (last, running) = said.split_last().unwrap();
    assert_eq!(
        (*code, last["type"].as_str()),
        (1000, Some("final")),
        "{said:?}"
    );
    (last["ai_probability"].as_f64().unwrap(), running.len())
}

#[tokio::test]
async fn mp3_is_judged_as_its_samples_are_wherever_it_is_cut() {
    let server = start(None).await;
    let clip = file(AI);
    let mut found = Vec::new();
    for piece in [97, 1_000, 16_384] {
        let pieces = clip.chunks(piece).map(<[u8]>::to_vec).collect();
        found.push(last(&call(&server, "format=mp3", pieces).await));
    }
    assert!(found.iter().all(|other| *other == found[0]), "{found:?}");
    let samples = pcm(16_000).chunks(32_000).map(<[u8]>::to_vec).collect();
    let (p, verdicts) = last(&call(&server, "rate=16000", samples).await);
    assert!((p - found[0].0).abs() < 0.1, "{p} and {found:?}");
    assert_eq!(verdicts, found[0].1);
}

#[tokio::test]
async fn opus_packets_are_judged_and_lost_ones_passed_over() {
    let server = start(None).await;
    let packets = ogg_packets(&file("tests/data/fixtures/opus_voip_24k_mono.opus"));
    // Longer than a window.
    let enough = packets.iter().cycle().take(250);
    let mut long: Vec<_> = enough.cloned().collect();
    let whole = last(&call(&server, "format=opus", long.clone()).await);
    assert!(whole.1 >= 1);
    long[60] = vec![0xff; 3];
    long[90] = Vec::new();
    let damaged = last(&call(&server, "format=opus", long).await);
    assert!((whole.0 - damaged.0).abs() < 0.2, "{whole:?} {damaged:?}");
}

#[tokio::test]
async fn what_is_no_such_sound_closes_the_stream() {
    let server = start(None).await;
    let noise = |bytes: usize| {
        (0..bytes)
            .map(|n| (n * 7919 % 251) as u8)
            .collect::<Vec<u8>>()
    };
    let opus = call(&server, "format=opus", vec![vec![0xff; 3]; 150]).await;
    let mp3 = call(&server, "format=mp3", vec![noise(16_000); 6]).await;
    for (said, code) in [opus, mp3] {
        assert_eq!(
            (said[0]["type"].as_str(), said[0]["code"].as_str()),
            (Some("error"), Some("undecodable"))
        );
        assert_eq!(code, 1007);
    }
    let nothing = call(&server, "format=mp3", vec![noise(100)]).await;
    assert_eq!(nothing.0[0]["code"], "no_speech");
}

#[tokio::test]
async fn a_key_may_come_as_a_subprotocol_of_a_websocket_and_of_nothing_else() {
    let server = start(None).await;
    let open = async |protocols: &str| {
        let url = format!("ws://{}/stream?rate=8000", server.address);
        let mut request = url.into_client_request().unwrap();
        let offered = protocols.parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", offered);
        connect_async(request).await
    };
    let named = |key: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(key);
    let (_, answer) = open(&format!("voxproof, voxproof.key.{}", named(KEY)))
        .await
        .unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "voxproof");
    for wrong in [
        "voxproof".to_owned(),
        format!("voxproof, voxproof.key.{}", named("wrong")),
        format!("voxproof, voxproof.key.{KEY}"),
        format!("voxproof, {}", named(KEY)),
    ] {
        match open(&wrong).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 401, "{wrong}"),
            other => panic!("{wrong}: {other:?}"),
        }
    }
    let plain = axum::http::Request::get("/models").header(
        "sec-websocket-protocol",
        format!("voxproof.key.{}", named(KEY)),
    );
    let plain = plain.body(axum::body::Body::empty()).unwrap();
    assert_eq!(support::send(&support::api(), plain).await.status, 401);
}
