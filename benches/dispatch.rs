//! Name to model: the generated match against a map that is filled at start-up.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hardwire::table::{Tables, Target};
use hardwire_baked::{models_8, models_64};
use std::{collections::HashMap, hint::black_box};

fn map(tables: &'static Tables) -> HashMap<String, Target> {
    let name = |name: &'static str| (name.to_owned(), (tables.resolve)(name).expect("a name of the router"));
    tables.names().map(name).collect()
}

/// Names as they come in a body: owned, at addresses of their own, in no helpful order.
fn shuffled(names: impl Iterator<Item = String>) -> Vec<String> {
    let names: Vec<String> = names.collect();
    let stride = (names.len() * 5 / 8) | 1;
    (0..names.len()).map(|n| names[n * stride % names.len()].clone()).collect()
}

/// Something that needs the answer.
fn weigh(target: Target) -> u64 {
    match target {
        Target::Auto(_) => 1,
        Target::Model(id) => u64::from(id.0),
    }
}

fn dispatch(c: &mut Criterion) {
    for (count, tables) in [(8, &models_8::TABLES), (64, &models_64::TABLES)] {
        let map = map(tables);
        let hits = shuffled(tables.models.iter().map(|model| model.name.to_owned()));
        let misses = shuffled(tables.models.iter().map(|model| model.name.replace("-v", "-x")));
        assert!(hits.iter().all(|name| (tables.resolve)(name) == map.get(name).copied() && map.contains_key(name)));
        assert!(misses.iter().all(|name| (tables.resolve)(name).is_none() && !map.contains_key(name)));
        for (kind, names) in [("hits", hits), ("misses", misses)] {
            let mut group = c.benchmark_group(format!("dispatch/{kind}"));
            group.throughput(Throughput::Elements(names.len() as u64));
            group.bench_function(BenchmarkId::new("generated match", count), |b| {
                b.iter(|| names.iter().filter_map(|name| (tables.resolve)(black_box(name))).map(weigh).sum::<u64>());
            });
            group.bench_function(BenchmarkId::new("HashMap", count), |b| {
                b.iter(|| names.iter().filter_map(|name| map.get(black_box(name)).copied()).map(weigh).sum::<u64>());
            });
        }
    }
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
