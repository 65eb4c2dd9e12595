//! Times and sizes as they are typed, and numbers as they are read.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(in crate::cli) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Splits `60s` into its number and its unit.
fn number_and_unit(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

pub(in crate::cli) fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = number_and_unit(text);
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a time as 500ms, 60s or 5m")?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        _ => Err("expected a time as 500ms, 60s or 5m".to_owned()),
    }
}

pub(in crate::cli) fn parse_size(text: &str) -> Result<usize, String> {
    let (number, unit) = number_and_unit(text);
    let number: usize = number
        .parse()
        .map_err(|_| "expected a size as 512M or 4G")?;
    let shift = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "" => 0,
        "K" | "k" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err("expected a size as 512M or 4G".to_owned()),
    };
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "that is more memory than there is".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_with_their_units() {
        assert_eq!(parse_time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_time("soon").is_err() && parse_time("3 s").is_err());
        assert_eq!(parse_size("4G"), Ok(4 << 30));
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert!(parse_size("G").is_err() && parse_size("99999999999999999G").is_err());
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
