//! The scorer on AWS Lambda: notices of uploads to S3 come in, results go to the results bucket.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use voxproof::Detector;
use voxproof::http::config::{environment, language_thresholds, threshold};
use voxproof::http::{LogConfig, logging};
use voxproof::scorer::{Handler, Invocation, Reporter, Scorer};
use voxproof::storage::{S3Store, StorageConfig};

fn main() -> ExitCode {
    logging::ended(start())
}

/// Everything that can fail for want of a setting, or takes time, is done before the first poll; S3 is not asked.
fn start() -> Result<(), Box<dyn Error + Send + Sync>> {
    logging::init(&LogConfig::from_env()?);
    let config = StorageConfig::from_vars(environment)?;
    let results = config
        .results_bucket
        .ok_or("RESULTS_BUCKET is not set: name the bucket that results are written to")?;
    let mut detector = Detector::embedded()?;
    if let Some(threshold) = threshold(environment)? {
        detector = detector.with_threshold(threshold);
    }
    let scorer = Scorer::new(
        Arc::new(S3Store::new()),
        results,
        Arc::new(detector),
        config.max_object_bytes,
    )
    .with_uploads_bucket(config.uploads_bucket)
    .with_language_thresholds(language_thresholds(environment)?);
    let handler = Handler::new(scorer, Reporter::new(std::io::stdout(), environment));
    let handler = &handler;
    let service = service_fn(async |event: LambdaEvent<Value>| {
        let invocation = Invocation {
            deadline: event.context.deadline(),
            request_id: event.context.request_id,
        };
        let answer = handler.handle(&event.payload, &invocation).await;
        // The process is frozen once the answer is given.
        #[cfg(feature = "otel")]
        voxproof::http::traces::flush().await;
        answer.map_err(|error| Diagnostic {
            error_type: "Unfinished".to_owned(),
            error_message: error.to_string(),
        })
    });
    // Objects are judged on blocking threads; one thread is enough to fetch them.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(lambda_runtime::run(service))
}
