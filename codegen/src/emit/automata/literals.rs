//! Keywords to an automaton: Aho and Corasick's, over the bytes of UTF-8, blind to case.
//!
//! A DFA of regex-automata finds the same. But it shows a match one byte late, so that every keyword costs it a state
//! for each byte that may follow: for 100 keywords 3,454 states and 1.7 MB, against 650 states and 41 KB here. Case and
//! word edges would multiply the states of either; the server looks at them when it has a match.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An automaton as numbers: see `hardwire::table::Literals`.
#[derive(Debug)]
pub struct Machine {
    /// Number of states.
    pub states: usize,
    /// Class of each byte, then the next states.
    pub table: Vec<u8>,
    /// The most bytes that a keyword can take in a text.
    pub longest: usize,
    /// The first state in which a keyword ends.
    pub first_match: u16,
    /// For it and those after it, the keywords by number.
    pub matches: Vec<Vec<usize>>,
}

/// It would need more states, or more work to build, than one automaton may.
#[derive(Debug)]
pub struct TooLarge;

/// Prefixes times letters: bounds the memory and time of a build.
const MAX_CELLS: usize = 4 << 20;

/// The root of the trie, and the state in which nothing of any keyword was seen.
const ROOT: usize = 0;

/// A prefix of some keyword.
#[derive(Default)]
struct Node {
    children: BTreeMap<char, usize>,
    /// Keywords that end here.
    ends: Vec<usize>,
    /// Where each letter leads, by its number.
    row: Vec<usize>,
}

/// The letters of all keywords, folded. Their position is their number.
type Letters = Vec<char>;

/// What is left of the spelling of some letters, and the state after each.
type Spellings<'a> = Vec<(&'a [u8], usize)>;

/// The automaton that finds `keywords`, none of which is empty.
pub fn build(keywords: &[&str]) -> Result<Machine, TooLarge> {
    let mut trie = trie(keywords);
    let letters: Letters =
        trie.iter().flat_map(|node| node.children.keys().copied()).collect::<BTreeSet<_>>().into_iter().collect();
    if trie.len() * letters.len() > MAX_CELLS {
        return Err(TooLarge);
    }
    let order = complete(&mut trie, &letters);
    let mut spelled: Vec<(Vec<u8>, usize)> = letters
        .iter()
        .enumerate()
        .flat_map(|(number, letter)| same_folded(*letter).map(move |c| (c.to_string().into_bytes(), number)))
        .collect();
    spelled.sort();
    let mut bytes = Bytes { states: trie.len(), ..Bytes::default() };
    for (state, node) in trie.iter().enumerate() {
        let spellings = spelled.iter().map(|(spelling, letter)| (spelling.as_slice(), node.row[*letter]));
        bytes.lay(state, spellings.collect());
    }
    let mut machine = bytes.number(&trie, &order)?;
    machine.longest = keywords.iter().map(|keyword| longest(keyword)).max().unwrap_or(0);
    Ok(machine)
}

/// In its longest spelling: the Kelvin sign takes three bytes for the one of `k`.
fn longest(keyword: &str) -> usize {
    keyword.chars().map(|c| same_folded(c).map(char::len_utf8).max().unwrap_or(0)).sum()
}

fn trie(keywords: &[&str]) -> Vec<Node> {
    let mut trie = vec![Node::default()];
    for (number, keyword) in keywords.iter().enumerate() {
        let mut at = ROOT;
        for letter in keyword.chars().map(fold) {
            let fresh = trie.len();
            at = *trie[at].children.entry(letter).or_insert(fresh);
            if at == fresh {
                trie.push(Node::default());
            }
        }
        trie[at].ends.push(number);
    }
    trie
}

/// Fills the rows, and adds to each node the keywords that are suffixes of it. Returns the nodes by depth: where a text
/// leaves a keyword, it goes on in the longest suffix that is a node, which is less deep.
fn complete(trie: &mut [Node], letters: &Letters) -> Vec<usize> {
    trie[ROOT].row = vec![ROOT; letters.len()];
    let mut order = Vec::with_capacity(trie.len());
    let mut queue = VecDeque::from([(ROOT, ROOT)]);
    while let Some((at, suffix)) = queue.pop_front() {
        order.push(at);
        if at != ROOT {
            trie[at].row = trie[suffix].row.clone();
            let ends = trie[suffix].ends.clone();
            trie[at].ends.extend(ends);
        }
        for (letter, child) in std::mem::take(&mut trie[at].children) {
            let letter = letters.binary_search(&letter).expect("letters has those of every node");
            // Below the root this still is where the suffix leads.
            let suffix = if at == ROOT { ROOT } else { trie[at].row[letter] };
            trie[at].row[letter] = child;
            queue.push_back((child, suffix));
        }
    }
    order
}

/// The automaton over bytes. Its first states are the nodes of the trie, those after them are inside of a letter.
#[derive(Default)]
struct Bytes<'a> {
    states: usize,
    /// By byte, the states that it does not lead to the root: from, to.
    columns: BTreeMap<u8, Vec<(usize, usize)>>,
    /// The states inside of letters by what may still come.
    inside: BTreeMap<Spellings<'a>, usize>,
}

impl<'a> Bytes<'a> {
    /// Lays the ways from `state`. The spellings are sorted.
    fn lay(&mut self, state: usize, mut spellings: Spellings<'a>) {
        spellings.retain(|(_, to)| *to != ROOT);
        for group in spellings.chunk_by(|(a, _), (b, _)| a[0] == b[0]) {
            // In UTF-8 no letter's spelling begins another's: one that ends here is alone.
            let to = match group {
                [(spelling, to)] if spelling.len() == 1 => *to,
                _ => self.inside(group.iter().map(|(spelling, to)| (&spelling[1..], *to)).collect()),
            };
            self.columns.entry(group[0].0[0]).or_default().push((state, to));
        }
    }

    fn inside(&mut self, rest: Spellings<'a>) -> usize {
        if let Some(state) = self.inside.get(&rest) {
            return *state;
        }
        let state = self.states;
        self.states += 1;
        self.inside.insert(rest.clone(), state);
        self.lay(state, rest);
        state
    }

    /// Numbers the states as the server wants them: less deep before deeper ones, so that those in use lie close
    /// together, and those with a match last.
    fn number(&self, trie: &[Node], order: &[usize]) -> Result<Machine, TooLarge> {
        let (matching, other): (Vec<usize>, Vec<usize>) = order.iter().partition(|node| !trie[**node].ends.is_empty());
        let mut numbers = vec![0u16; self.states];
        let inside = trie.len()..self.states;
        for (number, state) in other.iter().copied().chain(inside).chain(matching.iter().copied()).enumerate() {
            numbers[state] = u16::try_from(number).map_err(|_| TooLarge)?;
        }
        let mut classes = [0u8; 256];
        let mut columns: BTreeMap<Vec<u16>, u8> = BTreeMap::from([(vec![0; self.states], 0)]);
        let mut next = vec![0u8; 2 * self.states];
        for (byte, ways) in &self.columns {
            let mut column = vec![0u16; self.states];
            for (from, to) in ways {
                column[usize::from(numbers[*from])] = numbers[*to];
            }
            let fresh = u8::try_from(columns.len()).expect("UTF-8 never uses all bytes");
            let class = *columns.entry(column).or_insert_with_key(|column| {
                next.extend(column.iter().flat_map(|state| state.to_le_bytes()));
                fresh
            });
            classes[usize::from(*byte)] = class;
        }
        Ok(Machine {
            states: self.states,
            table: [&classes[..], &next[..]].concat(),
            longest: 0,
            first_match: u16::try_from(self.states - matching.len()).map_err(|_| TooLarge)?,
            matches: matching.iter().map(|node| trie[*node].ends.clone()).collect(),
        })
    }
}

/// One of the letters that differ only in case, the same for all of them.
fn fold(c: char) -> char {
    same_folded(c).next().expect("a letter is the same as itself")
}

/// Unicode's simple case folding: the letters that are one letter for a reader, in ascending order. `k`, `K` and the
/// Kelvin sign.
fn same_folded(c: char) -> impl Iterator<Item = char> {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
    class.case_fold_simple();
    let ranges = class.ranges().to_vec();
    ranges.into_iter().flat_map(|range| range.start()..=range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_case_are_one() {
        let fold = |s: &str| s.chars().map(fold).collect::<String>();
        assert_eq!(fold("k"), fold("\u{212a}"));
        assert_eq!(fold("straßE"), fold("\u{17f}TRA\u{1e9e}e"));
        assert_eq!(fold("Я"), fold("я"));
        assert_ne!(fold("é"), fold("e"));
    }

    /// The states of a keyword: one for each of its prefixes, and one inside of each letter that some case spells in
    /// several bytes.
    #[test]
    fn states_are_few() {
        let states = |keywords: &[&str]| build(keywords).map(|machine| machine.states).ok();
        assert_eq!(states(&["urge"]), Some(5));
        assert_eq!(states(&["urge", "urged", "URGENT"]), Some(8));
        assert_eq!(states(&["я"]), Some(2 + 2)); // Я and я begin differently
        assert_eq!(states(&["k"]), Some(2 + 2)); // the Kelvin sign has three bytes
        // What is inside of a letter is shared: both of these come after any prefix of `rk`.
        assert_eq!(states(&["k", "rk"]), Some(4 + 2 + 2));
    }

    #[test]
    fn matches_of_suffixes_are_there() {
        let machine = build(&["ab", "b", "cab"]).expect("small");
        let mut matches = machine.matches;
        matches.iter_mut().for_each(|ends| ends.sort());
        matches.sort();
        assert_eq!(matches, [vec![0, 1], vec![0, 1, 2], vec![1]]);
    }

    #[test]
    fn longest_counts_the_longest_spelling() {
        assert_eq!(build(&["ab", "k"]).expect("small").longest, 3);
    }

    #[test]
    fn too_many_states_are_refused() {
        let long: Vec<String> = ["a", "b", "c"].iter().map(|letter| letter.repeat(30_000)).collect();
        let all: Vec<&str> = long.iter().map(String::as_str).collect();
        assert!(build(&all).is_err());
        assert!(build(&all[..2]).is_ok());
    }
}
