//! The scorer within a server: judges what is uploaded to a store that tells nobody by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

use super::score::{Outcome, Scored, Scorer};
use crate::storage::places::UPLOADS;
use crate::storage::{ObjectRef, Storage, StoreError};

/// Tries of one object, as many as the queue on AWS makes.
const TRIES: u32 = 5;
/// Wait before the second try; doubled for each one after.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Keys of a listing.
const PAGE: usize = 1000;

/// Judges what lies there without a result, then what arrives, until nobody can tell of arrivals any more.
///
/// # Errors
/// The uploads cannot be listed.
pub async fn work(
    scorer: Scorer,
    storage: Storage,
    mut arrivals: UnboundedReceiver<ObjectRef>,
) -> Result<(), StoreError> {
    let scorer = Arc::new(scorer);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let places = Arc::new(Semaphore::new(workers));
    let mut after: Option<String> = None;
    loop {
        let bucket = &storage.uploads_bucket;
        let page = storage
            .store
            .list(bucket, UPLOADS, after.as_deref(), PAGE)
            .await?;
        for key in &page.keys {
            begin(&scorer, &places, ObjectRef::new(bucket, key)).await;
        }
        after = page.keys.last().cloned();
        if !page.more {
            break;
        }
    }
    while let Some(object) = arrivals.recv().await {
        begin(&scorer, &places, object).await;
    }
    Ok(())
}

/// Waits for a place and has the object judged.
async fn begin(scorer: &Arc<Scorer>, places: &Arc<Semaphore>, object: ObjectRef) {
    // The semaphore is never closed.
    let Ok(place) = Arc::clone(places).acquire_owned().await else {
        return;
    };
    let scorer = Arc::clone(scorer);
    tokio::spawn(async move {
        let _place = place;
        judge(&scorer, &object).await;
    });
}

async fn judge(scorer: &Scorer, object: &ObjectRef) {
    let mut wait = FIRST_WAIT;
    for attempt in 1..=TRIES {
        match scorer.score(object).await {
            Ok(scored) => return told(&scored),
            Err(error) if attempt < TRIES => {
                tracing::warn!(%error, attempt, "an upload could not be judged yet");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(error) => {
                tracing::error!(%error, "an upload was given up until the next start");
            }
        }
    }
}

/// A line in the log about an object that is done with, without its name.
pub(crate) fn told(scored: &Scored) {
    let (download, judge) = (
        scored.timings.download_milliseconds,
        scored.timings.judge_milliseconds,
    );
    match scored.outcome {
        Outcome::Judged { classification, .. } => tracing::info!(
            classification = classification.as_str(),
            download,
            judge,
            "judged an upload"
        ),
        Outcome::Refused { code } => tracing::info!(code, "an upload cannot be judged"),
        Outcome::Duplicate | Outcome::Ignored => {}
    }
}
