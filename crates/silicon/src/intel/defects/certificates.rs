//! Defects of certificates and of what is revoked.

use super::Draft;
use crate::asn1;
use crate::error::SiliconError;
use crate::intel::pck_extension::{self, Entry, FMSPC, SGX_EXTENSION, TCB};
use crate::intel::pki::{self, BASIC_CONSTRAINTS, Extension, KEY_USAGE, ROOT_CN, Role, Window};
use crate::intel::vendor::{DAY, Intel};
use crate::keys::SigningKey;

type Done = Result<(), SiliconError>;

const HOUR: i64 = 60 * 60;
/// 1.3.6.1.4.1.99999.1, in a range that nobody uses, encoded.
const UNKNOWN_EXTENSION: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];

/// A validity or a currency that ended an hour ago.
pub(super) const fn expired(now: i64) -> Window {
    Window { from: now.saturating_sub(2 * HOUR), to: now.saturating_sub(HOUR) }
}

/// One that begins tomorrow.
pub(super) const fn future(now: i64) -> Window {
    Window { from: now.saturating_add(DAY), to: now.saturating_add(30 * DAY) }
}

/// A critical extension that no verifier knows.
pub(super) fn unknown_critical() -> Extension {
    Extension::new(UNKNOWN_EXTENSION, true, asn1::octets(b"unknown"))
}

pub(super) fn self_made_root(draft: &mut Draft) -> Done {
    let other = Intel::generate(draft.intel.created)?;
    let platform = other.platform(&draft.platform.spec, draft.now)?;
    *draft = Draft::new(other, platform, &draft.quote_spec, &draft.collateral.spec, draft.now)?;
    Ok(())
}

pub(super) fn self_made_root_in_quote(draft: &mut Draft) -> Done {
    let genuine = draft.collateral.clone();
    self_made_root(draft)?;
    draft.collateral = genuine;
    Ok(())
}

pub(super) fn tcb_signer_as_pck(draft: &mut Draft) -> Done {
    let signer = &draft.intel.tcb_signer;
    draft.quote.pck_key = signer.key.clone();
    draft.chain = Some(vec![signer.certificate.clone(), draft.root.clone()]);
    Ok(())
}

pub(super) fn issued_by_root(draft: &mut Draft) -> Done {
    let root = &draft.intel.root.key;
    let mut pck = draft.platform.pck.clone();
    pck.issuer = ROOT_CN.to_owned();
    let authority = pki::authority_key_id(root.public());
    pck.set_extension(&authority.oid, &authority.value);
    draft.chain = Some(vec![pck.sign(root)?, draft.root.clone()]);
    Ok(())
}

pub(super) fn pck_signature(draft: &mut Draft) -> Done {
    draft.pck_issuer = SigningKey::generate()?;
    Ok(())
}

pub(super) fn ca_signature(draft: &mut Draft) -> Done {
    let leaf = draft.platform.pck.sign(&draft.pck_issuer)?;
    let ca = draft.ca.sign(&SigningKey::generate()?)?;
    draft.chain = Some(vec![leaf, ca, draft.root.clone()]);
    Ok(())
}

pub(super) fn pck_revoked(draft: &mut Draft) -> Done {
    draft.collateral.pck_crl.template.revoked.push(draft.platform.pck.serial);
    Ok(())
}

pub(super) fn ca_revoked(draft: &mut Draft) -> Done {
    draft.collateral.root_crl.template.revoked.push(draft.ca.serial);
    Ok(())
}

pub(super) fn tcb_signer_revoked(draft: &mut Draft) -> Done {
    draft.collateral.root_crl.template.revoked.push(draft.intel.tcb_signer.template.serial);
    Ok(())
}

pub(super) fn pck_expired(draft: &mut Draft) -> Done {
    draft.platform.pck.validity = expired(draft.now);
    Ok(())
}

pub(super) fn pck_not_yet_valid(draft: &mut Draft) -> Done {
    draft.platform.pck.validity = future(draft.now);
    Ok(())
}

pub(super) fn ca_expired(draft: &mut Draft) -> Done {
    draft.ca.validity = expired(draft.now);
    Ok(())
}

pub(super) fn ca_not_yet_valid(draft: &mut Draft) -> Done {
    draft.ca.validity = future(draft.now);
    Ok(())
}

pub(super) fn root_expired(draft: &mut Draft) -> Done {
    let mut root = draft.intel.root.template.clone();
    root.validity = expired(draft.now);
    draft.root = root.sign(&draft.intel.root.key)?;
    Ok(())
}

pub(super) fn tcb_signer_expired(draft: &mut Draft) -> Done {
    let mut signer = draft.intel.tcb_signer.template.clone();
    signer.validity = expired(draft.now);
    let chain = vec![signer.sign(&draft.intel.root.key)?, draft.root.clone()];
    draft.collateral.tcb_info.chain.clone_from(&chain);
    draft.collateral.qe_identity.chain = chain;
    Ok(())
}

pub(super) fn pck_is_ca(draft: &mut Draft) -> Done {
    let authority = Role::Authority { path_length: 0 }.basic_constraints();
    draft.platform.pck.set_extension(BASIC_CONSTRAINTS, &authority);
    Ok(())
}

pub(super) fn ca_is_no_ca(draft: &mut Draft) -> Done {
    draft.ca.set_extension(BASIC_CONSTRAINTS, &Role::Signer.basic_constraints());
    Ok(())
}

pub(super) fn ca_without_cert_sign(draft: &mut Draft) -> Done {
    // cRLSign alone: bit 6.
    draft.ca.set_extension(KEY_USAGE, &asn1::bits(1, &[0b0000_0010]));
    Ok(())
}

pub(super) fn pck_without_digital_signature(draft: &mut Draft) -> Done {
    // nonRepudiation alone: bit 1.
    draft.platform.pck.set_extension(KEY_USAGE, &asn1::bits(6, &[0b0100_0000]));
    Ok(())
}

pub(super) fn pck_critical(draft: &mut Draft) -> Done {
    draft.platform.pck.extensions.push(unknown_critical());
    Ok(())
}

pub(super) fn ca_critical(draft: &mut Draft) -> Done {
    draft.ca.extensions.push(unknown_critical());
    Ok(())
}

pub(super) fn pck_name(draft: &mut Draft) -> Done {
    draft.platform.pck.subject = "Intel SGX Platform Certificate".to_owned();
    Ok(())
}

pub(super) fn ca_name(draft: &mut Draft) -> Done {
    let name = "Intel SGX PCK Other CA".to_owned();
    draft.ca.subject.clone_from(&name);
    draft.platform.pck.issuer.clone_from(&name);
    draft.collateral.pck_crl.template.issuer = name;
    draft.collateral.pck_crl_chain = vec![draft.ca.sign(&draft.intel.root.key)?, draft.root.clone()];
    Ok(())
}

pub(super) fn without_sgx(draft: &mut Draft) -> Done {
    draft.platform.pck.extensions.retain(|extension| extension.oid != SGX_EXTENSION);
    Ok(())
}

pub(super) fn sgx_twice(draft: &mut Draft) -> Done {
    let again = pck_extension::encode(&draft.platform.sgx_entries());
    draft.platform.pck.extensions.push(Extension::new(SGX_EXTENSION, false, again));
    Ok(())
}

pub(super) fn duplicate_fmspc(draft: &mut Draft) -> Done {
    let mut entries = draft.platform.sgx_entries();
    entries.push((FMSPC, asn1::octets(&[0xa5; 6])));
    set_sgx(draft, &entries);
    Ok(())
}

pub(super) fn without_fmspc(draft: &mut Draft) -> Done {
    let mut entries = draft.platform.sgx_entries();
    entries.retain(|(arc, _)| *arc != FMSPC);
    set_sgx(draft, &entries);
    Ok(())
}

pub(super) fn component_256(draft: &mut Draft) -> Done {
    let spec = &draft.platform.spec;
    let [_, rest @ ..] = spec.cpu_svn_components.map(u16::from);
    let mut components = [256; 16];
    for (to, from) in components.iter_mut().skip(1).zip(rest) {
        *to = from;
    }
    let tcb = pck_extension::tcb(&components, spec.pce_svn, &spec.cpu_svn_components);
    let mut entries = draft.platform.sgx_entries();
    for (_, value) in entries.iter_mut().filter(|(arc, _)| *arc == TCB) {
        value.clone_from(&tcb);
    }
    set_sgx(draft, &entries);
    Ok(())
}

fn set_sgx(draft: &mut Draft, entries: &[Entry]) {
    draft.platform.pck.set_extension(SGX_EXTENSION, &pck_extension::encode(entries));
}
