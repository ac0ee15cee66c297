//! A sample taken apart by other code than what made it: `assay-evidence` for the quote, `x509-cert` for certificates and
//! lists, `serde_json` for documents, `aws-lc-rs` for signatures.

use std::collections::BTreeSet;

use assay_evidence::sgx::{CertificationData, Quote};
use assay_silicon::intel::{Collateral, Sample};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use der::{Decode, Encode};
use x509_cert::certificate::Certificate;
use x509_cert::crl::CertificateList;

/// A signature or binding that a verifier checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fact {
    /// The attestation key signs header and report.
    QuoteSignature,
    /// The quoting enclave's report data is the hash of the attestation key, then zeros.
    Binding,
    /// The PCK of the chain signs the quoting enclave's report.
    QeReportSignature,
    /// Each certificate of the quote's chain is signed by the next, the last by itself.
    PckChain,
    /// The quote's chain ends in the pinned root.
    PckRoot,
    /// The revocation list of the PCK authority is signed by the first certificate of its chain.
    PckCrlSignature,
    /// Its chain is signed and ends in the pinned root.
    PckCrlChain,
    /// The root's revocation list is signed by the pinned root.
    RootCrlSignature,
    /// The TCB information is signed by the first certificate of its chain.
    TcbInfoSignature,
    /// Its chain is signed and ends in the pinned root.
    TcbInfoChain,
    /// The identity is signed by the first certificate of its chain.
    QeIdentitySignature,
    /// Its chain is signed and ends in the pinned root.
    QeIdentityChain,
}

/// The certificates of a PEM bundle.
pub(crate) fn certificates(pem: &[u8]) -> Vec<Certificate> {
    let end = pem.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    if end == 0 { vec![] } else { Certificate::load_pem_chain(&pem[..end]).unwrap() }
}

pub(crate) fn chain(quote: &Quote<'_>) -> Vec<Certificate> {
    match &quote.certification {
        CertificationData::PckChain(pem) | CertificationData::PckCertificate(pem) => certificates(pem),
        _ => vec![],
    }
}

pub(crate) fn public_key(certificate: &Certificate) -> Vec<u8> {
    let info = certificate.tbs_certificate().subject_public_key_info();
    info.subject_public_key.raw_bytes().to_vec()
}

pub(crate) fn crl(hex: &str) -> CertificateList {
    CertificateList::from_der(&hex::decode(hex).unwrap()).unwrap()
}

/// Every fact that does not hold. The quote must parse.
pub(crate) fn broken_facts(sample: &Sample, root: &[u8; 65]) -> BTreeSet<Fact> {
    let quote = Quote::parse(&sample.quote).unwrap();
    let mut broken = quote_facts(&quote, root);
    broken.extend(collateral_facts(&sample.collateral, root));
    broken
}

fn quote_facts(quote: &Quote<'_>, root: &[u8; 65]) -> BTreeSet<Fact> {
    let chain = chain(quote);
    let key = [&[4][..], quote.attestation_key].concat();
    let hashed = [quote.attestation_key, quote.qe_auth_data].concat();
    let bound = [digest(&SHA256, &hashed).as_ref(), &[0; 32]].concat();
    let pck_signs = chain
        .first()
        .is_some_and(|pck| signs_fixed(&public_key(pck), quote.qe_report_bytes, quote.qe_report_signature));
    failing([
        (Fact::QuoteSignature, signs_fixed(&key, quote.signed, quote.signature)),
        (Fact::Binding, quote.qe_report.report_data[..] == bound),
        (Fact::QeReportSignature, pck_signs),
        (Fact::PckChain, is_chain(&chain)),
        (Fact::PckRoot, ends_in(&chain, root)),
    ])
}

pub(crate) fn collateral_facts(collateral: &Collateral, root: &[u8; 65]) -> BTreeSet<Fact> {
    let pck_crl_chain = certificates(collateral.pck_crl_issuer_chain.as_bytes());
    let tcb_chain = certificates(collateral.tcb_info_issuer_chain.as_bytes());
    let qe_chain = certificates(collateral.qe_identity_issuer_chain.as_bytes());
    let trusted = |chain: &[Certificate]| is_chain(chain) && ends_in(chain, root);
    let signs = |chain: &[Certificate], text: &str, signature: &str| {
        signs_fixed(&public_key(&chain[0]), text.as_bytes(), &hex::decode(signature).unwrap())
    };
    failing([
        (Fact::PckCrlSignature, signs_crl(&public_key(&pck_crl_chain[0]), &crl(&collateral.pck_crl))),
        (Fact::PckCrlChain, trusted(&pck_crl_chain)),
        (Fact::RootCrlSignature, signs_crl(root, &crl(&collateral.root_ca_crl))),
        (Fact::TcbInfoSignature, signs(&tcb_chain, &collateral.tcb_info, &collateral.tcb_info_signature)),
        (Fact::TcbInfoChain, trusted(&tcb_chain)),
        (
            Fact::QeIdentitySignature,
            signs(&qe_chain, &collateral.qe_identity, &collateral.qe_identity_signature),
        ),
        (Fact::QeIdentityChain, trusted(&qe_chain)),
    ])
}

fn failing<const N: usize>(facts: [(Fact, bool); N]) -> BTreeSet<Fact> {
    facts.into_iter().filter(|(_, holds)| !holds).map(|(fact, _)| fact).collect()
}

fn is_chain(chain: &[Certificate]) -> bool {
    let issuers = chain.iter().skip(1).chain(chain.last());
    !chain.is_empty() && chain.iter().zip(issuers).all(|(subject, issuer)| issued(subject, issuer))
}

fn issued(subject: &Certificate, issuer: &Certificate) -> bool {
    let body = subject.tbs_certificate().to_der().unwrap();
    subject.tbs_certificate().issuer() == issuer.tbs_certificate().subject()
        && signs_asn1(&public_key(issuer), &body, subject.signature().raw_bytes())
}

fn ends_in(chain: &[Certificate], root: &[u8; 65]) -> bool {
    chain.last().is_some_and(|last| public_key(last) == root)
}

fn signs_crl(key: &[u8], list: &CertificateList) -> bool {
    signs_asn1(key, &list.tbs_cert_list.to_der().unwrap(), list.signature.raw_bytes())
}

fn signs_asn1(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
    key.is_ok_and(|key| key.verify_sig(message, signature).is_ok())
}

pub(crate) fn signs_fixed(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
    key.is_ok_and(|key| key.verify_sig(message, signature).is_ok())
}
