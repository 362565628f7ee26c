//! The API's side of uploads with S3 behind it: the real server or function, moto, and the scorer between upload and result.
#![cfg(all(feature = "scorer", feature = "server", feature = "lambda"))]

mod lambda_support;
mod scorer_support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use lambda_support::{Function, answer, changed};
use scorer_support::aws::{Answer, ask};
use scorer_support::{AI, Cloud, RESULTS, UPLOADS, file};
use serde_json::{Value, json};

const KEY: &str = "local-key";

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// `voxproof serve` on a free port, which reaches AWS through the proxy alone.
    fn start(cloud: &Cloud) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_voxproof"))
            .args(["serve", "--host", "127.0.0.1", "--port", "0"])
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .env_clear()
            .env(
                "AWS_ENDPOINT_URL",
                format!("http://127.0.0.1:{}", cloud.proxy.port()),
            )
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("UPLOADS_BUCKET", UPLOADS)
            .env("RESULTS_BUCKET", RESULTS)
            .env("API_KEY", KEY)
            .env("LOG_FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        let port = line["address"]
            .as_str()
            .unwrap()
            .rsplit(':')
            .next()
            .unwrap();
        let port = port.parse().unwrap();
        // The pipe is read on, so that it never fills.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { process, port }
    }

    fn call(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let head = format!("{method} {path} HTTP/1.1\r\nX-API-Key: {KEY}\r\nContent-Type: {kind}");
        ask(self.port, &head, body)
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.call("GET", path, "text/plain", b"");
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    fn address(&self, wanted: &Value) -> Value {
        let body = wanted.to_string();
        let answer = self.call("POST", "/v1/uploads", "application/json", body.as_bytes());
        let said = String::from_utf8(answer.body).unwrap();
        assert_eq!(answer.status, 201, "{said}");
        serde_json::from_str(&said).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Uploads as the address says.
fn put(address: &Value, clip: &[u8]) -> u16 {
    let rest = address["url"]
        .as_str()
        .unwrap()
        .strip_prefix("http://127.0.0.1:")
        .unwrap();
    let (port, path) = rest.split_once('/').unwrap();
    let mut head = format!("PUT /{path} HTTP/1.1");
    for (name, value) in address["headers"].as_object().unwrap() {
        if name != "content-length" && name != "host" {
            head += &format!("\r\n{name}: {}", value.as_str().unwrap());
        }
    }
    ask(port.parse().unwrap(), &head, clip).status
}

#[test]
fn an_upload_by_its_address_is_pending_until_the_scorer_has_judged_it() {
    let Some(cloud) = Cloud::start() else { return };
    let server = Server::start(&cloud);
    let clip = file(AI);
    let detected = server.call("POST", "/detect", "audio/mpeg", &clip);
    assert_eq!(detected.status, 200);
    assert_eq!(
        cloud.proxy.asked(""),
        0,
        "a call that needs no storage asks nothing of it"
    );

    let wanted =
        json!({"content_type": "audio/mpeg", "content_length": clip.len(), "language": "ta"});
    let address = server.address(&wanted);
    let (url, id) = (
        address["url"].as_str().unwrap(),
        address["id"].as_str().unwrap(),
    );
    for part in [
        "X-Amz-Expires=900",
        "content-length%3Bcontent-type%3Bhost%3Bif-none-match%3Bx-amz-meta-language",
        &format!("/{UPLOADS}/uploads/{id}?"),
    ] {
        assert!(url.contains(part), "no {part} in {url}");
    }
    assert_eq!(address["headers"]["content-length"], clip.len().to_string());
    let path = address["result"].as_str().unwrap();
    assert_eq!(
        server.get(path),
        (202, json!({"id": id, "status": "awaiting_upload"}))
    );

    assert_eq!(put(&address, &clip), 200);
    assert_eq!(
        server.get(path),
        (202, json!({"id": id, "status": "pending"}))
    );
    assert_eq!(
        put(&address, &clip),
        412,
        "an address is good for one upload"
    );

    let mut scorer = cloud.scorer();
    assert!(cloud.deliver(&mut scorer).is_empty());
    let (status, result) = server.get(path);
    assert_eq!(status, 200, "{result}");
    assert_eq!(result["id"], id);
    assert_eq!(result["classification"], "AI_GENERATED");
    assert_eq!(result["language"], "ta");
    // The note of the address, which lies beside the upload, is not judged.
    let (_, page) = server.get("/v1/results");
    assert_eq!(page["results"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["results"][0]["id"], id);
    assert!(page["results"][0].get("segments").is_none());
    assert_eq!(page["next"], Value::Null);

    let unknown = server.get("/v1/results/0b9d2a4e-7c1f-4e57-9a43-000000000000");
    assert_eq!((unknown.0, &unknown.1["code"]), (404, &json!("not_found")));
    // The server's own route for uploads is not for addresses of S3.
    let own = server.call("PUT", &format!("/v1/uploads/{id}"), "audio/mpeg", &clip);
    assert_eq!(own.status, 404);
}

#[test]
fn a_storage_that_is_away_is_a_problem_of_its_own_and_detection_goes_on() {
    let Some(mut cloud) = Cloud::start() else {
        return;
    };
    let server = Server::start(&cloud);
    cloud.proxy.go_away();
    let (status, problem) = server.get("/v1/results");
    assert_eq!(
        (status, &problem["code"]),
        (503, &json!("storage_unavailable"))
    );
    assert!(!problem.to_string().contains(RESULTS), "{problem}");
    let detected = server.call("POST", "/v1/detect", "audio/mpeg", &file(AI));
    assert_eq!(detected.status, 200);
    cloud.proxy.come_back();
    assert_eq!(server.get("/v1/results").0, 200);
}

/// Uploads and results behind API Gateway, in a function that judges nothing.
fn uploads_function(cloud: &Cloud) -> Function {
    let endpoint = format!("http://127.0.0.1:{}", cloud.proxy.port());
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("UPLOADS_BUCKET", UPLOADS),
        ("RESULTS_BUCKET", RESULTS),
        ("API_KEY", KEY),
    ];
    Function::start(env!("CARGO_BIN_EXE_lambda_uploads"), &variables)
}

/// Status and body of the answer to a request as API Gateway hands it over.
fn through_gateway(
    function: &mut Function,
    method: &str,
    path: &str,
    key: &str,
    body: &Value,
) -> (u64, Value) {
    let body = body.to_string();
    let event = changed(
        "api-gateway-http-v2",
        &[
            ("/requestContext/http/method", json!(method)),
            ("/rawPath", json!(path)),
            ("/headers/authorization", json!(format!("Bearer {key}"))),
            ("/headers/content-length", json!(body.len().to_string())),
            ("/body", json!(body)),
        ],
    );
    let (status, _, said) = answer(function, &event);
    (status, said)
}

#[test]
fn a_function_without_a_model_gives_out_addresses_and_results() {
    let Some(cloud) = Cloud::start() else { return };
    let mut function = uploads_function(&cloud);
    let clip = file(AI);
    let wanted = json!({"content_type": "audio/mpeg", "content_length": clip.len()});
    let (status, refused) =
        through_gateway(&mut function, "POST", "/v1/uploads", "another", &wanted);
    assert_eq!((status, &refused["code"]), (401, &json!("unauthorized")));
    assert_eq!(cloud.proxy.asked(""), 0, "before a key, nothing is asked");

    let (status, address) = through_gateway(&mut function, "POST", "/v1/uploads", KEY, &wanted);
    assert_eq!(status, 201, "{address}");
    let path = address["result"].as_str().unwrap();
    assert_eq!(put(&address, &clip), 200);
    let (status, _) = through_gateway(&mut function, "GET", path, KEY, &Value::Null);
    assert_eq!(status, 202);

    let mut scorer = cloud.scorer();
    assert!(cloud.deliver(&mut scorer).is_empty());
    let (status, result) = through_gateway(&mut function, "GET", path, KEY, &Value::Null);
    assert_eq!(status, 200, "{result}");
    assert_eq!(result["id"], address["id"]);
    assert_eq!(result["classification"], "AI_GENERATED");
    let (status, page) = through_gateway(&mut function, "GET", "/results", KEY, &Value::Null);
    assert_eq!(status, 200);
    assert_eq!(page["results"][0]["id"], address["id"], "{page}");

    let (status, problem) = through_gateway(&mut function, "POST", "/v1/detect", KEY, &wanted);
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
}

#[test]
fn the_function_of_uploads_says_what_it_lacks() {
    let output = lambda_support::command(env!("CARGO_BIN_EXE_lambda_uploads"), "127.0.0.1:9")
        .env("API_KEY", KEY)
        .env("LOG_LEVEL", "error")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("UPLOADS_BUCKET and RESULTS_BUCKET"), "{said}");
}
