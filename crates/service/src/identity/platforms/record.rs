//! What is stored of a platform.

use assay_collateral::pck::{PlatformId, RawTcb};
use assay_verify::UnixTime;
use serde::{Deserialize, Serialize};

pub(super) const FORMAT: u32 = 1;
/// TCBs that are remembered of one platform: it changes with each update of its firmware.
const MAX_TCBS: usize = 8;

/// What is known of a platform.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) format: u32,
    pub(super) qe_id: String,
    pub(super) pce_id: String,
    /// For Intel alone, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) encrypted_ppid: Option<String>,
    /// Hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) manifest: Option<String>,
    /// TCBs that it ran, the newest last.
    pub(super) raw_tcbs: Vec<RawTcbRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pcks: Option<PckRecord>,
    /// Unix seconds.
    pub(super) registered: i64,
    /// Waits to be fetched by somebody with a connection to Intel.
    #[serde(default)]
    pub(super) waiting: bool,
    /// Intel was asked, and has no certificate for it, or not for each of its TCBs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) not_available: bool,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTcbRecord {
    cpu_svn: String,
    pce_svn: u16,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PckRecord {
    pub(super) fmspc: String,
    pub(super) certificates: Vec<String>,
    pub(super) chain: String,
    /// Unix seconds.
    pub(super) fetched: i64,
    /// The evaluation number that was current when they were fetched: a later one may bring new certificates.
    pub(super) evaluation: Option<u32>,
    /// Whether they are Intel's list for the platform.
    #[serde(default)]
    pub(super) is_list: bool,
}

/// A platform that registers, or asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Registration {
    /// Which platform.
    pub id: PlatformId,
    /// The PPID, encrypted for Intel.
    pub encrypted_ppid: Option<Vec<u8>>,
    /// The manifest, where Intel does not keep the platform's keys.
    pub manifest: Option<Vec<u8>>,
    /// The TCB that it runs.
    pub raw_tcb: Option<RawTcb>,
}

impl Registration {
    /// Of a platform that told nothing.
    pub(super) const fn nothing(id: PlatformId) -> Self {
        Self { id, encrypted_ppid: None, manifest: None, raw_tcb: None }
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("manifest", &self.manifest.is_some()).finish_non_exhaustive()
    }
}

/// A platform as it is listed to administrators.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its ids, encrypted PPID and manifest.
    pub registration: Registration,
    /// Its family, once its certificates are known.
    pub fmspc: Option<[u8; 6]>,
    /// Whether it waits for its certificates.
    pub waiting: bool,
    /// Whether Intel was asked, and has no certificate for it, or not for each of its TCBs.
    pub not_available: bool,
}

impl Record {
    pub(super) fn new(id: PlatformId, now: UnixTime) -> Self {
        Self {
            format: FORMAT,
            qe_id: hex::encode(id.qe_id),
            pce_id: hex::encode(id.pce_id),
            encrypted_ppid: None,
            manifest: None,
            raw_tcbs: Vec::new(),
            pcks: None,
            registered: now.0,
            waiting: false,
            not_available: false,
        }
    }

    pub(super) fn id(&self) -> Option<PlatformId> {
        let (mut qe_id, mut pce_id) = ([0; 16], [0; 2]);
        hex::decode_to_slice(&self.qe_id, &mut qe_id).ok()?;
        hex::decode_to_slice(&self.pce_id, &mut pce_id).ok()?;
        Some(PlatformId { qe_id, pce_id })
    }

    /// Takes over what a platform says of itself; what it leaves out stays.
    pub(super) fn learn(&mut self, told: &Registration) {
        if let Some(ppid) = &told.encrypted_ppid {
            self.encrypted_ppid = Some(hex::encode(ppid));
        }
        if let Some(manifest) = &told.manifest {
            self.manifest = Some(hex::encode(manifest));
        }
        if let Some(raw) = told.raw_tcb
            && !self.knows(raw)
        {
            if self.raw_tcbs.len() >= MAX_TCBS {
                self.raw_tcbs.remove(0);
            }
            self.raw_tcbs.push(RawTcbRecord { cpu_svn: hex::encode(raw.cpu_svn), pce_svn: raw.pce_svn });
        }
    }

    pub(super) fn knows(&self, raw: RawTcb) -> bool {
        let cpu_svn = hex::encode(raw.cpu_svn);
        self.raw_tcbs.iter().any(|known| known.cpu_svn == cpu_svn && known.pce_svn == raw.pce_svn)
    }

    pub(super) fn registration(&self) -> Option<Registration> {
        let bytes = |text: &Option<String>| text.as_ref().and_then(|text| hex::decode(text).ok());
        let raw_tcb = self.raw_tcbs.last().and_then(|raw| {
            let mut cpu_svn = [0; 16];
            hex::decode_to_slice(&raw.cpu_svn, &mut cpu_svn).ok()?;
            Some(RawTcb { cpu_svn, pce_svn: raw.pce_svn })
        });
        let (encrypted_ppid, manifest) = (bytes(&self.encrypted_ppid), bytes(&self.manifest));
        Some(Registration { id: self.id()?, encrypted_ppid, manifest, raw_tcb })
    }

    /// The family of its certificates.
    pub(super) fn fmspc(&self) -> Option<[u8; 6]> {
        let mut fmspc = [0; 6];
        let text = &self.pcks.as_ref()?.fmspc;
        hex::decode_to_slice(text, &mut fmspc).ok().map(|()| fmspc)
    }

    pub(super) fn listed(&self) -> Option<Listed> {
        let fmspc = self.fmspc();
        let (waiting, not_available) = (self.waiting, self.not_available);
        Some(Listed { registration: self.registration()?, fmspc, waiting, not_available })
    }
}

/// What is stored of a platform, and what it says now.
pub(super) fn with_question(record: &Record, asked: &Registration) -> Registration {
    let stored = record.registration();
    let (ppid, manifest) = stored.map_or((None, None), |stored| (stored.encrypted_ppid, stored.manifest));
    // What it registered with counts, and only that: who asks may be anybody.
    Registration { encrypted_ppid: ppid, manifest, ..asked.clone() }
}
