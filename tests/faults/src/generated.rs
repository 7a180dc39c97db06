//! A generated feed: pages with everything that publishers get wrong, and of each line what the page on protocols says it means.
//! Nothing here reads a line: what is generated is known.

use std::collections::BTreeMap;

use tidemill_feeds::Protocol;

/// The longest line of these feeds, and the longest page.
pub(crate) const LINE_BYTES_MAX: usize = 32 * 1024;
pub(crate) const PAGE_BYTES_MAX: usize = 512 * 1024;

/// What a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// An event with this payload.
    Event(String),
    /// An event whose payload cannot be delivered: it is put aside.
    Undeliverable,
    /// A checkpoint with this cursor.
    Checkpoint(String),
    /// Nothing that concerns the reader.
    Nothing,
    /// The page ends before it: the line cannot be trusted.
    Bad,
    /// The partition stops before it: the line is over the limit.
    TooLong,
}

/// How a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As its framing says.
    Complete,
    /// The connection ends before that.
    BrokenOff,
    /// A line without an end.
    EndlessLine,
    /// Lines without an end, and no checkpoint among them.
    EndlessLines,
}

/// A page: its bytes, and what its lines mean.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Vec<Meaning>,
    pub(crate) ending: Ending,
}

/// A feed: the answers to its first requests, in their order, and what comes then.
#[derive(Clone, Debug)]
pub(crate) struct Generated {
    pub(crate) pages: Vec<Page>,
    /// Pages that follow each other in a circle for ever, each with its cursor.
    pub(crate) circle: Vec<(String, Page)>,
    /// How often each ingredient occurs.
    pub(crate) ingredients: BTreeMap<&'static str, u64>,
}

/// Makes a feed.
pub(crate) struct Kitchen {
    dice: fastrand::Rng,
    protocol: Protocol,
    partition: String,
    ingredients: BTreeMap<&'static str, u64>,
    events: usize,
    cursors: Vec<String>,
}

impl Kitchen {
    /// The feed of some dice.
    pub(crate) fn feed(dice: fastrand::Rng, protocol: Protocol, partition: &str) -> Generated {
        let partition = partition.to_owned();
        let mut kitchen =
            Self { dice, protocol, partition, ingredients: BTreeMap::new(), events: 0, cursors: Vec::new() };
        let mut pages = Vec::new();
        for _ in 0..=kitchen.dice.usize(..6) {
            pages.push(kitchen.page());
        }
        let mut circle = Vec::new();
        match kitchen.dice.usize(..40) {
            0 => {
                kitchen.note("cursors in a circle, for ever");
                for place in ["x", "y", "z"] {
                    let mut page = Self::empty();
                    for _ in 0..=kitchen.dice.usize(..3) {
                        kitchen.event(&mut page);
                    }
                    kitchen.checkpoint(&mut page, place.to_owned());
                    circle.push((place.to_owned(), page));
                }
            }
            1 => {
                kitchen.note("no checkpoint, for ever");
                for _ in 0..12 {
                    let mut page = Self::empty();
                    kitchen.event(&mut page);
                    pages.push(page);
                }
            }
            2 => pages.push(kitchen.endless(Ending::EndlessLine, "a line without an end")),
            3 => pages.push(kitchen.endless(Ending::EndlessLines, "a page without an end")),
            _ => {}
        }
        Generated { pages, circle, ingredients: kitchen.ingredients }
    }

    fn note(&mut self, ingredient: &'static str) {
        *self.ingredients.entry(ingredient).or_default() += 1;
    }

    fn empty() -> Page {
        Page { bytes: Vec::new(), lines: Vec::new(), ending: Ending::Complete }
    }

    fn endless(&mut self, ending: Ending, ingredient: &'static str) -> Page {
        self.note(ingredient);
        let mut page = Self::empty();
        self.event(&mut page);
        Page { ending, ..page }
    }

    fn page(&mut self) -> Page {
        let mut page = Self::empty();
        match self.dice.usize(..12) {
            0 => {
                self.note("a page with nothing");
                return page;
            }
            1 => {
                self.note("a byte order mark");
                page.bytes.extend_from_slice(b"\xef\xbb\xbf");
            }
            _ => {}
        }
        let windows = self.dice.usize(..4) == 0;
        if windows {
            self.note("lines with carriage returns");
        }
        let end: &[u8] = if windows { b"\r\n" } else { b"\n" };
        for _ in 0..self.dice.usize(1..14) {
            let before = page.bytes.len();
            match self.dice.usize(..24) {
                0..=11 => self.event(&mut page),
                12..=17 => {
                    let cursor = self.cursor();
                    self.checkpoint(&mut page, cursor);
                }
                18..=20 => self.odd(&mut page),
                _ => self.harmless(&mut page),
            }
            if windows && page.bytes.len() > before {
                page.bytes.pop();
                page.bytes.extend_from_slice(end);
            }
        }
        match self.dice.usize(..16) {
            0 => {
                self.note("`Internal server error` at the end");
                Self::line(&mut page, b"Internal server error", Meaning::Bad);
            }
            1 => {
                self.note("broken off");
                page.ending = Ending::BrokenOff;
            }
            2 if page.bytes.last() == Some(&b'\n') => {
                self.note("a last line without its end");
                page.bytes.pop();
            }
            3 if page.bytes.last() == Some(&b'\n') && page.lines.last() != Some(&Meaning::TooLong) => {
                self.note("broken off before a line's end");
                page.bytes.pop();
                page.ending = Ending::BrokenOff;
                // It is not believed.
                page.lines.pop();
            }
            _ => {}
        }
        page
    }

    fn line(page: &mut Page, bytes: &[u8], meaning: Meaning) {
        page.bytes.extend_from_slice(bytes);
        page.bytes.push(b'\n');
        page.lines.push(meaning);
    }

    /// The members of an envelope in some order, with the partition where the protocol has one.
    fn envelope(&mut self, members: &[Vec<u8>]) -> Vec<u8> {
        let mut members = members.to_vec();
        if self.protocol == Protocol::ZeroEventHub {
            let quote = if self.dice.u8(..5) == 0 { "\"" } else { "" };
            members.push(format!("\"partition\":{quote}{}{quote}", self.partition).into_bytes());
        }
        if self.dice.u8(..6) == 0 {
            self.note("an unknown field");
            members.push(b"\"more\":{\"data\":[\"cursor\"],\"partition\":7}".to_vec());
        }
        self.dice.shuffle(&mut members);
        let comma: &[u8] = if self.dice.u8(..6) == 0 { b" ,\t" } else { b"," };
        [b"{".to_vec(), members.join(comma), b"}".to_vec()].concat()
    }

    fn data(payload: &[u8]) -> Vec<u8> {
        [b"\"data\":", payload].concat()
    }

    fn event(&mut self, page: &mut Page) {
        self.events += 1;
        let number = self.events;
        let payload = match self.dice.usize(..16) {
            0 => {
                self.note("NaN and Infinity");
                ["NaN".to_owned(), format!("{{\"n\":{number},\"a\":[NaN,-Infinity]}}")][self.dice.usize(..2)].clone()
            }
            1 => {
                self.note("the same key twice in a payload");
                format!("{{\"n\":{number},\"n\":{{\"data\":1}}}}")
            }
            2 => {
                self.note("nested as deeply as is allowed");
                format!("{}{number}{}", "[".repeat(512), "]".repeat(512))
            }
            3 => format!("\"braces }}{{ and \\\" quotes \\\\ of {number}\""),
            4 => {
                let letters = "\u{6ce2}\u{1f30a}\u{f8}";
                format!("{{\"n\":{number},\"text\":\"{letters} \\u00e5 \\ud83c\\udf0a <b>&\"}}")
            }
            5 => ["null".to_owned(), "[]".to_owned(), "-1.5e3".to_owned(), "true".to_owned()][self.dice.usize(..4)]
                .clone(),
            _ => format!("{{\"n\":{number}}}"),
        };
        let line = self.envelope(&[Self::data(payload.as_bytes())]);
        Self::line(page, &line, Meaning::Event(payload));
    }

    /// A cursor: as a rule a new one, sometimes one that came before.
    fn cursor(&mut self) -> String {
        let new = match self.dice.usize(..20) {
            0 if !self.cursors.is_empty() => {
                self.note("a cursor from before");
                self.cursors[self.dice.usize(..self.cursors.len())].clone()
            }
            1 => {
                self.note("a cursor that is lower than the one before");
                format!("{:06}", 500_000 - self.cursors.len())
            }
            2 => {
                self.note("a cursor of odd characters");
                format!("~ &=;%25+/\\\"'{}", self.cursors.len())
            }
            _ => format!("c{}", self.cursors.len()),
        };
        self.cursors.push(new.clone());
        new
    }

    fn checkpoint(&mut self, page: &mut Page, cursor: String) {
        let text = serde_json::Value::String(cursor.clone()).to_string();
        let line = self.envelope(&[format!("\"cursor\":{text}").into_bytes()]);
        Self::line(page, &line, Meaning::Checkpoint(cursor.clone()));
        if self.dice.u8(..10) == 0 {
            self.note("a checkpoint that is repeated");
            Self::line(page, &line, Meaning::Checkpoint(cursor));
        }
    }

    /// Lines that mean nothing, or less than they seem to.
    fn harmless(&mut self, page: &mut Page) {
        match self.dice.usize(..4) {
            0 => {
                self.note("a blank line");
                let spaces = self.dice.usize(..4);
                Self::line(page, &b"  \t"[..spaces], Meaning::Nothing);
            }
            1 if self.protocol == Protocol::FeedApi => {
                self.note("a line of an unknown kind");
                Self::line(page, b"{\"heartbeat\":{\"at\":[1,2]}}", Meaning::Nothing);
            }
            2 => {
                let missing = self.dice.usize(..2);
                self.at_the_limit(page, LINE_BYTES_MAX - missing);
            }
            _ => {
                self.note("bytes that are not UTF-8 in a field without meaning");
                self.events += 1;
                let payload = self.events.to_string();
                let line = self.envelope(&[Self::data(payload.as_bytes()), b"\"x\":\"\xff\xc3\x28\"".to_vec()]);
                Self::line(page, &line, Meaning::Event(payload));
            }
        }
    }

    /// An event whose line has so many bytes.
    fn at_the_limit(&mut self, page: &mut Page, bytes: usize) {
        self.events += 1;
        let bare = self.envelope(&[Self::data(b"\"\"")]);
        let payload = format!("\"{}\"", "x".repeat(bytes - bare.len()));
        let place = bare.windows(2).position(|two| two == b"\"\"").unwrap_or_default();
        let line = [&bare[..place], payload.as_bytes(), &bare[place + 2..]].concat();
        let over = line.len() > LINE_BYTES_MAX;
        self.note(match line.len() - (LINE_BYTES_MAX - 1) {
            0 => "a line of a byte less than the limit",
            1 => "a line at the limit",
            _ => "a line of a byte more than the limit",
        });
        Self::line(page, &line, if over { Meaning::TooLong } else { Meaning::Event(payload) });
    }

    /// Lines that no reader can take as they are.
    fn odd(&mut self, page: &mut Page) {
        self.events += 1;
        let number = self.events.to_string();
        let zero = self.protocol == Protocol::ZeroEventHub;
        let data = Self::data(number.as_bytes());
        let (ingredient, line, meaning) = match self.dice.usize(..16) {
            0 => {
                let deep = format!("{}{number}{}", "[".repeat(10_000), "]".repeat(10_000));
                ("nested 10,000 deep", self.envelope(&[Self::data(deep.as_bytes())]), Meaning::Undeliverable)
            }
            1 => {
                let deep = format!("{}{number}{}", "[{\"a\":".repeat(257), "}]".repeat(257));
                ("nested a little too deeply", self.envelope(&[Self::data(deep.as_bytes())]), Meaning::Undeliverable)
            }
            2 | 3 => {
                let payload = [b"\"\xff", number.as_bytes(), b"\xe2\x28\""].concat();
                ("a payload that is not UTF-8", self.envelope(&[Self::data(&payload)]), Meaning::Undeliverable)
            }
            4 | 5 if zero => {
                let foreign = format!("{{\"partition\":{}1,\"data\":{number}}}", self.partition);
                ("an event of another partition", foreign.into_bytes(), Meaning::Bad)
            }
            6 if zero => {
                let foreign = format!("{{\"partition\":{}1,\"cursor\":\"f{number}\"}}", self.partition);
                ("a checkpoint of another partition", foreign.into_bytes(), Meaning::Bad)
            }
            7 if zero => ("a line without a partition", format!("{{\"data\":{number}}}").into_bytes(), Meaning::Bad),
            8 => ("an empty cursor", self.envelope(&[b"\"cursor\":\"\"".to_vec()]), Meaning::Bad),
            9 => {
                let cursor: &[u8] =
                    [&b"\"_first\""[..], b"\"_last\"", b"17", b"\"\xc3\xa5\"", b"\"a\\nb\""][self.dice.usize(..5)];
                ("a cursor that is none", self.envelope(&[[b"\"cursor\":", cursor].concat()]), Meaning::Bad)
            }
            10 => ("the same key twice in a line", self.envelope(&[data.clone(), data]), Meaning::Bad),
            11 => {
                let both = self.envelope(&[data, b"\"cursor\":\"both\"".to_vec()]);
                ("an event and a checkpoint in one line", both, Meaning::Bad)
            }
            12 => {
                let mut line = self.envelope(&[Self::data(format!("[[{number}]").as_bytes())]);
                line.extend_from_slice(b"}");
                ("brackets that do not match", line, Meaning::Bad)
            }
            13 => (
                "a byte order mark within a page",
                [b"\xef\xbb\xbf".to_vec(), self.envelope(&[data])].concat(),
                Meaning::Bad,
            ),
            14 => return self.at_the_limit(page, LINE_BYTES_MAX + 1),
            _ => {
                let mut line = self.envelope(&[data]);
                line.truncate(line.len() - 1 - self.dice.usize(..3));
                ("a torn line", line, Meaning::Bad)
            }
        };
        // At the beginning of a page the mark is none that is out of place.
        let misplaced = ingredient == "a byte order mark within a page" && page.bytes.is_empty();
        if !misplaced {
            self.note(ingredient);
            Self::line(page, &line, meaning);
        }
    }
}
