//! Defects of the report that its endorsement key signs. Offsets: see the layout in `report`.

use super::super::chip::random_chip_id;
use super::super::report::{
    CHIP_ID, COMMITTED_TCB, CPUID, CURRENT_TCB, KEY_INFO, LAUNCH_MITIGATIONS, LAUNCH_TCB, POLICY, VERSION,
};
use super::super::spec::{Product, Tcb};
use super::{Done, Draft};

/// Where SIGNING_KEY stands in KEY_INFO, and how wide it is.
const SIGNING_KEY_SHIFT: u32 = 2;
const SIGNING_KEY_MASK: u32 = 0b111 << SIGNING_KEY_SHIFT;

/// Writes a number.
pub(super) fn put_u32(draft: &mut Draft<'_>, offset: usize, value: u32) -> Done {
    draft.report.put_u32(offset, value);
    Ok(())
}

/// Writes a one where a zero must be.
pub(super) fn put_one(draft: &mut Draft<'_>, offset: usize) -> Done {
    draft.report.put(offset, &[1]);
    Ok(())
}

/// Flips one bit of the 32-bit number at an offset.
pub(super) fn flip_bit(draft: &mut Draft<'_>, offset: usize, bit: u32) -> Done {
    let flipped = draft.report.u32(offset) ^ (1 << bit);
    put_u32(draft, offset, flipped)
}

/// Flips one bit of the upper half of the policy; the lower half has an offset of its own.
pub(super) fn flip_upper_policy_bit(draft: &mut Draft<'_>, bit: u32) -> Done {
    flip_bit(draft, POLICY.saturating_add(4), bit)
}

pub(super) fn signing_key(draft: &mut Draft<'_>, number: u32) -> Done {
    let others = draft.report.u32(KEY_INFO) & !SIGNING_KEY_MASK;
    put_u32(draft, KEY_INFO, others | (number << SIGNING_KEY_SHIFT))
}

pub(super) fn signing_key_of_other_kind(draft: &mut Draft<'_>) -> Done {
    let number = draft.kind().other().signing_key();
    signing_key(draft, number)
}

/// Version 2 has no CPUID.
pub(super) fn cpuid_in_version_2(draft: &mut Draft<'_>) -> Done {
    draft.report.put(LAUNCH_MITIGATIONS, &[0; 16]);
    draft.report.put(CPUID, &draft.chip.spec.product.cpuid());
    put_u32(draft, VERSION, 2)
}

/// Version 4 has no mitigation vectors.
pub(super) fn mitigations_in_version_4(draft: &mut Draft<'_>) -> Done {
    draft.report.put(CPUID, &draft.chip.spec.product.cpuid());
    draft.report.put(LAUNCH_MITIGATIONS, &0x3f_u128.to_le_bytes());
    put_u32(draft, VERSION, 4)
}

pub(super) fn cpuid_of_other_product(draft: &mut Draft<'_>) -> Done {
    let cpuid = draft.product().other().cpuid();
    draft.report.put(CPUID, &cpuid);
    Ok(())
}

/// Family 0x17 has no SEV-SNP.
pub(super) fn cpuid_family(draft: &mut Draft<'_>) -> Done {
    draft.report.put(CPUID, &[0x17, 0x31, 0]);
    Ok(())
}

/// The models of a family are not all known.
pub(super) fn cpuid_model(draft: &mut Draft<'_>) -> Done {
    let [family, _, stepping] = draft.product().cpuid();
    draft.report.put(CPUID, &[family, 0x70, stepping]);
    Ok(())
}

pub(super) fn chip_id_masked(draft: &mut Draft<'_>) -> Done {
    draft.report.put(CHIP_ID, &[0; 64]);
    Ok(())
}

pub(super) fn chip_id_of_other_chip(draft: &mut Draft<'_>) -> Done {
    let id = random_chip_id(draft.product())?;
    draft.report.put(CHIP_ID, &id);
    Ok(())
}

/// As one number the TCB that runs is the larger one, for its microcode: components must be compared one by one.
pub(super) fn reported_above_current(draft: &mut Draft<'_>) -> Done {
    let reported = draft.chip.spec.tcb;
    let current = Tcb {
        boot_loader: reported.boot_loader.saturating_sub(1),
        microcode: reported.microcode.saturating_add(1),
        ..reported
    };
    put_tcb(draft, CURRENT_TCB, current);
    put_tcb(draft, COMMITTED_TCB, current);
    put_tcb(draft, LAUNCH_TCB, current);
    Ok(())
}

/// Here, too, the TCB that runs is the larger one as a number.
pub(super) fn committed_above_current(draft: &mut Draft<'_>) -> Done {
    let reported = draft.chip.spec.tcb;
    let current = Tcb { microcode: reported.microcode.saturating_add(1), ..reported };
    let committed = Tcb { boot_loader: reported.boot_loader.saturating_add(1), ..reported };
    put_tcb(draft, CURRENT_TCB, current);
    put_tcb(draft, COMMITTED_TCB, committed);
    Ok(())
}

/// Writes a one into the first byte of a TCB that no component of the product uses.
pub(super) fn tcb_reserved(draft: &mut Draft<'_>, offset: usize) -> Done {
    let unused = match draft.product() {
        Product::Milan | Product::Genoa => 2,
        Product::Turin => 4,
    };
    put_one(draft, offset.saturating_add(unused))
}

fn put_tcb(draft: &mut Draft<'_>, offset: usize, tcb: Tcb) {
    let bytes = tcb.to_bytes(draft.product());
    draft.report.put(offset, &bytes);
}
