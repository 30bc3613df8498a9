//! "Did you mean": the known name that is nearest to what a client wrote.

/// Names are compared up to this many characters: a client's text must not cost more than a name's worth.
const LONGEST: usize = 128;

/// The nearest of `names`, if it is near enough to be what was meant.
pub fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if name.chars().count() > LONGEST {
        return None;
    }
    let wanted = name.to_lowercase();
    names
        .map(|known| {
            let lower = known.to_lowercase();
            // A name without its vendor, or with one, is near: `gpt-4o` and `openai/gpt-4o`.
            let tail = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            let distance = if tail(&wanted) == tail(&lower) { distance.min(1) } else { distance };
            (distance, known)
        })
        .filter(|(distance, known)| *distance <= 1 + known.chars().count().min(wanted.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// A client's text, short enough to be repeated in an error message.
#[must_use]
pub fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &name[..cut]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{nearest, shortened};

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let known = ["vllm-sr/auto", "auto", "gpt-4o", "claude-sonnet", "Qwen/Qwen3-8B"];
        assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
    }

    #[test]
    fn near_names() {
        check("gpt-4", Some("gpt-4o"));
        check("GPT-4O", Some("gpt-4o"));
        check("openai/gpt-4o", Some("gpt-4o"));
        check("claude-sonet", Some("claude-sonnet"));
        check("qwen3-8b", Some("Qwen/Qwen3-8B"));
        check("aut", Some("auto"));
        check("llama-3", None);
        check("", None);
        check(&"x".repeat(1000), None);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shortened("gpt"), "gpt");
        assert_eq!(shortened(&"é".repeat(1000)).chars().count(), 129);
    }
}
