//! Durations as people write and read them: `90s`, `1h30m` and `250ms` in, `4m 10s` and `3m ago` out.

use super::sizes;
use crate::timestamp::{Timestamp, length_words};
use std::time::Duration;

/// The units, greatest first, in milliseconds; `ms` stands before `m` and `s` so that it is found.
const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];

/// Reads `90s`, `10m`, `1h30m`, `250ms` or `2d`; a bare number counts seconds.
///
/// # Errors
/// A sentence for whoever wrote it.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>()
        && text.bytes().all(|byte| byte.is_ascii_digit())
    {
        return seconds
            .checked_mul(1000)
            .map(Duration::from_millis)
            .ok_or_else(|| "that is longer than can be counted".to_owned());
    }
    let mut total: Option<u64> = None;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, behind) = rest.split_at(digits);
        let unit = UNITS.iter().find(|(unit, _)| behind.starts_with(unit));
        let (Ok(number), Some((unit, millis))) = (number.parse::<u64>(), unit) else {
            return Err("write it like `90s`, `10m`, `1h30m`, `250ms` or `2d`".to_owned());
        };
        total = number.checked_mul(*millis).and_then(|part| part.checked_add(total.unwrap_or(0)));
        if total.is_none() {
            return Err("that is longer than can be counted".to_owned());
        }
        rest = &behind[unit.len()..];
    }
    total.map(Duration::from_millis).ok_or_else(|| "it is empty".to_owned())
}

/// A length of time by its two greatest units: `4m 10s`, `2h`, `350ms`.
pub(super) fn words(millis: u64) -> String {
    length_words(millis)
}

/// How long ago a moment was, by its greatest unit: `3m ago`, `just now`.
pub(super) fn ago(moment: Timestamp, now: Timestamp) -> String {
    let mut words = String::new();
    write_ago(&mut words, moment, now);
    words
}

/// Adds these words.
pub(super) fn write_ago(text: &mut String, moment: Timestamp, now: Timestamp) {
    let seconds =
        u64::try_from(now.as_millis().saturating_sub(moment.as_millis())).unwrap_or(0) / 1000;
    let (count, unit) = match seconds {
        0..5 => return text.push_str("just now"),
        5..60 => (seconds, "s ago"),
        60..3600 => (seconds / 60, "m ago"),
        3600..86_400 => (seconds / 3600, "h ago"),
        _ => (seconds / 86_400, "d ago"),
    };
    sizes::write_number(text, count);
    text.push_str(unit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        let millis = |text| parse(text).map(|duration| duration.as_millis());
        assert_eq!(millis("90s"), Ok(90_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("1m250ms"), Ok(60_250));
        assert_eq!(millis("2d"), Ok(172_800_000));
        assert_eq!(millis("45"), Ok(45_000));
        assert_eq!(millis("0"), Ok(0));
        for bad in [
            "",
            "s",
            "-5s",
            "+5",
            "1.5h",
            "10x",
            "5m3",
            "99999999999999999999",
            "9999999999999999d",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn durations_are_shown_by_their_two_greatest_units() {
        let shown: Vec<_> = [350, 1999, 250_000, 7_200_000, 90_061_000].map(words).into();
        assert_eq!(shown, ["350ms", "1s", "4m 10s", "2h", "1d 1h"]);
    }

    #[test]
    fn a_moment_in_the_future_is_now() {
        let at = Timestamp::from_millis;
        assert_eq!(ago(at(10_000), at(0)), "just now");
        assert_eq!(ago(at(0), at(200_000)), "3m ago");
    }
}
