//! What AMD vouches for, as folders hold it: endorsement key certificates and revocation lists.
//!
//! Files are told apart by what is in them: a VEK certificate (DER, or PEM in which it comes first, as clouds hand it out with
//! its chain), the JSON of a metadata service, or a revocation list (DER or PEM). Names do not matter.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use assay_evidence::bundle;
use assay_evidence::snp::SigningKey;
use assay_verify::snp::{AmdCrl, VekCertificate, VekKey, verify_vek};
use assay_verify::{TrustAnchors, UnixTime, sha256};

/// File names that may hold something of AMD's.
pub(crate) const EXTENSIONS: [&str; 5] = ["der", "crt", "cer", "pem", "crl"];

/// As many are offered for one report, which costs up to one signature check each.
const MAX_CANDIDATES: usize = 8;

/// What decides which certificate a report needs. Layouts of TCB versions differ, so components are compared, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Chip {
    kind: SigningKey,
    /// Zeros for a VLEK, which is of no chip.
    chip_id: [u8; 64],
}

/// Everything of AMD's that is held.
#[derive(Clone, Debug, Default)]
pub(crate) struct AmdHeld {
    veks: HashMap<Chip, Vec<VekCertificate>>,
    vek_count: usize,
    /// The newest list of each root, and older ones that name what the newest does not.
    crls: Vec<Arc<AmdCrl>>,
    /// What files held, by the SHA-256 of their bytes: a signature is checked once.
    files: HashMap<[u8; 32], AmdDocument>,
}

/// What a file turned out to hold.
#[derive(Clone, Debug)]
pub(crate) enum AmdDocument {
    Vek(VekCertificate),
    Crl(Arc<AmdCrl>),
}

impl AmdDocument {
    /// Reads and verifies a file.
    pub(crate) fn read(bytes: &[u8], anchors: &TrustAnchors) -> Result<Self, String> {
        let text = bytes.trim_ascii_start();
        if text.starts_with(b"-----BEGIN X509 CRL-----") {
            return Self::crl(bytes, anchors);
        }
        let certificates = bundle::certificates(bytes).map_err(|error| error.to_string())?;
        let first = certificates.first().ok_or("it holds no certificate")?;
        match verify_vek(first, anchors) {
            Ok(vek) => Ok(Self::Vek(VekCertificate { vek: Arc::new(vek), der: first.as_slice().into() })),
            // A list is a DER sequence, too.
            Err(errors) => Self::crl(bytes, anchors).map_err(|_| {
                let mut problem =
                    "it is no VEK certificate and no revocation list that can be used".to_owned();
                for error in errors {
                    let _ = write!(problem, "; {}: {error}", error.code());
                }
                problem
            }),
        }
    }

    fn crl(bytes: &[u8], anchors: &TrustAnchors) -> Result<Self, String> {
        let list = AmdCrl::verify_file(bytes, anchors);
        list.map(|list| Self::Crl(Arc::new(list))).map_err(|error| format!("{}: {error}", error.code()))
    }
}

impl AmdHeld {
    /// How many certificates there are.
    pub(crate) const fn vek_count(&self) -> usize {
        self.vek_count
    }

    /// Every certificate, in no order.
    pub(crate) fn veks(&self) -> impl Iterator<Item = &VekCertificate> {
        self.veks.values().flatten()
    }

    /// The lists.
    pub(crate) fn crls(&self) -> &[Arc<AmdCrl>] {
        &self.crls
    }

    /// The certificates that fit a report, those that are valid longest first. A chip renews its certificate, and VLEKs of
    /// different providers differ in nothing that a report says.
    pub(crate) fn find(&self, key: &VekKey) -> Vec<VekCertificate> {
        let chip_id = match key.kind {
            SigningKey::Vcek => key.chip_id,
            SigningKey::Vlek => [0; 64],
        };
        let of_chip = self.veks.get(&Chip { kind: key.kind, chip_id }).into_iter().flatten();
        let mut fitting: Vec<VekCertificate> = of_chip.filter(|held| key.fits(&held.vek)).cloned().collect();
        fitting.sort_by_key(|held| std::cmp::Reverse(held.vek.window().until));
        fitting.truncate(MAX_CANDIDATES);
        fitting
    }

    /// What a file of these bytes was found to hold.
    pub(crate) fn known(&self, bytes: &[u8]) -> Option<AmdDocument> {
        self.files.get(&sha256(&[bytes])).cloned()
    }

    /// Takes a file's document in.
    pub(crate) fn add_file(&mut self, bytes: &[u8], document: AmdDocument) {
        self.files.insert(sha256(&[bytes]), document.clone());
        self.add(document);
    }

    /// Takes a document in. No list takes away what another one revoked.
    fn add(&mut self, document: AmdDocument) {
        match document {
            AmdDocument::Vek(held) => {
                let chip_id = held.vek.chip_id().copied().unwrap_or([0; 64]);
                let of_chip = self.veks.entry(Chip { kind: held.vek.kind(), chip_id }).or_default();
                if !of_chip.iter().any(|other| other.der == held.der) {
                    of_chip.push(held);
                    self.vek_count = self.vek_count.saturating_add(1);
                }
            }
            AmdDocument::Crl(list) => {
                if !self.crls.iter().any(|held| held.supersedes(&list)) {
                    self.crls.retain(|held| !list.supersedes(held));
                    self.crls.push(list);
                }
            }
        }
    }

    /// What stays when folders are read anew: lists never go back, certificates may be taken away.
    pub(crate) fn kept(&self) -> Self {
        Self { crls: self.crls.clone(), ..Self::default() }
    }

    /// The lists under other anchors; those that these do not vouch for are gone.
    pub(crate) fn under(&self, anchors: &TrustAnchors) -> Self {
        let crls = self.crls.iter().filter_map(|list| AmdCrl::verify(list.der(), anchors).ok().map(Arc::new));
        Self { crls: crls.collect(), ..Self::default() }
    }

    /// The newest date of a list.
    pub(crate) fn newest_issue(&self) -> Option<UnixTime> {
        self.crls.iter().map(|list| list.window.from).max()
    }
}
