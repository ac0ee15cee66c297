//! AMD's certificates as AMD's key distribution service serves them (AMD 57230, *VCEK Certificate and KDS Interface
//! Specification*), and as the cache of Azure's containers asks for them.

use assay_collateral::subject::{AmdCrlKey, Selection, Subject};
use assay_collateral::upstream::VcekName;
use assay_evidence::pem;
use assay_evidence::snp::{Product, SigningKey, Tcb};
use assay_verify::snp::{VekCertificate, VekKey};

use super::query::Query;
use super::reply::{Refusal, Reply};
use super::{HardwareIdentity, pcs};
use crate::upstream::Asker;

const DER: &str = "application/pkix-cert";
const CRL: &str = "application/pkix-crl";
const PEM: &str = "application/x-pem-file";
/// What never changes may be kept for as long as a cache likes: a year, the most that HTTP caches honour.
const FOR_EVER: &str = "max-age=31536000, immutable";

/// `/{vcek|vlek}/v1/{product}/cert_chain`: the authority, then the root.
pub(super) fn cert_chain(
    identity: &HardwareIdentity,
    product: &str,
    kind: SigningKey,
) -> Result<Reply, Refusal> {
    let trust = identity.library.trust();
    let authority = trust.anchors.amd_authority(product_of(product)?, kind).ok_or_else(pcs::no_such_path)?;
    let chain = pem::encode(authority.certificates().iter().map(Vec::as_slice));
    Ok(Reply::of(PEM, chain).with("cache-control", FOR_EVER))
}

/// `/{vcek|vlek}/v1/{product}/crl`.
pub(super) async fn crl(
    identity: &HardwareIdentity,
    product: &str,
    kind: SigningKey,
    headers: &http::HeaderMap,
    asker: Asker,
) -> Result<Reply, Refusal> {
    let subject = Subject::AmdCrl(AmdCrlKey { product: product_of(product)?, kind });
    let served = identity.library.document(subject, Selection::default(), asker).await?;
    Ok(identity.dated(Reply::of(CRL, served.document.body.clone()), &served, headers))
}

/// `/vcek/v1/{product}/{hwid}`: the certificate of a chip and TCB.
pub(super) async fn vcek(
    identity: &HardwareIdentity,
    product: &str,
    hwid: &str,
    query: &Query<'_>,
    asker: Asker,
) -> Result<Reply, Refusal> {
    let product = product_of(product)?;
    let name = VcekName { product, hwid: hwid_of(product, hwid)?, tcb: tcb_of(product, query)? };
    let found = identity.veks.get(&name, asker).await?;
    Ok(Reply::of(DER, found.der.to_vec()).with("cache-control", FOR_EVER))
}

/// `/SevSnpVM/certificates/{chip}/{tcb}`: a chip's certificate with the chain above it, PEM. The TCB is a number in
/// hexadecimal, so its first digits are the last byte of the version.
pub(super) async fn azure_cache(
    identity: &HardwareIdentity,
    chip: &str,
    tcb: &str,
    asker: Asker,
) -> Result<Reply, Refusal> {
    let reported_tcb = number_of(tcb)?;
    let wanted = VekKey { reported_tcb, ..chip_of(chip)? };
    let found = identity.veks.get_for(&wanted, asker).await?;
    Ok(Reply::of(PEM, [vcek_pem(&found), chain_pem(&found)].concat()).with("cache-control", FOR_EVER))
}

/// A TCB version written as a number in hexadecimal, as it stands in a report. Clients leave leading zeros out.
pub(super) fn number_of(text: &str) -> Result<[u8; 8], Refusal> {
    let malformed = Refusal::Malformed("The TCB is not a number of up to 16 hexadecimal digits.");
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    number.map(u64::to_le_bytes).ok_or(malformed)
}

/// A chip by its id, of whatever product; the TCB is still to be named.
pub(super) fn chip_of(text: &str) -> Result<VekKey, Refusal> {
    let mut chip_id = [0; 64];
    let digits = text.len();
    let target = chip_id.get_mut(..digits.div_euclid(2)).filter(|_| digits == 128 || digits == 16);
    let decoded = target.map(|target| hex::decode_to_slice(text, target));
    if !matches!(decoded, Some(Ok(()))) {
        return Err(Refusal::Malformed("The chip id is not 128 (Turin: 16) hexadecimal digits."));
    }
    Ok(VekKey { product: None, kind: SigningKey::Vcek, chip_id, reported_tcb: [0; 8] })
}

/// The certificate, PEM.
fn vcek_pem(vek: &VekCertificate) -> String {
    pem::encode([&*vek.der])
}

/// The authority that issued it and its root, PEM.
fn chain_pem(vek: &VekCertificate) -> String {
    pem::encode(vek.vek.authority().certificates().iter().map(Vec::as_slice))
}

/// AMD names the generation for all processors of it.
fn product_of(name: &str) -> Result<Product, Refusal> {
    let alias = match name.to_ascii_lowercase().as_str() {
        "bergamo" | "siena" => Some(Product::Genoa),
        _ => Product::from_name(name),
    };
    alias.ok_or_else(|| Refusal::NotFound("The product is not known: Milan, Genoa or Turin.".to_owned()))
}

fn hwid_of(product: Product, text: &str) -> Result<Vec<u8>, Refusal> {
    let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == product.chip_id_size());
    bytes.ok_or(Refusal::Malformed("The chip id is not 128 (Turin: 16) hexadecimal digits."))
}

fn tcb_of(product: Product, query: &Query<'_>) -> Result<Tcb, Refusal> {
    let required = |name| {
        let missing = Refusal::Malformed("A patch level is missing: blSPL, teeSPL, snpSPL, ucodeSPL.");
        query.number::<u8>(name)?.ok_or(missing)
    };
    let fmc = match product {
        Product::Turin => Some(
            query
                .number::<u8>("fmcSPL")?
                .ok_or(Refusal::Malformed("Turin's certificates have `fmcSPL`, too."))?,
        ),
        // Other products have none; a client that sends it means another product.
        _ if query.get("fmcSPL")?.is_some() => {
            return Err(Refusal::Malformed("Only Turin's certificates have `fmcSPL`."));
        }
        _ => None,
    };
    Ok(Tcb {
        fmc,
        boot_loader: required("blSPL")?,
        tee: required("teeSPL")?,
        snp: required("snpSPL")?,
        microcode: required("ucodeSPL")?,
    })
}
