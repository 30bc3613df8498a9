//! Numbers with units: durations, sizes, token counts and prices. Exact, and from text: no floating point comes near them.

use std::time::Duration;

/// `300s`, `1m30s`, `1.5h`, `500ms`. `None`: not a duration.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut nanos: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let unit: u128 = match &rest[digits..unit_end] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        nanos = nanos.checked_add(scaled(&rest[..digits], unit)?)?;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(())?;
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

/// A decimal number times a unit, if that is whole.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok().map(u128::from) };
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = digits(fraction)?.checked_mul(unit)?;
    if part % scale != 0 {
        return None;
    }
    digits(whole)?.checked_mul(unit)?.checked_add(part / scale)
}

/// Bytes: `1048576`, `10MB`, `32MiB`. `None`: not a size.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match text[digits..].trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    u64::try_from(scaled(&text[..digits], unit)?).ok()
}

/// Tokens: `8000`, `32K`, `1M`; K is a thousand. `None`: not a number of tokens.
pub(super) fn tokens(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match &text[digits..] {
        "" => 1,
        "K" | "k" => 1_000,
        "M" | "m" => 1_000_000,
        _ => return None,
    };
    u64::try_from(scaled(&text[..digits], unit)?).ok()
}

/// What is wrong with a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadPrice {
    /// Not a decimal number, negative, or beyond all reason.
    NotAPrice,
    /// More decimals than can be kept.
    TooFine,
}

/// A price per million tokens in pico-units per token: `0.18` is 180,000.
pub(super) fn price(text: &str) -> Result<u64, BadPrice> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let decimal = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !decimal(whole) || !decimal(fraction) {
        return Err(BadPrice::NotAPrice);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 6 {
        return Err(BadPrice::TooFine);
    }
    let digits = format!("{whole}{fraction:0<6}");
    // A billion per million tokens leaves room for sums over any number of tokens in 128 bits.
    digits.parse().ok().filter(|price| *price <= 1_000_000_000_000_000).ok_or(BadPrice::NotAPrice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, nanos) in [
            ("300s", Some(300_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("500ms", Some(500_000_000)),
            ("2h", Some(7_200_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("1h2m3s4ms5us6ns", Some(3_723_004_005_006)),
            ("7µs", Some(7_000)),
            (".5s", Some(500_000_000)),
            ("0s", Some(0)),
            ("", None),
            ("300", None),
            ("0", None),
            ("s", None),
            ("1d", None),
            ("-1s", None),
            ("1 s", None),
            ("1..5s", None),
            ("0.5ns", None),
            ("1s1", None),
            ("99999999999999999999s", None),
            ("9999999999h", None),
        ] {
            assert_eq!(duration(text), nanos.map(Duration::from_nanos), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1048576", Some(1 << 20)),
            ("32MiB", Some(32 << 20)),
            ("10MB", Some(10_000_000)),
            ("1.5 KiB", Some(1536)),
            ("2GiB", Some(2 << 30)),
            ("7B", Some(7)),
            ("0.5B", None),
            ("MB", None),
            ("10mb", None),
            ("-1", None),
            ("99999999999999999999", None),
            ("18446744073709551615GiB", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }

    #[test]
    fn token_counts() {
        for (text, count) in [
            ("0", Some(0)),
            ("8000", Some(8000)),
            ("32K", Some(32_000)),
            ("1M", Some(1_000_000)),
            ("1.5k", Some(1_500)),
            ("1.0001K", None),
            ("K", None),
            ("1G", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(tokens(text), count, "{text}");
        }
    }

    #[test]
    fn prices() {
        for (text, pico) in [
            ("0.18", Ok(180_000)),
            ("0.180", Ok(180_000)),
            ("3", Ok(3_000_000)),
            ("3.0", Ok(3_000_000)),
            ("15.00", Ok(15_000_000)),
            ("0", Ok(0)),
            (".5", Ok(500_000)),
            ("0.000001", Ok(1)),
            ("0.0000010", Ok(1)),
            ("0.0000001", Err(BadPrice::TooFine)),
            ("-1", Err(BadPrice::NotAPrice)),
            ("+1", Err(BadPrice::NotAPrice)),
            ("1e3", Err(BadPrice::NotAPrice)),
            ("0x10", Err(BadPrice::NotAPrice)),
            ("1,5", Err(BadPrice::NotAPrice)),
            (".", Err(BadPrice::NotAPrice)),
            ("", Err(BadPrice::NotAPrice)),
            ("1000000000", Ok(1_000_000_000_000_000)),
            ("1000000000.1", Err(BadPrice::NotAPrice)),
            ("99999999999999999999", Err(BadPrice::NotAPrice)),
        ] {
            assert_eq!(price(text), pico, "{text}");
        }
    }
}
