//! Ids of tool calls, which Anthropic's API wants to be made of few characters.

use std::borrow::Cow;

/// The id itself where it matches `^[a-zA-Z0-9_-]+$`, another one that does where not. The same id always becomes the same
/// one, so a call and its result still find each other, and two ids never become one.
#[must_use]
pub fn sanitise(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !id.is_empty() && id.chars().all(fits) {
        return Cow::Borrowed(id);
    }
    let mut out: String = id.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    out.push_str(&format!("_{:016x}", fnv(id)));
    Cow::Owned(out)
}

/// FNV-1a.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::sanitise;

    #[test]
    fn ids_stay_or_become_unique_ones() {
        for id in ["call_aB-9", "toolu_01"] {
            assert_eq!(sanitise(id), id);
        }
        let odd = ["functions.f:0", "functions:f.0", "", "é", "functions_f_0"].map(sanitise);
        for (n, id) in odd.iter().enumerate() {
            assert!(!id.is_empty() && id.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-".contains(&c)), "{id}");
            assert!(!odd[..n].contains(id));
        }
        assert_eq!(sanitise("functions.f:0"), odd[0]);
    }
}
