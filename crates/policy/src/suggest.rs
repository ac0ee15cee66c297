//! "Did you mean": the known name nearest to a misspelt one.

/// Longest name worth a comparison; it bounds the work for hostile text.
const LONGEST: usize = 64;

/// The nearest of `names`, if it is near enough to be what the author meant.
#[must_use]
pub fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if word.len() > LONGEST {
        return None;
    }
    // A third of the letters may differ: `authizationrules` is found, `pcrs` for `svn` is not.
    let tolerance = word.chars().count().div_euclid(3).clamp(1, 4);
    names
        .into_iter()
        .filter(|name| name.len() <= LONGEST)
        .map(|name| (distance(word, name), name))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein distance; upper and lower case of the same letter are equal.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut beside = index.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = beside;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let differs = usize::from(!character.eq_ignore_ascii_case(other));
            let above = *cell;
            beside =
                diagonal.saturating_add(differs).min(above.saturating_add(1)).min(beside.saturating_add(1));
            diagonal = above;
            *cell = beside;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("Permit", "permit"), 0);
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["x-ms-sgx-mrsigner", "x-ms-sgx-mrenclave", "x-ms-sgx-svn"];
        assert_eq!(nearest("x-ms-sgx-mrsinger", names), Some("x-ms-sgx-mrsigner"));
        assert_eq!(nearest("secureboot", names), None);
        assert_eq!(nearest(&"x".repeat(65), [&*"x".repeat(65)]), None);
    }
}
