//! Claims of virtual machines under TDX, by Azure's names (its EAT profile for TDX). Attestation comes with a later release;
//! policies can be written already.

use assay_policy::ValueKind;

use super::{ClaimInfo, FRESHNESS, both, measured};

/// Claims of TDX virtual machines.
pub const TDX_CLAIMS: &[ClaimInfo] = &[
    both("x-ms-attestation-type", ValueKind::String, "the kind of hardware: `tdxvm`"),
    both(
        "x-ms-compliance-status",
        ValueKind::String,
        "what the operator's lists say of the image; often absent",
    ),
    both("eat_profile", ValueKind::String, "`https://aka.ms/maa-eat-profile-tdxvm`"),
    both("intuse", ValueKind::String, "`generic`"),
    both(
        "attester_tcb_status",
        ValueKind::String,
        "what Intel says of the platform's TCB, such as `UpToDate`",
    ),
    both("dbgstat", ValueKind::String, "`disabled`, or `enabled` if the virtual machine can be debugged"),
    measured("tdx_mrtd", 96, "measurement of the virtual machine at launch"),
    measured("tdx_rtmr0", 96, "runtime measurement register 0"),
    measured("tdx_rtmr1", 96, "runtime measurement register 1"),
    measured("tdx_rtmr2", 96, "runtime measurement register 2"),
    measured("tdx_rtmr3", 96, "runtime measurement register 3"),
    measured("tdx_mrconfigid", 96, "configuration that the owner chose"),
    measured("tdx_mrowner", 96, "identity of the owner"),
    measured("tdx_mrownerconfig", 96, "configuration of the owner"),
    measured("tdx_mrseam", 96, "measurement of the TDX module"),
    measured("tdx_mrsignerseam", 96, "hash of the key that signed the TDX module"),
    measured("tdx_report_data", 128, "the 64 bytes that the virtual machine put into its report"),
    measured("tdx_seam_attributes", 16, "attributes of the TDX module"),
    measured("tdx_td_attributes", 16, "attributes of the virtual machine"),
    measured("tdx_xfam", 16, "extended features that the virtual machine may use"),
    measured("tdx_tee_tcb_svn", 32, "security versions of the platform"),
    both("tdx_seamsvn", ValueKind::Integer, "security version of the TDX module"),
    both("tdx_td_attributes_debug", ValueKind::Boolean, "whether the host can debug the virtual machine"),
    both("tdx_td_attributes_key_locker", ValueKind::Boolean, "whether it may use Key Locker"),
    both("tdx_td_attributes_perfmon", ValueKind::Boolean, "whether it may use performance monitoring"),
    both(
        "tdx_td_attributes_protection_keys",
        ValueKind::Boolean,
        "whether it may use supervisor protection keys",
    ),
    both(
        "tdx_td_attributes_septve_disable",
        ValueKind::Boolean,
        "whether the host cannot make it fault on its own pages",
    ),
    both("x-ms-runtime", ValueKind::Json, "runtime data of type JSON; the report data is its hash"),
    both("x-ms-inittime", ValueKind::Json, "init-time data"),
    FRESHNESS,
];
