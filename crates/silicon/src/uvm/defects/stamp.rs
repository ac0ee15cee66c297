//! Defects of the time-stamp. Its signature covers all of them but the last ones.

use super::Done;
use super::certificates::{expired, unknown_critical};
use crate::asn1;
use crate::uvm::cbor::Cbor;
use crate::uvm::keys::{Key, Kind};
use crate::uvm::pki::{self, TIME_STAMPING, UVM_SIGNING};
use crate::uvm::time_stamp::{SIGNING_CERTIFICATE, StampDraft};
use crate::x509::{Extension, KEY_USAGE};

const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a]; // 1.3.14.3.2.26
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01]; // 1.2.840.113549.1.7.1

pub(super) fn other_signature(draft: &mut StampDraft) -> Done {
    draft.stamped.push(0);
    Ok(())
}

pub(super) fn future(draft: &mut StampDraft) -> Done {
    draft.time = draft.time.saturating_add(60);
    Ok(())
}

pub(super) fn version(draft: &mut StampDraft) -> Done {
    draft.version = 2;
    Ok(())
}

pub(super) fn imprint_hash(draft: &mut StampDraft) -> Done {
    draft.imprint_hash = SHA1.to_vec();
    Ok(())
}

pub(super) fn extensions(draft: &mut StampDraft) -> Done {
    draft.more_info = asn1::context(1, &unknown_critical().encode());
    Ok(())
}

/// A whole service of somebody else's.
pub(super) fn authority(draft: &mut StampDraft) -> Done {
    let key = Key::generate(Kind::Rsa2048)?;
    draft.pca.key = key.clone();
    draft.tsa_issuer = key;
    Ok(())
}

pub(super) fn tsa_signature(draft: &mut StampDraft) -> Done {
    draft.tsa_issuer = Key::generate(Kind::Rsa2048)?;
    Ok(())
}

pub(super) fn pca_no_ca(draft: &mut StampDraft) -> Done {
    draft.pca.set(pki::constraints(false, None));
    Ok(())
}

pub(super) fn no_purpose(draft: &mut StampDraft) -> Done {
    draft.tsa.remove(pki::EXTENDED_KEY_USAGE);
    Ok(())
}

pub(super) fn more_purposes(draft: &mut StampDraft) -> Done {
    draft.tsa.set(pki::purposes(&[TIME_STAMPING, UVM_SIGNING]));
    Ok(())
}

pub(super) fn key_usage(draft: &mut StampDraft) -> Done {
    // keyEncipherment: bit 2.
    draft.tsa.set(Extension::new(KEY_USAGE, true, asn1::bits(5, &[0b0010_0000])));
    Ok(())
}

pub(super) fn critical(draft: &mut StampDraft) -> Done {
    draft.tsa.set(unknown_critical());
    Ok(())
}

pub(super) fn tsa_expired(draft: &mut StampDraft) -> Done {
    draft.tsa.validity = expired(draft.time);
    Ok(())
}

pub(super) fn pca_expired(draft: &mut StampDraft) -> Done {
    draft.pca.validity = expired(draft.time);
    Ok(())
}

pub(super) fn ecdsa_key(draft: &mut StampDraft) -> Done {
    draft.tsa.key = Key::generate(Kind::P384)?;
    draft.token_key = draft.tsa.key.clone();
    Ok(())
}

pub(super) fn other_key(draft: &mut StampDraft) -> Done {
    draft.token_key = Key::generate(Kind::Rsa2048)?;
    Ok(())
}

pub(super) fn signature(draft: &mut StampDraft) -> Done {
    draft.wrong_signature = true;
    Ok(())
}

pub(super) fn digest(draft: &mut StampDraft) -> Done {
    draft.wrong_digest = true;
    Ok(())
}

pub(super) fn content_type(draft: &mut StampDraft) -> Done {
    draft.content_type = DATA.to_vec();
    Ok(())
}

pub(super) fn certificate(draft: &mut StampDraft) -> Done {
    draft.wrong_certificate = true;
    Ok(())
}

pub(super) fn certificate_sha1(draft: &mut StampDraft) -> Done {
    draft.signing_certificate = SIGNING_CERTIFICATE.to_vec();
    Ok(())
}

pub(super) fn no_certificates(draft: &mut StampDraft) -> Done {
    draft.carries_certificates = false;
    Ok(())
}

pub(super) fn no_attributes(draft: &mut StampDraft) -> Done {
    draft.has_attributes = false;
    Ok(())
}

pub(super) fn two_signers(draft: &mut StampDraft) -> Done {
    draft.signers = 2;
    Ok(())
}

pub(super) fn no_signer(draft: &mut StampDraft) -> Done {
    draft.signers = 0;
    Ok(())
}

pub(super) fn trailing(draft: &mut StampDraft) -> Done {
    draft.trailing = vec![0];
    Ok(())
}

pub(super) fn text(_: Vec<u8>) -> Cbor {
    Cbor::text("moon")
}

pub(super) fn empty(_: Vec<u8>) -> Cbor {
    Cbor::Bytes(Vec::new())
}
