//! Endorsements as COSE_Sign1 messages (RFC 9052, section 4.2), before and after signing.

use aws_lc_rs::digest::{self, SHA256};

use super::cbor::{self, Cbor};
use super::keys::Key;
use super::pki::{self, Template};
use super::{Algorithm, EndorsementSpec, Form, UvmSigner};
use crate::error::SiliconError;

// Header parameters (IANA, COSE Header Parameters).
pub(super) const ALGORITHM: Cbor = Cbor::Int(1);
pub(super) const CONTENT_TYPE: Cbor = Cbor::Int(3);
pub(super) const CWT_CLAIMS: Cbor = Cbor::Int(15);
pub(super) const X5CHAIN: Cbor = Cbor::Int(33);
pub(super) const X5T: Cbor = Cbor::Int(34);
pub(super) const PAYLOAD_HASH_ALGORITHM: Cbor = Cbor::Int(258);
pub(super) const PREIMAGE_CONTENT_TYPE: Cbor = Cbor::Int(259);
// COSE algorithms of hashes (RFC 9054).
pub(super) const COSE_SHA256: i64 = -16;
const COSE_SHA384: i64 = -43;
const TAG_EPOCH: u64 = 1;
const TAG_COSE_SIGN1: u64 = 18;

/// The signer's certificates before they are signed.
pub(super) struct ChainDraft {
    pub(super) signer: UvmSigner,
    pub(super) algorithm: Algorithm,
    pub(super) now: i64,
    pub(super) leaf: Template,
    /// Stands in the place of the leaf's certificate, DER.
    pub(super) signed_leaf: Option<Vec<u8>>,
    pub(super) ca: Template,
    /// Authorities between the CA and the leaf, from the leaf upwards, with the keys that sign them.
    pub(super) between: Vec<(Template, Key)>,
    /// Sign the leaf and the CA.
    pub(super) leaf_issuer: Key,
    pub(super) ca_issuer: Key,
    /// The root's certificate, DER.
    pub(super) root: Vec<u8>,
    /// The issuer's name.
    pub(super) did: String,
}

impl ChainDraft {
    pub(super) fn new(signer: &UvmSigner, algorithm: Algorithm, now: i64) -> Result<Self, SiliconError> {
        let key = match algorithm {
            Algorithm::Es384 => signer.leaf_key.clone(),
            other => Key::generate(other.key_kind())?,
        };
        Ok(Self {
            leaf: Template::leaf(&key, &signer.ca_key, now)?,
            signed_leaf: None,
            ca: Template::ca(&signer.ca_key, &signer.root_key, signer.created)?,
            between: Vec::new(),
            leaf_issuer: signer.ca_key.clone(),
            ca_issuer: signer.root_key.clone(),
            root: signer.root.clone(),
            did: signer.did(),
            signer: signer.clone(),
            algorithm,
            now,
        })
    }

    /// Another name of the same authority, for a leaf that says more of itself.
    pub(super) fn rename(&mut self, policies: &str) {
        let (authority, _) = self.did.split_once("::").unwrap_or_default();
        self.did = format!("{authority}::{policies}");
        self.leaf.set(pki::alternative_names());
        self.leaf.set(pki::fulcio_issuer());
    }

    /// Leaf first.
    fn finish(&self) -> Result<Vec<Vec<u8>>, SiliconError> {
        let mut chain = vec![match &self.signed_leaf {
            Some(leaf) => leaf.clone(),
            None => self.leaf.sign(&self.leaf_issuer)?,
        }];
        for (template, key) in &self.between {
            chain.push(template.sign(key)?);
        }
        chain.push(self.ca.sign(&self.ca_issuer)?);
        chain.push(self.root.clone());
        Ok(chain)
    }
}

/// A message before it is signed.
pub(super) struct Draft {
    pub(super) protected: Vec<(Cbor, Cbor)>,
    pub(super) unprotected: Vec<(Cbor, Cbor)>,
    pub(super) payload: Vec<u8>,
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) algorithm: Algorithm,
    pub(super) key: Key,
    pub(super) signed_at: i64,
    /// First item of what is signed, and what is signed beside the message.
    pub(super) context: &'static str,
    pub(super) external: Vec<u8>,
    pub(super) indefinite_length: bool,
}

impl Draft {
    pub(super) fn new(chain: &ChainDraft, spec: &EndorsementSpec) -> Result<Self, SiliconError> {
        let mut draft = Self {
            protected: Vec::new(),
            unprotected: Vec::new(),
            payload: Vec::new(),
            chain: chain.finish()?,
            algorithm: chain.algorithm,
            key: chain.leaf.key.clone(),
            signed_at: spec.signed_at.unwrap_or(chain.now),
            context: "Signature1",
            external: Vec::new(),
            indefinite_length: spec.indefinite_length,
        };
        draft.set(ALGORITHM, Cbor::Int(chain.algorithm.number()));
        draft.set_chain();
        let leaf = draft.chain.first().map(|der| digest::digest(&SHA256, der).as_ref().to_vec());
        let thumbprint = Cbor::Bytes(leaf.unwrap_or_default());
        draft.set(X5T, Cbor::Array(vec![Cbor::Int(COSE_SHA256), thumbprint]));
        match spec.form {
            Form::Legacy => draft.make_legacy(&chain.did, spec),
            Form::Cwt => draft.make_cwt(&chain.did, spec),
        }
        Ok(draft)
    }

    fn make_legacy(&mut self, did: &str, spec: &EndorsementSpec) {
        self.set(CONTENT_TYPE, Cbor::text("application/json"));
        self.set(Cbor::text("iss"), Cbor::text(did));
        self.set(Cbor::text("feed"), Cbor::text(&spec.feed));
        let time = Cbor::Tag(TAG_EPOCH, Box::new(Cbor::Int(self.signed_at)));
        self.set(Cbor::text("signingtime"), time);
        self.set_json(&format!("{:?}", spec.svn.to_string()), &hex::encode(spec.measurement), "");
    }

    fn make_cwt(&mut self, did: &str, spec: &EndorsementSpec) {
        self.set(PAYLOAD_HASH_ALGORITHM, Cbor::Int(COSE_SHA384));
        self.set(PREIMAGE_CONTENT_TYPE, Cbor::text("application/octet-stream"));
        let svn = i64::try_from(spec.svn).unwrap_or(i64::MAX);
        let claims = vec![
            (Cbor::Int(1), Cbor::text(did)),
            (Cbor::Int(2), Cbor::text(&spec.feed)),
            (Cbor::Int(6), Cbor::Int(self.signed_at)),
            (Cbor::text("svn"), Cbor::Int(svn)),
        ];
        self.set(CWT_CLAIMS, Cbor::Map(claims));
        self.payload = spec.measurement.to_vec();
    }

    /// The payload of the older form, with white space as Microsoft's has it.
    pub(super) fn set_json(&mut self, svn: &str, measurement: &str, more: &str) {
        self.payload = format!(
            "{{\n  \"x-ms-sevsnpvm-guestsvn\": {svn},\n  \"x-ms-sevsnpvm-launchmeasurement\": \"{measurement}\"{more}\n}}"
        )
        .into_bytes();
    }

    /// Puts a protected header in the place of the one with the same label.
    pub(super) fn set(&mut self, label: Cbor, value: Cbor) {
        self.remove(&label);
        self.protected.push((label, value));
    }

    pub(super) fn remove(&mut self, label: &Cbor) {
        self.protected.retain(|(other, _)| other != label);
    }

    /// The claims of the newer form.
    pub(super) fn claims(&mut self) -> Option<&mut Vec<(Cbor, Cbor)>> {
        self.protected.iter_mut().find_map(|(label, value)| match value {
            Cbor::Map(claims) if *label == CWT_CLAIMS => Some(claims),
            _ => None,
        })
    }

    /// Writes the certificates to their header.
    pub(super) fn set_chain(&mut self) {
        self.set(X5CHAIN, Cbor::Array(self.chain.iter().cloned().map(Cbor::Bytes).collect()));
    }

    pub(super) fn sign(self) -> Result<Signed, SiliconError> {
        let protected = match self.indefinite_length {
            true => cbor::indefinite_map(&self.protected),
            false => Cbor::Map(self.protected.clone()).encode(),
        };
        let signed = Cbor::Array(vec![
            Cbor::text(self.context),
            Cbor::Bytes(protected.clone()),
            Cbor::Bytes(self.external.clone()),
            Cbor::Bytes(self.payload.clone()),
        ]);
        Ok(Signed {
            signature: self.key.sign_cose(self.algorithm, &signed.encode())?,
            headers: self.protected,
            protected,
            unprotected: self.unprotected,
            payload: Cbor::Bytes(self.payload),
            tag: Some(TAG_COSE_SIGN1),
            trailing: Vec::new(),
        })
    }
}

/// A message after it was signed.
pub(super) struct Signed {
    /// What stands in `protected`.
    pub(super) headers: Vec<(Cbor, Cbor)>,
    /// The bytes that were signed.
    pub(super) protected: Vec<u8>,
    pub(super) unprotected: Vec<(Cbor, Cbor)>,
    pub(super) payload: Cbor,
    pub(super) signature: Vec<u8>,
    pub(super) tag: Option<u64>,
    /// After the message.
    pub(super) trailing: Vec<u8>,
}

impl Signed {
    pub(super) fn encode(self) -> Vec<u8> {
        let message = Cbor::Array(vec![
            Cbor::Bytes(self.protected),
            Cbor::Map(self.unprotected),
            self.payload,
            Cbor::Bytes(self.signature),
        ]);
        let message = match self.tag {
            Some(tag) => Cbor::Tag(tag, Box::new(message)),
            None => message,
        };
        [message.encode(), self.trailing].concat()
    }
}
