//! The certificate table that a host hands to its guest with a report.
//!
//! AMD and Linux call it the GHCB certificate table (*SEV-ES Guest-Hypervisor Communication Block Standardization*, document
//! 56421, section 4.1.8.1); `configfs-tsm` gives it as `auxblob`, and an extended report has it after the report. Entries of
//! 24 bytes: GUID, `u32` offset, `u32` length, from the start of the table; an entry of zeros ends the list.

use std::ops::Range;

use crate::ParseError;
use crate::cursor::Cursor;

const TABLE: &str = "certificate table";
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
    /// Something else, by its GUID.
    Other([u8; 16]),
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
            _ => Self::Other(*guid),
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
    /// Reads a table. An empty one is no error: hosts hand it out when they have no certificates. Hosts give whole pages, so
    /// zeros may stand between entries and behind them; other bytes that no entry covers may not.
    ///
    /// # Errors
    /// A [`ParseError`] for entries that point outside or overlap, for a list without an end, and for bytes of no entry.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_TABLE_SIZE {
            return Err(ParseError::TooLarge { size: bytes.len(), limit: MAX_TABLE_SIZE });
        }
        let (headers, end) = read_headers(bytes)?;
        let (mut entries, mut covered) = (Vec::new(), Vec::new());
        for (kind, offset, length) in headers {
            let end = offset.saturating_add(length);
            let certificate = bytes.get(offset..end).filter(|_| offset >= ENTRY_SIZE);
            let certificate = certificate.ok_or(ParseError::Truncated {
                field: "certificate",
                offset,
                needed: length,
                available: bytes.len().saturating_sub(offset),
            })?;
            entries.push((kind, certificate));
            if length > 0 {
                covered.push(offset..end);
            }
        }
        check_covered(bytes, end, covered)?;
        Ok(Self { entries })
    }

    /// The first entry of a kind.
    #[must_use]
    pub fn get(&self, kind: TableEntry) -> Option<&'a [u8]> {
        self.entries.iter().find(|(found, _)| *found == kind).map(|(_, certificate)| *certificate)
    }
}

/// Kind, offset and length.
type Header = (TableEntry, usize, usize);

/// The list of entries, and where it ends.
fn read_headers(bytes: &[u8]) -> Result<(Vec<Header>, usize), ParseError> {
    let (mut headers, mut cursor) = (Vec::new(), Cursor::new(bytes));
    while !bytes.is_empty() {
        let guid = cursor.array::<16>("certificate table entry")?;
        let at = cursor.offset();
        let offset = to_usize(cursor.u32("certificate table entry")?);
        let length = to_usize(cursor.u32("certificate table entry")?);
        if *guid == [0; 16] {
            // The entry that ends the list is zero throughout.
            refuse_stray(bytes, at..cursor.offset())?;
            break;
        }
        if headers.len() >= MAX_ENTRIES {
            return Err(ParseError::TooManyEntries { field: "list of certificates", limit: MAX_ENTRIES });
        }
        headers.push((TableEntry::from_guid(guid), offset, length));
    }
    Ok((headers, cursor.offset()))
}

/// Bytes that nobody reads must not hide in evidence that is called genuine, and none may be read as two things.
fn check_covered(bytes: &[u8], list_end: usize, mut covered: Vec<Range<usize>>) -> Result<(), ParseError> {
    covered.sort_by_key(|range| range.start);
    let mut end = list_end;
    for range in covered {
        if range.start < end {
            return Err(ParseError::Overlap { field: TABLE, offset: range.start });
        }
        refuse_stray(bytes, end..range.start)?;
        end = range.end;
    }
    refuse_stray(bytes, end..bytes.len())
}

fn refuse_stray(bytes: &[u8], gap: Range<usize>) -> Result<(), ParseError> {
    let (offset, count) = (gap.start, gap.len());
    let is_zero = bytes.get(gap).unwrap_or_default().iter().all(|byte| *byte == 0);
    if is_zero { Ok(()) } else { Err(ParseError::StrayData { field: TABLE, offset, count }) }
}

/// A number beyond the address space points outside of any table.
fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VCEK: [u8; 16] = 0x63da758d_e664_4564_adc5_f4b93be8accd_u128.to_be_bytes();

    const ARK: [u8; 16] = 0xc0b406a4_a803_4952_9743_3fb6014cd0ae_u128.to_be_bytes();

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

    /// Headers of two entries and their end: 72 bytes. Then 3 bytes, 5 of padding, 4 bytes, 8 of padding.
    fn padded() -> Vec<u8> {
        let headers = [entry(VCEK, 72, 3), entry(ARK, 80, 4), entry([0; 16], 0, 0)].concat();
        [headers, vec![1; 3], vec![0; 5], vec![2; 4], vec![0; 8]].concat()
    }

    #[test]
    fn zeros_may_stand_between_and_behind_entries() {
        let bytes = padded();
        let parsed = CertificateTable::parse(&bytes).unwrap();
        assert_eq!(parsed.entries, [(TableEntry::Vcek, &[1; 3][..]), (TableEntry::Ark, &[2; 4][..])]);
        // Their order in the table is the host's affair.
        let swapped = [entry(ARK, 80, 4), entry(VCEK, 72, 3), padded()[48..].to_vec()].concat();
        assert_eq!(CertificateTable::parse(&swapped).unwrap().get(TableEntry::Vcek), Some(&[1; 3][..]));
    }

    #[test]
    fn bytes_of_no_entry_are_refused() {
        let stray = |offset, count| ParseError::StrayData { field: TABLE, offset, count };
        for (at, expected) in [
            (64, stray(64, 8)),
            (71, stray(64, 8)),
            (75, stray(75, 5)),
            (79, stray(75, 5)),
            (84, stray(84, 8)),
            (91, stray(84, 8)),
        ] {
            let mut bytes = padded();
            bytes[at] = 1;
            assert_eq!(CertificateTable::parse(&bytes).unwrap_err(), expected, "{at}");
        }
        let empty = [vec![0; 24], vec![7; 100]].concat();
        assert_eq!(CertificateTable::parse(&empty).unwrap_err(), stray(24, 100));
    }

    #[test]
    fn bytes_of_two_entries_are_refused() {
        let overlap = |offset| ParseError::Overlap { field: TABLE, offset };
        for (offset, length, expected) in [
            (24, 4, overlap(24)),
            (71, 4, overlap(71)),
            (72, 3, overlap(72)),
            (74, 2, overlap(74)),
            (73, 1, overlap(73)),
        ] {
            let mut bytes = padded();
            bytes[24..48].copy_from_slice(&entry(ARK, offset, length));
            assert_eq!(CertificateTable::parse(&bytes).unwrap_err(), expected, "{offset} {length}");
        }
    }
}
