//! `voxproof serve`.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::mpsc::unbounded_channel;
use voxproof::Detector;
use voxproof::http::{
    HttpConfig, Judge, LogConfig, Models, Server, config::environment, logging, shutdown_signal,
};
use voxproof::model::Model;
use voxproof::scorer::{Scorer, worker};
use voxproof::storage::{Storage, StorageConfig};

use crate::args::ServeArgs;
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
    let models = models(&args.model, config.threshold)?;
    let stored = StorageConfig::from_vars(environment).map_err(|error| usage(&error))?;
    let storage = stored.open().map_err(|error| usage(&error))?;
    let in_folder = stored.data_dir.is_some();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Run(format!("cannot start: {error}")))?;
    let served = runtime.block_on(async {
        let judge = Arc::clone(models.default_judge());
        let model = judge.model().clone();
        let storage = storage.map(|storage| attended(storage, in_folder, &judge, &config));
        let server = Server::bind_models(&config, models, storage).await?;
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

/// The models: those of the flags, else of `MODELS`, else the default one, with `SHADOW_MODEL`, `MODEL_SPLIT` and
/// `KEY_MODELS`.
fn models(flags: &[String], threshold: Option<f64>) -> Result<Models, Failure> {
    let var = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
    let listed = || {
        let list = var("MODELS").unwrap_or_else(|| Model::embedded_names()[0].to_owned());
        let names = list.split(',').map(|name| name.trim().to_owned());
        names.filter(|name| !name.is_empty()).collect()
    };
    let names: Vec<String> = if flags.is_empty() {
        listed()
    } else {
        flags.to_vec()
    };
    let load = |name: &str| -> Result<Arc<dyn Judge>, Failure> {
        let detector = Detector::new(model(name)?);
        Ok(match threshold {
            Some(threshold) => Arc::new(detector.with_threshold(threshold)),
            None => Arc::new(detector),
        })
    };
    let mut names = names.iter();
    let first = names
        .next()
        .map_or(Model::embedded_names()[0], String::as_str);
    let mut models = Models::one(load(first)?);
    for name in names {
        models = models.and(load(name)?);
    }
    if let Some(split) = var("MODEL_SPLIT") {
        models = models
            .with_split(&split)
            .map_err(|error| Failure::Usage(error.to_string()))?;
    }
    if let Some(list) = var("KEY_MODELS") {
        models = models
            .with_key_models(&list)
            .map_err(|error| Failure::Usage(error.to_string()))?;
    }
    if let Some(name) = var("SHADOW_MODEL") {
        models = models.with_shadow(load(name.trim())?);
    }
    Ok(models)
}

/// The embedded model of this name, or the one in this file.
fn model(name: &str) -> Result<Model, Failure> {
    if Model::embedded_names().contains(&name) || !std::path::Path::new(name).is_file() {
        return Model::embedded(name).map_err(|error| Failure::Usage(error.to_string()));
    }
    let named = |problem: String| Failure::Usage(format!("{name}: {problem}"));
    let bytes = std::fs::read(name).map_err(|error| named(error.to_string()))?;
    Model::from_bytes(&bytes).map_err(|error| named(error.to_string()))
}

/// The storage, with a worker that judges its uploads where it is a folder: S3 tells the scorer on Lambda.
fn attended(
    mut storage: Storage,
    in_folder: bool,
    judge: &Arc<dyn Judge>,
    config: &HttpConfig,
) -> Arc<Storage> {
    if in_folder {
        let (sender, arrivals) = unbounded_channel();
        let scorer = Scorer::within(&storage, Arc::clone(judge))
            .with_language_thresholds(config.language_thresholds)
            .with_audit(config.service.audit.clone());
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
