//! What finds keywords that need not stand in the text as they are. Each looks at the words of the text one by one.

/// Finds keywords that a word of the text becomes with a few edits: a letter more, less, or another one.
#[derive(Debug)]
pub struct Near {
    /// The keywords.
    pub terms: &'static [NearTerm],
}

/// A keyword that a word may miss.
#[derive(Debug)]
pub struct NearTerm {
    /// Number of the term, over all automata.
    pub term: u16,
    /// In lower case; at most 64 characters.
    pub text: &'static str,
    /// The most edits; fewer than it has characters.
    pub edits: u8,
}

/// Finds keywords that share many groups of letters with a word of the text, spaces around both included.
#[derive(Debug)]
pub struct Similar {
    /// Letters of a group, at least 2.
    pub arity: u8,
    /// Whether upper and lower case differ.
    pub case_sensitive: bool,
    /// The least similarity.
    pub threshold: f32,
    /// The most characters that a word can have which is similar to a keyword.
    pub longest: u32,
    /// All groups of the keywords, in their order.
    pub grams: &'static [Gram],
    /// Number of each keyword over all automata, and how many groups it has.
    pub terms: &'static [(u16, u16)],
}

/// A group of letters.
#[derive(Debug)]
pub struct Gram {
    /// The letters.
    pub text: &'static str,
    /// The keywords that it stands in, by position, and how often.
    pub stands: &'static [(u16, u16)],
}

/// Finds keywords by the sum of what their stems weigh over the words of the text.
#[derive(Debug)]
pub struct Ranked {
    /// Calls with each word of a text, in plain lower case, and its stem. Generated code alone names it, so that a router
    /// without such keywords does not hold the tables behind it.
    pub words: Words,
    /// Words that do not count, though their stem would.
    pub left_out: &'static [&'static str],
    /// All stems of the keywords, in their order.
    pub stems: &'static [Stem],
    /// Number of each keyword over all automata, and the least sum.
    pub terms: &'static [(u16, f32)],
}

/// Calls with each word of a text and its stem.
pub type Words = fn(&str, &mut dyn FnMut(&str, &str));

/// A stem.
#[derive(Debug)]
pub struct Stem {
    /// As it is.
    pub text: &'static str,
    /// The keywords that it stands in, by position, and what it weighs.
    pub weights: &'static [(u16, f32)],
}
