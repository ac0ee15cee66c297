//! X.509 certificates: names, dates, key and extensions, Intel's and AMD's among them.

use assay_verify::UnixTime;
use assay_verify::intel::{PckExtension, SgxType};
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, ContextSpecific, UintRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode, Error, SliceReader, TagNumber};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage, KeyUsage,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;

use super::amd;
use crate::document::Node;

/// Names of the object identifiers that occur in vendors' certificates and in those of servers.
const NAMES: [(&str, &str); 22] = [
    ("1.2.840.10045.2.1", "EC public key"),
    ("1.2.840.10045.3.1.7", "P-256"),
    ("1.3.132.0.34", "P-384"),
    (RSA, "RSA"),
    ("1.2.840.10045.4.3.2", "ECDSA with SHA-256"),
    ("1.2.840.10045.4.3.3", "ECDSA with SHA-384"),
    ("1.2.840.113549.1.1.11", "RSA PKCS#1 with SHA-256"),
    ("1.2.840.113549.1.1.12", "RSA PKCS#1 with SHA-384"),
    (RSA_PSS, "RSA-PSS"),
    ("1.2.840.113549.1.1.8", "MGF1"),
    ("2.16.840.1.101.3.4.2.1", "SHA-256"),
    ("2.16.840.1.101.3.4.2.2", "SHA-384"),
    ("2.16.840.1.101.3.4.2.3", "SHA-512"),
    ("2.5.29.14", "subject key identifier"),
    ("2.5.29.15", "key usage"),
    ("2.5.29.17", "subject alternative name"),
    ("2.5.29.19", "basic constraints"),
    ("2.5.29.31", "CRL distribution points"),
    ("2.5.29.35", "authority key identifier"),
    ("2.5.29.37", "extended key usage"),
    ("2.5.29.32", "certificate policies"),
    (SGX_EXTENSION, "Intel SGX"),
];
const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const SGX_EXTENSION: &str = "1.2.840.113741.1.13.1";
const BEGIN: &[u8] = b"-----BEGIN";

/// One certificate in DER, or any number of them in PEM.
pub(super) fn certificates(bytes: &[u8]) -> Result<Node, String> {
    let unreadable = |error| format!("it is not a certificate: {error}");
    let found = if bytes.windows(BEGIN.len()).any(|window| window == BEGIN) {
        // Intel's client ends its chains with a NUL.
        Certificate::load_pem_chain(bytes.trim_ascii_end().trim_suffix_nul()).map_err(unreadable)?
    } else {
        vec![Certificate::from_der(bytes).map_err(unreadable)?]
    };
    found.iter().map(certificate).collect::<Result<Vec<_>, _>>().map(Node::List).map_err(unreadable)
}

/// One certificate in DER; one that cannot be read is shown as it is.
pub(super) fn one(der: &[u8]) -> Node {
    let read = Certificate::from_der(der).and_then(|read| certificate(&read));
    read.unwrap_or_else(|error| {
        let problem = format!("it is not a certificate: {error}");
        Node::section([("problem", Node::from(problem)), ("data", Node::hex(der))])
    })
}

trait TrimNul {
    fn trim_suffix_nul(&self) -> &[u8];
}

impl TrimNul for [u8] {
    fn trim_suffix_nul(&self) -> &[u8] {
        self.strip_suffix(&[0]).unwrap_or(self)
    }
}

fn certificate(certificate: &Certificate) -> Result<Node, x509_cert::der::Error> {
    let der = certificate.to_der()?;
    let body = certificate.tbs_certificate();
    let extensions = body.extensions().map(Vec::as_slice).unwrap_or_default();
    let node = Node::section([
        ("subject", Node::from(body.subject().to_string())),
        ("issuer", Node::from(body.issuer().to_string())),
        ("serial", Node::hex(body.serial_number().as_bytes())),
        ("not_before", time(body.validity().not_before)),
        ("not_after", time(body.validity().not_after)),
        ("signature_algorithm", identifier(certificate.signature_algorithm().oid)),
    ]);
    let node = match pss_parameters(certificate.signature_algorithm()) {
        Some(parameters) => node.with("signature_parameters", parameters),
        None => node,
    };
    Ok(node
        .with("public_key", public_key(body.subject_public_key_info()))
        .with("extensions", Node::List(extensions.iter().map(extension).collect()))
        .with("sha256", Node::hex(assay_token::sha256(&der))))
}

/// RFC 4055, section 3.1. A member that is missing has its default, which is made of SHA-1.
fn pss_parameters(algorithm: &AlgorithmIdentifierOwned) -> Option<Node> {
    if algorithm.oid.to_string() != RSA_PSS {
        return None;
    }
    let parameters = AnyRef::from(algorithm.parameters.as_ref()?);
    parameters
        .sequence(|reader| {
            let hash = tagged::<AlgorithmIdentifierOwned>(reader, 0)?;
            let mask = tagged::<AlgorithmIdentifierOwned>(reader, 1)?;
            let (salt, trailer) = (tagged::<u16>(reader, 2)?, tagged::<u16>(reader, 3)?);
            let named = |algorithm: Option<AlgorithmIdentifierOwned>| {
                algorithm.map_or_else(|| Node::from("default"), |algorithm| identifier(algorithm.oid))
            };
            let node = Node::section([
                ("hash", named(hash)),
                ("mask_generation", named(mask)),
                ("salt_length", salt.map_or_else(|| Node::from("default"), Node::from)),
            ]);
            Ok::<_, Error>(match trailer {
                Some(trailer) => node.with("trailer", trailer),
                None => node,
            })
        })
        .ok()
}

fn tagged<'a, T: Decode<'a, Error = Error>>(
    reader: &mut SliceReader<'a>,
    number: u32,
) -> Result<Option<T>, Error> {
    let found = ContextSpecific::<T>::decode_explicit(reader, TagNumber(number))?;
    Ok(found.map(|found| found.value))
}

pub(super) fn time(time: Time) -> Node {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Node::from(UnixTime(seconds).to_string())
}

/// The name of an object identifier, or its numbers.
fn identifier(id: ObjectIdentifier) -> Node {
    Node::from(name(id).map_or_else(|| id.to_string(), str::to_owned))
}

fn name(id: ObjectIdentifier) -> Option<&'static str> {
    let text = id.to_string();
    NAMES.iter().chain(&amd::NAMES).find(|(known, _)| *known == text).map(|(_, name)| *name)
}

fn public_key(key: &SubjectPublicKeyInfoOwned) -> Node {
    let algorithm = &key.algorithm;
    let node = Node::section([("algorithm", identifier(algorithm.oid))]);
    let curve = algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    let node = match curve {
        Some(curve) => node.with("curve", identifier(curve)),
        None => node,
    };
    let bytes = key.subject_public_key.raw_bytes();
    let node = match rsa(bytes).filter(|_| algorithm.oid.to_string() == RSA) {
        Some((bits, exponent)) => node.with("bits", bits).with("exponent", exponent),
        None => node,
    };
    node.with("key", Node::hex(bytes))
}

/// Size of the modulus in bits, and the exponent (RFC 8017, appendix A.1.1).
fn rsa(key: &[u8]) -> Option<(usize, u64)> {
    let numbers = |reader: &mut SliceReader<'_>| -> Result<_, Error> {
        let modulus = UintRef::decode(reader)?.as_bytes();
        let first = modulus.first().map_or(8, |first| first.leading_zeros());
        let bits = modulus.len().saturating_mul(8).saturating_sub(usize::try_from(first).unwrap_or_default());
        Ok((bits, u64::decode(reader)?))
    };
    AnyRef::from_der(key).ok()?.sequence(numbers).ok()
}

fn extension(extension: &Extension) -> Node {
    let value = extension.extn_value.as_bytes();
    let node = Node::section([
        ("id", Node::from(extension.extn_id.to_string())),
        ("name", name(extension.extn_id).map_or(Node::Scalar(serde_json::Value::Null), Node::from)),
        ("critical", Node::from(extension.critical)),
    ]);
    match decoded(&extension.extn_id.to_string(), value) {
        Some(decoded) => node.with("value", decoded),
        None => node.with("der", Node::hex(value)),
    }
}

/// The meaning of an extension that is known and well-formed.
fn decoded(id: &str, value: &[u8]) -> Option<Node> {
    match id {
        SGX_EXTENSION => PckExtension::parse(value).ok().map(|sgx| sgx_extension(&sgx)),
        "2.5.29.14" => SubjectKeyIdentifier::from_der(value).ok().map(|id| Node::hex(id.0.as_bytes())),
        "2.5.29.15" => KeyUsage::from_der(value).ok().map(|usage| key_usage(&usage)),
        "2.5.29.17" => SubjectAltName::from_der(value).ok().map(|names| general_names(&names.0)),
        "2.5.29.19" => {
            BasicConstraints::from_der(value).ok().map(|constraints| basic_constraints(&constraints))
        }
        "2.5.29.31" => CrlDistributionPoints::from_der(value).ok().map(|points| distribution_points(&points)),
        "2.5.29.35" => {
            let id = AuthorityKeyIdentifier::from_der(value).ok()?.key_identifier?;
            Some(Node::hex(id.as_bytes()))
        }
        "2.5.29.37" => {
            let usages = ExtendedKeyUsage::from_der(value).ok()?;
            Some(Node::List(usages.0.iter().map(|id| Node::from(id.to_string())).collect()))
        }
        other => amd::extension(other, value),
    }
}

fn basic_constraints(constraints: &BasicConstraints) -> Node {
    let node = Node::section([("ca", Node::from(constraints.ca))]);
    match constraints.path_len_constraint {
        Some(length) => node.with("path_length", u16::from(length)),
        None => node,
    }
}

fn key_usage(usage: &KeyUsage) -> Node {
    Node::List(usage.0.into_iter().map(|usage| Node::from(format!("{usage:?}"))).collect())
}

fn general_names(names: &[GeneralName]) -> Node {
    Node::List(names.iter().map(general_name).collect())
}

fn general_name(name: &GeneralName) -> Node {
    match name {
        GeneralName::DnsName(name) => Node::from(format!("DNS:{}", name.as_str())),
        GeneralName::UniformResourceIdentifier(uri) => Node::from(format!("URI:{}", uri.as_str())),
        GeneralName::Rfc822Name(name) => Node::from(format!("email:{}", name.as_str())),
        GeneralName::IpAddress(address) => Node::from(format!("IP:{}", ip(address.as_bytes()))),
        other => other.to_der().map_or_else(|_| Node::from("unreadable"), Node::hex),
    }
}

fn ip(bytes: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    let v6 = || <[u8; 16]>::try_from(bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string());
    v4.or_else(|_| v6()).unwrap_or_else(|_| hex::encode(bytes))
}

fn distribution_points(points: &CrlDistributionPoints) -> Node {
    let names = points.0.iter().filter_map(|point| match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => Some(names.iter().map(general_name)),
        _ => None,
    });
    Node::List(names.flatten().collect())
}

/// Intel, *SGX PCK Certificate and CRL Profile Specification*, section 1.3.5. It identifies the platform: whoever asks
/// to see a certificate has it already.
fn sgx_extension(sgx: &PckExtension) -> Node {
    let kind = match sgx.sgx_type {
        SgxType::Standard => "standard",
        SgxType::Scalable => "scalable",
        SgxType::ScalableWithIntegrity => "scalable with integrity",
    };
    let node = Node::section([
        ("ppid", Node::hex(sgx.ppid)),
        (
            "tcb_components",
            Node::List(sgx.components.iter().map(|svn| Node::from(u16::from(*svn))).collect()),
        ),
        ("pce_svn", Node::from(sgx.pce_svn)),
        ("cpu_svn", Node::hex(sgx.cpu_svn)),
        ("pce_id", Node::hex(sgx.pce_id)),
        ("fmspc", Node::hex(sgx.fmspc)),
        ("sgx_type", Node::from(kind)),
    ]);
    let node = match sgx.platform_instance_id {
        Some(id) => node.with("platform_instance_id", Node::hex(id)),
        None => node,
    };
    let flags = [
        ("dynamic_platform", sgx.dynamic_platform),
        ("cached_keys", sgx.cached_keys),
        ("smt_enabled", sgx.smt_enabled),
    ];
    flags
        .into_iter()
        .filter_map(|(name, flag)| Some((name, flag?)))
        .fold(node, |node, (name, flag)| node.with(name, flag))
}
