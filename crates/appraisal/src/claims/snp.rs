//! Claims of virtual machines and containers under SEV-SNP.

use assay_policy::{ClaimSet, ValueKind};
use assay_verify::claims::SnpClaims;
use serde_json::{Value, json};

use super::{ClaimInfo, FRESHNESS, both, incoming, measured};
use crate::Freshness;
use crate::hexadecimal::hexadecimal;
use crate::request::Attached;

/// Claims of SEV-SNP virtual machines.
pub const SNP_CLAIMS: &[ClaimInfo] = &[
    both("x-ms-attestation-type", ValueKind::String, "the kind of hardware: `sevsnpvm`"),
    both(
        "x-ms-compliance-status",
        ValueKind::String,
        "what the lists of image signers and of measurements say of the image; absent for others, and for guests that the host can \
         debug or move or that asked below VMPL 0",
    ),
    both(
        "x-ms-sevsnpvm-is-debuggable",
        ValueKind::Boolean,
        "whether the host can debug the guest; its memory is then not secret",
    ),
    both(
        "x-ms-sevsnpvm-migration-allowed",
        ValueKind::Boolean,
        "whether a migration agent can move the guest",
    ),
    both(
        "x-ms-sevsnpvm-smt-allowed",
        ValueKind::Boolean,
        "whether the guest accepts simultaneous multithreading",
    ),
    both(
        "x-ms-sevsnpvm-vmpl",
        ValueKind::Integer,
        "privilege level that asked for the report; 0 is the highest",
    ),
    both("x-ms-sevsnpvm-guestsvn", ValueKind::Integer, "security version of the guest"),
    measured("x-ms-sevsnpvm-launchmeasurement", 96, "measurement of the guest at launch"),
    measured("x-ms-sevsnpvm-hostdata", 64, "what the host said at launch; of containers, the policy's hash"),
    measured("x-ms-sevsnpvm-reportdata", 128, "the 64 bytes that the guest put into its report"),
    measured("x-ms-sevsnpvm-reportid", 64, "names this guest for as long as it runs"),
    measured("x-ms-sevsnpvm-idkeydigest", 96, "digest of the key that signed the guest's id block"),
    measured("x-ms-sevsnpvm-authorkeydigest", 96, "digest of the key that certified that key"),
    measured("x-ms-sevsnpvm-familyId", 32, "family id that the guest's owner chose"),
    measured("x-ms-sevsnpvm-imageId", 32, "image id that the guest's owner chose"),
    both(
        "x-ms-sevsnpvm-bootloader-svn",
        ValueKind::Integer,
        "boot loader of the secure processor, reported TCB",
    ),
    both(
        "x-ms-sevsnpvm-tee-svn",
        ValueKind::Integer,
        "operating system of the secure processor, reported TCB",
    ),
    both("x-ms-sevsnpvm-snpfw-svn", ValueKind::Integer, "SNP firmware, reported TCB"),
    both("x-ms-sevsnpvm-microcode-svn", ValueKind::Integer, "microcode, reported TCB"),
    both(
        "x-ms-sevsnpvm-uvm-endorsement",
        ValueKind::Json,
        "what the maker of a container's utility VM signed of it, if that came along",
    ),
    both("x-ms-runtime", ValueKind::Json, "runtime data of type JSON; the report data is its hash"),
    both("x-ms-inittime", ValueKind::Json, "init-time data; the host data is its hash"),
    both(
        "x-assay-snp-product",
        ValueKind::String,
        "generation of the processor: `Milan`, `Genoa` or `Turin`",
    ),
    both("x-assay-snp-report-version", ValueKind::Integer, "version of the report"),
    both(
        "x-assay-snp-signing-key",
        ValueKind::String,
        "who signed the report: `VCEK` (the chip) or `VLEK` (a provider)",
    ),
    both("x-assay-snp-vlek-provider", ValueKind::String, "the provider that a VLEK belongs to"),
    both("x-assay-snp-fmc-svn", ValueKind::Integer, "first boot stage, reported TCB; Turin only"),
    both(
        "x-assay-snp-launch-fmc-svn",
        ValueKind::Integer,
        "first boot stage, of the TCB when the guest was launched; Turin only",
    ),
    both(
        "x-assay-snp-launch-bootloader-svn",
        ValueKind::Integer,
        "boot loader of the secure processor, of the TCB when the guest was launched",
    ),
    both(
        "x-assay-snp-launch-tee-svn",
        ValueKind::Integer,
        "operating system of the secure processor, of the TCB when the guest was launched",
    ),
    both(
        "x-assay-snp-launch-snpfw-svn",
        ValueKind::Integer,
        "SNP firmware, of the TCB when the guest was launched",
    ),
    both(
        "x-assay-snp-launch-microcode-svn",
        ValueKind::Integer,
        "microcode, of the TCB when the guest was launched",
    ),
    both(
        "x-assay-snp-committed-fmc-svn",
        ValueKind::Integer,
        "first boot stage, of the TCB that the platform cannot go below; Turin only",
    ),
    both(
        "x-assay-snp-committed-bootloader-svn",
        ValueKind::Integer,
        "boot loader of the secure processor, of the TCB that the platform cannot go below",
    ),
    both(
        "x-assay-snp-committed-tee-svn",
        ValueKind::Integer,
        "operating system of the secure processor, of the TCB that the platform cannot go below",
    ),
    both(
        "x-assay-snp-committed-snpfw-svn",
        ValueKind::Integer,
        "SNP firmware, of the TCB that the platform cannot go below",
    ),
    both(
        "x-assay-snp-committed-microcode-svn",
        ValueKind::Integer,
        "microcode, of the TCB that the platform cannot go below",
    ),
    both(
        "x-assay-snp-current-fmc-svn",
        ValueKind::Integer,
        "first boot stage, of the TCB that runs now; Turin only",
    ),
    both(
        "x-assay-snp-current-bootloader-svn",
        ValueKind::Integer,
        "boot loader of the secure processor, of the TCB that runs now",
    ),
    both(
        "x-assay-snp-current-tee-svn",
        ValueKind::Integer,
        "operating system of the secure processor, of the TCB that runs now",
    ),
    both("x-assay-snp-current-snpfw-svn", ValueKind::Integer, "SNP firmware, of the TCB that runs now"),
    both("x-assay-snp-current-microcode-svn", ValueKind::Integer, "microcode, of the TCB that runs now"),
    both(
        "x-assay-snp-current-firmware",
        ValueKind::String,
        "version of the firmware that runs now, such as `1.55.37`",
    ),
    both("x-assay-snp-minimum-abi-major", ValueKind::Integer, "lowest firmware ABI that the guest accepts"),
    both("x-assay-snp-minimum-abi-minor", ValueKind::Integer, "lowest firmware ABI that the guest accepts"),
    both("x-assay-snp-policy", ValueKind::String, "the whole guest policy, 16 hexadecimal digits"),
    both(
        "x-assay-snp-platform",
        ValueKind::String,
        "how the platform is configured, such as `smt-enabled`; a list in tokens",
    ),
    both(
        "x-assay-snp-platform-unknown",
        ValueKind::String,
        "bits of the platform's configuration without a known meaning, 16 hexadecimal digits; absent without any",
    ),
    both(
        "x-assay-snp-launch-mitigations",
        ValueKind::String,
        "mitigation vector at launch, 16 hexadecimal digits; version 5",
    ),
    both(
        "x-assay-snp-current-mitigations",
        ValueKind::String,
        "mitigation vector now, 16 hexadecimal digits; version 5",
    ),
    both(
        "x-assay-snp-revocation-checked",
        ValueKind::Boolean,
        "whether a current revocation list of AMD was consulted",
    ),
    both("x-assay-uvm-issuer", ValueKind::String, "who endorsed the utility VM, a did:x509"),
    both("x-assay-uvm-feed", ValueKind::String, "the kind of utility VM"),
    both("x-assay-uvm-svn", ValueKind::Integer, "security version of the utility VM"),
    both(
        "x-assay-uvm-signed-at",
        ValueKind::Integer,
        "when it was endorsed, in seconds since 1970, if anybody says so",
    ),
    both(
        "x-assay-uvm-signed-at-source",
        ValueKind::String,
        "who says when it was endorsed: `time-stamp`, `signer` or `none`",
    ),
    FRESHNESS,
];

/// The claims that verified SEV-SNP evidence brings into a policy.
pub(crate) fn snp_incoming(
    claims: &SnpClaims,
    compliance: Option<&str>,
    attached: &Attached,
    freshness: Freshness,
) -> ClaimSet {
    incoming(SNP_CLAIMS, snp_service_claims(claims, compliance, freshness), attached.json_claims())
}

/// The claims of verified SEV-SNP evidence for the token.
pub(crate) fn snp_service_claims(
    claims: &SnpClaims,
    compliance: Option<&str>,
    freshness: Freshness,
) -> Vec<(&'static str, Value)> {
    let mut values = azure_values(claims);
    values.extend(compliance.map(|status| ("x-ms-compliance-status", json!(status))));
    values.extend(assay_values(claims));
    values.extend(image_values(claims));
    values.push(("x-assay-freshness", json!(freshness.as_str())));
    values
}

/// What Azure's tokens say, all of it at the top level; security versions are those of the reported TCB.
fn azure_values(claims: &SnpClaims) -> Vec<(&'static str, Value)> {
    let (report, tcb) = (&claims.report, &claims.reported_tcb);
    vec![
        ("x-ms-attestation-type", json!("sevsnpvm")),
        ("x-ms-sevsnpvm-authorkeydigest", json!(hexadecimal(report.author_key_digest))),
        ("x-ms-sevsnpvm-bootloader-svn", json!(tcb.boot_loader)),
        ("x-ms-sevsnpvm-familyId", json!(hexadecimal(report.family_id))),
        ("x-ms-sevsnpvm-guestsvn", json!(report.guest_svn)),
        ("x-ms-sevsnpvm-hostdata", json!(hexadecimal(report.host_data))),
        ("x-ms-sevsnpvm-idkeydigest", json!(hexadecimal(report.id_key_digest))),
        ("x-ms-sevsnpvm-imageId", json!(hexadecimal(report.image_id))),
        ("x-ms-sevsnpvm-is-debuggable", json!(report.policy.is_debug_allowed())),
        ("x-ms-sevsnpvm-launchmeasurement", json!(hexadecimal(report.measurement))),
        ("x-ms-sevsnpvm-microcode-svn", json!(tcb.microcode)),
        ("x-ms-sevsnpvm-migration-allowed", json!(report.policy.is_migration_allowed())),
        ("x-ms-sevsnpvm-reportdata", json!(hexadecimal(report.report_data))),
        ("x-ms-sevsnpvm-reportid", json!(hexadecimal(report.report_id))),
        ("x-ms-sevsnpvm-smt-allowed", json!(report.policy.is_smt_allowed())),
        ("x-ms-sevsnpvm-snpfw-svn", json!(tcb.snp)),
        ("x-ms-sevsnpvm-tee-svn", json!(tcb.tee)),
        ("x-ms-sevsnpvm-vmpl", json!(report.vmpl)),
    ]
}

fn assay_values(claims: &SnpClaims) -> Vec<(&'static str, Value)> {
    let report = &claims.report;
    let mut values = vec![
        ("x-assay-snp-product", json!(claims.product.as_str())),
        ("x-assay-snp-report-version", json!(report.version)),
        ("x-assay-snp-signing-key", json!(claims.signing_key.as_str())),
        ("x-assay-snp-current-firmware", json!(report.current_firmware.to_string())),
        ("x-assay-snp-minimum-abi-major", json!(report.policy.minimum_abi().0)),
        ("x-assay-snp-minimum-abi-minor", json!(report.policy.minimum_abi().1)),
        ("x-assay-snp-policy", json!(format!("{:016x}", report.policy.0))),
        ("x-assay-snp-platform", json!(report.platform_info.names().collect::<Vec<_>>())),
        ("x-assay-snp-revocation-checked", json!(claims.revocation_checked)),
    ];
    values.extend(claims.provider.as_ref().map(|name| ("x-assay-snp-vlek-provider", json!(name))));
    values.extend(claims.reported_tcb.fmc.map(|fmc| ("x-assay-snp-fmc-svn", json!(fmc))));
    let unknown = Some(report.platform_info.unknown()).filter(|bits| *bits != 0);
    values.extend(unknown.map(|bits| ("x-assay-snp-platform-unknown", json!(format!("{bits:016x}")))));
    values.extend(tcb_values(claims));
    if let Some(mitigations) = report.mitigations {
        values.extend([
            ("x-assay-snp-launch-mitigations", json!(format!("{:016x}", mitigations.launch))),
            ("x-assay-snp-current-mitigations", json!(format!("{:016x}", mitigations.current))),
        ]);
    }
    values
}

/// The TCB versions besides the reported one, component by component, so that policies can compare them.
fn tcb_values(claims: &SnpClaims) -> impl Iterator<Item = (&'static str, Value)> {
    let versions = [&claims.launch_tcb, &claims.committed_tcb, &claims.current_tcb];
    versions.into_iter().zip(TCB_NAMES).flat_map(|(tcb, names)| {
        let components = [tcb.fmc, Some(tcb.boot_loader), Some(tcb.tee), Some(tcb.snp), Some(tcb.microcode)];
        names.into_iter().zip(components).filter_map(|(name, svn)| Some((name, json!(svn?))))
    })
}

/// Launch, committed, current; within each the components as [`tcb_values`] has them.
const TCB_NAMES: [[&str; 5]; 3] = [
    [
        "x-assay-snp-launch-fmc-svn",
        "x-assay-snp-launch-bootloader-svn",
        "x-assay-snp-launch-tee-svn",
        "x-assay-snp-launch-snpfw-svn",
        "x-assay-snp-launch-microcode-svn",
    ],
    [
        "x-assay-snp-committed-fmc-svn",
        "x-assay-snp-committed-bootloader-svn",
        "x-assay-snp-committed-tee-svn",
        "x-assay-snp-committed-snpfw-svn",
        "x-assay-snp-committed-microcode-svn",
    ],
    [
        "x-assay-snp-current-fmc-svn",
        "x-assay-snp-current-bootloader-svn",
        "x-assay-snp-current-tee-svn",
        "x-assay-snp-current-snpfw-svn",
        "x-assay-snp-current-microcode-svn",
    ],
];

fn image_values(claims: &SnpClaims) -> Vec<(&'static str, Value)> {
    let Some(image) = &claims.image else { return Vec::new() };
    let mut values = vec![
        ("x-ms-sevsnpvm-uvm-endorsement", image.payload.clone()),
        ("x-assay-uvm-issuer", json!(image.issuer)),
        ("x-assay-uvm-feed", json!(image.feed)),
        ("x-assay-uvm-svn", json!(image.svn)),
        ("x-assay-uvm-signed-at-source", json!(image.signed_at_source.as_str())),
    ];
    values.extend(image.signed_at.map(|at| ("x-assay-uvm-signed-at", json!(at.0))));
    values
}
