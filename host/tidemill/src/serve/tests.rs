//! The publisher over real HTTP.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::*;

/// A publisher of a file that a test may append to.
struct Published {
    address: SocketAddr,
    file: tempfile::NamedTempFile,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<io::Result<()>>,
}

impl Published {
    async fn start(options: Options) -> Self {
        Self::of(tempfile::NamedTempFile::new().unwrap(), options).await
    }

    async fn of(file: tempfile::NamedTempFile, options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let log = Arc::new(FileLog::open(file.path()).unwrap());
        let server = tokio::spawn(serve(listener, log, options, async { drop(stopped.await) }));
        Self { address, file, stop: Some(stop), server }
    }

    fn append(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    fn append_events(&mut self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.append(&event(number));
        }
    }

    /// Status and body of an answer. HTTP/1.0, so that the body ends with the connection.
    async fn get(&self, path: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(format!("GET {path} HTTP/1.0\r\nHost: feed\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(10), connection.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn lines(&self, path: &str) -> Vec<Value> {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(body.ends_with('\n'), "every line has its end");
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn token(&self) -> String {
        let (_, discovery) = self.get("/feed").await;
        serde_json::from_str::<Value>(&discovery).unwrap()["token"].as_str().unwrap().to_owned()
    }
}

fn event(number: u64) -> String {
    let text = "x".repeat(usize::try_from(number % 50).unwrap());
    format!("{{\"n\":{number},\"user\":\"u{}\",\"text\":\"{text}\"}}\n", number % 17)
}

/// What a reader of one partition has seen, and where it is.
#[derive(Default)]
struct Reader {
    cursor: Option<String>,
    seen: Vec<u64>,
}

impl Reader {
    fn cursor(&self) -> &str {
        self.cursor.as_deref().unwrap_or("_first")
    }

    /// Applies whole spans, as a reader must. Whether an event came.
    fn apply(&mut self, lines: impl IntoIterator<Item = Value>) -> bool {
        let (before, mut open) = (self.seen.len(), Vec::new());
        for line in lines {
            match line["cursor"].as_str() {
                Some(cursor) => {
                    self.cursor = Some(cursor.to_owned());
                    self.seen.append(&mut open);
                }
                None => open.push(line["data"]["n"].as_u64().unwrap()),
            }
        }
        assert!(open.is_empty(), "a page ends with a checkpoint");
        self.seen.len() > before
    }
}

fn keyed(partitions: u32) -> Options {
    Options { partitions, key: Some("user".to_owned()), checkpoint_events: 7, ..Options::default() }
}

/// Every event once and in order within its partition, and together all of them.
fn assert_complete(readers: &[Reader], events: u64) {
    for reader in readers {
        assert!(reader.seen.is_sorted_by(|left, right| left < right), "{:?}", reader.seen);
    }
    let mut all: Vec<_> = readers.iter().flat_map(|reader| reader.seen.clone()).collect();
    all.sort_unstable();
    assert_eq!(all, (0..events).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_by_cursors_sees_every_event_once_while_the_file_grows() {
    for options in [keyed(3), Options { key: None, ..keyed(3) }] {
        let mut feed = Published::start(options.clone()).await;
        let mut readers: [Reader; 3] = Default::default();
        let mut written = 0;
        loop {
            let mut moved = false;
            for (partition, reader) in readers.iter_mut().enumerate() {
                let path = format!("/feed?n=3&cursor{partition}={}&pagesizehint=4", reader.cursor());
                moved |= reader.apply(feed.lines(&path).await);
                // Lines come in halves, as writers flush, and faster than they are read: pages end by their size and
                // at the end of the file.
                if written < 500 {
                    let text = event(written);
                    let (left, right) = text.split_at(text.len() / 2);
                    feed.append(left);
                    let between = feed.lines("/feed?n=3&cursor0=_last").await;
                    assert!(between.iter().all(|line| line["data"].is_null()), "{between:?}");
                    feed.append(right);
                    feed.append_events(written + 1..written + 8);
                    written += 8;
                }
            }
            if !moved && written >= 500 {
                break;
            }
        }
        assert_complete(&readers, written);
        // From the beginning again, all at once, by FeedAPI: no event has changed its partition.
        let token = feed.token().await;
        for (partition, reader) in readers.iter().enumerate() {
            let path = format!("/feed/events?token={token}&partition={partition}&cursor=_first&pagesizehint=100000");
            let mut again = Reader::default();
            again.apply(feed.lines(&path).await);
            assert_eq!(again.seen, reader.seen, "partition {partition}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_may_ask_for_several_partitions() {
    let mut feed = Published::start(keyed(4)).await;
    feed.append_events(0..300);
    let mut readers: BTreeMap<u64, Reader> = (0..4).map(|partition| (partition, Reader::default())).collect();
    loop {
        let mut path = "/feed?n=4&pagesizehint=40".to_owned();
        for (partition, reader) in &readers {
            write!(path, "&cursor{partition}={}", reader.cursor()).unwrap();
        }
        let lines = feed.lines(&path).await;
        assert!(lines.iter().filter(|line| line["cursor"].is_null()).count() <= 40);
        let mut moved = false;
        for (partition, reader) in &mut readers {
            moved |= reader.apply(lines.iter().filter(|line| line["partition"] == *partition).cloned());
        }
        if !moved {
            break;
        }
    }
    assert_complete(&readers.into_values().collect::<Vec<_>>(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_still_has_a_cursor_that_can_be_asked_from() {
    let feed = Published::start(Options::default()).await;
    let token = feed.token().await;
    let path = |cursor: &str| format!("/feed/events?token={token}&partition=0&cursor={cursor}");
    for begin in ["_first", "_last"] {
        let lines = feed.lines(&path(begin)).await;
        assert_eq!(lines.len(), 1);
        let again = feed.lines(&path(lines[0]["cursor"].as_str().unwrap())).await;
        assert_eq!(again, lines, "a cursor that does not move stays as it is");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_is_behind_everything_that_is_there() {
    let mut feed = Published::start(Options::default()).await;
    feed.append_events(0..10);
    let mut reader = Reader::default();
    assert!(!reader.apply(feed.lines("/feed?n=1&cursor0=_last").await));
    feed.append_events(10..12);
    reader.apply(feed.lines(&format!("/feed?n=1&cursor0={}", reader.cursor())).await);
    assert_eq!(reader.seen, [10, 11]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_meant_is_refused_with_the_reason() {
    let mut feed = Published::start(keyed(3)).await;
    feed.append_events(0..3);
    let token = feed.token().await;
    let events = |rest: &str| format!("/feed/events?token={token}{rest}");
    for (path, status, reason) in [
        ("/feed?n=2&cursor0=_first".to_owned(), 400, "this feed has 3 partitions"),
        ("/feed?cursor0=_first".to_owned(), 400, "`n` is missing"),
        ("/feed?n=3".to_owned(), 400, "no cursor"),
        ("/feed?n=3&cursor3=_first".to_owned(), 400, "`cursor3`"),
        ("/feed?n=3&cursor00=_first".to_owned(), 400, "`cursor00`"),
        ("/feed?n=3&cursor0=".to_owned(), 400, "is not a cursor"),
        ("/feed?n=3&cursor0=5:1".to_owned(), 400, "no line begins there"),
        ("/feed?n=3&cursor0=9999:9".to_owned(), 410, "behind the end"),
        ("/feed?n=3&cursor0=_first&cursor0=_last".to_owned(), 400, "given twice"),
        ("/feed?n=3&cursor0=_first&pagesizehint=many".to_owned(), 400, "`pagesizehint`"),
        ("/feed/events?token=other&partition=0&cursor=_first".to_owned(), 409, "discover it again"),
        (events("&partition=3&cursor=_first"), 400, "no partition"),
        (events("&partition=0"), 400, "`cursor` is missing"),
        (events("&partition=0&cursor=nonsense"), 400, "is not a cursor"),
        ("/other".to_owned(), 404, ""),
    ] {
        let (answered, body) = feed.get(&path).await;
        assert_eq!(answered, status, "{path}: {body}");
        assert!(body.contains(reason), "{path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_changes_only_when_partitions_mean_something_else() {
    let feed = Published::start(keyed(3)).await;
    let before = feed.token().await;
    let feed = Published::of(feed.file, keyed(3)).await;
    assert_eq!(feed.token().await, before, "a restart changes nothing");
    let feed = Published::of(feed.file, keyed(4)).await;
    assert_ne!(feed.token().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_not_json_is_named_and_what_is_before_it_is_read() {
    let mut feed = Published::start(Options::default()).await;
    feed.append_events(0..2);
    feed.append("\nInfinity\n");
    feed.append_events(4..5);
    let mut reader = Reader::default();
    reader.apply(feed.lines("/feed?n=1&cursor0=_first").await);
    assert_eq!(reader.seen, [0, 1]);
    let (status, body) = feed.get(&format!("/feed?n=1&cursor0={}", reader.cursor())).await;
    assert_eq!((status, body.as_str()), (500, "line 4 is not JSON\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_events_are_published_like_those_of_a_file() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let log = Arc::new(Generated::new(1, 100));
    log.publish(10_000);
    let publish = Arc::clone(&log);
    let server = tokio::spawn(async move { serve(listener, publish, keyed(2), std::future::pending()).await });
    let file = tempfile::NamedTempFile::new().unwrap();
    let feed = Published { address, file, stop: None, server };
    let mut totals = BTreeMap::new();
    for partition in 0..2 {
        for line in feed.lines(&format!("/feed?n=2&cursor{partition}=_first&pagesizehint=10000")).await {
            if let Some(user) = line["data"]["user"].as_str() {
                *totals.entry(user.to_owned()).or_insert(0) += line["data"]["amount"].as_i64().unwrap();
            }
        }
    }
    let mut expected = BTreeMap::new();
    for (user, amount) in (0..10_000).map(|number| log.event(number)) {
        *expected.entry(user).or_insert(0) += amount;
    }
    assert_eq!(totals, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publisher_ends_when_it_is_told_to() {
    let mut feed = Published::start(Options::default()).await;
    feed.get("/feed").await;
    feed.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), feed.server).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_takes_is_not_made() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let log = Arc::new(Counted { inner: Generated::new(1, 100), read: std::sync::atomic::AtomicUsize::new(0) });
    log.inner.publish(10_000_000);
    let publish = Arc::clone(&log);
    let server =
        tokio::spawn(async move { serve(listener, publish, Options::default(), std::future::pending()).await });
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(b"GET /feed?n=1&cursor0=_first&pagesizehint=1000000 HTTP/1.0\r\n\r\n").await.unwrap();
    // Wait until reading the log has come to rest: two looks, far apart for a loopback, see the same.
    let read = || log.read.load(std::sync::atomic::Ordering::Relaxed);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let mut before = 0;
    while before == 0 || read() != before {
        assert!(tokio::time::Instant::now() < deadline, "the log is read on and on");
        before = read();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(before < 24 * 1024 * 1024, "{before} bytes were made for a reader that takes none");
    server.abort();
}

/// Counts the bytes that are read of a log.
struct Counted {
    inner: Generated,
    read: std::sync::atomic::AtomicUsize,
}

impl Log for Counted {
    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Lines, LogError> {
        let lines = self.inner.read(from, bytes_max)?;
        self.read.fetch_add(lines.bytes.len(), std::sync::atomic::Ordering::Relaxed);
        Ok(lines)
    }

    fn check(&self, position: Position) -> Result<(), LogError> {
        self.inner.check(position)
    }

    fn end(&self) -> Result<Position, LogError> {
        self.inner.end()
    }
}
