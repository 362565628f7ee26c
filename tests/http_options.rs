//! What a caller may ask of `POST /detect`, and the contract of `POST /api/voice-detection`.
#![cfg(feature = "http")]

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use support::{AI, HUMAN, KEY, api, base64, file, pcm16, post_json_to, post_to, send};
use voxproof::audio::{DecodeLimits, SAMPLE_RATE, decode};

/// Samples of a clip of this package at 22,050 Hz.
fn samples(path: &str) -> Vec<f32> {
    let waveform = decode(&file(path), &DecodeLimits::default()).unwrap();
    waveform.into_samples()
}

/// A stereo WAV file of these sides, as long as the shorter one.
fn stereo(left: &[f32], right: &[f32]) -> Vec<u8> {
    let frames: Vec<f32> = left.iter().zip(right).flat_map(|(l, r)| [*l, *r]).collect();
    pcm16(&frames, 2, SAMPLE_RATE)
}

async fn ask(query: &str, wav: Vec<u8>) -> (StatusCode, Value) {
    let uri = format!("/v1/detect?{query}");
    let answer = send(&api(), post_to(&uri, "audio/wav", wav)).await;
    if !answer.status.is_success() {
        answer.problem_code();
    }
    (answer.status, answer.json())
}

#[tokio::test]
async fn sides_of_a_stereo_recording_are_judged_apart() {
    let (human, ai) = (samples(HUMAN), samples(AI));
    let length = human.len().min(ai.len());
    let (human, ai) = (&human[..length], &ai[..length]);
    let call = stereo(human, ai);
    let alone = |side: &[f32]| pcm16(side, 1, SAMPLE_RATE);
    let (_, left) = ask("detail=true", alone(human)).await;
    let (_, right) = ask("detail=true", alone(ai)).await;
    assert_ne!(left["classification"], right["classification"]);

    let (_, only) = ask("detail=true&channel=left", call.clone()).await;
    assert_eq!(only["ai_probability"], left["ai_probability"]);
    let (_, only) = ask("detail=true&channel=right", call.clone()).await;
    assert_eq!(only["segments"], right["segments"]);

    let (_, each) = ask("detail=true&channel=each", call.clone()).await;
    let channels = each["channels"].as_array().unwrap();
    for ((name, expected), found) in [("left", &left), ("right", &right)].iter().zip(channels) {
        assert_eq!(found["channel"], *name);
        assert_eq!(found["ai_probability"], expected["ai_probability"]);
        assert_eq!(found["warnings"], expected["warnings"]);
    }
    let (_, brief) = ask("channel=each", call.clone()).await;
    assert_eq!(
        brief["channels"][0].as_object().unwrap().len(),
        3,
        "{brief}"
    );
    // Their mean, as ever, where nothing is said.
    let (_, mix) = ask("detail=true&channel=mix", call.clone()).await;
    let (_, default) = ask("detail=true", call).await;
    assert_eq!(mix["ai_probability"], default["ai_probability"]);
    assert_ne!(mix["ai_probability"], left["ai_probability"]);
}

#[tokio::test]
async fn a_silent_side_has_its_fault_and_the_other_its_verdict() {
    let human = samples(HUMAN);
    let silence = vec![0.0; human.len()];
    let (status, each) = ask("channel=each", stereo(&human, &silence)).await;
    assert_eq!(status, 200);
    assert!(each["channels"][0]["classification"].is_string());
    assert_eq!(each["channels"][1]["code"], "no_speech");
    let (status, both) = ask("channel=each", stereo(&silence, &silence)).await;
    assert_eq!((status.as_u16(), &both["code"]), (422, &json!("no_speech")));
}

#[tokio::test]
async fn a_side_of_a_recording_without_sides_is_refused() {
    for channel in ["left", "right", "each"] {
        let mono = pcm16(&samples(HUMAN), 1, SAMPLE_RATE);
        let (status, problem) = ask(&format!("channel={channel}"), mono).await;
        assert_eq!(status, 422);
        assert_eq!(problem["code"], "not_stereo");
        assert!(problem["error"].as_str().unwrap().contains("has 1"));
    }
}

#[tokio::test]
async fn a_region_is_judged_as_if_it_were_the_recording() {
    let whole = samples(HUMAN);
    let second = SAMPLE_RATE as usize;
    let part = pcm16(&whole[second..3 * second], 1, SAMPLE_RATE);
    let (_, expected) = ask("detail=true", part).await;
    let wav = || pcm16(&whole, 1, SAMPLE_RATE);
    let (_, found) = ask("detail=true&start=1&end=3", wav()).await;
    assert_eq!(found["ai_probability"], expected["ai_probability"]);
    assert_eq!(found["duration_seconds"], 2.0);
    // Times of segments are those of the recording.
    assert_eq!(found["segments"][0]["start"], 1.0);
    assert_eq!(found["segments"][0]["end"], 3.0);

    for (query, status, code) in [
        ("start=3&end=3", 400, "invalid_request"),
        ("start=-1", 400, "invalid_request"),
        ("start=9999", 422, "outside_recording"),
        ("end=9999", 422, "outside_recording"),
        ("start=1&end=1.5", 422, "too_short"),
    ] {
        let (found, problem) = ask(query, wav()).await;
        assert_eq!(found, status, "{query}: {problem}");
        assert_eq!(problem["code"], code);
    }
}

#[tokio::test]
async fn window_and_hop_cut_the_segments() {
    let whole = samples(HUMAN);
    let wav = || pcm16(&whole, 1, SAMPLE_RATE);
    let (_, found) = ask("detail=true&window=1.5&hop=0.5", wav()).await;
    let segments = found["segments"].as_array().unwrap();
    assert!(segments.len() > 3, "{found}");
    for segment in segments {
        let length = segment["end"].as_f64().unwrap() - segment["start"].as_f64().unwrap();
        assert!((length - 1.5).abs() < 1e-3, "{segment}");
    }
    let (_, default) = ask("detail=true", wav()).await;
    let (_, same) = ask("detail=true&window=3&hop=1", wav()).await;
    assert_eq!(default["segments"], same["segments"]);
    assert_eq!(default["ai_probability"], found["ai_probability"]);
    for stage in ["decode_ms", "features_ms", "model_ms", "segments_ms"] {
        assert!(found["timings"][stage].as_f64().unwrap() > 0.0, "{found}");
    }

    let (status, problem) = ask("language=Klingon", wav()).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (422, &json!("unknown_language"))
    );

    for query in [
        "window=3",
        "detail=true&window=0.9",
        "detail=true&window=31",
        "detail=true&hop=0.05",
        "detail=true&hop=x",
        "detail=1",
        "channel=centre",
        "channel=left&channel=right",
    ] {
        let (status, problem) = ask(query, wav()).await;
        assert_eq!(status, 400, "{query}");
        assert_eq!(problem["code"], "invalid_request");
    }
}

#[tokio::test]
async fn clients_of_voice_detection_switch_by_a_host_name() {
    let api = api();
    for path in ["/api/voice-detection", "/v1/api/voice-detection"] {
        for (language, clip) in [("Tamil", AI), ("english", HUMAN)] {
            let body = json!({
                "language": language, "audioFormat": "mp3", "audioBase64": base64(&file(clip)),
            });
            let answer = send(&api, post_json_to(path, &body)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let verdict = answer.json();
            let plain = send(&api, post_to("/detect", "audio/mpeg", file(clip))).await;
            let members: Vec<_> = verdict.as_object().unwrap().keys().collect();
            assert_eq!(
                members,
                [
                    "classification",
                    "confidenceScore",
                    "explanation",
                    "language",
                    "status"
                ]
            );
            assert_eq!(verdict["status"], "success");
            assert_eq!(verdict["language"], language, "as it was sent");
            assert_eq!(verdict["classification"], plain.json()["classification"]);
            assert_eq!(verdict["confidenceScore"], plain.json()["confidence"]);
            let confidence = format!("{:.2}", plain.json()["confidence"].as_f64().unwrap());
            let explanation = verdict["explanation"].as_str().unwrap();
            assert!(explanation.contains(&confidence), "{explanation}");
        }
    }
}

#[tokio::test]
async fn faults_of_voice_detection_have_its_shape() {
    let api = api();
    let audio = base64(&file(AI));
    for (status, body) in [
        (400, json!({"language": "Tamil", "audioFormat": "mp3"})),
        (
            400,
            json!({"language": "Tamil", "audioBase64": "not base64!"}),
        ),
        (400, json!({"language": "Tamil", "audioBase64": ""})),
        (400, json!({"language": 5, "audioBase64": audio})),
        (422, json!({"language": "Klingon", "audioBase64": audio})),
        (
            415,
            json!({"language": "Tamil", "audioBase64": base64(b"plain text, no audio")}),
        ),
    ] {
        let answer = send(&api, post_json_to("/api/voice-detection", &body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        let fault = answer.json();
        assert_eq!(fault.as_object().unwrap().len(), 2, "{fault}");
        assert_eq!(fault["status"], "error");
        assert!(fault["message"].as_str().unwrap().len() > 10);
    }
    let request = Request::post("/api/voice-detection")
        .header("x-api-key", "wrong")
        .body(Body::from("{}"))
        .unwrap();
    let answer = send(&api, request).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["status"], "error");
    let with_key = Request::post("/api/voice-detection").header("x-api-key", KEY);
    let answer = send(&api, with_key.body(Body::from("{")).unwrap()).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["message"].as_str().unwrap().contains("JSON"));
}
