//! Where Intel's API has its documents: for Intel's own service, and for caches that speak like it.

use assay_collateral::pck::RawTcb;
use assay_collateral::subject::{Selection, Subject};
use assay_verify::intel::single::{Enclave, Tee};

/// Intel's names of the headers with chains (Intel, *PCS API v4*).
const TCB_CHAIN: &str = "TCB-Info-Issuer-Chain";
const IDENTITY_CHAIN: &str = "SGX-Enclave-Identity-Issuer-Chain";
const NUMBERS_CHAIN: &str = "TCB-Evaluation-Data-Numbers-Issuer-Chain";
const CRL_CHAIN: &str = "SGX-PCK-CRL-Issuer-Chain";
pub(super) const PCK_CHAIN: &str = "SGX-PCK-Certificate-Issuer-Chain";
/// The list of families.
pub(super) const FAMILIES: &str = "/sgx/certification/v4/fmspcs?platform=all";

/// Path and query of a document, and the header that brings its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) chain: &'static str,
}

/// Where a document is; the list of Intel's root and AMD's lists are elsewhere.
pub(super) fn place(subject: Subject, selection: Selection) -> Option<Place> {
    let (path, chain) = match subject {
        Subject::TcbInfo { tee, fmspc } => {
            let (root, fmspc) = (root(tee), hex::encode_upper(fmspc));
            (format!("{root}/tcb?fmspc={fmspc}&{}", selector(selection)), TCB_CHAIN)
        }
        Subject::Identity(enclave) => {
            (format!("{}?{}", identity(enclave), selector(selection)), IDENTITY_CHAIN)
        }
        Subject::EvaluationNumbers(tee) => (format!("{}/tcbevaluationdatanumbers", root(tee)), NUMBERS_CHAIN),
        Subject::PckCrl(ca) => {
            (format!("{}/pckcrl?ca={}&encoding=der", root(Tee::Sgx), ca.as_str()), CRL_CHAIN)
        }
        // The old form is in archives alone.
        Subject::TcbInfoV2 { .. } | Subject::RootCrl | Subject::AmdCrl(_) => return None,
    };
    Some(Place { path, chain })
}

/// The TCB of a platform as queries have it: `pcesvn` is little-endian.
pub(super) fn raw_tcb_query(raw: &RawTcb) -> String {
    let (cpu, pce) = (hex::encode_upper(raw.cpu_svn), hex::encode_upper(raw.pce_svn.to_le_bytes()));
    format!("cpusvn={cpu}&pcesvn={pce}")
}

fn root(tee: Tee) -> String {
    format!("/{}/certification/v4", tee.as_str())
}

const fn identity(enclave: Enclave) -> &'static str {
    match enclave {
        Enclave::Qe => "/sgx/certification/v4/qe/identity",
        Enclave::Qve => "/sgx/certification/v4/qve/identity",
        Enclave::Qae => "/sgx/certification/v4/qae/identity",
        Enclave::TdQe => "/tdx/certification/v4/qe/identity",
    }
}

/// At most one of the two selectors may stand in a query, else the answer is 400.
fn selector(selection: Selection) -> String {
    match selection {
        Selection::Track(track) => format!("update={}", track.as_str()),
        Selection::Number(number) => format!("tcbEvaluationDataNumber={number}"),
    }
}

#[cfg(test)]
mod tests {
    use assay_collateral::subject::Track;
    use assay_verify::intel::PckCa;

    use super::*;

    #[test]
    fn every_document_of_intels_has_a_place() {
        let fmspc = [0x00, 0x60, 0x6a, 0, 0, 0xab];
        let early = Selection::Track(Track::Early);
        let standard = Selection::default();
        let cases = [
            (
                Subject::TcbInfo { tee: Tee::Sgx, fmspc },
                early,
                "/sgx/certification/v4/tcb?fmspc=00606A0000AB&update=early",
                TCB_CHAIN,
            ),
            (
                Subject::TcbInfo { tee: Tee::Tdx, fmspc },
                Selection::Number(17),
                "/tdx/certification/v4/tcb?fmspc=00606A0000AB&tcbEvaluationDataNumber=17",
                TCB_CHAIN,
            ),
            (
                Subject::Identity(Enclave::Qe),
                standard,
                "/sgx/certification/v4/qe/identity?update=standard",
                IDENTITY_CHAIN,
            ),
            (
                Subject::Identity(Enclave::Qve),
                standard,
                "/sgx/certification/v4/qve/identity?update=standard",
                IDENTITY_CHAIN,
            ),
            (
                Subject::Identity(Enclave::Qae),
                standard,
                "/sgx/certification/v4/qae/identity?update=standard",
                IDENTITY_CHAIN,
            ),
            (
                Subject::Identity(Enclave::TdQe),
                standard,
                "/tdx/certification/v4/qe/identity?update=standard",
                IDENTITY_CHAIN,
            ),
            (
                Subject::EvaluationNumbers(Tee::Tdx),
                standard,
                "/tdx/certification/v4/tcbevaluationdatanumbers",
                NUMBERS_CHAIN,
            ),
            (
                Subject::PckCrl(PckCa::Platform),
                standard,
                "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
                CRL_CHAIN,
            ),
        ];
        for (subject, selection, path, chain) in cases {
            assert_eq!(place(subject, selection), Some(Place { path: path.to_owned(), chain }));
        }
        assert_eq!(place(Subject::RootCrl, standard), None);
    }

    #[test]
    fn the_pce_svn_is_little_endian() {
        let raw = RawTcb { cpu_svn: [0xab; 16], pce_svn: 13 };
        assert_eq!(raw_tcb_query(&raw), format!("cpusvn={}&pcesvn=0D00", "AB".repeat(16)));
    }
}
