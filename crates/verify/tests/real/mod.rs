//! Real evidence of AMD's platforms, from the folder that `ASSAY_VECTORS` names.
#![allow(dead_code, unreachable_pub, clippy::print_stdout, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: ASSAY_VECTORS is not set, so there is no real evidence to test with");
    }
    folder
}

pub fn read(vectors: &Path, name: &str) -> Vec<u8> {
    std::fs::read(vectors.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// DER certificates of a PEM or DER file.
pub fn certificates(bytes: &[u8]) -> Vec<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(bytes) else { return vec![bytes.to_vec()] };
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let body = |block: &str| block.split("-----END").next().unwrap().split_whitespace().collect::<String>();
    blocks.map(|block| STANDARD.decode(body(block)).unwrap()).collect()
}

/// Report and certificates of a case of `snp/expected.json`; `None` if its files are not there.
pub fn case(vectors: &Path, case: &Value) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    if case["id"] == "veraison-tsm" || case["report_file"].is_null() {
        return bundled(vectors, case["id"].as_str().unwrap());
    }
    let file = |name: &str| std::fs::read(vectors.join("snp").join(case[name].as_str().unwrap())).ok();
    Some((file("report_file")?, certificates(&file("vek_file")?)))
}

/// Cases inside of JSON documents, as far as they are there.
fn bundled(vectors: &Path, id: &str) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let json = |name: &str| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(vectors.join(name)).ok()?).ok()
    };
    let decode = |value: &Value| {
        let text = value.as_str().unwrap().replace('\n', "").replace('-', "+").replace('_', "/");
        let text = text.trim_end_matches('=');
        base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).unwrap()
    };
    match id {
        "kms-caci" => {
            let found = json("snp/misc/privacy-sandbox-kms-snp.json")?;
            Some((decode(&found["evidence"]), certificates(&decode(&found["endorsements"]))))
        }
        "maa-sevsnp-request" => {
            let found = json("azcvm/maa/sevsnp-request.json")?;
            let report: Value = serde_json::from_slice(&decode(&found["report"])).ok()?;
            Some((decode(&report["SnpReport"]), certificates(&decode(&report["VcekCertChain"]))))
        }
        id if id.starts_with("cleanroom") => {
            let found = json(&format!("snp/misc/{id}"))?;
            let found = &found["report"]["snpCACI"];
            Some((decode(&found["attestation"]), certificates(&decode(&found["platformCertificates"]))))
        }
        _ => None,
    }
}

/// A machine: its report and the certificates that belong to it.
pub struct Machine {
    pub name: &'static str,
    pub report: Vec<u8>,
    pub certificates: Vec<Vec<u8>>,
}

impl Machine {
    /// Chip and TCB are the same, so one VCEK serves both.
    pub fn is_same_chip(&self, other: &Self) -> bool {
        self.report[0x180..0x188] == other.report[0x180..0x188]
            && self.report[0x1a0..0x1e0] == other.report[0x1a0..0x1e0]
    }
}

pub fn machines(vectors: &Path) -> Vec<Machine> {
    let files = [
        ("Milan 3", "snp/milan/mstav-report.bin", "snp/milan/mstav-vcek.pem"),
        ("Genoa 3", "snp/genoa/mstav-report.bin", "snp/genoa/mstav-vcek.pem"),
        ("Turin 5", "snp/turin/mstav-report.bin", "snp/turin/mstav-vcek.pem"),
        ("Milan 2", "snp/milan/coco-report.bin", "snp/milan/coco-vcek.der"),
        ("Milan 2, debug", "snp/milan/gosev-report.bin", "snp/milan/gosev-vcek.der"),
        ("Milan 2, container", "snp/milan/sidecar-caci-report.bin", "snp/milan/sidecar-thim-chain.pem"),
    ];
    files
        .into_iter()
        .map(|(name, report, certificate)| Machine {
            name,
            report: read(vectors, report),
            certificates: certificates(&read(vectors, certificate)),
        })
        .collect()
}
