//! The wire: a publisher on loopback that sends what a script says, byte by byte, down to a reset of the connection.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

/// A publisher. It ends when dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The path without the query.
    pub(crate) path: String,
    /// The query's parameters, decoded.
    pub(crate) query: HashMap<String, String>,
    /// `authorization`; empty if there is none.
    pub(crate) authorization: String,
}

impl Asked {
    /// The partition and the cursor that were asked for, in either protocol. None of a discovery.
    pub(crate) fn place(&self) -> Option<(&str, &str)> {
        if let (Some(partition), Some(cursor)) = (self.query.get("partition"), self.query.get("cursor")) {
            return Some((partition, cursor));
        }
        self.query.iter().find_map(|(name, cursor)| Some((name.strip_prefix("cursor")?, cursor.as_str())))
    }
}

/// What is done with a connection.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends bytes.
    Send(Bytes),
    /// Sends a byte at a time with a pause behind each, and the last one for ever.
    Drip(Bytes, Duration),
    /// Sends the same bytes again and again, as long as they are taken.
    Flood(Bytes),
    /// Sends nothing more, and waits until the reader has gone.
    Hold,
    /// Ends the connection as is usual.
    Close,
    /// Resets the connection: what was sent and not read yet may be lost, too.
    Reset,
}

type Script = Arc<dyn Fn(&Asked) -> Vec<Act> + Send + Sync>;

impl Wire {
    /// A publisher that does with each request what its script says. The connection stays unless the script ends it.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> io::Result<Self> {
        let script: Script = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { continue };
                        let script = Arc::clone(&script);
                        // The reader may go at any moment: that is its right.
                        connections.spawn(async move { serve(stream, &script).await.ok() });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, _tasks: tasks })
    }

    /// Where its feed is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/feed", self.address)
    }
}

async fn serve(mut stream: TcpStream, script: &Script) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let asked = asked(&head).ok_or(io::ErrorKind::InvalidData)?;
        head.clear();
        for act in script(&asked) {
            match act {
                Act::Send(bytes) => stream.write_all(&bytes).await?,
                Act::Drip(bytes, pause) => {
                    let last = bytes.last().copied();
                    for byte in bytes.iter().copied().chain(std::iter::repeat_with(|| last).map_while(|last| last)) {
                        stream.write_u8(byte).await?;
                        sleep(pause).await;
                    }
                }
                Act::Flood(bytes) => loop {
                    stream.write_all(&bytes).await?;
                },
                Act::Hold => while stream.read_buf(&mut head).await? > 0 {},
                Act::Close => return stream.shutdown().await,
                Act::Reset => return stream.set_zero_linger(),
            }
        }
    }
}

fn asked(head: &[u8]) -> Option<Asked> {
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    let target = lines.next()?.split(' ').nth(1)?;
    let authorization = lines.find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Some(Asked { path: path.to_owned(), query, authorization })
}

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `content-length`.
    Length,
    /// Chunks of at most so many bytes.
    Chunked(usize),
}

/// An answer as bytes: the status with its reason, more headers with their line's ends, and a body.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8], framing: Framing) -> Vec<u8> {
    let length = match framing {
        Framing::Length => format!("content-length: {}", body.len()),
        Framing::Chunked(_) => "transfer-encoding: chunked".to_owned(),
    };
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}{length}\r\n\r\n").into_bytes();
    match framing {
        Framing::Length => bytes.extend_from_slice(body),
        Framing::Chunked(size) => {
            for chunk in body.chunks(size) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
    }
    bytes
}

/// A whole answer of 200.
pub(crate) fn page(body: impl AsRef<[u8]>) -> Vec<Act> {
    vec![Act::Send(answer("200 OK", "", body.as_ref(), Framing::Length).into())]
}
