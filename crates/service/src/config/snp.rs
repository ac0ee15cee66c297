//! The section `snp`: what is demanded of SEV-SNP evidence beyond signatures.

use assay_appraisal::{CompliantImage, SnpTrust};
use assay_verify::AnchorOrigin;
use assay_verify::snp::CrlMode;
use assay_verify::uvm::{Issuer, TrustedIssuers};
use toml::{Table, Value};

use super::Config;
use super::build::Problems;
use super::raw::{RawImageIssuer, RawSnp};

/// Longest list: a fleet has a handful of providers, issuers and images.
const MAX_ENTRIES: usize = 1000;
/// Longest name of a provider or status, and of an issuer, which is a did:x509.
const MAX_NAME: usize = 256;
const MAX_DID: usize = 2048;

pub(super) fn build(problems: &mut Problems, raw: RawSnp) -> SnpTrust {
    let service = SnpTrust::default();
    SnpTrust {
        crl_mode: problems.checked(raw.crl, |name| crl_mode(&name)).unwrap_or(service.crl_mode),
        vlek_providers: problems.checked(raw.vlek_providers, providers).unwrap_or(service.vlek_providers),
        image_issuers: problems.checked(raw.image_issuers, issuers).unwrap_or(service.image_issuers),
        time_stamp_authorities: problems
            .checked(raw.time_stamp_authorities, |list| authorities(&list))
            .unwrap_or(service.time_stamp_authorities),
        compliant: problems.checked(raw.compliant, compliant).unwrap_or(service.compliant),
    }
}

fn crl_mode(name: &str) -> Result<CrlMode, String> {
    let known = CrlMode::ALL.into_iter().find(|(_, known)| *known == name);
    known.map(|(mode, _)| mode).ok_or_else(|| {
        format!(
            "`{name}` is not a way to treat revocation lists; the ways are `require`, `soft-fail` and `off`"
        )
    })
}

fn bounded<T>(list: Vec<T>) -> Result<Vec<T>, String> {
    if list.len() > MAX_ENTRIES {
        Err(format!("there are more than {MAX_ENTRIES} entries"))
    } else {
        Ok(list)
    }
}

fn name(text: &str, what: &str, max: usize) -> Result<(), String> {
    let bad = text.is_empty() || text.len() > max || text.chars().any(char::is_control);
    if bad {
        Err(format!("{what} must have 1 to {max} characters, none of them control characters"))
    } else {
        Ok(())
    }
}

fn providers(list: Vec<String>) -> Result<Vec<String>, String> {
    list.iter().try_for_each(|provider| name(provider, "a provider of VLEKs", MAX_NAME))?;
    bounded(list)
}

fn issuers(list: Vec<RawImageIssuer>) -> Result<TrustedIssuers, String> {
    for issuer in &list {
        name(&issuer.did, "`did`", MAX_DID)?;
        name(&issuer.feed, "`feed`", MAX_NAME)?;
        if !issuer.did.starts_with("did:x509:0:") {
            return Err(format!("`{}` is not a did:x509 of version 0", issuer.did));
        }
        if issuer.status.len() > MAX_NAME {
            return Err(format!("`status` must have at most {MAX_NAME} characters"));
        }
    }
    // Those that are built in are the vendor's, the others the operator's own.
    let built_in = TrustedIssuers::default();
    let named = |issuer: RawImageIssuer| {
        let same = |known: &&Issuer| known.did == issuer.did && known.feed == issuer.feed;
        let origin =
            built_in.issuers().iter().find(same).map_or(AnchorOrigin::Operator, |known| known.origin);
        let RawImageIssuer { did, feed, minimum_svn, status } = issuer;
        Issuer { did, feed, minimum_svn, status, origin }
    };
    Ok(TrustedIssuers::new(bounded(list)?.into_iter().map(named).collect()))
}

fn authorities(list: &[String]) -> Result<Vec<[u8; 32]>, String> {
    let read = |text: &String| {
        let mut hash = [0; 32];
        let read = hex::decode_to_slice(text, &mut hash).map(|()| hash);
        read.map_err(|_| format!("`{text}` is not a SHA-256: 64 hexadecimal digits"))
    };
    bounded(list.iter().map(read).collect::<Result<_, _>>()?)
}

fn compliant(list: Vec<CompliantImage>) -> Result<Vec<CompliantImage>, String> {
    for image in &list {
        name(&image.status, "`status`", MAX_NAME)?;
        let digests = [("measurement", &image.measurement), ("id_key_digest", &image.id_key_digest)];
        for (what, digest) in digests {
            let is_digest = |text: &String| text.len() == 96 && text.bytes().all(|b| b.is_ascii_hexdigit());
            if digest.as_ref().is_some_and(|digest| !is_digest(digest)) {
                return Err(format!("`{what}` must have 96 hexadecimal digits"));
            }
        }
        if image.measurement.is_none() && image.id_key_digest.is_none() {
            return Err("an image needs `measurement` or `id_key_digest`".to_owned());
        }
    }
    bounded(list)
}

/// The section for people, as it could be given again.
pub(super) fn to_toml(config: &Config) -> Value {
    let record = config.snp.to_record();
    let mut table = Table::new();
    let mut put = |name: &str, value: Value| table.insert(name.to_owned(), value);
    put("crl", record.crl.into());
    put("vlek_providers", record.vlek_providers.into());
    put("time_stamp_authorities", record.time_stamp_authorities.into());
    let issuers: Vec<RawImageIssuer> = config.snp.image_issuers.issuers().iter().map(raw).collect();
    put("image_issuers", serialized(&issuers));
    put("compliant", serialized(&record.compliant));
    Value::Table(table)
}

fn raw(issuer: &Issuer) -> RawImageIssuer {
    RawImageIssuer {
        did: issuer.did.clone(),
        feed: issuer.feed.clone(),
        minimum_svn: issuer.minimum_svn,
        status: issuer.status.clone(),
    }
}

fn serialized(list: &impl serde::Serialize) -> Value {
    Value::try_from(list).unwrap_or_else(|_| Value::Array(Vec::new()))
}
