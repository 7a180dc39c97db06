//! A feed's address: `http:`, `https:` or `file:`.

use serde_json::{Value as Json, json};
use toml::{Spanned, de::DeValue};
use url::Url;

use super::{feed, kinds::Kind, section::Reading};

/// The kind of `url`.
pub(super) struct FeedUrl;

impl Kind for FeedUrl {
    type Out = feed::FeedUrl;

    fn expects(&self) -> String {
        "`\"http://…\"`, `\"https://…\"` or `\"file:PATH\"`".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^([hH][tT][tT][pP][sS]?:/|file:.)" })
    }

    fn read(&self, name: &str, value: &Spanned<DeValue<'_>>, reading: Reading<'_>) -> Option<feed::FeedUrl> {
        let Some(text) = value.get_ref().as_str() else { return self.mismatch(name, value, reading, None) };
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return self.mismatch(name, value, reading, "name the file: \"file:events.ndjson\"".to_owned());
            }
            return Some(feed::FeedUrl::File(reading.directory.join(path)));
        }
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            Ok(_) | Err(_) if text.contains(['?', '@']) => {
                // A query may hold a key, and what stands before an `@` a password.
                let hint = "it begins with `http://` or `https://`, a host and perhaps a port".to_owned();
                return self.secret_mismatch(name, value, reading, hint);
            }
            Ok(_) | Err(_) => return self.mismatch(name, value, reading, guess(text)),
        };
        if !url.username().is_empty() || url.password().is_some() {
            // The text holds a secret: it is not repeated.
            let hint = "a secret does not belong in this file: use `bearer-token`".to_owned();
            reading.problems.add(value.span(), format!("`{name}` has a user name or password in it"), hint);
            return None;
        }
        if url.fragment().is_some() {
            reading.problems.add(
                value.span(),
                format!("`{name}` has a fragment (`#…`), which is never sent"),
                "leave it out".to_owned(),
            );
            return None;
        }
        Some(feed::FeedUrl::Http(url))
    }
}

fn guess(text: &str) -> Option<String> {
    if [".ndjson", ".jsonl"].iter().any(|end| text.ends_with(end)) {
        Some(format!("for a file write \"file:{text}\""))
    } else if !text.contains("://") {
        Some(format!("did you mean \"http://{text}\"?"))
    } else {
        None
    }
}
