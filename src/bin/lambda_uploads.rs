//! Uploads and results on AWS Lambda: `POST /uploads`, `GET /results` and `GET /results/{id}` behind the same API Gateway as
//! `lambda_api`, which judges and has no right to any bucket. No model is in this one.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use lambda_http::tower::ServiceExt;
use voxproof::http::config::environment;
use voxproof::http::stage::without_stage;
use voxproof::http::{HttpConfig, LogConfig, archive_router, logging};
use voxproof::storage::StorageConfig;

fn main() -> ExitCode {
    logging::ended(start())
}

/// Everything that can fail for want of a setting is done before the first poll; S3 is not asked.
fn start() -> Result<(), Box<dyn Error + Send + Sync>> {
    logging::init(&LogConfig::from_env()?);
    let config = HttpConfig::from_env(false)?;
    let storage = StorageConfig::from_vars(environment)?.open()?.ok_or(
        "UPLOADS_BUCKET and RESULTS_BUCKET are not set: name the buckets of uploads and of results",
    )?;
    let service = archive_router(Arc::new(storage), &config).map_request(without_stage);
    // The process is frozen once the answer is given.
    #[cfg(feature = "otel")]
    let service = service.then(async |answer| {
        voxproof::http::traces::flush().await;
        answer
    });
    // One event at a time: a second thread would only cost start-up time.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(lambda_http::run(service))
}
