//! The bearer token: read when it is first needed, and again when the publisher refuses it.

use reqwest::header::HeaderValue;
use tidemill_pipeline::{Failure, Stage};
use tokio::sync::Mutex;

use crate::{Credential, answer::CREDENTIAL_WAIT};

/// The token as it goes into a request. Its `Debug` does not show it.
pub(crate) type Bearer = HeaderValue;

/// The token, shared by the partitions of a feed.
#[derive(Debug)]
pub(crate) struct Token {
    credential: Option<Credential>,
    bearer: Mutex<Option<Bearer>>,
}

impl Token {
    pub(crate) fn new(credential: Option<Credential>) -> Self {
        Self { credential, bearer: Mutex::new(None) }
    }

    /// The `Authorization` header; none if the feed has no credential.
    pub(crate) async fn bearer(&self, stage: Stage) -> Result<Option<Bearer>, Failure> {
        let Some(credential) = &self.credential else { return Ok(None) };
        let mut bearer = self.bearer.lock().await;
        if bearer.is_none() {
            *bearer = Some(read(credential, stage).await?);
        }
        Ok(bearer.clone())
    }

    /// Reads the token again after one was refused. None if there is no other one.
    pub(crate) async fn renewed(&self, refused: Option<&Bearer>, stage: Stage) -> Result<Option<Bearer>, Failure> {
        let Some(credential) = &self.credential else { return Ok(None) };
        let mut bearer = self.bearer.lock().await;
        *bearer = Some(read(credential, stage).await?);
        Ok(bearer.clone().filter(|bearer| Some(bearer) != refused))
    }
}

async fn read(credential: &Credential, stage: Stage) -> Result<Bearer, Failure> {
    let (text, place) = match credential {
        Credential::Env(name) => {
            let text = std::env::var(name).map_err(|_| {
                Failure::broken(stage, format!("the environment variable `{name}` with the bearer token is not set"))
                    .hint("set it, or change `bearer-token`")
            })?;
            (text, format!("the environment variable `{name}`"))
        }
        Credential::File(path) => {
            let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                Failure::unavailable(stage, format!("the bearer token cannot be read from {}: {error}", path.display()))
                    .hint("see that the file is there and may be read, or change `bearer-token`")
                    .after(Some(CREDENTIAL_WAIT))
            })?;
            (text, format!("the file {}", path.display()))
        }
    };
    let token = text.trim();
    let value = (!token.is_empty()).then(|| HeaderValue::from_str(&format!("Bearer {token}")).ok()).flatten();
    let mut value = value.ok_or_else(|| {
        Failure::unavailable(stage, format!("{place} does not hold a bearer token"))
            .hint("it must hold the token alone, in printable ASCII")
            .after(Some(CREDENTIAL_WAIT))
    })?;
    value.set_sensitive(true);
    Ok(value)
}
