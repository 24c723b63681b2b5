//! Sizes and counts in words: `1.5 KiB`, `2 files`.

/// Bytes in binary units, with one decimal below ten.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return counted(count, "byte");
    }
    let (mut tenths, mut unit) = (u128::from(count) * 10 / 1024, 0);
    while tenths >= 10_240 {
        tenths /= 1024;
        unit += 1;
    }
    if tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// The bytes that a text such as `500KiB`, `10MiB` or `2G` means; a bare number counts bytes.
///
/// # Errors
/// A sentence for whoever wrote it.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 4] = [("K", 10), ("M", 20), ("G", 30), ("T", 40)];
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let wrong = || "write it like `500KiB`, `10MiB` or `2GiB`".to_owned();
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let shift = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "" => 0,
        letter => UNITS.iter().find(|(name, _)| *name == letter).ok_or_else(wrong)?.1,
    };
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than can be counted".to_owned())
}

/// `1 file`, `2 files`.
pub(super) fn counted(count: impl Into<u64>, noun: &str) -> String {
    let count = count.into();
    let mut words = String::new();
    write_counted(&mut words, count, noun);
    words
}

/// [`counted`] for lengths.
pub(super) fn many(count: usize, noun: &str) -> String {
    counted(length(count), noun)
}

/// Adds what [`many`] says.
pub(super) fn write_many(text: &mut String, count: usize, noun: &str) {
    write_counted(text, length(count), noun);
}

fn write_counted(text: &mut String, count: u64, noun: &str) {
    write_number(text, count);
    text.push(' ');
    text.push_str(noun);
    if count != 1 {
        text.push('s');
    }
}

/// A length as a number.
pub(super) fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Adds a number's digits, in a fraction of the time that formatting takes; a long table has thousands.
pub(super) fn write_number(text: &mut String, number: u64) {
    if number > 9 {
        write_number(text, number / 10);
    }
    let digit = u8::try_from(number % 10).expect("invariant: a digit is below 10");
    text.push(char::from(b'0' + digit));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_in_binary_units() {
        let read: Vec<_> = ["7", "500KiB", "10MiB", "2G", "1MB"].map(|t| parse(t).ok()).into();
        assert_eq!(read, [7, 500 << 10, 10 << 20, 2 << 30, 1 << 20].map(Some));
        for wrong in ["", "MiB", "1.5MiB", "10x", "-1", "99999999999T"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_in_binary_units() {
        let shown: Vec<_> =
            [0, 1, 1023, 1536, 10 * 1024, 5 << 20, 3 << 30, u64::MAX].map(bytes).into();
        assert_eq!(
            shown,
            [
                "0 bytes",
                "1 byte",
                "1023 bytes",
                "1.5 KiB",
                "10 KiB",
                "5.0 MiB",
                "3.0 GiB",
                "15 EiB"
            ]
        );
    }
}
