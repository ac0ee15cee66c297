//! The rules on SEV-SNP reports, in the order in which they are reported.

use crate::report::CheckDef;

const ABI: &str = "AMD SEV-SNP Firmware ABI (56860), table 23";
const POLICY: &str = "AMD SEV-SNP Firmware ABI (56860), table 9";
const VCEK: &str = "AMD VCEK Certificate and KDS Interface Specification (57230), section 3";
const VLEK: &str = "AMD VLEK and KDS Interface Specification (58369)";
const RFC5280: &str = "RFC 5280, sections 4.2.1, 5.1 and 6.1";
const MAA: &str = "Azure Attestation, AttestSevSnpVm";

/// Every rule on a report; that nothing was left unread is for the whole evidence.
pub const RULES: &[&CheckDef] = &[
    &LAYOUT,
    &SIGNATURE_ALGORITHM,
    &KEY_INFO,
    &RESERVED,
    &PRODUCT,
    &CHAIN_HINT,
    &VEK,
    &VEK_CHAIN,
    &VEK_ROLE,
    &VEK_EXTENSIONS,
    &VEK_KIND,
    &VEK_DATES,
    &CRL,
    &VEK_TCB,
    &CHIP_ID,
    &VLEK_PROVIDER,
    &REPORT_SIGNATURE,
    &TCB_ORDER,
    &GUEST_POLICY,
    &DEBUG,
    &MIGRATION,
    &VMPL,
    &PLATFORM_INFO,
    &RUNTIME_DATA,
    &NONCE,
    &INIT_TIME_DATA,
    &IMAGES,
];

macro_rules! rules {
    ($($name:ident: $id:literal, $title:literal, $reference:expr;)*) => {
        $(pub(super) static $name: CheckDef = CheckDef { id: $id, title: $title, reference: $reference };)*
    };
}

rules! {
    LAYOUT: "snp.layout", "the report is whole and of a known version", ABI;
    SIGNATURE_ALGORITHM: "snp.signature-algorithm", "the report is signed with ECDSA P-384 and SHA-384", ABI;
    KEY_INFO: "snp.key-info", "a VCEK or VLEK signed the report, and the chip's identity is not masked", ABI;
    RESERVED: "snp.reserved", "reserved bytes are zero", ABI;
    GUEST_POLICY: "snp.guest-policy", "the guest policy's fixed bits have their values", POLICY;
    VMPL: "snp.vmpl", "the guest asked for the report, at the highest privilege level", ABI;
    PRODUCT: "snp.product", "the processor's generation is known, and report and endorsement key agree on it",
        "AMD document 57230, section 3; AMD PPR, CPUID Fn8000_0001";
    VEK: "snp.vek", "there is an endorsement key certificate, and it is readable", VCEK;
    VEK_CHAIN: "snp.vek-chain", "a pinned AMD authority issued the endorsement key certificate", VCEK;
    VEK_ROLE: "snp.vek-role", "the endorsement key certificate's name, key and constraints fit its role", VCEK;
    VEK_EXTENSIONS: "snp.vek-extensions", "the endorsement key certificate says which chip and TCB it is for", VCEK;
    VEK_DATES: "snp.vek-dates", "the endorsement key's chain is valid at the time of verification", RFC5280;
    CHAIN_HINT: "snp.chain-hint", "the certificates that came along are the pinned ones above the key", VCEK;
    CRL: "snp.crl", "the endorsement key's authority is not revoked", RFC5280;
    VEK_KIND: "snp.vek-kind", "the certificate is of the kind of key that the report names", VCEK;
    VEK_TCB: "snp.vek-tcb", "the endorsement key is of the TCB that the report states", VCEK;
    CHIP_ID: "snp.chip-id", "the endorsement key is of the chip that the report names", VCEK;
    VLEK_PROVIDER: "snp.vlek-provider", "the provider that the VLEK belongs to is a trusted one", VLEK;
    REPORT_SIGNATURE: "snp.report-signature", "the endorsement key signed the report", ABI;
    TCB_ORDER: "snp.tcb-order", "neither the reported nor the committed TCB is above the current one", ABI;
    PLATFORM_INFO: "snp.platform-info", "every bit of the platform information is known", ABI;
    DEBUG: "snp.debug", "the host cannot debug the guest", POLICY;
    MIGRATION: "snp.migration", "no migration agent can move the guest", POLICY;
    RUNTIME_DATA: "snp.runtime-data", "the report data is the hash of the runtime data, then zeros", MAA;
    NONCE: "snp.nonce", "the evidence is bound to the nonce", "RFC 9334, section 10.2";
    INIT_TIME_DATA: "snp.init-time-data", "the host data is the hash of the init-time data", MAA;
    UNREAD: "evidence.unread", "every proof that came along was looked at", "Assay, docs/snp.md, forms of evidence";
    IMAGES: "snp.endorsements", "no more endorsements of the image came along than there are forms", MAA;
}
