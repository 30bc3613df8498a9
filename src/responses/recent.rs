//! What one connection remembers of the responses that were made on it, stored or not: a client can go on from them while the
//! connection lasts.

use super::store::Id;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// So many responses are remembered, which is more than a connection has lanes.
const MAX_RESPONSES: usize = 64;

/// And so many bytes of conversation, however many connections there are.
const FREE_BYTES: usize = 256 << 10;

/// Or so many where other connections remember little.
const MAX_BYTES: usize = 64 << 20;

/// What all connections with one budget may remember beyond what each may in any case.
const SHARED_BYTES: usize = 256 << 20;

/// What the connections of a worker share; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Budget(Rc<Cell<usize>>);

/// The memory of a connection; clones are the same one.
#[derive(Debug, Clone)]
pub struct Recent(Rc<RefCell<Memory>>);

/// A conversation up to a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Its turns, oldest first.
    pub turns: Vec<Bytes>,
    /// The responses before, newest first, as many as are told of.
    pub before: Vec<Id>,
    /// Items that have brought tools, oldest first.
    pub with_tools: Vec<Bytes>,
}

#[derive(Debug)]
struct Memory {
    /// Oldest first.
    responses: VecDeque<(Id, Past)>,
    /// How many of them each turn is part of, by its place in memory: responses go on from one another, and share what was
    /// before.
    turns: HashMap<usize, usize>,
    bytes: usize,
    budget: Budget,
}

// === impl Memory ===

impl Memory {
    fn put(&mut self, id: Id, past: Past) {
        let mut bytes = list_bytes(&past);
        for turn in &past.turns {
            let shared = self.turns.entry(turn.as_ptr().addr()).or_default();
            *shared += 1;
            if *shared == 1 {
                bytes += turn.len();
            }
        }
        self.account(self.bytes.saturating_add(bytes));
        self.responses.push_back((id, past));
        while self.is_too_much() {
            let Some((_, oldest)) = self.responses.pop_front() else { return };
            self.leave(&oldest);
        }
    }

    fn leave(&mut self, past: &Past) {
        let mut bytes = list_bytes(past);
        for turn in &past.turns {
            let place = turn.as_ptr().addr();
            match self.turns.get_mut(&place) {
                Some(shared) if *shared > 1 => *shared -= 1,
                _ => {
                    self.turns.remove(&place);
                    bytes += turn.len();
                }
            }
        }
        self.account(self.bytes.saturating_sub(bytes));
    }

    /// Takes from the budget, or gives back, what is beyond what is free.
    fn account(&mut self, bytes: usize) {
        let beyond = |bytes: usize| bytes.saturating_sub(FREE_BYTES);
        let Budget(used) = &self.budget;
        used.set(used.get().saturating_sub(beyond(self.bytes)).saturating_add(beyond(bytes)));
        self.bytes = bytes;
    }

    fn is_too_much(&self) -> bool {
        let is_overdrawn = self.bytes > FREE_BYTES && self.budget.0.get() > SHARED_BYTES;
        self.responses.len() > MAX_RESPONSES || self.bytes > MAX_BYTES || is_overdrawn
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.account(0);
    }
}

/// What a conversation takes beside its turns.
fn list_bytes(past: &Past) -> usize {
    let items: usize = past.with_tools.iter().map(|item| item.len() + size_of::<Bytes>()).sum();
    past.turns.len() * size_of::<Bytes>() + items + past.before.len() * size_of::<Id>()
}

// === impl Recent ===

impl Recent {
    /// An empty memory.
    #[must_use]
    pub fn new(budget: &Budget) -> Recent {
        let budget = budget.clone();
        Recent(Rc::new(RefCell::new(Memory { responses: VecDeque::new(), turns: HashMap::new(), bytes: 0, budget })))
    }

    /// The conversation that ends with this response.
    #[must_use]
    pub fn find(&self, id: Id) -> Option<Past> {
        let memory = self.0.borrow();
        memory.responses.iter().find(|(known, _)| *known == id).map(|(_, past)| past.clone())
    }

    /// Remembers a response, and forgets the oldest where there are too many.
    pub fn put(&self, id: Id, past: Past) {
        self.0.borrow_mut().put(id, past);
    }

    /// Nothing goes on from this one any more.
    pub fn forget(&self, id: Id) {
        let mut memory = self.0.borrow_mut();
        if let Some(at) = memory.responses.iter().position(|(known, _)| *known == id)
            && let Some((_, past)) = memory.responses.remove(at)
        {
            memory.leave(&past);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> Id {
        Id::from_bytes([n; 16])
    }

    fn turns(sizes: &[usize]) -> Past {
        Past { turns: sizes.iter().map(|size| vec![b'x'; *size].into()).collect(), ..Past::default() }
    }

    #[test]
    fn what_was_put_is_found_until_it_is_forgotten() {
        let recent = Recent::new(&Budget::default());
        recent.put(id(1), turns(&[1]));
        recent.put(id(2), turns(&[1, 2]));
        assert_eq!(recent.find(id(2)), Some(turns(&[1, 2])));
        recent.forget(id(2));
        assert_eq!(recent.find(id(2)), None);
        assert_eq!(recent.find(id(1)), Some(turns(&[1])));
    }

    #[test]
    fn the_oldest_leave() {
        let recent = Recent::new(&Budget::default());
        (0..70).for_each(|n| recent.put(id(n), turns(&[1])));
        assert_eq!((recent.find(id(5)), recent.find(id(6)).is_some()), (None, true));
        recent.put(id(70), turns(&[MAX_BYTES / 2]));
        recent.put(id(71), turns(&[MAX_BYTES / 2 - 1000]));
        assert!(recent.find(id(9)).is_none() && recent.find(id(70)).is_some() && recent.find(id(71)).is_some());
        recent.put(id(72), turns(&[MAX_BYTES]));
        assert!(recent.0.borrow().responses.is_empty() && recent.0.borrow().bytes == 0);
    }

    #[test]
    fn what_responses_share_counts_once() {
        let recent = Recent::new(&Budget::default());
        let mut past = turns(&[MAX_BYTES / 2]);
        for n in 0..20 {
            past.turns.push(Bytes::from(vec![b'x'; 1000]));
            recent.put(id(n), past.clone());
        }
        assert!(recent.find(id(0)).is_some());
        (0..20).for_each(|n| recent.forget(id(n)));
        assert_eq!((recent.0.borrow().bytes, recent.0.borrow().turns.len()), (0, 0));
    }

    #[test]
    fn connections_share_a_budget() {
        let budget = Budget::default();
        let many: Vec<Recent> = (0..10).map(|_| Recent::new(&budget)).collect();
        for recent in &many {
            recent.put(id(1), turns(&[100]));
            recent.put(id(2), turns(&[MAX_BYTES - 1000]));
        }
        // The budget is used up by some; what is free is there for all.
        let large = many.iter().filter(|recent| recent.find(id(2)).is_some());
        assert_eq!(large.count(), SHARED_BYTES / MAX_BYTES);
        many[9].put(id(3), turns(&[FREE_BYTES / 2]));
        assert!(many[9].find(id(3)).is_some());
        drop(many);
        assert_eq!(budget.0.get(), 0);
    }
}
