//! TCB info, versions 2 and 3 (Intel PCS API, "Get TCB Info").

use serde::Deserialize;

use super::tcb::{TcbStatus, is_at_least};
use crate::error::{Document, VerifyError};
use crate::time::{UnixTime, Window};

/// Longest document id quoted in an error.
pub(super) const MAX_ID: usize = 64;

/// Which TCB levels a platform family can have, and what Intel says of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcbInfo {
    /// `SGX` or `TDX`; version 2 has none and is for SGX.
    pub id: Option<String>,
    /// Structure version.
    pub version: u32,
    /// From issue to next update.
    pub window: Window,
    /// The platform family.
    pub fmspc: [u8; 6],
    /// The provisioning certification enclave.
    pub pce_id: [u8; 2],
    /// Number of the TCB evaluation it belongs to.
    pub evaluation_number: u32,
    /// The levels in the document's order, highest first.
    pub levels: Vec<TcbLevel>,
}

/// One TCB level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcbLevel {
    /// What each SGX TCB component must be at least.
    pub components: [u8; 16],
    /// What the PCE SVN must be at least.
    pub pce_svn: u16,
    /// When the level was current.
    pub date: UnixTime,
    /// What Intel says of it; `Err` holds a status that is not known.
    pub status: Result<TcbStatus, String>,
    /// Security advisories that apply.
    pub advisories: Vec<String>,
}

impl TcbInfo {
    /// Reads the signed bytes.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let raw: RawTcbInfo = assay_json::from_slice(text, &assay_json::Limits::default())
            .map_err(|error| error.to_string())?;
        // Another type would give the numbers of a level another meaning (PCS API: "how to compare TCB components").
        if raw.tcb_type != 0 {
            return Err(format!("`tcbType` {} is not known", raw.tcb_type));
        }
        let window = Window { from: date(&raw.issue_date)?, until: date(&raw.next_update)? };
        let levels =
            raw.tcb_levels.into_iter().map(|level| level.read(raw.version)).collect::<Result<_, _>>()?;
        Ok(Self {
            id: raw.id,
            version: raw.version,
            window,
            fmspc: fixed_hex(&raw.fmspc).ok_or("`fmspc` is not 6 bytes of hexadecimal")?,
            pce_id: fixed_hex(&raw.pce_id).ok_or("`pceId` is not 2 bytes of hexadecimal")?,
            evaluation_number: raw.tcb_evaluation_data_number,
            levels,
        })
    }

    /// Whether this document judges SGX platforms.
    pub(crate) fn check_kind(&self) -> Result<(), VerifyError> {
        let document = Document::TcbInfo;
        match (self.version, self.id.as_deref()) {
            (2, None) | (3, Some("SGX")) => Ok(()),
            (2 | 3, id) => Err(VerifyError::CollateralKind {
                document,
                found: id.unwrap_or("nothing").chars().take(MAX_ID).collect(),
                expected: if self.version == 2 { "nothing" } else { "SGX" },
            }),
            (found, _) => Err(VerifyError::CollateralVersion { document, found }),
        }
    }

    /// The first level, in the document's order, that the platform reaches in every component and in the PCE SVN.
    #[must_use]
    pub fn level_of(&self, components: &[u8; 16], pce_svn: u16) -> Option<&TcbLevel> {
        self.levels
            .iter()
            .find(|level| is_at_least(components, &level.components) && pce_svn >= level.pce_svn)
    }

    /// Whether no level stands right after one that it is above of in every part, so that "first match" misses none.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.levels.windows(2).all(|pair| match pair {
            [first, second] => {
                let above =
                    is_at_least(&second.components, &first.components) && second.pce_svn >= first.pce_svn;
                !above || (second.components == first.components && second.pce_svn == first.pce_svn)
            }
            _ => true,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTcbInfo {
    id: Option<String>,
    version: u32,
    issue_date: String,
    next_update: String,
    fmspc: String,
    pce_id: String,
    tcb_type: u32,
    tcb_evaluation_data_number: u32,
    tcb_levels: Vec<RawLevel>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLevel {
    tcb: RawTcb,
    tcb_date: String,
    tcb_status: String,
    #[serde(rename = "advisoryIDs", default)]
    advisory_ids: Vec<String>,
}

/// Version 3 has a list of components, version 2 names each. Typed, as a map of values takes three times as long.
#[derive(Deserialize)]
struct RawTcb {
    pcesvn: u16,
    sgxtcbcomponents: Option<Vec<RawComponent>>,
    sgxtcbcomp01svn: Option<u8>,
    sgxtcbcomp02svn: Option<u8>,
    sgxtcbcomp03svn: Option<u8>,
    sgxtcbcomp04svn: Option<u8>,
    sgxtcbcomp05svn: Option<u8>,
    sgxtcbcomp06svn: Option<u8>,
    sgxtcbcomp07svn: Option<u8>,
    sgxtcbcomp08svn: Option<u8>,
    sgxtcbcomp09svn: Option<u8>,
    sgxtcbcomp10svn: Option<u8>,
    sgxtcbcomp11svn: Option<u8>,
    sgxtcbcomp12svn: Option<u8>,
    sgxtcbcomp13svn: Option<u8>,
    sgxtcbcomp14svn: Option<u8>,
    sgxtcbcomp15svn: Option<u8>,
    sgxtcbcomp16svn: Option<u8>,
}

#[derive(Deserialize)]
struct RawComponent {
    svn: Option<u8>,
}

impl RawLevel {
    fn read(self, version: u32) -> Result<TcbLevel, String> {
        let components = if version == 2 { self.tcb.components_v2()? } else { self.tcb.components_v3()? };
        Ok(TcbLevel {
            components,
            pce_svn: self.tcb.pcesvn,
            date: date(&self.tcb_date)?,
            status: TcbStatus::from_name(&self.tcb_status).ok_or(self.tcb_status),
            advisories: self.advisory_ids,
        })
    }
}

impl RawTcb {
    fn components_v2(&self) -> Result<[u8; 16], String> {
        let named = [
            self.sgxtcbcomp01svn,
            self.sgxtcbcomp02svn,
            self.sgxtcbcomp03svn,
            self.sgxtcbcomp04svn,
            self.sgxtcbcomp05svn,
            self.sgxtcbcomp06svn,
            self.sgxtcbcomp07svn,
            self.sgxtcbcomp08svn,
            self.sgxtcbcomp09svn,
            self.sgxtcbcomp10svn,
            self.sgxtcbcomp11svn,
            self.sgxtcbcomp12svn,
            self.sgxtcbcomp13svn,
            self.sgxtcbcomp14svn,
            self.sgxtcbcomp15svn,
            self.sgxtcbcomp16svn,
        ];
        let mut components = [0; 16];
        for (component, svn) in components.iter_mut().zip(named) {
            *component =
                svn.ok_or("a TCB level does not have all of `sgxtcbcomp01svn` to `sgxtcbcomp16svn`")?;
        }
        Ok(components)
    }

    /// A shorter list must not compare as if the rest were zero.
    fn components_v3(&self) -> Result<[u8; 16], String> {
        let list = self.sgxtcbcomponents.as_deref().ok_or("a TCB level has no `sgxtcbcomponents`")?;
        let mut components = [0; 16];
        if list.len() != components.len() {
            return Err(format!("`sgxtcbcomponents` has {} entries, not 16", list.len()));
        }
        for (component, entry) in components.iter_mut().zip(list) {
            *component = entry.svn.ok_or("an entry of `sgxtcbcomponents` has no `svn`")?;
        }
        Ok(components)
    }
}

pub(super) fn date(text: &str) -> Result<UnixTime, String> {
    UnixTime::parse_rfc3339(text).ok_or_else(|| "a date is not RFC 3339".to_owned())
}

/// Hexadecimal of exactly `N` bytes, in either case.
pub(super) fn fixed_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}
