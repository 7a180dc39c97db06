//! Renderings: how what the host gave is written down, so that every language writes the same.

use std::fmt::Write;

use tidemill_sdk::{
    contract::state::{self, Range},
    prelude::*,
};

/// `-` for nothing, `t:` and the text, or `b:` and the bytes in hex.
pub(crate) fn render(value: Option<&Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::Text(text)) => format!("t:{text}"),
        Some(Value::Bytes(bytes)) => bytes.iter().fold("b:".to_owned(), |mut hex, byte| {
            // A String takes whatever is written to it.
            _ = write!(hex, "{byte:02x}");
            hex
        }),
    }
}

/// The event's envelope and payload, a line each.
pub(crate) fn describe(event: Event<'_>) -> String {
    let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let mut lines = vec![
        format!("feed={}", event.feed()),
        format!("partition={}", event.partition()),
        format!("index={}", event.index()),
        format!("id={}", or_none(event.id())),
        format!("kind={}", or_none(event.kind())),
        format!("key={}", or_none(event.key())),
        format!("occurred-at={}", event.occurred_at().map_or_else(|| "-".to_owned(), |micros| micros.to_string())),
    ];
    lines.extend(event.headers().iter().map(|(name, value)| format!("header {name}={value}")));
    lines.push(format!("data={}", render(Some(&event.data()))));
    lines.join("\n")
}

/// How many entries have a prefix, counted page by page.
pub(crate) fn count(prefix: String, limit: u32) -> usize {
    let mut range = Range { prefix, after: None, limit };
    let mut count = 0;
    loop {
        let mut page = state::scan(&range);
        count += page.entries.len();
        match page.entries.pop() {
            Some(last) if page.more => range.after = Some(last.key),
            _ => return count,
        }
    }
}
