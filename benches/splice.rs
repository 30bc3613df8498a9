//! Replacing the model of a request: scan and splice, against parsing into a tree and writing it out again, and against
//! copying the bytes once, which is the least that any approach with a buffer of its own costs.

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hardwire::protocol::json::{Field, Scanner};
use hardwire::protocol::splice::Chunks;
use std::hint::black_box;

/// Bodies arrive in pieces of about this size once they are large.
const PIECE: usize = 64 * 1024;

/// A chat request of about `size` bytes: code with its quotes, line ends and tabs escaped, as such text is.
fn body(size: usize) -> Vec<u8> {
    let line =
        "    let total: u64 = items.iter().map(|item| item.price * item.count).sum(); // \\u00fcber \\\"all\\\"\\n";
    let text = line.repeat(size / line.len() + 1);
    let mut cut = size.saturating_sub(120);
    while text.as_bytes()[cut - 1] != b' ' {
        cut -= 1;
    }
    format!(
        r#"{{"model":"chat","temperature":0.7,"messages":[{{"role":"user","content":"{}"}}],"stream":true}}"#,
        &text[..cut]
    )
    .into_bytes()
}

fn spliced(pieces: &[Bytes], model: &Bytes) -> Chunks {
    let mut scanner = Scanner::new();
    let mut chunks = Chunks::default();
    for piece in pieces {
        scanner.push(piece).expect("the body is JSON");
        chunks.push(piece.clone());
    }
    let span = scanner.finish().expect("the body is whole").get(Field::Model).expect("it names a model");
    chunks.splice(span.start..span.end, model.clone())
}

#[allow(clippy::disallowed_types)] // the opponent
fn round_trip(body: &[u8]) -> Vec<u8> {
    let mut value: serde_json::Value = serde_json::from_slice(body).expect("the body is JSON");
    value["model"] = "provider/chat-large".into();
    serde_json::to_vec(&value).expect("a tree always serialises")
}

fn splice(criterion: &mut Criterion) {
    let model = Bytes::from_static(b"\"provider/chat-large\"");
    let mut group = criterion.benchmark_group("splice");
    for size in [1_000, 100_000, 1_000_000] {
        let body = body(size);
        let pieces: Vec<Bytes> = body.chunks(PIECE).map(|piece| piece.to_vec().into()).collect();
        assert_eq!(spliced(&pieces, &model).into_inner().concat().len(), body.len() + 15, "only the model changes");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("scan_and_splice", size), &pieces, |b, pieces| {
            b.iter(|| black_box(spliced(black_box(pieces), &model)));
        });
        group.bench_with_input(BenchmarkId::new("value_round_trip", size), &body, |b, body| {
            b.iter(|| black_box(round_trip(black_box(body))));
        });
        group.bench_with_input(BenchmarkId::new("memcpy", size), &body, |b, body| {
            let mut target = vec![0; body.len()];
            b.iter_batched(|| (), |()| target.copy_from_slice(black_box(body)), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, splice);
criterion_main!(benches);
