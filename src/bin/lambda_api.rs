//! The HTTP API on AWS Lambda: API Gateway (HTTP and REST), function URL and load balancer events
//! become requests for the same router that the server has.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use lambda_http::tower::ServiceExt;
use voxproof::Detector;
use voxproof::http::config::environment;
use voxproof::http::stage::without_stage;
use voxproof::http::{HttpConfig, LogConfig, logging, router_with};
use voxproof::storage::StorageConfig;

fn main() -> ExitCode {
    logging::ended(start())
}

/// Everything that can fail or takes time is done before the first poll: it is part of the start,
/// never of a caller's wait.
fn start() -> Result<(), Box<dyn Error + Send + Sync>> {
    logging::init(&LogConfig::from_env()?);
    let config = HttpConfig::from_env(false)?;
    let mut detector = Detector::embedded()?;
    if let Some(threshold) = config.threshold {
        detector = detector.with_threshold(threshold);
    }
    // Opened, not connected to: the AWS client is made by the first request that needs it.
    let storage = StorageConfig::from_vars(environment)?.open()?.map(Arc::new);
    let service = router_with(Arc::new(detector), &config, storage).map_request(without_stage);
    // The process is frozen once the answer is given.
    #[cfg(feature = "otel")]
    let service = service.then(async |answer| {
        voxproof::http::traces::flush().await;
        answer
    });
    // One event at a time: a second thread would only cost start-up time. Clips are judged on a
    // blocking thread, as on the server.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(lambda_http::run(service))
}
