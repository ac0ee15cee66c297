//! The paravisor's report of a confidential VM on Azure: header, hardware's report, runtime claims.

use assay_evidence::bundle::{Body, Bundle};
use assay_evidence::hcl::{Hardware, HashType, Report};
use assay_evidence::snp;
use assay_verify::hcl::binds_claims;

use super::snp::{around, members};
use crate::document::Node;

/// What stands in front of the hardware's report.
const HEADER_SIZE: usize = 32;

/// A report as the TPM keeps it, or in one of the JSON forms.
pub(super) fn evidence(bytes: &[u8]) -> Result<Node, String> {
    let bundle = Bundle::parse(bytes).map_err(|error| error.to_string())?;
    let Body::Hcl(hcl) = &bundle.body else {
        return Err("it holds no paravisor's report (`HCLA`)".to_owned());
    };
    let report = Report::parse(hcl).map_err(|error| error.to_string())?;
    let (kind, hardware) = hardware(&report.hardware);
    let node = Node::section([
        ("kind", Node::from("hcl-report")),
        ("size", Node::from(hcl.len())),
        ("header", header(hcl, &report)),
        ("hardware", Node::from(kind)),
        ("hardware_report", hardware),
        ("hash", Node::from(hash(report.hash))),
        ("runtime_claims_bound", Node::from(binds_claims(&report))),
        ("runtime_claims", claims(report.runtime_claims)),
    ]);
    Ok(around(node, &bundle))
}

/// Nothing of it is measured.
fn header(hcl: &[u8], report: &Report<'_>) -> Node {
    Node::section([
        ("bytes", Node::hex(hcl.get(..HEADER_SIZE).unwrap_or_default())),
        ("version", Node::from(report.version)),
        ("request_type", Node::from(report.request_type)),
        ("status", Node::from(report.status)),
    ])
}

fn hardware(hardware: &Hardware<'_>) -> (&'static str, Node) {
    match hardware {
        Hardware::Snp(bytes) => {
            let report = snp::Report::parse(bytes.as_slice());
            // A report that cannot be read is shown as it is: this command judges nothing.
            let unreadable = |error: assay_evidence::ParseError| {
                Node::section([("problem", Node::from(error.to_string())), ("data", Node::hex(bytes))])
            };
            ("SEV-SNP", report.map_or_else(unreadable, |report| members(&report)))
        }
        Hardware::Tdx(bytes) => {
            let data = Node::hex(hardware.report_data());
            ("TDX", Node::section([("report_data", data), ("data", Node::hex(bytes))]))
        }
    }
}

const fn hash(hash: HashType) -> &'static str {
    match hash {
        HashType::Sha256 => "SHA-256",
        HashType::Sha384 => "SHA-384",
        HashType::Sha512 => "SHA-512",
    }
}

/// In their own order.
fn claims(bytes: &[u8]) -> Node {
    let limits = assay_json::Limits::bytes(assay_evidence::hcl::MAX_SIZE);
    let read = assay_json::check(bytes, &limits).map_err(|error| error.to_string());
    let read = read.and_then(|()| serde_json::from_slice(bytes).map_err(|error| error.to_string()));
    read.unwrap_or_else(|problem| {
        Node::section([("problem", Node::from(problem)), ("data", Node::hex(bytes))])
    })
}
