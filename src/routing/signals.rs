//! What is noticed about a prompt: one pass of each baked automaton over the text, and a comparison for each context
//! band. Fills the bits that generated decisions read. It must not know requests, JSON or which decision wants a bit.

mod found;
mod literals;
mod near;
mod patterns;
mod ranked;
mod request;
mod similar;
mod structure;
mod words;

use super::Produce;
use super::Request;
use crate::protocol::prompt::Prompt;
use crate::table::{Automaton, KeywordOperator, KeywordSignal, Policy, Ranked, SignalId, SignalSet, Similar};
use found::Found;
use regex_automata::{dfa::StartError, util::wire::DeserializeError};
use std::ops::Range;
pub use words::is_spaced_word;

/// The signals of a policy, ready to be evaluated.
#[derive(Debug)]
pub struct Signals {
    policy: &'static Policy,
    scanners: Box<[Scanner]>,
    counters: Box<[structure::Counter]>,
}

#[derive(Debug)]
enum Scanner {
    Literals(literals::Scanner),
    Patterns(Box<patterns::Scanner>),
    Near(near::Scanner),
    Similar(&'static Similar),
    Ranked(&'static Ranked),
}

/// Why a baked automaton cannot run here. Only a binary for another byte order, or one that was damaged, has these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table of a keyword automaton has not the size that it should have.
    #[error("the keyword automaton that is built into this binary is damaged")]
    Literals,
    /// The bytes of a DFA are none of this version and byte order.
    #[error("the pattern automaton that is built into this binary is not usable: {0}")]
    Patterns(#[from] DeserializeError),
    /// A DFA cannot start without an anchor.
    #[error("the pattern automaton that is built into this binary cannot start: {0}")]
    Start(#[from] StartError),
}

/// One bit for each term stands on the stack, for all but the largest routers.
const STACK_WORDS: usize = 32;

// === impl Signals ===

impl Signals {
    /// Looks at the automata where they are. For regular expressions this takes time in proportion to their size.
    pub fn new(policy: &'static Policy) -> Result<Self, Error> {
        let scanners = policy.automata.iter().map(Scanner::new).collect::<Result<_, Error>>()?;
        let counters = policy.families.structures.iter().map(structure::Counter::new).collect::<Result<_, Error>>()?;
        Ok(Signals { policy, scanners, counters })
    }

    /// Inserts all signals that match, and tells the estimated tokens where a signal asks for them.
    pub fn evaluate(&self, request: &Request<'_>, set: &mut SignalSet) -> Result<Option<u64>, super::Error> {
        let families = &self.policy.families;
        if let Some(roles) = &families.roles {
            request::roles(roles, request, set)?;
        }
        request::metadata(families.metadata, request.body.metadata, set)?;
        let prompt = Prompt::read(&request.body)?;
        self.wished(&prompt.user_text, request.wish, set);
        request::conversation(families.conversations, &prompt.conversation, set);
        let tokens = (!self.policy.contexts.is_empty()).then_some(prompt.tokens);
        if let Some(tokens) = tokens {
            self.context(tokens, set);
        }
        if let Some(project) = self.policy.project {
            project(set);
        }
        Ok(tokens)
    }

    /// Inserts the signals that look at the text of the user.
    pub fn text(&self, text: &str, set: &mut SignalSet) {
        self.wished(text, None, set);
    }

    fn wished(&self, text: &str, wish: Option<Produce>, set: &mut SignalSet) {
        let words = self.policy.term_count.div_ceil(64);
        let (mut stack, mut heap) = ([0; STACK_WORDS], Vec::new());
        let mut found = Found(if words <= STACK_WORDS {
            &mut stack[..words]
        } else {
            heap.resize(words, 0);
            &mut heap
        });
        self.find(text, &mut found);
        for keyword in self.policy.keywords.iter().filter(|keyword| matches(keyword, &found)) {
            set.insert(keyword.signal);
        }
        let families = &self.policy.families;
        structure::structures(families.structures, &self.counters, text, &found, set);
        structure::events(families.events, &found, set);
        if let Some(modality) = &families.modality {
            structure::modality(modality, &found, wish, set);
        }
        if let Some(languages) = &families.languages {
            structure::language(languages, text, set);
        }
    }

    /// Where terms stand in `text`, by number and then place; at most so many of each. For explanations: no request is
    /// looked at this closely. Of patterns, those in the first 64 KiB.
    #[must_use]
    pub fn places(&self, text: &str, most: usize) -> Vec<(u16, Range<usize>)> {
        let mut counts = vec![0; self.policy.term_count];
        let mut places = Vec::new();
        for scanner in &self.scanners {
            scanner.places(text, most, &mut |term, range| {
                let count: &mut usize = &mut counts[usize::from(term)];
                *count += 1;
                if *count <= most {
                    places.push((term, range));
                }
            });
        }
        places.sort_by_key(|(term, range)| (*term, range.start));
        places
    }

    /// What signals count that count something. For explanations: a request notes what decisions compare.
    #[must_use]
    pub fn values(&self, prompt: &Prompt<'_>) -> Vec<(SignalId, f64)> {
        let mut found = vec![0; self.policy.term_count.div_ceil(64)];
        let mut found = Found(&mut found);
        self.find(&prompt.user_text, &mut found);
        let families = &self.policy.families;
        let structures = structure::values(families.structures, &self.counters, &prompt.user_text, &found);
        let conversations = request::values(families.conversations, &prompt.conversation);
        let structures = structures.map(|(signal, value)| (signal.signal, value));
        structures.chain(conversations.map(|(signal, value)| (signal.signal, value))).collect()
    }

    fn find(&self, text: &str, found: &mut Found<'_>) {
        for scanner in &self.scanners {
            match scanner {
                Scanner::Literals(scanner) => scanner.scan(text, found),
                Scanner::Patterns(scanner) => scanner.scan(text, found),
                Scanner::Near(scanner) => scanner.scan(text, found),
                Scanner::Similar(similar) => similar::scan(similar, text, found),
                Scanner::Ranked(ranked) => ranked::scan(ranked, text, found),
            }
        }
    }

    /// Inserts the context signals whose band holds `tokens`.
    pub fn context(&self, tokens: u64, set: &mut SignalSet) {
        for context in self.policy.contexts {
            if (context.min_tokens..=context.max_tokens).contains(&tokens) {
                set.insert(context.signal);
            }
        }
    }
}

impl Scanner {
    fn places(&self, text: &str, most: usize, tell: &mut dyn FnMut(u16, Range<usize>)) {
        match self {
            Scanner::Literals(scanner) => scanner.places(text, tell),
            Scanner::Patterns(scanner) => scanner.places(text, most, tell),
            Scanner::Near(scanner) => scanner.places(text, tell),
            Scanner::Similar(similar) => similar::each(similar, text, tell),
            Scanner::Ranked(ranked) => ranked::places(ranked, text, tell),
        }
    }

    fn new(automaton: &'static Automaton) -> Result<Self, Error> {
        match automaton {
            Automaton::Literals(automaton) => literals::Scanner::new(automaton).map(Scanner::Literals),
            Automaton::Patterns(automaton) => patterns::Scanner::new(automaton).map(Box::new).map(Scanner::Patterns),
            Automaton::Near(near) => Ok(Scanner::Near(near::Scanner::new(near))),
            Automaton::Similar(similar) => Ok(Scanner::Similar(similar)),
            Automaton::Ranked(ranked) => Ok(Scanner::Ranked(ranked)),
        }
    }
}

fn matches(keyword: &KeywordSignal, found: &Found<'_>) -> bool {
    let mut terms = keyword.first_term..keyword.first_term + keyword.terms;
    match keyword.operator {
        KeywordOperator::Or => terms.any(|term| found.has(term)),
        KeywordOperator::And => terms.all(|term| found.has(term)),
        KeywordOperator::Nor => !terms.any(|term| found.has(term)),
    }
}
