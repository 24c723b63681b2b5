//! A moment in time as records keep it: milliseconds since the Unix epoch, RFC 3339 UTC in JSON.
//!
//! Moments are for people. Order comes from sequence numbers and cursors, durations from the
//! monotonic clock, so a wall clock that jumps changes neither.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A moment, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(inline)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many milliseconds after the epoch, kept within the years -9999 to 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(-377_705_023_201_000, 253_402_207_200_000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0)
            .expect("invariant: a timestamp is within jiff's range");
        write!(f, "{moment:.3}")
    }
}

impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> Self {
        moment.to_string()
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let moment: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self::from_millis(moment.as_millisecond()))
    }
}

/// A length of time by its two greatest units: `4m 10s`, `2h`, `350ms`.
#[must_use]
pub fn length_words(millis: u64) -> String {
    const STEPS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let seconds = millis / 1000;
    if seconds == 0 {
        return format!("{millis}ms");
    }
    let greatest = STEPS.iter().position(|(_, length)| seconds >= *length).unwrap_or(3);
    let (unit, length) = STEPS[greatest];
    let mut words = format!("{}{unit}", seconds / length);
    if let Some((next, shorter)) = STEPS.get(greatest + 1) {
        let remainder = seconds % length / shorter;
        if remainder > 0 {
            words.push_str(&format!(" {remainder}{next}"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rfc_3339_in_utc() {
        let moment = Timestamp::from_millis(1_700_000_000_123);
        let json = serde_json::to_string(&moment).expect("serialises");
        assert_eq!(json, "\"2023-11-14T22:13:20.123Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("parses"), moment);
    }

    #[test]
    fn absurd_clocks_are_still_moments() {
        for millis in [i64::MIN, -1, 0, i64::MAX] {
            assert!(!Timestamp::from_millis(millis).to_string().is_empty());
        }
    }
}
