//! Output: data to standard output, as tables for people or JSON for programs; complaints to standard error.

mod frames;
mod progress;
mod table;
mod value;
mod whole_file;

use std::{
    borrow::Cow,
    io::{self, Write as _},
};

use serde::Serialize;

pub use frames::guest_frames;
pub use progress::{Progress, Snapshot};
pub use table::Table;
pub use value::{Named, one_line};
pub use whole_file::{WholeFile, write_whole};

/// Prints text as it is.
///
/// # Errors
/// When nobody reads it any more; [`Exit::report`](crate::exit::Exit::report) takes a closed pipe for a good end.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Prints one JSON document for people and programs alike: indented, with a line's end.
///
/// # Errors
/// As [`print()`].
pub fn print_json(document: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    print(&text)
}

/// Prints an object a line. Locks and flushes once for all of them.
///
/// # Errors
/// As [`print()`], and the first error of the objects themselves.
pub fn print_json_lines<T: Serialize, E>(objects: impl IntoIterator<Item = Result<T, E>>) -> anyhow::Result<()>
where
    anyhow::Error: From<E>,
{
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    for object in objects {
        serde_json::to_writer(&mut stdout, &object?).map_err(io::Error::from)?;
        stdout.write_all(b"\n")?;
    }
    stdout.flush()?;
    Ok(())
}

/// A number with a comma between groups of three digits.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}

/// Says what went wrong, on standard error. Where even that is closed there is nobody to tell.
pub fn complain(sentence: &str) {
    let mut stderr = io::stderr().lock();
    drop(writeln!(stderr, "{sentence}"));
}

/// Text of others, safe for a terminal: what could move the cursor or hide text is shown as an escape.
#[must_use]
pub fn safe(text: &str) -> Cow<'_, str> {
    let unsafe_char = |char: char| char.is_control() && char != '\n' && char != '\t' || is_direction(char);
    if !text.contains(unsafe_char) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if unsafe_char(char) { shown.extend(char.escape_unicode()) } else { shown.push(char) }
    }
    Cow::Owned(shown)
}

/// Output of a program that colours it: as [`safe`], but colours and other styles (SGR) stay.
#[must_use]
pub fn safe_but_coloured(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return safe(text);
    }
    let mut pieces = text.split('\u{1b}');
    let mut shown = safe(pieces.next().unwrap_or_default()).into_owned();
    for piece in pieces {
        let end =
            piece.strip_prefix('[').and_then(|rest| rest.find(|char: char| !matches!(char, '0'..='9' | ';' | ':')));
        // The place of the letter is that in the rest, and one for the bracket.
        let style = end.and_then(|end| piece.split_at_checked(end + 2)).filter(|(style, _)| style.ends_with('m'));
        match style {
            Some((style, rest)) => shown.extend(["\u{1b}", style, &safe(rest)]),
            None => shown.extend(["\\u{1b}", &safe(piece)]),
        }
    }
    Cow::Owned(shown)
}

/// Characters that turn the direction of text, and so can make a line say something else (CVE-2021-42574).
fn is_direction(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most so many characters, with `…` where something was left out.
#[must_use]
pub fn shorten(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()),
    }
}

/// At most so many characters: the beginning and the end, with `…` between them.
#[must_use]
pub fn middle(text: &str, chars_max: usize) -> Cow<'_, str> {
    if text.char_indices().nth(chars_max).is_none() {
        return Cow::Borrowed(text);
    }
    let end = chars_max.saturating_sub(1) / 3;
    let begin = chars_max.saturating_sub(1) - end;
    let last = text.chars().rev().take(end).collect::<Vec<_>>();
    Cow::Owned(text.chars().take(begin).chain(['…']).chain(last.into_iter().rev()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(safe("a\u{1b}[2Jb\r"), "a\\u{1b}[2Jb\\u{d}");
        assert_eq!(safe("plain, æøå\n\tand tabs"), "plain, æøå\n\tand tabs");
        assert_eq!(safe("\u{202e}drow"), "\\u{202e}drow");
    }

    #[test]
    fn of_what_a_program_prints_only_its_colours_reach_the_terminal() {
        assert_eq!(safe_but_coloured("plain\r"), "plain\\u{d}");
        assert_eq!(safe_but_coloured("\u{1b}[1;31merror\u{1b}[0m: x\u{1b}[m"), "\u{1b}[1;31merror\u{1b}[0m: x\u{1b}[m");
        for (steering, shown) in [
            ("\u{1b}[2Jb", "\\u{1b}[2Jb"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{1b}c\u{1b}", "\\u{1b}c\\u{1b}"),
            ("\u{1b}[", "\\u{1b}["),
            ("\u{1b}[31", "\\u{1b}[31"),
            ("\u{1b}[?25l\u{1b}[3æm", "\\u{1b}[?25l\\u{1b}[3æm"),
            ("\u{1b}[31m\u{9b}2J", "\u{1b}[31m\\u{9b}2J"),
        ] {
            assert_eq!(safe_but_coloured(steering), shown);
        }
    }

    #[test]
    fn long_text_is_shortened_to_the_width() {
        assert_eq!(shorten("12345", 5), "12345");
        assert_eq!(shorten("123456", 5), "1234…");
        assert_eq!(shorten("ææææææ", 3), "ææ…");
        assert_eq!(middle("123456", 6), "123456");
        assert_eq!(middle("1234567890", 7), "1234…90");
        assert_eq!(middle("æøåæøå", 4), "æø…å");
    }
}
