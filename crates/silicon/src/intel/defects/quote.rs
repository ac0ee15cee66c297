//! Defects of the quote itself. Offsets: see the layout in `assay_evidence::sgx`.

use super::{Draft, Sample, flip};
use crate::error::SiliconError;
use crate::intel::spec::{CertificationType, with_flags};
use crate::keys::SigningKey;

type Done = Result<(), SiliconError>;

const QE_ID: usize = 28;
const MR_ENCLAVE: usize = 48 + 64;
const SIGNATURE_DATA_LENGTH: usize = 432;
const SIGNATURE: usize = 436;
const QE_REPORT: usize = 564;
const QE_MR_ENCLAVE: usize = QE_REPORT + 64;
const QE_REPORT_SIGNATURE: usize = 948;
const QE_AUTH_LENGTH: usize = 1012;
/// Between the authentication data and the length of the certification data stands the type of the latter.
const CERTIFICATION_TYPE_SIZE: usize = 2;

/// Bit of ATTRIBUTES: debug.
const DEBUG: u128 = 1 << 1;
/// Bit of ATTRIBUTES: may use the provisioning key.
const PROVISION_KEY: u128 = 1 << 4;

pub(super) fn header_bit(sample: &mut Sample) {
    flip(&mut sample.quote, QE_ID);
}

pub(super) fn report_bit(sample: &mut Sample) {
    flip(&mut sample.quote, MR_ENCLAVE);
}

pub(super) fn signature_bit(sample: &mut Sample) {
    flip(&mut sample.quote, SIGNATURE.saturating_add(16));
}

pub(super) fn signature_zero(sample: &mut Sample) {
    write(&mut sample.quote, SIGNATURE, &[0; 64]);
}

pub(super) fn qe_report_bit(sample: &mut Sample) {
    flip(&mut sample.quote, QE_MR_ENCLAVE);
}

pub(super) fn qe_report_signature_bit(sample: &mut Sample) {
    flip(&mut sample.quote, QE_REPORT_SIGNATURE.saturating_add(16));
}

pub(super) fn truncated(sample: &mut Sample) {
    sample.quote.truncate(1000);
}

pub(super) fn signature_data_length(sample: &mut Sample) {
    write(&mut sample.quote, SIGNATURE_DATA_LENGTH, &u32::MAX.to_le_bytes());
}

pub(super) fn signature_data_off_by_one(sample: &mut Sample) {
    let longer = u32::from_le_bytes(read(&sample.quote, SIGNATURE_DATA_LENGTH)).saturating_add(1);
    write(&mut sample.quote, SIGNATURE_DATA_LENGTH, &longer.to_le_bytes());
    sample.quote.push(0);
}

pub(super) fn qe_auth_data_length(sample: &mut Sample) {
    write(&mut sample.quote, QE_AUTH_LENGTH, &u16::MAX.to_le_bytes());
}

pub(super) fn certification_data_length(sample: &mut Sample) {
    let auth_length = usize::from(u16::from_le_bytes(read(&sample.quote, QE_AUTH_LENGTH)));
    let offset = QE_AUTH_LENGTH.saturating_add(2 + CERTIFICATION_TYPE_SIZE).saturating_add(auth_length);
    write(&mut sample.quote, offset, &u32::MAX.to_le_bytes());
}

pub(super) fn trailing_data(sample: &mut Sample) {
    sample.quote.push(1);
}

pub(super) fn attestation_key_not_bound(draft: &mut Draft) -> Done {
    draft.quote.attestation_key = SigningKey::generate()?;
    draft.quote.attestation_point = draft.quote.attestation_key.point();
    Ok(())
}

pub(super) fn attestation_key_off_curve(draft: &mut Draft) -> Done {
    // Both coordinates are larger than the field.
    draft.quote.attestation_point = [0xff; 64];
    draft.quote.bind();
    Ok(())
}

pub(super) fn qe_auth_data_changed(draft: &mut Draft) -> Done {
    match draft.quote.qe_auth_data.first_mut() {
        Some(byte) => *byte ^= 1,
        None => draft.quote.qe_auth_data.push(1),
    }
    Ok(())
}

pub(super) fn qe_auth_data_too_long(draft: &mut Draft) -> Done {
    draft.quote.qe_auth_data = vec![0xa5; 1025];
    draft.quote.bind();
    Ok(())
}

pub(super) fn qe_report_data_tail(draft: &mut Draft) -> Done {
    if let Some(last) = draft.quote.qe_report.report_data.last_mut() {
        *last = 1;
    }
    Ok(())
}

pub(super) fn qe_report_of_other_pck(draft: &mut Draft) -> Done {
    draft.quote.pck_key = draft.intel.platform(&draft.platform.spec, draft.now)?.pck_key;
    Ok(())
}

pub(super) fn chain_of_other_platform(draft: &mut Draft) -> Done {
    draft.chain = Some(draft.intel.platform(&draft.platform.spec, draft.now)?.chain);
    Ok(())
}

pub(super) fn header_reserved(draft: &mut Draft) -> Done {
    draft.quote.header.reserved = 1;
    Ok(())
}

pub(super) fn report_reserved(draft: &mut Draft) -> Done {
    draft.quote.report.reserved1 = [1; 12];
    Ok(())
}

pub(super) fn qe_report_reserved(draft: &mut Draft) -> Done {
    draft.quote.qe_report.reserved1 = [1; 12];
    Ok(())
}

pub(super) fn vendor(draft: &mut Draft) -> Done {
    draft.quote.header.qe_vendor_id = [0xa5; 16];
    Ok(())
}

pub(super) fn version_2(draft: &mut Draft) -> Done {
    draft.quote.header.version = 2;
    Ok(())
}

pub(super) fn version_4(draft: &mut Draft) -> Done {
    draft.quote.header.version = 4;
    Ok(())
}

pub(super) fn key_type(draft: &mut Draft) -> Done {
    draft.quote.header.attestation_key_type = 3;
    Ok(())
}

pub(super) fn certification_1(draft: &mut Draft) -> Done {
    draft.quote.certification = CertificationType::PpidClear;
    Ok(())
}

pub(super) fn certification_2(draft: &mut Draft) -> Done {
    draft.quote.certification = CertificationType::PpidRsa2048;
    Ok(())
}

pub(super) fn certification_3(draft: &mut Draft) -> Done {
    draft.quote.certification = CertificationType::PpidRsa3072;
    Ok(())
}

pub(super) fn certification_4(draft: &mut Draft) -> Done {
    draft.quote.certification = CertificationType::PckCertificate;
    Ok(())
}

pub(super) fn certification_6(draft: &mut Draft) -> Done {
    draft.quote.certification_data = Some((6, vec![0xa5; 64]));
    Ok(())
}

pub(super) fn certification_7(draft: &mut Draft) -> Done {
    draft.quote.certification_data = Some((7, vec![0xa5; 64]));
    Ok(())
}

pub(super) fn chain_empty(draft: &mut Draft) -> Done {
    draft.quote.certification_data = Some((5, vec![]));
    Ok(())
}

pub(super) fn qe_debug(draft: &mut Draft) -> Done {
    draft.quote.qe_report.attributes = with_flags(draft.quote.qe_report.attributes, true, false);
    let mask = &mut draft.collateral.spec.qe_identity.attributes_mask;
    *mask = (u128::from_le_bytes(*mask) & !DEBUG).to_le_bytes();
    Ok(())
}

pub(super) fn qe_attributes(draft: &mut Draft) -> Done {
    let attributes = &mut draft.quote.qe_report.attributes;
    *attributes = (u128::from_le_bytes(*attributes) ^ PROVISION_KEY).to_le_bytes();
    Ok(())
}

pub(super) fn qe_misc_select(draft: &mut Draft) -> Done {
    draft.quote.qe_report.misc_select ^= 1;
    Ok(())
}

pub(super) fn qe_mr_signer(draft: &mut Draft) -> Done {
    draft.quote.qe_report.mr_signer = [0xa5; 32];
    Ok(())
}

pub(super) fn qe_product(draft: &mut Draft) -> Done {
    draft.quote.qe_report.isv_prod_id ^= 0x100;
    Ok(())
}

/// The bytes at an offset; zeros where there are none.
fn read<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn write(bytes: &mut [u8], offset: usize, value: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(offset).zip(value) {
        *to = *from;
    }
}
