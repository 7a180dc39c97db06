//! What an answer of a publisher means: the table of statuses.

use std::time::{Duration, SystemTime};

use reqwest::{
    StatusCode,
    header::{DATE, HeaderMap, RETRY_AFTER},
};
use tidemill_pipeline::{Failure, FailureKind, Stage, failpoint::breaks};

/// The wait after a credential was refused: only a person can repair it, or a rotation on disk.
pub(crate) const CREDENTIAL_WAIT: Duration = Duration::from_mins(1);

/// The failure that a status other than 200 is. `detail` is what the publisher said, made harmless.
pub(crate) fn classify(status: StatusCode, headers: &HeaderMap, detail: &str, stage: Stage) -> Failure {
    let asked = match stage {
        Stage::Discover => "the discovery",
        Stage::Fetch | Stage::Process | Stage::Commit | Stage::Load => "the request for a page",
    };
    let name = status.canonical_reason().map(|name| format!(" {name}")).unwrap_or_default();
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    let cause = format!("the publisher answered {asked} with {}{name}{detail}", status.as_u16());
    match status.as_u16() {
        401 | 403 => Failure::unavailable(stage, cause)
            .hint("the credential was refused: look at `bearer-token` and `request-headers` of the feed")
            .after(Some(wait(headers).unwrap_or_default().max(CREDENTIAL_WAIT))),
        409 if stage == Stage::Fetch => Failure::new(FailureKind::Moved, stage, cause).after(wait(headers)),
        408 | 409 | 425 | 429 | 500..=599 => Failure::unavailable(stage, cause).after(wait(headers)),
        404 => Failure::broken(stage, cause).hint("look at the feed's `url`"),
        410 => Failure::broken(stage, cause)
            .hint("the publisher no longer has what comes after this cursor: `tidemill reset` starts over"),
        _ => Failure::broken(stage, cause).hint("look at the feed's `url`, `protocol` and `partitions`"),
    }
}

/// The wait that the publisher asked for, in seconds or as a date. What cannot be understood is no wait.
///
/// A date is measured from the answer's own `Date`: both are of the publisher's clock, and ours may be elsewhere.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    if breaks("retry-after") {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let said = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    Some(until.duration_since(said.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_kind() {
        use FailureKind::{Broken, Moved, Unavailable};
        for (statuses, kind) in [
            (&[400, 404, 410, 405, 422, 204, 304][..], Broken),
            (&[401, 403, 408, 425, 429, 500, 501, 502, 503, 504, 599], Unavailable),
            (&[409], Moved),
        ] {
            for status in statuses {
                let status = StatusCode::from_u16(*status).unwrap();
                let failure = classify(status, &HeaderMap::new(), "", Stage::Fetch);
                assert_eq!(failure.kind, kind, "{status}");
                assert!(failure.cause.contains(status.as_str()));
            }
        }
        assert_eq!(classify(StatusCode::CONFLICT, &HeaderMap::new(), "", Stage::Discover).kind, Unavailable);
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_and_garbage_is_none() {
        let wait = |text: &str| wait(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        let soon = wait(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100))).unwrap();
        assert!((95..=100).contains(&soon.as_secs()), "{soon:?}");
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        for garbage in ["soon", "-1", "1.5", ""] {
            assert_eq!(wait(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn a_date_is_measured_by_the_clock_of_the_publisher() {
        let at = |seconds: u64| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let wait = |date: &str| {
            let headers = [(RETRY_AFTER, at(1_000_007).parse().unwrap()), (DATE, date.parse().unwrap())];
            wait(&HeaderMap::from_iter(headers))
        };
        assert_eq!(wait(&at(1_000_000)), Some(Duration::from_secs(7)));
        assert_eq!(wait(&at(1_000_008)), Some(Duration::ZERO));
        // Our own clock says that it was long ago.
        assert_eq!(wait("now"), Some(Duration::ZERO));
    }
}
