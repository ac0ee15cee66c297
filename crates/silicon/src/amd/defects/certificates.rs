//! Defects of the certificate of the endorsement key, of its chain, and of the revocation list.

use super::super::chip::random_chip_id;
use super::super::keys::{ChipKey, RsaKey};
use super::super::pki::{self, Signature, Template};
use super::super::spec::{ChipSpec, Product, Tcb, VekKind};
use super::super::vek::{
    self, BOOT_LOADER, CSP_ID, HWID, MICROCODE, PRODUCT_NAME, STRUCT_VERSION, extension, identifier,
};
use super::super::vendor::DAY;
use super::{Done, Draft};
use crate::asn1;
use crate::error::SiliconError;
use crate::keys::SigningKey;
use crate::x509::{AUTHORITY_KEY_ID, BASIC_CONSTRAINTS, Extension, SUBJECT_KEY_ID, Window};

/// 1.3.6.1.4.1.99999.1, encoded: nobody's.
const UNKNOWN_EXTENSION: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];
const HOUR: i64 = 60 * 60;

// The certificate of the endorsement key.

pub(super) fn issuer_name(draft: &mut Draft<'_>) -> Done {
    draft.vek().issuer = "SEV-Other".to_owned();
    Ok(())
}

pub(super) fn subject(draft: &mut Draft<'_>, name: &str) -> Done {
    name.clone_into(&mut draft.vek().subject);
    Ok(())
}

pub(super) fn subject_of_other_kind(draft: &mut Draft<'_>) -> Done {
    let name = draft.kind().other().common_name();
    subject(draft, name)
}

pub(super) fn signed_by_stranger(draft: &mut Draft<'_>) -> Done {
    draft.vek_issuer = draft.amd.stranger()?;
    Ok(())
}

pub(super) fn signature(draft: &mut Draft<'_>, signature: Signature) -> Done {
    draft.vek().signature = signature;
    Ok(())
}

pub(super) fn expired(draft: &mut Draft<'_>) -> Done {
    draft.vek().validity = past(draft.now);
    Ok(())
}

pub(super) fn not_yet_valid(draft: &mut Draft<'_>) -> Done {
    draft.vek().validity = future(draft.now);
    Ok(())
}

pub(super) fn p256_key(draft: &mut Draft<'_>) -> Done {
    draft.set_key(ChipKey::P256(SigningKey::generate()?));
    Ok(())
}

pub(super) fn is_ca(draft: &mut Draft<'_>) -> Done {
    let authority = asn1::sequence(&[asn1::boolean(true)]);
    draft.vek().extensions.push(Extension::new(BASIC_CONSTRAINTS, true, authority));
    Ok(())
}

pub(super) fn unknown_critical(draft: &mut Draft<'_>) -> Done {
    let unknown = Extension::new(UNKNOWN_EXTENSION, true, asn1::octets(b"unknown"));
    draft.vek().extensions.push(unknown);
    Ok(())
}

/// One more than the report says.
pub(super) fn spl_too_high(draft: &mut Draft<'_>, arcs: &[u8], spl: fn(Tcb) -> u8) -> Done {
    let higher = u16::from(spl(draft.chip.spec.tcb)).saturating_add(1);
    set(draft, arcs, &asn1::unsigned(&higher.to_be_bytes()))
}

/// The one byte alone, whose first bit is then the sign.
pub(super) fn microcode_negative(draft: &mut Draft<'_>) -> Done {
    const INTEGER: u8 = 0x02;
    let microcode = draft.chip.spec.tcb.microcode;
    set(draft, MICROCODE, &asn1::tlv(INTEGER, &[microcode]))
}

pub(super) fn missing(draft: &mut Draft<'_>, arcs: &[u8]) -> Done {
    let identifier = identifier(arcs);
    draft.vek().extensions.retain(|extension| extension.oid != identifier);
    Ok(())
}

pub(super) fn struct_version_of_other_family(draft: &mut Draft<'_>) -> Done {
    let other = vek::struct_version(draft.product()) ^ 1;
    set(draft, STRUCT_VERSION, &asn1::unsigned(&[other]))
}

pub(super) fn product_name_of_other(draft: &mut Draft<'_>) -> Done {
    let name = vek::product_name(draft.product().other(), draft.kind());
    set(draft, PRODUCT_NAME, &asn1::ia5(name))
}

pub(super) fn hwid_of_other_chip(draft: &mut Draft<'_>) -> Done {
    let id = random_chip_id(draft.product())?;
    set(draft, HWID, vek::hwid(draft.chip.spec.product, &id))
}

/// The last byte is missing.
pub(super) fn hwid_short(draft: &mut Draft<'_>) -> Done {
    let hwid = vek::hwid(draft.chip.spec.product, &draft.chip.chip_id).split_last();
    let shorter = hwid.map(|(_, shorter)| shorter.to_vec()).unwrap_or_default();
    set(draft, HWID, &shorter)
}

pub(super) fn spl_twice(draft: &mut Draft<'_>) -> Done {
    let spl = asn1::unsigned(&[draft.chip.spec.tcb.boot_loader]);
    draft.vek().extensions.push(extension(BOOT_LOADER, spl));
    Ok(())
}

pub(super) fn add_csp_id(draft: &mut Draft<'_>) -> Done {
    let csp_id = asn1::ia5(&draft.chip.spec.csp_id);
    draft.vek().extensions.push(extension(CSP_ID, csp_id));
    Ok(())
}

pub(super) fn add_hwid(draft: &mut Draft<'_>) -> Done {
    let hwid = vek::hwid(draft.chip.spec.product, &draft.chip.chip_id).to_vec();
    draft.vek().extensions.push(extension(HWID, hwid));
    Ok(())
}

/// Replaces the value of an extension under AMD's arc.
fn set(draft: &mut Draft<'_>, arcs: &[u8], value: &[u8]) -> Done {
    set_value(draft.vek(), &identifier(arcs), value);
    Ok(())
}

fn set_value(template: &mut Template, oid: &[u8], value: &[u8]) {
    for extension in template.extensions.iter_mut().filter(|extension| extension.oid == oid) {
        extension.value = value.to_vec();
    }
}

// Who issued the certificate, and the chain.

/// The certificate of another chip of the same kind in place of the chip's own.
pub(super) fn of_other_chip(draft: &mut Draft<'_>) -> Done {
    let spec = ChipSpec { chip_id: None, ..draft.chip.spec.clone() };
    draft.chip.template = draft.amd.chip(&spec, draft.now)?.template;
    Ok(())
}

/// A Milan becomes a Genoa and the reverse: their TCBs and chip ids look the same. The key stays the chip's.
pub(super) fn of_other_product(draft: &mut Draft<'_>) -> Done {
    let product = match draft.product() {
        Product::Genoa => Product::Milan,
        Product::Milan | Product::Turin => Product::Genoa,
    };
    let spec = ChipSpec { product, chip_id: Some(draft.chip.chip_id), ..draft.chip.spec.clone() };
    let other = draft.amd.chip(&spec, draft.now)?;
    let public_key = draft.chip.template.public_key.clone();
    draft.chip.template = Template { public_key, ..other.template };
    draft.chip.chain = other.chain;
    draft.vek_issuer = draft.amd.intermediate(product, spec.kind)?.key.clone();
    Ok(())
}

pub(super) fn issued_by_other_intermediate(draft: &mut Draft<'_>) -> Done {
    let (product, other) = (draft.product(), draft.kind().other());
    draft.amd.require(product, other)?;
    let issuer = draft.amd.intermediate(product, other)?.clone();
    draft.vek().issuer = pki::intermediate_name(product, other);
    draft.vek_issuer = issuer.key;
    let root = draft.amd.root(product)?.certificate.clone();
    draft.chip.chain = vec![issuer.certificate, root];
    Ok(())
}

pub(super) fn issued_by_root(draft: &mut Draft<'_>) -> Done {
    let product = draft.product();
    draft.vek().issuer = pki::ark_name(product);
    draft.vek_issuer = draft.amd.root(product)?.key.clone();
    Ok(())
}

/// A chain of the same names. A forger can copy everything but keys: `identifiers` says whether the key ids are the
/// real ones.
pub(super) fn self_made_chain(draft: &mut Draft<'_>, identifiers: Identifiers) -> Done {
    let forger = draft.amd.stranger()?;
    let intermediate = forged_intermediate(draft, &forger, identifiers)?;
    let mut root = draft.amd.root(draft.chip.spec.product)?.template.clone();
    forge(&mut root, &forger, identifiers);
    draft.chip.chain = vec![intermediate, root.sign(&forger)?];
    draft.vek_issuer = forger;
    Ok(())
}

/// The same, with the real root in its place.
pub(super) fn self_made_intermediate(draft: &mut Draft<'_>) -> Done {
    let forger = draft.amd.stranger()?;
    let intermediate = forged_intermediate(draft, &forger, Identifiers::Real)?;
    let root = draft.amd.root(draft.chip.spec.product)?.certificate.clone();
    draft.chip.chain = vec![intermediate, root];
    draft.vek_issuer = forger;
    Ok(())
}

/// Which key ids a forged certificate has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Identifiers {
    /// Those of its keys.
    Own,
    /// Those of the certificate that it imitates.
    Real,
}

fn forged_intermediate(
    draft: &Draft<'_>,
    forger: &RsaKey,
    identifiers: Identifiers,
) -> Result<Vec<u8>, SiliconError> {
    let mut template = draft.amd.intermediate(draft.product(), draft.kind())?.template.clone();
    forge(&mut template, forger, identifiers);
    template.sign(forger)
}

fn forge(template: &mut Template, forger: &RsaKey, identifiers: Identifiers) {
    template.public_key = pki::rsa_public_key(forger);
    if identifiers == Identifiers::Own {
        for (oid, extension) in
            [(SUBJECT_KEY_ID, pki::subject_key_id(forger)), (AUTHORITY_KEY_ID, pki::authority_key_id(forger))]
        {
            set_value(template, oid, &extension.value);
        }
    }
}

pub(super) fn intermediate_of_other_product(draft: &mut Draft<'_>) -> Done {
    let (other, kind) = (draft.product().other(), draft.kind());
    draft.amd.require(other, kind)?;
    let intermediate = draft.amd.intermediate(other, kind)?.certificate.clone();
    let root = draft.amd.root(draft.chip.spec.product)?.certificate.clone();
    draft.chip.chain = vec![intermediate, root];
    Ok(())
}

// The revocation list.

pub(super) fn crl_revokes(draft: &mut Draft<'_>) -> Done {
    draft.crl.revoked = vec![pki::intermediate_serial(draft.product(), draft.kind())];
    Ok(())
}

pub(super) fn crl_expired(draft: &mut Draft<'_>) -> Done {
    draft.crl.validity = past(draft.now);
    Ok(())
}

pub(super) fn crl_from_future(draft: &mut Draft<'_>) -> Done {
    draft.crl.validity = future(draft.now);
    Ok(())
}

pub(super) fn crl_signed_by_intermediate(draft: &mut Draft<'_>) -> Done {
    draft.crl_issuer = draft.amd.intermediate(draft.product(), draft.kind())?.key.clone();
    Ok(())
}

/// Genuine, but the list of another ARK.
pub(super) fn crl_of_other_product(draft: &mut Draft<'_>) -> Done {
    let other = draft.product().other();
    draft.amd.require(other, VekKind::Vcek)?;
    draft.crl = draft.amd.crl_template(other, draft.now)?;
    draft.crl_issuer = draft.amd.root(other)?.key.clone();
    Ok(())
}

/// Ended an hour ago.
const fn past(now: i64) -> Window {
    Window { from: now.saturating_sub(30 * DAY), to: now.saturating_sub(HOUR) }
}

/// Begins tomorrow.
const fn future(now: i64) -> Window {
    Window { from: now.saturating_add(DAY), to: now.saturating_add(30 * DAY) }
}
