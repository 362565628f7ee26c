//! A router as an AWS Lambda function.

use axum::Router;
use lambda_http::Error;
use lambda_http::tower::ServiceExt;

use super::stage::without_stage;

/// Serves events until the process is ended.
///
/// # Errors
/// The runtime cannot be started, or its API does not answer as it should.
pub fn serve(router: Router) -> Result<(), Error> {
    let service = router.map_request(without_stage);
    // The process is frozen once the answer is given.
    #[cfg(feature = "otel")]
    let service = service.then(async |answer| {
        super::traces::flush().await;
        answer
    });
    // One event at a time: a second thread would only cost start-up time. Clips are judged on a
    // blocking thread, as on the server.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(lambda_http::run(service))
}
