//! SEV-SNP reports, field by field in the order of the bytes, with what clouds and tools put around them.

use assay_evidence::bundle::{Body, Bundle, OtherEntry};
use assay_evidence::snp::{
    Cpuid, ECDSA_P384_SHA384, FirmwareVersion, GuestPolicy, KeyInfo, PlatformInfo, Product, Report,
    TcbLayout, TcbVersion, VMPL_HOST,
};
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;

use super::{certificate, uvm};
use crate::document::Node;

/// A report in any of the known forms.
pub(super) fn evidence(bytes: &[u8]) -> Result<Node, String> {
    let bundle = Bundle::parse(bytes).map_err(|error| error.to_string())?;
    let Body::Snp(report_bytes) = &bundle.body else {
        return Err("it holds a paravisor's report: its kind is `hcl-report`".to_owned());
    };
    let report = Report::parse(report_bytes).map_err(|error| error.to_string())?;
    let node = Node::section([("kind", Node::from("snp")), ("size", Node::from(bytes.len()))]);
    Ok(around(node.with("report", members(&report)), &bundle))
}

/// Adds what came along.
pub(super) fn around(node: Node, bundle: &Bundle) -> Node {
    let certificates = bundle.certificates.iter().map(|der| certificate::one(der));
    let endorsements = bundle.endorsements.iter().map(|message| uvm::shown(message));
    let unread = bundle.unread.iter().map(|name| Node::from(*name));
    let others = bundle.others.iter().map(other_entry);
    node.with("certificates", Node::List(certificates.collect()))
        .with("other_table_entries", Node::List(others.collect()))
        .with("image_endorsements", Node::List(endorsements.collect()))
        .with("not_decoded", Node::List(unread.collect()))
}

/// What a host's table has besides the chain; of a revocation list, who made it and when.
fn other_entry(entry: &OtherEntry) -> Node {
    let node = Node::section([
        ("name", Node::from(entry.name.as_str())),
        ("size", Node::from(entry.data.len())),
        ("sha256", Node::hex(assay_token::sha256(&entry.data))),
    ]);
    let list = <CertificateList>::from_der(&entry.data).ok().filter(|_| entry.name == OtherEntry::CRL);
    let Some(CertificateList { tbs_cert_list: list, .. }) = list else { return node };
    let next = list.next_update.map_or(Node::Scalar(serde_json::Value::Null), certificate::time);
    node.with("issuer", list.issuer.to_string())
        .with("this_update", certificate::time(list.this_update))
        .with("next_update", next)
        .with("revoked", list.revoked_certificates.unwrap_or_default().len())
}

/// The fields of a report.
pub(super) fn members(report: &Report) -> Node {
    let signature = report.signature();
    let (r, s) = signature.split_at(48);
    let layouts = Layouts::of(report);
    let reserved = report.nonzero_reserved().map(|(at, name)| Node::from(format!("{at:#05x} {name}")));
    let node = Node::section([
        ("version", Node::from(report.version)),
        ("guest_svn", Node::from(report.guest_svn)),
        ("policy", policy(report.policy)),
        ("family_id", Node::hex(report.family_id)),
        ("image_id", Node::hex(report.image_id)),
        ("vmpl", Node::from(report.vmpl)),
        ("asked_for_by", Node::from(if report.vmpl == VMPL_HOST { "host" } else { "guest" })),
        ("signature_algorithm", Node::from(report.signature_algorithm)),
        ("signature_algorithm_name", Node::from(algorithm(report.signature_algorithm))),
        ("current_tcb", layouts.tcb(report.current_tcb)),
        ("platform_info", platform(report.platform_info)),
        ("key_info", key_info(report.key_info)),
        ("report_data", Node::hex(report.report_data)),
        ("measurement", Node::hex(report.measurement)),
        ("host_data", Node::hex(report.host_data)),
        ("id_key_digest", Node::hex(report.id_key_digest)),
        ("author_key_digest", Node::hex(report.author_key_digest)),
        ("report_id", Node::hex(report.report_id)),
        ("report_id_ma", Node::hex(report.report_id_ma)),
        ("reported_tcb", layouts.tcb(report.reported_tcb)),
        ("cpuid", report.cpuid.map_or(Node::Scalar(serde_json::Value::Null), cpuid)),
        // It identifies the processor: whoever asks to see a report has it already.
        ("chip_id", Node::hex(report.chip_id)),
        ("committed_tcb", layouts.tcb(report.committed_tcb)),
        ("current_firmware", firmware(report.current_firmware)),
        ("committed_firmware", firmware(report.committed_firmware)),
        ("launch_tcb", layouts.tcb(report.launch_tcb)),
    ]);
    let node = match report.mitigations {
        Some(vectors) => node
            .with("launch_mitigations", format!("{:016x}", vectors.launch))
            .with("current_mitigations", format!("{:016x}", vectors.current)),
        None => node,
    };
    node.with("signature", Node::section([("r", Node::hex(r)), ("s", Node::hex(s))]))
        .with("reserved_not_zero", Node::List(reserved.collect()))
}

fn algorithm(number: u32) -> &'static str {
    if number == ECDSA_P384_SHA384 { "ECDSA P-384 with SHA-384" } else { "unknown" }
}

/// The names of AMD's document 56860, table 9, in the order of the bits.
fn policy(policy: GuestPolicy) -> Node {
    let (major, minor) = policy.minimum_abi();
    Node::section([
        ("value", Node::from(format!("{:016x}", policy.0))),
        ("minimum_abi", Node::from(format!("{major}.{minor}"))),
        ("smt_allowed", Node::from(policy.is_smt_allowed())),
        ("migration_agent_allowed", Node::from(policy.is_migration_allowed())),
        ("debug_allowed", Node::from(policy.is_debug_allowed())),
        ("single_socket_required", Node::from(policy.is_single_socket())),
        ("cxl_allowed", Node::from(policy.is_cxl_allowed())),
        ("aes_256_xts_required", Node::from(policy.is_aes_256_xts_required())),
        ("rapl_off_required", Node::from(policy.is_rapl_off_required())),
        ("ciphertext_hiding_required", Node::from(policy.is_ciphertext_hiding_required())),
        ("page_swap_off_required", Node::from(policy.is_page_swap_off_required())),
        ("reserved_one_is_one", Node::from(policy.0 & GuestPolicy::MUST_BE_ONE != 0)),
        ("reserved_bits", Node::from(format!("{:016x}", policy.0 & GuestPolicy::RESERVED))),
    ])
}

fn platform(info: PlatformInfo) -> Node {
    Node::section([
        ("value", Node::from(format!("{:016x}", info.0))),
        ("set", Node::List(info.names().map(Node::from).collect())),
        ("unknown_bits", Node::from(format!("{:016x}", info.unknown()))),
    ])
}

fn key_info(info: KeyInfo) -> Node {
    let name = match (info.signing_key(), info.signing_key_number()) {
        (Some(key), _) => key.as_str(),
        (None, 7) => "none",
        (None, _) => "unknown",
    };
    Node::section([
        ("value", Node::from(format!("{:08x}", info.0))),
        ("author_key", Node::from(info.has_author_key())),
        ("chip_key_masked", Node::from(info.is_chip_key_masked())),
        ("signing_key", Node::from(info.signing_key_number())),
        ("signing_key_name", Node::from(name)),
    ])
}

fn cpuid(cpuid: Cpuid) -> Node {
    let product = Product::from_cpuid(cpuid).map_or("unknown", Product::as_str);
    Node::section([
        ("family", Node::from(u16::from(cpuid.family))),
        ("model", Node::from(u16::from(cpuid.model))),
        ("stepping", Node::from(u16::from(cpuid.stepping))),
        ("product", Node::from(product)),
    ])
}

fn firmware(version: FirmwareVersion) -> Node {
    Node::from(version.to_string())
}

/// How the bytes of a TCB version can be read.
struct Layouts(Option<Product>);

impl Layouts {
    /// Reports of version 2 do not name the processor; only the certificate of their key does.
    fn of(report: &Report) -> Self {
        Self(report.cpuid.and_then(Product::from_cpuid))
    }

    fn tcb(&self, version: TcbVersion) -> Node {
        let node = Node::section([("bytes", Node::hex(version.0))]);
        let Some(product) = self.0 else {
            return node
                .with("on_milan_or_genoa", Node::Section(components(version, TcbLayout::Four)))
                .with("on_turin", Node::Section(components(version, TcbLayout::Five)));
        };
        components(version, product.tcb_layout())
            .into_iter()
            .fold(node, |node, (name, value)| node.with(&name, value))
    }
}

fn components(version: TcbVersion, layout: TcbLayout) -> Vec<(String, Node)> {
    let (tcb, reserved_is_zero) = version.read(layout);
    let named = tcb.components().into_iter();
    let mut members: Vec<_> =
        named.filter_map(|(name, svn)| Some((name.to_owned(), Node::from(u16::from(svn?))))).collect();
    members.push(("reserved_is_zero".to_owned(), Node::from(reserved_is_zero)));
    members
}
