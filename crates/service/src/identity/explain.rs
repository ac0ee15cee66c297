//! Why a client gets what it gets: what was looked for, what is known of it, and what to do.

use assay_collateral::pck::{PlatformId, RawTcb};
use assay_collateral::state::State;
use assay_collateral::subject::{Selection, Subject};
use assay_evidence::snp::SigningKey;
use assay_verify::intel::single::Tee;
use assay_verify::snp::VekKey;
use serde::Serialize;

use super::HardwareIdentity;
use super::library::Mode;
use super::platforms::Known;
use super::reply::Refusal;
use crate::upstream::Asker;

/// One thing that was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// A stable name.
    pub(crate) code: &'static str,
    /// One sentence.
    pub(crate) message: String,
    /// What to do about it; empty where nothing is wrong.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) help: &'static str,
}

/// An explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Explanation {
    /// The status that a client gets of what is held; in the mode `lazy` upstreams are asked first.
    pub(crate) status: u16,
    pub(crate) findings: Vec<Finding>,
}

impl Explanation {
    const fn new(status: u16) -> Self {
        Self { status, findings: Vec::new() }
    }

    fn found(mut self, code: &'static str, message: impl Into<String>, help: &'static str) -> Self {
        self.findings.push(Finding { code, message: message.into(), help });
        self
    }

    fn also(mut self, other: Self) -> Self {
        self.findings.extend(other.findings);
        self
    }
}

const REGISTER: &str = "register it with Intel's PCK ID retrieval tool against the administration address of this service. A \
                        platform whose firmware was reset, or whose SGX state was cleared, has other ids than before and must be \
                        registered again";
const MANIFEST: &str = "Intel has no certificates for it. Register it with its platform manifest (multi-socket servers need it, \
                        and so does every platform whose keys Intel does not keep), and check that the upstream is of the same \
                        environment: pre-production processors are known to Intel's sandbox alone";

/// A platform of Intel's, and a TCB if one is given.
pub(crate) async fn platform(
    identity: &HardwareIdentity,
    id: PlatformId,
    raw: Option<RawTcb>,
) -> Result<Explanation, Refusal> {
    let Some(Known { waiting, has_manifest, set }) = identity.platforms.known(id).await? else {
        let explanation = Explanation::new(461);
        let message = "no platform with this QE ID and PCE ID was registered here";
        let explanation = explanation.found("platform-not-registered", message, REGISTER);
        return Ok(explanation.also(mode(identity)));
    };
    let Some(set) = set else {
        let explanation = Explanation::new(462);
        let code = if has_manifest { "platform-waiting" } else { "platform-waiting-without-manifest" };
        let message = match waiting {
            true => "the platform is registered, and no upstream gave certificates for it yet",
            false => "the platform is registered, and its stored certificates cannot be used",
        };
        return Ok(explanation.found(code, message, MANIFEST).also(mode(identity)));
    };
    let (fmspc, count) = (hex::encode_upper(set.fmspc()), set.certificates().len());
    let family = family(identity, Tee::Sgx, set.fmspc());
    let message = format!("{count} certificates are held, of the family {fmspc}");
    let explanation = Explanation::new(family.status).found("platform-known", message, "").also(family);
    let Some(raw) = raw.filter(|_| explanation.status == 200) else { return Ok(explanation) };
    match identity.platforms.choose(&set, raw, Asker::Own).await {
        Ok(selected) => Ok(explanation.found(
            "certificate-selected",
            format!("the certificate with TCBm {} fits this TCB", selected.tcbm()),
            "",
        )),
        Err(Refusal::NoCertificate) => Ok(Explanation { status: 462, ..explanation }.found(
            "no-certificate-for-tcb",
            too_low(&set, raw),
            "update the platform's microcode and BIOS, or, if it was just downgraded, go back to the newer version",
        )),
        Err(other) => Err(other),
    }
}

/// Which parts of a TCB are below the lowest certificate.
fn too_low(set: &assay_collateral::pck::PckSet, raw: RawTcb) -> String {
    let lowest = set.certificates().iter().min_by_key(|pck| {
        let own = &pck.verified.extension;
        (own.components.iter().map(|svn| u32::from(*svn)).sum::<u32>(), own.pce_svn)
    });
    let Some(lowest) = lowest else { return "there is no certificate".to_owned() };
    let own = &lowest.verified.extension;
    let parts = raw.cpu_svn.iter().zip(own.components).zip(1_u8..);
    let mut below: Vec<String> = parts
        .filter(|((has, needed), _)| *has < needed)
        .map(|((has, needed), number)| format!("component {number} is {has}, and {needed} is needed"))
        .collect();
    if raw.pce_svn < own.pce_svn {
        below.push(format!("PCESVN is {}, and {} is needed", raw.pce_svn, own.pce_svn));
    }
    if below.is_empty() {
        return "every certificate is revoked, not valid now, or of a TCB that this one does not reach"
            .to_owned();
    }
    format!("the platform runs a TCB below that of every certificate: {}", below.join("; "))
}

/// A family of Intel's platforms.
pub(crate) fn family(identity: &HardwareIdentity, tee: Tee, fmspc: [u8; 6]) -> Explanation {
    document(identity, Subject::TcbInfo { tee, fmspc })
}

/// A document: its state, and the last failure of asking for it.
pub(crate) fn document(identity: &HardwareIdentity, subject: Subject) -> Explanation {
    let library = &identity.library;
    // What a node would get that names no version.
    let selection = if subject.is_numbered() { identity.default_selection() } else { Selection::default() };
    let failure = library.failure(subject, selection);
    let explanation = match library.held(subject, selection) {
        Some(served) => {
            let expired = served.state == State::Expired && !library.options().serve_expired;
            let number = served.document.evaluation_number.map(|number| format!(" of evaluation {number}"));
            let message = format!(
                "`{subject}`{} is held: {}, valid until {}",
                number.unwrap_or_default(),
                served.state,
                served.document.expires
            );
            let help = match served.state {
                State::Expired => "restore the connection to the vendor, or import a newer bundle",
                State::Stale => "the refresh fails: restore the connection to the vendor before it expires",
                _ => "",
            };
            Explanation::new(if expired { 503 } else { 200 }).found("document-held", message, help)
        }
        None => {
            // Who is not known to the vendors is no failure.
            let status = if failure.is_some() { 503 } else { 404 };
            let message = format!("`{subject}` is not held");
            let help = "ask for it once while an upstream can be reached, or import a bundle that has it";
            Explanation::new(status).found("document-missing", message, help).also(mode(identity))
        }
    };
    match failure {
        Some(failure) => {
            let message = format!("the last question to upstream failed at {}: {}", failure.at, failure.code);
            explanation.found("last-failure", message, "the service's log has the cause under the same time")
        }
        None => explanation,
    }
}

/// A chip of AMD's and a TCB.
pub(crate) fn chip(identity: &HardwareIdentity, wanted: &VekKey) -> Explanation {
    if wanted.kind == SigningKey::Vcek && wanted.chip_id == [0; 64] {
        let help = "let the host unmask the chip id (MASK_CHIP_ID), or use a VLEK";
        return Explanation::new(404).found(
            "chip-id-masked",
            "the chip id is all zeros: the host masks it",
            help,
        );
    }
    match identity.veks.held_for(wanted) {
        Some(held) => {
            let message = format!(
                "the certificate of this {} chip for the TCB {} is held",
                held.vek.product(),
                held.vek.tcb
            );
            Explanation::new(200).found("vcek-held", message, "")
        }
        None => {
            let message = "no certificate of this chip and TCB is held";
            let help = "check that the TCB is the reported one (a firmware update changes it), and that AMD's service can be \
                        reached: it allows few questions for each address";
            Explanation::new(404).found("vcek-missing", message, help).also(mode(identity))
        }
    }
}

fn mode(identity: &HardwareIdentity) -> Explanation {
    let explanation = Explanation::new(0);
    if !identity.has_upstream() {
        let help = "name one in `[[collateral.upstreams]]`";
        return explanation.found("no-upstream", "no upstream is configured", help);
    }
    match identity.mode() {
        Mode::Lazy => {
            explanation.found("mode-lazy", "upstreams are asked when somebody asks for what is not held", "")
        }
        Mode::Registration => explanation.found(
            "mode-registration",
            "upstreams are asked for platforms that register, and for nobody else",
            "register the platform, or set `collateral.mode = \"lazy\"`",
        ),
        Mode::Offline => explanation.found(
            "mode-offline",
            "no upstream is asked over a network: folders and bundles alone",
            "import a bundle, or bring the collateral",
        ),
    }
}
