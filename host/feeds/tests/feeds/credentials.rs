//! The bearer token: sent, rotated, refused, and never shown.

use std::{path::Path, time::Duration};

use tidemill_feeds::{Credential, Feed, FeedSettings, Protocol};
use tidemill_pipeline::{FailureKind, ReadFrom};

use crate::{
    publisher::{Answer, Publisher},
    reading::{read, settings},
};

fn with_token(publisher: &Publisher, path: &Path) -> Feed {
    let credential = Some(Credential::File(path.to_owned()));
    Feed::open(FeedSettings { credential, ..settings(&publisher.url("/"), Protocol::ZeroEventHub) }).unwrap()
}

#[tokio::test]
async fn a_rotated_token_is_read_again_and_tried_at_once() {
    for status in [401, 403] {
        let publisher = Publisher::start(move |request| match request.header("authorization") {
            Some("Bearer second") => Answer::ok("{\"partition\":0,\"cursor\":\"1\"}\n"),
            _ => Answer::status(status, ""),
        })
        .await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "first\n").unwrap();
        let feed = with_token(&publisher, file.path());
        let failure = read(&feed, ReadFrom::First).await.failure();
        assert_eq!((failure.kind, failure.retry_after), (FailureKind::Unavailable, Some(Duration::from_mins(1))));
        assert_eq!(publisher.targets().len(), 1, "the same token is not sent twice");
        std::fs::write(&file, " second\n").unwrap();
        assert_eq!(read(&feed, ReadFrom::First).await.spans.len(), 1);
        assert_eq!(publisher.targets().len(), 3);
        assert_eq!(read(&feed, ReadFrom::First).await.spans.len(), 1);
        assert_eq!(publisher.targets().len(), 4);
    }
}

#[tokio::test]
async fn no_secret_is_in_a_message() {
    let echo = |request: &crate::publisher::Request| {
        Answer::status(
            401,
            format!("{} {}", request.header("authorization").unwrap(), request.header("x-key").unwrap()),
        )
    };
    let publisher = Publisher::start(echo).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "hunter2").unwrap();
    let settings = FeedSettings {
        credential: Some(Credential::File(file.path().to_owned())),
        request_headers: vec![("x-key".to_owned(), "sesame".to_owned())],
        ..settings(&publisher.url("/?code=hidden"), Protocol::ZeroEventHub)
    };
    let shown = format!("{settings:?}");
    let feed = Feed::open(settings).unwrap();
    let failure = read(&feed, ReadFrom::First).await.failure();
    assert!(failure.cause.contains("401"), "{}", failure.cause);
    for text in [failure.cause, failure.hint.unwrap(), feed.identity(), format!("{feed:?}"), shown] {
        for secret in ["hunter2", "sesame", "hidden"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert_eq!(feed.identity(), publisher.url("/"));
}

#[tokio::test]
async fn a_publisher_that_repeats_the_address_does_not_bring_its_query_into_a_message() {
    let query = "code=hidden%2Fkey&sig=hid&long=hidden%2Fkey+and+more&plainkey";
    let echo = |request: &crate::publisher::Request| {
        let bodies = [request.target.as_str(), "no such hidden/key", "no such hidden/key and more"];
        Answer::status(404, bodies.join(" | "))
    };
    let publisher = Publisher::start(echo).await;
    for protocol in [Protocol::ZeroEventHub, Protocol::FeedApi] {
        let feed = Feed::open(settings(&publisher.url(&format!("/feed?{query}")), protocol)).unwrap();
        let failure = match protocol {
            Protocol::FeedApi => feed.discover().await.unwrap_err(),
            Protocol::Auto | Protocol::ZeroEventHub => read(&feed, ReadFrom::First).await.failure(),
        };
        for text in [&failure.cause, &failure.hint.unwrap()] {
            for secret in ["hidden", "key", "and more", "and+more"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
        assert!(failure.cause.contains("/feed?code=…&sig=hid&long=…&…"), "{}", failure.cause);
    }
}

#[tokio::test]
async fn a_message_does_not_end_within_a_secret() {
    let long = format!("hidden{}", "x".repeat(5000));
    // What is read of a refusal ends before the secret does.
    let body = format!("no such key: {}", &long[..3000]);
    let publisher = Publisher::always(Answer::status(404, body)).await;
    let url = publisher.url(&format!("/feed?code={long}"));
    let feed = Feed::open(settings(&url, Protocol::ZeroEventHub)).unwrap();
    let failure = read(&feed, ReadFrom::First).await.failure();
    assert!(failure.cause.ends_with("no such key:"), "{}", failure.cause);
}

#[tokio::test]
async fn a_token_that_is_not_there_says_where_it_should_be() {
    let publisher = Publisher::always(Answer::ok("")).await;
    let failure = read(&with_token(&publisher, Path::new("/nowhere/token")), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.cause.contains("/nowhere/token"));

    let credential = Some(Credential::Env("TIDEMILL_NO_SUCH_VARIABLE".to_owned()));
    let settings = FeedSettings { credential, ..settings(&publisher.url("/"), Protocol::ZeroEventHub) };
    let failure = read(&Feed::open(settings).unwrap(), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.cause.contains("`TIDEMILL_NO_SUCH_VARIABLE`"));
    assert_eq!(publisher.targets().len(), 0);
}
