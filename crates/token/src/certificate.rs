//! X.509 certificates of signers: reading them, and following a chain to a trusted one.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use crate::crypto::{Hash, Scheme};
use crate::error::shown;
use crate::{PublicKey, TokenError};

/// Azure's own signing certificates, which carry an SGX quote, have 5.5 kB; one with an SNP report, its chain and
/// endorsements about 20 kB.
const MAX_CERTIFICATE_BYTES: usize = 65_536;
/// A leaf, four intermediates and a root. The chains seen in the wild have three.
pub(crate) const MAX_CHAIN: usize = 6;

pub(crate) const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const SHA384_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
pub(crate) const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
pub(crate) const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
pub(crate) const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");

/// The `RSASSA-PSS-params` of RFC 4055 for SHA-256, MGF1 with SHA-256 and 32 bytes of salt. Other parameters are
/// legal and not used by anybody we know, so the bytes are compared.
pub(crate) const PSS_SHA256_PARAMETERS: &[u8] = &[
    0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
    0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0xa2, 0x03,
    0x02, 0x01, 0x20,
];

/// Critical extensions whose rules are followed here (basic constraints, key usage) or say nothing about documents
/// (subject alternative name, extended key usage: none is defined for signing policies).
const UNDERSTOOD: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

/// SHA-1 over the DER, upper-case hexadecimal: `x-ms-certificate-thumbprint`.
#[cfg(not(target_arch = "wasm32"))]
#[must_use]
pub fn certificate_thumbprint_sha1_hex(certificate_der: &[u8]) -> String {
    hex::encode_upper(crate::crypto::sha1(certificate_der))
}

/// Finds the trusted certificate that vouches for the first certificate of `chain`.
///
/// A leaf that is itself trusted, byte for byte, needs nothing more: the operator pinned it, and whether its dates
/// still matter is written nowhere, so they are not checked. Any other must lead, signature by signature through
/// the following certificates, to a trusted certificate with `CA:TRUE`, and there every date counts.
pub(crate) fn find_trusted<'t>(
    chain: &[Vec<u8>],
    trusted: &'t [Vec<u8>],
    now: u64,
) -> Result<&'t [u8], TokenError> {
    let leaf = chain.first().ok_or(TokenError::CertificateMissing)?;
    if let Some(pinned) = trusted.iter().find(|certificate| *certificate == leaf) {
        return Ok(pinned);
    }
    let chain = chain.iter().map(|der| Certificate::parse(der)).collect::<Result<Vec<_>, _>>()?;
    let anchors: Vec<_> = trusted
        .iter()
        .filter_map(|der| Some((der, Certificate::parse(der).ok()?)))
        .filter(|(_, certificate)| certificate.is_ca())
        .collect();
    let (path, (der, anchor)) = find_path(&chain, &anchors)?;
    for (below, certificate) in path.iter().chain([anchor]).enumerate() {
        certificate.check_dates(now)?;
        certificate.check_extensions()?;
        match below.checked_sub(1) {
            None => certificate.check_signs_documents()?,
            Some(intermediates) => certificate.check_issues(intermediates)?,
        }
    }
    Ok(der)
}

/// The shortest beginning of the chain whose last certificate was issued by an anchor, and that anchor.
fn find_path<'c, A>(
    chain: &'c [Certificate],
    anchors: &'c [(A, Certificate)],
) -> Result<(&'c [Certificate], (A, &'c Certificate)), TokenError>
where
    A: Copy,
{
    let untrusted = || TokenError::SignerNotTrusted {
        subject: chain.first().map(Certificate::subject).unwrap_or_default(),
    };
    let mut length = 0_usize;
    for (index, certificate) in chain.iter().enumerate() {
        // Each certificate must have been issued by the one that follows it (RFC 7515 section 4.1.6).
        if let Some(previous) = index.checked_sub(1).and_then(|previous| chain.get(previous)) {
            previous.check_issued_by(certificate).map_err(|_| untrusted())?;
        }
        length = length.saturating_add(1);
        if let Some((der, anchor)) =
            anchors.iter().find(|(_, anchor)| certificate.check_issued_by(anchor).is_ok())
        {
            return Ok((chain.get(..length).unwrap_or_default(), (*der, anchor)));
        }
    }
    Err(untrusted())
}

/// A certificate that has been read, and whose key Assay can use.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// The signed bytes as received.
    tbs: Vec<u8>,
    inner: x509_cert::Certificate,
    key: PublicKey,
}

impl Certificate {
    pub(crate) fn parse(der: &[u8]) -> Result<Self, TokenError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(TokenError::TooLarge { part: "certificate", limit: MAX_CERTIFICATE_BYTES });
        }
        let malformed = |_| TokenError::CertificateMalformed { reason: "not X.509 in DER" };
        let inner = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        let tbs = signed_bytes(der).map_err(malformed)?.to_vec();
        if inner.tbs_certificate().signature() != inner.signature_algorithm() {
            return Err(TokenError::CertificateMalformed { reason: "two different signature algorithms" });
        }
        let spki = inner.tbs_certificate().subject_public_key_info().to_der().map_err(malformed)?;
        Ok(Self { tbs, key: PublicKey::from_spki_der(&spki)?, inner })
    }

    pub(crate) const fn key(&self) -> &PublicKey {
        &self.key
    }

    pub(crate) fn into_key(self) -> PublicKey {
        self.key
    }

    /// The subject in the form of RFC 4514, cut for errors.
    pub(crate) fn subject(&self) -> String {
        shown(&self.inner.tbs_certificate().subject().to_string())
    }

    fn is_ca(&self) -> bool {
        self.basic_constraints().is_ok_and(|constraints| constraints.is_some_and(|found| found.ca))
    }

    /// Names, then the signature.
    fn check_issued_by(&self, issuer: &Self) -> Result<(), TokenError> {
        if self.inner.tbs_certificate().issuer() != issuer.inner.tbs_certificate().subject() {
            return Err(TokenError::BadSignature);
        }
        let signature = self.inner.signature().as_bytes().ok_or(TokenError::BadSignature)?;
        issuer.key.verify_scheme(self.scheme()?, &self.tbs, signature)
    }

    fn scheme(&self) -> Result<Scheme, TokenError> {
        let algorithm = self.inner.signature_algorithm();
        let parameters = algorithm.parameters.as_ref().map(AnyRef::from);
        // RFC 4055 section 5 wants NULL and warns of encoders that leave it out; RFC 5758 wants nothing for ECDSA.
        let rsa = parameters.is_none_or(AnyRef::is_null);
        let ecdsa = parameters.is_none();
        let pss = || parameters.is_some_and(|any| any.to_der().is_ok_and(|der| der == PSS_SHA256_PARAMETERS));
        match algorithm.oid {
            SHA256_WITH_RSA if rsa => Ok(Scheme::Pkcs1(Hash::Sha256)),
            SHA384_WITH_RSA if rsa => Ok(Scheme::Pkcs1(Hash::Sha384)),
            SHA512_WITH_RSA if rsa => Ok(Scheme::Pkcs1(Hash::Sha512)),
            RSASSA_PSS if pss() => Ok(Scheme::PssSha256),
            ECDSA_WITH_SHA256 if ecdsa => Ok(Scheme::EcdsaDer(Hash::Sha256)),
            ECDSA_WITH_SHA384 if ecdsa => Ok(Scheme::EcdsaDer(Hash::Sha384)),
            ECDSA_WITH_SHA512 if ecdsa => Ok(Scheme::EcdsaDer(Hash::Sha512)),
            other => Err(TokenError::AlgorithmNotAllowed { algorithm: other.to_string() }),
        }
    }

    fn check_dates(&self, now: u64) -> Result<(), TokenError> {
        let validity = self.inner.tbs_certificate().validity();
        let not_before = validity.not_before.to_unix_duration().as_secs();
        let not_after = validity.not_after.to_unix_duration().as_secs();
        if now < not_before {
            return Err(TokenError::CertificateNotYetValid { subject: self.subject(), not_before, now });
        }
        if now > not_after {
            return Err(TokenError::CertificateExpired { subject: self.subject(), not_after, now });
        }
        Ok(())
    }

    fn check_extensions(&self) -> Result<(), TokenError> {
        let extensions = self.inner.tbs_certificate().extensions();
        let unknown = extensions
            .into_iter()
            .flatten()
            .find(|extension| extension.critical && !UNDERSTOOD.contains(&extension.extn_id));
        unknown.map_or(Ok(()), |extension| {
            let oid = extension.extn_id.to_string();
            Err(TokenError::CriticalExtension { subject: self.subject(), oid })
        })
    }

    fn check_signs_documents(&self) -> Result<(), TokenError> {
        match self.key_usage()? {
            Some(usage) if !usage.digital_signature() && !usage.non_repudiation() => {
                Err(TokenError::KeyUsage { subject: self.subject() })
            }
            _ => Ok(()),
        }
    }

    /// RFC 5280 section 6.1.4 (k), (m) and (n), with `intermediates` certificates between this one and the leaf.
    fn check_issues(&self, intermediates: usize) -> Result<(), TokenError> {
        let refuse = |reason| Err(TokenError::NotAnIssuer { subject: self.subject(), reason });
        let Some(constraints) = self.basic_constraints()?.filter(|constraints| constraints.ca) else {
            return refuse("it is not a certificate authority");
        };
        if constraints.path_len_constraint.is_some_and(|allowed| usize::from(allowed) < intermediates) {
            return refuse("too many certificates below it");
        }
        if self.key_usage()?.is_some_and(|usage| !usage.key_cert_sign()) {
            return refuse("its key usage forbids it");
        }
        Ok(())
    }

    fn basic_constraints(&self) -> Result<Option<BasicConstraints>, TokenError> {
        self.inner
            .tbs_certificate()
            .get_extension::<BasicConstraints>()
            .map(|found| found.map(|(_, constraints)| constraints))
            .map_err(|_| TokenError::CertificateMalformed { reason: "unreadable basic constraints" })
    }

    fn key_usage(&self) -> Result<Option<KeyUsage>, TokenError> {
        self.inner
            .tbs_certificate()
            .get_extension::<KeyUsage>()
            .map(|found| found.map(|(_, usage)| usage))
            .map_err(|_| TokenError::CertificateMalformed { reason: "unreadable key usage" })
    }
}

/// The first element of the outer sequence, as it stands in the text.
fn signed_bytes(der: &[u8]) -> der::Result<&[u8]> {
    let outer = AnyRef::from_der(der)?;
    SliceReader::new(outer.value())?.tlv_bytes()
}
