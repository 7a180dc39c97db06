//! FeedAPI: discovery, the token, and finding out what a publisher speaks.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tidemill_feeds::{Feed, Protocol};
use tidemill_pipeline::{FailureKind, Listed, PageEnd, PartitionId, ReadFrom};

use crate::{
    publisher::{Answer, Publisher},
    reading::{after, read, settings, spans},
};

const PAGE: &str = "{\"data\":{\"a\":1}}\n{\"data\":\"text\"}\n{\"new\":\"kind\"}\n{\"cursor\":\"2\"}\n";

fn open(publisher: &Publisher, protocol: Protocol) -> Feed {
    Feed::open(settings(&publisher.url("/feed"), protocol)).unwrap()
}

fn discovery(token: &str) -> Answer {
    Answer::ok(format!(
        r#"{{"token":"{token}","partitions":[{{"id":"0"}},{{"id":1,"closed":true}}],"exactlyOnce":true}}"#
    ))
}

#[tokio::test]
async fn a_feed_is_discovered_and_read_with_its_token() {
    let publisher = Publisher::start(|request| match request.target.as_str() {
        "/feed" => discovery("a;b"),
        _ => Answer::ok(PAGE),
    })
    .await;
    for protocol in [Protocol::FeedApi, Protocol::Auto] {
        let feed = open(&publisher, protocol);
        let found = feed.discover().await.unwrap();
        assert_eq!(found.protocol, Protocol::FeedApi);
        let closed = Listed { closed: true, ..Listed::open(PartitionId::new("1")) };
        assert_eq!(found.partitions, [Listed::open(PartitionId::new("0")), closed]);
        let page = read(&feed, after("1")).await;
        assert_eq!(page.spans, spans(&[("2", &["{\"a\":1}", "\"text\""])]));
        assert_eq!(page.end, Ok(PageEnd::default()));
        let events = "/feed/events?token=a%3Bb&partition=0&cursor=1&pagesizehint=10";
        assert_eq!(publisher.targets().last().unwrap(), events);
    }
}

#[tokio::test]
async fn after_409_every_partition_stops_until_the_feed_is_discovered_again() {
    let token = Arc::new(AtomicU32::new(1));
    let now = Arc::clone(&token);
    let publisher = Publisher::start(move |request| {
        let now = now.load(Ordering::SeqCst);
        match request.target.as_str() {
            "/feed" => discovery(&format!("t{now}")),
            target if target.contains(&format!("token=t{now}&")) => Answer::ok(PAGE),
            _ => Answer::status(409, "token has changed"),
        }
    })
    .await;
    let feed = open(&publisher, Protocol::FeedApi);
    let moved = async || assert_eq!(read(&feed, ReadFrom::First).await.failure().kind, FailureKind::Moved);
    moved().await;
    assert_eq!(publisher.targets().len(), 0, "without a discovery nobody is asked");
    feed.discover().await.unwrap();
    assert!(read(&feed, ReadFrom::First).await.end.is_ok());
    token.store(2, Ordering::SeqCst);
    moved().await;
    let asked = publisher.targets().len();
    moved().await;
    assert_eq!(publisher.targets().len(), asked, "a token that was refused is not sent again");
    feed.discover().await.unwrap();
    assert!(read(&feed, ReadFrom::First).await.end.is_ok());
}

#[tokio::test]
async fn a_new_token_that_is_refused_moves_the_feed_again() {
    let publisher = Publisher::start(|request| match request.target.as_str() {
        "/feed" => discovery("new"),
        _ => Answer::status(409, ""),
    })
    .await;
    let feed = open(&publisher, Protocol::FeedApi);
    for _ in 0..3 {
        feed.discover().await.unwrap();
        assert_eq!(read(&feed, ReadFrom::First).await.failure().kind, FailureKind::Moved);
    }
}

#[tokio::test]
async fn a_bare_request_that_is_refused_means_zeroeventhub() {
    for status in [400, 422] {
        let publisher = Publisher::start(move |request| match request.target.as_str() {
            "/feed" => Answer::status(status, "n is missing"),
            _ => Answer::ok("{\"partition\":0,\"cursor\":\"1\"}\n"),
        })
        .await;
        let feed = open(&publisher, Protocol::Auto);
        for _ in 0..2 {
            let found = feed.discover().await.unwrap();
            assert_eq!((found.protocol, found.partitions.len()), (Protocol::ZeroEventHub, 2));
        }
        assert_eq!(publisher.targets(), ["/feed"], "once it is known nobody is asked");
        assert_eq!(read(&feed, ReadFrom::First).await.spans.len(), 1);
    }
    let publisher = Publisher::always(Answer::status(400, "")).await;
    let without = tidemill_feeds::FeedSettings { partitions: None, ..settings(&publisher.url("/"), Protocol::Auto) };
    let failure = Feed::open(without).unwrap().discover().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.hint.unwrap().contains("`partitions`"));
}

#[tokio::test]
async fn a_discovery_that_fails_is_classified() {
    for (answer, kind) in [
        (Answer::status(500, ""), FailureKind::Unavailable),
        (Answer::status(409, ""), FailureKind::Unavailable),
        (Answer::status(404, ""), FailureKind::Broken),
        (Answer::ok("<html>"), FailureKind::Broken),
        (Answer::ok(r#"{"token":"t","partitions":[]}"#), FailureKind::Unavailable),
        (discovery("t").cut(), FailureKind::Unavailable),
    ] {
        let publisher = Publisher::always(answer.clone()).await;
        assert_eq!(open(&publisher, Protocol::Auto).discover().await.unwrap_err().kind, kind, "{answer:?}");
    }
}

#[tokio::test]
async fn a_page_without_events_still_has_its_cursor() {
    let publisher = Publisher::start(|request| match request.target.as_str() {
        "/feed" => discovery("t"),
        _ => Answer::ok("{\"cursor\":\"5\"}\n"),
    })
    .await;
    let feed = open(&publisher, Protocol::FeedApi);
    feed.discover().await.unwrap();
    assert_eq!(read(&feed, after("5")).await.spans, spans(&[("5", &[])]));
}
