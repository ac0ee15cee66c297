//! The SGX ECDSA quote, version 3.
//!
//! Intel, *SGX ECDSA QuoteLibReference DCAP API*, appendix A.4 ("Quote Format"); the report body is Intel SDM volume 3D,
//! section 37.15. All integers are little-endian. Layout:
//!
//! ```text
//!   0   48  header                    432   4  length of the signature data
//!  48  384  report body of the        436  64  signature r || s over bytes 0..432
//!           application enclave       500  64  attestation key x || y
//!                                     564 384  report body of the quoting enclave (QE)
//!                                     948  64  signature of the PCK over it
//!                                    1012   2  length n of the QE authentication data, then n bytes
//!                                            u16 type, u32 length, certification data
//! ```

use crate::cursor::Cursor;
use crate::error::{LengthRule, ParseError};

/// Header and report body: what the attestation key signs.
pub const SIGNED_SIZE: usize = 432;
/// Size of a report body.
pub const REPORT_BODY_SIZE: usize = 384;
/// Largest quote accepted. Real ones are under 5 KiB; the length field of the signature data is bounded by 64 KiB in
/// Intel's own client (uint16 lengths in QCNL), and the header and body come on top.
pub const MAX_QUOTE_SIZE: usize = 80 * 1024;
/// Largest QE authentication data accepted. Intel's QE writes 32 bytes; the format leaves it open.
pub const MAX_QE_AUTH_SIZE: usize = 1024;
/// The vendor id of Intel's quoting enclave.
pub const INTEL_QE_VENDOR_ID: [u8; 16] =
    [0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07];

const VERSION_3: u16 = 3;
const ECDSA_P256: u16 = 2;

/// Attribute flag: the enclave is initialised.
pub const FLAG_INIT: u64 = 1;
/// Attribute flag: the enclave can be debugged, so its memory is not secret.
pub const FLAG_DEBUG: u64 = 1 << 1;
/// Attribute flag: 64-bit enclave.
pub const FLAG_MODE64: u64 = 1 << 2;
/// Attribute flag: may use the provisioning key.
pub const FLAG_PROVISION_KEY: u64 = 1 << 4;
/// Attribute flag: may use the launch token key.
pub const FLAG_EINITTOKEN_KEY: u64 = 1 << 5;
/// Attribute flag: key separation and sharing; the fields `config_id` and the like are in use.
pub const FLAG_KSS: u64 = 1 << 7;

/// An SGX quote, version 3, with ECDSA P-256.
#[derive(Clone, Debug)]
pub struct Quote<'a> {
    /// The quote without padding.
    pub bytes: &'a [u8],
    /// Bytes 0..432, as received: what the attestation key signs.
    pub signed: &'a [u8; SIGNED_SIZE],
    /// The header.
    pub header: Header,
    /// The report of the application enclave.
    pub report: ReportBody,
    /// `r || s`, big-endian.
    pub signature: &'a [u8; 64],
    /// The attestation key `x || y`, big-endian.
    pub attestation_key: &'a [u8; 64],
    /// The report of the quoting enclave as received: what the PCK signs.
    pub qe_report_bytes: &'a [u8; REPORT_BODY_SIZE],
    /// The report of the quoting enclave.
    pub qe_report: ReportBody,
    /// `r || s` of the PCK over `qe_report_bytes`.
    pub qe_report_signature: &'a [u8; 64],
    /// Data of the quoting enclave that is hashed with the attestation key.
    pub qe_auth_data: &'a [u8],
    /// What names or carries the PCK certificate.
    pub certification: CertificationData<'a>,
}

/// The quote header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Quote version.
    pub version: u16,
    /// Attestation key type; 2 is ECDSA with P-256.
    pub attestation_key_type: u16,
    /// Must be zero in version 3.
    pub reserved: u32,
    /// Security version of the quoting enclave, as the header says it (the signed one is in its report).
    pub qe_svn: u16,
    /// Security version of the provisioning certification enclave.
    pub pce_svn: u16,
    /// Vendor of the quoting enclave.
    pub qe_vendor_id: [u8; 16],
    /// The first 16 bytes are the QE ID, which identifies the platform.
    pub user_data: [u8; 20],
}

/// The report body of an enclave (384 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBody {
    /// CPU security version, opaque.
    pub cpu_svn: [u8; 16],
    /// Extended features.
    pub misc_select: u32,
    /// Extended product id (KSS).
    pub isv_ext_prod_id: [u8; 16],
    /// Attributes as received: 8 bytes of flags, 8 bytes of XFRM.
    pub attributes: [u8; 16],
    /// Measurement of the enclave.
    pub mr_enclave: [u8; 32],
    /// Hash of the key that signed the enclave.
    pub mr_signer: [u8; 32],
    /// Configuration id (KSS).
    pub config_id: [u8; 64],
    /// Product id.
    pub isv_prod_id: u16,
    /// Security version.
    pub isv_svn: u16,
    /// Configuration security version (KSS).
    pub config_svn: u16,
    /// Family id (KSS).
    pub isv_family_id: [u8; 16],
    /// What the enclave wants to say.
    pub report_data: [u8; 64],
    /// Whether every reserved byte is zero, as the SDM demands.
    pub reserved_is_zero: bool,
}

impl ReportBody {
    /// The flags of `attributes`.
    #[must_use]
    pub fn flags(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.attributes;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The extended feature mask of `attributes`.
    #[must_use]
    pub fn xfrm(&self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.attributes;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Whether the enclave can be debugged.
    #[must_use]
    pub fn is_debuggable(&self) -> bool {
        self.flags() & FLAG_DEBUG != 0
    }

    /// Whether key separation and sharing is in use.
    #[must_use]
    pub fn has_kss(&self) -> bool {
        self.flags() & FLAG_KSS != 0
    }

    /// Reads a report body.
    #[must_use]
    pub fn parse(bytes: &[u8; REPORT_BODY_SIZE]) -> Self {
        // The size is in the type, so no field can be missing; an impossible error yields a body that fails the
        // reserved-bytes rule rather than a panic.
        Self::read(&mut Cursor::new(bytes)).unwrap_or(Self::UNREADABLE)
    }

    const UNREADABLE: Self = Self {
        cpu_svn: [0; 16],
        misc_select: 0,
        isv_ext_prod_id: [0; 16],
        attributes: [0xff; 16],
        mr_enclave: [0; 32],
        mr_signer: [0; 32],
        config_id: [0; 64],
        isv_prod_id: 0,
        isv_svn: 0,
        config_svn: 0,
        isv_family_id: [0; 16],
        report_data: [0; 64],
        reserved_is_zero: false,
    };

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let cpu_svn = *cursor.array("cpusvn")?;
        let misc_select = cursor.u32("miscselect")?;
        let reserved1: &[u8; 12] = cursor.array("reserved1")?;
        let isv_ext_prod_id = *cursor.array("isvextprodid")?;
        let attributes = *cursor.array("attributes")?;
        let mr_enclave = *cursor.array("mrenclave")?;
        let reserved2: &[u8; 32] = cursor.array("reserved2")?;
        let mr_signer = *cursor.array("mrsigner")?;
        let reserved3: &[u8; 32] = cursor.array("reserved3")?;
        let config_id = *cursor.array("configid")?;
        let isv_prod_id = cursor.u16("isvprodid")?;
        let isv_svn = cursor.u16("isvsvn")?;
        let config_svn = cursor.u16("configsvn")?;
        let reserved4: &[u8; 42] = cursor.array("reserved4")?;
        let isv_family_id = *cursor.array("isvfamilyid")?;
        let report_data = *cursor.array("reportdata")?;
        let reserved_is_zero = [&reserved1[..], reserved2, reserved3, reserved4]
            .iter()
            .all(|field| field.iter().all(|b| *b == 0));
        Ok(Self {
            cpu_svn,
            misc_select,
            isv_ext_prod_id,
            attributes,
            mr_enclave,
            mr_signer,
            config_id,
            isv_prod_id,
            isv_svn,
            config_svn,
            isv_family_id,
            report_data,
            reserved_is_zero,
        })
    }
}

/// What a quote carries so that a verifier finds the PCK certificate (appendix A.4, table "Certification Data").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificationData<'a> {
    /// Types 1 to 3: the platform's id, clear or encrypted, and its raw TCB. The certificate must be looked up.
    PlatformId {
        /// 1 clear, 2 encrypted with RSA-2048, 3 encrypted with RSA-3072.
        kind: u16,
        /// The data as received.
        data: &'a [u8],
    },
    /// Type 4: the PCK certificate alone, PEM.
    PckCertificate(&'a [u8]),
    /// Type 5: the PCK certificate chain, PEM, leaf first.
    PckChain(&'a [u8]),
    /// Type 7: a platform manifest.
    PlatformManifest(&'a [u8]),
}

/// What certification data of the types 1 to 3 say (appendix A.4, table "Certification Data"). Nobody signs it.
pub struct NamedPlatform<'a> {
    /// The processor.
    pub ppid: Ppid<'a>,
    /// The TCB under which the quoting enclave's key was certified.
    pub cpu_svn: [u8; 16],
    /// Likewise.
    pub pce_svn: u16,
    /// The provisioning certification enclave, in the order of its bytes in memory.
    pub pce_id: [u8; 2],
}

/// A platform provisioning id.
pub enum Ppid<'a> {
    /// As it is.
    Clear(&'a [u8; 16]),
    /// Encrypted with RSA for Intel.
    Encrypted(&'a [u8]),
}

impl<'a> NamedPlatform<'a> {
    fn read(kind: u16, data: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(data);
        let ppid = match kind {
            1 => Ppid::Clear(cursor.array("PPID")?),
            2 => Ppid::Encrypted(cursor.slice(256, "PPID")?),
            _ => Ppid::Encrypted(cursor.slice(384, "PPID")?),
        };
        let cpu_svn = *cursor.array("CPUSVN")?;
        let pce_svn = cursor.u16("PCESVN")?;
        let pce_id = *cursor.array("PCE id")?;
        if cursor.offset() != data.len() {
            let expected = LengthRule::Exactly(cursor.offset());
            return Err(ParseError::BadLength { field: "certification data", found: data.len(), expected });
        }
        Ok(Self { ppid, cpu_svn, pce_svn, pce_id })
    }
}

impl CertificationData<'_> {
    /// The type number of the format.
    #[must_use]
    pub const fn type_number(&self) -> u16 {
        match self {
            Self::PlatformId { kind, .. } => *kind,
            Self::PckCertificate(_) => 4,
            Self::PckChain(_) => 5,
            Self::PlatformManifest(_) => 7,
        }
    }
}

impl<'a> Quote<'a> {
    /// What stands in the place of a PCK certificate; `None` where the certification data are of another type.
    ///
    /// # Errors
    /// The data do not have the length of their type.
    #[must_use]
    pub fn named_platform(&self) -> Option<Result<NamedPlatform<'a>, ParseError>> {
        match self.certification {
            CertificationData::PlatformId { kind, data } => Some(NamedPlatform::read(kind, data)),
            _ => None,
        }
    }

    /// Reads a quote. All-zero padding after it is accepted (guest interfaces return buffers of a fixed size).
    ///
    /// # Errors
    /// A [`ParseError`] naming the first rule broken. Rules on values (vendor, reserved bytes) are for the verifier, so
    /// that a quote that breaks them can still be inspected.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_QUOTE_SIZE {
            return Err(ParseError::TooLarge { size: bytes.len(), limit: MAX_QUOTE_SIZE });
        }
        let mut cursor = Cursor::new(bytes);
        let signed: &[u8; SIGNED_SIZE] = cursor.clone().array("header and report body").map_err(|short| {
            // A wrong version says more than "too short", so look at it first where it can be read.
            Header::parse(&mut Cursor::new(bytes)).err().unwrap_or(short)
        })?;
        let header = Header::parse(&mut cursor)?;
        let report = ReportBody::parse(cursor.array("report body")?);
        let length = cursor.u32("signature data length")?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let auth_at = cursor.offset();
        let auth = cursor.slice(length, "signature data")?;
        let end = cursor.offset();
        refuse_trailing(&cursor)?;
        let auth = AuthData::parse(auth, auth_at)?;
        Ok(Self {
            bytes: bytes.get(..end).unwrap_or(bytes),
            signed,
            header,
            report,
            signature: auth.signature,
            attestation_key: auth.attestation_key,
            qe_report_bytes: auth.qe_report_bytes,
            qe_report: ReportBody::parse(auth.qe_report_bytes),
            qe_report_signature: auth.qe_report_signature,
            qe_auth_data: auth.qe_auth_data,
            certification: auth.certification,
        })
    }
}

impl Header {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let version = cursor.u16("version")?;
        if version != VERSION_3 {
            return Err(ParseError::UnsupportedVersion { format: "quote", found: u32::from(version) });
        }
        let attestation_key_type = cursor.u16("attestation key type")?;
        if attestation_key_type != ECDSA_P256 {
            return Err(ParseError::UnsupportedKeyType { found: attestation_key_type });
        }
        Ok(Self {
            version,
            attestation_key_type,
            reserved: cursor.u32("reserved")?,
            qe_svn: cursor.u16("QE SVN")?,
            pce_svn: cursor.u16("PCE SVN")?,
            qe_vendor_id: *cursor.array("QE vendor id")?,
            user_data: *cursor.array("user data")?,
        })
    }
}

/// The signature data of a version 3 quote.
struct AuthData<'a> {
    signature: &'a [u8; 64],
    attestation_key: &'a [u8; 64],
    qe_report_bytes: &'a [u8; REPORT_BODY_SIZE],
    qe_report_signature: &'a [u8; 64],
    qe_auth_data: &'a [u8],
    certification: CertificationData<'a>,
}

impl<'a> AuthData<'a> {
    fn parse(bytes: &'a [u8], offset: usize) -> Result<Self, ParseError> {
        let mut cursor = Cursor::within(bytes, offset);
        let signature = cursor.array("signature")?;
        let attestation_key = cursor.array("attestation key")?;
        let qe_report_bytes = cursor.array("QE report")?;
        let qe_report_signature = cursor.array("QE report signature")?;
        let qe_auth_length = usize::from(cursor.u16("QE authentication data length")?);
        if qe_auth_length > MAX_QE_AUTH_SIZE {
            return Err(ParseError::BadLength {
                field: "QE authentication data",
                found: qe_auth_length,
                expected: LengthRule::AtMost(MAX_QE_AUTH_SIZE),
            });
        }
        let qe_auth_data = cursor.slice(qe_auth_length, "QE authentication data")?;
        let kind = cursor.u16("certification data type")?;
        let length = cursor.u32("certification data length")?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let data = cursor.slice(length, "certification data")?;
        if !cursor.rest().is_empty() {
            let found = bytes.len();
            let expected = LengthRule::Exactly(cursor.offset().saturating_sub(offset));
            return Err(ParseError::BadLength { field: "signature data", found, expected });
        }
        let certification = certification_data(kind, data)?;
        Ok(Self {
            signature,
            attestation_key,
            qe_report_bytes,
            qe_report_signature,
            qe_auth_data,
            certification,
        })
    }
}

const fn certification_data(kind: u16, data: &[u8]) -> Result<CertificationData<'_>, ParseError> {
    Ok(match kind {
        1..=3 => CertificationData::PlatformId { kind, data },
        4 => CertificationData::PckCertificate(data),
        5 => CertificationData::PckChain(data),
        7 => CertificationData::PlatformManifest(data),
        // Type 6 is the container of version 4 and later; in version 3 it cannot occur.
        _ => return Err(ParseError::UnknownCertificationData { found: kind }),
    })
}

/// Only zero bytes may follow evidence.
pub(crate) fn refuse_trailing(cursor: &Cursor<'_>) -> Result<(), ParseError> {
    let rest = cursor.rest();
    if rest.iter().any(|b| *b != 0) {
        return Err(ParseError::TrailingData { offset: cursor.offset(), count: rest.len() });
    }
    Ok(())
}
