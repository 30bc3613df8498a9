//! Signals that look at the user's text beside keywords: what can be counted in it, signs of events, what it asks for, its language.

use super::super::Produce;
use super::{Error, found::Found, literals, words::is_unspaced};
use crate::table::{Automaton, EventSignal, Feature, Languages, Modality, SignalSet, StructureSignal, sure_at};
use regex_automata::{
    Input,
    dfa::{Automaton as _, dense::DFA},
};

/// What counts for a structure signal.
#[derive(Debug)]
pub(super) enum Counter {
    /// Nothing has to be counted.
    None,
    /// Keywords.
    Words(Box<[literals::Scanner]>),
    /// An expression.
    Pattern(Box<DFA<&'static [u32]>>),
}

impl Counter {
    pub(super) fn new(signal: &'static StructureSignal) -> Result<Self, Error> {
        Ok(match &signal.feature {
            Feature::Exists(_) | Feature::Bytes => Counter::None,
            Feature::Words(automata) => {
                let scanners = automata.iter().map(|automaton| match automaton {
                    Automaton::Literals(automaton) => literals::Scanner::new(automaton),
                    _ => Err(Error::Literals),
                });
                Counter::Words(scanners.collect::<Result<_, Error>>()?)
            }
            Feature::Pattern(dfa) => Counter::Pattern(Box::new(DFA::from_bytes(&dfa.bytes)?.0)),
        })
    }

    fn count(&self, text: &str) -> usize {
        match self {
            Counter::None => 0,
            Counter::Words(scanners) => scanners.iter().map(|scanner| count_words(scanner, text)).sum(),
            Counter::Pattern(dfa) => count_matches(dfa, text),
        }
    }
}

/// Keywords are counted each for itself; two places of one keyword do not overlap.
fn count_words(scanner: &literals::Scanner, text: &str) -> usize {
    const STACK: usize = 64;
    let (mut stack, mut heap) = ([0; STACK], Vec::new());
    let ends: &mut [usize] = if scanner.terms() <= STACK {
        &mut stack
    } else {
        heap.resize(scanner.terms(), 0);
        &mut heap
    };
    let mut count = 0;
    scanner.each(text, |index, chars, end| {
        let start = text[..end].char_indices().rev().nth(chars - 1).map_or(0, |(start, _)| start);
        if start >= ends[index] {
            ends[index] = end;
            count += 1;
        }
    });
    count
}

/// Matches from left to right. An empty one counts, but not where the one before it ends.
///
/// An expression may have to read on far behind a match to know that it ends there, and so each time. What is counted then
/// is what was found when [`READ`] times the text were read: a request must not take time with the square of its length.
fn count_matches(dfa: &DFA<&'static [u32]>, text: &str) -> usize {
    let (mut count, mut at, mut last_end, mut from) = (0, 0, None, 0);
    let mut steps = text.len().saturating_mul(READ).max(MIN_STEPS);
    while at <= text.len() {
        let Some(end) = first_end(dfa, text, from, &mut steps) else { break };
        if !text.is_char_boundary(end) {
            from += 1; // only something empty ends within a character
            continue;
        }
        if end == at && last_end == Some(at) {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        } else {
            count += 1;
            last_end = Some(end);
            at = end;
        }
        from = at;
    }
    count
}

/// How often each byte is read at most, on average, to count matches.
const READ: usize = 16;

/// Bytes that are read in any case.
const MIN_STEPS: usize = 64 << 10;

/// Where the first match behind `from` ends. `None` where there is none, or no step is left to find it.
fn first_end(dfa: &DFA<&'static [u32]>, text: &str, from: usize, steps: &mut usize) -> Option<usize> {
    if from > text.len() {
        return None;
    }
    // It fails only for bytes or anchors that it was not built for, and it was built for all.
    let mut state = dfa.start_state_forward(&Input::new(text).range(from..)).ok()?;
    let mut end = None;
    for (at, &byte) in text.as_bytes().iter().enumerate().skip(from) {
        state = dfa.next_state(state, byte);
        *steps = steps.checked_sub(1)?;
        if dfa.is_special_state(state) {
            if dfa.is_match_state(state) {
                end = Some(at); // a state tells of the byte before
            } else if dfa.is_dead_state(state) || dfa.is_quit_state(state) {
                return end;
            }
        }
    }
    if dfa.is_match_state(dfa.next_eoi_state(state)) { Some(text.len()) } else { end }
}

/// Words, and characters of scripts that do not set words apart.
fn units(text: &str) -> usize {
    let (mut units, mut in_word) = (0, false);
    for c in text.chars() {
        if is_unspaced(c) {
            units += 1;
            in_word = false;
        } else if c.is_alphanumeric() {
            units += usize::from(!in_word);
            in_word = true;
        } else {
            in_word = false;
        }
    }
    units
}

/// What each structure signal counts; a text of nothing is not looked at.
pub(super) fn values<'s>(
    signals: &'s [StructureSignal],
    counters: &'s [Counter],
    text: &'s str,
    found: &'s Found<'_>,
) -> impl Iterator<Item = (&'s StructureSignal, f64)> {
    let looked_at = !signals.is_empty() && !text.trim().is_empty();
    signals.iter().zip(counters).filter(move |_| looked_at).map(move |(signal, counter)| {
        let count = match &signal.feature {
            Feature::Exists(terms) => usize::from(found.any(*terms)),
            Feature::Bytes => text.len(),
            Feature::Words(_) | Feature::Pattern(_) => counter.count(text),
        } as f64;
        let value = match signal.per_word.then(|| units(text)) {
            None => count,
            Some(0) => 0.0,
            Some(units) => count / units as f64,
        };
        (signal, value)
    })
}

/// Inserts the structure signals that match.
pub(super) fn structures(
    signals: &[StructureSignal],
    counters: &[Counter],
    text: &str,
    found: &Found<'_>,
    set: &mut SignalSet,
) {
    for (signal, value) in values(signals, counters, text, found).filter(|(signal, value)| (signal.holds)(*value)) {
        set.insert(signal.signal);
        if let Some(measure) = signal.value {
            set.note(measure, value);
        }
        if let Some((measure, bound)) = signal.confidence {
            set.note(measure, sure_at(value - bound));
        }
    }
}

/// Inserts the events of which some criterion is met.
pub(super) fn events(signals: &[EventSignal], found: &Found<'_>, set: &mut SignalSet) {
    for event in signals {
        let met = event.criteria.iter().filter(|terms| found.any(**terms)).count();
        if met == 0 {
            continue;
        }
        set.insert(event.signal);
        if let Some(measure) = event.confidence {
            set.note(measure, 0.5 + 0.5 * met as f64 / event.criteria.len() as f64);
        }
    }
}

/// Inserts what is asked for.
pub(super) fn modality(modality: &Modality, found: &Found<'_>, wish: Option<Produce>, set: &mut SignalSet) {
    let signal = match (wish, found.any(modality.image), found.any(modality.both)) {
        (Some(Produce::Text), ..) | (None, false, _) => modality.ar,
        (Some(Produce::Image), ..) | (None, true, false) => modality.diffusion,
        (None, true, true) => modality.both_signal,
        // Whoever only knows images makes those.
        (Some(Produce::Both), ..) => modality.both_signal.or(modality.diffusion),
    };
    if let Some(signal) = signal {
        set.insert(signal);
    }
}

/// Inserts the language that the text is written in.
pub(super) fn language(languages: &Languages, text: &str, set: &mut SignalSet) {
    let language = (languages.detect)(text);
    for signal in languages.signals {
        if signal.code == language.code && language.confidence >= signal.threshold {
            set.insert(signal.signal);
            if let Some(measure) = signal.confidence {
                set.note(measure, language.confidence);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::units;

    #[test]
    fn words_and_characters_are_units() {
        for (text, count) in
            [("", 0), ("one two-three", 3), ("重构 code", 3), ("a1b2", 1), ("  ?! ", 0), ("使用GPT模型", 5)]
        {
            assert_eq!(units(text), count, "{text}");
        }
    }
}
