//! The certificate that fits a platform's TCB.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "tests"
)]

use assay_collateral::pck::{PckError, PckSet, RawTcb};
use assay_silicon::intel::{Ca, CollateralSpec, Intel, PlatformSpec, TcbStatus};
use assay_verify::cache::ChainCache;
use assay_verify::intel::{PckCa, TcbInfo};
use assay_verify::{AnchorOrigin, TrustAnchors};

const NOW: i64 = 1_800_000_000;
const PPID: [u8; 16] = [7; 16];

struct Vendor {
    intel: Intel,
    anchors: TrustAnchors,
    info: TcbInfo,
}

impl Vendor {
    fn new() -> Self {
        let intel = Intel::generate(NOW).unwrap();
        let anchors =
            TrustAnchors::vendor().with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated);
        let set = intel.collateral(&CollateralSpec::default(), NOW).unwrap();
        Self { intel, anchors, info: TcbInfo::parse(set.tcb_info.as_bytes()).unwrap() }
    }

    /// Leaf and chain of a platform of this TCB.
    fn certificate(&self, components: [u8; 16], pce_svn: u16, ppid: [u8; 16]) -> (String, String) {
        let spec = PlatformSpec {
            cpu_svn_components: components,
            pce_svn,
            ppid: Some(ppid),
            platform_instance_id: Some([1; 16]),
            ..PlatformSpec::default()
        };
        let pem = self.intel.platform(&spec, NOW).unwrap().pck_certificate_chain_pem();
        let end = pem.find("-----END CERTIFICATE-----").unwrap() + 26;
        (pem[..end].to_owned(), pem[end..].to_owned())
    }

    fn set(&self, levels: &[([u8; 16], u16)]) -> PckSet {
        let pairs: Vec<_> = levels.iter().map(|(c, p)| self.certificate(*c, *p, PPID)).collect();
        let pems: Vec<String> = pairs.iter().map(|(leaf, _)| leaf.clone()).collect();
        self.verify(&pems, &pairs[0].1).unwrap()
    }

    fn verify(&self, pems: &[String], chain: &str) -> Result<PckSet, PckError> {
        PckSet::verify(pems, chain, [0, 0], &self.anchors, &ChainCache::new(8))
    }
}

fn level(status: TcbStatus) -> ([u8; 16], u16) {
    let spec = PlatformSpec::with_status(status);
    (spec.cpu_svn_components, spec.pce_svn)
}

fn raw((cpu_svn, pce_svn): ([u8; 16], u16)) -> RawTcb {
    RawTcb { cpu_svn, pce_svn }
}

#[test]
fn the_highest_level_that_the_platform_reaches() {
    let vendor = Vendor::new();
    let (best, hardening, old) =
        (level(TcbStatus::UpToDate), level(TcbStatus::SWHardeningNeeded), level(TcbStatus::OutOfDate));
    // Whatever the order in which they came.
    for order in [[best, hardening, old], [old, hardening, best], [hardening, best, old]] {
        let set = vendor.set(&order);
        let selected = |tcb| set.select(&raw(tcb), &vendor.info).map(|pck| pck.verified.extension.components);
        assert_eq!(selected(best), Some(best.0));
        assert_eq!(selected(hardening), Some(hardening.0));
        assert_eq!(selected(old), Some(old.0));
        assert_eq!(selected(([255; 16], 99)), Some(best.0), "a newer platform uses the best there is");
        assert_eq!(selected((best.0, old.1)), Some(old.0), "the PCESVN counts like a component");
        assert_eq!(selected(level(TcbStatus::Unsupported)), None, "older than every certificate");
    }
}

#[test]
fn within_a_level_the_greater_comes_first() {
    let vendor = Vendor::new();
    let (base, svn) = level(TcbStatus::OutOfDate);
    let with = |index: usize, value: u8| {
        let mut components = base;
        components[index] = value;
        (components, svn)
    };
    // Three of one level: one above the others, and two that cannot be compared.
    let (left, right) = (with(8, 5), with(9, 5));
    let mut both = left;
    both.0[9] = 5;
    let set = vendor.set(&[left, right, (base, svn), both]);
    let selected = |tcb| set.select(&raw(tcb), &vendor.info).unwrap().verified.extension.components;
    assert_eq!(selected(both), both.0);
    assert_eq!([selected(left), selected(right)], [left.0, right.0]);
    assert_eq!(selected((base, svn)), base);
}

#[test]
fn the_answer_names_the_tcb_of_the_certificate() {
    let vendor = Vendor::new();
    let set = vendor.set(&[level(TcbStatus::UpToDate)]);
    let pck = &set.certificates()[0];
    assert_eq!(pck.tcbm(), "0C0C0303FF01010100000000000000000D00");
    assert!(pck.pem.ends_with("-----END CERTIFICATE-----\n") && set.chain.ends_with("-----\n"));
    assert_eq!((set.ca(), set.fmspc()), (PckCa::Platform, Ca::Platform.simulated_fmspc()));
}

#[test]
fn what_is_not_one_platforms_is_refused() {
    let vendor = Vendor::new();
    let (components, svn) = level(TcbStatus::UpToDate);
    let (leaf, chain) = vendor.certificate(components, svn, PPID);
    let (other, _) = vendor.certificate(components, svn, [8; 16]);
    assert_eq!(vendor.verify(&[leaf.clone(), other], &chain).unwrap_err(), PckError::Mixed);
    assert_eq!(vendor.verify(&[], &chain).unwrap_err(), PckError::Count { found: 0 });
    let many = vec![leaf.clone(); 129];
    assert_eq!(vendor.verify(&many, &chain).unwrap_err(), PckError::Count { found: 129 });
    let foreign = Vendor::new();
    assert_eq!(foreign.verify(std::slice::from_ref(&leaf), &chain).unwrap_err().code(), "untrusted-root");
    let wrong =
        PckSet::verify(std::slice::from_ref(&leaf), &chain, [1, 0], &vendor.anchors, &ChainCache::new(8));
    assert_eq!(wrong.unwrap_err(), PckError::OtherPceId);
    assert_eq!(vendor.verify(&["x".repeat(9000)], &chain).unwrap_err(), PckError::TooLarge);
    assert!(vendor.verify(&[leaf], &chain).is_ok());
}
