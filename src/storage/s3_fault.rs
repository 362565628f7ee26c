//! What S3 says when it does not do a thing -> whether trying again may help.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::store::StoreError;

/// The HTTP status of a refusal; `None` where no answer came.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}

/// The fault of the call `operation`. Only what S3 says of the object itself is final; refused access is not, because a
/// policy can be put right while the queue keeps the event.
pub(super) fn fault<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    classify(operation, status(error), error.code(), || {
        // Without an answer, the innermost cause says what is wrong: a timeout, a refused connection.
        let mut cause: &dyn Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        cause.to_string()
    })
}

fn classify(
    operation: &str,
    status: Option<u16>,
    code: Option<&str>,
    cause: impl Fn() -> String,
) -> StoreError {
    match (status, code) {
        (_, Some("NoSuchKey" | "NoSuchVersion")) => StoreError::NotFound,
        // A bucket can be put right, and then the object may be there.
        (Some(404), Some("NoSuchBucket")) => {
            StoreError::Fault(format!("{operation}: there is no such bucket"))
        }
        // Answers to HEAD have no body, and so no code. 405: the version is a delete marker.
        (Some(404 | 405), _) => StoreError::NotFound,
        (Some(412), _) => StoreError::Changed,
        (Some(403), Some("InvalidObjectState")) => StoreError::Archived,
        (Some(403), _) => StoreError::Fault(format!(
            "{operation}: access denied (is s3:ListBucket granted too? without it a missing key looks like this)"
        )),
        (Some(status), code) => StoreError::Fault(format!(
            "{operation}: status {status} {}",
            code.unwrap_or_default()
        )),
        (None, _) => StoreError::Fault(format!("{operation}: no answer: {}", cause())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_the_object_is_final() {
        let of = |status, code| classify("GetObject", status, code, || "refused".into());
        for (status, code, result) in [
            (404, Some("NoSuchKey"), "object_gone"),
            (404, Some("NoSuchVersion"), "object_gone"),
            (404, None, "object_gone"),
            (405, Some("MethodNotAllowed"), "object_gone"),
            (412, Some("PreconditionFailed"), "object_changed"),
            (403, Some("InvalidObjectState"), "object_archived"),
        ] {
            assert_eq!(
                of(Some(status), code).code(),
                Some(result),
                "{status} {code:?}"
            );
        }
        for (status, code) in [
            (404, Some("NoSuchBucket")),
            (403, Some("AccessDenied")),
            (403, Some("ExpiredToken")),
            (400, Some("ExpiredToken")),
            (301, Some("PermanentRedirect")),
            (500, Some("InternalError")),
            (503, Some("SlowDown")),
            (503, None),
        ] {
            assert_eq!(of(Some(status), code).code(), None, "{status} {code:?}");
        }
        assert_eq!(
            of(None, None),
            StoreError::Fault("GetObject: no answer: refused".into())
        );
    }
}
