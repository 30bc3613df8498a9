//! Images that somebody made who makes nothing else, or could not make, by what that one speaks.

use super::cells::Grid;
use super::histogram::{Histogram, IMAGE, Snapshot};
use super::registry::{Scrape, counters, occurred};
use crate::table::ImageApi;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::time::Duration;

const STATUSES: [&str; 2] = ["error", "success"];

/// One worker's counts.
#[derive(Debug)]
pub struct ImageCounts {
    /// By [`ImageApi`] and status.
    requests: Grid,
    /// By [`ImageApi`].
    took: [Histogram; ImageApi::ALL.len()],
}

impl ImageCounts {
    pub(super) fn new() -> Self {
        let took = ImageApi::ALL.map(|_| Histogram::new(IMAGE));
        Self { requests: Grid::new(ImageApi::ALL.len(), STATUSES.len()), took }
    }

    /// An image was made, or could not be, and that took so long.
    pub fn drew(&self, api: ImageApi, made: bool, took: Duration) {
        self.requests.add(api as usize, usize::from(made));
        self.took[api as usize].observe(took);
    }
}

impl Scrape {
    pub(super) fn images(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let apis = || ImageApi::ALL.into_iter();
        counters(
            to,
            "image_gen_requests",
            "Requests for images by what came of them",
            occurred(apis().flat_map(|api| {
                STATUSES.into_iter().enumerate().map(move |(column, status)| {
                    let labels = [("backend", api.name()), ("status", status)];
                    (labels, self.sum(|r| r.images.requests.get(api as usize, column)))
                })
            })),
        )?;
        let help = "From sending a request for an image to all of its answer";
        let mut family = to.encode_descriptor("image_gen_latency_seconds", help, None, MetricType::Histogram)?;
        for api in apis() {
            let sum = Snapshot::sum(IMAGE, self.recorders().map(|recorder| &recorder.images.took[api as usize]));
            if sum.count > 0 {
                family.encode_family(&[("backend", api.name())])?.encode_histogram::<NoLabelSet>(
                    sum.sum,
                    sum.count,
                    &sum.buckets,
                    None,
                )?;
            }
        }
        Ok(())
    }
}
