//! A publisher on loopback that answers as it is told, well or badly, byte by byte.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The path with the query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn parse(head: &str) -> Self {
        let mut lines = head.lines();
        let target = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Self { target, headers: lines.filter_map(header).collect() }
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
    ending: Ending,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Complete,
    /// The connection is closed before the framing is complete.
    Cut,
    /// Nothing more comes, and the connection stays.
    Silence,
    /// The same bytes of no meaning come now and then, for ever.
    Trickle,
    /// Not even the head.
    Nothing,
    /// The connection is closed at once.
    Hangup,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), framing: Framing::Length, ending: Ending::Complete }
    }

    pub(crate) fn nothing() -> Self {
        Self { ending: Ending::Nothing, ..Self::ok("") }
    }

    pub(crate) fn hangup() -> Self {
        Self { ending: Ending::Hangup, ..Self::ok("") }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::status(307, "").header("location", to)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn chunked(self) -> Self {
        Self { framing: Framing::Chunked, ..self }
    }

    pub(crate) fn cut(self) -> Self {
        Self { ending: Ending::Cut, ..self }
    }

    pub(crate) fn silence(self) -> Self {
        Self { ending: Ending::Silence, ..self }
    }

    pub(crate) fn trickle(self) -> Self {
        Self { ending: Ending::Trickle, ..self }
    }

    async fn send(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
        match self.ending {
            Ending::Nothing => return until_closed(stream).await,
            Ending::Hangup => return Ok(()),
            Ending::Complete | Ending::Cut | Ending::Silence | Ending::Trickle => {}
        }
        let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let missing = if self.ending == Ending::Complete { 0 } else { 1_000_000 };
        match self.framing {
            Framing::Length => head.extend(["content-length: ", &(self.body.len() + missing).to_string()]),
            Framing::Chunked => head.push_str("transfer-encoding: chunked"),
        }
        head.push_str("\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        match self.framing {
            Framing::Length => stream.write_all(&self.body).await?,
            Framing::Chunked => {
                for chunk in self.body.chunks(7) {
                    stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
                    stream.write_all(chunk).await?;
                    stream.write_all(b"\r\n").await?;
                }
                if self.ending == Ending::Complete {
                    stream.write_all(b"0\r\n\r\n").await?;
                }
            }
        }
        stream.flush().await?;
        match self.ending {
            Ending::Silence => until_closed(stream).await,
            Ending::Trickle => loop {
                stream.write_all(b" ").await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            },
            Ending::Complete | Ending::Cut | Ending::Nothing | Ending::Hangup => stream.shutdown().await,
        }
    }
}

async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.map(drop)
}

type Script = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// A publisher. Stops when dropped.
pub(crate) struct Publisher {
    scheme: &'static str,
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Publisher {
    pub(crate) async fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(script), None).await
    }

    pub(crate) async fn always(answer: Answer) -> Self {
        Self::start(move |_| answer.clone()).await
    }

    pub(crate) async fn start_tls(config: ServerConfig, answer: Answer) -> Self {
        Self::listen(Arc::new(move |_| answer.clone()), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, seen, tls) = (Arc::clone(&script), Arc::clone(&seen), tls.clone());
                connections.spawn(async move {
                    // The client may go at any moment: that is what is tested.
                    match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(mut stream) => serve(&mut stream, &script, &seen).await.ok(),
                            Err(_) => None,
                        },
                        None => serve(&mut { stream }, &script, &seen).await.ok(),
                    }
                });
            }
        });
        Self { scheme, address, requests, _tasks: tasks }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}{path}", self.scheme, self.address.port())
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn targets(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.target).collect()
    }
}

async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    script: &Script,
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let request = Request::parse(std::str::from_utf8(&head).unwrap());
    seen.lock().unwrap().push(request.clone());
    script(&request).send(stream).await
}
