//! `voxproof serve`.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::mpsc::unbounded_channel;
use voxproof::http::{
    HttpConfig, Judge, LogConfig, Server, config::environment, logging, shutdown_signal,
};
use voxproof::scorer::{Scorer, worker};
use voxproof::storage::{Storage, StorageConfig};

use crate::args::ServeArgs;
use crate::detect::detector;
use crate::output::Failure;

/// Serves until the process is asked to stop.
pub fn run(args: ServeArgs) -> Result<ExitCode, Failure> {
    match dotenvy::dotenv() {
        Ok(_) => {}
        Err(error) if error.not_found() => {}
        Err(error) => {
            return Err(Failure::Usage(format!(
                "the .env file cannot be read: {error}"
            )));
        }
    }
    let usage = |error: &dyn std::error::Error| Failure::Usage(error.to_string());
    logging::init(&LogConfig::from_env().map_err(|error| usage(&error))?);
    let no_auth = args.no_auth;
    let model = args.model.clone();
    // Flags stand in front of the environment, and are checked alike.
    let lookup = |name: &str| {
        let flag = match name {
            "HOST" => args.host.clone(),
            "PORT" => args.port.map(|port| port.to_string()),
            "THRESHOLD" => args.threshold.map(|threshold| threshold.to_string()),
            _ => None,
        };
        flag.or_else(|| environment(name))
    };
    let config = HttpConfig::from_vars(lookup, no_auth).map_err(|error| usage(&error))?;
    let detector = detector(model.as_deref(), config.threshold)?;
    let stored = StorageConfig::from_vars(environment).map_err(|error| usage(&error))?;
    let storage = stored.open().map_err(|error| usage(&error))?;
    let in_folder = stored.data_dir.is_some();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Run(format!("cannot start: {error}")))?;
    let served = runtime.block_on(async {
        let model = detector.model().clone();
        let judge: Arc<dyn Judge> = Arc::new(detector);
        let storage = storage.map(|storage| attended(storage, in_folder, &judge));
        let server = Server::bind_with(&config, judge, storage).await?;
        let shutdown = shutdown_signal()?;
        tracing::info!(address = %server.local_addr()?, model = model.name, version = model.version, "listening");
        server.run(shutdown).await
    });
    // A clip still being judged for a caller that is gone must not hold the exit up.
    runtime.shutdown_background();
    #[cfg(feature = "otel")]
    voxproof::http::traces::shutdown();
    served.map_err(|error| Failure::Run(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// The storage, with a worker that judges its uploads where it is a folder: S3 tells the scorer on Lambda.
fn attended(mut storage: Storage, in_folder: bool, judge: &Arc<dyn Judge>) -> Arc<Storage> {
    if in_folder {
        let (sender, arrivals) = unbounded_channel();
        let scorer = Scorer::new(
            Arc::clone(&storage.store),
            &storage.results_bucket,
            Arc::clone(judge),
            storage.max_object_bytes,
        );
        let worked = worker::work(scorer, storage.clone(), arrivals);
        storage.arrivals = Some(sender);
        tokio::spawn(async move {
            if let Err(error) = worked.await {
                tracing::error!(%error, "uploads are not judged: the data folder cannot be listed");
            }
        });
    }
    Arc::new(storage)
}
