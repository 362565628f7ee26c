//! Notices of uploads: S3, SQS, SNS, EventBridge, S3 Batch Operations.

use voxproof::scorer::Delivery;

/// An event's JSON.
pub fn run(data: &[u8]) {
    let Ok(event) = serde_json::from_slice::<serde_json::Value>(data) else {
        return;
    };
    match Delivery::parse(&event) {
        Ok(Delivery::Queue(messages)) => {
            // Each message is answered for by itself.
            assert_eq!(
                Some(messages.len()),
                event["Records"].as_array().map(Vec::len)
            );
        }
        Ok(_) => {}
        Err(error) => assert!(error.to_string().contains("accepted are")),
    }
}
