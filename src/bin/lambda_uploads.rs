//! Uploads and results on AWS Lambda: `POST /uploads`, `GET /results` and `GET /results/{id}` behind the same API Gateway as
//! `lambda_api`, which judges and has no right to any bucket. No model is in this one.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use voxproof::http::config::environment;
use voxproof::http::{HttpConfig, LogConfig, archive_router, lambda, logging};
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
    lambda::serve(archive_router(Arc::new(storage), &config))
}
