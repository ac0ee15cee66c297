//! Defects of the signer's chain and of the name that it must fit.

use super::Done;
use crate::asn1;
use crate::uvm::keys::{Key, Kind};
use crate::uvm::message::ChainDraft;
use crate::uvm::pki::{self, EXTENDED_KEY_USAGE, Template, UVM_SIGNING};
use crate::uvm::{UvmSigner, did_of};
use crate::x509::{Extension, KEY_USAGE, Window};

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
/// 1.3.6.1.4.1.99999.1, in a range that nobody uses, encoded.
const UNKNOWN_EXTENSION: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];
/// 1.3.6.1.5.5.7.3.3, for code.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

/// A critical extension that no verifier knows.
pub(super) fn unknown_critical() -> Extension {
    Extension::new(UNKNOWN_EXTENSION, true, asn1::octets(b"unknown"))
}

/// A validity that ended an hour ago.
pub(super) const fn expired(now: i64) -> Window {
    Window { from: now.saturating_sub(2 * HOUR), to: now.saturating_sub(HOUR) }
}

/// One that begins tomorrow.
const fn future(now: i64) -> Window {
    Window { from: now.saturating_add(DAY), to: now.saturating_add(30 * DAY) }
}

pub(super) fn leaf_signature(draft: &mut ChainDraft) -> Done {
    draft.leaf_issuer = Key::generate(Kind::P384)?;
    Ok(())
}

pub(super) fn ca_signature(draft: &mut ChainDraft) -> Done {
    draft.ca_issuer = Key::generate(Kind::P384)?;
    Ok(())
}

pub(super) fn leaf_issuer(draft: &mut ChainDraft) -> Done {
    pki::ROOT_CN.clone_into(&mut draft.leaf.issuer);
    Ok(())
}

pub(super) fn leaf_is_ca(draft: &mut ChainDraft) -> Done {
    draft.leaf.set(pki::constraints(true, None));
    Ok(())
}

pub(super) fn leaf_key_usage(draft: &mut ChainDraft) -> Done {
    // keyEncipherment: bit 2.
    draft.leaf.set(Extension::new(KEY_USAGE, true, asn1::bits(5, &[0b0010_0000])));
    Ok(())
}

pub(super) fn leaf_without_key_usage(draft: &mut ChainDraft) -> Done {
    draft.leaf.remove(KEY_USAGE);
    Ok(())
}

pub(super) fn ca_is_no_ca(draft: &mut ChainDraft) -> Done {
    draft.ca.set(pki::constraints(false, None));
    Ok(())
}

pub(super) fn ca_key_usage(draft: &mut ChainDraft) -> Done {
    // cRLSign: bit 6.
    draft.ca.set(Extension::new(KEY_USAGE, true, asn1::bits(1, &[0b0000_0010])));
    Ok(())
}

/// An authority of the CA's, which allows none below it.
pub(super) fn path_length(draft: &mut ChainDraft) -> Done {
    let key = Key::generate(Kind::P384)?;
    let mut between = Template::ca(&key, &draft.signer.ca_key, draft.signer.created)?;
    pki::CA_CN.clone_into(&mut between.issuer);
    "Assay Simulated Other CA".clone_into(&mut between.subject);
    between.subject.clone_into(&mut draft.leaf.issuer);
    draft.between = vec![(between, draft.signer.ca_key.clone())];
    draft.leaf_issuer = key;
    Ok(())
}

pub(super) fn leaf_critical(draft: &mut ChainDraft) -> Done {
    draft.leaf.set(unknown_critical());
    Ok(())
}

pub(super) fn ca_critical(draft: &mut ChainDraft) -> Done {
    draft.ca.set(unknown_critical());
    Ok(())
}

pub(super) fn leaf_expired(draft: &mut ChainDraft) -> Done {
    draft.leaf.validity = expired(draft.now);
    Ok(())
}

pub(super) fn leaf_future(draft: &mut ChainDraft) -> Done {
    draft.leaf.validity = future(draft.now);
    Ok(())
}

pub(super) fn ca_expired(draft: &mut ChainDraft) -> Done {
    draft.ca.validity = expired(draft.now);
    Ok(())
}

pub(super) fn purpose(draft: &mut ChainDraft) -> Done {
    draft.leaf.set(pki::purposes(&[CODE_SIGNING]));
    Ok(())
}

pub(super) fn no_purpose(draft: &mut ChainDraft) -> Done {
    draft.leaf.remove(EXTENDED_KEY_USAGE);
    Ok(())
}

pub(super) fn purposes_many(draft: &mut ChainDraft) -> Done {
    draft.leaf.set(pki::purposes(&[[UVM_SIGNING].as_slice(), &[CODE_SIGNING; 32]].concat()));
    Ok(())
}

pub(super) fn leaf_large(draft: &mut ChainDraft) -> Done {
    draft.leaf.set(Extension::new(UNKNOWN_EXTENSION, false, asn1::octets(&[0; 9000])));
    Ok(())
}

/// Another signer's chain and keys, under the name of this one.
pub(super) fn other_root(draft: &mut ChainDraft) -> Done {
    let did = draft.did.clone();
    self_made(draft)?;
    draft.did = did;
    Ok(())
}

/// Another signer's chain, keys and name.
pub(super) fn self_made(draft: &mut ChainDraft) -> Done {
    let other = UvmSigner::generate(draft.signer.created)?;
    *draft = ChainDraft::new(&other, draft.algorithm, draft.now)?;
    Ok(())
}

/// A leaf that vouches for itself: the name has its fingerprint.
pub(super) fn fingerprint_of_leaf(draft: &mut ChainDraft) -> Done {
    let leaf = draft.leaf.sign(&draft.leaf_issuer)?;
    draft.did = did_of(&leaf);
    draft.signed_leaf = Some(leaf);
    Ok(())
}

pub(super) fn key_of_other_kind(draft: &mut ChainDraft) -> Done {
    draft.leaf.key = Key::generate(Kind::Rsa2048)?;
    Ok(())
}

pub(super) fn key_on_other_curve(draft: &mut ChainDraft) -> Done {
    draft.leaf.key = Key::generate(Kind::P256)?;
    Ok(())
}

/// Puts other policies into the name.
fn rename(draft: &mut ChainDraft, policies: &str) -> Done {
    let (authority, _) = draft.did.split_once("::").unwrap_or_default();
    draft.did = format!("{authority}{policies}");
    Ok(())
}

pub(super) fn policy_unknown(draft: &mut ChainDraft) -> Done {
    rename(draft, "::eku:1.3.6.1.4.1.311.76.59.1.2::moon:full")
}

pub(super) fn policy_subject(draft: &mut ChainDraft) -> Done {
    rename(draft, "::subject:O:Assay:CN:Assay%20Simulated")
}

pub(super) fn policy_subject_twice(draft: &mut ChainDraft) -> Done {
    rename(draft, "::subject:O:Assay:2.5.4.10:Assay")
}

pub(super) fn policy_san(draft: &mut ChainDraft) -> Done {
    rename(draft, "::san:dns:example.com")
}

pub(super) fn policy_fulcio(draft: &mut ChainDraft) -> Done {
    rename(draft, "::fulcio-issuer:accounts.example.com")
}

pub(super) fn policy_second_fails(draft: &mut ChainDraft) -> Done {
    rename(draft, "::eku:1.3.6.1.4.1.311.76.59.1.2::eku:1.3.6.1.4.1.311.76.59.1.5")
}

pub(super) fn policies_many(draft: &mut ChainDraft) -> Done {
    rename(draft, &"::eku:1.3.6.1.4.1.311.76.59.1.2".repeat(9))
}

pub(super) fn policy_none(draft: &mut ChainDraft) -> Done {
    rename(draft, "")
}

pub(super) fn did_version(draft: &mut ChainDraft) -> Done {
    draft.did = draft.did.replace("x509:0:", "x509:1:");
    Ok(())
}

pub(super) fn did_hash(draft: &mut ChainDraft) -> Done {
    draft.did = draft.did.replace("sha256", "sha1");
    Ok(())
}

pub(super) fn did_method(draft: &mut ChainDraft) -> Done {
    "did:web:example.com".clone_into(&mut draft.did);
    Ok(())
}

pub(super) fn did_long(draft: &mut ChainDraft) -> Done {
    let more = "::eku:1.3.6.1.4.1.311.76.59.1.2".repeat(100);
    draft.did.push_str(&more);
    Ok(())
}
