//! Attestation reports (AMD, *SEV Secure Nested Paging Firmware ABI Specification*, publication 56860, table
//! ATTESTATION_REPORT), as bytes that a defect can change before they are signed.

use super::chip::Chip;
use super::keys::ChipKey;
use super::spec::{ReportSpec, Tcb};
use crate::error::SiliconError;

/// The whole report.
pub(super) const SIZE: usize = 0x4a0;
/// What is signed.
pub(super) const BODY_SIZE: usize = 0x2a0;
/// `r` and `s` have this many bytes each, little-endian, though 48 would do.
pub(super) const COMPONENT_SIZE: usize = 72;

pub(super) const VERSION: usize = 0x000;
pub(super) const GUEST_SVN: usize = 0x004;
pub(super) const POLICY: usize = 0x008;
pub(super) const FAMILY_ID: usize = 0x010;
pub(super) const IMAGE_ID: usize = 0x020;
pub(super) const VMPL: usize = 0x030;
pub(super) const SIGNATURE_ALGORITHM: usize = 0x034;
pub(super) const CURRENT_TCB: usize = 0x038;
pub(super) const PLATFORM_INFO: usize = 0x040;
pub(super) const KEY_INFO: usize = 0x048;
pub(super) const RESERVED_04C: usize = 0x04c;
pub(super) const REPORT_DATA: usize = 0x050;
pub(super) const MEASUREMENT: usize = 0x090;
pub(super) const HOST_DATA: usize = 0x0c0;
pub(super) const ID_KEY_DIGEST: usize = 0x0e0;
pub(super) const AUTHOR_KEY_DIGEST: usize = 0x110;
pub(super) const REPORT_ID: usize = 0x140;
pub(super) const REPORT_ID_MA: usize = 0x160;
pub(super) const REPORTED_TCB: usize = 0x180;
pub(super) const CPUID: usize = 0x188;
pub(super) const RESERVED_18B: usize = 0x18b;
pub(super) const CHIP_ID: usize = 0x1a0;
pub(super) const COMMITTED_TCB: usize = 0x1e0;
pub(super) const CURRENT_FIRMWARE: usize = 0x1e8;
pub(super) const RESERVED_1EB: usize = 0x1eb;
pub(super) const COMMITTED_FIRMWARE: usize = 0x1ec;
pub(super) const RESERVED_1EF: usize = 0x1ef;
pub(super) const LAUNCH_TCB: usize = 0x1f0;
pub(super) const LAUNCH_MITIGATIONS: usize = 0x1f8;
pub(super) const CURRENT_MITIGATIONS: usize = 0x200;
pub(super) const RESERVED_208: usize = 0x208;
pub(super) const SIGNATURE_R: usize = 0x2a0;
pub(super) const SIGNATURE_S: usize = 0x2e8;
pub(super) const RESERVED_330: usize = 0x330;

/// SIGNATURE_ALGO: ECDSA on P-384 with SHA-384.
const ECDSA_P384_SHA384: u32 = 1;
/// Bit of KEY_INFO: the digest of the author's key is in the report.
const AUTHOR_KEY_EN: u32 = 1;
/// From this version on a report has CPUID.
const VERSION_WITH_CPUID: u32 = 3;
/// From this version on a report has mitigation vectors.
const VERSION_WITH_MITIGATIONS: u32 = 5;

/// The signed part of a report.
#[derive(Clone, Debug)]
pub(super) struct Body(pub(super) Vec<u8>);

impl Body {
    /// The report that a chip would make.
    pub(super) fn new(chip: &Chip, spec: &ReportSpec) -> Self {
        let mut body = Self(vec![0; BODY_SIZE]);
        let version = spec.version.unwrap_or_else(|| chip.spec.product.report_version());
        body.put_guest(spec, version);
        body.put_chip(chip, spec);
        if version >= VERSION_WITH_CPUID {
            body.put(CPUID, &spec.cpuid.unwrap_or_else(|| chip.spec.product.cpuid()));
        }
        if version >= VERSION_WITH_MITIGATIONS {
            body.put(LAUNCH_MITIGATIONS, &spec.launch_mitigations.to_le_bytes());
            body.put(CURRENT_MITIGATIONS, &spec.current_mitigations.to_le_bytes());
        }
        body
    }

    fn put_guest(&mut self, spec: &ReportSpec, version: u32) {
        self.put_u32(VERSION, version);
        self.put_u32(GUEST_SVN, spec.guest_svn);
        self.put(POLICY, &spec.policy.to_le_bytes());
        self.put(FAMILY_ID, &spec.family_id);
        self.put(IMAGE_ID, &spec.image_id);
        self.put_u32(VMPL, spec.vmpl);
        self.put_u32(SIGNATURE_ALGORITHM, ECDSA_P384_SHA384);
        self.put(PLATFORM_INFO, &spec.platform_info.to_le_bytes());
        self.put(REPORT_DATA, &spec.report_data);
        self.put(MEASUREMENT, &spec.measurement);
        self.put(HOST_DATA, &spec.host_data);
        self.put(ID_KEY_DIGEST, &spec.id_key_digest);
        self.put(AUTHOR_KEY_DIGEST, &spec.author_key_digest);
        self.put(REPORT_ID, &spec.report_id);
        self.put(REPORT_ID_MA, &spec.report_id_ma);
        self.put(CURRENT_FIRMWARE, &spec.current_firmware);
        self.put(COMMITTED_FIRMWARE, &spec.committed_firmware);
    }

    fn put_chip(&mut self, chip: &Chip, spec: &ReportSpec) {
        let author = if spec.author_key_digest == [0; 48] { 0 } else { AUTHOR_KEY_EN };
        self.put_u32(KEY_INFO, author | (chip.spec.kind.signing_key() << 2));
        let tcb = |tcb: Option<Tcb>| tcb.unwrap_or(chip.spec.tcb).to_bytes(chip.spec.product);
        self.put(REPORTED_TCB, &tcb(None));
        self.put(CURRENT_TCB, &tcb(spec.current_tcb));
        self.put(COMMITTED_TCB, &tcb(spec.committed_tcb));
        self.put(LAUNCH_TCB, &tcb(spec.launch_tcb));
        self.put(CHIP_ID, &chip.chip_id);
    }

    /// Writes bytes at an offset.
    pub(super) fn put(&mut self, offset: usize, value: &[u8]) {
        put(&mut self.0, offset, value);
    }

    /// Writes a number at an offset.
    pub(super) fn put_u32(&mut self, offset: usize, value: u32) {
        self.put(offset, &value.to_le_bytes());
    }

    /// The number at an offset.
    pub(super) fn u32(&self, offset: usize) -> u32 {
        let bytes = self.0.get(offset..).and_then(|rest| rest.first_chunk()).copied();
        u32::from_le_bytes(bytes.unwrap_or_default())
    }

    /// The whole report.
    pub(super) fn sign(&self, key: &ChipKey) -> Result<Vec<u8>, SiliconError> {
        let signature = key.sign(&self.0)?;
        let (r, s) = signature.split_at(signature.len().div_euclid(2));
        let mut report = self.0.clone();
        report.resize(SIZE, 0);
        put(&mut report, SIGNATURE_R, &reversed(r));
        put(&mut report, SIGNATURE_S, &reversed(s));
        Ok(report)
    }
}

/// Writes bytes at an offset, as far as there is room.
pub(super) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(offset).zip(value) {
        *to = *from;
    }
}

/// From big-endian to little-endian.
fn reversed(number: &[u8]) -> Vec<u8> {
    number.iter().rev().copied().collect()
}
