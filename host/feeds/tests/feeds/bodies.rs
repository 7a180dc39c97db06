//! Bodies that are compressed, cut, slow, or grow without end.

use std::time::Duration;

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use tidemill_feeds::{Feed, Protocol};
use tidemill_pipeline::{FailureKind, PageEnd, ReadFrom};
use tokio::io::AsyncWriteExt;

use crate::{
    publisher::{Answer, Publisher},
    reading::{read, settings, spans, zero},
};

const SPAN: &str = "{\"partition\":0,\"data\":1}\n{\"partition\":0,\"cursor\":\"1\"}\n";
const TAIL: &str = "{\"partition\":0,\"data\":2}\n";

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

async fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

#[tokio::test]
async fn a_body_that_is_cut_keeps_its_spans_and_says_where() {
    let body = format!("{SPAN}{TAIL}");
    let answers = [Answer::ok(body.as_str()).cut(), Answer::ok(body.as_str()).chunked().cut()];
    for answer in answers {
        let publisher = Publisher::always(answer).await;
        let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
        assert_eq!(page.spans, spans(&[("1", &["1"])]));
        let failure = page.end.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unavailable);
        assert!(failure.cause.starts_with("the page after cursor `1` (line 4) broke off: "), "{}", failure.cause);
    }
    let publisher = Publisher::always(Answer::ok("").cut()).await;
    let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
    assert_eq!(page.end.unwrap_err().kind, FailureKind::Unavailable);
}

#[tokio::test]
async fn a_last_line_is_not_believed_when_the_body_is_cut() {
    let publisher = Publisher::always(Answer::ok(SPAN.trim_end()).cut()).await;
    let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
    assert_eq!(page.spans, []);
    assert!(page.end.is_err());
}

#[tokio::test]
async fn gzip_and_zstd_are_decompressed_as_they_stream() {
    let span = |place: u32| format!("{TAIL}{{\"partition\":0,\"cursor\":\"{place}\"}}\n");
    let body: String = (0..1000).map(span).collect();
    let zipped = gzip(body.as_bytes()).await;
    let mut members = gzip(span(1).as_bytes()).await;
    members.extend(gzip(span(2).as_bytes()).await);
    for (encoding, bytes, count) in
        [("gzip", zipped, 1000), ("zstd", zstd(body.as_bytes()).await, 1000), ("GZIP", members, 2)]
    {
        let publisher = Publisher::always(Answer::ok(bytes).header("content-encoding", encoding).chunked()).await;
        let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
        assert_eq!((page.spans.len(), page.end), (count, Ok(PageEnd::default())), "{encoding}");
    }
}

#[tokio::test]
async fn a_compressed_span_is_handed_on_before_the_body_ends() {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(SPAN.as_bytes()).await.unwrap();
    encoder.flush().await.unwrap();
    let publisher =
        Publisher::always(Answer::ok(encoder.into_inner()).header("content-encoding", "gzip").chunked().cut()).await;
    let page = read(&zero(&publisher.url("/")), ReadFrom::First).await;
    assert_eq!(page.spans, spans(&[("1", &["1"])]));
    assert_eq!(page.end.unwrap_err().kind, FailureKind::Unavailable);
}

#[tokio::test]
async fn a_compressed_body_that_ends_early_is_asked_for_again() {
    for (encoding, bytes) in [("gzip", gzip(SPAN.as_bytes()).await), ("zstd", zstd(SPAN.as_bytes()).await)] {
        let cut = &bytes[..bytes.len() - 5];
        let publisher = Publisher::always(Answer::ok(cut).header("content-encoding", encoding)).await;
        let failure = read(&zero(&publisher.url("/")), ReadFrom::First).await.failure();
        assert_eq!(failure.kind, FailureKind::Unavailable, "{encoding}");
        assert!(failure.cause.contains("cannot be decompressed"), "{}", failure.cause);
    }
}

#[tokio::test]
async fn a_body_that_grows_beyond_measure_is_stopped() {
    let bomb = " ".repeat(30_000_000);
    for (encoding, bytes) in [("gzip", gzip(bomb.as_bytes()).await), ("zstd", zstd(bomb.as_bytes()).await)] {
        let mut settings = settings("http://127.0.0.1:1/", Protocol::ZeroEventHub);
        settings.bounds.line_bytes_max = 50_000_000;
        let publisher = Publisher::always(Answer::ok(bytes).header("content-encoding", encoding)).await;
        settings.address = tidemill_feeds::Address::Http(publisher.url("/").parse().unwrap());
        let failure = read(&Feed::open(settings).unwrap(), ReadFrom::First).await.failure();
        assert_eq!(failure.kind, FailureKind::Broken);
        assert!(failure.hint.unwrap().contains("`decompression-ratio-max`"), "{encoding}");
    }
}

#[tokio::test]
async fn an_encoding_that_was_not_asked_for_stops() {
    let publisher = Publisher::always(Answer::ok(SPAN).header("content-encoding", "br")).await;
    let failure = read(&zero(&publisher.url("/")), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.cause.contains("`br` was not asked for"), "{}", failure.cause);
}

fn impatient(publisher: &Publisher) -> Feed {
    let mut settings = settings(&publisher.url("/"), Protocol::ZeroEventHub);
    settings.bounds.time_to_first_byte = Duration::from_millis(200);
    settings.bounds.idle_time = Duration::from_millis(200);
    settings.bounds.bytes_per_second_min = 10_000;
    Feed::open(settings).unwrap()
}

#[tokio::test]
async fn silence_ends_the_page_and_names_the_setting() {
    for (answer, setting, count) in [
        (Answer::nothing(), "`time-to-first-byte`", 0),
        (Answer::ok(SPAN).silence(), "`idle-time`", 1),
        (Answer::ok(SPAN).chunked().silence(), "`idle-time`", 1),
        (Answer::ok(SPAN).trickle(), "`bytes-per-second-min`", 1),
    ] {
        let publisher = Publisher::always(answer).await;
        let page = read(&impatient(&publisher), ReadFrom::First).await;
        assert_eq!(page.spans.len(), count, "{setting}");
        let failure = page.end.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unavailable);
        assert!(failure.hint.unwrap().contains(setting), "{}", failure.cause);
    }
}
