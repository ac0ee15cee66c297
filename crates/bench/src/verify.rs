//! Quotes to claims and report: everything warm, a platform not seen before, and everything cold.

use assay_verify::Binding;
use assay_verify::cache::ChainCache;
use assay_verify::intel::Collateral;
use assay_verify::sgx::{CollateralInput, Context, Format, Opened, Verification};
use dcap_qvl::verify::QuoteVerifier;

use crate::Failure;
use crate::floor::P256;
use crate::measure::{Contender, Plan, interleave, timed};
use crate::report::{Goal, Row};
use crate::samples::{Cycle, Evidence, NOW, Silicon, evidence};

const WARM: &str = "sgx-verify-warm";
const NEW_PLATFORM: &str = "sgx-verify-new-platform";
const COLD: &str = "sgx-verify-cold";
pub(crate) const CASES: [&str; 3] = [WARM, NEW_PLATFORM, COLD];

const PEER: &str = "dcap-qvl 0.7.1 with ring, on the same simulated quotes, root and collateral; it keeps nothing between quotes";
/// Signatures of a quote, its PCK chain and its collateral, each counted once: attestation key, PCK, PCK leaf, PCK CA,
/// root, TCB signer, both revocation lists, TCB info, QE identity.
const COLD_SIGNATURES: usize = 10;
const QUOTES: usize = 512;
const PLATFORMS: u32 = 64;

pub(crate) fn rows(plan: Plan) -> Result<Vec<Row>, Failure> {
    let silicon = Silicon::new()?;
    let platform = silicon.platform()?;
    let quotes: Vec<Evidence> =
        (0..QUOTES).map(|number| evidence(&platform, number)).collect::<Result<_, _>>()?;
    let new_platforms: Vec<Evidence> =
        (0..PLATFORMS).map(|_| evidence(&silicon.platform()?, 0)).collect::<Result<_, _>>()?;
    Ok(vec![
        warm(plan, &silicon, &quotes)?,
        new_platform(plan, &silicon, &quotes, &new_platforms)?,
        cold(plan, &silicon, &quotes)?,
    ])
}

fn warm(plan: Plan, silicon: &Silicon, quotes: &[Evidence]) -> Result<Row, Failure> {
    let (cache, collateral) = (ChainCache::default(), silicon.collateral()?);
    let mut own = Cycle::new(quotes);
    let assay = Contender::new("assay", || verify(own.next()?, silicon, &collateral, &cache));
    let mut p256 = P256::new()?;
    let floor = Contender::new("two P-256 verifications", || p256.verify(2));
    let [assay, peer, floor] = interleave(plan, [assay, peer(silicon, quotes)?, floor])?;
    Ok(Row::new(WARM, "us", assay)
        .beside(PEER, peer)
        .above("2 P-256 verifications", floor)
        .promised(&[Goal::FloorTimes(1.15), Goal::Ratio(4.5)]))
}

fn new_platform(plan: Plan, silicon: &Silicon, known: &[Evidence], new: &[Evidence]) -> Result<Row, Failure> {
    let collateral = silicon.collateral()?;
    let known = known.first().ok_or("there is no quote")?;
    let assay = Contender::prepared("assay", PLATFORMS, |calls| {
        // The CA above the platforms is known, none of the platforms is.
        let cache = ChainCache::default();
        let known_is_genuine = verify(known, silicon, &collateral, &cache).is_some();
        let mut new = new.iter().filter(|_| known_is_genuine);
        timed(calls, || verify(new.next()?, silicon, &collateral, &cache))
    });
    let mut p256 = P256::new()?;
    let floor = Contender::new("three P-256 verifications", || p256.verify(3));
    let [assay, peer, floor] = interleave(plan, [assay, peer(silicon, new)?, floor])?;
    Ok(Row::new(NEW_PLATFORM, "us", assay)
        .beside(PEER, peer)
        .above("3 P-256 verifications", floor)
        .promised(&[Goal::FloorTimes(1.15), Goal::Ratio(2.8)]))
}

fn cold(plan: Plan, silicon: &Silicon, quotes: &[Evidence]) -> Result<Row, Failure> {
    let mut own = Cycle::new(quotes);
    let assay = Contender::new("assay", || {
        // Nothing is kept from one call to the next; within a call, what quote and collateral share is verified once.
        let cache = ChainCache::new(8);
        let collateral = Collateral::verify_with(&silicon.raw, &silicon.anchors, &cache).collateral?;
        verify(own.next()?, silicon, &collateral, &cache)
    });
    let mut p256 = P256::new()?;
    let floor = Contender::new("P-256 verifications", || p256.verify(COLD_SIGNATURES));
    let [assay, peer, floor] = interleave(plan, [assay, peer(silicon, quotes)?, floor])?;
    Ok(Row::new(COLD, "us", assay)
        .beside(PEER, peer)
        .above("10 P-256 verifications: every signature of quote, chains and collateral once", floor)
        .promised(&[Goal::Ratio(1.0)]))
}

/// Verifies as the service does; `None` unless there are claims, and they are those of this quote.
fn verify(
    evidence: &Evidence,
    silicon: &Silicon,
    collateral: &Collateral,
    cache: &ChainCache,
) -> Option<Verification> {
    let context = Context { anchors: &silicon.anchors, now: NOW, cache };
    let opened = Opened::new(&evidence.quote, Format::Quote, &silicon.anchors, cache);
    let verification = opened.verify(CollateralInput::Verified(collateral), &Binding::default(), &context);
    let claims = verification.claims.as_ref()?;
    (evidence.report_data()? == claims.report.report_data).then_some(verification)
}

fn peer<'a>(silicon: &Silicon, quotes: &'a [Evidence]) -> Result<Contender<'a>, Failure> {
    let verifier = QuoteVerifier::new(silicon.root_der()?);
    let collateral = silicon.collateral_for_dcap_qvl()?;
    let now = u64::try_from(NOW.0)?;
    let mut quotes = Cycle::new(quotes);
    Ok(Contender::new("dcap-qvl", move || {
        let evidence = quotes.next()?;
        let verified = verifier.verify(&evidence.quote, &collateral, now).ok()?;
        let genuine = verified.status == "UpToDate"
            && verified.report.as_sgx()?.report_data == evidence.report_data()?;
        genuine.then_some(verified)
    }))
}
