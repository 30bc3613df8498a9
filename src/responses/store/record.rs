//! What is stored of a response, and how it becomes one piece of bytes: a short header of our own, then the parts as they are.
//!
//! The parts are JSON that somebody else has written; nothing here looks into them, and nothing is serialised again. Reading
//! a record back slices it: no part is copied.

use super::Id;
use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};
use std::fmt;

/// First byte of every record, so that a later version can tell.
const FORMAT: u8 = 1;

/// Bits of the second byte.
const HAS_SCOPE: u8 = 1;
const HAS_PREVIOUS: u8 = 2;
const HAS_FURTHER: u8 = 4;

/// Format, bits, two times, three lengths.
const FIXED: usize = 2 + 2 * 8 + 3 * 4;

/// Of how many responses beyond the previous one a record tells at most: what a turn costs does not grow with those before.
pub const FURTHER: usize = 63;

/// A stored response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: Id,
    /// Whose it is; `None`: whoever knows the id may have it.
    pub scope: Option<Scope>,
    /// The response that it goes on from.
    pub previous_response_id: Option<Id>,
    /// Those that the previous one goes on from, newest first, as far as they are told: up to [`FURTHER`], or none.
    pub further: Vec<Id>,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970; from then on it is not there any more.
    pub expires_at: u64,
    /// The response object as it was served.
    pub response: Bytes,
    /// The JSON array of the items that it answers.
    pub input_items: Bytes,
    /// The chat messages of this turn alone, as the caller spells them: a chain is these in a row.
    pub turn: Bytes,
}

/// Whose a response is: a digest of the credential that it was made with. Nothing that is stored gives the credential away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scope([u8; 32]);

/// These bytes are not a record of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record of a stored response")]
pub struct NotARecord;

impl Scope {
    /// That of a credential.
    #[must_use]
    pub fn of(credential: &[u8]) -> Scope {
        Scope(Sha256::new_with_prefix("hardwire response scope\0").chain_update(credential).finalize().into())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope(..)")
    }
}

impl Record {
    /// Whether this caller may have it.
    #[must_use]
    pub fn belongs_to(&self, caller: Option<Scope>) -> bool {
        self.scope.is_none() || self.scope == caller
    }

    /// Bytes of its parts.
    #[must_use]
    pub fn size(&self) -> usize {
        self.response.len() + self.input_items.len() + self.turn.len()
    }

    /// As one piece without its id, in memory of exactly its size, telling of so many further ones at most. `None`: a part
    /// is too long to tell its length, 4 GiB.
    #[must_use]
    pub fn encode(&self, further: usize) -> Option<Bytes> {
        let parts = [&self.response, &self.input_items, &self.turn];
        let told = self.previous_response_id.map_or(0, |_| self.further.len().min(further).min(FURTHER));
        let further = &self.further[..told];
        let header = [(self.scope.is_some(), HAS_SCOPE, 32), (self.previous_response_id.is_some(), HAS_PREVIOUS, 16)]
            .into_iter()
            .chain([(told > 0, HAS_FURTHER, 1 + 16 * told)]);
        let (bits, size) = header
            .filter(|(there, ..)| *there)
            .fold((0, FIXED), |(bits, size), (_, bit, length)| (bits | bit, size + length));
        let mut out = BytesMut::with_capacity(size + parts.iter().map(|part| part.len()).sum::<usize>());
        out.put_u8(FORMAT);
        out.put_u8(bits);
        out.put_u64(self.created_at);
        out.put_u64(self.expires_at);
        for part in parts {
            out.put_u32(u32::try_from(part.len()).ok()?);
        }
        if let Some(Scope(digest)) = &self.scope {
            out.put_slice(digest);
        }
        if let Some(id) = self.previous_response_id {
            out.put_slice(&id.bytes());
        }
        if told > 0 {
            out.put_u8(u8::try_from(told).ok()?);
            further.iter().for_each(|id| out.put_slice(&id.bytes()));
        }
        parts.into_iter().for_each(|part| out.put_slice(part));
        Some(out.freeze())
    }

    /// The record of this id; its parts are slices of `blob`.
    pub fn decode(id: Id, mut blob: Bytes) -> Result<Record, NotARecord> {
        let fixed = take::<FIXED>(&mut blob)?;
        let [FORMAT, bits, numbers @ ..] = fixed else { return Err(NotARecord) };
        if bits & !(HAS_SCOPE | HAS_PREVIOUS | HAS_FURTHER) != 0 {
            return Err(NotARecord);
        }
        let (created_at, expires_at) = (number(&numbers[..8]), number(&numbers[8..16]));
        let scope = if bits & HAS_SCOPE == 0 { None } else { Some(Scope(take(&mut blob)?)) };
        let previous_response_id = if bits & HAS_PREVIOUS == 0 { None } else { Some(Id::from_bytes(take(&mut blob)?)) };
        let mut further = Vec::new();
        if bits & HAS_FURTHER != 0 {
            let [told] = take(&mut blob)?;
            for _ in 0..told {
                further.push(Id::from_bytes(take(&mut blob)?));
            }
        }
        let mut part = |at: usize| {
            let length = usize::try_from(number(&numbers[at..at + 4])).map_err(|_| NotARecord)?;
            if length <= blob.len() { Ok(blob.split_to(length)) } else { Err(NotARecord) }
        };
        let (response, input_items, turn) = (part(16)?, part(20)?, part(24)?);
        if !blob.is_empty() {
            return Err(NotARecord);
        }
        Ok(Record { id, scope, previous_response_id, further, created_at, expires_at, response, input_items, turn })
    }
}

/// The first bytes, taken off.
fn take<const N: usize>(blob: &mut Bytes) -> Result<[u8; N], NotARecord> {
    let out = *blob.first_chunk::<N>().ok_or(NotARecord)?;
    let _ = blob.split_to(N);
    Ok(out)
}

/// A big-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let id = Id::from_bytes([7; 16]);
        let plain = Record {
            id,
            scope: None,
            previous_response_id: None,
            further: Vec::new(),
            created_at: 1_700_000_000,
            expires_at: u64::MAX,
            response: Bytes::from_static(br#"{"id":"resp_07","n":1.0}"#),
            input_items: Bytes::from_static(b"[]"),
            turn: Bytes::new(),
        };
        let scoped = Record { scope: Some(Scope::of(b"sk-1")), ..plain.clone() };
        let chained = Record { previous_response_id: Some(Id::from_bytes([9; 16])), ..scoped.clone() };
        let further =
            Record { further: (10..90).map(|n| Id::from_bytes([n; 16])).take(FURTHER).collect(), ..chained.clone() };
        let turn = Bytes::from_static(br#"{"role":"user","content":"x"}"#);
        vec![plain.clone(), scoped, chained, further, Record { turn, ..plain }]
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_uncopied() {
        for record in records() {
            let blob = record.encode(FURTHER).unwrap();
            let header = blob.len() - record.response.len() - 2 - record.turn.len();
            assert!(header <= FIXED + 32 + 16 + 1 + 16 * FURTHER);
            let range = blob.as_ptr_range();
            let back = Record::decode(record.id, blob).unwrap();
            assert!(range.contains(&back.response.as_ptr()));
            assert_eq!(back, record);
        }
    }

    #[test]
    fn neither_a_piece_of_a_record_nor_more_than_one_is_one() {
        for record in records() {
            let blob = record.encode(FURTHER).unwrap();
            for end in 0..blob.len() {
                assert_eq!(Record::decode(record.id, blob.slice(..end)), Err(NotARecord), "{end}");
            }
            let longer: Bytes = [&blob[..], b"x"].concat().into();
            assert_eq!(Record::decode(record.id, longer), Err(NotARecord));
            let mut other = blob.to_vec();
            other[0] = 2;
            assert_eq!(Record::decode(record.id, other.clone().into()), Err(NotARecord));
            (other[0], other[1]) = (FORMAT, 0x80);
            assert_eq!(Record::decode(record.id, other.into()), Err(NotARecord));
        }
    }

    #[test]
    fn no_more_is_told_of_further_ones_than_is_asked_for() {
        let record = &records()[3];
        for (asked, told) in [(0, 0), (5, 5), (1000, FURTHER)] {
            let back = Record::decode(record.id, record.encode(asked).unwrap()).unwrap();
            assert_eq!(back.further, record.further[..told]);
            assert_eq!(back.turn, record.turn);
        }
        // One that goes on from nothing has none.
        let first = Record { previous_response_id: None, ..record.clone() };
        assert_eq!(Record::decode(first.id, first.encode(FURTHER).unwrap()).unwrap().further, []);
    }

    #[test]
    fn a_scoped_record_is_its_owners_alone() {
        let [one, two] = [Some(Scope::of(b"sk-1")), Some(Scope::of(b"sk-2"))];
        let records = records();
        assert!([None, one, two].into_iter().all(|caller| records[0].belongs_to(caller)));
        assert!(records[1].belongs_to(one));
        assert!(!records[1].belongs_to(two));
        assert!(!records[1].belongs_to(None));
    }
}
