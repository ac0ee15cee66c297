//! The certificate table that a host hands to its guest with a report.
//!
//! AMD and Linux call it the GHCB certificate table (*SEV-ES Guest-Hypervisor Communication Block Standardization*, document
//! 56421, section 4.1.8.1); `configfs-tsm` gives it as `auxblob`, and an extended report has it after the report. Entries of
//! 24 bytes: GUID, `u32` offset, `u32` length, from the start of the table; an entry of zeros ends the list.

use crate::ParseError;
use crate::cursor::Cursor;
use crate::error::LengthRule;

const ENTRY_SIZE: usize = 24;
/// Tables have three or four entries; the bound only stops nonsense.
const MAX_ENTRIES: usize = 16;
/// Hosts reserve four pages for a table of three certificates, and some more for CRLs.
pub const MAX_TABLE_SIZE: usize = 64 * 1024;

/// What an entry of the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableEntry {
    /// The chip's endorsement key.
    Vcek,
    /// The provider's endorsement key.
    Vlek,
    /// The intermediate certificate, ASK or ASVK.
    Ask,
    /// The root.
    Ark,
    /// The root's revocation list.
    Crl,
    /// Something else.
    Other,
}

impl TableEntry {
    /// GUIDs as their text reads (the same document; Linux and the virtee tools write them in this byte order).
    const fn from_guid(guid: &[u8; 16]) -> Self {
        match u128::from_be_bytes(*guid) {
            0x63da758d_e664_4564_adc5_f4b93be8accd => Self::Vcek,
            0xa8074bc2_a25a_483e_aae6_39c045a0b8a1 => Self::Vlek,
            0x4ab7b379_bbac_4fe4_a02f_05aef327c782 => Self::Ask,
            0xc0b406a4_a803_4952_9743_3fb6014cd0ae => Self::Ark,
            0x92f81bc3_5811_4d3d_97ff_d19f88dc67ea => Self::Crl,
            _ => Self::Other,
        }
    }
}

/// A certificate table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateTable<'a> {
    /// What it holds, in order.
    pub entries: Vec<(TableEntry, &'a [u8])>,
}

impl<'a> CertificateTable<'a> {
    /// Reads a table. An empty one is no error: hosts hand it out when they have no certificates.
    ///
    /// # Errors
    /// A [`ParseError`] for entries that point outside, and for a list without an end.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_TABLE_SIZE {
            return Err(ParseError::TooLarge { size: bytes.len(), limit: MAX_TABLE_SIZE });
        }
        let (mut entries, mut cursor) = (Vec::new(), Cursor::new(bytes));
        while !bytes.is_empty() {
            let guid = cursor.array::<16>("certificate table entry")?;
            let offset = to_usize(cursor.u32("certificate table entry")?);
            let length = to_usize(cursor.u32("certificate table entry")?);
            if *guid == [0; 16] {
                break;
            }
            if entries.len() >= MAX_ENTRIES {
                let (found, expected) = (entries.len().saturating_add(1), LengthRule::AtMost(MAX_ENTRIES));
                return Err(ParseError::BadLength { field: "list of certificates", found, expected });
            }
            let certificate = offset.checked_add(length).and_then(|end| bytes.get(offset..end));
            let certificate = certificate.filter(|_| offset >= ENTRY_SIZE).ok_or(ParseError::Truncated {
                field: "certificate",
                offset,
                needed: length,
                available: bytes.len().saturating_sub(offset),
            })?;
            entries.push((TableEntry::from_guid(guid), certificate));
        }
        Ok(Self { entries })
    }

    /// The first entry of a kind.
    #[must_use]
    pub fn get(&self, kind: TableEntry) -> Option<&'a [u8]> {
        self.entries.iter().find(|(found, _)| *found == kind).map(|(_, certificate)| *certificate)
    }
}

/// A number beyond the address space points outside of any table.
fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VCEK: [u8; 16] = 0x63da758d_e664_4564_adc5_f4b93be8accd_u128.to_be_bytes();

    fn entry(guid: [u8; 16], offset: u32, length: u32) -> Vec<u8> {
        [&guid[..], &offset.to_le_bytes(), &length.to_le_bytes()].concat()
    }

    #[test]
    fn entries_point_into_the_table() {
        let table = [entry(VCEK, 48, 3), entry([0; 16], 0, 0), vec![7, 8, 9]].concat();
        let parsed = CertificateTable::parse(&table).unwrap();
        assert_eq!(parsed.entries, [(TableEntry::Vcek, &[7, 8, 9][..])]);
        assert_eq!(parsed.get(TableEntry::Ark), None);
        assert_eq!(CertificateTable::parse(&[]).unwrap().entries, []);
        assert_eq!(CertificateTable::parse(&[0; 4096]).unwrap().entries, []);
    }

    #[test]
    fn entries_that_point_outside_are_refused() {
        for (offset, length) in [(48, 4), (u32::MAX, 1), (0, u32::MAX), (51, u32::MAX), (0, 3)] {
            let table = [entry(VCEK, offset, length), entry([0; 16], 0, 0), vec![7, 8, 9]].concat();
            let error = CertificateTable::parse(&table).unwrap_err();
            assert_eq!(error.code(), "evidence-truncated", "{offset} {length}");
        }
        let endless = entry(VCEK, 24, 0).repeat(3);
        assert_eq!(CertificateTable::parse(&endless).unwrap_err().code(), "evidence-truncated");
        let many = [entry(VCEK, 24, 0).repeat(17), entry([0; 16], 0, 0)].concat();
        assert_eq!(CertificateTable::parse(&many).unwrap_err().code(), "bad-length");
        assert_eq!(CertificateTable::parse(&vec![0; 65_537]).unwrap_err().code(), "evidence-too-large");
    }
}
