//! Pages as publishers send them, in the wild too.

use std::num::NonZeroU32;

use tidemill_feeds::{Feed, FeedSettings, Protocol};
use tidemill_pipeline::{Ask, FailureKind, PageEnd, PartitionId, ProcessorName, ReadFrom, Source as _, way};

use crate::{
    publisher::{Answer, Publisher},
    reading::{after, read, read_partition, settings, spans, zero},
};

const PAGE: &str =
    "{\"partition\":0,\"data\":{\"a\":1}}\n{\"partition\":0,\"data\":2}\n{\"partition\":0,\"cursor\":\"2\"}\n";

#[tokio::test]
async fn one_partition_is_asked_for_in_a_request_and_everything_is_encoded() {
    let publisher = Publisher::always(Answer::ok("{\"partition\":1,\"cursor\":\"3\"}\n")).await;
    let settings = FeedSettings {
        event_headers: vec!["ce_type".to_owned(), "x".to_owned()],
        request_headers: vec![("X-Team".to_owned(), "billing".to_owned())],
        ..settings(&publisher.url("/feed?code=7"), Protocol::ZeroEventHub)
    };
    let feed = Feed::open(settings).unwrap();
    let page = read_partition(&feed, "1", after("a;b c&d"), 7).await;
    assert_eq!(page.spans, spans(&[("3", &[])]));
    read_partition(&feed, "1", ReadFrom::First, 7).await;
    read_partition(&feed, "1", ReadFrom::Last, 7).await;
    let cursor = |cursor: &str| format!("/feed?code=7&n=2&cursor1={cursor}&pagesizehint=7&headers=ce_type%2Cx");
    assert_eq!(publisher.targets(), [cursor("a%3Bb%20c%26d"), cursor("_first"), cursor("_last")]);
    let request = &publisher.requests()[0];
    assert_eq!(request.header("x-team"), Some("billing"));
    assert_eq!(request.header("accept-encoding"), Some("gzip, zstd"));
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn the_content_type_is_not_looked_at() {
    for content_type in ["text/plain; charset=utf-8", "application/x-ndjson", "text/html; charset=latin1"] {
        let publisher = Publisher::always(Answer::ok(PAGE).header("content-type", content_type)).await;
        let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
        assert_eq!(page.spans, spans(&[("2", &["{\"a\":1}", "2"])]));
        assert_eq!(page.end, Ok(PageEnd::default()));
    }
}

#[tokio::test]
async fn an_error_line_after_200_keeps_the_spans_before_it() {
    for framed in [|answer: Answer| answer, Answer::chunked] {
        let body = format!("{PAGE}{{\"partition\":0,\"data\":3}}\nInternal server error\n");
        let publisher = Publisher::always(framed(Answer::ok(body))).await;
        let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
        assert_eq!(page.spans, spans(&[("2", &["{\"a\":1}", "2"])]));
        let end = page.end.unwrap();
        assert_eq!(end.tail_events, 1);
        let failure = end.cut.unwrap();
        assert_eq!(failure.kind, FailureKind::Unavailable);
        let why = "the page after cursor `2` is not valid: line 5 cannot be read: it is not a JSON object";
        assert_eq!(failure.cause, why);
        // Who looks at the feed is not told to look at it.
        let hint = "if it stays so, look at the feed's `url` and `protocol`, and say `--from` and a cursor behind it to pass it over";
        assert_eq!(failure.hint.unwrap(), hint);
    }
}

#[tokio::test]
async fn a_hint_to_look_at_a_page_says_where_it_begins() {
    let publisher = Publisher::always(Answer::ok("<html>\n")).await;
    let feed = zero(&publisher.url("/"));
    let places = [
        (ReadFrom::First, "first"),
        (ReadFrom::Last, "last"),
        (after("2"), "2"),
        (after("a b"), "'a b'"),
        (after("-1"), "-1"),
    ];
    for (from, word) in places {
        let (mut sink, _fetched) = way(1 << 30);
        let mut source = feed.source(PartitionId::new("0")).read_by(ProcessorName::new("totals"));
        let end = source.fetch(Ask { from, page_size: NonZeroU32::MIN }, &mut sink).await;
        let hint = end.unwrap().cut.unwrap().hint.unwrap();
        let between = if word.starts_with('-') { '=' } else { ' ' };
        let command = format!("`tidemill feed tail orders --partition 0 --from{between}{word}`");
        assert!(hint.ends_with(&command), "{hint}");
    }
}

#[tokio::test]
async fn an_empty_page_and_a_page_of_checkpoints_are_normal() {
    let publisher = Publisher::always(Answer::ok("")).await;
    let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
    assert_eq!((page.spans, page.end), (vec![], Ok(PageEnd::default())));

    let body = "{\"partition\":0,\"cursor\":\"1\"}\n{\"cursor\":\"2\",\"partition\":0}";
    let publisher = Publisher::always(Answer::ok(body)).await;
    let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
    assert_eq!((page.spans, page.end), (spans(&[("1", &[]), ("2", &[])]), Ok(PageEnd::default())));
}

#[tokio::test]
async fn what_follows_the_last_checkpoint_is_counted_and_thrown_away() {
    let publisher = Publisher::always(Answer::ok(format!("{PAGE}{{\"partition\":0,\"data\":3}}"))).await;
    let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
    assert_eq!(page.spans.len(), 1);
    assert_eq!(page.end, Ok(PageEnd { tail_events: 1, cut: None }));
}

#[tokio::test]
async fn a_line_of_another_partition_or_an_empty_checkpoint_ends_the_page() {
    for (line, why) in [
        ("{\"partition\":1,\"data\":3}", "it belongs to partition 1, which was not asked for"),
        ("{\"partition\":0,\"cursor\":\"\"}", "its checkpoint is no cursor: the cursor is empty"),
    ] {
        let publisher = Publisher::always(Answer::ok(format!("{PAGE}{line}\n{PAGE}"))).await;
        let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
        assert_eq!(page.spans.len(), 1);
        let failure = page.failure();
        assert_eq!(failure.kind, FailureKind::Unavailable);
        assert!(failure.cause.ends_with(&format!("line 4 cannot be read: {why}")), "{}", failure.cause);
    }
}

#[tokio::test]
async fn nan_and_infinity_pass_as_they_came() {
    let body = "{\"partition\":0,\"data\":{\"a\":NaN,\"b\":-Infinity}}\n{\"partition\":0,\"cursor\":\"1\"}\n";
    let publisher = Publisher::always(Answer::ok(body)).await;
    let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
    assert_eq!(page.spans, spans(&[("1", &["{\"a\":NaN,\"b\":-Infinity}"])]));
}

#[tokio::test]
async fn a_line_over_64_kib_is_read_and_one_over_the_limit_stops_and_names_the_setting() {
    let body = |bytes: usize| {
        let data = "x".repeat(bytes);
        format!("{PAGE}{{\"partition\":0,\"data\":\"{data}\"}}\n{{\"partition\":0,\"cursor\":\"3\"}}\n")
    };
    let publisher = Publisher::always(Answer::ok(body(200_000))).await;
    let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
    assert_eq!(page.spans[1].1[0].len(), 200_002);

    let publisher = Publisher::always(Answer::ok(body(2_000_000))).await;
    let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
    assert_eq!(page.spans.len(), 1);
    let failure = page.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
    let hint = "raise `line-bytes-max` of the feed, or leave the line out: say `--from` and a cursor behind it";
    assert_eq!(failure.hint.unwrap(), hint);
}

#[tokio::test]
async fn a_page_over_its_bound_is_cut_at_its_last_checkpoint() {
    let mut settings = settings("http://127.0.0.1:1/", Protocol::ZeroEventHub);
    settings.bounds.page_bytes_max = 100_000;
    let event = format!("{{\"partition\":0,\"data\":\"{}\"}}\n", "x".repeat(1000));
    let span = |place: u32| format!("{event}{{\"partition\":0,\"cursor\":\"{place}\"}}\n");
    let with_checkpoints: String = (0..1000).map(span).collect();
    let publisher = Publisher::always(Answer::ok(with_checkpoints)).await;
    settings.address = tidemill_feeds::Address::Http(publisher.url("/").parse().unwrap());
    let page = read(&Feed::open(settings.clone()).unwrap(), ReadFrom::First).await;
    assert!((90..900).contains(&page.spans.len()), "{}", page.spans.len());
    assert_eq!(page.end.unwrap().cut, None);

    let publisher = Publisher::always(Answer::ok(event.repeat(1000))).await;
    settings.address = tidemill_feeds::Address::Http(publisher.url("/").parse().unwrap());
    let failure = read(&Feed::open(settings).unwrap(), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.hint.unwrap().contains("`page-bytes-max`"));
}

#[tokio::test]
async fn a_page_that_says_its_own_place_again_and_again_is_cut_too() {
    let checkpoint = "{\"partition\":0,\"cursor\":\"9\"}\n";
    let publisher = Publisher::always(Answer::ok(checkpoint.repeat(10_000)).silence()).await;
    let mut settings = settings(&publisher.url("/"), Protocol::ZeroEventHub);
    settings.bounds.page_bytes_max = 100_000;
    let feed = Feed::open(settings).unwrap();
    let page = tokio::time::timeout(std::time::Duration::from_secs(20), read(&feed, after("9"))).await;
    assert_eq!(page.expect("the page never ends").end, Ok(PageEnd::default()));
}
