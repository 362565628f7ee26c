//! The writer: entries into SQLite or Postgres, by one statement that both understand.

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::{AnyConnection, Connection};
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use super::Message;
use super::entry::Entry;
use crate::http::metrics::Metrics;

/// Most entries of one transaction.
const TOGETHER: usize = 256;
/// Longest wait for the database.
const WAIT: Duration = Duration::from_secs(5);
/// Pauses after a failure: the first, and the longest of those that follow.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS voxproof_audit (
    id TEXT PRIMARY KEY,
    asked_at TEXT NOT NULL,
    request_id TEXT NOT NULL,
    key_id TEXT,
    route TEXT NOT NULL,
    audio_sha256 TEXT NOT NULL,
    channel TEXT NOT NULL,
    classification TEXT,
    confidence DOUBLE PRECISION,
    code TEXT,
    model TEXT NOT NULL
)";
const INDEX: &str =
    "CREATE INDEX IF NOT EXISTS voxproof_audit_asked_at ON voxproof_audit (asked_at)";
/// An entry that came through although its writer heard nothing of that is not written again.
const INSERT: &str =
    "INSERT INTO voxproof_audit (id, asked_at, request_id, key_id, route, audio_sha256, channel,
    classification, confidence, code, model)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING";

/// Whether this is an address of a database that is known.
pub fn accepts(url: &str) -> bool {
    let known = ["sqlite:", "postgres:", "postgresql:"];
    known.iter().any(|scheme| url.starts_with(scheme)) && options(url).is_some()
}

fn options(url: &str) -> Option<AnyConnectOptions> {
    // A file that is not there yet is made.
    let made = if url.starts_with("sqlite:") && !url.contains("mode=") {
        let mark = if url.contains('?') { '&' } else { '?' };
        format!("{url}{mark}mode=rwc")
    } else {
        url.to_owned()
    };
    made.parse().ok()
}

/// Writes what comes, until nothing more can come.
pub async fn write(url: String, mut waiting: Receiver<Message>, metrics: Arc<Metrics>) {
    install_default_drivers();
    let Some(options) = options(&url) else {
        return;
    };
    let mut connection = None;
    let mut messages = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut messages, TOGETHER).await > 0 {
        let mut entries = Vec::new();
        let mut finished = Vec::new();
        for message in messages.drain(..) {
            match message {
                Message::Keep(entry) => entries.push(*entry),
                Message::Finish(done) => finished.push(done),
            }
        }
        if !entries.is_empty() {
            keep(&options, &mut connection, &entries, &metrics).await;
        }
        for done in finished {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }
}

/// Tries until the database has taken all of them.
async fn keep(
    options: &AnyConnectOptions,
    connection: &mut Option<AnyConnection>,
    entries: &[Entry],
    metrics: &Metrics,
) {
    let mut pause = PAUSES[0];
    loop {
        let tried = timeout(WAIT, insert(options, connection, entries)).await;
        let problem = match tried {
            Ok(Ok(())) => break,
            Ok(Err(error)) => without_address(&error),
            Err(_) => "it does not answer".to_owned(),
        };
        // What is left of a transaction goes with its connection.
        *connection = None;
        metrics.audited("failed", 1);
        tracing::warn!(
            problem,
            "the audit log's database takes nothing; entries wait"
        );
        sleep(pause).await;
        pause = (2 * pause).min(PAUSES[1]);
    }
    metrics.audited("written", entries.len() as u64);
}

async fn insert(
    options: &AnyConnectOptions,
    connection: &mut Option<AnyConnection>,
    entries: &[Entry],
) -> Result<(), sqlx::Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(connect(options).await?),
    };
    let mut transaction = connection.begin().await?;
    for entry in entries {
        sqlx::query(INSERT)
            .bind(&entry.id)
            .bind(&entry.asked_at)
            .bind(&entry.request_id)
            .bind(&entry.key_id)
            .bind(&entry.route)
            .bind(&entry.audio_sha256)
            .bind(&entry.channel)
            .bind(&entry.classification)
            .bind(entry.confidence)
            .bind(&entry.code)
            .bind(&entry.model)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

async fn connect(options: &AnyConnectOptions) -> Result<AnyConnection, sqlx::Error> {
    let mut connection = AnyConnection::connect_with(options).await?;
    sqlx::query(TABLE).execute(&mut connection).await?;
    sqlx::query(INDEX).execute(&mut connection).await?;
    Ok(connection)
}

/// What went wrong, without what may name the server, its user or a path.
fn without_address(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            format!("it answers with error {code}")
        }
        sqlx::Error::Io(error) => error.kind().to_string(),
        sqlx::Error::Tls(_) => "TLS with it failed".to_owned(),
        sqlx::Error::Configuration(_) => "its address cannot be used".to_owned(),
        _ => "it cannot be used".to_owned(),
    }
}
