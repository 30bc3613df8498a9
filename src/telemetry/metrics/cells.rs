//! Counters in a fixed grid: rows and columns are ids, so a label set is a position.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// `rows` × `columns` counters, all zero at first.
#[derive(Debug)]
pub(super) struct Grid {
    columns: usize,
    cells: Box<[AtomicU64]>,
}

impl Grid {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { columns, cells: zeros(rows * columns) }
    }

    pub(super) fn add(&self, row: usize, column: usize) {
        self.add_many(row, column, 1);
    }

    pub(super) fn add_many(&self, row: usize, column: usize, count: u64) {
        debug_assert!(column < self.columns);
        self.cells[row * self.columns + column].fetch_add(count, Relaxed);
    }

    pub(super) fn get(&self, row: usize, column: usize) -> u64 {
        self.cells[row * self.columns + column].load(Relaxed)
    }
}

/// Counters in rows of different length, for pairs of which few can occur.
#[derive(Debug)]
pub(super) struct Rows {
    starts: Box<[usize]>,
    cells: Box<[AtomicU64]>,
}

impl Rows {
    pub(super) fn new(lengths: impl Iterator<Item = usize>) -> Self {
        let mut end = 0;
        let starts = lengths
            .map(|length| {
                let start = end;
                end += length;
                start
            })
            .collect();
        Self { starts, cells: zeros(end) }
    }

    pub(super) fn add(&self, row: usize, column: usize) {
        self.cells[self.starts[row] + column].fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self, row: usize, column: usize) -> u64 {
        self.cells[self.starts[row] + column].load(Relaxed)
    }
}

/// `count` counters at zero.
pub(super) fn zeros(count: usize) -> Box<[AtomicU64]> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}
