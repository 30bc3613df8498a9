//! A response that has an image made, told while it is made: the image has its item from the start, the words have theirs as they
//! come, and the end is told when both are over.

use super::super::ids::{Place, item_id};
use super::super::item::{Item, ItemKind, Status};
use super::super::resource::Context;
use super::Encoder;
use crate::protocol::answer::{Answer, Part};
use crate::protocol::event::Event;
use crate::protocol::failure::Failure;
use crate::protocol::out::Out;
use bytes::Bytes;

/// Tells an image and words as one response.
#[derive(Debug)]
pub struct Drawing {
    encoder: Encoder,
    /// Somebody else makes the image than says the words.
    beside: bool,
    image: Progress,
    /// Where the image is not made beside them: all of the answer.
    words: Progress,
    /// There is one item for the image; those that nobody asked for come last.
    more: Vec<Bytes>,
}

#[derive(Debug)]
enum Progress {
    UnderWay,
    Over,
    Lost(Failure),
}

impl Drawing {
    /// Tells that the response and its image have begun. With `beside`, the image comes through [`drawn`](Self::drawn), and
    /// otherwise with the events.
    #[must_use]
    pub fn begin(context: Context, beside: bool, out: &mut Out) -> Drawing {
        let mut encoder = Encoder::new(context, true);
        encoder.begin(out);
        encoder.begin_image(out);
        Drawing { encoder, beside, image: Progress::UnderWay, words: Progress::UnderWay, more: Vec::new() }
    }

    /// Takes what happens in the answer, and writes what the client is told of it: everything but the last event.
    pub fn event(&mut self, event: Event<'_>, out: &mut Out) {
        let awaits_image = !self.beside && matches!(self.image, Progress::UnderWay);
        match event {
            Event::Image(image) if awaits_image => {
                self.encoder.end_image(Some(image.source.to_bytes()), out);
                self.image = Progress::Over;
            }
            Event::End => {
                self.encoder.close(self.encoder.stop.of_last_item(), out);
                self.words = Progress::Over;
                if awaits_image {
                    // Whoever was asked has said something else.
                    self.encoder.end_image(None, out);
                    self.image = Progress::Over;
                }
                self.settle(out);
            }
            Event::Failure(failure) => {
                if awaits_image {
                    self.encoder.end_image(None, out);
                    self.image = Progress::Lost(failure.clone());
                }
                self.encoder.break_off();
                self.words = Progress::Lost(failure.clone());
                self.settle(out);
            }
            event => self.encoder.event(event, out),
        }
    }

    /// The image that is made beside the words is there, or will never be.
    pub fn drawn(&mut self, made: Result<&Answer, &Failure>, out: &mut Out) {
        match made {
            Ok(answer) => {
                let mut images = answer.parts.iter().filter_map(|part| match part {
                    Part::Image(_, source) => Some(source.pieces().collect::<Vec<_>>().concat().into()),
                    _ => None,
                });
                self.encoder.end_image(images.next(), out);
                self.more = images.collect();
                self.image = Progress::Over;
            }
            Err(failure) => {
                self.encoder.end_image(None, out);
                self.image = Progress::Lost(failure.clone());
            }
        }
        self.settle(out);
    }

    /// Of an answer that has ended, one way or another: what tells the end, once it is stored.
    pub fn held(&mut self) -> Option<&mut Encoder> {
        self.encoder.is_done().then_some(&mut self.encoder)
    }

    /// Ends the response when both are over. What is there stands without the other, but words that broke off do not.
    fn settle(&mut self, out: &mut Out) {
        let failure = match (&self.image, &self.words) {
            (Progress::UnderWay, _) | (_, Progress::UnderWay) => return,
            (_, Progress::Over) => None,
            (Progress::Over, Progress::Lost(_)) if self.beside && self.encoder.items.len() == 1 => None,
            (_, Progress::Lost(failure)) => Some(failure.clone()),
        };
        for image in self.more.drain(..) {
            self.encoder.image(Some(image), out);
        }
        match failure {
            None => self.encoder.event(Event::End, out),
            Some(failure) => self.encoder.fail(&failure),
        }
    }
}

impl Encoder {
    /// An image, or none in its place.
    pub(super) fn image(&mut self, result: Option<Bytes>, out: &mut Out) {
        self.close(Status::Completed, out);
        self.begin_image(out);
        self.end_image(result, out);
    }

    /// The item of an image that is being made. No other item may be open.
    fn begin_image(&mut self, out: &mut Out) {
        let index = self.items.len();
        let id = item_id("ig", &self.context.id, Place::Output(index));
        let item = Item { id, status: Status::InProgress, kind: ItemKind::Image(None) };
        self.frames.item(out, "response.output_item.added", index, &item);
        self.frames.image(out, "response.image_generation_call.in_progress", &item.id, index);
        self.frames.image(out, "response.image_generation_call.generating", &item.id, index);
        self.items.push(item);
    }

    /// That image, or none in its place. Another item may be open behind it.
    fn end_image(&mut self, result: Option<Bytes>, out: &mut Out) {
        let is_made = |item: &Item| item.status == Status::InProgress && matches!(item.kind, ItemKind::Image(_));
        let Some(index) = self.items.iter().position(is_made) else { return };
        let item = &mut self.items[index];
        item.status = Status::Failed;
        if result.is_some() {
            self.frames.image(out, "response.image_generation_call.completed", &item.id, index);
            item.status = Status::Completed;
        }
        item.kind = ItemKind::Image(result);
        self.frames.item(out, "response.output_item.done", index, item);
    }
}

#[cfg(test)]
#[path = "drawing_tests.rs"]
mod tests;
