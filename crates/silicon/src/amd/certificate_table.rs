//! The certificate table of an extended guest request (AMD and Linux, *Guest-Hypervisor Communication Block
//! Standardization*, publication 56421, section 4.1.8.1), which Linux hands out as `auxblob`.

use super::spec::VekKind;

/// GUID, offset, length.
const ENTRY_SIZE: usize = 24;

// The byte order is that of the text.
const VCEK: [u8; 16] = 0x63da758d_e664_4564_adc5_f4b93be8accd_u128.to_be_bytes();
const VLEK: [u8; 16] = 0xa8074bc2_a25a_483e_aae6_39c045a0b8a1_u128.to_be_bytes();
const ASK: [u8; 16] = 0x4ab7b379_bbac_4fe4_a02f_05aef327c782_u128.to_be_bytes();
const ARK: [u8; 16] = 0xc0b406a4_a803_4952_9743_3fb6014cd0ae_u128.to_be_bytes();

/// The table: 24-byte entries (GUID, offset and length as little-endian 32-bit numbers), an entry of zeros, then the
/// certificates. `vek` is DER, and so is `chain`: the ASK or ASVK, then the ARK. The ASVK stands where an ASK would.
#[must_use]
pub fn certificate_table(vek_kind: VekKind, vek: &[u8], chain: &[Vec<u8>]) -> Vec<u8> {
    let guid = match vek_kind {
        VekKind::Vcek => VCEK,
        VekKind::Vlek => VLEK,
    };
    let certificates: Vec<([u8; 16], &[u8])> = [(guid, vek)]
        .into_iter()
        .chain([ASK, ARK].into_iter().zip(chain.iter().map(Vec::as_slice)))
        .collect();
    let mut table = Vec::new();
    let mut data = Vec::new();
    // The entries, and the one of zeros.
    let start = certificates.len().saturating_add(1).saturating_mul(ENTRY_SIZE);
    for (guid, certificate) in certificates {
        table.extend_from_slice(&guid);
        table.extend_from_slice(&number(start.saturating_add(data.len())));
        table.extend_from_slice(&number(certificate.len()));
        data.extend_from_slice(certificate);
    }
    table.extend_from_slice(&[0; ENTRY_SIZE]);
    table.extend_from_slice(&data);
    table
}

fn number(value: usize) -> [u8; 4] {
    // Certificates of 4 GiB do not exist; an offset that no reader can follow stands for them.
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}
