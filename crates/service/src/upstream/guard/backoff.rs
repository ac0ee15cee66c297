//! How long to wait before the same question is asked again.

use std::time::Duration;

/// Before the second question.
const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(10);
/// Beyond this doubling, every wait is the longest.
const DOUBLINGS: u32 = 16;

/// The wait after a number of failures, from 1: it doubles, and half of it is up to chance, so that many services that
/// failed together do not come back together.
pub(super) fn delay(failures: u32, chance: u16) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS);
    let whole = FIRST.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(MOST);
    let half = whole.checked_div(2).unwrap_or_default();
    let random = half.saturating_mul(u32::from(chance)).checked_div(u32::from(u16::MAX));
    half.saturating_add(random.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_half_of_them_is_chance() {
        let cases =
            [(1, 250, 500), (2, 500, 1000), (3, 1000, 2000), (6, 5000, 10_000), (u32::MAX, 5000, 10_000)];
        for (failures, least, most) in cases {
            assert_eq!(delay(failures, 0), Duration::from_millis(least));
            assert_eq!(delay(failures, u16::MAX), Duration::from_millis(most));
        }
        assert!(delay(3, 1000) < delay(3, 2000));
    }
}
