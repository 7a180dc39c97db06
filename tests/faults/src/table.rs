//! The table of answers in the page on protocols, with everything that an answer is combined with.

use anyhow::Result;
use tidemill_feeds::Protocol;
use tidemill_pipeline::{Failure, FailureKind, Stage};

use crate::trial::holds;

/// What the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is read.
    Read,
    /// The partition stops and does not start over by itself.
    Stop,
    /// The worker waits for at least what it was told, and asks again.
    Wait,
    /// The same, for a minute at least: only a person or a rotation can repair it.
    WaitForCredential,
    /// The feed is discovered again; by a discovery it waits.
    Discover,
}

/// Answers with their statuses; of a redirect where it leads to, and of a refused credential whether there is another one.
pub(crate) const ANSWERS: [(&str, &str, Meaning); 34] = {
    use Meaning::{Discover, Read, Stop, Wait, WaitForCredential};
    [
        ("200 OK", "", Read),
        ("400 Bad Request", "", Stop),
        ("404 Not Found", "", Stop),
        ("410 Gone", "", Stop),
        ("401 Unauthorized", "", WaitForCredential),
        ("403 Forbidden", "", WaitForCredential),
        ("401 Unauthorized", "rotated", Read),
        ("403 Forbidden", "rotated", Read),
        ("409 Conflict", "", Discover),
        ("408 Request Timeout", "", Wait),
        ("425 Too Early", "", Wait),
        ("429 Too Many Requests", "", Wait),
        ("500 Internal Server Error", "", Wait),
        ("501 Not Implemented", "", Wait),
        ("502 Bad Gateway", "", Wait),
        ("503 Service Unavailable", "", Wait),
        ("504 Gateway Timeout", "", Wait),
        ("507 Insufficient Storage", "", Wait),
        ("520 What Proxies Invent", "", Wait),
        ("599 The Last One", "", Wait),
        ("301 Moved Permanently", "here", Read),
        ("302 Found", "here", Read),
        ("303 See Other", "here", Read),
        ("307 Temporary Redirect", "here", Read),
        ("308 Permanent Redirect", "here", Read),
        ("301 Moved Permanently", "elsewhere", Stop),
        ("302 Found", "elsewhere", Stop),
        ("303 See Other", "elsewhere", Stop),
        ("307 Temporary Redirect", "elsewhere", Stop),
        ("308 Permanent Redirect", "elsewhere", Stop),
        ("301 Moved Permanently", "round", Stop),
        ("307 Temporary Redirect", "round", Stop),
        ("302 Found", "nowhere", Stop),
        ("308 Permanent Redirect", "nowhere", Stop),
    ]
};

/// Where an answer breaks off, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Whole,
    BeforeHead,
    InHead,
    InBody,
}

/// Places, each with an ordinary end of the connection and with a reset.
pub(crate) const PLACES: [(Place, bool); 7] = [
    (Place::Whole, false),
    (Place::BeforeHead, false),
    (Place::BeforeHead, true),
    (Place::InHead, false),
    (Place::InHead, true),
    (Place::InBody, false),
    (Place::InBody, true),
];

/// What `Retry-After` says: the wait in seconds that is heard. A date lies so many seconds from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Nothing,
    Words(&'static str, Option<u64>),
    Date(i64),
}

pub(crate) const WAITS: [Wait; 13] = [
    Wait::Nothing,
    Wait::Words("7", Some(7)),
    Wait::Words("0", Some(0)),
    Wait::Words("  42\t", Some(42)),
    Wait::Words("18446744073709551615", Some(u64::MAX)),
    Wait::Words("18446744073709551616", None),
    Wait::Words("soon", None),
    Wait::Words("-1", None),
    Wait::Words("1.5", None),
    Wait::Words("", None),
    Wait::Words("Sun, 06 Nov 2094 08:49", None),
    Wait::Date(300),
    Wait::Date(-300),
];

/// What is asked for.
pub(crate) const ASKS: [(Protocol, Stage); 3] =
    [(Protocol::ZeroEventHub, Stage::Fetch), (Protocol::FeedApi, Stage::Fetch), (Protocol::FeedApi, Stage::Discover)];

/// One combination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) answer: (&'static str, &'static str, Meaning),
    pub(crate) place: (Place, bool),
    pub(crate) wait: Wait,
    pub(crate) asks: (Protocol, Stage),
}

/// All combinations.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for answer in ANSWERS {
        for place in PLACES {
            for wait in WAITS {
                cases.extend(ASKS.map(|asks| Case { answer, place, wait, asks }));
            }
        }
    }
    cases
}

/// Compares what the reader says with the table.
pub(crate) fn check(case: Case, result: &Result<(), Failure>, asked: usize) -> Result<String> {
    let (_, detail, meaning) = case.answer;
    let (place, _) = case.place;
    let headed = matches!(place, Place::Whole | Place::InBody);
    // Where the head does not arrive there is no status, and where the body of a 200 breaks off it may come whole again.
    // The body of a redirect is not read, and so is that of the answer to a credential when there is another one.
    let meaning = match (headed, meaning) {
        (false, _) => Meaning::Wait,
        (true, Meaning::Read) if place == Place::InBody && detail.is_empty() => Meaning::Wait,
        (true, Meaning::Discover) if case.asks.1 == Stage::Discover => Meaning::Wait,
        (true, meaning) => meaning,
    };
    let told = headed && !matches!(case.answer.2, Meaning::Read);
    let heard = match case.wait {
        _ if !told => None,
        Wait::Nothing | Wait::Words(_, None) => None,
        Wait::Words(_, Some(seconds)) => Some((seconds, seconds)),
        Wait::Date(seconds) => Some(u64::try_from(seconds).map_or((0, 0), |seconds| (seconds - 30, seconds))),
    };
    let Err(failure) = result else {
        holds!(meaning == Meaning::Read, "{case:?} was read");
        holds!(asked == 1 + usize::from(!detail.is_empty()), "{case:?}: {asked} requests");
        return Ok("read".to_owned());
    };
    let kind = match meaning {
        Meaning::Read => None,
        Meaning::Stop => Some(FailureKind::Broken),
        Meaning::Wait | Meaning::WaitForCredential => Some(FailureKind::Unavailable),
        Meaning::Discover => Some(FailureKind::Moved),
    };
    holds!(kind == Some(failure.kind), "{case:?}: {failure:?}");
    holds!(failure.stage == case.asks.1, "{case:?}: {failure:?}");
    let rounds = if detail == "round" && headed { 4 } else { 1 };
    holds!(asked == rounds, "{case:?}: {asked} requests");
    let wait = failure.retry_after.map(|wait| wait.as_secs());
    let right = match (meaning, heard) {
        (Meaning::WaitForCredential, heard) => {
            let (least, most) = heard.unwrap_or((0, 0));
            wait.is_some_and(|wait| (least.max(60)..=most.max(60)).contains(&wait))
        }
        (Meaning::Stop, _) => true,
        (_, Some((least, most))) => wait.is_some_and(|wait| (least..=most).contains(&wait)),
        (_, None) => wait.is_none(),
    };
    holds!(right, "{case:?}: a wait of {wait:?} s");
    Ok(match (meaning, wait) {
        (Meaning::Stop, _) => "stopped".to_owned(),
        (Meaning::Discover, _) => "discovered again".to_owned(),
        (_, None) => "waited as long as it likes".to_owned(),
        (_, Some(_)) => "waited as long as was asked for".to_owned(),
    })
}
