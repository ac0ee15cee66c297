//! The JSON documents that Intel signs: TCB information (versions 2 and 3) and enclave identities (version 2), with the
//! members in Intel's order (Intel, *PCS API*, "Get TCB Info" and "Get Quoting Enclave Identity"); and the list of TCB
//! evaluation numbers (version 1; *PCS API* version 4, "Retrieve TCB Evaluation Data Numbers").

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::pki::Window;
use super::recovery::Evaluation;
use super::spec::CollateralSpec;
use crate::asn1;
use crate::error::SiliconError;

/// 48 zero bytes: the signer of Intel's TDX modules.
const TDX_MODULE_SIGNER: &str =
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

/// How the TCB information is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TcbInfoForm {
    /// For TDX rather than SGX (version 3 only).
    pub(super) tdx: bool,
    /// Overrides the version that is written, not the shape.
    pub(super) version: Option<u8>,
    /// Writes only 15 components.
    pub(super) short: bool,
    /// Writes the first component without its `svn`.
    pub(super) without_first_svn: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TcbInfo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'static str>,
    version: u8,
    issue_date: String,
    next_update: String,
    fmspc: String,
    pce_id: String,
    tcb_type: u8,
    tcb_evaluation_data_number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdx_module: Option<TdxModule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdx_module_identities: Option<[TdxModuleIdentity; 1]>,
    tcb_levels: Vec<Level<'a, Tcb<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TdxModule {
    mrsigner: &'static str,
    attributes: &'static str,
    attributes_mask: &'static str,
}

const TDX_MODULE: TdxModule = TdxModule {
    mrsigner: TDX_MODULE_SIGNER,
    attributes: "0000000000000000",
    attributes_mask: "FFFFFFFFFFFFFFFF",
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TdxModuleIdentity {
    id: &'static str,
    #[serde(flatten)]
    module: TdxModule,
    tcb_levels: [Level<'static, IsvSvn>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Level<'a, T> {
    tcb: T,
    tcb_date: &'a str,
    tcb_status: &'a str,
    #[serde(rename = "advisoryIDs", skip_serializing_if = "<[String]>::is_empty")]
    advisories: &'a [String],
}

#[derive(Serialize)]
struct IsvSvn {
    isvsvn: u16,
}

/// The `tcb` member of a level, whose shape depends on the version.
struct Tcb<'a> {
    version: u8,
    form: TcbInfoForm,
    components: &'a [u8; 16],
    pce_svn: u16,
}

#[derive(Serialize)]
struct Component {
    #[serde(skip_serializing_if = "Option::is_none")]
    svn: Option<u8>,
}

impl Serialize for Tcb<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = if self.form.short { 15 } else { 16 };
        let svn = |index: usize, svn: u8| (!(self.form.without_first_svn && index == 0)).then_some(svn);
        let components = self.components.iter().take(written).enumerate().map(|(index, c)| svn(index, *c));
        let mut map = serializer.serialize_map(None)?;
        if self.version == 2 {
            for (number, svn) in (1_u8..).zip(components).filter_map(|(number, svn)| Some((number, svn?))) {
                map.serialize_entry(&format!("sgxtcbcomp{number:02}svn"), &svn)?;
            }
        } else {
            let list: Vec<Component> = components.map(|svn| Component { svn }).collect();
            map.serialize_entry("sgxtcbcomponents", &list)?;
        }
        map.serialize_entry("pcesvn", &self.pce_svn)?;
        if self.form.tdx {
            let none = || Component { svn: Some(0) };
            map.serialize_entry("tdxtcbcomponents", &std::array::from_fn::<_, 16, _>(|_| none()))?;
        }
        map.end()
    }
}

/// The TCB information, as signed.
pub(super) fn tcb_info(
    spec: &CollateralSpec,
    dates: Window,
    form: TcbInfoForm,
) -> Result<String, SiliconError> {
    let version = spec.tcb_info_version;
    if !(2..=3).contains(&version) {
        return Err(SiliconError::InvalidSpec {
            field: "the TCB information's version",
            value: version.to_string(),
        });
    }
    let levels = spec.tcb_levels.iter().map(|level| Level {
        tcb: Tcb { version, form, components: &level.components, pce_svn: level.pce_svn },
        tcb_date: &level.date,
        tcb_status: &level.status,
        advisories: &level.advisories,
    });
    to_json(&TcbInfo {
        id: (version >= 3).then_some(if form.tdx { "TDX" } else { "SGX" }),
        version: form.version.unwrap_or(version),
        issue_date: asn1::rfc3339(dates.from)?,
        next_update: asn1::rfc3339(dates.to)?,
        fmspc: hex::encode_upper(spec.fmspc),
        pce_id: hex::encode_upper(spec.pce_id),
        tcb_type: 0,
        tcb_evaluation_data_number: spec.evaluation_number,
        tdx_module: form.tdx.then_some(TDX_MODULE),
        tdx_module_identities: form.tdx.then(tdx_module_identities),
        tcb_levels: levels.collect(),
    })
}

const fn tdx_module_identities() -> [TdxModuleIdentity; 1] {
    let level = Level {
        tcb: IsvSvn { isvsvn: 3 },
        tcb_date: "2024-11-13T00:00:00Z",
        tcb_status: "UpToDate",
        advisories: &[],
    };
    [TdxModuleIdentity { id: "TDX_01", module: TDX_MODULE, tcb_levels: [level] }]
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnclaveIdentity<'a> {
    id: &'a str,
    version: u8,
    issue_date: String,
    next_update: String,
    tcb_evaluation_data_number: u32,
    miscselect: String,
    #[serde(rename = "miscselectMask")]
    miscselect_mask: String,
    attributes: String,
    attributes_mask: String,
    mrsigner: String,
    isvprodid: u16,
    tcb_levels: Vec<Level<'a, IsvSvn>>,
}

/// The enclave identity, as signed.
pub(super) fn qe_identity(spec: &CollateralSpec, dates: Window) -> Result<String, SiliconError> {
    let identity = &spec.qe_identity;
    let levels = identity.levels.iter().map(|level| Level {
        tcb: IsvSvn { isvsvn: level.isv_svn },
        tcb_date: &level.date,
        tcb_status: &level.status,
        advisories: &level.advisories,
    });
    to_json(&EnclaveIdentity {
        id: &identity.id,
        version: 2,
        issue_date: asn1::rfc3339(dates.from)?,
        next_update: asn1::rfc3339(dates.to)?,
        tcb_evaluation_data_number: spec.qe_evaluation_number.unwrap_or(spec.evaluation_number),
        // Hex of the four bytes as they stand in a report, little-endian.
        miscselect: hex::encode_upper(identity.misc_select.to_le_bytes()),
        miscselect_mask: hex::encode_upper(identity.misc_select_mask.to_le_bytes()),
        attributes: hex::encode_upper(identity.attributes),
        attributes_mask: hex::encode_upper(identity.attributes_mask),
        mrsigner: hex::encode_upper(identity.mr_signer),
        isvprodid: identity.isv_prod_id,
        tcb_levels: levels.collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EvaluationNumbers {
    id: &'static str,
    version: u8,
    issue_date: String,
    next_update: String,
    tcb_eval_numbers: Vec<EvaluationNumber>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EvaluationNumber {
    tcb_evaluation_data_number: u32,
    tcb_recovery_event_date: &'static str,
    tcb_date: &'static str,
}

/// The list of TCB evaluation numbers, as signed.
pub(super) fn evaluation_numbers(
    evaluations: &[Evaluation],
    dates: Window,
    tdx: bool,
) -> Result<String, SiliconError> {
    let number = |evaluation: &Evaluation| EvaluationNumber {
        tcb_evaluation_data_number: evaluation.number,
        tcb_recovery_event_date: evaluation.event_date,
        tcb_date: evaluation.tcb_date,
    };
    to_json(&EvaluationNumbers {
        id: if tdx { "TDX" } else { "SGX" },
        version: 1,
        issue_date: asn1::rfc3339(dates.from)?,
        next_update: asn1::rfc3339(dates.to)?,
        tcb_eval_numbers: evaluations.iter().map(number).collect(),
    })
}

fn to_json(document: &impl Serialize) -> Result<String, SiliconError> {
    let failed = |_| SiliconError::InvalidSpec { field: "a document", value: "not JSON".to_owned() };
    serde_json::to_string(document).map_err(failed)
}
