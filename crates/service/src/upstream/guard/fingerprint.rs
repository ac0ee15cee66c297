//! Names for questions that tell nothing about the platforms in them.

use std::fmt;
use std::hash::{Hash, Hasher};

use assay_collateral::upstream::Wanted;
use assay_verify::sha256;

/// A salted hash of a question.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// Random, of this process.
#[derive(Clone)]
pub(super) struct Salt(pub(super) [u8; 32]);

impl Salt {
    pub(super) fn of(&self, wanted: &Wanted) -> Fingerprint {
        let mut collected = Collected(Vec::new());
        wanted.hash(&mut collected);
        Fingerprint(sha256(&[&self.0, &collected.0]))
    }
}

/// What a derived `Hash` feeds to a hasher: every member, lists with their length.
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use assay_collateral::upstream::VcekName;
    use assay_evidence::snp::Product;
    use assay_evidence::snp::Tcb;

    use super::*;

    fn chip(hwid: &[u8], snp: u8) -> Wanted {
        let tcb = Tcb { snp, ..Tcb::default() };
        Wanted::Vcek(VcekName { product: Product::Milan, hwid: hwid.to_vec(), tcb })
    }

    #[test]
    fn every_part_of_a_question_counts() {
        let (salt, other) = (Salt([1; 32]), Salt([2; 32]));
        let one = salt.of(&chip(&[7; 64], 1));
        assert_eq!(one, salt.of(&chip(&[7; 64], 1)));
        for different in [
            salt.of(&chip(&[7; 64], 2)),
            salt.of(&chip(&[7; 63], 1)),
            salt.of(&chip(&[8; 64], 1)),
            salt.of(&Wanted::Families),
            other.of(&chip(&[7; 64], 1)),
        ] {
            assert_ne!(one, different);
        }
        assert_eq!(format!("{one:?}"), "Fingerprint(..)");
    }
}
