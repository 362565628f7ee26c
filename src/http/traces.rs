//! Traces for an OpenTelemetry collector (cargo feature `otel`): OTLP over HTTP with protobuf bodies.
//!
//! Nothing is sent, and no thread is started, unless `OTEL_EXPORTER_OTLP_ENDPOINT` (or its form for traces alone) is set. The
//! other variables of the OpenTelemetry specification are the SDK's: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
//! `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_*`. A span has what a log line has: never audio, never keys,
//! no path or address that a caller wrote.

use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::config::{ConfigError, environment};
use super::envelope::X_REQUEST_ID;

/// Where all signals go: the collector's address, to which `/v1/traces` is added.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Where traces go, whatever [`ENDPOINT`] says: the whole address.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// Longest wait for the collector, as the specification has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for it at the end of the process.
const LAST_TIMEOUT: Duration = Duration::from_secs(2);
/// More than a collector has to say to a batch.
const MAX_ANSWER: u64 = 64 * 1024;

/// The one provider of the process, if there is one.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Whether traces are wanted.
///
/// # Errors
/// An address that is not one of HTTP, or a protocol that is not spoken.
pub fn wanted(lookup: impl Fn(&str) -> Option<String>) -> Result<bool, ConfigError> {
    let var = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let mut wanted = false;
    for variable in [ENDPOINT, TRACES_ENDPOINT] {
        let Some(address) = var(variable) else {
            continue;
        };
        if !(address.starts_with("http://") || address.starts_with("https://")) {
            return Err(ConfigError::BadValue {
                variable,
                found: format!("'{address}'"),
                accepted: "the http:// or https:// address of a collector",
            });
        }
        wanted = true;
    }
    for variable in [
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    ] {
        if let Some(protocol) = var(variable).filter(|protocol| protocol != "http/protobuf") {
            return Err(ConfigError::BadValue {
                variable,
                found: format!("'{protocol}'"),
                accepted: "http/protobuf",
            });
        }
    }
    Ok(wanted)
}

/// The layer that sends spans, where they are wanted: of this crate alone, so that no other crate's lines leave the process.
pub(super) fn layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // What cannot be used was refused when the settings were read.
    if !wanted(environment).unwrap_or(false) {
        return None;
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_http_client(Client::new())
        .build()
        .inspect_err(|error| eprintln!("no traces are sent: {error}"))
        .ok()?;
    let mut resource = Resource::builder();
    if environment("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
    }
    let provider = PROVIDER.get_or_init(|| {
        SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build()
    });
    let spans = Targets::new()
        .with_target("voxproof", LevelFilter::DEBUG)
        // `traced` says it in a span's attributes.
        .with_target("voxproof::http::envelope", LevelFilter::OFF);
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("voxproof"))
        .with_location(false)
        .with_threads(false);
    Some(layer.with_filter(spans))
}

/// Sends what has not been sent. On Lambda, before an answer is given: a frozen process sends nothing.
pub async fn flush() {
    if let Some(provider) = PROVIDER.get() {
        // The exporter says in the log what went wrong.
        let _ = tokio::task::spawn_blocking(|| provider.force_flush()).await;
    }
}

/// Sends what has not been sent, for at most two seconds, and no more afterwards.
pub fn shutdown() {
    if let Some(provider) = PROVIDER.get() {
        let _ = provider.shutdown_with_timeout(LAST_TIMEOUT);
    }
}

/// Middleware: a span of kind server around each request, child of the caller's where there is a `traceparent`. The names
/// are those of OpenTelemetry's conventions for HTTP.
pub async fn traced(request: Request, next: Next) -> Response {
    let span = span_of(&request);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    if let Some(id) = response.headers().get(X_REQUEST_ID) {
        span.record("request_id", id.to_str().unwrap_or_default());
    }
    response
}

fn span_of(request: &Request) -> Span {
    let method = request.method().as_str();
    // The route's pattern, as in the log.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(MatchedPath::as_str);
    let span = tracing::debug_span!(
        "http",
        otel.name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request_id = Empty,
    );
    // Without the layer this does nothing.
    let _ = span.set_parent(parent(request.headers()));
    span
}

fn parent(headers: &HeaderMap) -> opentelemetry::Context {
    TraceContextPropagator::new().extract(&HeaderExtractor(headers))
}

/// Sends batches from the exporter's own thread.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build();
        Self(config.into())
    }

    fn send(&self, request: axum::http::Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = axum::http::Request::from_parts(head, body.to_vec());
        let (head, body) = self.0.run(request)?.into_parts();
        let mut bytes = Vec::new();
        body.into_reader()
            .take(MAX_ANSWER)
            .read_to_end(&mut bytes)?;
        Ok(Response::from_parts(head, bytes.into()))
    }
}

impl HttpClient for Client {
    // As `async_trait` writes it.
    fn send_bytes<'client, 'future>(
        &'client self,
        request: axum::http::Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'client: 'future,
        Self: 'future,
    {
        Box::pin(std::future::ready(self.send(request)))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceContextExt;

    use super::*;

    #[test]
    fn an_address_or_a_protocol_that_cannot_be_used_is_named() {
        let with = |name: &'static str, value: &'static str| {
            wanted(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(with(ENDPOINT, "http://localhost:4318"), Ok(true));
        assert_eq!(
            with(TRACES_ENDPOINT, "https://c.example/v1/traces"),
            Ok(true)
        );
        assert_eq!(with("OTHER", "http://localhost:4318"), Ok(false));
        for (name, value) in [
            (ENDPOINT, "localhost:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ] {
            let error = with(name, value).unwrap_err().to_string();
            assert!(
                error.starts_with(name) && error.contains("accepted"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_callers_trace_is_taken_over_from_its_header() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = HeaderMap::from_iter([(
            axum::http::HeaderName::from_static("traceparent"),
            axum::http::HeaderValue::from_static(given),
        )]);
        let context = parent(&headers);
        let span = context.span().span_context().clone();
        assert_eq!(span.trace_id().to_string(), &given[3..35]);
        assert!(!parent(&HeaderMap::new()).span().span_context().is_valid());
    }
}
