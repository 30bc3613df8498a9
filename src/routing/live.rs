//! What is measured of models while the router runs, for decisions that choose by it: latencies of the last requests, and
//! requests under way. Shared by all workers; a router without such decisions measures nothing.

use crate::table::{ModelId, Tables};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// All models, by id; none where nobody asks.
#[derive(Debug)]
pub struct Live(Box<[Model]>);

#[derive(Debug, Default)]
struct Model {
    inflight: AtomicU32,
    ttft: Window,
    tpot: Window,
}

/// The last observations, in microseconds; 0 where there was none yet.
#[derive(Debug)]
struct Window {
    next: AtomicUsize,
    samples: [AtomicU32; Window::SIZE],
}

impl Live {
    /// Nothing is measured yet.
    #[must_use]
    pub fn new(tables: &'static Tables) -> Self {
        let asked = tables.decisions().any(|decision| decision.algorithm.measures());
        Live(tables.models.iter().filter(|_| asked).map(|_| Model::default()).collect())
    }

    /// A percentile, 1 to 100, of the time from a request to the first byte of its answer.
    #[must_use]
    pub fn ttft(&self, model: ModelId, percentile: u8) -> Option<Duration> {
        self.model(model)?.ttft.percentile(percentile)
    }

    /// The same of the time for a token behind the first one.
    #[must_use]
    pub fn tpot(&self, model: ModelId, percentile: u8) -> Option<Duration> {
        self.model(model)?.tpot.percentile(percentile)
    }

    /// Requests under way.
    #[must_use]
    pub fn inflight(&self, model: ModelId) -> u32 {
        self.model(model).map_or(0, |model| model.inflight.load(Relaxed))
    }

    /// A request goes to this model. `None` where nothing is measured.
    #[must_use]
    pub fn begin(self: &Arc<Self>, model: ModelId) -> Option<Passage> {
        self.model(model)?.inflight.fetch_add(1, Relaxed);
        Some(Passage { live: Arc::clone(self), model, began: Instant::now(), first_byte: None, lines: 0 })
    }

    fn model(&self, model: ModelId) -> Option<&Model> {
        self.0.get(usize::from(model.0))
    }
}

/// A request on its way through a model. Dropped before its end, it only stops to be under way.
#[derive(Debug)]
pub struct Passage {
    live: Arc<Live>,
    model: ModelId,
    began: Instant,
    first_byte: Option<Instant>,
    /// Lines of an event stream. An event has two, and carries a token.
    lines: usize,
}

impl Passage {
    /// Bytes of the answer come by; of an event stream, its tokens are counted.
    pub fn came(&mut self, bytes: &[u8], is_event_stream: bool) {
        self.first_byte.get_or_insert_with(Instant::now);
        if is_event_stream {
            self.lines += memchr::memchr_iter(b'\n', bytes).count();
        }
    }

    /// The answer is complete, and was none of an error.
    pub fn complete(self) {
        let (Some(model), Some(first_byte)) = (self.live.model(self.model), self.first_byte) else { return };
        model.ttft.observe(first_byte - self.began);
        let tokens = self.lines / 2;
        if let Some(further) = u32::try_from(tokens).ok().and_then(|tokens| tokens.checked_sub(1)).filter(|n| *n > 0) {
            model.tpot.observe(first_byte.elapsed() / further);
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
        Window { next: AtomicUsize::new(0), samples: [const { AtomicU32::new(0) }; Window::SIZE] }
    }
}

impl Window {
    const SIZE: usize = 128;

    fn observe(&self, duration: Duration) {
        let microseconds = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX).max(1);
        self.samples[self.next.fetch_add(1, Relaxed) % Self::SIZE].store(microseconds, Relaxed);
    }

    /// By nearest rank.
    fn percentile(&self, percentile: u8) -> Option<Duration> {
        let mut seen = [0; Self::SIZE];
        let mut count = 0;
        for sample in self.samples.iter().map(|sample| sample.load(Relaxed)).filter(|sample| *sample > 0) {
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
        assert_eq!(window.percentile(50), None);
        window.observe(Duration::ZERO);
        assert_eq!(window.percentile(1), Some(Duration::from_micros(1)), "nothing is shorter than a microsecond");
        for microseconds in 1..=1000 {
            window.observe(Duration::from_micros(microseconds));
        }
        // The last 128: 873 to 1000.
        for (percentile, microseconds) in [(1, 874), (50, 936), (100, 1000)] {
            assert_eq!(window.percentile(percentile), Some(Duration::from_micros(microseconds)), "{percentile}");
        }
    }

    #[test]
    fn a_passage_is_under_way_until_it_ends() {
        let live = Arc::new(Live(Box::new([Model::default()])));
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
        let live = Arc::new(Live(Box::new([Model::default()])));
        let mut passage = live.begin(ModelId(0)).unwrap();
        passage.came(b"{\n}\n\n\n", false);
        passage.complete();
        assert!(live.ttft(ModelId(0), 50).is_some() && live.tpot(ModelId(0), 50).is_none());
    }
}
