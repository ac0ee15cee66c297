//! The table of defects: name, how the sample is broken, which rule that breaks, and what breaks it.

use super::super::pki::Signature;
use super::super::report::{
    AUTHOR_KEY_DIGEST, BODY_SIZE, CHIP_ID, COMMITTED_FIRMWARE, COMMITTED_TCB, CPUID, CURRENT_FIRMWARE,
    CURRENT_MITIGATIONS, CURRENT_TCB, FAMILY_ID, GUEST_SVN, HOST_DATA, ID_KEY_DIGEST, IMAGE_ID, KEY_INFO,
    LAUNCH_MITIGATIONS, LAUNCH_TCB, MEASUREMENT, PLATFORM_INFO, POLICY, REPORT_DATA, REPORT_ID, REPORT_ID_MA,
    REPORTED_TCB, RESERVED_1EB, RESERVED_1EF, RESERVED_04C, RESERVED_18B, RESERVED_208, RESERVED_330,
    SIGNATURE_ALGORITHM, SIGNATURE_R, SIGNATURE_S, SIZE, VERSION, VMPL,
};
use super::super::vek::{BOOT_LOADER, CSP_ID, FMC, HWID, MICROCODE, PRODUCT_NAME, SNP, STRUCT_VERSION, TEE};
use super::Fault::{self, After, AfterOf, Before, Of};
use super::certificates::Identifiers;
use super::{
    certificates, has_large_microcode, has_newer_boot_loader, has_older_boot_loader, has_older_microcode,
    is_not_turin, is_turin, is_turin_vcek, is_vcek, is_vlek, report, signature,
};

crate::table::defects! {
    // The report, signed by the endorsement key as it is.
    ReportVersion0, "report-version-0",
        "the report says version 0",
        "the version of a report is 2 to 5",
        Before(|draft| report::put_u32(draft, VERSION, 0));
    ReportVersion1, "report-version-1",
        "the report says version 1",
        "the version of a report is 2 to 5",
        Before(|draft| report::put_u32(draft, VERSION, 1));
    ReportVersion6, "report-version-6",
        "the report says version 6",
        "the version of a report is 2 to 5",
        Before(|draft| report::put_u32(draft, VERSION, 6));
    ReportVersion7, "report-version-7",
        "the report says version 7",
        "the version of a report is 2 to 5",
        Before(|draft| report::put_u32(draft, VERSION, 7));
    ReportVersionMax, "report-version-max",
        "the report says version 0xffffffff",
        "the version of a report is 2 to 5",
        Before(|draft| report::put_u32(draft, VERSION, u32::MAX));
    SignatureAlgorithm0, "signature-algorithm-0",
        "the report says signature algorithm 0",
        "a report is signed with ECDSA on P-384 and SHA-384: algorithm 1",
        Before(|draft| report::put_u32(draft, SIGNATURE_ALGORITHM, 0));
    SignatureAlgorithm2, "signature-algorithm-2",
        "the report says signature algorithm 2",
        "a report is signed with ECDSA on P-384 and SHA-384: algorithm 1",
        Before(|draft| report::put_u32(draft, SIGNATURE_ALGORITHM, 2));
    KeyInfoBit5, "key-info-bit-5",
        "bit 5 of KEY_INFO is one",
        "bits 5 to 31 of KEY_INFO are zero",
        Before(|draft| report::flip_bit(draft, KEY_INFO, 5));
    KeyInfoBit31, "key-info-bit-31",
        "bit 31 of KEY_INFO is one",
        "bits 5 to 31 of KEY_INFO are zero",
        Before(|draft| report::flip_bit(draft, KEY_INFO, 31));
    ChipKeyMasked, "chip-key-masked",
        "MASK_CHIP_KEY is one, and the report is signed all the same",
        "the chip's key is not masked",
        Before(|draft| report::flip_bit(draft, KEY_INFO, 1));
    ChipKeyMaskedUnsigned, "chip-key-masked-unsigned",
        "MASK_CHIP_KEY is one, no key signs, and the signature is zero, as firmware does it",
        "the chip's key is not masked",
        After(signature::masked_and_unsigned);
    SigningKeyNone, "signing-key-none",
        "SIGNING_KEY is 7, no key, and the report is signed all the same",
        "a VCEK or a VLEK signs",
        Before(|draft| report::signing_key(draft, 7));
    SigningKeyUnknown, "signing-key-unknown",
        "SIGNING_KEY is 2",
        "a VCEK or a VLEK signs",
        Before(|draft| report::signing_key(draft, 2));
    SigningKeyOfOtherKind, "signing-key-of-other-kind",
        "SIGNING_KEY says that a VLEK signs where a VCEK does, or the reverse",
        "the endorsement key is of the kind that the report says",
        Before(report::signing_key_of_other_kind);
    Reserved04c, "reserved-04c",
        "the reserved byte at 0x4c is one",
        "what is reserved is zero",
        Before(|draft| report::put_one(draft, RESERVED_04C));
    Reserved04f, "reserved-04f",
        "the reserved byte at 0x4f is one",
        "what is reserved is zero",
        Before(|draft| report::put_one(draft, RESERVED_04C + 3));
    Reserved18b, "reserved-18b",
        "the reserved byte at 0x18b is one",
        "what is reserved is zero",
        Before(|draft| report::put_one(draft, RESERVED_18B));
    Reserved19f, "reserved-19f",
        "the reserved byte at 0x19f is one",
        "what is reserved is zero",
        Before(|draft| report::put_one(draft, CHIP_ID - 1));
    Reserved1eb, "reserved-1eb",
        "the reserved byte at 0x1eb is one",
        "what is reserved is zero",
        Before(|draft| report::put_one(draft, RESERVED_1EB));
    Reserved1ef, "reserved-1ef",
        "the reserved byte at 0x1ef is one",
        "what is reserved is zero",
        Before(|draft| report::put_one(draft, RESERVED_1EF));
    Reserved208, "reserved-208",
        "the reserved byte at 0x208 is one",
        "what is reserved is zero",
        Before(|draft| report::put_one(draft, RESERVED_208));
    Reserved29f, "reserved-29f",
        "the reserved byte at 0x29f is one",
        "what is reserved is zero",
        Before(|draft| report::put_one(draft, BODY_SIZE - 1));
    CpuidInVersion2, "cpuid-in-version-2",
        "the report says version 2 and has a CPUID",
        "where version 3 has a CPUID, version 2 is zero",
        Before(report::cpuid_in_version_2);
    MitigationsInVersion4, "mitigations-in-version-4",
        "the report says version 4 and has a mitigation vector",
        "where version 5 has mitigation vectors, earlier ones are zero",
        Before(report::mitigations_in_version_4);
    PolicyBit17, "policy-bit-17",
        "bit 17 of the policy is zero",
        "bit 17 of the policy is one",
        Before(|draft| report::flip_bit(draft, POLICY, 17));
    PolicyBit26, "policy-bit-26",
        "bit 26 of the policy is one",
        "bits 26 to 63 of the policy are zero",
        Before(|draft| report::flip_bit(draft, POLICY, 26));
    PolicyBit63, "policy-bit-63",
        "bit 63 of the policy is one",
        "bits 26 to 63 of the policy are zero",
        Before(|draft| report::flip_upper_policy_bit(draft, 31));
    Vmpl4, "vmpl-4",
        "the VMPL is 4",
        "the VMPL is 0 to 3",
        Before(|draft| report::put_u32(draft, VMPL, 4));
    VmplHost, "vmpl-host",
        "the VMPL is 0xffffffff: the host asked for the report",
        "the guest asked for the report",
        Before(|draft| report::put_u32(draft, VMPL, u32::MAX));
    ChipIdMasked, "chip-id-masked",
        "the chip id is zero",
        "the report says which chip made it",
        Of(is_vcek, report::chip_id_masked);
    ChipIdOfOtherChip, "chip-id-of-other-chip",
        "the chip id is that of another chip",
        "the chip id is the HWID of the certificate",
        Of(is_vcek, report::chip_id_of_other_chip);
    ChipIdTail, "chip-id-tail",
        "the last byte of the chip id is one",
        "of the chip id of a Turin 8 bytes count, and the others are zero",
        Of(is_turin_vcek, |draft| report::put_one(draft, CHIP_ID + 63));
    CpuidOfOtherProduct, "cpuid-of-other-product",
        "family and model are those of another product",
        "the product of the report is that of the certificates",
        Before(report::cpuid_of_other_product);
    CpuidFamilyUnknown, "cpuid-family-unknown",
        "the family is 0x17",
        "family and model are those of a known product",
        Before(report::cpuid_family);
    CpuidModelUnknown, "cpuid-model-unknown",
        "the model is 0x70",
        "family and model are those of a known product",
        Before(report::cpuid_model);
    ReportedTcbAboveCurrent, "reported-tcb-above-current",
        "the reported boot loader is above the current one, and the current microcode above the reported one",
        "no component of REPORTED_TCB is above that of CURRENT_TCB",
        Of(has_older_boot_loader, report::reported_above_current);
    CommittedTcbAboveCurrent, "committed-tcb-above-current",
        "the committed boot loader is above the current one, and the current microcode above the committed one",
        "no component of COMMITTED_TCB is above that of CURRENT_TCB",
        Of(has_newer_boot_loader, report::committed_above_current);
    ReportedTcbReserved, "reported-tcb-reserved",
        "a reserved byte of REPORTED_TCB is one",
        "what is reserved is zero",
        Before(|draft| report::tcb_reserved(draft, REPORTED_TCB));
    CurrentTcbReserved, "current-tcb-reserved",
        "a reserved byte of CURRENT_TCB is one",
        "what is reserved is zero",
        Before(|draft| report::tcb_reserved(draft, CURRENT_TCB));
    CommittedTcbReserved, "committed-tcb-reserved",
        "a reserved byte of COMMITTED_TCB is one",
        "what is reserved is zero",
        Before(|draft| report::tcb_reserved(draft, COMMITTED_TCB));
    LaunchTcbReserved, "launch-tcb-reserved",
        "a reserved byte of LAUNCH_TCB is one",
        "what is reserved is zero",
        Before(|draft| report::tcb_reserved(draft, LAUNCH_TCB));
    // The report, changed after it was signed.
    GuestSvnBitFlipped, "guest-svn-bit-flipped",
        "one bit of the guest's security version is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, GUEST_SVN));
    PolicyBitFlipped, "policy-bit-flipped",
        "one bit of the policy is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, POLICY));
    FamilyIdBitFlipped, "family-id-bit-flipped",
        "one bit of the family id is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, FAMILY_ID));
    ImageIdBitFlipped, "image-id-bit-flipped",
        "one bit of the image id is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, IMAGE_ID));
    VmplBitFlipped, "vmpl-bit-flipped",
        "one bit of the VMPL is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, VMPL));
    PlatformInfoBitFlipped, "platform-info-bit-flipped",
        "one bit of the platform's information is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, PLATFORM_INFO));
    ReportDataBitFlipped, "report-data-bit-flipped",
        "one bit of the report data is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, REPORT_DATA));
    MeasurementBitFlipped, "measurement-bit-flipped",
        "one bit of the measurement is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, MEASUREMENT));
    HostDataBitFlipped, "host-data-bit-flipped",
        "one bit of the host data is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, HOST_DATA));
    IdKeyDigestBitFlipped, "id-key-digest-bit-flipped",
        "one bit of the digest of the identity key is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, ID_KEY_DIGEST));
    AuthorKeyDigestBitFlipped, "author-key-digest-bit-flipped",
        "one bit of the digest of the author key is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, AUTHOR_KEY_DIGEST));
    ReportIdBitFlipped, "report-id-bit-flipped",
        "one bit of the report id is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, REPORT_ID));
    ReportIdMaBitFlipped, "report-id-ma-bit-flipped",
        "one bit of the report id of the migration agent is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, REPORT_ID_MA));
    ReportedTcbBitFlipped, "reported-tcb-bit-flipped",
        "one bit of the reported TCB is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, REPORTED_TCB));
    SteppingBitFlipped, "stepping-bit-flipped",
        "one bit of the stepping is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, CPUID + 2));
    ChipIdBitFlipped, "chip-id-bit-flipped",
        "one bit of the chip id is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, CHIP_ID));
    CurrentFirmwareBitFlipped, "current-firmware-bit-flipped",
        "one bit of the current firmware's build number is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, CURRENT_FIRMWARE));
    CommittedFirmwareBitFlipped, "committed-firmware-bit-flipped",
        "one bit of the committed firmware's build number is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, COMMITTED_FIRMWARE));
    LaunchTcbBitFlipped, "launch-tcb-bit-flipped",
        "one bit of the TCB at launch is flipped after signing",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, LAUNCH_TCB));
    CurrentTcbBitFlipped, "current-tcb-bit-flipped",
        "one bit of the current microcode is set after signing",
        "the endorsement key signs the report",
        AfterOf(has_older_microcode, signature::newer_current);
    CommittedTcbBitFlipped, "committed-tcb-bit-flipped",
        "one bit of the committed microcode is cleared after signing",
        "the endorsement key signs the report",
        After(signature::older_committed);
    LaunchMitigationsBitFlipped, "launch-mitigations-bit-flipped",
        "one bit of the launch mitigation vector is flipped after signing",
        "the endorsement key signs the report",
        AfterOf(is_turin, |sample| signature::flip(sample, LAUNCH_MITIGATIONS));
    CurrentMitigationsBitFlipped, "current-mitigations-bit-flipped",
        "one bit of the current mitigation vector is flipped after signing",
        "the endorsement key signs the report",
        AfterOf(is_turin, |sample| signature::flip(sample, CURRENT_MITIGATIONS));
    SignatureRBitFlipped, "signature-r-bit-flipped",
        "one bit of `r` is flipped",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, SIGNATURE_R));
    SignatureRZero, "signature-r-zero",
        "`r` is zero",
        "`r` and `s` are not zero",
        After(|sample| signature::zero(sample, SIGNATURE_R));
    SignatureROrder, "signature-r-order",
        "`r` is the order of P-384",
        "`r` and `s` are below the order of P-384",
        After(|sample| signature::order(sample, SIGNATURE_R));
    SignatureRByte48, "signature-r-byte-48",
        "the first byte of `r` beyond the 48 of P-384 is one",
        "`r` and `s` have 48 bytes, and 24 zeros",
        After(|sample| signature::put_one(sample, SIGNATURE_R + 48));
    SignatureRByte71, "signature-r-byte-71",
        "the last byte of `r` is one",
        "`r` and `s` have 48 bytes, and 24 zeros",
        After(|sample| signature::put_one(sample, SIGNATURE_R + 71));
    SignatureSBitFlipped, "signature-s-bit-flipped",
        "one bit of `s` is flipped",
        "the endorsement key signs the report",
        After(|sample| signature::flip(sample, SIGNATURE_S));
    SignatureSZero, "signature-s-zero",
        "`s` is zero",
        "`r` and `s` are not zero",
        After(|sample| signature::zero(sample, SIGNATURE_S));
    SignatureSOrder, "signature-s-order",
        "`s` is the order of P-384",
        "`r` and `s` are below the order of P-384",
        After(|sample| signature::order(sample, SIGNATURE_S));
    SignatureSByte48, "signature-s-byte-48",
        "the first byte of `s` beyond the 48 of P-384 is one",
        "`r` and `s` have 48 bytes, and 24 zeros",
        After(|sample| signature::put_one(sample, SIGNATURE_S + 48));
    SignatureSByte71, "signature-s-byte-71",
        "the last byte of `s` is one",
        "`r` and `s` have 48 bytes, and 24 zeros",
        After(|sample| signature::put_one(sample, SIGNATURE_S + 71));
    Reserved330, "reserved-330",
        "the first byte after the signature is one",
        "all is zero after the signature",
        After(|sample| signature::put_one(sample, RESERVED_330));
    Reserved49f, "reserved-49f",
        "the last byte is one",
        "all is zero after the signature",
        After(|sample| signature::put_one(sample, SIZE - 1));
    Truncated, "truncated",
        "the report lacks its last byte",
        "a report has 1184 bytes",
        After(signature::truncated);
    TrailingData, "trailing-data",
        "a byte follows the report",
        "a report has 1184 bytes",
        After(signature::trailing);
    Empty, "empty",
        "the report has no bytes",
        "a report has 1184 bytes",
        After(signature::empty);
    // The certificate of the endorsement key.
    VekIssuerName, "vek-issuer-name",
        "the certificate of the endorsement key says that `SEV-Other` issued it",
        "the issuer of a certificate is the subject of the next one",
        Before(certificates::issuer_name);
    VekSignedByOther, "vek-signed-by-other",
        "another key than the issuer's signed the certificate of the endorsement key",
        "the ASK or ASVK signs the certificate of the endorsement key",
        Before(certificates::signed_by_stranger);
    VekPkcs1, "vek-pkcs1",
        "the issuer signed the certificate of the endorsement key with RSASSA-PKCS1-v1_5",
        "certificates are signed with RSASSA-PSS, SHA-384 and a salt of 48 bytes",
        Before(|draft| certificates::signature(draft, Signature::Pkcs1));
    VekPssSha256, "vek-pss-sha256",
        "the issuer signed the certificate of the endorsement key with RSASSA-PSS and SHA-256",
        "certificates are signed with RSASSA-PSS, SHA-384 and a salt of 48 bytes",
        Before(|draft| certificates::signature(draft, Signature::Pss256));
    VekPssSalt32, "vek-pss-salt-32",
        "the certificate of the endorsement key says that its signature has a salt of 32 bytes",
        "certificates are signed with RSASSA-PSS, SHA-384 and a salt of 48 bytes",
        Before(|draft| certificates::signature(draft, Signature::PssSalt32));
    VekExpired, "vek-expired",
        "the certificate of the endorsement key expired an hour ago",
        "certificates are valid now",
        Before(certificates::expired);
    VekNotYetValid, "vek-not-yet-valid",
        "the certificate of the endorsement key is valid from tomorrow",
        "certificates are valid now",
        Before(certificates::not_yet_valid);
    VekBootLoaderTooHigh, "vek-boot-loader-too-high",
        "the endorsement key is for a TCB whose boot loader is one higher",
        "the endorsement key is for the reported TCB",
        Before(|draft| certificates::spl_too_high(draft, BOOT_LOADER, |tcb| tcb.boot_loader));
    VekWithoutBootLoader, "vek-without-boot-loader",
        "the certificate of the endorsement key does not say the TCB of the boot loader",
        "the certificate has every component of the TCB",
        Before(|draft| certificates::missing(draft, BOOT_LOADER));
    VekTeeTooHigh, "vek-tee-too-high",
        "the endorsement key is for a TCB whose trusted execution environment is one higher",
        "the endorsement key is for the reported TCB",
        Before(|draft| certificates::spl_too_high(draft, TEE, |tcb| tcb.tee));
    VekWithoutTee, "vek-without-tee",
        "the certificate of the endorsement key does not say the TCB of the trusted execution environment",
        "the certificate has every component of the TCB",
        Before(|draft| certificates::missing(draft, TEE));
    VekSnpTooHigh, "vek-snp-too-high",
        "the endorsement key is for a TCB whose SNP firmware is one higher",
        "the endorsement key is for the reported TCB",
        Before(|draft| certificates::spl_too_high(draft, SNP, |tcb| tcb.snp));
    VekWithoutSnp, "vek-without-snp",
        "the certificate of the endorsement key does not say the TCB of the SNP firmware",
        "the certificate has every component of the TCB",
        Before(|draft| certificates::missing(draft, SNP));
    VekMicrocodeTooHigh, "vek-microcode-too-high",
        "the endorsement key is for a TCB whose microcode is one higher",
        "the endorsement key is for the reported TCB",
        Before(|draft| certificates::spl_too_high(draft, MICROCODE, |tcb| tcb.microcode));
    VekWithoutMicrocode, "vek-without-microcode",
        "the certificate of the endorsement key does not say the TCB of the microcode",
        "the certificate has every component of the TCB",
        Before(|draft| certificates::missing(draft, MICROCODE));
    VekFmcTooHigh, "vek-fmc-too-high",
        "the endorsement key is for a TCB whose FMC is one higher",
        "the endorsement key is for the reported TCB",
        Of(is_turin, |draft| certificates::spl_too_high(draft, FMC, |tcb| tcb.fmc));
    VekWithoutFmc, "vek-without-fmc",
        "the certificate of the endorsement key does not say the TCB of the FMC",
        "the certificate has every component of the TCB",
        Of(is_turin, |draft| certificates::missing(draft, FMC));
    VekMicrocodeNegative, "vek-microcode-negative",
        "the TCB of the microcode is encoded as a negative number",
        "components of the TCB are 0 to 255",
        Of(has_large_microcode, certificates::microcode_negative);
    VekStructVersionOther, "vek-struct-version-other",
        "the version of AMD's extensions is 1 before Turin, or 0 on Turin",
        "the version of AMD's extensions is that of the product",
        Before(certificates::struct_version_of_other_family);
    VekWithoutStructVersion, "vek-without-struct-version",
        "the certificate does not say the version of AMD's extensions",
        "the version of AMD's extensions is that of the product",
        Before(|draft| certificates::missing(draft, STRUCT_VERSION));
    VekProductOther, "vek-product-other",
        "the certificate names another product",
        "the product of the certificate is that of its issuer",
        Before(certificates::product_name_of_other);
    VekWithoutProduct, "vek-without-product",
        "the certificate names no product",
        "the product of the certificate is that of its issuer",
        Before(|draft| certificates::missing(draft, PRODUCT_NAME));
    VcekWithoutHwid, "vcek-without-hwid",
        "the certificate has no HWID",
        "a VCEK has the HWID of its chip",
        Of(is_vcek, |draft| certificates::missing(draft, HWID));
    VcekHwidOfOtherChip, "vcek-hwid-of-other-chip",
        "the HWID is that of another chip",
        "a VCEK has the HWID of its chip",
        Of(is_vcek, certificates::hwid_of_other_chip);
    VcekHwidShort, "vcek-hwid-short",
        "the HWID lacks its last byte",
        "a VCEK has the HWID of its chip",
        Of(is_vcek, certificates::hwid_short);
    VekExtensionTwice, "vek-extension-twice",
        "the certificate has the extension for the boot loader twice",
        "no extension occurs twice",
        Before(certificates::spl_twice);
    VcekWithCspId, "vcek-with-csp-id",
        "the certificate has a CSP_ID",
        "a VCEK has no CSP_ID",
        Of(is_vcek, certificates::add_csp_id);
    VlekWithoutCspId, "vlek-without-csp-id",
        "the certificate has no CSP_ID",
        "a VLEK has a CSP_ID",
        Of(is_vlek, |draft| certificates::missing(draft, CSP_ID));
    VlekWithHwid, "vlek-with-hwid",
        "the certificate has a HWID",
        "a VLEK has no HWID",
        Of(is_vlek, certificates::add_hwid);
    VekNameShort, "vek-name-short",
        "the endorsement key is named `VCEK`",
        "an endorsement key is named `SEV-VCEK` or `SEV-VLEK`, as its kind is",
        Before(|draft| certificates::subject(draft, "VCEK"));
    VekNameOfOtherKind, "vek-name-of-other-kind",
        "a VCEK is named `SEV-VLEK`, or the reverse",
        "an endorsement key is named `SEV-VCEK` or `SEV-VLEK`, as its kind is",
        Before(certificates::subject_of_other_kind);
    VekP256, "vek-p256",
        "the endorsement key is one of P-256, and signs the report with SHA-256",
        "the endorsement key is one of P-384",
        Before(certificates::p256_key);
    VekIsAuthority, "vek-is-authority",
        "the certificate of the endorsement key says that it is an authority",
        "the endorsement key is no authority",
        Before(certificates::is_ca);
    VekUnknownCriticalExtension, "vek-unknown-critical-extension",
        "the certificate has a critical extension that nobody knows",
        "every critical extension is known",
        Before(certificates::unknown_critical);
    // Who issued it, and the chain.
    VekOfOtherChip, "vek-of-other-chip",
        "the certificate is that of another chip",
        "the endorsement key signs the report",
        Before(certificates::of_other_chip);
    VekOfOtherProduct, "vek-of-other-product",
        "the certificate of the endorsement key is for a Genoa where the report is of a Milan, or the reverse",
        "the product of the report is that of the certificates",
        Of(is_not_turin, certificates::of_other_product);
    VcekIssuedByAsvk, "vcek-issued-by-asvk",
        "the ASVK issued the VCEK, and stands in the chain",
        "a VCEK is issued by the ASK, and a VLEK by the ASVK",
        Of(is_vcek, certificates::issued_by_other_intermediate);
    VlekIssuedByAsk, "vlek-issued-by-ask",
        "the ASK issued the VLEK, and stands in the chain",
        "a VCEK is issued by the ASK, and a VLEK by the ASVK",
        Of(is_vlek, certificates::issued_by_other_intermediate);
    VekIssuedByArk, "vek-issued-by-ark",
        "the ARK issued the endorsement key's certificate",
        "a VCEK is issued by the ASK, and a VLEK by the ASVK",
        Before(certificates::issued_by_root);
    SelfMadeChain, "self-made-chain",
        "the whole chain stands under a self-made ARK of the same name",
        "ARK, ASK and ASVK are the pinned ones",
        Before(|draft| certificates::self_made_chain(draft, Identifiers::Own));
    SelfMadeChainCopied, "self-made-chain-copied",
        "the whole chain stands under a self-made ARK, and all but keys and signatures is copied from the real one",
        "ARK, ASK and ASVK are the pinned ones",
        Before(|draft| certificates::self_made_chain(draft, Identifiers::Real));
    SelfMadeIntermediate, "self-made-intermediate",
        "a self-made ASK or ASVK issued the endorsement key's certificate, and the real ARK stands above it",
        "ARK, ASK and ASVK are the pinned ones",
        Before(certificates::self_made_intermediate);
    IntermediateOfOtherProduct, "intermediate-of-other-product",
        "the ASK or ASVK in the chain is that of another product",
        "ARK, ASK and ASVK are the pinned ones",
        Before(certificates::intermediate_of_other_product);
    // The revocation list.
    IntermediateRevoked, "intermediate-revoked",
        "the revocation list contains the ASK or ASVK",
        "no certificate of the chain is revoked",
        Before(certificates::crl_revokes);
    CrlExpired, "crl-expired",
        "the next revocation list was due an hour ago",
        "a revocation list is current",
        Before(certificates::crl_expired);
    CrlFromFuture, "crl-from-future",
        "the revocation list is from tomorrow",
        "a revocation list is current",
        Before(certificates::crl_from_future);
    CrlSignedByIntermediate, "crl-signed-by-intermediate",
        "the ASK or ASVK signed the revocation list in the name of the ARK",
        "the ARK signs the revocation list",
        Before(certificates::crl_signed_by_intermediate);
    CrlOfOtherProduct, "crl-of-other-product",
        "the revocation list is that of another product",
        "the ARK of the product issues the revocation list",
        Before(certificates::crl_of_other_product);
}
