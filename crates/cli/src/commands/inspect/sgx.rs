//! SGX quotes and Open Enclave reports, field by field in the order of the bytes.

use assay_evidence::open_enclave::{HEADER_SIZE, Report};
use assay_evidence::sgx::{
    CertificationData, FLAG_DEBUG, FLAG_EINITTOKEN_KEY, FLAG_INIT, FLAG_KSS, FLAG_MODE64, FLAG_PROVISION_KEY,
    Header, INTEL_QE_VENDOR_ID, Quote, ReportBody,
};

use super::certificate;
use crate::document::Node;

/// Names of attribute flags (Intel SDM volume 3D, section 37.7.1).
const FLAGS: [(u64, &str); 6] = [
    (FLAG_INIT, "INIT"),
    (FLAG_DEBUG, "DEBUG"),
    (FLAG_MODE64, "MODE64BIT"),
    (FLAG_PROVISION_KEY, "PROVISION_KEY"),
    (FLAG_EINITTOKEN_KEY, "EINITTOKEN_KEY"),
    (FLAG_KSS, "KSS"),
];

/// A bare quote.
pub(super) fn quote(bytes: &[u8]) -> Result<Node, String> {
    let quote = Quote::parse(bytes).map_err(|error| error.to_string())?;
    Ok(members(&quote, "sgx", bytes.len()))
}

/// A quote in an Open Enclave report.
pub(super) fn open_enclave(bytes: &[u8]) -> Result<Node, String> {
    let report = Report::parse(bytes).map_err(|error| error.to_string())?;
    let quote = Quote::parse(report.quote).map_err(|error| error.to_string())?;
    let header = bytes.get(..HEADER_SIZE).unwrap_or_default();
    let header = Node::section([
        ("bytes", Node::hex(header)),
        ("version", Node::from(1_u16)),
        ("report_type", Node::from("SGX remote")),
        ("report_size", Node::from(report.quote.len())),
    ]);
    Ok(Node::section([
        ("kind", Node::from("open-enclave")),
        ("open_enclave_header", header),
        ("quote", members(&quote, "sgx", report.quote.len())),
    ]))
}

fn members(quote: &Quote<'_>, kind: &str, size: usize) -> Node {
    Node::section([
        ("kind", Node::from(kind)),
        ("size", Node::from(quote.bytes.len())),
        ("padding", Node::from(size.saturating_sub(quote.bytes.len()))),
        ("header", header(&quote.header)),
        ("report", report(&quote.report)),
        ("signature", Node::hex(quote.signature)),
        ("attestation_key", Node::hex(quote.attestation_key)),
        ("qe_report", report(&quote.qe_report)),
        ("qe_report_signature", Node::hex(quote.qe_report_signature)),
        ("qe_auth_data", Node::hex(quote.qe_auth_data)),
        ("certification_data", certification(&quote.certification)),
    ])
}

fn header(header: &Header) -> Node {
    let vendor = if header.qe_vendor_id == INTEL_QE_VENDOR_ID { "Intel" } else { "unknown" };
    Node::section([
        ("version", Node::from(header.version)),
        ("attestation_key_type", Node::from(header.attestation_key_type)),
        ("attestation_key_type_name", Node::from("ECDSA P-256")),
        ("reserved", Node::hex(header.reserved.to_le_bytes())),
        ("qe_svn", Node::from(header.qe_svn)),
        ("pce_svn", Node::from(header.pce_svn)),
        ("qe_vendor_id", Node::hex(header.qe_vendor_id)),
        ("qe_vendor_name", Node::from(vendor)),
        ("user_data", Node::hex(header.user_data)),
    ])
}

fn report(report: &ReportBody) -> Node {
    let names =
        FLAGS.iter().filter(|(flag, _)| report.flags() & flag != 0).map(|(_, name)| Node::from(*name));
    Node::section([
        ("cpu_svn", Node::hex(report.cpu_svn)),
        ("misc_select", Node::from(format!("{:08x}", report.misc_select))),
        ("isv_ext_prod_id", Node::hex(report.isv_ext_prod_id)),
        ("attributes", Node::hex(report.attributes)),
        ("attribute_flags", Node::List(names.collect())),
        ("xfrm", Node::from(format!("{:016x}", report.xfrm()))),
        ("debug", Node::from(report.is_debuggable())),
        ("mrenclave", Node::hex(report.mr_enclave)),
        ("mrsigner", Node::hex(report.mr_signer)),
        ("config_id", Node::hex(report.config_id)),
        ("isv_prod_id", Node::from(report.isv_prod_id)),
        ("isv_svn", Node::from(report.isv_svn)),
        ("config_svn", Node::from(report.config_svn)),
        ("isv_family_id", Node::hex(report.isv_family_id)),
        ("report_data", Node::hex(report.report_data)),
        ("reserved_is_zero", Node::from(report.reserved_is_zero)),
    ])
}

fn certification(data: &CertificationData<'_>) -> Node {
    let of_type = |name: &str| {
        Node::section([("type", Node::from(data.type_number())), ("type_name", Node::from(name))])
    };
    match data {
        CertificationData::PlatformId { data, .. } => of_type("platform id").with("data", Node::hex(data)),
        CertificationData::PckCertificate(pem) => with_certificates(of_type("PCK certificate"), pem),
        CertificationData::PckChain(pem) => with_certificates(of_type("PCK certificate chain"), pem),
        CertificationData::PlatformManifest(data) => {
            of_type("platform manifest").with("data", Node::hex(data))
        }
    }
}

/// Certificates that cannot be read are shown as they are: this command judges nothing.
fn with_certificates(node: Node, pem: &[u8]) -> Node {
    match certificate::certificates(pem) {
        Ok(certificates) => node.with("certificates", certificates),
        Err(problem) => node.with("problem", problem).with("data", Node::hex(pem)),
    }
}
