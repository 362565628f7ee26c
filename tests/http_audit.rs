//! The audit log: SQLite always; Postgres where it is installed, unless REQUIRE_POSTGRES=1 says that it has to be.
#![cfg(feature = "audit")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, Connection, Row};
use support::{AI, HUMAN, KEY, api_with, base64, config, file, form, post_json_to, post_to, send};
use voxproof::Detector;
use voxproof::http::router_with;
use voxproof::storage::Attributes;

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("voxproof-audit-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn api(url: &str) -> (Router, voxproof::http::HttpConfig) {
    let config = config(&[("AUDIT_URL", url), ("API_KEY", &format!("{KEY},other-key"))]);
    (
        api_with(Arc::new(Detector::embedded().unwrap()), &config),
        config,
    )
}

async fn finish(config: &voxproof::http::HttpConfig) {
    let audit = config.service.audit.as_ref().unwrap();
    audit.finish(Duration::from_secs(30)).await;
}

/// All lines, in the order of time: request, key, route, hash, channel, verdict, code, model.
async fn lines(url: &str) -> Vec<[Option<String>; 8]> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let rows = sqlx::query(
        "SELECT request_id, key_id, route, audio_sha256, channel, classification, code, model, asked_at, confidence
         FROM voxproof_audit ORDER BY asked_at, channel",
    );
    let rows = rows.fetch_all(&mut connection).await.unwrap();
    rows.iter()
        .map(|row| {
            let at: String = row.get(8);
            assert!(
                at.parse::<jiff::Timestamp>().is_ok() && at.len() == 24,
                "{at}"
            );
            let (class, confidence): (Option<String>, Option<f64>) = (row.get(5), row.get(9));
            assert_eq!(class.is_some(), confidence.is_some());
            assert!(confidence.is_none_or(|c| (0.0..=1.0).contains(&c)));
            std::array::from_fn(|column| row.get(column))
        })
        .collect()
}

fn hash(audio: &[u8]) -> String {
    Sha256::digest(audio)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// What is asked of a server in turn, and what its log has to say of it.
async fn asked_and_kept(url: &str, read: &str) {
    let (api, config) = api(url);
    let with_id = |mut request: axum::http::Request<axum::body::Body>, id: &'static str| {
        request
            .headers_mut()
            .insert("x-request-id", id.parse().unwrap());
        request
    };
    let stereo = support::pcm16(&vec![0.0; 2 * 8_000 * 2], 2, 8_000);
    let requests = [
        post_to("/v1/detect?detail=true", "audio/mpeg", file(AI)),
        post_to("/detect", "audio/mpeg", file(HUMAN)),
        // The same again comes out of the cache.
        post_to("/detect", "audio/mpeg", file(HUMAN)),
        post_json_to(
            "/api/voice-detection",
            &json!({"language": "Tamil", "audioFormat": "mp3", "audioBase64": base64(&file(AI))}),
        ),
        post_to("/detect", "audio/mpeg", b"no recording".to_vec()),
        post_to("/detect?channel=each", "audio/wav", stereo.clone()),
        // No clip, no entry.
        post_to("/detect", "application/json", "{}"),
    ];
    for (id, request) in ["a", "b", "c", "d", "e", "f", "g"]
        .into_iter()
        .zip(requests)
    {
        send(&api, with_id(request, id)).await;
        // Times are of milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let clips = json!({"clips": [{"audio": base64(&file(AI))}, {"audio": "?"}]});
    let mut batch = with_id(post_json_to("/batch", &clips), "h");
    batch
        .headers_mut()
        .insert("x-api-key", "other-key".parse().unwrap());
    send(&api, batch).await;
    let fields = [("audio", Some("a.mp3"), &file(AI)[..])];
    send(
        &api,
        with_id(
            post_to(
                "/detect",
                "multipart/form-data; boundary=edge",
                form(&fields),
            ),
            "i",
        ),
    )
    .await;
    finish(&config).await;

    let detector = Detector::embedded().unwrap();
    let class = |path| {
        Some(
            detector
                .detect(&file(path))
                .unwrap()
                .classification
                .as_str(),
        )
    };
    let model = format!("default/{}", detector.model().version);
    let (key, other) = (&hash(KEY.as_bytes())[..12], &hash(b"other-key")[..12]);
    let (ai, human) = (hash(&file(AI)), hash(&file(HUMAN)));
    let expected = [
        ("a", key, "/detect", &ai, class(AI), None),
        ("b", key, "/detect", &human, class(HUMAN), None),
        ("c", key, "/detect", &human, class(HUMAN), None),
        ("d", key, "/api/voice-detection", &ai, class(AI), None),
        (
            "e",
            key,
            "/detect",
            &hash(b"no recording"),
            None,
            Some("not_audio"),
        ),
        ("f", key, "/detect", &hash(&stereo), None, Some("no_speech")),
        ("h", other, "/batch", &ai, class(AI), None),
        ("i", key, "/detect", &ai, class(AI), None),
    ];
    let found = lines(read).await;
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, (request, key, route, hash, class, code)) in found.iter().zip(expected) {
        let channel = if request == "f" { "each" } else { "mix" };
        let line = [
            Some(request),
            Some(key),
            Some(route),
            Some(hash),
            Some(channel),
            class,
            code,
            Some(&model),
        ];
        assert_eq!(found.each_ref().map(Option::as_deref), line);
    }
    let metrics = send(&api, {
        let request = axum::http::Request::get("/metrics").header("x-api-key", KEY);
        request.body(axum::body::Body::empty()).unwrap()
    });
    let metrics = metrics.await.body;
    assert!(
        metrics.contains("voxproof_audit_total{outcome=\"written\"} 8\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn sqlite_keeps_who_asked_what_and_nothing_else() {
    let folder = Folder::new("sqlite");
    let path = folder.0.join("audit.db");
    let url = format!("sqlite://{}", path.display());
    asked_and_kept(&url, &url).await;
    let bytes = std::fs::read(&path).unwrap();
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(holds(b"/api/voice-detection"));
    assert!(!holds(KEY.as_bytes()) && !holds(&file(AI)[..64]) && !holds(b"Tamil"));
}

#[tokio::test]
async fn two_sides_of_a_call_are_two_lines() {
    let folder = Folder::new("sides");
    let url = format!("sqlite://{}", folder.0.join("audit.db").display());
    let (api, config) = api(&url);
    let clip = voxproof::audio::decode(&file(AI), &Default::default()).unwrap();
    let both: Vec<f32> = clip.samples().iter().flat_map(|x| [*x, 0.0]).collect();
    let wav = support::pcm16(&both, 2, voxproof::audio::SAMPLE_RATE);
    let answer = send(&api, post_to("/detect?channel=each", "audio/wav", wav)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    finish(&config).await;
    let found = lines(&url).await;
    let sides: Vec<_> = found
        .iter()
        .map(|l| (l[4].as_deref(), l[5].is_some(), l[6].as_deref()))
        .collect();
    assert_eq!(
        sides,
        [
            (Some("left"), true, None),
            (Some("right"), false, Some("no_speech"))
        ]
    );
}

#[tokio::test]
async fn an_upload_is_a_line_of_whoever_asked_for_its_address() {
    let folder = Folder::new("uploads");
    let url = format!("sqlite://{}", folder.0.join("audit.db").display());
    let config = config(&[("AUDIT_URL", &url)]);
    let storage = support::storage_in(&folder.0.join("data"));
    let detector = Arc::new(Detector::embedded().unwrap());
    let api = router_with(detector, &config, Some(Arc::clone(&storage)));

    let clip = file(AI);
    let wanted = json!({"content_type": "audio/mpeg", "content_length": clip.len()});
    let address = send(&api, post_json_to("/uploads", &wanted)).await.json();
    let place = address["url"].as_str().unwrap().to_owned();
    let put = axum::http::Request::put(place)
        .header("content-type", "audio/mpeg")
        .body(clip.clone().into());
    assert!(send(&api, put.unwrap()).await.status.is_success());
    // Came another way, under a name that is no id, and is no recording.
    let about = Attributes {
        content_type: "text/plain",
        language: None,
    };
    let letter = b"this is no recording".to_vec();
    let named = "uploads/letter to a bank.txt";
    let created = storage
        .store
        .create("uploads", named, about, letter.clone());
    created.await.unwrap();

    let id = address["id"].as_str().unwrap();
    let key = format!("uploads/{id}");
    // Told of twice, and of one that is gone.
    for name in [&key, &key, named, "gone.mp3"] {
        let event = json!({
            "specversion": "1.0", "type": "google.cloud.storage.object.v1.finalized", "source": "//s", "id": "1",
            "data": {"bucket": "uploads", "name": name},
        });
        let event = post_to("/events", "application/cloudevents+json", event.to_string());
        assert_eq!(send(&api, event).await.status, 204);
        // Times are of milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    finish(&config).await;
    let found = lines(&url).await;
    let told: Vec<_> = found
        .iter()
        .map(|l| [0, 1, 2, 3, 6].map(|column| l[column].as_deref()))
        .collect();
    let (caller, route) = (&hash(KEY.as_bytes())[..12], Some("/uploads"));
    let (clip, letter) = (hash(&clip), hash(&letter));
    let none = Some("");
    assert_eq!(
        told,
        [
            [Some(id), Some(caller), route, Some(&clip), None],
            [none, None, route, Some(&letter), Some("not_audio")],
            [none, None, route, none, Some("object_gone")],
        ]
    );
    assert!(found[0][5].is_some() && found[0][7] == found[1][7]);
}

#[tokio::test]
async fn a_dead_database_costs_no_answer_and_entries_wait_for_it() {
    let folder = Folder::new("dead");
    let parent = folder.0.join("later");
    let url = format!("sqlite://{}", parent.join("audit.db").display());
    let (api, config) = api(&url);
    for _ in 0..3 {
        let answer = send(&api, post_to("/detect", "audio/mpeg", file(AI))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let began = Instant::now();
    config
        .service
        .audit
        .as_ref()
        .unwrap()
        .finish(Duration::from_millis(100))
        .await;
    assert!(began.elapsed() < Duration::from_secs(5));
    std::fs::create_dir(&parent).unwrap();
    finish(&config).await;
    assert_eq!(lines(&url).await.len(), 3);
}

#[test]
fn an_address_that_cannot_be_meant_is_refused_and_not_shown() {
    for bad in [
        "mysql://root:hush@localhost/db",
        "audit.db",
        "postgres//hush",
    ] {
        let lookup = |name: &str| match name {
            "API_KEY" => Some(KEY.to_owned()),
            "AUDIT_URL" => Some(bad.to_owned()),
            _ => None,
        };
        let error = voxproof::http::HttpConfig::from_vars(lookup, false)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("AUDIT_URL") && !error.contains("hush"),
            "{error}"
        );
    }
}

/// A database server of this test's own.
struct Postgres {
    folder: Folder,
    programs: PathBuf,
}

impl Postgres {
    /// `None`, said aloud, where it is not installed.
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let required = std::env::var_os("REQUIRE_POSTGRES").is_some_and(|v| v == "1");
            assert!(!required, "REQUIRE_POSTGRES=1, and no PostgreSQL");
            eprintln!("SKIPPED: PostgreSQL is not installed (initdb and pg_ctl)");
            return None;
        };
        let server = Self {
            folder: Folder::new("postgres"),
            programs,
        };
        // It does not run as root.
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&server.folder.0));
        }
        run(server
            .tool("initdb")
            .args(["-A", "trust", "-U", "voxproof", "--no-sync", "-D"])
            .arg(server.data()));
        server.control(&["start"]);
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    fn tool(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.folder.0);
        command
    }

    fn control(&self, what: &[&str]) {
        let at = self.folder.0.display();
        // On a socket alone: no port, so none is taken.
        let options =
            format!("-c listen_addresses='' -c unix_socket_directories='{at}' -c fsync=off");
        run(self
            .tool("pg_ctl")
            .args(["-w", "-o", &options, "-l"])
            .arg(self.folder.0.join("log"))
            .arg("-D")
            .arg(self.data())
            .args(what));
    }

    fn url(&self) -> String {
        format!(
            "postgres://voxproof@localhost/postgres?host={}",
            self.folder.0.display()
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self
            .tool("pg_ctl")
            .args(["-m", "immediate", "stop", "-D"])
            .arg(self.data())
            .stdout(Stdio::null())
            .status();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}

fn run(command: &mut Command) {
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?}");
}

/// Where Debian has them, the newest version first.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut folders: Vec<PathBuf> = versions
        .filter_map(|v| Some(v.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().rev().find(|folder: &PathBuf| {
        ["initdb", "pg_ctl"]
            .iter()
            .all(|name| Path::new(folder).join(name).is_file())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_same_and_may_go_and_come_back() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let url = server.url();
    asked_and_kept(&url, &url).await;
    let (api, config) = api(&url);
    let ask = async || {
        let answer = send(&api, post_to("/detect", "audio/mpeg", file(HUMAN))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    ask().await;
    finish(&config).await;
    server.control(&["-m", "immediate", "stop"]);
    ask().await;
    ask().await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.control(&["start"]);
    finish(&config).await;
    assert_eq!(lines(&url).await.len(), 8 + 3);
}
