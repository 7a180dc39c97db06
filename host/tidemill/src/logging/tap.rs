//! The tap: hands what components say and what the host warns of to somebody who shows it, in place of the log.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{COMPILING_TARGET, GUEST_TARGET};

/// A line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) processor: String,
    pub(crate) feed: String,
    pub(crate) partition: String,
    pub(crate) message: String,
    /// Which step it is about, where it says so.
    pub(crate) stage: String,
    cause: String,
    hint: String,
}

impl Said {
    /// All of it as a sentence, with where it was said and what to do.
    pub(crate) fn sentence(&self) -> String {
        let mut sentence = String::new();
        let place = [&self.processor, &self.feed, &self.partition].map(String::as_str);
        let place: Vec<&str> = place.into_iter().filter(|word| !word.is_empty()).collect();
        if !place.is_empty() {
            sentence.extend([&place.join("/"), ": "]);
        }
        sentence += &self.message;
        if !self.cause.is_empty() {
            sentence.extend([": ", &self.cause]);
        }
        if !self.hint.is_empty() {
            sentence.extend(["\n       hint: ", &self.hint]);
        }
        sentence
    }
}

type Hear = Box<dyn Fn(Said) + Send + Sync>;

/// Where lines go once somebody listens. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tap(Arc<OnceLock<Hear>>);

impl Tap {
    /// Hears every line from now on. Only the first listener counts.
    pub(crate) fn listen(&self, hear: impl Fn(Said) + Send + Sync + 'static) {
        if self.0.set(Box::new(hear)).is_err() {
            tracing::debug!("somebody listens already");
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("heard", &self.0.get().is_some()).finish()
    }
}

/// What the spans around a line say of its place.
#[derive(Clone, Debug, Default)]
struct Fields {
    processor: String,
    feed: String,
    partition: String,
    message: String,
    stage: String,
    cause: String,
    hint: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = match field.name() {
            "processor" => &mut self.processor,
            "feed" => &mut self.feed,
            "partition" => &mut self.partition,
            "message" => &mut self.message,
            "stage" => &mut self.stage,
            "cause" => &mut self.cause,
            "hint" => &mut self.hint,
            _ => return,
        };
        *text = format!("{value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Tap {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let wanted = [GUEST_TARGET, COMPILING_TARGET].contains(&metadata.target()) || *metadata.level() <= Level::WARN;
        let Some(hear) = self.0.get().filter(|_| wanted) else { return };
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(found) = span.extensions().get::<Fields>() {
                fields = found.clone();
                break;
            }
        }
        event.record(&mut fields);
        let Fields { processor, feed, partition, message, stage, cause, hint } = fields;
        hear(Said {
            level: *metadata.level(),
            target: metadata.target(),
            processor,
            feed,
            partition,
            message,
            stage,
            cause,
            hint,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn a_listener_hears_components_and_warnings_with_their_places() {
        let tap = Tap::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&heard);
        tap.listen(move |said| into.lock().unwrap().push(said.sentence()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(tap), || {
            let span = tracing::info_span!("worker", processor = %"totals", feed = %"orders", partition = %"0");
            let _inside = span.enter();
            tracing::warn!(cause = %"it is away", hint = Some("start it"), "the feed cannot be read");
            tracing::info!("nobody needs this");
            tracing::info!(target: COMPILING_TARGET, "compiling totals.wasm");
            tracing::info!(target: "guest", processor = "totals", feed = "orders", partition = "1", "hello {}", 1);
        });
        let heard = heard.lock().unwrap();
        assert_eq!(
            *heard,
            [
                "totals/orders/0: the feed cannot be read: it is away\n       hint: start it".to_owned(),
                "totals/orders/0: compiling totals.wasm".to_owned(),
                "totals/orders/1: hello 1".to_owned()
            ]
        );
    }
}
