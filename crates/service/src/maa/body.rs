//! The bodies of `/attest/SgxEnclave`, `/attest/OpenEnclave` and `/attest/SevSnpVm` (Azure Attestation REST API reference, "Attest").

use assay_appraisal::{AttachedData, AttestationType, DataType, Request};
use assay_token::base64url;

use super::members::Members;
use crate::problem::Problem;

/// Longest nonce echoed into a token. The longest seen is a number of 64 bits; a challenge of ours has under 1 KiB.
const MAX_NONCE: usize = 2048;

/// Reads the body of an attest request.
///
/// # Errors
/// 400 `InvalidParameter` that says which member is missing, contradictory or malformed.
pub(crate) fn parse(kind: AttestationType, body: &[u8]) -> Result<Request, Problem> {
    let members = Members::parse(body)?;
    Ok(Request {
        kind,
        evidence: evidence(kind, &members)?,
        runtime_data: attached(&members, "runtimeData")?,
        init_time_data: attached(&members, "initTimeData")?,
        nonce: bounded(&members, "nonce")?,
        challenge: bounded(&members, "challenge")?,
        draft_policy: members.non_empty("draftPolicyForAttestation")?.map(Into::into),
    })
}

fn evidence(kind: AttestationType, members: &Members<'_>) -> Result<Vec<u8>, Problem> {
    // The report of a virtual machine is base64url of JSON that holds report, certificates and endorsements.
    let (name, other, of_other) = match kind {
        AttestationType::OpenEnclave => ("report", "quote", "/attest/SgxEnclave"),
        AttestationType::SevSnpVm => ("report", "quote", "/attest/SgxEnclave or /attest/TdxVm"),
        AttestationType::SgxEnclave | AttestationType::TdxVm | AttestationType::Tpm => {
            ("quote", "report", "/attest/OpenEnclave or /attest/SevSnpVm")
        }
    };
    if members.get(other).is_some() {
        return Err(Problem::invalid_parameter(
            "contradictory-members",
            format!("The member `{other}` belongs to {of_other}. Send the evidence in `{name}` alone."),
        ));
    }
    let text = members.non_empty(name)?.ok_or_else(|| {
        let message = format!("The member `{name}` is missing. Send the evidence in it, as base64url.");
        Problem::invalid_parameter("evidence-missing", message)
    })?;
    decode(name, &text)
}

/// Runtime or init-time data. Without `data` there is none, whatever stands in `dataType`: a Go client always sends both
/// members empty, and a Python client sends the type alone.
pub(crate) fn attached(members: &Members<'_>, name: &str) -> Result<Option<AttachedData>, Problem> {
    let Some(inner) = members.object(name)? else { return Ok(None) };
    let Some(text) = inner.non_empty("data")? else { return Ok(None) };
    let data = decode(&format!("{name}.data"), &text)?;
    let data_type = match inner.text("dataType")?.as_deref() {
        Some(given) if given.eq_ignore_ascii_case("Binary") => DataType::Binary,
        Some(given) if given.eq_ignore_ascii_case("JSON") => DataType::Json,
        _ => {
            let message =
                format!("The member `{name}.dataType` is missing or unknown. Send `Binary` or `JSON`.");
            return Err(Problem::invalid_parameter("data-type", message));
        }
    };
    Ok(Some(AttachedData { data, data_type }))
}

fn bounded(members: &Members<'_>, name: &str) -> Result<Option<String>, Problem> {
    let Some(text) = members.text_or_number(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.len() > MAX_NONCE {
        let message = format!("The member `{name}` is longer than {MAX_NONCE} bytes. Send a shorter one.");
        return Err(Problem::invalid_parameter("nonce-too-long", message));
    }
    Ok(Some(text.into_owned()))
}

/// base64url, padded or not, and the standard alphabet.
pub(crate) fn decode(name: &str, text: &str) -> Result<Vec<u8>, Problem> {
    base64url::decode_lenient(text).map_err(|_| {
        let message =
            format!("The member `{name}` is not base64url. Send the bytes as base64url without padding.");
        Problem::invalid_parameter("base64", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sgx(body: &str) -> Result<Request, Problem> {
        parse(AttestationType::SgxEnclave, body.as_bytes())
    }

    fn refused(body: &str) -> (&'static str, String) {
        let problem = sgx(body).unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.code), (400, "InvalidParameter"));
        (problem.reason.unwrap(), problem.message)
    }

    #[test]
    fn all_members() {
        let request = sgx(
            r#"{"QUOTE":"-_8=","runtimeData":{"data":"YQ","dataType":"json"},"initTimeData":{"data":"Yg==","dataType":"Binary"},
                "nonce":18446744073709551615,"draftPolicyForAttestation":"version=1.0;","challenge":"c","unknown":[1]}"#,
        );
        let expected = Request {
            kind: AttestationType::SgxEnclave,
            evidence: vec![0xfb, 0xff],
            runtime_data: Some(AttachedData { data: b"a".to_vec(), data_type: DataType::Json }),
            init_time_data: Some(AttachedData { data: b"b".to_vec(), data_type: DataType::Binary }),
            nonce: Some("18446744073709551615".to_owned()),
            challenge: Some("c".to_owned()),
            draft_policy: Some("version=1.0;".to_owned()),
        };
        assert_eq!(request, Ok(expected));
    }

    #[test]
    fn empty_members_are_absent() {
        for data in
            [r#"{"data":"","dataType":""}"#, r#"{"dataType":"JSON"}"#, "{}", "null", r#"{"data":null}"#]
        {
            let request = sgx(&format!(
                r#"{{"quote":"+/8=","runtimeData":{data},"initTimeData":{data},"nonce":"","draftPolicyForAttestation":""}}"#
            ));
            let request = request.unwrap();
            assert_eq!(
                (request.runtime_data, request.init_time_data, request.nonce, request.draft_policy),
                (None, None, None, None)
            );
            assert_eq!(request.evidence, [0xfb, 0xff]);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let missing = "The member `quote` is missing. Send the evidence in it, as base64url.";
        for body in ["{}", r#"{"quote":""}"#, r#"{"quote":null}"#] {
            assert_eq!(refused(body), ("evidence-missing", missing.to_owned()));
        }
        assert_eq!(refused(r#"{"quote":1}"#).0, "json-shape");
        assert_eq!(refused(r#"{"quote":"a b"}"#).0, "base64");
        assert_eq!(refused(r#"{"quote":"YQ","report":"YQ"}"#).0, "contradictory-members");
        assert_eq!(refused(r#"{"report":"YQ"}"#).0, "contradictory-members");
        assert_eq!(refused(r#"{"quote":"YQ","runtimeData":"YQ"}"#).0, "json-shape");
        assert_eq!(refused(r#"{"quote":"YQ","runtimeData":{"data":"YQ"}}"#).0, "data-type");
        assert_eq!(
            refused(r#"{"quote":"YQ","initTimeData":{"data":"Y","dataType":"JSON"}}"#),
            ("base64", "The member `initTimeData.data` is not base64url. Send the bytes as base64url without padding.".to_owned())
        );
        assert_eq!(
            refused(&format!(r#"{{"quote":"YQ","nonce":"{}"}}"#, "n".repeat(2049))).0,
            "nonce-too-long"
        );
    }
}
