//! Addresses of requests: everything percent-encoded, no parameter empty and none twice.

use tidemill_pipeline::{Ask, FeedName, PartitionId, ReadFrom};
use url::{Url, form_urlencoded};

use crate::{FeedError, Protocol, feed::Dialect};

/// Refuses an address whose query has a parameter that the reader sets: of two, publishers take either.
pub(crate) fn check(feed: &FeedName, url: &Url, protocol: Protocol) -> Result<(), FeedError> {
    let problem = |problem: String, hint| Err(FeedError::new(feed, problem, hint));
    if !matches!(url.scheme(), "http" | "https") {
        return problem(
            format!("its `url` begins with `{}:`", url.scheme()),
            "write `http://…`, `https://…` or `file:PATH`",
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return problem(
            "its `url` holds a user name or a password".to_owned(),
            "use `bearer-token` or `request-headers`",
        );
    }
    let zero = protocol != Protocol::FeedApi;
    let feed_api = protocol != Protocol::ZeroEventHub;
    let reserved = |name: &str| {
        let indexed = name.strip_prefix("cursor").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
        name == "pagesizehint"
            || zero && (indexed || matches!(name, "n" | "headers"))
            || feed_api && matches!(name, "token" | "partition" | "cursor")
    };
    match url.query_pairs().map(|(name, _)| name.into_owned()).find(|name| reserved(name)) {
        Some(name) => {
            problem(format!("its `url` has the parameter `{name}`, which the reader sets itself"), "leave it out")
        }
        None => Ok(()),
    }
}

/// The address of a page.
pub(crate) fn page(url: &Url, dialect: &Dialect, partition: &PartitionId, ask: &Ask, headers: &[String]) -> Url {
    let cursor = match &ask.from {
        ReadFrom::First => "_first",
        ReadFrom::Last => "_last",
        ReadFrom::After(cursor) => cursor.as_str(),
    };
    let mut url = url.clone();
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut pair = |name: &str, value: &str| pairs.push((name.to_owned(), value.to_owned()));
    match dialect {
        Dialect::ZeroEventHub { partitions } => {
            pair("n", &partitions.to_string());
            pair(&format!("cursor{partition}"), cursor);
        }
        Dialect::FeedApi { token } => {
            let path = format!("{}/events", url.path().trim_end_matches('/'));
            url.set_path(&path);
            pair("token", token);
            pair("partition", partition.as_str());
            pair("cursor", cursor);
        }
    }
    pair("pagesizehint", &ask.page_size.to_string());
    if matches!(dialect, Dialect::ZeroEventHub { .. }) && !headers.is_empty() {
        pair("headers", &headers.join(","));
    }
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&{}", pairs.join("&")),
        Some(_) | None => pairs.join("&"),
    };
    url.set_query(Some(&query));
    url
}

/// Percent-encoded, a space as `%20`: not every server knows the `+` of forms.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use tidemill_pipeline::Cursor;

    use super::*;

    fn ask(from: ReadFrom) -> Ask {
        Ask { from, page_size: NonZeroU32::new(10).unwrap() }
    }

    #[test]
    fn everything_is_encoded_and_the_query_of_the_address_is_kept() {
        let after = ReadFrom::After(Cursor::new("a;b&c=d +%/").unwrap());
        let url = Url::parse("https://host/feed/?code=x%3By").unwrap();
        let dialect = Dialect::ZeroEventHub { partitions: 3 };
        let headers = ["ce_type".to_owned(), "b".to_owned()];
        assert_eq!(
            page(&url, &dialect, &PartitionId::new("2"), &ask(after.clone()), &headers).as_str(),
            "https://host/feed/?code=x%3By&n=3&cursor2=a%3Bb%26c%3Dd%20%2B%25%2F&pagesizehint=10&headers=ce_type%2Cb"
        );
        let dialect = Dialect::FeedApi { token: "t&".into() };
        assert_eq!(
            page(&url, &dialect, &PartitionId::new("2"), &ask(ReadFrom::First), &headers).as_str(),
            "https://host/feed/events?code=x%3By&token=t%26&partition=2&cursor=_first&pagesizehint=10"
        );
    }

    #[test]
    fn a_parameter_that_the_reader_sets_is_refused() {
        let check = |url: &str, protocol| check(&FeedName::new("f"), &Url::parse(url).unwrap(), protocol).is_ok();
        for name in ["n", "cursor0", "cursor12", "headers", "pagesizehint"] {
            assert!(!check(&format!("http://h/?{name}=1"), Protocol::ZeroEventHub), "{name}");
        }
        assert!(check("http://h/?token=1&cursors=2", Protocol::ZeroEventHub));
        assert!(!check("http://h/?token=1", Protocol::Auto));
        assert!(check("http://h/?event-types=a%3Bb", Protocol::FeedApi));
        assert!(!check("http://u:p@h/", Protocol::Auto));
        assert!(!check("ftp://h/", Protocol::Auto));
    }
}
