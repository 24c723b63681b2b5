//! The only place that asks what time it is.
//!
//! The wall clock gives moments for people; the boot clock (monotonic, counting time asleep) gives
//! durations that survive our own processes and a wall clock that jumps.

use crate::timestamp::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The clocks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// Now, by the wall clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        })
    }

    /// Milliseconds since boot, by a clock that never jumps (`CLOCK_BOOTTIME`; elsewhere
    /// `CLOCK_MONOTONIC`).
    #[must_use]
    pub fn tick_ms(&self) -> u64 {
        #[cfg(target_os = "linux")]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(id);
        u64::try_from(time.tv_sec).unwrap_or(0) * 1000
            + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
    }

    /// A deadline this far away.
    #[must_use]
    pub fn deadline(&self, after: Duration) -> Deadline {
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        Deadline { at: self.tick_ms().saturating_add(after) }
    }

    /// `moment` in the person's own time zone, to the second.
    #[must_use]
    pub fn local(&self, moment: Timestamp) -> String {
        jiff::Timestamp::from_millisecond(moment.as_millis()).map_or_else(
            |_| moment.to_string(),
            |at| {
                at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
            },
        )
    }
}

/// A moment on the clock that never jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: u64,
}

impl Deadline {
    /// How long it is until then; zero when it has passed.
    #[must_use]
    pub fn left(&self) -> Duration {
        Duration::from_millis(self.at.saturating_sub(Clock.tick_ms()))
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.left().is_zero()
    }
}
