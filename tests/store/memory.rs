//! The store in memory.

use crate::common;
use hardwire::responses::store::{Stores, memory};
use hardwire::table::{MemoryStore, StoreBounds};
use std::time::Duration;

fn open(responses: u64, bytes: u64) -> Stores {
    let settings = MemoryStore { ttl: Duration::from_secs(3600), bounds: StoreBounds { responses, bytes } };
    memory::open(&settings, &common::place(&common::env())).unwrap()
}

#[test]
fn chains() {
    common::on_worker(common::chains(&open(1000, 1 << 20).worker()));
}

#[test]
fn expiry() {
    common::on_worker(common::expiry(&open(1000, 1 << 20).worker()));
}

#[test]
fn workers() {
    common::workers(&open(1000, 10 << 20));
}

/// Resident memory of this process in bytes, as the system counts it.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Not what the store believes it holds, but what the process has grown by. In a process of its own: tests run side by side.
#[test]
fn ten_thousand_of_ten_kilobytes_stay_inside_their_bytes() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::in_a_process_of_its_own", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}{}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}

#[test]
#[ignore = "run by `ten_thousand_of_ten_kilobytes_stay_inside_their_bytes`"]
fn in_a_process_of_its_own() {
    const BOUND: u64 = 40 << 20;
    common::on_worker(async {
        let store = open(1 << 20, BOUND).worker();
        let before = resident();
        let mut ids = Vec::new();
        for _ in 0..10_000 {
            let record = common::record(&store, None, 10_000);
            ids.push(record.id);
            store.put(&record).await.unwrap();
        }
        let grown = resident() - before;
        assert!(grown < BOUND + (2 << 20), "grown by {grown} bytes");
        let mut there = 0;
        for id in &ids {
            there += usize::from(store.get(*id).await.unwrap().is_some());
        }
        // What fits is there, and it is the newest.
        assert!((3900..4096).contains(&there), "{there}");
        for id in &ids[10_000 - there..] {
            assert!(store.get(*id).await.unwrap().is_some());
        }
    });
}
