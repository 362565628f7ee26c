//! Examples of requests and answers. A test sends each request to the real router.

use serde_json::{Value, json};

/// Two seconds of a person's speech: Opus of 8 kbit/s.
const CLIP: &[u8] = include_bytes!("example.ogg");

fn base64() -> String {
    base64_simd::STANDARD.encode_to_string(CLIP)
}

/// A request of `POST /detect`.
pub fn detect() -> Value {
    json!({"audio": base64(), "language": "en"})
}

/// One of `POST /batch`.
pub fn batch() -> Value {
    json!({"clips": [{"id": "first", "audio": base64()}, {"id": 2, "audio": base64(), "language": "Tamil"}]})
}

/// One of `POST /api/voice-detection`.
pub fn voice_detection() -> Value {
    json!({"language": "English", "audioFormat": "ogg", "audioBase64": base64()})
}

/// One of `POST /uploads`.
pub fn upload() -> Value {
    json!({"content_type": "audio/mpeg", "content_length": 123_456, "language": "hi"})
}

/// An event of `POST /events`.
pub fn event() -> Value {
    json!({
        "specversion": "1.0", "type": "google.cloud.storage.object.v1.finalized",
        "source": "//storage.googleapis.com/projects/_/buckets/uploads", "id": "1234567890",
        "subject": "objects/uploads/call.mp3",
        "data": {"bucket": "uploads", "name": "uploads/call.mp3", "size": "123456", "md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg=="},
    })
}

/// A brief verdict.
pub fn brief() -> Value {
    json!({"classification": "HUMAN", "confidence": 0.93})
}

/// An answer of `POST /api/voice-detection`.
pub fn voice_detection_answer() -> Value {
    json!({
        "status": "success", "language": "English", "classification": "HUMAN", "confidenceScore": 0.93,
        "explanation": "In 4.2 s of sound the probability of human speech is 0.93.",
    })
}
