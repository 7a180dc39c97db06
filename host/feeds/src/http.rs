//! Asking a publisher: one client a feed, redirects within the origin, the credential, and what went wrong.

use reqwest::{
    Certificate, Client, Response, StatusCode,
    header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION},
    redirect::Policy,
};
use tidemill_pipeline::{Failure, Stage, failpoint::breaks};
use tokio::time::timeout;
use url::Url;

use crate::{
    Address, Bounds, FeedError, FeedSettings, answer,
    body::{Body, BodyError, causes},
    credential::{Bearer, Token},
    request,
};

/// How much of what a publisher says about a refusal is shown.
const DETAIL_CHARS_MAX: usize = 200;
/// A shorter secret is shown: to blank it out would take more words out of a message than it hides.
const SECRET_BYTES_MIN: usize = 4;

/// Asks the publisher of one feed.
pub(crate) struct Http {
    client: Client,
    token: Token,
    bounds: Bounds,
    /// Values of the request headers and of the address's query, longest first: a publisher that repeats one must
    /// not bring it into a message.
    secrets: Vec<String>,
}

impl Http {
    pub(crate) fn new(settings: &FeedSettings) -> Result<Self, FeedError> {
        let problem = |problem: String, hint| FeedError::new(&settings.name, problem, hint);
        // An error only says that there is one already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
        for (name, value) in &settings.request_headers {
            let wrong = || problem(format!("the request header `{name}` is not valid"), "see `request-headers`");
            let name = HeaderName::try_from(name).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let header_bytes_max = u32::try_from(settings.bounds.header_bytes_max).unwrap_or(u32::MAX);
        let mut builder = Client::builder()
            .user_agent(concat!("tidemill/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(Policy::none())
            .referer(false)
            .http2_max_header_list_size(header_bytes_max);
        if let Some(path) = &settings.ca_file {
            let hint = "see that `ca-file` names a file of PEM certificates that may be read";
            let wrong = |why: String| problem(format!("the certificates in {}: {why}", path.display()), hint);
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(causes(error)))?;
            if certificates.is_empty() {
                return Err(wrong("there are none".to_owned()));
            }
            builder = builder.tls_certs_only(certificates);
        } else if is_plain(&settings.address) && !is_behind_a_proxy() {
            // To read those of the system costs more than anything else at the start of a host.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| {
            problem(
                format!("no HTTP client can be made: {}", causes(error)),
                "see `ca-file`, and the system's certificates",
            )
        })?;
        let token = Token::new(settings.credential.clone());
        Ok(Self { client, token, bounds: settings.bounds, secrets: secrets(settings) })
    }

    /// Whether the credential can be read.
    pub(crate) async fn look(&self) -> Result<(), Failure> {
        self.token.bearer(Stage::Discover).await.map(drop)
    }

    /// Asks, and answers with the body of a 200. A refused credential is read again, and if there is another one, it is tried at once.
    pub(crate) async fn get(&self, url: &Url, stage: Stage) -> Result<Body, Failure> {
        self.open(url, stage).await.map_err(|refused| refused.failure)
    }

    /// The same, with the status of an answer that is not 200.
    pub(crate) async fn open(&self, url: &Url, stage: Stage) -> Result<Body, Refused> {
        let mut bearer = self.token.bearer(stage).await?;
        let mut response = self.follow(url, bearer.as_ref(), stage).await?;
        if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && let Some(other) = self.token.renewed(bearer.as_ref(), stage).await?
        {
            response = self.follow(url, Some(&other), stage).await?;
            bearer = Some(other);
        }
        if response.status() != StatusCode::OK {
            let (status, headers) = (response.status(), response.headers().clone());
            let detail = self.detail(response, bearer.as_ref()).await;
            let failure = answer::classify(status, &headers, &detail, stage);
            return Err(Refused { status: Some(status.as_u16()), failure });
        }
        let header_bytes: usize =
            response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if header_bytes > self.bounds.header_bytes_max {
            let cause = format!(
                "the headers of the answer have {header_bytes} bytes, more than {}",
                self.bounds.header_bytes_max
            );
            return Err(Failure::broken(stage, cause).hint("raise `header-bytes-max` of the feed").into());
        }
        Ok(Body::new(response, &self.bounds).map_err(|error| body_failure(&error, "the answer", stage))?)
    }

    /// Asks, and follows redirects as long as they stay within the origin: credentials never leave it.
    async fn follow(&self, url: &Url, bearer: Option<&Bearer>, stage: Stage) -> Result<Response, Failure> {
        let mut url = url.clone();
        let mut redirects = 0;
        loop {
            let response = self.send(url.clone(), bearer, stage).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            redirects += 1;
            if redirects > self.bounds.redirects_max {
                let cause = format!("the publisher redirected more than {} times", self.bounds.redirects_max);
                return Err(Failure::broken(stage, cause).hint("look at the feed's `url`, or raise `redirects-max`"));
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok()).ok_or_else(|| {
                Failure::broken(stage, "the publisher redirected without saying where to")
                    .hint("look at the feed's `url`")
            })?;
            if next.origin() != url.origin() && !breaks("one-origin") {
                let cause = format!(
                    "the publisher redirected to another origin, `{}`: credentials must not go there",
                    next.origin().ascii_serialization()
                );
                return Err(Failure::broken(stage, cause).hint("if you trust it, change the feed's `url`"));
            }
            url = next;
        }
    }

    async fn send(&self, url: Url, bearer: Option<&Bearer>, stage: Stage) -> Result<Response, Failure> {
        let mut request = self.client.get(url);
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, bearer.clone());
        }
        let limit = self.bounds.time_to_first_byte;
        match timeout(limit, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_builder() => {
                Err(Failure::broken(stage, format!("the request cannot be made: {}", causes(error))))
            }
            Ok(Err(error)) => {
                let certificate = error.is_connect();
                let cause = format!("the publisher cannot be reached: {}", causes(error));
                let certificate = certificate && cause.contains("certificate");
                let hint = if certificate {
                    "a private authority is named by `ca-file` of the feed"
                } else {
                    "look at the feed's `url`, and whether its publisher runs"
                };
                Err(Failure::unavailable(stage, cause).hint(hint))
            }
            Err(_) => {
                let cause = format!("the publisher did not answer within {limit:?}");
                Err(Failure::unavailable(stage, cause)
                    .hint("if it needs longer, raise `time-to-first-byte` of the feed"))
            }
        }
    }

    /// The beginning of what the publisher says about a refusal: one line, without the secrets that it may repeat.
    async fn detail(&self, response: Response, bearer: Option<&Bearer>) -> String {
        let Ok(mut body) = Body::new(response, &self.bounds) else { return String::new() };
        let mut bytes = bytes::BytesMut::new();
        let read =
            async { while bytes.len() < 4 * DETAIL_CHARS_MAX && body.read(&mut bytes).await.unwrap_or(false) {} };
        let patience = std::time::Duration::from_secs(1).min(self.bounds.idle_time);
        // What came until then is enough.
        timeout(patience, read).await.ok();
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        let token = bearer.and_then(|bearer| bearer.to_str().ok()).and_then(|bearer| bearer.strip_prefix("Bearer "));
        for secret in token.into_iter().chain(self.secrets.iter().map(String::as_str)) {
            text = text.replace(secret, "…");
            // What was read may end within it.
            let mut parts = (SECRET_BYTES_MIN..secret.len()).rev().filter_map(|end| secret.get(..end));
            if let Some(part) = parts.find(|part| text.ends_with(part)) {
                text.truncate(text.len() - part.len());
            }
        }
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().filter(|char| !char.is_control()).take(DETAIL_CHARS_MAX).collect()
    }
}

/// Whether no certificate is ever looked at: redirects stay within the origin.
fn is_plain(address: &Address) -> bool {
    matches!(address, Address::Http(url) if url.scheme() == "http")
}

/// Whether requests of a plain address may go through a proxy, which may have a certificate.
fn is_behind_a_proxy() -> bool {
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].iter().any(|name| std::env::var_os(name).is_some())
}

/// What a message must not hold.
fn secrets(settings: &FeedSettings) -> Vec<String> {
    let mut secrets: Vec<String> = settings.request_headers.iter().map(|(_, value)| value.clone()).collect();
    if let Address::Http(url) = &settings.address {
        let query = url.query().unwrap_or_default();
        // As it was written: publishers repeat the line of the request. A name without a value may be a key.
        secrets.extend(query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value).to_owned()));
        // As it was meant, and as others would write it.
        for (name, value) in url.query_pairs() {
            let value = if value.is_empty() { name } else { value };
            secrets.push(request::encoded(&value));
            secrets.push(value.into_owned());
        }
    }
    secrets.retain(|secret| secret.len() >= SECRET_BYTES_MIN);
    // One may be a part of another, whose rest would stay.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

/// A request that was not answered with 200.
pub(crate) struct Refused {
    pub(crate) status: Option<u16>,
    pub(crate) failure: Failure,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { status: None, failure }
    }
}

/// The failure that a body which ended badly is.
pub(crate) fn body_failure(error: &BodyError, what: &str, stage: Stage) -> Failure {
    let cause = format!("{what} broke off: {error}");
    match error {
        BodyError::Idle(_) => {
            Failure::unavailable(stage, cause).hint("if that is usual, raise `idle-time` of the feed")
        }
        BodyError::Slow(_) => {
            Failure::unavailable(stage, cause).hint("if that is usual, lower `bytes-per-second-min` of the feed")
        }
        BodyError::Bomb(_) => {
            Failure::broken(stage, cause).hint("if the publisher means it, raise `decompression-ratio-max` of the feed")
        }
        BodyError::Encoding(_) => {
            Failure::broken(stage, cause).hint("the publisher must send gzip, zstd or plain text")
        }
        BodyError::Broken(_) | BodyError::Compression(_) => Failure::unavailable(stage, cause),
    }
}
