//! The signatures of an endorsement, from the authority that its issuer names down to the message.
//!
//! They cost a hundred times what all other checks do, and an endorsement comes from anybody. So none is verified while
//! something cheaper has refused the endorsement for good, and the first one that is not valid is the last one that is looked
//! at: before it every key is vouched for, after it every key is the sender's.

use super::chain::Chain;
use super::content::{self, Content};
use super::cose::Message;
use super::did::{self, Resolved};
use super::error::UvmError;
use super::issuers::TrustedIssuers;
use crate::crypto::{Scheme, SignatureKey};
use crate::x509::PublicKey;

/// What can be told of an endorsement without its signatures.
pub(super) struct Parts<'a> {
    pub(super) message: &'a Message,
    pub(super) envelope_problems: Vec<UvmError>,
    pub(super) chain: Option<Chain<'a>>,
    pub(super) chain_problems: Vec<UvmError>,
    pub(super) content: Content,
    /// What the issuer's name says of the chain, if both can be read.
    pub(super) name: Option<Resolved>,
}

/// What came of the signatures.
pub(super) enum Proof<'a> {
    /// All are valid: the chain's, and the leaf's over the message.
    Holds(&'a Chain<'a>),
    /// One of the chain is not valid.
    Chain(UvmError),
    /// The leaf's is not valid.
    Message(UvmError),
    /// None was verified, and why.
    NotMade(&'static str),
}

impl<'a> Parts<'a> {
    pub(super) fn read(message: &'a Message) -> Self {
        let (chain, chain_problems) = match Chain::read(message) {
            Ok(chain) => {
                let problems = chain.check();
                (Some(chain), problems)
            }
            Err(problems) => (None, problems),
        };
        let content = content::read(message);
        let name = match (&content.claims, &chain) {
            (Some(claims), Some(chain)) => Some(did::check(&claims.issuer, chain)),
            _ => None,
        };
        Self { message, envelope_problems: message.problems(), chain, chain_problems, content, name }
    }

    /// Verifies the signatures if that can still be of use.
    pub(super) fn prove(&self, issuers: &TrustedIssuers) -> Proof<'_> {
        let (chain, scheme, authority) = match self.grounds(issuers) {
            Ok(grounds) => grounds,
            Err(reason) => return Proof::NotMade(reason),
        };
        if let Some(error) = chain.check_signatures(authority) {
            return Proof::Chain(error);
        }
        match check_signature(self.message, chain, scheme) {
            Ok(()) => Proof::Holds(chain),
            Err(error) => Proof::Message(error),
        }
    }

    /// What the signatures are verified with, or why they are not.
    fn grounds(&self, issuers: &TrustedIssuers) -> Result<(&Chain<'a>, Scheme, usize), &'static str> {
        let scheme = self.message.scheme().ok().filter(|_| self.envelope_problems.is_empty());
        let scheme = scheme.ok_or("the envelope is not accepted")?;
        let chain = self.chain.as_ref().ok_or("the chain cannot be read")?;
        let claims = self.content.claims.as_ref().filter(|_| self.content.problems.is_empty());
        let claims = claims.ok_or("the content cannot be read")?;
        if !issuers.has(&claims.issuer, &claims.feed) {
            return Err("the issuer is not trusted for the feed");
        }
        let authority = self.name.as_ref().and_then(|name| name.authority);
        let authority = authority.ok_or("the issuer's name is not that of an authority in the chain")?;
        if !chain.has_accepted_keys() {
            return Err("a key of the chain is not accepted");
        }
        Ok((chain, scheme, authority))
    }
}

fn check_signature(message: &Message, chain: &Chain<'_>, scheme: Scheme) -> Result<(), UvmError> {
    let key = match (chain.leaf.public_key, scheme) {
        (PublicKey::P256(point), Scheme::EcdsaP256Sha256Fixed) => &point[..],
        (PublicKey::P384(point), Scheme::EcdsaP384Sha384Fixed) => &point[..],
        (PublicKey::Rsa(key), Scheme::RsaPssSha256 | Scheme::RsaPssSha384 | Scheme::RsaPssSha512) => key,
        _ => return Err(UvmError::KeyType),
    };
    let key = SignatureKey::new(scheme, key).ok_or(UvmError::KeyType)?;
    if key.verify(&message.signed_bytes(), message.signature()) { Ok(()) } else { Err(UvmError::Signature) }
}
