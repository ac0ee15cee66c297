//! One document of a vendor's, held because it is genuine.

use std::fmt;
use std::sync::{Arc, OnceLock};

use assay_verify::cache::ChainCache;
use assay_verify::intel::single::{
    CrlIssuer, EvaluationNumber, Issuer, Refused, VerifiedCrl, verify_evaluation_numbers, verify_identity,
    verify_pck_crl, verify_root_crl, verify_tcb_info,
};
use assay_verify::intel::{QeIdentity, TcbInfo};
use assay_verify::snp::{AmdCrl, SnpError};
use assay_verify::{TrustAnchors, UnixTime, VerifyError, Window, sha256};
use bytes::Bytes;

use crate::subject::{AmdCrlKey, Subject};

/// What Intel's client can take: it counts document, decoded chain and two NULs in 16 bits. Genuine documents have half of it.
pub const CLIENT_LIMIT: usize = 65_535;
/// Largest body of an answer: caches give lists as hexadecimal, which doubles them, and lists of families are none of these.
pub const MAX_BODY: usize = 256 * 1024;
/// From here on it is time to tell the operator.
pub const CLIENT_WARNING: usize = 60_000;
/// Two certificates of a chain have 2 KiB.
const MAX_CHAIN: usize = 16 * 1024;

/// A document as it came, before it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawDocument {
    /// The body: JSON as it was signed, or DER.
    pub body: Bytes,
    /// The chain that came with it, PEM; AMD's lists and Intel's root list have none.
    pub chain: Option<String>,
}

impl RawDocument {
    /// What Intel's client makes of it: document, chain and two NULs. It gets lists as hexadecimal.
    #[must_use]
    pub fn client_size(&self, subject: Subject) -> usize {
        let chain = self.chain.as_ref().map_or(0, String::len);
        let body = match subject {
            Subject::PckCrl(_) | Subject::RootCrl => self.body.len().saturating_mul(2),
            _ => self.body.len(),
        };
        body.saturating_add(chain).saturating_add(2)
    }
}

/// What a document is verified with.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// The roots.
    pub anchors: &'a TrustAnchors,
    /// Chains verified before.
    pub cache: &'a ChainCache,
    /// The list of Intel's root, if one is held.
    pub root_crl: Option<&'a VerifiedCrl>,
}

/// Why a document is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is not genuine.
    #[error("it is not genuine: {}", list(.0))]
    NotGenuine(Refused),
    /// A list of AMD's is not genuine.
    #[error("it is not genuine: {0}")]
    AmdList(SnpError),
    /// It is about something else than what was asked for.
    #[error("it is about `{found}`, and `{wanted}` was asked for")]
    OtherSubject {
        /// What was asked for.
        wanted: Subject,
        /// What came.
        found: Subject,
    },
    /// It is of another evaluation than what was asked for.
    #[error("it is of the evaluation {found}, and {wanted} was asked for")]
    OtherNumber {
        /// The number asked for.
        wanted: u32,
        /// The number that came.
        found: u32,
    },
    /// It is larger than any genuine document.
    #[error("it has {found} bytes, and {limit} are accepted")]
    TooLarge {
        /// Bytes that came.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// It came without the chain that signs it.
    #[error("it came without the certificates of its signer")]
    NoChain,
    /// The root withdrew its signer.
    #[error("its signer was revoked")]
    SignerRevoked,
    /// It is dated in the future.
    #[error("it was issued at {issued}, which is in the future")]
    NotYetValid {
        /// The date on it.
        issued: UnixTime,
    },
    /// It has expired.
    #[error("it expired at {expired}")]
    Expired {
        /// When.
        expired: UnixTime,
    },
}

impl DocumentError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotGenuine(errors) => errors.first().map_or("not-genuine", VerifyError::code),
            Self::AmdList(error) => error.code(),
            Self::OtherSubject { .. } => "other-subject",
            Self::OtherNumber { .. } => "other-evaluation-number",
            Self::TooLarge { .. } => "too-large",
            Self::NoChain => "no-chain",
            Self::SignerRevoked => "certificate-revoked",
            Self::NotYetValid { .. } => "collateral-not-yet-valid",
            Self::Expired { .. } => "collateral-expired",
        }
    }
}

fn list(errors: &[VerifyError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// What a document says.
#[derive(Clone, Debug)]
pub enum Content {
    /// TCB levels.
    TcbInfo(Box<TcbInfo>),
    /// An enclave's identity.
    Identity(Box<QeIdentity>),
    /// Evaluations.
    EvaluationNumbers(Vec<EvaluationNumber>),
    /// Revoked certificates of Intel's.
    Crl(VerifiedCrl),
    /// Revoked certificates of AMD's.
    AmdCrl(Arc<AmdCrl>),
}

/// A genuine document. Its dates still have to be looked at each time it is used.
#[derive(Clone)]
pub struct Document {
    /// What it is about.
    pub subject: Subject,
    /// The exact bytes.
    pub body: Bytes,
    /// PEM of its signer and the root, if it came with them.
    pub chain: Option<Arc<str>>,
    /// `tcbEvaluationDataNumber`, where it has one.
    pub evaluation_number: Option<u32>,
    /// Its own dates.
    pub window: Window,
    /// When it, or a certificate above it, expires first.
    pub expires: UnixTime,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
    /// What it says.
    pub content: Content,
    issuer: Option<Issuer>,
    chain_in_header: OnceLock<Bytes>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shape = f.debug_struct("Document");
        shape.field("subject", &self.subject).field("evaluation_number", &self.evaluation_number);
        shape.field("window", &self.window).finish_non_exhaustive()
    }
}

impl Document {
    /// Verifies a document, whatever its dates are.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn verify(wanted: Subject, raw: &RawDocument, trust: &Trust<'_>) -> Result<Self, DocumentError> {
        let (found, limit) = (raw.client_size(wanted), CLIENT_LIMIT);
        if found > limit {
            return Err(DocumentError::TooLarge { found, limit });
        }
        let document = Self::open(wanted, raw, trust)?;
        if document.subject != wanted {
            return Err(DocumentError::OtherSubject { wanted, found: document.subject });
        }
        if let (Some(crl), Some(issuer)) = (trust.root_crl, &document.issuer)
            && crl.revokes(issuer)
        {
            return Err(DocumentError::SignerRevoked);
        }
        Ok(document)
    }

    /// Whether the dates allow its use at this time.
    ///
    /// # Errors
    /// [`DocumentError::NotYetValid`] or [`DocumentError::Expired`].
    pub fn check_dates(&self, now: UnixTime) -> Result<(), DocumentError> {
        if now < self.window.from {
            return Err(DocumentError::NotYetValid { issued: self.window.from });
        }
        if now > self.expires { Err(DocumentError::Expired { expired: self.expires }) } else { Ok(()) }
    }

    /// Whether the root has withdrawn the signer since this document was taken.
    #[must_use]
    pub fn is_revoked_by(&self, crl: &VerifiedCrl) -> bool {
        self.issuer.as_ref().is_some_and(|issuer| crl.revokes(issuer))
    }

    /// As it came.
    #[must_use]
    pub fn raw(&self) -> RawDocument {
        RawDocument { body: self.body.clone(), chain: self.chain.as_deref().map(str::to_owned) }
    }

    /// The chain as headers of answers carry it, made by `encode` the first time: it has 3 KiB, and most answers carry it.
    #[must_use]
    pub fn chain_in_header(&self, encode: impl FnOnce(&str) -> String) -> Option<Bytes> {
        let chain = self.chain.as_deref()?;
        Some(self.chain_in_header.get_or_init(|| encode(chain).into()).clone())
    }

    /// TCB levels, if that is what it says.
    #[must_use]
    pub fn tcb_info(&self) -> Option<&TcbInfo> {
        match &self.content {
            Content::TcbInfo(info) => Some(info),
            _ => None,
        }
    }

    /// A list of Intel's, if it is one.
    #[must_use]
    pub const fn crl(&self) -> Option<&VerifiedCrl> {
        match &self.content {
            Content::Crl(crl) => Some(crl),
            _ => None,
        }
    }

    fn open(wanted: Subject, raw: &RawDocument, trust: &Trust<'_>) -> Result<Self, DocumentError> {
        let (body, refused) = (&*raw.body, DocumentError::NotGenuine);
        let chain = || match &raw.chain {
            Some(chain) if chain.len() <= MAX_CHAIN => Ok(chain.as_str()),
            Some(chain) => Err(DocumentError::TooLarge { found: chain.len(), limit: MAX_CHAIN }),
            None => Err(DocumentError::NoChain),
        };
        let Trust { anchors, cache, .. } = *trust;
        match wanted {
            Subject::TcbInfo { .. } | Subject::TcbInfoV2 { .. } => {
                let found = verify_tcb_info(body, chain()?, anchors, cache).map_err(refused)?;
                let fmspc = found.info.fmspc;
                let subject = match found.info.version {
                    2 => Subject::TcbInfoV2 { fmspc },
                    _ => Subject::TcbInfo { tee: found.tee, fmspc },
                };
                let (number, window) = (found.info.evaluation_number, found.info.window);
                let content = Content::TcbInfo(Box::new(found.info));
                Ok(Self::new(raw, subject, Some(number), window, content, Some(found.issuer)))
            }
            Subject::Identity(_) => {
                let found = verify_identity(body, chain()?, anchors, cache).map_err(refused)?;
                let (number, window) = (found.identity.evaluation_number, found.identity.window);
                let content = Content::Identity(Box::new(found.identity));
                Ok(Self::new(
                    raw,
                    Subject::Identity(found.enclave),
                    Some(number),
                    window,
                    content,
                    Some(found.issuer),
                ))
            }
            Subject::EvaluationNumbers(_) => {
                let found = verify_evaluation_numbers(body, chain()?, anchors, cache).map_err(refused)?;
                let content = Content::EvaluationNumbers(found.numbers);
                let subject = Subject::EvaluationNumbers(found.tee);
                Ok(Self::new(raw, subject, None, found.window, content, Some(found.issuer)))
            }
            Subject::PckCrl(_) => {
                let (crl, issuer) = verify_pck_crl(body, chain()?, anchors, cache).map_err(refused)?;
                Ok(Self::of_crl(raw, crl, Some(issuer)))
            }
            Subject::RootCrl => Ok(Self::of_crl(raw, verify_root_crl(body, anchors).map_err(refused)?, None)),
            Subject::AmdCrl(AmdCrlKey { kind, .. }) => {
                let crl = AmdCrl::verify(body, anchors).map_err(DocumentError::AmdList)?;
                let subject = Subject::AmdCrl(AmdCrlKey { product: crl.product, kind });
                let window = crl.window;
                Ok(Self::new(raw, subject, None, window, Content::AmdCrl(Arc::new(crl)), None))
            }
        }
    }

    fn of_crl(raw: &RawDocument, crl: VerifiedCrl, issuer: Option<Issuer>) -> Self {
        let subject = match crl.of {
            CrlIssuer::Root => Subject::RootCrl,
            CrlIssuer::Pck(ca) => Subject::PckCrl(ca),
        };
        let window = crl.window;
        Self::new(raw, subject, None, window, Content::Crl(crl), issuer)
    }

    fn new(
        raw: &RawDocument,
        subject: Subject,
        evaluation_number: Option<u32>,
        window: Window,
        content: Content,
        issuer: Option<Issuer>,
    ) -> Self {
        let above = issuer.as_ref().map(|issuer| issuer.window().until);
        Self {
            subject,
            body: raw.body.clone(),
            chain: raw.chain.as_deref().filter(|_| issuer.is_some()).map(Arc::from),
            evaluation_number,
            window,
            expires: above.map_or(window.until, |above| window.until.min(above)),
            digest: sha256(&[&raw.body]),
            content,
            issuer,
            chain_in_header: OnceLock::new(),
        }
    }
}
