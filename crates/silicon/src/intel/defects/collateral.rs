//! Defects of revocation lists and of the documents that Intel signs.

use super::certificates::{expired, future, unknown_critical};
use super::{Draft, Sample, change_last_digit};
use crate::error::SiliconError;
use crate::intel::collateral::{DocumentDraft, pck_crl};
use crate::intel::vendor::Intel;
use crate::keys::SigningKey;

type Done = Result<(), SiliconError>;

/// Deeper than any parser that recurses can go, and still only 20 KB.
const BOMB_DEPTH: usize = 10_000;

pub(super) fn crl_of_other_ca(draft: &mut Draft) -> Done {
    let other = draft.platform.ca().other();
    let validity = draft.collateral.pck_crl.template.validity;
    draft.collateral.pck_crl = pck_crl(&draft.intel, other, validity);
    draft.collateral.pck_crl_chain =
        vec![draft.intel.authority(other).certificate.clone(), draft.intel.root.certificate.clone()];
    Ok(())
}

pub(super) fn crl_of_other_root(draft: &mut Draft) -> Done {
    let (other, ca) = (Intel::generate(draft.intel.created)?, draft.platform.ca());
    let validity = draft.collateral.pck_crl.template.validity;
    draft.collateral.pck_crl = pck_crl(&other, ca, validity);
    draft.collateral.pck_crl_chain = vec![other.authority(ca).certificate.clone(), other.root.certificate];
    Ok(())
}

pub(super) fn crl_signer(draft: &mut Draft) -> Done {
    draft.collateral.pck_crl.key = SigningKey::generate()?;
    Ok(())
}

pub(super) fn crl_expired(draft: &mut Draft) -> Done {
    draft.collateral.pck_crl.template.validity = expired(draft.now);
    Ok(())
}

pub(super) fn crl_future(draft: &mut Draft) -> Done {
    draft.collateral.pck_crl.template.validity = future(draft.now);
    Ok(())
}

pub(super) fn crl_critical(draft: &mut Draft) -> Done {
    draft.collateral.pck_crl.template.more_extensions.push(unknown_critical());
    Ok(())
}

pub(super) fn root_crl_signer(draft: &mut Draft) -> Done {
    draft.collateral.root_crl.key = SigningKey::generate()?;
    Ok(())
}

pub(super) fn root_crl_expired(draft: &mut Draft) -> Done {
    draft.collateral.root_crl.template.validity = expired(draft.now);
    Ok(())
}

pub(super) fn root_crl_future(draft: &mut Draft) -> Done {
    draft.collateral.root_crl.template.validity = future(draft.now);
    Ok(())
}

pub(super) fn for_tdx(draft: &mut Draft) -> Done {
    draft.collateral.spec.tcb_info_version = 3;
    draft.collateral.tcb_info_form.tdx = true;
    Ok(())
}

pub(super) fn version(draft: &mut Draft) -> Done {
    draft.collateral.tcb_info_form.version = Some(4);
    Ok(())
}

pub(super) fn fmspc(draft: &mut Draft) -> Done {
    draft.collateral.spec.fmspc = *b"OTHER\0";
    Ok(())
}

pub(super) fn pce_id(draft: &mut Draft) -> Done {
    draft.collateral.spec.pce_id = draft.collateral.spec.pce_id.map(|byte| byte ^ 1);
    Ok(())
}

pub(super) fn tcb_info_reserialized(sample: &mut Sample) {
    sample.collateral.tcb_info = reserialized(&sample.collateral.tcb_info);
}

pub(super) fn qe_identity_reserialized(sample: &mut Sample) {
    sample.collateral.qe_identity = reserialized(&sample.collateral.qe_identity);
}

pub(super) fn tcb_info_signature(sample: &mut Sample) {
    change_last_digit(&mut sample.collateral.tcb_info_signature);
}

pub(super) fn qe_identity_signature(sample: &mut Sample) {
    change_last_digit(&mut sample.collateral.qe_identity_signature);
}

pub(super) fn signed_by_pck(draft: &mut Draft) -> Done {
    draft.collateral.tcb_info.key = draft.platform.pck_key.clone();
    Ok(())
}

pub(super) fn issuer_is_pck(draft: &mut Draft) -> Done {
    draft.collateral.tcb_info.key = draft.platform.pck_key.clone();
    draft.collateral.tcb_info.chain.clone_from(&draft.platform.chain);
    Ok(())
}

pub(super) fn qe_issuer_is_pck(draft: &mut Draft) -> Done {
    draft.collateral.qe_identity.key = draft.platform.pck_key.clone();
    draft.collateral.qe_identity.chain.clone_from(&draft.platform.chain);
    Ok(())
}

pub(super) fn tcb_signer_of_other_root(draft: &mut Draft) -> Done {
    sign_by_other_root(&mut draft.collateral.tcb_info, &Intel::generate(draft.intel.created)?);
    Ok(())
}

pub(super) fn qe_signer_of_other_root(draft: &mut Draft) -> Done {
    sign_by_other_root(&mut draft.collateral.qe_identity, &Intel::generate(draft.intel.created)?);
    Ok(())
}

fn sign_by_other_root(document: &mut DocumentDraft, other: &Intel) {
    document.key = other.tcb_signer.key.clone();
    document.chain = vec![other.tcb_signer.certificate.clone(), other.root.certificate.clone()];
}

pub(super) fn tcb_info_expired(draft: &mut Draft) -> Done {
    draft.collateral.tcb_info.dates = expired(draft.now);
    Ok(())
}

pub(super) fn tcb_info_future(draft: &mut Draft) -> Done {
    draft.collateral.tcb_info.dates = future(draft.now);
    Ok(())
}

pub(super) fn qe_identity_expired(draft: &mut Draft) -> Done {
    draft.collateral.qe_identity.dates = expired(draft.now);
    Ok(())
}

pub(super) fn qe_identity_future(draft: &mut Draft) -> Done {
    draft.collateral.qe_identity.dates = future(draft.now);
    Ok(())
}

pub(super) fn tcb_info_duplicate(draft: &mut Draft) -> Done {
    draft.collateral.tcb_info.edit = duplicate_status;
    Ok(())
}

pub(super) fn qe_identity_duplicate(draft: &mut Draft) -> Done {
    draft.collateral.qe_identity.edit = duplicate_status;
    Ok(())
}

pub(super) fn tcb_info_bomb(draft: &mut Draft) -> Done {
    draft.collateral.tcb_info.edit = nesting_bomb;
    Ok(())
}

pub(super) fn qe_identity_bomb(draft: &mut Draft) -> Done {
    draft.collateral.qe_identity.edit = nesting_bomb;
    Ok(())
}

pub(super) fn components_short(draft: &mut Draft) -> Done {
    draft.collateral.tcb_info_form.short = true;
    Ok(())
}

pub(super) fn component_missing(draft: &mut Draft) -> Done {
    draft.collateral.tcb_info_form.without_first_svn = true;
    Ok(())
}

pub(super) fn no_level(draft: &mut Draft) -> Done {
    let levels = &mut draft.collateral.spec.tcb_levels;
    levels.truncate(1);
    for level in levels {
        (level.components, level.pce_svn) = ([u8::MAX; 16], u16::MAX);
    }
    Ok(())
}

pub(super) fn status_unknown(draft: &mut Draft) -> Done {
    set_status(draft, "Fine");
    Ok(())
}

pub(super) fn revoked(draft: &mut Draft) -> Done {
    set_status(draft, "Revoked");
    Ok(())
}

fn set_status(draft: &mut Draft, status: &str) {
    for level in &mut draft.collateral.spec.tcb_levels {
        level.status = status.to_owned();
    }
}

pub(super) fn qve(draft: &mut Draft) -> Done {
    draft.collateral.spec.qe_identity.id = "QVE".to_owned();
    Ok(())
}

pub(super) fn td_qe(draft: &mut Draft) -> Done {
    draft.collateral.spec.qe_identity.id = "TD_QE".to_owned();
    Ok(())
}

pub(super) fn qe_no_level(draft: &mut Draft) -> Done {
    let levels = &mut draft.collateral.spec.qe_identity.levels;
    levels.truncate(1);
    for level in levels {
        level.isv_svn = u16::MAX;
    }
    Ok(())
}

pub(super) fn qe_status_unknown(draft: &mut Draft) -> Done {
    set_qe_status(draft, "Fine");
    Ok(())
}

pub(super) fn qe_revoked(draft: &mut Draft) -> Done {
    set_qe_status(draft, "Revoked");
    Ok(())
}

fn set_qe_status(draft: &mut Draft, status: &str) {
    for level in &mut draft.collateral.spec.qe_identity.levels {
        level.status = status.to_owned();
    }
}

/// The same JSON, with one more space.
fn reserialized(text: &str) -> String {
    text.replacen(':', ": ", 1)
}

/// A parser that takes the first of two members and one that takes the last disagree about the first level.
fn duplicate_status(text: String) -> String {
    text.replacen("\"tcbStatus\":", "\"tcbStatus\":\"Revoked\",\"tcbStatus\":", 1)
}

fn nesting_bomb(mut text: String) -> String {
    text.pop();
    format!("{text},\"extra\":{}{}}}", "[".repeat(BOMB_DEPTH), "]".repeat(BOMB_DEPTH))
}
