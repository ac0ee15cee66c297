//! A folder as an offline mirror.
//!
//! ```text
//! intel/sgx-tcb/00606a000000/standard.json    a numbered document: early, standard or the number
//! intel/sgx-tcb/00606a000000/standard.chain.pem
//! intel/pck-crl/platform.der                  and platform.chain.pem
//! intel/root-crl.der
//! intel/families.json                         Intel's list of families
//! amd/vcek-crl/milan.der
//! amd/vcek/{SHA-256}.der                      see `vcek_file`
//! ```
//!
//! Names are made of subjects, numbers and hashes, so that no question leads out of the folder.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use assay_collateral::document::{MAX_BODY, RawDocument};
use assay_collateral::subject::{Selection, Subject};
use assay_collateral::upstream::{Answer, Fetched, Upstream, UpstreamError, VcekName, Wanted};
use assay_verify::sha256;
use bytes::Bytes;

use super::exchange::bad;
use super::{kds, read};

/// Two certificates have 2 KiB.
const CHAIN_MAX: usize = 16 * 1024;
/// What a web server would say of a file that is not there.
const NO_FILE: UpstreamError = UpstreamError::Unknown { status: 404, detail: None };

/// A folder with files that nobody believes before they are verified.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

impl Upstream for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn offers(&self, wanted: &Wanted) -> bool {
        !matches!(wanted, Wanted::Pcks(_) | Wanted::Registration(_))
    }

    fn fetch<'a>(&'a self, wanted: &'a Wanted) -> Answer<'a> {
        let (folder, wanted) = (self.path.clone(), wanted.clone());
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || fetch(&folder, &wanted)).await;
            read.map_err(|_| UpstreamError::Unavailable {
                problem: "the reading was interrupted".to_owned(),
            })?
        })
    }
}

/// Where the certificate of a chip is in such a folder: chips have no names there.
#[must_use]
pub fn vcek_file(name: &VcekName) -> String {
    format!("amd/vcek/{}.der", hex::encode(sha256(&[name.path().as_bytes()])))
}

/// Where a document is in such a folder, and its chain, if it has one.
#[must_use]
pub fn document_files(subject: Subject, selection: Selection) -> (String, Option<String>) {
    let version = match selection {
        _ if !subject.is_numbered() => String::new(),
        Selection::Track(track) => format!("/{}", track.as_str()),
        Selection::Number(number) => format!("/{number}"),
    };
    let (extension, has_chain) = match subject {
        Subject::TcbInfo { .. }
        | Subject::TcbInfoV2 { .. }
        | Subject::Identity(_)
        | Subject::EvaluationNumbers(_) => ("json", true),
        Subject::PckCrl(_) => ("der", true),
        Subject::RootCrl | Subject::AmdCrl(_) => ("der", false),
    };
    let stem = format!("{}{version}", subject.path());
    (format!("{stem}.{extension}"), has_chain.then(|| format!("{stem}.chain.pem")))
}

fn fetch(folder: &Path, wanted: &Wanted) -> Result<Fetched, UpstreamError> {
    match wanted {
        Wanted::Document(subject, selection) => document(folder, *subject, *selection),
        Wanted::Families => {
            let body = file(folder, "intel/families.json", MAX_BODY)?;
            read::families(&body).map(Fetched::Families)
        }
        Wanted::Vcek(name) => read::der(file(folder, &vcek_file(name), kds::VCEK_MAX)?).map(Fetched::Vcek),
        Wanted::Pcks(_) | Wanted::Registration(_) => Err(UpstreamError::NotOffered),
    }
}

fn document(folder: &Path, subject: Subject, selection: Selection) -> Result<Fetched, UpstreamError> {
    let (body, chain) = document_files(subject, selection);
    let is_der = body.ends_with(".der");
    let body = file(folder, &body, MAX_BODY)?;
    let body = if is_der { read::der(body)? } else { read::json(body)? };
    let chain = chain.map(|name| chain_file(folder, &name)).transpose()?;
    Ok(Fetched::Document(RawDocument { body, chain }))
}

fn chain_file(folder: &Path, name: &str) -> Result<String, UpstreamError> {
    let text = file(folder, name, CHAIN_MAX)?;
    let text = std::str::from_utf8(&text).map(str::to_owned).ok();
    text.and_then(read::pem).ok_or_else(|| bad("its chain is not of certificates"))
}

/// Reads no more than the limit, whatever the size was a moment before.
fn file(folder: &Path, name: &str, limit: usize) -> Result<Bytes, UpstreamError> {
    let path = folder.join(name);
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => NO_FILE,
        _ => UpstreamError::Unavailable { problem: format!("a file cannot be read: {error}") },
    };
    // Pipes and devices would block.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(bad("it is not a file"));
    }
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(&path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() > limit { Err(bad(format!("it is larger than {limit} bytes"))) } else { Ok(bytes.into()) }
}
