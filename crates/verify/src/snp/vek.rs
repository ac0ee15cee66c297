//! Endorsement key certificates: VCEK and VLEK.
//!
//! What does not depend on time is verified here and can be remembered: issuer, signature, role, extensions. Dates and
//! revocation are judged at each use, and so is whether the certificate is the one that a report needs.

use std::sync::Arc;

use assay_evidence::snp::{Product, SigningKey, Tcb};
use der::asn1::ObjectIdentifier;
use der::{AnyRef, Decode, Tag, Tagged};

use super::SnpError;
use super::authority::AmdAuthority;
use super::rules::{VEK, VEK_CHAIN, VEK_EXTENSIONS, VEK_ROLE};
use crate::crypto::{Scheme, SignatureKey};
use crate::error::{CertificateRole, VerifyError};
use crate::report::CheckDef;
use crate::time::Window;
use crate::trust::TrustAnchors;
use crate::x509::{Certificate, PublicKey, SignatureAlgorithm};

/// A failed check and why.
pub(super) type Failure = (&'static CheckDef, VerifyError);

const ROLE: CertificateRole = CertificateRole::Vek;
/// Real ones have 1.3 KiB.
const MAX_SIZE: usize = 8 * 1024;
/// Longest common name or provider name that a message repeats.
const MAX_NAME: usize = 64;

/// AMD's extensions (document 57230, table 8; 58369, table 8).
mod oid {
    use super::ObjectIdentifier;
    pub(super) const STRUCT_VERSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.1");
    pub(super) const PRODUCT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.2");
    pub(super) const BOOT_LOADER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.1");
    pub(super) const TEE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.2");
    pub(super) const SNP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.3");
    pub(super) const MICROCODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.8");
    pub(super) const FMC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.9");
    pub(super) const RESERVED: [ObjectIdentifier; 4] = [
        ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.4"),
        ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.5"),
        ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.6"),
        ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.7"),
    ];
    pub(super) const HWID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.4");
    pub(super) const CSP_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.5");
}

/// An endorsement key certificate that a pinned authority issued.
#[derive(Debug)]
pub struct VerifiedVek {
    pub(super) key: SignatureKey,
    pub(super) window: Window,
    pub(super) authority: Arc<AmdAuthority>,
    pub(super) anchors: [u8; 32],
    /// The TCB from which the key was derived.
    pub tcb: Tcb,
    /// The chip, followed by zeros; `None` for a VLEK. Never log it, never store it in the clear.
    pub(super) chip_id: Option<[u8; 64]>,
    /// The provider that loaded the key; `None` for a VCEK.
    pub provider: Option<String>,
}

impl VerifiedVek {
    /// The processors that the key's authority issues for.
    #[must_use]
    pub fn product(&self) -> Product {
        self.authority.product
    }

    /// Who issued it.
    #[must_use]
    pub fn authority(&self) -> &AmdAuthority {
        &self.authority
    }

    /// From when to when the certificate is valid.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The kind of key.
    #[must_use]
    pub fn kind(&self) -> SigningKey {
        self.authority.issues
    }

    /// The chip that the key is of, followed by zeros; `None` for a VLEK. Never log it, never store it in the clear.
    #[must_use]
    pub const fn chip_id(&self) -> Option<&[u8; 64]> {
        self.chip_id.as_ref()
    }
}

/// A verified VEK certificate with the bytes it was made from: what is held for reports that come without one.
#[derive(Clone, Debug)]
pub struct VekCertificate {
    /// The certificate, verified but for dates and revocation.
    pub vek: Arc<VerifiedVek>,
    /// DER.
    pub der: Arc<[u8]>,
}

/// Verifies a certificate, DER, but for dates and revocation.
pub(super) fn verify(der: &[u8], anchors: &TrustAnchors) -> Result<VerifiedVek, Vec<Failure>> {
    let malformed = |problem| vec![(&VEK, VerifyError::CertificateMalformed { role: ROLE, problem })];
    if der.len() > MAX_SIZE {
        return Err(malformed("it is too large"));
    }
    let certificate = Certificate::parse(der).map_err(malformed)?;
    let mut failures = Vec::new();
    let authority = issuer(&certificate, anchors).map_err(|failure| failures.push(failure)).ok();
    let kind = kind(&certificate).map_err(|error| failures.push((&VEK_ROLE, error))).ok();
    if let (Some(authority), Some(kind)) = (authority, kind)
        && authority.issues != kind
    {
        // The ASK issues VCEKs and the ASVK VLEKs.
        let (found, expected) = (kind.as_str(), authority.issues.as_str());
        failures.push((&VEK_ROLE, SnpError::VekKind { found, expected }.into()));
    }
    let key = key(&certificate).map_err(|error| failures.push((&VEK_ROLE, error))).ok();
    failures.extend(check_constraints(&certificate));
    let product = authority.map(|authority| authority.product);
    let extensions = VekExtensions::read(&certificate, product, kind);
    let extensions = extensions.map_err(|errors| failures.extend(errors)).ok();
    match (authority, key, extensions) {
        (Some(authority), Some(key), Some(extensions)) if failures.is_empty() => Ok(VerifiedVek {
            key,
            window: certificate.validity,
            authority: Arc::clone(authority),
            anchors: *anchors.id(),
            tcb: extensions.tcb,
            chip_id: extensions.chip_id,
            provider: extensions.provider,
        }),
        _ => Err(failures),
    }
}

/// The pinned authority that issued the certificate. Simulated ones have the names of real ones, so a name may fit several.
fn issuer<'a>(
    certificate: &Certificate<'_>,
    anchors: &'a TrustAnchors,
) -> Result<&'a Arc<AmdAuthority>, Failure> {
    if certificate.algorithm() != SignatureAlgorithm::RsaPssSha384 {
        let problem = "it is not signed with RSASSA-PSS and SHA-384";
        return Err((&VEK_CHAIN, VerifyError::CertificateMalformed { role: ROLE, problem }));
    }
    let mut named = anchors.amd().iter().filter(|known| known.subject == certificate.issuer).peekable();
    if named.peek().is_none() {
        return Err((&VEK_CHAIN, VerifyError::UntrustedRoot { role: ROLE }));
    }
    let signed = named.find(|known| certificate.is_signed_by(&known.key));
    signed.ok_or((&VEK_CHAIN, VerifyError::CertificateSignature { role: ROLE }))
}

/// VCEKs and VLEKs are told apart by their common name.
fn kind(certificate: &Certificate<'_>) -> Result<SigningKey, VerifyError> {
    match certificate.common_name() {
        Some("SEV-VCEK") => Ok(SigningKey::Vcek),
        Some("SEV-VLEK") => Ok(SigningKey::Vlek),
        other => Err(VerifyError::CertificateName { role: ROLE, found: cut(other.unwrap_or_default()) }),
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

fn key(certificate: &Certificate<'_>) -> Result<SignatureKey, VerifyError> {
    let problem = "its public key is not a point on P-384";
    let error = VerifyError::CertificateMalformed { role: ROLE, problem };
    match certificate.public_key {
        PublicKey::P384(point) => SignatureKey::new(Scheme::EcdsaP384Sha384Fixed, point).ok_or(error),
        _ => Err(error),
    }
}

fn check_constraints(certificate: &Certificate<'_>) -> Vec<Failure> {
    let mut failures = Vec::new();
    if let Some(oid) = certificate.unknown_critical_extension(&[]) {
        failures
            .push((&VEK_ROLE, VerifyError::UnknownCriticalExtension { role: ROLE, oid: oid.to_string() }));
    }
    let problem = match certificate.basic_constraints() {
        Ok(constraints) if constraints.ca => Some("it is a CA"),
        Ok(_) => None,
        Err(problem) => Some(problem),
    };
    failures.extend(
        problem.map(|problem| (&VEK_ROLE, VerifyError::CertificateConstraints { role: ROLE, problem })),
    );
    failures
}

/// What AMD's extensions say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VekExtensions {
    /// The TCB from which the key was derived.
    pub tcb: Tcb,
    /// The chip, followed by zeros; `None` for a VLEK. Never log it, never store it in the clear.
    pub(super) chip_id: Option<[u8; 64]>,
    /// The provider that loaded the key; `None` for a VCEK.
    pub provider: Option<String>,
}

impl VekExtensions {
    /// Reads the extensions of a certificate, DER, of which nothing else is verified: for tools and fuzzing.
    ///
    /// # Errors
    /// Every reason why they are not those of such a key.
    pub fn parse(der: &[u8], product: Product, kind: SigningKey) -> Result<Self, Vec<VerifyError>> {
        let malformed = |problem| vec![VerifyError::CertificateMalformed { role: ROLE, problem }];
        let certificate = Certificate::parse(der).map_err(malformed)?;
        Self::read(&certificate, Some(product), Some(kind))
            .map_err(|failures| failures.into_iter().map(|(_, error)| error).collect())
    }

    /// The chip, followed by zeros; `None` for a VLEK. Never log it, never store it in the clear.
    #[must_use]
    pub const fn chip_id(&self) -> Option<&[u8; 64]> {
        self.chip_id.as_ref()
    }

    /// Without a known issuer or kind, what depends on them is not judged: there is a failure already.
    fn read(
        certificate: &Certificate<'_>,
        product: Option<Product>,
        kind: Option<SigningKey>,
    ) -> Result<Self, Vec<Failure>> {
        let mut failures: Vec<Failure> = Vec::new();
        let mut error = |extension, problem| {
            failures.push((&VEK_EXTENSIONS, SnpError::VekExtension { extension, problem }.into()));
        };
        if let Some(product) = product {
            check_family(certificate, product, &mut error);
        }
        let tcb = tcb(certificate, product, &mut error);
        let chip_id = chip_id(certificate, product, kind).map_err(|problem| error("HWID", problem));
        let provider = provider(certificate, kind).map_err(|problem| error("CSP_ID", problem));
        match (tcb, chip_id, provider) {
            (Some(tcb), Ok(chip_id), Ok(provider)) if failures.is_empty() => {
                Ok(Self { tcb, chip_id, provider })
            }
            _ => Err(failures),
        }
    }
}

type Problem = &'static str;
const MISSING: Problem = "it is missing";

/// Structure version and product name belong to the generation. The name's stepping is not judged: AMD's own are not exact.
fn check_family(
    certificate: &Certificate<'_>,
    product: Product,
    error: &mut impl FnMut(&'static str, Problem),
) {
    let expected = match product {
        Product::Milan | Product::Genoa => 0,
        Product::Turin => 1,
    };
    match small(certificate, &oid::STRUCT_VERSION) {
        Ok(Some(version)) if version == expected => {}
        Ok(Some(_)) => error("structVersion", "it is not the one of this product"),
        Ok(None) => error("structVersion", MISSING),
        Err(problem) => error("structVersion", problem),
    }
    let name = certificate.extension(&oid::PRODUCT_NAME).map(ia5);
    match name {
        Some(Ok(name)) if name.split('-').next() == Some(product.as_str()) => {}
        Some(Ok(_)) => error("productName", "it names another product than the issuer"),
        Some(Err(problem)) => error("productName", problem),
        None => error("productName", MISSING),
    }
}

fn tcb(
    certificate: &Certificate<'_>,
    product: Option<Product>,
    error: &mut impl FnMut(&'static str, Problem),
) -> Option<Tcb> {
    let mut complete = true;
    let mut component = |name, id| match small(certificate, id) {
        Ok(Some(value)) => value,
        Ok(None) => {
            error(name, MISSING);
            complete = false;
            0
        }
        Err(problem) => {
            error(name, problem);
            complete = false;
            0
        }
    };
    let boot_loader = component("blSPL", &oid::BOOT_LOADER);
    let tee = component("teeSPL", &oid::TEE);
    let snp = component("snpSPL", &oid::SNP);
    let microcode = component("ucodeSPL", &oid::MICROCODE);
    let fmc = match product {
        Some(Product::Turin) => Some(component("fmcSPL", &oid::FMC)),
        _ => None,
    };
    if fmc.is_none() && product.is_some() && certificate.extension(&oid::FMC).is_some() {
        error("fmcSPL", "this product has none");
        complete = false;
    }
    // What they would mean is not known, and reports have zeros in their place.
    if oid::RESERVED.iter().any(|id| !matches!(small(certificate, id), Ok(None | Some(0)))) {
        error("spl4 to spl7", "they are not zero");
        complete = false;
    }
    complete.then_some(Tcb { fmc, boot_loader, tee, snp, microcode })
}

/// The chip id stands in the extension without any wrapper; one is accepted if the lengths leave no doubt.
fn chip_id(
    certificate: &Certificate<'_>,
    product: Option<Product>,
    kind: Option<SigningKey>,
) -> Result<Option<[u8; 64]>, Problem> {
    let value = certificate.extension(&oid::HWID);
    let (Some(product), Some(kind)) = (product, kind) else { return Ok(None) };
    let value = match (kind, value) {
        (SigningKey::Vcek, Some(value)) => value,
        (SigningKey::Vcek, None) => return Err(MISSING),
        (SigningKey::Vlek, None) => return Ok(None),
        (SigningKey::Vlek, Some(_)) => return Err("a VLEK is of no chip"),
    };
    let size = product.chip_id_size();
    let wrapped = AnyRef::from_der(value).ok().filter(|any| any.tag() == Tag::OctetString);
    let id = match (value.len() == size, wrapped) {
        (true, _) => value,
        (false, Some(any)) if any.value().len() == size => any.value(),
        _ => return Err("it has the wrong length"),
    };
    let mut chip_id = [0; 64];
    chip_id.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
    if id.iter().all(|byte| *byte == 0) {
        return Err("it is zero");
    }
    Ok(Some(chip_id))
}

fn provider(certificate: &Certificate<'_>, kind: Option<SigningKey>) -> Result<Option<String>, Problem> {
    match (kind, certificate.extension(&oid::CSP_ID)) {
        (Some(SigningKey::Vlek), Some(value)) => match ia5(value)? {
            "" => Err("it is empty"),
            name if name.len() > MAX_NAME.saturating_mul(4) => Err("it is too long"),
            name => Ok(Some(name.to_owned())),
        },
        (Some(SigningKey::Vlek), None) => Err(MISSING),
        (Some(SigningKey::Vcek), Some(_)) => Err("a VCEK is of no provider"),
        _ => Ok(None),
    }
}

/// An INTEGER from 0 to 255; versions beyond 127 take two bytes.
fn small(certificate: &Certificate<'_>, id: &ObjectIdentifier) -> Result<Option<u8>, Problem> {
    let Some(value) = certificate.extension(id) else { return Ok(None) };
    u8::from_der(value).map(Some).map_err(|_| "it is not a number from 0 to 255")
}

fn ia5(value: &[u8]) -> Result<&str, Problem> {
    let text = AnyRef::from_der(value).ok().filter(|any| any.tag() == Tag::Ia5String);
    let text = text.map(|any| any.value()).filter(|bytes| bytes.is_ascii());
    text.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or("it is not an IA5 string")
}
