//! Every defect: what it breaks is seen, and every signature that it does not break still holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod view;

use std::collections::BTreeSet;

use assay_evidence::ParseError;
use assay_evidence::sgx::{FLAG_PROVISION_KEY, Quote};
use assay_silicon::SiliconError;
use assay_silicon::intel::{Ca, CollateralSpec, Defect, Intel, PlatformSpec, QuoteSpec, Sample, TcbStatus};
use der::Encode;
use der::asn1::ObjectIdentifier;
use serde_json::Value;
use view::{Fact, broken_facts, certificates, chain, crl};
use x509_cert::certificate::Certificate;
use x509_cert::crl::TbsCertList;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

const NOW: i64 = 1_780_000_000;
const SGX_EXTENSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1");
/// The pair of FMSPC's identifier and an octet string of six bytes, up to the value.
const FMSPC: &str = "3014060a2a864886f84d010d01040406";

/// How a broken sample differs from a genuine one.
enum Effect {
    /// These facts no longer hold, and no others.
    Facts(&'static [Fact]),
    /// All facts hold, and this is true of the broken sample but not of the genuine one.
    Seen(fn(&Sample) -> bool),
    /// The quote cannot be read, and this is why.
    Unreadable(fn(&ParseError) -> bool),
}

use Effect::{Facts, Seen, Unreadable};

#[expect(clippy::too_many_lines, reason = "a table with a line for every defect")]
fn effect(defect: Defect) -> Effect {
    use Defect as D;
    match defect {
        D::HeaderBitFlipped | D::ReportBitFlipped => Facts(&[Fact::QuoteSignature]),
        D::QuoteSignatureBitFlipped | D::QuoteSignatureZero => Facts(&[Fact::QuoteSignature]),
        D::AttestationKeyOffCurve => Facts(&[Fact::QuoteSignature]),
        D::QeReportBitFlipped | D::QeReportSignatureBitFlipped => Facts(&[Fact::QeReportSignature]),
        D::QeReportOfOtherPck | D::PckChainOfOtherPlatform => Facts(&[Fact::QeReportSignature]),
        D::AttestationKeyNotBound | D::QeAuthDataChanged | D::QeReportDataTail => Facts(&[Fact::Binding]),
        D::HeaderReservedNonzero => Seen(|s| quote(s).header.reserved == 1),
        D::ReportReservedNonzero => Seen(|s| !quote(s).report.reserved_is_zero),
        D::QeReportReservedNonzero => Seen(|s| !quote(s).qe_report.reserved_is_zero),
        D::QeVendorUnknown => Seen(|s| quote(s).header.qe_vendor_id == [0xa5; 16]),
        D::QuoteVersion2 => {
            Unreadable(|e| *e == ParseError::UnsupportedVersion { format: "quote", found: 2 })
        }
        D::QuoteVersion4 => {
            Unreadable(|e| *e == ParseError::UnsupportedVersion { format: "quote", found: 4 })
        }
        D::AttestationKeyTypeUnknown => Unreadable(|e| *e == ParseError::UnsupportedKeyType { found: 3 }),
        D::Truncated => Unreadable(|e| {
            matches!(e, ParseError::Truncated { field: "signature data", offset: 436, available: 564, .. })
        }),
        D::SignatureDataLengthOversized => Unreadable(|e| {
            matches!(e, ParseError::Truncated { field: "signature data", needed: 0xffff_ffff, .. })
        }),
        D::SignatureDataLengthOffByOne => {
            Unreadable(|e| matches!(e, ParseError::BadLength { field: "signature data", .. }))
        }
        D::QeAuthDataLengthOversized => Unreadable(|e| {
            matches!(e, ParseError::BadLength { field: "QE authentication data", found: 0xffff, .. })
        }),
        D::QeAuthDataTooLong => Unreadable(|e| {
            matches!(e, ParseError::BadLength { field: "QE authentication data", found: 1025, .. })
        }),
        D::CertificationDataLengthOversized => Unreadable(|e| {
            matches!(e, ParseError::Truncated { field: "certification data", needed: 0xffff_ffff, .. })
        }),
        D::TrailingData => Unreadable(|e| matches!(e, ParseError::TrailingData { count: 1, .. })),
        D::CertificationNested => Unreadable(|e| *e == ParseError::UnknownCertificationData { found: 6 }),
        D::CertificationPpidClear | D::CertificationPpidRsa2048 | D::CertificationPpidRsa3072 => {
            Facts(NO_CHAIN)
        }
        D::CertificationManifest | D::CertificationChainEmpty => Facts(NO_CHAIN),
        D::CertificationPckOnly => Facts(&[Fact::PckChain, Fact::PckRoot]),
        D::QeDebug => Seen(|s| {
            quote(s).qe_report.is_debuggable()
                && identity(s)["attributesMask"].as_str().unwrap().starts_with("F9")
        }),
        D::QeAttributesMismatch => Seen(|s| quote(s).qe_report.flags() & FLAG_PROVISION_KEY == 0),
        D::QeMiscSelectMismatch => Seen(|s| quote(s).qe_report.misc_select == 1),
        D::QeMrSignerMismatch => Seen(|s| quote(s).qe_report.mr_signer == [0xa5; 32]),
        D::QeProductMismatch => Seen(|s| quote(s).qe_report.isv_prod_id == 0x101),

        D::SelfMadeRoot => Facts(&[
            Fact::PckRoot,
            Fact::PckCrlChain,
            Fact::RootCrlSignature,
            Fact::TcbInfoChain,
            Fact::QeIdentityChain,
        ]),
        D::SelfMadeRootInQuote => Facts(&[Fact::PckRoot]),
        D::TcbSignerAsPck => Seen(|s| subjects(s) == ["Intel SGX TCB Signing", "Intel SGX Root CA"]),
        D::PckIssuedByRoot => Seen(|s| subjects(s) == ["Intel SGX PCK Certificate", "Intel SGX Root CA"]),
        D::PckSignatureInvalid | D::PckCaSignatureInvalid => Facts(&[Fact::PckChain]),
        D::PckRevoked => Seen(|s| revoked(&crl(&s.collateral.pck_crl).tbs_cert_list, &certificate(s, 0))),
        D::PckCaRevoked => {
            Seen(|s| revoked(&crl(&s.collateral.root_ca_crl).tbs_cert_list, &certificate(s, 1)))
        }
        D::TcbSignerRevoked => {
            Seen(|s| revoked(&crl(&s.collateral.root_ca_crl).tbs_cert_list, &tcb_signer(s)))
        }
        D::PckExpired => Seen(|s| ends(&certificate(s, 0)) == NOW - 3600),
        D::PckNotYetValid => Seen(|s| begins(&certificate(s, 0)) == NOW + 86_400),
        D::PckCaExpired => Seen(|s| ends(&certificate(s, 1)) == NOW - 3600),
        D::PckCaNotYetValid => Seen(|s| begins(&certificate(s, 1)) == NOW + 86_400),
        D::RootExpired => Seen(|s| ends(&certificate(s, 2)) == NOW - 3600),
        D::TcbSignerExpired => Seen(|s| ends(&tcb_signer(s)) == NOW - 3600),
        D::PckIsAuthority => Seen(|s| extension::<BasicConstraints>(&certificate(s, 0)).ca),
        D::PckCaIsNoAuthority => Seen(|s| !extension::<BasicConstraints>(&certificate(s, 1)).ca),
        D::PckCaWithoutCertSign => Seen(|s| {
            let usage = extension::<KeyUsage>(&certificate(s, 1));
            !usage.key_cert_sign() && usage.crl_sign()
        }),
        D::PckWithoutDigitalSignature => {
            Seen(|s| !extension::<KeyUsage>(&certificate(s, 0)).digital_signature())
        }
        D::PckUnknownCriticalExtension => Seen(|s| has_unknown_critical(&extensions(&certificate(s, 0)))),
        D::PckCaUnknownCriticalExtension => Seen(|s| has_unknown_critical(&extensions(&certificate(s, 1)))),
        D::PckNameWrong => Seen(|s| subjects(s)[0] == "Intel SGX Platform Certificate"),
        D::PckCaNameWrong => Seen(|s| {
            let issuer = crl(&s.collateral.pck_crl).tbs_cert_list.issuer;
            subjects(s)[1] == "Intel SGX PCK Other CA"
                && issuer == *certificate(s, 1).tbs_certificate().subject()
        }),
        D::PckWithoutSgxExtension => Seen(|s| sgx_extensions(s).is_empty()),
        D::PckSgxExtensionTwice => Seen(|s| sgx_extensions(s).len() == 2),
        D::PckDuplicateFmspc => Seen(|s| sgx_extensions(s)[0].matches(FMSPC).count() == 2),
        D::PckWithoutFmspc => Seen(|s| sgx_extensions(s).iter().any(|hex| !hex.contains(FMSPC))),
        D::PckComponentTooLarge => {
            Seen(|s| sgx_extensions(s)[0].contains("060b2a864886f84d010d01020102020100"))
        }

        D::PckCrlOfOtherCa => Seen(|s| {
            let issuer = crl(&s.collateral.pck_crl).tbs_cert_list.issuer;
            let chain = certificates(s.collateral.pck_crl_issuer_chain.as_bytes());
            issuer == *chain[0].tbs_certificate().subject()
                && issuer != *certificate(s, 0).tbs_certificate().issuer()
        }),
        D::PckCrlOfOtherRoot => Facts(&[Fact::PckCrlChain]),
        D::PckCrlWrongSigner => Facts(&[Fact::PckCrlSignature]),
        D::PckCrlExpired => Seen(|s| currency(&s.collateral.pck_crl).1 == NOW - 3600),
        D::PckCrlFromFuture => Seen(|s| currency(&s.collateral.pck_crl).0 == NOW + 86_400),
        D::PckCrlUnknownCriticalExtension => {
            Seen(|s| has_unknown_critical(&crl(&s.collateral.pck_crl).tbs_cert_list.crl_extensions.unwrap()))
        }
        D::RootCrlWrongSigner => Facts(&[Fact::RootCrlSignature]),
        D::RootCrlExpired => Seen(|s| currency(&s.collateral.root_ca_crl).1 == NOW - 3600),
        D::RootCrlFromFuture => Seen(|s| currency(&s.collateral.root_ca_crl).0 == NOW + 86_400),
        D::TcbInfoForTdx => Seen(|s| {
            let info = tcb_info(s);
            info["id"] == "TDX"
                && info["tdxModuleIdentities"][0]["id"] == "TDX_01"
                && info["tcbLevels"][0]["tcb"]["tdxtcbcomponents"].as_array().unwrap().len() == 16
        }),
        D::TcbInfoVersionUnknown => Seen(|s| tcb_info(s)["version"] == 4),
        D::FmspcMismatch => Seen(|s| tcb_info(s)["fmspc"] == "4F5448455200"),
        D::PceIdMismatch => Seen(|s| tcb_info(s)["pceId"] == "0101"),
        D::TcbInfoReserialized | D::TcbInfoSignatureInvalid => Facts(&[Fact::TcbInfoSignature]),
        D::TcbInfoSignedByPck => Facts(&[Fact::TcbInfoSignature]),
        D::TcbInfoIssuerIsPck => Seen(|s| is_platform(s, &s.collateral.tcb_info_issuer_chain)),
        D::TcbSignerOfOtherRoot => Facts(&[Fact::TcbInfoChain]),
        D::TcbInfoExpired => Seen(|s| tcb_info(s)["nextUpdate"] == "2026-05-28T19:26:40Z"),
        D::TcbInfoFromFuture => Seen(|s| tcb_info(s)["issueDate"] == "2026-05-29T20:26:40Z"),
        D::TcbInfoDuplicateKey => Seen(|s| has_two_statuses(&s.collateral.tcb_info)),
        D::TcbInfoNestingBomb => Seen(|s| s.collateral.tcb_info.contains(&"[".repeat(10_000))),
        D::TcbComponentsShort => Seen(|s| {
            let tcb = &tcb_info(s)["tcbLevels"][0]["tcb"];
            let components = tcb["sgxtcbcomponents"].as_array();
            components.is_some_and(|list| list.len() == 15)
                || tcb.get("sgxtcbcomp15svn").is_some() && tcb.get("sgxtcbcomp16svn").is_none()
        }),
        D::TcbComponentMissing => Seen(|s| {
            let tcb = &tcb_info(s)["tcbLevels"][0]["tcb"];
            let components = tcb["sgxtcbcomponents"].as_array();
            components.is_some_and(|list| list.len() == 16 && list[0].get("svn").is_none())
                || tcb.get("sgxtcbcomp02svn").is_some() && tcb.get("sgxtcbcomp01svn").is_none()
        }),
        D::TcbNoMatchingLevel => Seen(|s| {
            let info = tcb_info(s);
            let levels = info["tcbLevels"].as_array().unwrap();
            levels.len() == 1 && levels[0]["tcb"]["pcesvn"] == 65_535
        }),
        D::TcbStatusUnknown => Seen(|s| all_statuses_are(&tcb_info(s), "Fine")),
        D::TcbRevoked => Seen(|s| all_statuses_are(&tcb_info(s), "Revoked")),
        D::QeIdentityForQve => Seen(|s| identity(s)["id"] == "QVE"),
        D::QeIdentityForTdQe => Seen(|s| identity(s)["id"] == "TD_QE"),
        D::QeIdentityReserialized | D::QeIdentitySignatureInvalid => Facts(&[Fact::QeIdentitySignature]),
        D::QeIdentitySignerOfOtherRoot => Facts(&[Fact::QeIdentityChain]),
        D::QeIdentityIssuerIsPck => Seen(|s| is_platform(s, &s.collateral.qe_identity_issuer_chain)),
        D::QeIdentityExpired => Seen(|s| identity(s)["nextUpdate"] == "2026-05-28T19:26:40Z"),
        D::QeIdentityFromFuture => Seen(|s| identity(s)["issueDate"] == "2026-05-29T20:26:40Z"),
        D::QeIdentityDuplicateKey => Seen(|s| has_two_statuses(&s.collateral.qe_identity)),
        D::QeIdentityNestingBomb => Seen(|s| s.collateral.qe_identity.contains(&"[".repeat(10_000))),
        D::QeNoMatchingLevel => Seen(|s| {
            let levels = identity(s)["tcbLevels"].clone();
            levels.as_array().unwrap().len() == 1 && levels[0]["tcb"]["isvsvn"] == 65_535
        }),
        D::QeStatusUnknown => Seen(|s| all_statuses_are(&identity(s), "Fine")),
        D::QeRevoked => Seen(|s| all_statuses_are(&identity(s), "Revoked")),
    }
}

const NO_CHAIN: &[Fact] = &[Fact::QeReportSignature, Fact::PckChain, Fact::PckRoot];

#[test]
fn each_defect_breaks_what_it_says_and_nothing_else() {
    let intel = Intel::generate(NOW).unwrap();
    let root = intel.root_public_key();
    for (ca, version) in [(Ca::Platform, 3), (Ca::Processor, 2)] {
        let platform = PlatformSpec::new(ca, TcbStatus::UpToDate);
        let collateral =
            CollateralSpec { tcb_info_version: version, ..CollateralSpec::for_platform(&platform) };
        let genuine = intel.sample(&platform, &QuoteSpec::default(), &collateral, NOW).unwrap();
        for defect in Defect::ALL.iter().copied() {
            let sample = intel.broken(defect, &platform, &QuoteSpec::default(), &collateral, NOW).unwrap();
            match effect(defect) {
                Facts(facts) => {
                    assert_eq!(broken_facts(&sample, &root), facts.iter().copied().collect(), "{defect}");
                }
                Seen(seen) => {
                    assert!(seen(&sample), "{defect} is not seen");
                    assert!(!seen(&genuine), "{defect} is seen in a genuine sample");
                    assert_eq!(broken_facts(&sample, &root), BTreeSet::new(), "{defect}");
                }
                Unreadable(expected) => {
                    let error = Quote::parse(&sample.quote).unwrap_err();
                    assert!(expected(&error), "{defect}: {error:?}");
                    assert_eq!(
                        view::collateral_facts(&sample.collateral, &root),
                        BTreeSet::new(),
                        "{defect}"
                    );
                }
            }
        }
    }
}

/// The changes that keep the quote readable only when its body is read as another version must still be signed.
#[test]
fn quotes_of_other_versions_are_validly_signed() {
    let intel = Intel::generate(NOW).unwrap();
    let (quote, collateral) = (QuoteSpec::default(), CollateralSpec::default());
    for defect in [Defect::QuoteVersion2, Defect::QuoteVersion4, Defect::AttestationKeyTypeUnknown] {
        let sample = intel.broken(defect, &PlatformSpec::default(), &quote, &collateral, NOW).unwrap();
        let (body, signature, point) =
            (&sample.quote[..432], &sample.quote[436..500], &sample.quote[500..564]);
        let key = [&[4], point].concat();
        assert!(view::signs_fixed(&key, body, signature), "{defect}");
    }
}

#[test]
fn names_are_unique_and_in_kebab_case() {
    let names: BTreeSet<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
    assert_eq!(names.len(), Defect::ALL.len());
    for defect in Defect::ALL.iter().copied() {
        let name = defect.name();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        assert_eq!(name.parse::<Defect>().unwrap(), defect);
        assert!(!defect.description().is_empty() && !defect.rule().is_empty());
    }
    let error = SiliconError::UnknownName { what: "defect", name: "Truncated".to_owned() };
    assert_eq!("Truncated".parse::<Defect>().unwrap_err(), error);
}

fn quote(sample: &Sample) -> Quote<'_> {
    Quote::parse(&sample.quote).unwrap()
}

fn certificate(sample: &Sample, index: usize) -> Certificate {
    chain(&quote(sample))[index].clone()
}

fn tcb_signer(sample: &Sample) -> Certificate {
    certificates(sample.collateral.tcb_info_issuer_chain.as_bytes())[0].clone()
}

/// Whether a chain begins with the certificate of the quote's PCK. Its signature may be another one.
fn is_platform(sample: &Sample, chain: &str) -> bool {
    certificates(chain.as_bytes())[0].tbs_certificate() == certificate(sample, 0).tbs_certificate()
}

fn subjects(sample: &Sample) -> Vec<String> {
    let name = |certificate: &Certificate| {
        let text = certificate.tbs_certificate().subject().to_string();
        text.rsplit_once("CN=").unwrap().1.to_owned()
    };
    chain(&quote(sample)).iter().map(name).collect()
}

fn ends(certificate: &Certificate) -> i64 {
    certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs() as i64
}

fn begins(certificate: &Certificate) -> i64 {
    certificate.tbs_certificate().validity().not_before.to_unix_duration().as_secs() as i64
}

fn currency(list: &str) -> (i64, i64) {
    let list = crl(list).tbs_cert_list;
    let next = list.next_update.unwrap();
    (list.this_update.to_unix_duration().as_secs() as i64, next.to_unix_duration().as_secs() as i64)
}

fn revoked(list: &TbsCertList, certificate: &Certificate) -> bool {
    let serial = certificate.tbs_certificate().serial_number();
    list.revoked_certificates.iter().flatten().any(|entry| entry.serial_number == *serial)
}

fn extensions(certificate: &Certificate) -> Vec<Extension> {
    certificate.tbs_certificate().extensions().unwrap().clone()
}

fn extension<T>(certificate: &Certificate) -> T
where
    T: for<'a> der::Decode<'a, Error = der::Error> + der::oid::AssociatedOid,
{
    certificate.tbs_certificate().get_extension::<T>().unwrap().unwrap().1
}

fn has_unknown_critical(extensions: &[Extension]) -> bool {
    let unknown = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1");
    extensions.iter().any(|extension| extension.critical && extension.extn_id == unknown)
}

fn sgx_extensions(sample: &Sample) -> Vec<String> {
    let all = extensions(&certificate(sample, 0));
    let sgx = all.iter().filter(|extension| extension.extn_id == SGX_EXTENSION);
    sgx.map(|extension| hex::encode(extension.extn_value.to_der().unwrap())).collect()
}

fn tcb_info(sample: &Sample) -> Value {
    serde_json::from_str(&sample.collateral.tcb_info).unwrap()
}

fn identity(sample: &Sample) -> Value {
    serde_json::from_str(&sample.collateral.qe_identity).unwrap()
}

fn has_two_statuses(document: &str) -> bool {
    document.contains(r#""tcbStatus":"Revoked","tcbStatus":"UpToDate""#)
}

fn all_statuses_are(document: &Value, status: &str) -> bool {
    document["tcbLevels"].as_array().unwrap().iter().all(|level| level["tcbStatus"] == status)
}
