//! What one connection remembers of the responses that were made on it, stored or not: a client can go on from them while the
//! connection lasts.

use super::store::Id;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// So many responses are remembered, which is more than a connection has lanes.
const MAX_RESPONSES: usize = 64;

/// And so many bytes of conversation. What two responses go on from alike is there once and counts twice, so this is never
/// exceeded.
const MAX_BYTES: usize = 64 << 20;

/// The memory of a connection; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Recent(Rc<RefCell<VecDeque<Remembered>>>);

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
struct Remembered {
    id: Id,
    past: Past,
    bytes: usize,
}

impl Recent {
    /// The conversation that ends with this response.
    #[must_use]
    pub fn find(&self, id: Id) -> Option<Past> {
        let remembered = self.0.borrow();
        remembered.iter().find(|response| response.id == id).map(|response| response.past.clone())
    }

    /// Remembers a response, and forgets the oldest where there are too many.
    pub fn put(&self, id: Id, past: Past) {
        let parts = past.turns.iter().chain(&past.with_tools);
        let parts: usize = parts.map(|part| part.len() + size_of::<Bytes>()).sum();
        let bytes = parts + past.before.len() * size_of::<Id>();
        let mut remembered = self.0.borrow_mut();
        remembered.push_back(Remembered { id, past, bytes });
        let mut sum: usize = remembered.iter().map(|response| response.bytes).sum();
        while remembered.len() > MAX_RESPONSES || sum > MAX_BYTES {
            let Some(oldest) = remembered.pop_front() else { return };
            sum -= oldest.bytes;
        }
    }

    /// Nothing goes on from this one any more.
    pub fn forget(&self, id: Id) {
        self.0.borrow_mut().retain(|response| response.id != id);
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
        let recent = Recent::default();
        recent.put(id(1), turns(&[1]));
        recent.put(id(2), turns(&[1, 2]));
        assert_eq!(recent.find(id(2)), Some(turns(&[1, 2])));
        recent.forget(id(2));
        assert_eq!(recent.find(id(2)), None);
        assert_eq!(recent.find(id(1)), Some(turns(&[1])));
    }

    #[test]
    fn the_oldest_leave() {
        let recent = Recent::default();
        (0..70).for_each(|n| recent.put(id(n), turns(&[1])));
        assert_eq!((recent.find(id(5)), recent.find(id(6)).is_some()), (None, true));
        recent.put(id(70), turns(&[MAX_BYTES / 2]));
        recent.put(id(71), turns(&[MAX_BYTES / 2 - 1000]));
        assert!(recent.find(id(9)).is_none() && recent.find(id(70)).is_some() && recent.find(id(71)).is_some());
        recent.put(id(72), turns(&[MAX_BYTES]));
        assert!(recent.0.borrow().is_empty());
    }
}
