//! Defects that strike the finished report: its key does not sign them. Offsets: see the layout in `report`.

use super::super::report::{
    COMMITTED_TCB, COMPONENT_SIZE, CURRENT_TCB, KEY_INFO, SIGNATURE_R, SIGNATURE_S, put,
};
use super::Sample;

/// The order of P-384 (FIPS 186-5 and SP 800-186, section 3.2.1.4), little-endian.
const ORDER: [u8; 48] = [
    0x73, 0x29, 0xc5, 0xcc, 0x6a, 0x19, 0xec, 0xec, 0x7a, 0xa7, 0xb0, 0x48, 0xb2, 0x0d, 0x1a, 0x58, 0xdf,
    0x2d, 0x37, 0xf4, 0x81, 0x4d, 0x63, 0xc7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];
/// The microcode is the last byte of a TCB on every product.
const MICROCODE: usize = 7;
/// KEY_INFO of a chip that does not use its key: MASK_CHIP_KEY, SIGNING_KEY 7.
const MASKED: u32 = 0b1_1110;

/// Flips the lowest bit of one byte.
pub(super) fn flip(sample: &mut Sample, offset: usize) {
    if let Some(byte) = sample.report.get_mut(offset) {
        *byte ^= 1;
    }
}

/// Sets the lowest bit of the microcode that is not set, so that what runs is newer.
pub(super) fn newer_current(sample: &mut Sample) {
    if let Some(byte) = sample.report.get_mut(CURRENT_TCB.saturating_add(MICROCODE)) {
        *byte |= byte.saturating_add(1);
    }
}

/// Clears the lowest bit of the microcode that is set, so that what is committed is older.
pub(super) fn older_committed(sample: &mut Sample) {
    if let Some(byte) = sample.report.get_mut(COMMITTED_TCB.saturating_add(MICROCODE)) {
        *byte &= byte.saturating_sub(1);
    }
}

/// Writes a one where a zero must be.
pub(super) fn put_one(sample: &mut Sample, offset: usize) {
    put(&mut sample.report, offset, &[1]);
}

pub(super) fn zero(sample: &mut Sample, offset: usize) {
    put(&mut sample.report, offset, &[0; COMPONENT_SIZE]);
}

pub(super) fn order(sample: &mut Sample, offset: usize) {
    zero(sample, offset);
    put(&mut sample.report, offset, &ORDER);
}

pub(super) fn masked_and_unsigned(sample: &mut Sample) {
    put(&mut sample.report, KEY_INFO, &MASKED.to_le_bytes());
    zero(sample, SIGNATURE_R);
    zero(sample, SIGNATURE_S);
}

pub(super) fn truncated(sample: &mut Sample) {
    sample.report.pop();
}

pub(super) fn trailing(sample: &mut Sample) {
    sample.report.push(0);
}

pub(super) fn empty(sample: &mut Sample) {
    sample.report.clear();
}
