//! The rules on Intel's chains and collateral, in the order they are checked.

use crate::report::CheckDef;

const PCK_PROFILE: &str = "Intel SGX PCK Certificate and CRL Specification, section 1.3";
const PCS_API: &str = "Intel PCS API v4, \"Get TCB Info\" and \"Get Enclave Identity\"";
const RFC5280: &str = "RFC 5280, sections 4.2.1 and 6.1";

/// Every rule of this module.
pub const RULES: &[&CheckDef] = &[
    &rule::PCK_CHAIN,
    &rule::PCK_ROOT,
    &rule::PCK_SIGNATURES,
    &rule::PCK_ROLES,
    &rule::PCK_EXTENSION,
    &rule::PCK_DATES,
    &rule::COLLATERAL_PRESENT,
    &rule::COLLATERAL_READABLE,
    &rule::COLLATERAL_CHAINS,
    &rule::COLLATERAL_ROOT_CRL,
    &rule::COLLATERAL_PCK_CRL,
    &rule::TCB_INFO_SIGNATURE,
    &rule::TCB_INFO_KIND,
    &rule::QE_IDENTITY_SIGNATURE,
    &rule::QE_IDENTITY_KIND,
    &rule::COLLATERAL_REVOCATION,
    &rule::PCK_CRL_CA,
    &rule::COLLATERAL_DATES,
    &rule::EVALUATION_NUMBERS,
    &rule::TCB_LEVEL_ORDER,
    &rule::PCK_CRL_ISSUER,
    &rule::PCK_REVOCATION,
    &rule::TCB_INFO_PLATFORM,
];

/// The rules by name.
pub(crate) mod rule {
    use super::{CheckDef, PCK_PROFILE, PCS_API, RFC5280};

    macro_rules! rules {
        ($($name:ident: $id:literal, $title:literal, $reference:expr;)*) => {
            $(pub(crate) static $name: CheckDef = CheckDef { id: $id, title: $title, reference: $reference };)*
        };
    }

    rules! {
        PCK_CHAIN: "intel.pck-chain", "the quote carries a readable PCK certificate chain of three", PCK_PROFILE;
        PCK_ROOT: "intel.pck-root", "the PCK chain ends at a pinned root key", PCK_PROFILE;
        PCK_SIGNATURES: "intel.pck-signatures", "each certificate of the PCK chain is issued and signed by the next", RFC5280;
        PCK_ROLES: "intel.pck-roles", "names, constraints and key usages of the PCK chain fit their roles", PCK_PROFILE;
        PCK_EXTENSION: "intel.pck-extension", "the PCK certificate says which platform and TCB it is for", PCK_PROFILE;
        PCK_DATES: "intel.pck-dates", "the PCK chain is valid at the time of verification", RFC5280;
        COLLATERAL_PRESENT: "intel.collateral", "there is collateral for the platform", PCS_API;
        COLLATERAL_READABLE: "intel.collateral-readable", "every document of the collateral is readable", PCS_API;
        COLLATERAL_CHAINS: "intel.collateral-chains", "the collateral's issuer chains end at the pinned root", PCK_PROFILE;
        COLLATERAL_ROOT_CRL: "intel.root-crl", "the root CA's revocation list is signed by the root", RFC5280;
        COLLATERAL_PCK_CRL: "intel.pck-crl", "the PCK revocation list is signed by its CA", RFC5280;
        TCB_INFO_SIGNATURE: "intel.tcb-info-signature", "the TCB info is signed by Intel, byte for byte", PCS_API;
        TCB_INFO_KIND: "intel.tcb-info-kind", "the TCB info is for SGX and of a known version", PCS_API;
        QE_IDENTITY_SIGNATURE: "intel.qe-identity-signature", "the QE identity is signed by Intel, byte for byte", PCS_API;
        QE_IDENTITY_KIND: "intel.qe-identity-kind", "the QE identity is the SGX quoting enclave's", PCS_API;
        COLLATERAL_REVOCATION: "intel.collateral-revocation", "no certificate of the collateral is revoked", RFC5280;
        PCK_CRL_CA: "intel.pck-crl-ca", "the PCK revocation list's issuer is one of Intel's two PCK CAs", PCK_PROFILE;
        COLLATERAL_DATES: "intel.collateral-dates", "every document of the collateral is valid at the time of verification", PCS_API;
        EVALUATION_NUMBERS: "intel.evaluation-numbers", "TCB info and QE identity are of one TCB evaluation", PCS_API;
        TCB_LEVEL_ORDER: "intel.tcb-level-order", "the TCB info lists its levels from the highest down", PCS_API;
        PCK_CRL_ISSUER: "intel.pck-crl-issuer", "the PCK revocation list is of the CA that issued the PCK", RFC5280;
        PCK_REVOCATION: "intel.pck-revocation", "neither the PCK nor its CA is revoked", RFC5280;
        TCB_INFO_PLATFORM: "intel.tcb-info-platform", "the TCB info is for this platform family and PCE", PCS_API;
    }
}
