//! The HTTP API on AWS Lambda: API Gateway (HTTP and REST), function URL and load balancer events
//! become requests for the same router that the server has.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use voxproof::Detector;
use voxproof::http::config::environment;
use voxproof::http::{HttpConfig, LogConfig, lambda, logging, router_with};
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
    lambda::serve(router_with(Arc::new(detector), &config, storage))
}
