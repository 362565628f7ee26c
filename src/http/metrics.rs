//! `GET /metrics`: what operators collect, as OpenMetrics text, which Prometheus reads.
//!
//! Nothing in it names a caller or a clip: routes are patterns, models are ours.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::router::AppState;
use crate::detector::Classification;
use crate::options::Judged;
use crate::timings::Stage;

/// Upper bounds of the buckets of times, in seconds: a stage takes milliseconds, a long recording many seconds.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

type Labels<const N: usize> = [(&'static str, String); N];

/// The counters; shared, and read by `/metrics`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels<3>, Counter>,
    request_seconds: Family<Labels<1>, Histogram, fn() -> Histogram>,
    stage_seconds: Family<Labels<1>, Histogram, fn() -> Histogram>,
    verdicts: Family<Labels<2>, Counter>,
    shadow: Family<Labels<3>, Counter>,
    shadow_difference: Histogram,
    cache: Family<Labels<1>, Counter>,
    limited: Counter,
    audit: Family<Labels<1>, Counter>,
    queue_waiting: Gauge,
    streams: Gauge,
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let times = || Family::new_with_constructor(seconds as fn() -> Histogram);
        let mut metrics = Self {
            registry: Registry::with_prefix("voxproof"),
            requests: Family::default(),
            request_seconds: times(),
            stage_seconds: times(),
            verdicts: Family::default(),
            shadow: Family::default(),
            shadow_difference: Histogram::new([0.01, 0.02, 0.05, 0.1, 0.2, 0.5]),
            cache: Family::default(),
            limited: Counter::default(),
            audit: Family::default(),
            queue_waiting: Gauge::default(),
            streams: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        // Names end in _total where OpenMetrics wants it, which the encoder adds.
        registry.register(
            "requests",
            "Requests answered, by method, route and status",
            self.requests.clone(),
        );
        registry.register(
            "request_seconds",
            "Time from a request's head to its answer, by route",
            self.request_seconds.clone(),
        );
        registry.register(
            "stage_seconds",
            "Time of one clip in a stage: decode, features, model, segments or warnings",
            self.stage_seconds.clone(),
        );
        registry.register(
            "verdicts",
            "Clips judged, by model and verdict; answers from the cache are not counted again",
            self.verdicts.clone(),
        );
        registry.register(
            "shadow_verdicts",
            "Clips judged by the shadow model, by its verdict and whether the answer had the same",
            self.shadow.clone(),
        );
        registry.register(
            "shadow_difference",
            "Distance of the shadow model's P(AI) from the answer's",
            self.shadow_difference.clone(),
        );
        registry.register(
            "cache",
            "Lookups of verdicts: hit or miss",
            self.cache.clone(),
        );
        registry.register(
            "rate_limited",
            "Requests refused for their key's rate",
            self.limited.clone(),
        );
        registry.register(
            "audit",
            "Entries of the audit log: written, lost because it was full, or tries that failed",
            self.audit.clone(),
        );
        registry.register(
            "queue_waiting",
            "Callers that wait for a worker",
            self.queue_waiting.clone(),
        );
        registry.register("streams", "Open streams", self.streams.clone());
    }

    /// A clip was judged by the model of this name.
    pub fn judged(&self, model: &str, judged: &Judged) {
        for found in judged.found() {
            for stage in Stage::ALL {
                let time = found.timings.of(stage);
                // What was not asked for was not done.
                if !time.is_zero() {
                    let labels = [("stage", stage.as_str().to_owned())];
                    let histogram = self.stage_seconds.get_or_create(&labels);
                    histogram.observe(time.as_secs_f64());
                }
            }
            let class = class(found.detection.classification);
            let labels = [("model", model.to_owned()), ("classification", class)];
            self.verdicts.get_or_create(&labels).inc();
        }
    }

    /// The shadow model judged what was answered otherwise.
    pub fn shadowed(&self, model: &str, shadow: &Judged, answered: &[(Classification, f64)]) {
        for (found, (classification, ai_probability)) in shadow.found().zip(answered) {
            let detection = &found.detection;
            let agrees = detection.classification == *classification;
            let labels = [
                ("model", model.to_owned()),
                ("classification", class(detection.classification)),
                ("agrees", agrees.to_string()),
            ];
            self.shadow.get_or_create(&labels).inc();
            let difference = (detection.ai_probability - ai_probability).abs();
            self.shadow_difference.observe(difference);
        }
    }

    /// A verdict was looked for in the cache.
    pub fn looked_up(&self, hit: bool) {
        let outcome = if hit { "hit" } else { "miss" };
        let labels = [("outcome", outcome.to_owned())];
        self.cache.get_or_create(&labels).inc();
    }

    /// A request was refused for its key's rate.
    pub fn limited(&self) {
        self.limited.inc();
    }

    /// So many entries of the audit log came to this end.
    pub fn audited(&self, outcome: &'static str, entries: u64) {
        let labels = [("outcome", outcome.to_owned())];
        self.audit.get_or_create(&labels).inc_by(entries);
    }

    /// A stream began; it is counted until what is returned is dropped.
    pub fn stream(&self) -> OpenStream {
        self.streams.inc();
        OpenStream(self.streams.clone())
    }
}

/// Counts a stream while it is open.
#[derive(Debug)]
pub struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn class(classification: Classification) -> String {
    classification.as_str().to_owned()
}

/// Middleware: counts answers and their times.
pub async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().as_str().to_owned();
    // Only patterns: what callers write into a path would make a series of each.
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("-", |path| {
        let path = path.as_str();
        path.strip_prefix("/v1")
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path)
    });
    let route = route.to_owned();
    let response = next.run(request).await;
    // A method that nobody has heard of is one label more for whoever thinks of another.
    let known = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"];
    let method = if known.contains(&method.as_str()) {
        method
    } else {
        "other".to_owned()
    };
    let labels = [
        ("method", method),
        ("route", route.clone()),
        ("status", response.status().as_str().to_owned()),
    ];
    metrics.requests.get_or_create(&labels).inc();
    let times = metrics.request_seconds.get_or_create(&[("route", route)]);
    times.observe(started.elapsed().as_secs_f64());
    drop(times);
    response
}

/// All figures.
pub async fn metrics(State(app): State<AppState>) -> Response {
    let metrics = &app.metrics;
    let waiting = i64::try_from(app.queue.waiting()).unwrap_or(i64::MAX);
    metrics.queue_waiting.set(waiting);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &metrics.registry);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], text).into_response()
}
