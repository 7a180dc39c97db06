//! The table of answers: what each status means, and what is done with redirects.

use std::time::Duration;

use tidemill_feeds::{Feed, Protocol};
use tidemill_pipeline::{FailureKind, ReadFrom};

use crate::{
    publisher::{Answer, Publisher},
    reading::{after, read, settings, zero},
};

#[tokio::test]
async fn a_lost_cursor_or_a_wrong_configuration_stops() {
    for status in [400, 404, 410] {
        let publisher = Publisher::always(Answer::status(status, "{\"detail\": \"no such\n thing\"}")).await;
        let failure = read(&zero(&publisher.url("/")), after("9")).await.failure();
        assert_eq!(failure.kind, FailureKind::Broken, "{status}");
        assert!(failure.cause.contains(&format!("with {status} ")), "{}", failure.cause);
        assert!(
            failure.cause.ends_with("{\"detail\": \"no such thing\"} (asked from cursor `9`)"),
            "{}",
            failure.cause
        );
        assert!(failure.hint.is_some());
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_again_after_the_wait_that_was_asked_for() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let publisher = Publisher::always(Answer::status(status, "").header("retry-after", "7")).await;
        let failure = read(&zero(&publisher.url("/")), ReadFrom::First).await.failure();
        assert_eq!(failure.kind, FailureKind::Unavailable, "{status}");
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    }
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(100));
    for (text, range) in [(date.as_str(), Some(90..=100)), ("soon", None)] {
        let publisher = Publisher::always(Answer::status(503, "busy").header("retry-after", text)).await;
        let failure = read(&zero(&publisher.url("/")), ReadFrom::First).await.failure();
        assert_eq!(failure.retry_after.is_some(), range.is_some());
        assert!(failure.retry_after.is_none_or(|wait| range.unwrap().contains(&wait.as_secs())));
    }
}

#[tokio::test]
async fn a_publisher_that_is_not_there_is_asked_again() {
    let publisher = Publisher::always(Answer::ok("")).await;
    let url = publisher.url("/feed?code=secret");
    drop(publisher);
    let failure = read(&zero(&url), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.cause.starts_with("the publisher cannot be reached: "), "{}", failure.cause);
    assert!(!failure.cause.contains("secret"), "{}", failure.cause);
    assert_eq!(failure.hint.as_deref(), Some("look at the feed's `url`, and whether its publisher runs"));

    let publisher = Publisher::always(Answer::hangup()).await;
    let failure = read(&zero(&publisher.url("/")), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Unavailable);
}

#[tokio::test]
async fn redirects_within_the_origin_are_followed_up_to_a_few() {
    let publisher = Publisher::start(|request| match request.target.as_str() {
        target if target.starts_with("/old") => Answer::redirect("/new?x=1"),
        "/new?x=1" => Answer::ok("{\"partition\":0,\"cursor\":\"1\"}\n"),
        _ => Answer::redirect("/round"),
    })
    .await;
    assert_eq!(read(&zero(&publisher.url("/old")), ReadFrom::First).await.spans.len(), 1);
    let failure = read(&zero(&publisher.url("/round")), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert_eq!(publisher.targets().len(), 2 + 4);
    assert!(failure.hint.unwrap().contains("`redirects-max`"));
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let elsewhere = Publisher::always(Answer::ok("")).await;
    let target = elsewhere.url("/steal?code=hidden");
    let publisher = Publisher::start(move |_| Answer::redirect(&target)).await;
    let mut settings = settings(&publisher.url("/"), Protocol::ZeroEventHub);
    settings.request_headers = vec![("x-api-key".to_owned(), "sesame".to_owned())];
    let failure = read(&Feed::open(settings).unwrap(), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.cause.contains("another origin"), "{}", failure.cause);
    assert!(!failure.cause.contains("hidden"));
    assert_eq!(elsewhere.targets(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_to_nowhere_stops() {
    let publisher = Publisher::always(Answer::status(302, "")).await;
    assert_eq!(read(&zero(&publisher.url("/")), ReadFrom::First).await.failure().kind, FailureKind::Broken);
}

#[tokio::test]
async fn headers_over_the_limit_name_the_setting() {
    let mut answer = Answer::ok("{\"partition\":0,\"cursor\":\"1\"}\n");
    for place in 0..20 {
        answer = answer.header(&format!("x-{place}"), &"x".repeat(5000));
    }
    let publisher = Publisher::always(answer).await;
    let failure = read(&zero(&publisher.url("/")), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.hint.unwrap().contains("`header-bytes-max`"));
}
