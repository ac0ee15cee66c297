//! The table of defects: name, how the sample is broken, which rule that breaks, and what breaks it.

use super::Fault::{self, After, Before};
use super::{certificates, collateral, quote};

crate::table::defects! {
    // The quote.
    HeaderBitFlipped, "header-bit-flipped",
        "one bit of the header is flipped after signing",
        "the attestation key signs the header and the report",
        After(quote::header_bit);
    ReportBitFlipped, "report-bit-flipped",
        "one bit of the enclave's measurement is flipped after signing",
        "the attestation key signs the header and the report",
        After(quote::report_bit);
    QuoteSignatureBitFlipped, "quote-signature-bit-flipped",
        "one bit of the quote's signature is flipped",
        "the attestation key signs the header and the report",
        After(quote::signature_bit);
    QuoteSignatureZero, "quote-signature-zero",
        "the quote's signature is all zero",
        "`r` and `s` of an ECDSA signature are not zero",
        After(quote::signature_zero);
    QeReportBitFlipped, "qe-report-bit-flipped",
        "one bit of the quoting enclave's measurement is flipped after signing",
        "the PCK signs the report of the quoting enclave",
        After(quote::qe_report_bit);
    QeReportSignatureBitFlipped, "qe-report-signature-bit-flipped",
        "one bit of the signature over the quoting enclave's report is flipped",
        "the PCK signs the report of the quoting enclave",
        After(quote::qe_report_signature_bit);
    AttestationKeyNotBound, "attestation-key-not-bound",
        "the quote is signed with a key that the quoting enclave did not report",
        "the quoting enclave's report data is the hash of the attestation key and the authentication data",
        Before(quote::attestation_key_not_bound);
    AttestationKeyOffCurve, "attestation-key-off-curve",
        "the attestation key is no point of P-256, and the quoting enclave reports it",
        "the attestation key is a point of P-256",
        Before(quote::attestation_key_off_curve);
    QeAuthDataChanged, "qe-auth-data-changed",
        "the authentication data is not what the quoting enclave reported",
        "the quoting enclave's report data is the hash of the attestation key and the authentication data",
        Before(quote::qe_auth_data_changed);
    QeAuthDataTooLong, "qe-auth-data-too-long",
        "the authentication data is longer than 1 KiB, and the quoting enclave reports it",
        "the authentication data has a bounded length",
        Before(quote::qe_auth_data_too_long);
    QeReportDataTail, "qe-report-data-tail",
        "the last byte of the quoting enclave's report data is one",
        "the second half of the quoting enclave's report data is zero",
        Before(quote::qe_report_data_tail);
    QeReportOfOtherPck, "qe-report-of-other-pck",
        "the quoting enclave's report is signed by the PCK of another genuine platform",
        "the PCK of the chain signs the report of the quoting enclave",
        Before(quote::qe_report_of_other_pck);
    PckChainOfOtherPlatform, "pck-chain-of-other-platform",
        "the chain is that of another genuine platform",
        "the PCK of the chain signs the report of the quoting enclave",
        Before(quote::chain_of_other_platform);
    HeaderReservedNonzero, "header-reserved-nonzero",
        "a reserved byte of the header is one, validly signed",
        "reserved bytes are zero",
        Before(quote::header_reserved);
    ReportReservedNonzero, "report-reserved-nonzero",
        "a reserved byte of the report is one, validly signed",
        "reserved bytes are zero",
        Before(quote::report_reserved);
    QeReportReservedNonzero, "qe-report-reserved-nonzero",
        "a reserved byte of the quoting enclave's report is one, validly signed",
        "reserved bytes are zero",
        Before(quote::qe_report_reserved);
    QeVendorUnknown, "qe-vendor-unknown",
        "the header names a vendor other than Intel, validly signed",
        "the quoting enclave's vendor is Intel",
        Before(quote::vendor);
    QuoteVersion2, "quote-version-2",
        "the header says version 2, validly signed",
        "the layout is that of the version in the header",
        Before(quote::version_2);
    QuoteVersion4, "quote-version-4",
        "the header says version 4 over a body of version 3, validly signed",
        "the layout is that of the version in the header",
        Before(quote::version_4);
    AttestationKeyTypeUnknown, "attestation-key-type-unknown",
        "the header says ECDSA with P-384, validly signed",
        "the attestation key type is ECDSA with P-256",
        Before(quote::key_type);
    Truncated, "truncated",
        "the quote ends within the signature over the quoting enclave's report",
        "a quote is complete",
        After(quote::truncated);
    SignatureDataLengthOversized, "signature-data-length-oversized",
        "the length of the signature data is 2^32 - 1",
        "lengths do not reach past the end",
        After(quote::signature_data_length);
    SignatureDataLengthOffByOne, "signature-data-length-off-by-one",
        "the signature data is one zero byte longer than its contents",
        "the lengths within the signature data fill it exactly",
        After(quote::signature_data_off_by_one);
    QeAuthDataLengthOversized, "qe-auth-data-length-oversized",
        "the length of the authentication data is 2^16 - 1",
        "lengths do not reach past the end",
        After(quote::qe_auth_data_length);
    CertificationDataLengthOversized, "certification-data-length-oversized",
        "the length of the certification data is 2^32 - 1",
        "lengths do not reach past the end",
        After(quote::certification_data_length);
    TrailingData, "trailing-data",
        "a byte that is not zero follows the quote",
        "only zero bytes follow a quote",
        After(quote::trailing_data);
    CertificationPpidClear, "certification-ppid-clear",
        "certification data of type 1 names the platform instead of carrying its certificate",
        "the PCK chain is in the quote",
        Before(quote::certification_1);
    CertificationPpidRsa2048, "certification-ppid-rsa-2048",
        "certification data of type 2 names the platform instead of carrying its certificate",
        "the PCK chain is in the quote",
        Before(quote::certification_2);
    CertificationPpidRsa3072, "certification-ppid-rsa-3072",
        "certification data of type 3 names the platform instead of carrying its certificate",
        "the PCK chain is in the quote",
        Before(quote::certification_3);
    CertificationPckOnly, "certification-pck-only",
        "certification data of type 4 carries the PCK certificate without its chain",
        "the PCK chain is in the quote",
        Before(quote::certification_4);
    CertificationNested, "certification-nested",
        "certification data of type 6, which version 3 does not have",
        "the type of the certification data exists in this version",
        Before(quote::certification_6);
    CertificationManifest, "certification-manifest",
        "certification data of type 7, a platform manifest",
        "the PCK chain is in the quote",
        Before(quote::certification_7);
    CertificationChainEmpty, "certification-chain-empty",
        "certification data of type 5 without any certificate",
        "the PCK chain is in the quote",
        Before(quote::chain_empty);
    QeDebug, "qe-debug",
        "the quoting enclave is a debug enclave, validly signed; the identity's mask leaves the flag out",
        "the quoting enclave is no debug enclave, whatever its identity says",
        Before(quote::qe_debug);
    QeAttributesMismatch, "qe-attributes-mismatch",
        "the quoting enclave lacks the provisioning key attribute, validly signed",
        "the masked attributes are those of the identity",
        Before(quote::qe_attributes);
    QeMiscSelectMismatch, "qe-misc-select-mismatch",
        "the quoting enclave's MISCSELECT differs in a masked bit, validly signed",
        "the masked MISCSELECT is that of the identity",
        Before(quote::qe_misc_select);
    QeMrSignerMismatch, "qe-mr-signer-mismatch",
        "another key signed the quoting enclave; its report is validly signed",
        "the signer of the quoting enclave is that of the identity",
        Before(quote::qe_mr_signer);
    QeProductMismatch, "qe-product-mismatch",
        "the quoting enclave is another product, validly signed",
        "the product of the quoting enclave is that of the identity",
        Before(quote::qe_product);
    // The certificates of the quote.
    SelfMadeRoot, "self-made-root",
        "quote and collateral stand under a self-made root with Intel's name",
        "the root's public key is the pinned one",
        Before(certificates::self_made_root);
    SelfMadeRootInQuote, "self-made-root-in-quote",
        "the quote stands under a self-made root with Intel's name, the collateral is genuine",
        "the root's public key is the pinned one",
        Before(certificates::self_made_root_in_quote);
    TcbSignerAsPck, "tcb-signer-as-pck",
        "the signer of TCB information stands in the place of the PCK and signs the quoting enclave's report",
        "the leaf is a PCK certificate, issued by a PCK authority",
        Before(certificates::tcb_signer_as_pck);
    PckIssuedByRoot, "pck-issued-by-root",
        "the root issued the PCK certificate",
        "the leaf is a PCK certificate, issued by a PCK authority",
        Before(certificates::issued_by_root);
    PckSignatureInvalid, "pck-signature-invalid",
        "another key than the authority's signed the PCK certificate",
        "every certificate is signed by the next one",
        Before(certificates::pck_signature);
    PckCaSignatureInvalid, "pck-ca-signature-invalid",
        "another key than the root's signed the authority's certificate",
        "every certificate is signed by the next one",
        Before(certificates::ca_signature);
    PckRevoked, "pck-revoked",
        "the authority's revocation list contains the PCK certificate",
        "the PCK certificate is not revoked",
        Before(certificates::pck_revoked);
    PckCaRevoked, "pck-ca-revoked",
        "the root's revocation list contains the authority",
        "the authority is not revoked",
        Before(certificates::ca_revoked);
    TcbSignerRevoked, "tcb-signer-revoked",
        "the root's revocation list contains the signer of TCB information",
        "the signer of TCB information is not revoked",
        Before(certificates::tcb_signer_revoked);
    PckExpired, "pck-expired",
        "the PCK certificate expired an hour ago",
        "every certificate is valid now",
        Before(certificates::pck_expired);
    PckNotYetValid, "pck-not-yet-valid",
        "the PCK certificate is valid from tomorrow",
        "every certificate is valid now",
        Before(certificates::pck_not_yet_valid);
    PckCaExpired, "pck-ca-expired",
        "the authority's certificate in the quote expired an hour ago",
        "every certificate is valid now",
        Before(certificates::ca_expired);
    PckCaNotYetValid, "pck-ca-not-yet-valid",
        "the authority's certificate in the quote is valid from tomorrow",
        "every certificate is valid now",
        Before(certificates::ca_not_yet_valid);
    RootExpired, "root-expired",
        "the root's certificate in the quote expired an hour ago; its key is the pinned one",
        "every certificate is valid now",
        Before(certificates::root_expired);
    TcbSignerExpired, "tcb-signer-expired",
        "the certificate of the signer of TCB information expired an hour ago",
        "every certificate is valid now",
        Before(certificates::tcb_signer_expired);
    PckIsAuthority, "pck-is-authority",
        "the PCK certificate says that it is an authority",
        "a leaf is no authority",
        Before(certificates::pck_is_ca);
    PckCaIsNoAuthority, "pck-ca-is-no-authority",
        "the authority's certificate says that it is none",
        "an issuer of certificates is an authority",
        Before(certificates::ca_is_no_ca);
    PckCaWithoutCertSign, "pck-ca-without-cert-sign",
        "the authority's key may sign revocation lists but no certificates",
        "an issuer's key may sign certificates",
        Before(certificates::ca_without_cert_sign);
    PckWithoutDigitalSignature, "pck-without-digital-signature",
        "the PCK's key usage lacks digital signatures",
        "the PCK may sign data",
        Before(certificates::pck_without_digital_signature);
    PckUnknownCriticalExtension, "pck-unknown-critical-extension",
        "the PCK certificate has a critical extension that nobody knows",
        "every critical extension is known",
        Before(certificates::pck_critical);
    PckCaUnknownCriticalExtension, "pck-ca-unknown-critical-extension",
        "the authority's certificate has a critical extension that nobody knows",
        "every critical extension is known",
        Before(certificates::ca_critical);
    PckNameWrong, "pck-name-wrong",
        "the PCK certificate has another name than Intel gives it",
        "the leaf is named `Intel SGX PCK Certificate`",
        Before(certificates::pck_name);
    PckCaNameWrong, "pck-ca-name-wrong",
        "the authority has another name than Intel gives it, in all places",
        "the authority is named `Intel SGX PCK Processor CA` or `Intel SGX PCK Platform CA`",
        Before(certificates::ca_name);
    PckWithoutSgxExtension, "pck-without-sgx-extension",
        "the PCK certificate has no SGX extension",
        "a PCK certificate has one SGX extension",
        Before(certificates::without_sgx);
    PckSgxExtensionTwice, "pck-sgx-extension-twice",
        "the PCK certificate has its SGX extension twice",
        "a PCK certificate has one SGX extension",
        Before(certificates::sgx_twice);
    PckDuplicateFmspc, "pck-duplicate-fmspc",
        "the SGX extension has a second FMSPC",
        "no identifier occurs twice in the SGX extension",
        Before(certificates::duplicate_fmspc);
    PckWithoutFmspc, "pck-without-fmspc",
        "the SGX extension has no FMSPC",
        "the SGX extension is complete",
        Before(certificates::without_fmspc);
    PckComponentTooLarge, "pck-component-too-large",
        "the first TCB component in the PCK certificate is 256",
        "a TCB component is at most 255",
        Before(certificates::component_256);
    // The collateral.
    PckCrlOfOtherCa, "pck-crl-of-other-ca",
        "the revocation list is that of the other PCK authority, with its chain",
        "the revocation list's issuer is the issuer of the PCK certificate",
        Before(collateral::crl_of_other_ca);
    PckCrlOfOtherRoot, "pck-crl-of-other-root",
        "the revocation list and its chain stand under a self-made root with the same names",
        "the revocation list's chain ends in the pinned root",
        Before(collateral::crl_of_other_root);
    PckCrlWrongSigner, "pck-crl-wrong-signer",
        "another key than the authority's signed the revocation list",
        "a revocation list is signed by its issuer",
        Before(collateral::crl_signer);
    PckCrlExpired, "pck-crl-expired",
        "the next revocation list was due an hour ago",
        "a revocation list is current",
        Before(collateral::crl_expired);
    PckCrlFromFuture, "pck-crl-from-future",
        "the revocation list is from tomorrow",
        "a revocation list is current",
        Before(collateral::crl_future);
    PckCrlUnknownCriticalExtension, "pck-crl-unknown-critical-extension",
        "the revocation list has a critical extension that nobody knows",
        "every critical extension is known",
        Before(collateral::crl_critical);
    RootCrlWrongSigner, "root-crl-wrong-signer",
        "another key than the root's signed its revocation list",
        "a revocation list is signed by its issuer",
        Before(collateral::root_crl_signer);
    RootCrlExpired, "root-crl-expired",
        "the root's next revocation list was due an hour ago",
        "a revocation list is current",
        Before(collateral::root_crl_expired);
    RootCrlFromFuture, "root-crl-from-future",
        "the root's revocation list is from tomorrow",
        "a revocation list is current",
        Before(collateral::root_crl_future);
    TcbInfoForTdx, "tcb-info-for-tdx",
        "the TCB information is for TDX, validly signed",
        "the TCB information is for the kind of evidence",
        Before(collateral::for_tdx);
    TcbInfoVersionUnknown, "tcb-info-version-unknown",
        "the TCB information says version 4, validly signed",
        "the TCB information has a known version",
        Before(collateral::version);
    FmspcMismatch, "fmspc-mismatch",
        "the TCB information is for another FMSPC, validly signed",
        "FMSPC of TCB information and PCK certificate are equal",
        Before(collateral::fmspc);
    PceIdMismatch, "pce-id-mismatch",
        "the TCB information is for another PCEID, validly signed",
        "PCEID of TCB information and PCK certificate are equal",
        Before(collateral::pce_id);
    TcbInfoReserialized, "tcb-info-reserialized",
        "the TCB information is the same JSON in other bytes",
        "the signature covers the exact bytes of the TCB information",
        After(collateral::tcb_info_reserialized);
    TcbInfoSignatureInvalid, "tcb-info-signature-invalid",
        "the last digit of the TCB information's signature is another one",
        "the signer of TCB information signs it",
        After(collateral::tcb_info_signature);
    TcbInfoSignedByPck, "tcb-info-signed-by-pck",
        "the platform's own PCK signed the TCB information",
        "the signer of TCB information signs it",
        Before(collateral::signed_by_pck);
    TcbInfoIssuerIsPck, "tcb-info-issuer-is-pck",
        "the platform's own PCK signed the TCB information, and its genuine chain stands as the issuer's",
        "the issuer of TCB information is named `Intel SGX TCB Signing`",
        Before(collateral::issuer_is_pck);
    TcbSignerOfOtherRoot, "tcb-signer-of-other-root",
        "the TCB information and its chain stand under a self-made root with the same names",
        "the chain of the signer of TCB information ends in the pinned root",
        Before(collateral::tcb_signer_of_other_root);
    TcbInfoExpired, "tcb-info-expired",
        "the next TCB information was due an hour ago",
        "the TCB information is current",
        Before(collateral::tcb_info_expired);
    TcbInfoFromFuture, "tcb-info-from-future",
        "the TCB information is from tomorrow",
        "the TCB information is current",
        Before(collateral::tcb_info_future);
    TcbInfoDuplicateKey, "tcb-info-duplicate-key",
        "the first level of the TCB information has two statuses, validly signed",
        "no member of a JSON object occurs twice",
        Before(collateral::tcb_info_duplicate);
    TcbInfoNestingBomb, "tcb-info-nesting-bomb",
        "the TCB information has an unknown member of 10 000 nested arrays, validly signed",
        "JSON has a bounded depth",
        Before(collateral::tcb_info_bomb);
    TcbComponentsShort, "tcb-components-short",
        "the levels have 15 components, validly signed",
        "a level has 16 components",
        Before(collateral::components_short);
    TcbComponentMissing, "tcb-component-missing",
        "the first component of each level has no security version, validly signed",
        "every component has a security version",
        Before(collateral::component_missing);
    TcbNoMatchingLevel, "tcb-no-matching-level",
        "the only level is above every platform, validly signed",
        "the platform reaches a level of the TCB information",
        Before(collateral::no_level);
    TcbStatusUnknown, "tcb-status-unknown",
        "the levels have the status `Fine`, validly signed",
        "a status is one of the known ones",
        Before(collateral::status_unknown);
    TcbRevoked, "tcb-revoked",
        "the levels are revoked, validly signed",
        "the platform's level is not revoked",
        Before(collateral::revoked);
    QeIdentityForQve, "qe-identity-for-qve",
        "the identity is that of the quote verification enclave, validly signed",
        "the identity is that of the SGX quoting enclave",
        Before(collateral::qve);
    QeIdentityForTdQe, "qe-identity-for-td-qe",
        "the identity is that of the TD quoting enclave, validly signed",
        "the identity is that of the SGX quoting enclave",
        Before(collateral::td_qe);
    QeIdentityReserialized, "qe-identity-reserialized",
        "the identity is the same JSON in other bytes",
        "the signature covers the exact bytes of the identity",
        After(collateral::qe_identity_reserialized);
    QeIdentitySignatureInvalid, "qe-identity-signature-invalid",
        "the last digit of the identity's signature is another one",
        "the signer of TCB information signs the identity",
        After(collateral::qe_identity_signature);
    QeIdentitySignerOfOtherRoot, "qe-identity-signer-of-other-root",
        "the identity and its chain stand under a self-made root with the same names",
        "the chain of the identity's signer ends in the pinned root",
        Before(collateral::qe_signer_of_other_root);
    QeIdentityIssuerIsPck, "qe-identity-issuer-is-pck",
        "the platform's own PCK signed the identity, and its genuine chain stands as the issuer's",
        "the issuer of the identity is named `Intel SGX TCB Signing`",
        Before(collateral::qe_issuer_is_pck);
    QeIdentityExpired, "qe-identity-expired",
        "the next identity was due an hour ago",
        "the identity is current",
        Before(collateral::qe_identity_expired);
    QeIdentityFromFuture, "qe-identity-from-future",
        "the identity is from tomorrow",
        "the identity is current",
        Before(collateral::qe_identity_future);
    QeIdentityDuplicateKey, "qe-identity-duplicate-key",
        "the first level of the identity has two statuses, validly signed",
        "no member of a JSON object occurs twice",
        Before(collateral::qe_identity_duplicate);
    QeIdentityNestingBomb, "qe-identity-nesting-bomb",
        "the identity has an unknown member of 10 000 nested arrays, validly signed",
        "JSON has a bounded depth",
        Before(collateral::qe_identity_bomb);
    QeNoMatchingLevel, "qe-no-matching-level",
        "the only level of the identity is above every quoting enclave, validly signed",
        "the quoting enclave reaches a level of the identity",
        Before(collateral::qe_no_level);
    QeStatusUnknown, "qe-status-unknown",
        "the levels of the identity have the status `Fine`, validly signed",
        "a status is one of the known ones",
        Before(collateral::qe_status_unknown);
    QeRevoked, "qe-revoked",
        "the levels of the identity are revoked, validly signed",
        "the quoting enclave's level is not revoked",
        Before(collateral::qe_revoked);
}
