//! The SGX extension of a PCK certificate (Intel SGX PCK Certificate and CRL Specification, section 1.3.5).

use der::asn1::ObjectIdentifier;
use der::{AnyRef, Decode, Reader, SliceReader, Tag, Tagged};

use crate::x509::Certificate;

/// `1.2.840.113741.1.13.1`.
pub(crate) const SGX_EXTENSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1");
/// Entries in the extension or in one of its sequences; real ones have 7 and 18.
const MAX_ENTRIES: usize = 32;

/// What a PCK certificate says of its platform.
#[derive(Clone, PartialEq, Eq)]
pub struct PckExtension {
    /// Identifies the processor: never log it, never store it in the clear.
    pub ppid: [u8; 16],
    /// The TCB components that levels are compared with.
    pub components: [u8; 16],
    /// Security version of the provisioning certification enclave.
    pub pce_svn: u16,
    /// The raw CPU SVN.
    pub cpu_svn: [u8; 16],
    /// The provisioning certification enclave.
    pub pce_id: [u8; 2],
    /// The platform family.
    pub fmspc: [u8; 6],
    /// How memory is protected.
    pub sgx_type: SgxType,
    /// Platform CA only; identifies the platform like `ppid` does.
    pub platform_instance_id: Option<[u8; 16]>,
    /// Platform CA only: packages may be added.
    pub dynamic_platform: Option<bool>,
    /// Platform CA only: Intel keeps the platform's root keys.
    pub cached_keys: Option<bool>,
    /// Platform CA only: simultaneous multithreading is on.
    pub smt_enabled: Option<bool>,
}

impl std::fmt::Debug for PckExtension {
    /// Leaves out what identifies the platform.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PckExtension")
            .field("fmspc", &hex::encode(self.fmspc))
            .field("pce_id", &hex::encode(self.pce_id))
            .field("components", &self.components)
            .field("pce_svn", &self.pce_svn)
            .field("sgx_type", &self.sgx_type)
            .finish_non_exhaustive()
    }
}

/// How the platform protects enclave memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SgxType {
    /// Encryption, integrity and replay protection in a small memory.
    Standard,
    /// Encryption only.
    Scalable,
    /// Encryption and integrity.
    ScalableWithIntegrity,
}

type Problem = &'static str;

/// The arcs under the extension's own, in the order of the specification.
#[derive(Default)]
struct Fields<'a> {
    ppid: Option<AnyRef<'a>>,
    tcb: Option<AnyRef<'a>>,
    pce_id: Option<AnyRef<'a>>,
    fmspc: Option<AnyRef<'a>>,
    sgx_type: Option<AnyRef<'a>>,
    platform_instance_id: Option<AnyRef<'a>>,
    configuration: Option<AnyRef<'a>>,
}

impl PckExtension {
    /// Reads the extension of a certificate.
    pub(crate) fn of(certificate: &Certificate<'_>) -> Result<Self, Problem> {
        let value = certificate.extension(&SGX_EXTENSION).ok_or("the certificate does not have it")?;
        Self::parse(value)
    }

    /// Reads the value of the extension. The order of entries does not matter; none may occur twice.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn parse(value: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::default();
        for (arc, value) in entries(value, &SGX_EXTENSION)? {
            let slot = match arc {
                1 => &mut fields.ppid,
                2 => &mut fields.tcb,
                3 => &mut fields.pce_id,
                4 => &mut fields.fmspc,
                5 => &mut fields.sgx_type,
                6 => &mut fields.platform_instance_id,
                7 => &mut fields.configuration,
                // Intel may add entries; they do not change the meaning of these.
                _ => continue,
            };
            *slot = Some(value);
        }
        fields.assemble()
    }
}

impl Fields<'_> {
    fn assemble(self) -> Result<PckExtension, Problem> {
        let tcb = Tcb::parse(self.tcb.ok_or("the TCB is missing")?)?;
        let [dynamic_platform, cached_keys, smt_enabled] = match self.configuration {
            Some(value) => configuration(value)?,
            None => [None; 3],
        };
        Ok(PckExtension {
            ppid: octets(self.ppid.ok_or("the PPID is missing")?)?,
            components: tcb.components,
            pce_svn: tcb.pce_svn,
            cpu_svn: tcb.cpu_svn,
            pce_id: octets(self.pce_id.ok_or("the PCE id is missing")?)?,
            fmspc: octets(self.fmspc.ok_or("the FMSPC is missing")?)?,
            sgx_type: sgx_type(self.sgx_type.ok_or("the SGX type is missing")?)?,
            platform_instance_id: self.platform_instance_id.map(octets).transpose()?,
            dynamic_platform,
            cached_keys,
            smt_enabled,
        })
    }
}

struct Tcb {
    components: [u8; 16],
    pce_svn: u16,
    cpu_svn: [u8; 16],
}

impl Tcb {
    fn parse(value: AnyRef<'_>) -> Result<Self, Problem> {
        let oid = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.2");
        let mut components = [None::<u8>; 16];
        let (mut pce_svn, mut cpu_svn) = (None, None);
        for (arc, value) in sequence_entries(value, &oid)? {
            match usize::try_from(arc.saturating_sub(1)).ok().and_then(|i| components.get_mut(i)) {
                // A component beyond 255 does not fit and is refused here.
                Some(slot) if arc >= 1 => {
                    *slot = Some(value.decode_as().map_err(|_| "a TCB component is not 0 to 255")?)
                }
                _ if arc == 17 => {
                    pce_svn = Some(value.decode_as().map_err(|_| "the PCE SVN is not 0 to 65535")?)
                }
                _ if arc == 18 => cpu_svn = Some(octets(value)?),
                _ => {}
            }
        }
        let mut complete = [0; 16];
        for (to, from) in complete.iter_mut().zip(components) {
            *to = from.ok_or("a TCB component is missing")?;
        }
        Ok(Self {
            components: complete,
            pce_svn: pce_svn.ok_or("the PCE SVN is missing")?,
            cpu_svn: cpu_svn.ok_or("the CPU SVN is missing")?,
        })
    }
}

fn configuration(value: AnyRef<'_>) -> Result<[Option<bool>; 3], Problem> {
    let oid = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.7");
    let mut flags = [None; 3];
    for (arc, value) in sequence_entries(value, &oid)? {
        let slot = usize::try_from(arc.saturating_sub(1)).ok().and_then(|i| flags.get_mut(i));
        if let Some(slot) = slot.filter(|_| arc >= 1) {
            *slot = Some(value.decode_as().map_err(|_| "a configuration flag is not a boolean")?);
        }
    }
    Ok(flags)
}

fn sgx_type(value: AnyRef<'_>) -> Result<SgxType, Problem> {
    match (value.tag(), value.value()) {
        (Tag::Enumerated, [0]) => Ok(SgxType::Standard),
        (Tag::Enumerated, [1]) => Ok(SgxType::Scalable),
        (Tag::Enumerated, [2]) => Ok(SgxType::ScalableWithIntegrity),
        _ => Err("the SGX type is not known"),
    }
}

fn octets<const N: usize>(value: AnyRef<'_>) -> Result<[u8; N], Problem> {
    match value.tag() {
        Tag::OctetString => value.value().try_into().map_err(|_| "an entry has the wrong length"),
        _ => Err("an entry is not an octet string"),
    }
}

fn entries<'a>(der: &'a [u8], parent: &ObjectIdentifier) -> Result<Vec<(u32, AnyRef<'a>)>, Problem> {
    sequence_entries(AnyRef::from_der(der).map_err(|_| "it is not DER")?, parent)
}

/// Reads `SEQUENCE OF SEQUENCE { OID, value }` and gives each value with the last arc of its OID under `parent`.
fn sequence_entries<'a>(
    list: AnyRef<'a>,
    parent: &ObjectIdentifier,
) -> Result<Vec<(u32, AnyRef<'a>)>, Problem> {
    if list.tag() != Tag::Sequence {
        return Err("an entry is not a sequence");
    }
    let mut reader = SliceReader::new(list.value()).map_err(|_| "it is not DER")?;
    let mut found: Vec<(u32, AnyRef<'a>)> = Vec::with_capacity(18);
    while !reader.is_finished() {
        let (oid, value) = AnyRef::decode(&mut reader)
            .and_then(|entry| entry.sequence(|r| Ok((AnyRef::decode(r)?, AnyRef::decode(r)?))))
            .map_err(|_: der::Error| "an entry is not an OID with a value")?;
        let arc = last_arc(oid, parent).ok_or("an entry does not belong to SGX")?;
        if found.iter().any(|(other, _)| *other == arc) {
            return Err("an entry occurs twice");
        }
        if found.len() >= MAX_ENTRIES {
            return Err("it has too many entries");
        }
        found.push((arc, value));
    }
    Ok(found)
}

/// One arc below 128 takes one byte after the parent's (X.690 section 8.19); Intel uses no larger one.
fn last_arc(oid: AnyRef<'_>, parent: &ObjectIdentifier) -> Option<u32> {
    match oid.value().strip_prefix(parent.as_bytes()) {
        Some([arc]) if oid.tag() == Tag::ObjectIdentifier && *arc < 0x80 => Some(u32::from(*arc)),
        _ => None,
    }
}
