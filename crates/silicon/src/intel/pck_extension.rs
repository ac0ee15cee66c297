//! The SGX extension of a PCK certificate (Intel, *SGX PCK Certificate and Certificate Revocation List Profile
//! Specification*, section 1.3.5): a sequence of pairs of object identifier and value, under 1.2.840.113741.1.13.1.

use super::spec::{Ca, Configuration, PlatformSpec};
use crate::asn1;

/// 1.2.840.113741.1.13.1, encoded.
pub(super) const SGX_EXTENSION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01];
/// Arc of the platform's encrypted-key id (PPID).
const PPID: u8 = 1;
/// Arc of the TCB.
pub(super) const TCB: u8 = 2;
const PCE_ID: u8 = 3;
/// Arc of the family-model-stepping-platform-custom SKU (FMSPC).
pub(super) const FMSPC: u8 = 4;
const SGX_TYPE: u8 = 5;
const PLATFORM_INSTANCE_ID: u8 = 6;
const CONFIGURATION: u8 = 7;
/// Arc of PCESVN within the TCB; 1 to 16 are the components.
const PCE_SVN: u8 = 17;
const CPU_SVN: u8 = 18;

/// One pair: the last arc of its identifier, and its value, encoded.
pub(super) type Entry = (u8, Vec<u8>);

/// What of a platform is not in its specification.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    /// Platform provisioning id.
    pub(super) ppid: [u8; 16],
    /// Only certificates of the Platform CA have one.
    pub(super) platform_instance_id: Option<[u8; 16]>,
}

/// The pairs of a platform, in the order Intel writes them.
pub(super) fn entries(spec: &PlatformSpec, identity: &Identity) -> Vec<Entry> {
    let mut entries = vec![
        (PPID, asn1::octets(&identity.ppid)),
        (TCB, tcb(&spec.cpu_svn_components.map(u16::from), spec.pce_svn, &spec.cpu_svn_components)),
        (PCE_ID, asn1::octets(&spec.pce_id)),
        (FMSPC, asn1::octets(&spec.fmspc)),
        (SGX_TYPE, asn1::enumerated(spec.sgx_type.number())),
    ];
    if let (Ca::Platform, Some(id)) = (spec.ca, identity.platform_instance_id) {
        entries.push((PLATFORM_INSTANCE_ID, asn1::octets(&id)));
    }
    if let (Ca::Platform, Some(configuration)) = (spec.ca, spec.configuration) {
        entries.push((CONFIGURATION, configuration_value(configuration)));
    }
    entries
}

/// The TCB: 16 components, PCESVN, CPUSVN. Components are wider than the format allows, so that it can be broken.
pub(super) fn tcb(components: &[u16; 16], pce_svn: u16, cpu_svn: &[u8; 16]) -> Vec<u8> {
    let mut pairs: Vec<Vec<u8>> = (1..)
        .zip(components)
        .map(|(arc, svn)| pair(&[TCB, arc], &asn1::unsigned(&svn.to_be_bytes())))
        .collect();
    pairs.push(pair(&[TCB, PCE_SVN], &asn1::unsigned(&pce_svn.to_be_bytes())));
    pairs.push(pair(&[TCB, CPU_SVN], &asn1::octets(cpu_svn)));
    asn1::sequence(&pairs)
}

fn configuration_value(configuration: Configuration) -> Vec<u8> {
    let Configuration { dynamic_platform, cached_keys, smt_enabled } = configuration;
    let flags = [(1, dynamic_platform), (2, cached_keys), (3, smt_enabled)];
    asn1::sequence(&flags.map(|(arc, flag)| pair(&[CONFIGURATION, arc], &asn1::boolean(flag))))
}

/// The value of the extension.
pub(super) fn encode(entries: &[Entry]) -> Vec<u8> {
    asn1::sequence(&entries.iter().map(|(arc, value)| pair(&[*arc], value)).collect::<Vec<_>>())
}

fn pair(arcs: &[u8], value: &[u8]) -> Vec<u8> {
    asn1::sequence(&[asn1::oid(&[SGX_EXTENSION, arcs].concat()), value.to_vec()])
}
