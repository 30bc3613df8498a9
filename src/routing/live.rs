//! What is measured of models while the router runs, for decisions that choose by it: latencies of the last requests, and
//! requests under way. Shared by all workers; a router without such decisions measures nothing.

use crate::table::{ModelId, Tables};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// All models, by id; none where nobody asks.
#[derive(Debug)]
pub struct Live {
    models: Box<[Model]>,
    began: Instant,
}

#[derive(Debug, Default)]
struct Model {
    inflight: AtomicU32,
    /// When a request went to it last, in seconds behind the start, plus one; 0 where none did yet.
    tried: AtomicU32,
    ttft: Window,
    tpot: Window,
}

/// The last observations: when, in seconds behind the start, above microseconds; 0 where there was none yet.
#[derive(Debug)]
struct Window {
    next: AtomicUsize,
    samples: [AtomicU64; Window::SIZE],
}

/// Seconds that an observation counts. What was slow then may be fast by now, and is asked again.
const KEPT: u32 = 300;

/// Seconds before a model is tried again that has not answered: it may never.
const RETRY: u32 = 30;

impl Live {
    /// Nothing is measured yet.
    #[must_use]
    pub fn new(tables: &'static Tables) -> Self {
        let asked = tables.decisions().any(|decision| decision.algorithm.measures());
        Live::of(tables.models.iter().filter(|_| asked).map(|_| Model::default()).collect())
    }

    fn of(models: Box<[Model]>) -> Self {
        Live { models, began: Instant::now() }
    }

    /// A percentile, 1 to 100, of the time from a request to the first byte of its answer.
    #[must_use]
    pub fn ttft(&self, model: ModelId, percentile: u8) -> Option<Duration> {
        self.model(model)?.ttft.percentile(percentile, self.now())
    }

    /// The same of the time for a token behind the first one.
    #[must_use]
    pub fn tpot(&self, model: ModelId, percentile: u8) -> Option<Duration> {
        self.model(model)?.tpot.percentile(percentile, self.now())
    }

    /// Whether a request should go to it so that something is known of it: nothing of the last [`KEPT`] seconds is, and none
    /// went to it in the last [`RETRY`].
    #[must_use]
    pub fn is_due(&self, model: ModelId) -> bool {
        self.model(model).is_some_and(|model| model.is_due(self.now()))
    }

    /// Requests under way.
    #[must_use]
    pub fn inflight(&self, model: ModelId) -> u32 {
        self.model(model).map_or(0, |model| model.inflight.load(Relaxed))
    }

    /// A request goes to this model. `None` where nothing is measured.
    #[must_use]
    pub fn begin(self: &Arc<Self>, model: ModelId) -> Option<Passage> {
        let of = self.model(model)?;
        of.inflight.fetch_add(1, Relaxed);
        of.tried.store(self.now().saturating_add(1), Relaxed);
        Some(Passage {
            live: Arc::clone(self),
            model,
            began: Instant::now(),
            first_byte: None,
            events: 0,
            prefix: Some(0),
        })
    }

    fn model(&self, model: ModelId) -> Option<&Model> {
        self.models.get(usize::from(model.0))
    }

    fn now(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX)
    }
}

impl Model {
    fn is_due(&self, now: u32) -> bool {
        let tried = self.tried.load(Relaxed);
        let is_tried = tried > 0 && now.saturating_sub(tried - 1) < RETRY;
        !is_tried && !self.ttft.is_known(now) && !self.tpot.is_known(now)
    }
}

/// A request on its way through a model. Dropped before its end, it only stops to be under way.
#[derive(Debug)]
pub struct Passage {
    live: Arc<Live>,
    model: ModelId,
    began: Instant,
    first_byte: Option<Instant>,
    /// Events of an event stream that have data, as many as it has `data:` lines. Each carries a token.
    events: usize,
    /// How much of `data:` the line began with so far; `None` where it is known whether it does.
    prefix: Option<usize>,
}

impl Passage {
    /// Bytes of the answer come by; of an event stream, its tokens are counted.
    pub fn came(&mut self, bytes: &[u8], is_event_stream: bool) {
        self.first_byte.get_or_insert_with(Instant::now);
        if is_event_stream {
            self.count(bytes);
        }
    }

    fn count(&mut self, mut bytes: &[u8]) {
        const DATA: &[u8] = b"data:";
        loop {
            while let (Some(n), [byte, rest @ ..]) = (self.prefix, bytes) {
                self.prefix = (*byte == DATA[n]).then_some(n + 1);
                if self.prefix.is_some() {
                    bytes = rest;
                }
                if self.prefix == Some(DATA.len()) {
                    self.events += 1;
                    self.prefix = None;
                }
            }
            let Some(at) = memchr::memchr(b'\n', bytes) else { return };
            self.prefix = Some(0);
            bytes = &bytes[at + 1..];
        }
    }

    /// The answer is complete, and was none of an error.
    pub fn complete(self) {
        let (Some(model), Some(first_byte)) = (self.live.model(self.model), self.first_byte) else { return };
        let now = self.live.now();
        model.ttft.observe(first_byte - self.began, now);
        if let Some(further) =
            u32::try_from(self.events).ok().and_then(|tokens| tokens.checked_sub(1)).filter(|n| *n > 0)
        {
            model.tpot.observe(first_byte.elapsed() / further, now);
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Some(model) = self.live.model(self.model) {
            model.inflight.fetch_sub(1, Relaxed);
        }
    }
}

impl Default for Window {
    fn default() -> Self {
        Window { next: AtomicUsize::new(0), samples: [const { AtomicU64::new(0) }; Window::SIZE] }
    }
}

impl Window {
    const SIZE: usize = 128;

    fn observe(&self, duration: Duration, now: u32) {
        let microseconds = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX).max(1);
        self.samples[self.next.fetch_add(1, Relaxed) % Self::SIZE]
            .store(u64::from(now) << 32 | u64::from(microseconds), Relaxed);
    }

    /// What was observed lately, in microseconds.
    fn known(&self, now: u32) -> impl Iterator<Item = u32> {
        let samples = self.samples.iter().map(|sample| sample.load(Relaxed)).filter(|sample| *sample > 0);
        samples
            .filter(move |sample| u64::from(now).saturating_sub(sample >> 32) < u64::from(KEPT))
            .map(|sample| sample as u32)
    }

    fn is_known(&self, now: u32) -> bool {
        self.known(now).next().is_some()
    }

    /// By nearest rank.
    fn percentile(&self, percentile: u8, now: u32) -> Option<Duration> {
        let mut seen = [0; Self::SIZE];
        let mut count = 0;
        for sample in self.known(now) {
            seen[count] = sample;
            count += 1;
        }
        let rank = (count * usize::from(percentile)).div_ceil(100).checked_sub(1)?;
        let (_, found, _) = seen[..count].select_nth_unstable(rank.min(count - 1));
        Some(Duration::from_micros(u64::from(*found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_the_last_observations() {
        let window = Window::default();
        assert_eq!(window.percentile(50, 0), None);
        window.observe(Duration::ZERO, 0);
        assert_eq!(window.percentile(1, 0), Some(Duration::from_micros(1)), "nothing is shorter than a microsecond");
        for microseconds in 1..=1000 {
            window.observe(Duration::from_micros(microseconds), 0);
        }
        // The last 128: 873 to 1000.
        for (percentile, microseconds) in [(1, 874), (50, 936), (100, 1000)] {
            assert_eq!(window.percentile(percentile, 0), Some(Duration::from_micros(microseconds)), "{percentile}");
        }
    }

    #[test]
    fn observations_age() {
        let model = Model::default();
        assert!(model.is_due(0), "nothing is known");
        model.tried.store(1, Relaxed);
        assert!(!model.is_due(RETRY - 1) && model.is_due(RETRY), "it may not have answered");
        model.ttft.observe(Duration::from_secs(9), 2);
        assert!(!model.is_due(KEPT + 1) && model.is_due(KEPT + 2));
        assert_eq!(model.ttft.percentile(50, KEPT + 1), Some(Duration::from_secs(9)));
        assert_eq!(model.ttft.percentile(50, KEPT + 2), None);
    }

    #[test]
    fn events_are_counted_whatever_lines_they_have() {
        let live = Arc::new(Live::of(Box::new([Model::default()])));
        for (stream, events) in [
            ("data: 1\n\ndata: 2\n\n", 2),
            ("event: a\ndata: {\"data:\":1}\n\nevent: b\r\ndata:2\r\n\r\n: data:\n", 2),
            ("", 0),
        ] {
            for size in 1..9 {
                let mut passage = live.begin(ModelId(0)).unwrap();
                stream.as_bytes().chunks(size).for_each(|piece| passage.came(piece, true));
                assert_eq!(passage.events, events, "{stream}");
            }
        }
    }

    #[test]
    fn a_passage_is_under_way_until_it_ends() {
        let live = Arc::new(Live::of(Box::new([Model::default()])));
        let model = ModelId(0);
        let mut answered = live.begin(model).unwrap();
        let left = live.begin(model).unwrap();
        assert_eq!(live.inflight(model), 2);
        drop(left);
        answered.came(b"data: 1\n\nda", true);
        answered.came(b"ta: 2\n\ndata: [DONE]\n\n", true);
        answered.complete();
        assert_eq!(live.inflight(model), 0);
        assert!(live.ttft(model, 50).is_some() && live.tpot(model, 50).is_some());
    }

    #[test]
    fn a_plain_answer_tells_nothing_about_tokens() {
        let live = Arc::new(Live::of(Box::new([Model::default()])));
        let mut passage = live.begin(ModelId(0)).unwrap();
        passage.came(b"{\n}\n\n\n", false);
        passage.complete();
        assert!(live.ttft(ModelId(0), 50).is_some() && live.tpot(ModelId(0), 50).is_none());
    }
}
