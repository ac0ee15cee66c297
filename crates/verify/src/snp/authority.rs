//! AMD's authorities: who issues endorsement keys.
//!
//! Each product has a root (ARK), which certifies one authority for chips' own keys (ASK) and one for keys that cloud
//! providers load (ASVK). All nine certificates are pinned; those that come with evidence are compared with them and never
//! used (AMD document 57230, section 2.2; 58369).

use std::sync::{Arc, LazyLock};

use assay_evidence::snp::{Product, SigningKey};

use crate::crypto::{SignatureKey, sha256};
use crate::time::Window;
use crate::trust::AnchorOrigin;
use crate::x509::{Certificate, KEY_CERT_SIGN, Malformed, SignatureAlgorithm};

/// The vendor's certificates: product, which key they are for, intermediate, root.
const PINNED: [(Product, SigningKey, &[u8], &[u8]); 6] = [
    (Product::Milan, SigningKey::Vcek, include_bytes!("roots/milan-ask.der"), MILAN_ARK),
    (Product::Milan, SigningKey::Vlek, include_bytes!("roots/milan-asvk.der"), MILAN_ARK),
    (Product::Genoa, SigningKey::Vcek, include_bytes!("roots/genoa-ask.der"), GENOA_ARK),
    (Product::Genoa, SigningKey::Vlek, include_bytes!("roots/genoa-asvk.der"), GENOA_ARK),
    (Product::Turin, SigningKey::Vcek, include_bytes!("roots/turin-ask.der"), TURIN_ARK),
    (Product::Turin, SigningKey::Vlek, include_bytes!("roots/turin-asvk.der"), TURIN_ARK),
];
const MILAN_ARK: &[u8] = include_bytes!("roots/milan-ark.der");
const GENOA_ARK: &[u8] = include_bytes!("roots/genoa-ark.der");
const TURIN_ARK: &[u8] = include_bytes!("roots/turin-ark.der");

/// The authorities that AMD runs.
static VENDOR: LazyLock<Vec<Arc<AmdAuthority>>> = LazyLock::new(|| {
    // A test shows that every one of them is readable and properly signed.
    let known = PINNED.into_iter().map(|(product, key, intermediate, root)| {
        AmdAuthority::pin(product, key, intermediate, root, AnchorOrigin::Vendor)
    });
    known.filter_map(Result::ok).map(Arc::new).collect()
});

/// An authority that issues endorsement keys, with the root above it.
#[derive(Debug)]
pub struct AmdAuthority {
    /// The processors it issues for.
    pub product: Product,
    /// The kind of key it issues for.
    pub issues: SigningKey,
    /// Who vouches for it.
    pub origin: AnchorOrigin,
    /// Names both certificates.
    pub(crate) id: [u8; 32],
    /// The intermediate and the root certificate, DER.
    certificates: [Vec<u8>; 2],
    /// SHA-256 of the root's certificate.
    root_id: [u8; 32],
    /// Content of the subject's name.
    pub(super) subject: Vec<u8>,
    pub(super) key: SignatureKey,
    pub(super) serial: Vec<u8>,
    pub(super) window: Window,
    pub(super) root_subject: Vec<u8>,
    pub(super) root_key: SignatureKey,
    pub(super) root_window: Window,
}

impl AmdAuthority {
    /// AMD's own.
    pub(crate) fn vendor() -> &'static [Arc<Self>] {
        &VENDOR
    }

    /// Takes an authority into use by its certificates, DER: what it issues, its name says.
    ///
    /// # Errors
    /// What is wrong with the certificates.
    pub fn from_certificates(
        intermediate: &[u8],
        root: &[u8],
        origin: AnchorOrigin,
    ) -> Result<Self, &'static str> {
        let name = Certificate::parse(intermediate)?.common_name().unwrap_or_default();
        let (issues, product) = match name.strip_prefix("SEV-VLEK-") {
            Some(product) => (SigningKey::Vlek, product),
            None => (SigningKey::Vcek, name.strip_prefix("SEV-").unwrap_or_default()),
        };
        let product =
            Product::from_name(product).ok_or("the intermediate certificate's name is not AMD's")?;
        Self::new(product, issues, intermediate, root, origin)
    }

    /// As [`Self::from_certificates`], for a certain product and kind of key.
    fn new(
        product: Product,
        issues: SigningKey,
        intermediate: &[u8],
        root: &[u8],
        origin: AnchorOrigin,
    ) -> Result<Self, &'static str> {
        let authority = Self::pin(product, issues, intermediate, root, origin)?;
        let (intermediate, root) = (Certificate::parse(intermediate)?, Certificate::parse(root)?);
        if root.issuer != root.subject || !root.is_signed_by(&authority.root_key) {
            return Err("the root is not signed by itself");
        }
        if intermediate.issuer != root.subject || !intermediate.is_signed_by(&authority.root_key) {
            return Err("the intermediate certificate is not signed by the root");
        }
        Ok(authority)
    }

    /// The certificate of the authority (ASK or ASVK), DER, as pinned.
    #[must_use]
    pub const fn intermediate(&self) -> &[u8] {
        let [intermediate, _] = &self.certificates;
        intermediate.as_slice()
    }

    /// The certificate of the root above it (ARK), DER, as pinned.
    #[must_use]
    pub const fn root(&self) -> &[u8] {
        let [_, root] = &self.certificates;
        root.as_slice()
    }

    /// Whether these are the bytes of one of the two certificates.
    pub(crate) fn has_certificate(&self, der: &[u8]) -> bool {
        self.certificates.iter().any(|certificate| certificate == der)
    }

    /// SHA-256 of the root's certificate.
    pub(super) const fn root_id(&self) -> &[u8; 32] {
        &self.root_id
    }

    /// Takes certificates whose very bytes are believed: their signatures would say nothing new.
    fn pin(
        product: Product,
        issues: SigningKey,
        intermediate: &[u8],
        root: &[u8],
        origin: AnchorOrigin,
    ) -> Result<Self, Malformed> {
        let certificates = [intermediate.to_vec(), root.to_vec()];
        let (intermediate_id, root_id) = (sha256(&[intermediate]), sha256(&[root]));
        let (intermediate, root) = (read_ca(intermediate)?, read_ca(root)?);
        let expected = match issues {
            SigningKey::Vcek => format!("SEV-{product}"),
            SigningKey::Vlek => format!("SEV-VLEK-{product}"),
        };
        if intermediate.common_name() != Some(&expected)
            || root.common_name() != Some(&format!("ARK-{product}"))
        {
            return Err("the names are not those of AMD's authorities for this product");
        }
        let key = |certificate: &Certificate<'_>| {
            certificate.public_key.for_signatures(SignatureAlgorithm::RsaPssSha384).ok_or("it has no RSA key")
        };
        Ok(Self {
            product,
            issues,
            origin,
            id: sha256(&[b"amd-authority", &intermediate_id, &root_id, origin.as_str().as_bytes()]),
            certificates,
            root_id,
            subject: intermediate.subject.to_vec(),
            key: key(&intermediate)?,
            serial: intermediate.serial.to_vec(),
            window: intermediate.validity,
            root_subject: root.subject.to_vec(),
            root_key: key(&root)?,
            root_window: root.validity,
        })
    }
}

/// A certificate that may issue others and signs as AMD does.
fn read_ca(der: &[u8]) -> Result<Certificate<'_>, Malformed> {
    let certificate = Certificate::parse(der)?;
    if certificate.algorithm() != SignatureAlgorithm::RsaPssSha384 {
        return Err("it is not signed with RSASSA-PSS and SHA-384");
    }
    if certificate.unknown_critical_extension(&[]).is_some() {
        return Err("it has a critical extension that is not known");
    }
    if !certificate.basic_constraints()?.ca || certificate.key_usage(KEY_CERT_SIGN) != Some(true) {
        return Err("it may not issue certificates");
    }
    Ok(certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pinned_certificate_is_readable_and_signed_by_its_root() {
        for (product, issues, intermediate, root) in PINNED {
            let authority =
                AmdAuthority::new(product, issues, intermediate, root, AnchorOrigin::Vendor).unwrap();
            assert_eq!((authority.product, authority.issues), (product, issues));
        }
        assert_eq!(AmdAuthority::vendor().len(), PINNED.len());
    }

    #[test]
    fn certificates_that_do_not_belong_together_are_no_authority() {
        let (vcek, vlek) = (SigningKey::Vcek, SigningKey::Vlek);
        let [(milan, _, ask, ark), (_, _, asvk, _), (genoa, _, genoa_ask, genoa_ark), ..] = PINNED;
        let cases = [
            (genoa, vcek, ask, ark),
            (milan, vlek, ask, ark),
            (milan, vcek, asvk, ark),
            (milan, vcek, ask, genoa_ark),
            (milan, vcek, genoa_ask, ark),
            (milan, vcek, ark, ark),
            (milan, vcek, ask, ask),
        ];
        for (number, (product, issues, intermediate, root)) in cases.into_iter().enumerate() {
            let made = AmdAuthority::new(product, issues, intermediate, root, AnchorOrigin::Operator);
            let expected = "the names are not those of AMD's authorities for this product";
            assert_eq!(made.unwrap_err(), expected, "case {number}");
        }
        let changed = |der: &[u8]| {
            let mut changed = der.to_vec();
            *changed.last_mut().unwrap() ^= 1;
            changed
        };
        let make = |ask: &[u8], ark: &[u8]| {
            AmdAuthority::new(milan, vcek, ask, ark, AnchorOrigin::Operator).unwrap_err()
        };
        assert_eq!(make(&changed(ask), ark), "the intermediate certificate is not signed by the root");
        assert_eq!(make(ask, &changed(ark)), "the root is not signed by itself");
    }
}
